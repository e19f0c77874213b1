//! The settings file.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Deserializer, de::Error as _};

use super::{
    auth::{AuthMode, KeySetting},
    error::ConfigError,
    values::LogFormat,
};
use crate::domain::{ListenAddress, ListenAddressError, reason::without_value};

/// The settings file.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SettingsFile {
    pub(super) database_url: Option<String>,
    pub(super) database_url_file: Option<PathBuf>,
    pub(super) database_password_file: Option<PathBuf>,
    pub(super) read_database_urls: Option<Vec<String>>,
    pub(super) read_database_urls_file: Option<PathBuf>,
    pub(super) max_replica_lag: Option<u32>,
    pub(super) data_dir: Option<PathBuf>,
    pub(super) postgres_bin: Option<PathBuf>,
    pub(super) connections: Option<u32>,
    pub(super) log_format: Option<LogFormat>,
    pub(super) log: Option<String>,
    #[serde(default, deserialize_with = "deserialize_address")]
    pub(super) listen: Option<ListenAddress>,
    pub(super) master_key_file: Option<PathBuf>,
    pub(super) auth: Option<Vec<AuthMode>>,
    pub(super) keys: Option<Vec<KeySetting>>,
    pub(super) keystone_url: Option<String>,
    pub(super) keystone_ca_file: Option<PathBuf>,
    pub(super) keystone_user: Option<String>,
    pub(super) keystone_password_file: Option<PathBuf>,
    pub(super) keystone_domain: Option<String>,
    pub(super) keystone_project: Option<String>,
    pub(super) keystone_roles: Option<BTreeMap<String, String>>,
    pub(super) insecure_listen: Option<bool>,
    pub(super) tls_cert: Option<PathBuf>,
    pub(super) tls_key: Option<PathBuf>,
    pub(super) tls_client_ca: Option<PathBuf>,
    #[serde(default, deserialize_with = "deserialize_http_address")]
    pub(super) http_listen: Option<ListenAddress>,
    #[serde(default, deserialize_with = "deserialize_metrics_address")]
    pub(super) metrics_listen: Option<ListenAddress>,
    pub(super) slow_request: Option<f64>,
    pub(super) otlp_url: Option<String>,
    pub(super) otlp_sample: Option<f64>,
    pub(super) workers: Option<u32>,
    pub(super) statement_timeout: Option<u32>,
    pub(super) region: Option<String>,
    pub(super) with_demo: Option<bool>,
    pub(super) history: Option<bool>,
    pub(super) allowed_hosts: Option<Vec<String>>,
    pub(super) trusted_proxies: Option<Vec<String>>,
    pub(super) rate_limit_principal: Option<u32>,
    pub(super) rate_limit_address: Option<u32>,
    pub(super) max_requests: Option<u32>,
    pub(super) request_timeout: Option<u32>,
}

impl SettingsFile {
    /// Reads it. An error about a wrong type does not show the value, which may be a secret.
    pub(super) fn read(path: &Path) -> Result<Self, ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        toml::from_str(&text).map_err(|error| {
            let line =
                error.span().map_or(1, |span| text.get(..span.start).unwrap_or_default().matches('\n').count() + 1);
            ConfigError::Parse {
                path: path.to_owned(),
                message: format!("line {line}: {}", reason(error.message(), text.lines().nth(line - 1))),
            }
        })
    }

    /// Whether it has secrets: keys, or a URL that may have a password.
    pub(super) fn has_secrets(&self) -> bool {
        let has_key = |keys: &Vec<KeySetting>| keys.iter().any(|key| key.secret.is_some());
        self.keys.as_ref().is_some_and(has_key) || self.database_url.is_some() || self.read_database_urls.is_some()
    }
}

/// What is wrong. A wrong type is told with the name of the setting, which begins its line; other messages have it, or the
/// line may be part of a secret.
fn reason(message: &str, line: Option<&str>) -> String {
    let is_name = |name: &&str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && !name.is_empty();
    let name = line.and_then(|line| line.split_once('=')).map(|(name, _)| name.trim()).filter(is_name);
    match (without_value(message), name) {
        (Cow::Owned(reason), Some("auth")) if reason == "must be a list" => {
            r#"auth: must be a list, such as auth = ["keys"]"#.to_owned()
        }
        (Cow::Owned(reason), Some(name)) => format!("{name}: {}", reason.replace("an object", "a table")),
        (shown, _) => shown.into_owned(),
    }
}

fn deserialize_address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ListenAddress>, D::Error> {
    address_of("listen", deserializer)
}

fn deserialize_http_address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ListenAddress>, D::Error> {
    address_of("http_listen", deserializer)
}

fn deserialize_metrics_address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ListenAddress>, D::Error> {
    address_of("metrics_listen", deserializer)
}

fn address_of<'de, D: Deserializer<'de>>(setting: &str, deserializer: D) -> Result<Option<ListenAddress>, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse()
        .map(Some)
        .map_err(|reason: ListenAddressError| D::Error::custom(format!("{setting}: {reason}, got {text:?}")))
}
