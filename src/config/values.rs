//! Values of settings that are written as text.

use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser};

use super::error::ConfigError;

/// A flag from the environment; an empty variable counts as not set.
pub(super) fn read_flag(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" | "y" | "t" => Ok(true),
        "" | "false" | "no" | "off" | "0" | "n" | "f" => Ok(false),
        _ => Err("must be true or false".to_owned()),
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
