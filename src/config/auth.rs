//! Settings of authentication.

use std::path::PathBuf;

use clap::ValueEnum;
use serde::Deserialize;

use super::error::ConfigError;

/// Credentials that requests may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthMode {
    /// None is needed.
    None,
    /// Signatures with an access key.
    Keys,
    /// Tokens of tagd.
    Tokens,
    /// Tokens of a Keystone.
    Keystone,
}

impl AuthMode {
    /// The name in settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Keys => "keys",
            Self::Tokens => "tokens",
            Self::Keystone => "keystone",
        }
    }
}

/// An access key in the settings file.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeySetting {
    /// Access key.
    pub access: String,
    /// Its secret, which is there once the settings are read.
    pub secret: Option<String>,
    /// The file with the secret, in place of the secret itself.
    pub secret_file: Option<PathBuf>,
    /// Name, as the log shows it; the access key if none is given.
    pub name: Option<String>,
    /// Role.
    pub role: String,
    /// Domain in which the role holds; mandatory unless the role is operator.
    pub domain: Option<String>,
    /// The only projects of the domain; all if none are given.
    pub projects: Option<Vec<String>>,
}

/// Without the secret.
impl std::fmt::Debug for KeySetting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeySetting").field("access", &self.access).field("role", &self.role).finish_non_exhaustive()
    }
}

/// Where the master keys are.
#[derive(Clone)]
pub enum MasterKeySource {
    /// In a file.
    File(PathBuf),
    /// In the environment, as this text.
    Text(String),
}

/// Without the keys.
impl std::fmt::Debug for MasterKeySource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Text(_) => f.write_str("Text"),
        }
    }
}

/// A mode of a flag or the environment. An empty one is an error: a variable that was not set must not turn credentials off.
pub(super) fn read_mode(text: &str) -> Result<AuthMode, String> {
    AuthMode::from_str(text, false).map_err(|_| "must be keys, tokens, keystone or none".to_owned())
}

/// The modes without `none`, which is the default.
pub(super) fn auth_modes(given: Option<Vec<AuthMode>>) -> Result<Vec<AuthMode>, ConfigError> {
    let mut modes = given.unwrap_or_else(|| vec![AuthMode::None]);
    if modes.is_empty() {
        return Err(ConfigError::NoMode);
    }
    let all = modes.len();
    modes.retain(|mode| *mode != AuthMode::None);
    if modes.is_empty() || modes.len() == all { Ok(modes) } else { Err(ConfigError::NoneAndOthers) }
}
