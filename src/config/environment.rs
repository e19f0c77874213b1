//! The environment of the process, which only this file reads.

use std::{
    ffi::OsString,
    io,
    os::{fd::OwnedFd, unix::process::CommandExt},
    path::PathBuf,
    process::Command,
};

use super::error::ConfigError;

/// The variable with options for sessions. The driver of the database takes it for every connection, and cannot be told not to.
pub(super) const SESSION_OPTIONS: &str = "PGOPTIONS";

/// A variable. One that is empty counts as none.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub(super) fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// The sockets that systemd passes to this process, by the variables `LISTEN_PID` and `LISTEN_FDS`.
pub fn passed_sockets() -> Result<Vec<OwnedFd>, ConfigError> {
    let passed = sd_listen_fds::get().map_err(|error| ConfigError::Passed(error.to_string()))?;
    Ok(passed.into_iter().map(|(_, socket)| socket.into_std()).collect())
}

pub(super) fn default_data_dir() -> Result<PathBuf, ConfigError> {
    // an unprivileged server could not reach a folder below /root
    if nix::unistd::geteuid().is_root() {
        return Ok(PathBuf::from("/var/lib/tagd"));
    }
    let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_DATA_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/share")))
        .map(|base| base.join("tagd"))
        .ok_or(ConfigError::NoHome)
}

/// Starts the program again in this process, with the same arguments and without a variable. Returns only if that fails.
pub(super) fn restart_without(variable: &str) -> io::Error {
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return error,
    };
    let mut arguments = std::env::args_os();
    let mut again = Command::new(program);
    if let Some(name) = arguments.next() {
        again.arg0(name);
    }
    again.args(arguments).env_remove(variable).exec()
}
