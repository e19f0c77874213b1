//! All settings: from flags, environment and file, in this order of precedence.
//!
//! The only reader of the environment.

use std::{
    ffi::OsString,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, ValueEnum};
use serde::{Deserialize, Deserializer, de::Error as _};
use validator::Validate;

/// Settings that every command takes.
#[derive(Debug, Clone, Default, Args)]
#[expect(clippy::doc_markdown, reason = "shown as help, where backticks would stand as they are")]
pub struct CommonArgs {
    /// Database to use, postgres://USER:PASSWORD@HOST:PORT/NAME. Without one, tagd runs a private Postgres of its own
    #[arg(long, global = true, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub database_url: Option<String>,

    /// Folder of the private Postgres [default: /var/lib/tagd as root, else $XDG_DATA_HOME/tagd or ~/.local/share/tagd]
    #[arg(long, global = true, env = "TAGD_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,

    /// Folder with the Postgres programs for the private Postgres [default: found on PATH and in the usual directories]
    #[arg(long, global = true, env = "TAGD_POSTGRES_BIN", value_name = "DIR")]
    pub postgres_bin: Option<PathBuf>,

    /// Maximum number of database connections, 1 to 500 [default: 16]
    #[arg(long, global = true, env = "TAGD_CONNECTIONS", value_name = "N")]
    pub connections: Option<u32>,

    /// Settings file in TOML, with the names of the flags and _ for - (listen = "127.0.0.1:8080") [default: none]
    #[arg(long, global = true, env = "TAGD_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Format of the log lines on standard error: text, json or auto (text on a terminal) [default: auto]
    #[arg(long, global = true, env = "TAGD_LOG_FORMAT", value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,

    /// Log level: error, warn, info, debug, or a filter such as info,tagd::store=debug [default: info for serve, warn for
    /// the other commands]
    #[arg(long, global = true, env = "TAGD_LOG", value_name = "FILTER")]
    pub log: Option<String>,
}

/// Settings of `serve`.
#[derive(Debug, Clone, Default, Args)]
pub struct ServeArgs {
    /// Address and port to listen on; port 0 picks a free one [default: 127.0.0.1:8080]
    #[arg(long, env = "TAGD_LISTEN", value_name = "ADDRESS:PORT", value_parser = read_address)]
    pub listen: Option<SocketAddr>,

    /// Allow an address that other machines can reach. Requests are not authenticated: anyone who can reach it can read
    /// and change everything [default: off]
    #[arg(long, env = "TAGD_INSECURE_LISTEN", value_parser = read_flag)]
    pub insecure_listen: bool,

    /// Number of threads that handle requests, 1 to 256 [default: one for each processor]
    #[arg(long, env = "TAGD_WORKERS", value_name = "N")]
    pub workers: Option<u32>,

    /// Timeout of each database statement of a request in seconds, 1 to 3600 [default: 30]
    #[arg(long, env = "TAGD_STATEMENT_TIMEOUT", value_name = "SECONDS")]
    pub statement_timeout: Option<u32>,

    /// Name of the region whose resources are served, as the cross-service API (TMS) shows it [default: region-1]
    #[arg(long, env = "TAGD_REGION", value_name = "NAME")]
    pub region: Option<String>,

    /// Load the demo fleet first, if the database has never had a resource [default: off]
    #[arg(long, env = "TAGD_WITH_DEMO", value_parser = read_flag)]
    pub with_demo: bool,

    /// Host name that requests may be addressed to, besides localhost and IP addresses. Repeat the flag for several
    /// names; in the variable, separate them with commas. Requests to other hosts are refused, so that a web page cannot
    /// reach tagd through a host name of its own [default: none]
    #[arg(long = "allowed-host", env = "TAGD_ALLOWED_HOSTS", value_name = "NAME", value_delimiter = ',')]
    pub allowed_hosts: Vec<String>,
}

/// Format of the log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, else JSON.
    #[default]
    Auto,
    /// Text.
    Text,
    /// One JSON object a line.
    Json,
}

/// The settings file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SettingsFile {
    database_url: Option<String>,
    data_dir: Option<PathBuf>,
    postgres_bin: Option<PathBuf>,
    connections: Option<u32>,
    log_format: Option<LogFormat>,
    log: Option<String>,
    #[serde(default, deserialize_with = "deserialize_address")]
    listen: Option<SocketAddr>,
    insecure_listen: Option<bool>,
    workers: Option<u32>,
    statement_timeout: Option<u32>,
    region: Option<String>,
    with_demo: Option<bool>,
    allowed_hosts: Option<Vec<String>>,
}

/// Every setting, with its default filled in.
#[derive(Debug, Clone, Validate)]
pub struct Settings {
    /// Database, if one was given.
    pub database_url: Option<String>,
    /// Folder of the private Postgres.
    pub data_dir: PathBuf,
    /// Folder with its programs, if one was given.
    pub postgres_bin: Option<PathBuf>,
    /// The directories that are searched for programs.
    pub path: Option<OsString>,
    /// Maximum number of database connections.
    #[validate(range(min = 1, max = 500))]
    pub connections: u32,
    /// Format of the log lines.
    pub log_format: LogFormat,
    /// Log filter, if given.
    pub log: Option<String>,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Whether other machines may reach that address.
    pub insecure_listen: bool,
    /// Number of threads that handle requests.
    #[validate(range(min = 1, max = 256))]
    pub workers: u32,
    /// Timeout of a statement of a request, in seconds.
    #[validate(range(min = 1, max = 3600))]
    pub statement_timeout: u32,
    /// Name of the region whose resources are served.
    pub region: String,
    /// Whether an empty database gets the demo fleet.
    pub with_demo: bool,
    /// Names of hosts that requests may be addressed to, in lower case and without a dot at the end.
    pub allowed_hosts: Vec<String>,
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the settings file {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file has an invalid setting.
    #[error("the settings file {}: {message}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What and where.
        message: String,
    },
    /// A number out of its range.
    #[error("{name}: must be an integer between {min} and {max}, got {value}")]
    Range {
        /// The setting.
        name: String,
        /// What was given.
        value: String,
        /// The minimum.
        min: String,
        /// The maximum.
        max: String,
    },
    /// Neither a setting nor the environment gives a data directory.
    #[error("data_dir: is required, because neither HOME nor XDG_DATA_HOME is set")]
    NoHome,
    /// An invalid host name.
    #[error(
        "allowed_hosts: {0:?} must be a host name such as tags.example.org, without scheme, port or path; \
         localhost and IP addresses are always allowed"
    )]
    Host(String),
    /// Other machines can reach the address.
    #[error(
        "listen: {0} is reachable from other machines, and requests are not authenticated; \
         use a loopback address or add --insecure-listen"
    )]
    OpenListen(SocketAddr),
}

impl Settings {
    /// Puts flags (and with them the environment, which clap has read), file and defaults together.
    pub fn load(common: &CommonArgs, serve: &ServeArgs) -> Result<Self, ConfigError> {
        let file = match &common.config {
            Some(path) => read_file(path)?,
            None => SettingsFile::default(),
        };
        let data_dir = common.data_dir.clone().or(file.data_dir);
        // an empty variable counts as not set
        let given = Some(&serve.allowed_hosts).filter(|hosts| hosts.iter().any(|host| !host.is_empty()));
        let hosts = given.cloned().or(file.allowed_hosts).unwrap_or_default();
        let settings = Self {
            // compose files and shells turn a variable that is not set into an empty one
            database_url: [common.database_url.clone(), file.database_url]
                .into_iter()
                .flatten()
                .find(|url| !url.is_empty()),
            data_dir: data_dir.map_or_else(default_data_dir, Ok)?,
            postgres_bin: common.postgres_bin.clone().or(file.postgres_bin),
            path: env("PATH"),
            connections: common.connections.or(file.connections).unwrap_or(16),
            log_format: common.log_format.or(file.log_format).unwrap_or_default(),
            log: common.log.clone().or(file.log),
            listen: serve.listen.or(file.listen).unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8080))),
            insecure_listen: serve.insecure_listen || file.insecure_listen.unwrap_or_default(),
            workers: serve.workers.or(file.workers).unwrap_or_else(processors),
            statement_timeout: serve.statement_timeout.or(file.statement_timeout).unwrap_or(30),
            region: serve
                .region
                .clone()
                .or(file.region)
                .filter(|region| !region.is_empty())
                .unwrap_or_else(|| "region-1".to_owned()),
            with_demo: serve.with_demo || file.with_demo.unwrap_or_default(),
            allowed_hosts: hosts.iter().map(|host| host_name(host)).collect::<Result<_, _>>()?,
        };
        settings.validate().map_err(|errors| range_error(&errors))?;
        Ok(settings)
    }

    /// Refuses to listen on an address that other machines can reach, unless `--insecure-listen` is set.
    pub fn check_listen(&self) -> Result<(), ConfigError> {
        if self.listen.ip().is_loopback() || self.insecure_listen {
            Ok(())
        } else {
            Err(ConfigError::OpenListen(self.listen))
        }
    }

    /// Timeout of a statement of a request.
    pub fn statement_timeout(&self) -> Duration {
        Duration::from_secs(self.statement_timeout.into())
    }
}

/// An address to listen on. A host name may have several, so it is not resolved.
fn read_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "must be an IP address and a port, such as 127.0.0.1:8080".to_owned())
}

fn deserialize_address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(deserializer)?;
    read_address(&text).map(Some).map_err(|reason| D::Error::custom(format!("listen: {reason}, got {text:?}")))
}

/// A flag from the environment; an empty variable counts as not set.
fn read_flag(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" | "y" | "t" => Ok(true),
        "" | "false" | "no" | "off" | "0" | "n" | "f" => Ok(false),
        _ => Err("must be true or false".to_owned()),
    }
}

/// A host name in the form in which names are compared: in lower case, without a trailing dot.
fn host_name(given: &str) -> Result<String, ConfigError> {
    let name = given.trim().to_ascii_lowercase();
    let name = name.strip_suffix('.').unwrap_or(&name);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if name.len() <= 253 && name.split('.').all(is_label) {
        Ok(name.to_owned())
    } else {
        Err(ConfigError::Host(given.to_owned()))
    }
}

fn read_file(path: &Path) -> Result<SettingsFile, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    toml::from_str(&text).map_err(|error| {
        let line = error.span().map_or(1, |span| text.get(..span.start).unwrap_or_default().matches('\n').count() + 1);
        ConfigError::Parse { path: path.to_owned(), message: format!("line {line}: {}", error.message()) }
    })
}

fn default_data_dir() -> Result<PathBuf, ConfigError> {
    // an unprivileged server could not reach a folder below /root
    if nix::unistd::geteuid().is_root() {
        return Ok(PathBuf::from("/var/lib/tagd"));
    }
    let absolute = |name| env(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_DATA_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/share")))
        .map(|base| base.join("tagd"))
        .ok_or(ConfigError::NoHome)
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn env(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

fn processors() -> u32 {
    std::thread::available_parallelism().ok().and_then(|n| u32::try_from(n.get()).ok()).unwrap_or(2).min(256)
}

fn range_error(errors: &validator::ValidationErrors) -> ConfigError {
    let (name, error) = errors
        .field_errors()
        .into_iter()
        .find_map(|(name, errors)| Some((name.to_string(), errors.first()?.clone())))
        .unwrap_or_else(|| (String::from("settings"), validator::ValidationError::new("range")));
    let of = |what: &str| error.params.get(what).map_or_else(String::new, ToString::to_string);
    ConfigError::Range { name, value: of("value"), min: of("min"), max: of("max") }
}
