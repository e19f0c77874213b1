//! Settings of read replicas.

use std::path::PathBuf;

use clap::Args;

use super::{
    error::ConfigError,
    secrets::{has_password, not_both, read_secret},
    values::{path_parser, set_path},
};

/// Flags of `serve` for read replicas.
#[derive(Debug, Clone, Default, Args)]
pub struct ReplicaArgs {
    /// Streaming replica of the database, to which reads are sent; a URL as for the database itself. Repeat the flag for several;
    /// in the variable, separate them with commas [default: none]
    #[arg(long = "read-database-url", env = "TAGD_READ_DATABASE_URLS", value_name = "URL", hide_env_values = true)]
    pub read_database_urls: Vec<String>,

    /// File with these URLs, one a line [default: none]
    #[arg(long, env = "TAGD_READ_DATABASE_URLS_FILE", value_name = "FILE", value_parser = path_parser())]
    pub read_database_urls_file: Option<PathBuf>,

    /// How far a replica may be behind the database in seconds, 1 to 3600; reads are not sent to one that is further behind
    /// [default: 10]
    #[arg(long, env = "TAGD_MAX_REPLICA_LAG", value_name = "SECONDS")]
    pub max_replica_lag: Option<u32>,
}

/// A replica that reads are sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadDatabase {
    /// Its URL.
    pub url: String,
    /// Whether the URL has a password.
    pub has_password: bool,
}

/// Where the URLs of replicas are given.
pub(super) struct ReadDatabases {
    urls: Vec<String>,
    /// The file that has them.
    pub(super) file: Option<PathBuf>,
}

impl ReadDatabases {
    /// Of flags and environment, or else of the lines of the settings file.
    pub(super) fn new(args: &ReplicaArgs, lines: (Option<Vec<String>>, Option<PathBuf>)) -> Self {
        let given = (split(&args.read_database_urls), set_path(args.read_database_urls_file.as_ref(), None));
        let (urls, file) = match given {
            (urls, None) if urls.is_empty() => (split(&lines.0.unwrap_or_default()), set_path(None, lines.1)),
            given => given,
        };
        Self { urls, file }
    }

    /// The replicas of a database that was given by URL.
    pub(super) fn read(self, has_database_url: bool) -> Result<Vec<ReadDatabase>, ConfigError> {
        let (setting, setting_of_file) = ("read_database_urls", "read_database_urls_file");
        not_both((setting, !self.urls.is_empty()), (setting_of_file, self.file.is_some()))?;
        let urls = match &self.file {
            Some(path) => {
                let text = read_secret(setting_of_file, path)?;
                split(&text.lines().map(str::to_owned).collect::<Vec<_>>())
            }
            None => self.urls,
        };
        if !urls.is_empty() && !has_database_url {
            let setting = if self.file.is_some() { setting_of_file } else { setting };
            return Err(ConfigError::Requires { setting, required: "database_url" });
        }
        Ok(urls.into_iter().map(|url| ReadDatabase { has_password: has_password(&url), url }).collect())
    }
}

/// The URLs of lists. One URL may have commas between its hosts, so only those count that a scheme follows. An empty variable counts
/// as not set.
fn split(given: &[String]) -> Vec<String> {
    let mut urls: Vec<String> = Vec::new();
    for list in given {
        for (at, part) in list.split(',').enumerate() {
            let begins = part.trim_start().starts_with("postgres://") || part.trim_start().starts_with("postgresql://");
            match urls.last_mut() {
                Some(url) if at > 0 && !begins => {
                    url.push(',');
                    url.push_str(part);
                }
                _ => urls.push(part.to_owned()),
            }
        }
    }
    urls.iter().map(|url| url.trim().to_owned()).filter(|url| !url.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_separate_urls_and_hosts() {
        let of = |given: &[&str]| split(&given.iter().map(|url| (*url).to_owned()).collect::<Vec<_>>());
        assert_eq!(of(&[]), [""; 0]);
        assert_eq!(of(&["", " "]), [""; 0]);
        assert_eq!(of(&["postgres://a/d", "postgres://b/d"]), ["postgres://a/d", "postgres://b/d"]);
        assert_eq!(
            of(&["postgres://a:1,b:2/d, postgresql://c,d/e,postgres://f"]),
            ["postgres://a:1,b:2/d", "postgresql://c,d/e", "postgres://f"]
        );
        // what is no URL is told as such later
        assert_eq!(of(&["x,postgres://a/d"]), ["x", "postgres://a/d"]);
    }
}
