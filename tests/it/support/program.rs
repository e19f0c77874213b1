//! The program as its users run it: a process of its own, with nothing of the tests' environment.

use std::{
    fs::{self, Permissions},
    io::{BufRead, BufReader, Read, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use nix::{sys::signal, unistd::Pid};
use serde_json::Value;
use tempfile::TempDir;

use super::{
    Answer, PATIENCE,
    world::{agent, send},
};

/// The program with a folder of its own, which is its home and working directory.
pub struct Program {
    dir: TempDir,
    variables: Vec<(String, String)>,
}

/// What a command said, and its exit code; none if a signal ended it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Program {
    pub fn new() -> Self {
        let dir = TempDir::new().unwrap();
        // as root the private Postgres runs as another user, who must get in
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        Self { dir, variables: Vec::new() }
    }

    /// The program with an environment variable.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// The program on a database of its own, given by the environment.
    #[must_use]
    pub fn on(self, db: &super::TestDb) -> Self {
        self.with("DATABASE_URL", &db.url())
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Writes a file into the folder.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.dir().join(name), content).unwrap();
    }

    /// Reads a file of the folder.
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.dir().join(name)).unwrap()
    }

    /// Names of what is in the folder.
    pub fn files(&self) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(self.dir()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tagd"));
        command.args(args).env_clear().env("HOME", self.dir()).current_dir(self.dir());
        // on a busy machine any request may be slow, and what is in the log would depend on that
        command.env("TAGD_SLOW_REQUEST", "0");
        for name in ["PATH", "TAGD_POSTGRES_BIN"] {
            // the second only where the tests themselves need it to find Postgres
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, args: &[&str]) -> Said {
        self.run_with_input(args, b"")
    }

    /// The same, with something on standard input.
    pub fn run_with_input(&self, args: &[&str], input: &[u8]) -> Said {
        finish(self.command(args), input)
    }

    /// Runs a command that must succeed; what it wrote to standard output.
    pub fn expect(&self, args: &[&str]) -> String {
        let said = self.run(args);
        assert_eq!(said.code, Some(0), "{args:?}: {said:?}");
        said.out
    }

    /// Imports NDJSON; what was said, the time it took left out.
    pub fn import(&self, lines: impl AsRef<[u8]>) -> Said {
        untimed(self.run_with_input(&["import", "-"], lines.as_ref()))
    }

    /// Starts the server and waits for the line that says it is ready.
    pub fn serve(&self, args: &[&str]) -> Serving {
        Serving::start(self.command(&[&["serve"], args].concat()))
    }
}

impl Said {
    /// The lines of standard error.
    pub fn complaints(&self) -> Vec<&str> {
        self.err.lines().collect()
    }
}

/// Cuts off the time that an import took.
pub fn untimed(mut said: Said) -> Said {
    if let Some((counts, _)) = said.out.rsplit_once(" in ") {
        said.out = counts.to_owned();
    }
    said
}

/// Runs a command to its end.
pub fn finish(mut command: Command, input: &[u8]) -> Said {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program");
    let mut stdin = child.stdin.take().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || {
            // a command that stops early does not read to the end
            let _ = stdin.write_all(input);
        });
        let out = read_all(child.stdout.take().unwrap());
        let err = read_all(child.stderr.take().unwrap());
        let code = wait(&mut child);
        Said { code, out: out.join().unwrap(), err: err.join().unwrap() }
    })
}

fn read_all(mut from: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut text = Vec::new();
        from.read_to_end(&mut text).unwrap();
        String::from_utf8(text).unwrap()
    })
}

/// Waits for a process; one that hangs is ended, and the test fails.
fn wait(child: &mut Child) -> Option<i32> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        if begun.elapsed() > PATIENCE {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("the program did not end within {PATIENCE:?}");
        }
        thread::sleep(Duration::from_millis(3));
    }
}

/// Tells others to stop when it goes out of scope, so that a test that fails does not wait for them for ever.
pub struct Stopper<'a>(pub &'a AtomicBool);

impl Drop for Stopper<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A server under way; ended when it goes out of scope.
pub struct Serving {
    child: Child,
    /// The line that said it is ready.
    pub ready: String,
    /// Where it is reached.
    pub url: String,
    rest: Option<JoinHandle<String>>,
    log: Arc<Mutex<String>>,
    logging: Option<JoinHandle<()>>,
    agent: ureq::Agent,
}

impl Serving {
    /// Starts a server and waits until it is ready.
    pub fn start(command: Command) -> Self {
        Self::try_start(command).unwrap_or_else(|said| panic!("the server did not start: {said:?}"))
    }

    /// The same, for a server that may end instead.
    pub fn try_start(mut command: Command) -> Result<Self, Said> {
        command.stdin(Stdio::null());
        Self::try_start_as_it_is(command)
    }

    /// The same, with the standard input that the command has.
    pub fn try_start_as_it_is(mut command: Command) -> Result<Self, Said> {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program");
        let log = Arc::new(Mutex::new(String::new()));
        let logging = thread::spawn({
            let (log, mut from) = (Arc::clone(&log), BufReader::new(child.stderr.take().unwrap()));
            move || {
                let mut line = String::new();
                while from.read_line(&mut line).unwrap() > 0 {
                    log.lock().unwrap().push_str(&std::mem::take(&mut line));
                }
            }
        });
        let (sender, first) = mpsc::channel();
        let rest = thread::spawn({
            let mut from = BufReader::new(child.stdout.take().unwrap());
            move || {
                let mut line = String::new();
                from.read_line(&mut line).unwrap();
                let _ = sender.send(line);
                let mut rest = String::new();
                from.read_to_string(&mut rest).unwrap();
                rest
            }
        });
        let ready = first.recv_timeout(PATIENCE).unwrap_or_default();
        let Some((url, _)) = ready.split_once("ready on ").and_then(|(_, rest)| rest.split_once(' ')) else {
            let _ = child.kill();
            let code = child.wait().unwrap().code();
            logging.join().unwrap();
            let err = log.lock().unwrap().clone();
            return Err(Said { code, out: ready, err });
        };
        let url = url.to_owned();
        let agent = agent();
        Ok(Self { child, url, ready, rest: Some(rest), log, logging: Some(logging), agent })
    }

    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    /// Host and port.
    pub fn address(&self) -> &str {
        self.url.split_once("://").unwrap().1
    }

    /// The log so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub fn signal(&self, signal: signal::Signal) {
        signal::kill(Pid::from_raw(self.pid()), signal).unwrap();
    }

    /// Waits for the end: exit code, what came on standard output after the first line, and the log.
    pub fn wait(&mut self) -> Said {
        let code = wait(&mut self.child);
        let out = self.rest.take().unwrap().join().unwrap();
        self.logging.take().unwrap().join().unwrap();
        Said { code, out, err: self.log.lock().unwrap().clone() }
    }

    /// Asks the server to stop, as `kill` does, and waits until it has.
    pub fn stop(mut self) -> Said {
        self.signal(signal::Signal::SIGTERM);
        self.wait()
    }

    pub fn get(&self, path: &str) -> Answer {
        send(&self.agent, &self.url, "GET", path, &[], b"")
    }

    /// Posts JSON.
    pub fn post(&self, path: &str, body: &str) -> Answer {
        send(&self.agent, &self.url, "POST", path, &[("Content-Type", "application/json")], body.as_bytes())
    }

    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        send(&self.agent, &self.url, method, path, headers, body)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lines of JSON objects.
pub fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}
