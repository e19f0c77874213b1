//! Secrets that a setting has itself or in a file.

use std::{
    borrow::Cow,
    ffi::OsString,
    fmt,
    path::{Path, PathBuf},
};

use super::{auth::KeySetting, error::ConfigError, values::set_path};

/// The password of the database where its URL has none.
#[derive(Clone)]
pub struct DatabasePassword(String);

impl DatabasePassword {
    /// Its text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Without the password.
impl fmt::Debug for DatabasePassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatabasePassword")
    }
}

/// URL and password of the database, where each of them was given.
pub(super) struct DatabaseSettings {
    url: Option<String>,
    /// The file with the URL.
    pub(super) url_file: Option<PathBuf>,
    password: Option<OsString>,
    /// The file with the password.
    pub(super) password_file: Option<PathBuf>,
}

impl DatabaseSettings {
    /// Of flags and environment, or else of the lines of the settings file. The password itself is that of the environment.
    pub(super) fn new(
        (url, url_file): (Option<&String>, Option<&PathBuf>),
        (password, password_file): (Option<OsString>, Option<&PathBuf>),
        lines: (Option<String>, Option<PathBuf>, Option<PathBuf>),
    ) -> Self {
        // compose files and shells turn a variable that is not set into an empty one
        let set = |url: Option<String>| url.filter(|url| !url.is_empty());
        let (url, url_file) = match (set(url.cloned()), set_path(url_file, None)) {
            (None, None) => (set(lines.0), set_path(None, lines.1)),
            given => given,
        };
        let (password, password_file) = match (password, set_path(password_file, None)) {
            (None, None) => (None, set_path(None, lines.2)),
            given => given,
        };
        Self { url, url_file, password, password_file }
    }

    /// Whether there is a database.
    pub(super) fn is_given(&self) -> bool {
        self.url.is_some() || self.url_file.is_some()
    }

    /// URL and password, from their files if they are in files.
    pub(super) fn read(self) -> Result<(Option<String>, Option<DatabasePassword>), ConfigError> {
        let url = one_of(("database_url", self.url), ("database_url_file", self.url_file.as_deref()))?;
        let setting = if self.password.is_some() { PASSWORD } else { PASSWORD_FILE };
        let password = self.password.map(|text| utf8(PASSWORD, text)).transpose()?;
        let password = one_of((PASSWORD, password), (PASSWORD_FILE, self.password_file.as_deref()))?;
        match &url {
            None if password.is_some() => Err(ConfigError::Requires { setting, required: "database_url" }),
            Some(url) if password.is_some() && has_password(url) => {
                Err(ConfigError::Both { first: "the password in database_url", second: setting })
            }
            _ => Ok((url, password.map(DatabasePassword))),
        }
    }
}

/// The variable with the password.
pub(super) const PASSWORD: &str = "TAGD_DATABASE_PASSWORD";
const PASSWORD_FILE: &str = "database_password_file";

/// Whether a URL has a password, before its host or as a parameter.
pub(super) fn has_password(url: &str) -> bool {
    let (place, query) = url.split_once('?').unwrap_or((url, ""));
    let authority = place.split_once("://").map_or(place, |(_, rest)| rest);
    let authority = authority.split('/').next().unwrap_or_default();
    let of_user = authority.rsplit_once('@').and_then(|(user, _)| user.split_once(':'));
    let is_password = |(name, _): (Cow<'_, str>, _)| name == "password";
    of_user.is_some_and(|(_, password)| !password.is_empty())
        || form_urlencoded::parse(query.as_bytes()).any(is_password)
}

/// The secret that the environment has, or the one in a file.
pub(super) fn of_variable(
    (variable, text): (&'static str, Option<OsString>),
    (setting, path): (&'static str, Option<&Path>),
) -> Result<Option<String>, ConfigError> {
    let text = text.map(|text| utf8(variable, text)).transpose()?;
    one_of((variable, text), (setting, path))
}

/// Refuses a secret that is in a variable and in a file at the same time.
pub(super) fn not_both(first: (&'static str, bool), second: (&'static str, bool)) -> Result<(), ConfigError> {
    if first.1 && second.1 { Err(ConfigError::Both { first: first.0, second: second.0 }) } else { Ok(()) }
}

/// The secret that a setting has itself, or the one in a file.
fn one_of(
    (first, text): (&'static str, Option<String>),
    (second, path): (&'static str, Option<&Path>),
) -> Result<Option<String>, ConfigError> {
    not_both((first, text.is_some()), (second, path.is_some()))?;
    match path {
        Some(path) => read_secret(second, path).map(Some),
        None => Ok(text),
    }
}

/// Fills in the secrets of access keys that are in files.
pub(super) fn read_keys(mut keys: Vec<KeySetting>) -> Result<Vec<KeySetting>, ConfigError> {
    for (i, key) in keys.iter_mut().enumerate() {
        match (&key.secret, &key.secret_file) {
            (Some(_), Some(_)) => return Err(ConfigError::KeySecret(i, "secret and secret_file must not both be set")),
            (None, None) => return Err(ConfigError::KeySecret(i, "requires secret or secret_file")),
            (None, Some(path)) => key.secret = Some(read_secret("secret_file", path)?),
            (Some(_), None) => {}
        }
    }
    Ok(keys)
}

fn utf8(setting: &'static str, text: OsString) -> Result<String, ConfigError> {
    text.into_string().map_err(|_| ConfigError::Secret { setting, reason: "must be UTF-8" })
}

/// Reads a file that has one secret. Editors end a line that is no part of it.
pub(super) fn read_secret(setting: &'static str, path: &Path) -> Result<String, ConfigError> {
    let bytes = std::fs::read(path).map_err(|source| ConfigError::SecretFile {
        setting,
        // a word that is no path may be the secret itself, in the wrong place
        path: path.is_absolute().then(|| path.to_owned()),
        source,
    })?;
    let text =
        String::from_utf8(bytes).map_err(|_| ConfigError::Secret { setting, reason: "the file must be UTF-8" })?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(ConfigError::Secret { setting, reason: "the file is empty" });
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::has_password;

    #[test]
    fn a_password_of_a_url_is_found_wherever_it_may_be() {
        for url in ["postgres://u:p@h/d", "postgres://u:p:q@h:5/d?sslmode=disable", "postgres://h/d?a=b&password=p"] {
            assert!(has_password(url), "{url}");
        }
        for url in
            ["postgres://u@h:5432/d", "postgres://h:5432/d", "postgres://u:@h/d?user=u", "postgres://h/d?x=a:b@c", "x"]
        {
            assert!(!has_password(url), "{url}");
        }
    }
}
