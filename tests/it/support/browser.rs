//! A real browser, Chromium without a window, which `tools/browser` finds or installs.

use std::{
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};
use tempfile::TempDir;

use super::tool::Tool;

/// A browser with one page, until it is dropped.
pub struct Browser {
    child: Child,
    /// Its profile and home.
    _folder: TempDir,
}

impl Browser {
    /// The program; none if this machine has no browser, which is said on standard error, since a test without one does
    /// not run.
    pub fn program(test: &str) -> Option<&'static str> {
        static PROGRAM: Tool = Tool::of("tools/browser");
        PROGRAM.path(test)
    }

    /// Opens a page. Every host name but `localhost` and those that are given leads nowhere; these lead to 127.0.0.1.
    pub fn open(program: &str, url: &str, hosts: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let mapped: String = hosts.iter().map(|host| format!("MAP {host} 127.0.0.1, ")).collect();
        let child = Command::new(program)
            .args(["--headless=new", "--disable-gpu", "--no-first-run", "--no-default-browser-check"])
            // its only pages are those of the test, and many a container has neither what the sandbox needs nor much of /dev/shm
            .args(["--no-sandbox", "--disable-dev-shm-usage"])
            // nothing leaves the machine
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--disable-default-apps", "--disable-extensions", "--disable-domain-reliability"])
            .args(["--disable-breakpad", "--disable-client-side-phishing-detection", "--no-proxy-server"])
            .arg("--disable-features=OptimizationHints,MediaRouter,Translate,NetworkTimeServiceQuerying")
            .arg(format!("--host-resolver-rules={mapped}MAP localhost 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"))
            // a page may open windows by itself
            .arg("--disable-popup-blocking")
            .args(["--password-store=basic", "--use-mock-keychain"])
            .arg(format!("--user-data-dir={}", folder.path().display()))
            .arg(url)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // its own group, so that its processes end together
            .process_group(0)
            .spawn()
            .unwrap();
        Self { child, _folder: folder }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        // it ends its processes itself if it can
        let _ = kill(pid, Signal::SIGTERM);
        for _ in 0..500 {
            if self.child.try_wait().is_ok_and(|ended| ended.is_some()) {
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
        let _ = killpg(pid, Signal::SIGKILL);
        let _ = self.child.wait();
    }
}
