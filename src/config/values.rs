//! Values of settings that are written as text.

use std::path::{Path, PathBuf};

use clap::{
    ValueEnum,
    builder::{OsStringValueParser, TypedValueParser},
};
use serde::Deserialize;

use super::error::ConfigError;

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

/// A flag from the environment; an empty variable counts as not set.
pub(super) fn read_flag(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" | "y" | "t" => Ok(true),
        "" | "false" | "no" | "off" | "0" | "n" | "f" => Ok(false),
        _ => Err("must be true or false".to_owned()),
    }
}

/// Something that is on or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Switch(pub(super) Option<bool>);

/// On or off; an empty variable counts as not set.
pub(super) fn read_switch(text: &str) -> Result<Switch, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "" => Ok(Switch(None)),
        "on" | "true" | "yes" | "1" => Ok(Switch(Some(true))),
        "off" | "false" | "no" | "0" => Ok(Switch(Some(false))),
        _ => Err("must be on or off".to_owned()),
    }
}

/// A host name in the form in which names are compared: in lower case, without a trailing dot.
pub(super) fn host_name(given: &str) -> Result<String, ConfigError> {
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

/// Any path, and an empty one, which counts as not set.
pub(super) fn path_parser() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

/// The path of a flag, or else of the file.
pub(super) fn set_path(flag: Option<&PathBuf>, file: Option<PathBuf>) -> Option<PathBuf> {
    [flag.cloned(), file].into_iter().flatten().find(|path| !path.as_os_str().is_empty())
}

/// The files with secrets, of those that settings name.
pub(super) fn secret_files(
    named: Vec<(&'static str, Option<&PathBuf>)>,
) -> Result<Vec<(&'static str, PathBuf)>, ConfigError> {
    let named = named.into_iter().filter_map(|(setting, path)| Some((setting, path?.clone())));
    named.map(|(setting, path)| not_a_secret(setting, &path).map(|()| (setting, path))).collect()
}

/// Refuses a key or a URL where the name of its file belongs: an error that names the file would show it.
fn not_a_secret(setting: &'static str, path: &Path) -> Result<(), ConfigError> {
    let text = path.to_string_lossy();
    let is_hex = text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let got = match text {
        _ if is_hex || text.contains("-----BEGIN") => "the key itself",
        _ if text.contains("://") => "the URL itself",
        _ => return Ok(()),
    };
    Err(ConfigError::NotAFile { setting, got })
}

/// The list of a flag, or else of the file. An empty variable counts as not set.
pub(super) fn given(flags: &[String], file: Option<Vec<String>>) -> Vec<String> {
    if flags.iter().any(|flag| !flag.is_empty()) { flags.to_vec() } else { file.unwrap_or_default() }
}

/// One for each processor, as far as the range allows.
pub(super) fn processors() -> u32 {
    std::thread::available_parallelism().ok().and_then(|n| u32::try_from(n.get()).ok()).unwrap_or(2).min(256)
}
