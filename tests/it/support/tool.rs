//! Programs of others that tests run, which a script in `tools` finds or installs.

use std::{
    io::{self, Write},
    process::{Command, Stdio},
    sync::OnceLock,
};

use super::repository;

/// The exit code of a script where there is no such program and none can be installed.
const NONE_HERE: i32 = 3;

/// The exit code of `env` where there is no Python.
const NO_INTERPRETER: i32 = 127;

/// A program, which is looked for once.
pub struct Tool {
    script: &'static str,
    found: OnceLock<Result<String, String>>,
}

impl Tool {
    /// The program that a script prints the path of.
    pub const fn of(script: &'static str) -> Self {
        Self { script, found: OnceLock::new() }
    }

    /// Its path; none if this machine has no such program, which is said on standard error, since a test without it does not
    /// run.
    pub fn path(&self, test: &str) -> Option<&str> {
        match self.found.get_or_init(|| find(self.script)) {
            Ok(program) => Some(program),
            Err(said) => {
                // not by a macro, whose text is only shown for tests that fail
                io::stderr().write_all(format!("{test} DID NOT RUN: {said}").as_bytes()).unwrap();
                None
            }
        }
    }
}

/// Runs one of the project's tools on the program that is tested, to its end; it must succeed. What it printed, or none if this
/// machine lacks what it needs, which is said on standard error.
pub fn run_tool(test: &str, script: &str, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(repository(script));
    command.args(arguments).env("TAGD", env!("CARGO_BIN_EXE_tagd")).stdin(Stdio::null());
    let ran = command.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    match ran.status.code() {
        Some(0) => Some(out.into_owned()),
        Some(code @ (NONE_HERE | NO_INTERPRETER)) => {
            let said = format!("{test} DID NOT RUN: {script} ended with {code}: {err}\n");
            io::stderr().write_all(said.as_bytes()).unwrap();
            None
        }
        code => panic!("{script} ended with {code:?}:\n{out}{err}"),
    }
}

fn find(script: &str) -> Result<String, String> {
    let found = Command::new(repository(script)).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&found.stderr).into_owned();
    match found.status.code() {
        Some(0) => Ok(String::from_utf8(found.stdout).unwrap().trim().to_owned()),
        Some(NONE_HERE) => Err(said),
        code => panic!("{script} ended with {code:?}: {said}"),
    }
}
