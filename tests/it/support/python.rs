//! Runs scripts with the official Python clients, which `tools/python-clients` installs.

use std::{process::Command, sync::LazyLock};

use super::{World, repository};

/// Runs a script against a server, with these variables; it must succeed.
pub fn run_python(script: &str, world: &World, variables: &[(&str, &str)]) {
    static PYTHON: LazyLock<String> = LazyLock::new(|| {
        let found = Command::new(repository("tools/python-clients")).output().unwrap();
        assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
        String::from_utf8(found.stdout).unwrap().trim().to_owned()
    });
    let home = tempfile::tempdir().unwrap();
    let ran = Command::new(&*PYTHON)
        .arg(repository(script))
        // the SDK writes an id of its own into the home folder
        .env("HOME", home.path())
        .env("TAGD_URL", &world.url)
        .envs(variables.iter().copied())
        .env_remove("HTTP_PROXY")
        .env_remove("http_proxy")
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}
