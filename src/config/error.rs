//! Why settings cannot be used.

use std::path::PathBuf;

use validator::{ValidationError, ValidationErrors};

use crate::domain::{ListenAddress, NetworkError};

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
    /// A time out of its range, or no number.
    #[error("slow_request: must be a number of seconds between 0 and {most}, got {given}")]
    SlowRequest {
        /// What was given.
        given: f64,
        /// The longest.
        most: f64,
    },
    /// A part that is no number from 0 to 1.
    #[error("{setting}: must be a number between 0 and 1, got {given}")]
    Ratio {
        /// The setting, or the variable.
        setting: &'static str,
        /// What was given.
        given: String,
    },
    /// The URL of the collector cannot be used.
    #[error("{setting}: must be a URL without parameters, such as http://collector:4318, got {given:?}")]
    OtlpUrl {
        /// The setting, or the variable.
        setting: &'static str,
        /// What was given, up to its parameters.
        given: String,
    },
    /// The URL of the collector has a login.
    #[error("{setting}: must not have a user or a password")]
    OtlpLogin {
        /// The setting, or the variable.
        setting: &'static str,
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
    /// Neither an address nor a network.
    #[error("trusted_proxies: {given:?} {source}")]
    Proxy {
        /// What was given.
        given: String,
        /// Why.
        source: NetworkError,
    },
    /// A setting without another that it needs.
    #[error("{setting}: requires {required}")]
    Requires {
        /// The setting.
        setting: &'static str,
        /// What is missing.
        required: &'static str,
    },
    /// Other machines can reach the address.
    #[error(
        "{setting}: {address} is reachable from other machines, and {reason}; \
         use a loopback address or add --insecure-listen"
    )]
    OpenListen {
        /// The setting.
        setting: &'static str,
        /// The address.
        address: ListenAddress,
        /// What makes this insecure.
        reason: &'static str,
    },
    /// HTTPS on a Unix socket.
    #[error(
        "{setting}: a Unix socket is for plain HTTP; with tls_cert and tls_key it must be an IP address and a port"
    )]
    TlsOnSocket {
        /// The setting.
        setting: &'static str,
    },
    /// Two places to listen on for one.
    #[error("listen: must not be set where systemd passes a socket (LISTEN_FDS); got {0}")]
    ListenAndPassed(ListenAddress),
    /// systemd has passed something that tagd cannot listen on.
    #[error("LISTEN_FDS: systemd must pass one listening socket, of TCP or a Unix stream socket, got {0}")]
    Passed(String),
    /// Options for sessions that the private database must not have.
    #[error(
        "{variable} is for a database of yours, and tagd cannot start again without it: {source}; unset it, or set database_url"
    )]
    SessionOptions {
        /// The variable that has them.
        variable: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// The file with a secret cannot be read.
    #[error("{setting}: cannot read {}: {source}", path.as_ref().map_or("the file".into(), |path| path.display().to_string()))]
    SecretFile {
        /// The setting that names the file.
        setting: &'static str,
        /// The file, if what was given is its path and not the secret by mistake.
        path: Option<PathBuf>,
        /// Why.
        source: std::io::Error,
    },
    /// A secret that cannot be used.
    #[error("{setting}: {reason}")]
    Secret {
        /// The setting.
        setting: &'static str,
        /// What is wrong.
        reason: &'static str,
    },
    /// A secret that was given twice.
    #[error("{first}, {second}: must not both be set")]
    Both {
        /// One setting.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// A key without a secret, or with two: its position and what is wrong.
    #[error("keys[{0}]: {1}")]
    KeySecret(usize, &'static str),
    /// The URL of Keystone has no scheme that tagd speaks.
    #[error("keystone_url: must begin with http:// or https://, got {0:?}")]
    KeystoneUrl(String),
    /// A variable that cannot be read.
    #[error("{0}")]
    Environment(String),
    /// An empty list of modes.
    #[error("auth: must not be empty; must be keys, tokens, keystone or none")]
    NoMode,
    /// A key in place of the name of its file.
    #[error("{setting}: must be the name of a file, got {got}")]
    NotAFile {
        /// The setting.
        setting: &'static str,
        /// What it seems to be.
        got: &'static str,
    },
    /// The URL of Keystone has a login.
    #[error("keystone_url: must not have a user or a password; keystone_user and keystone_password_file have them")]
    KeystoneLogin,
    /// No credentials and some at once.
    #[error("auth: none must not be combined with other modes")]
    NoneAndOthers,
}

impl ConfigError {
    /// The first number that is out of its range.
    pub(super) fn of_range(errors: &ValidationErrors) -> Self {
        let (name, error) = errors
            .field_errors()
            .into_iter()
            .find_map(|(name, errors)| Some((name.to_string(), errors.first()?.clone())))
            .unwrap_or_else(|| (String::from("settings"), ValidationError::new("range")));
        let of = |what: &str| error.params.get(what).map_or_else(String::new, ToString::to_string);
        Self::Range { name, value: of("value"), min: of("min"), max: of("max") }
    }
}
