//! Programs of others that tests run, which a script in `tools` finds or installs.

use std::{
    io::{self, Write},
    process::{Command, Stdio},
    sync::OnceLock,
};

use super::repository;

/// The exit code of a script where there is no such program and none can be installed.
const NONE_HERE: i32 = 3;

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

fn find(script: &str) -> Result<String, String> {
    let found = Command::new(repository(script)).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&found.stderr).into_owned();
    match found.status.code() {
        Some(0) => Ok(String::from_utf8(found.stdout).unwrap().trim().to_owned()),
        Some(NONE_HERE) => Err(said),
        code => panic!("{script} ended with {code:?}: {said}"),
    }
}
