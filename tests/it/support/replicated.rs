//! A Postgres of a test's own with streaming replicas, whose servers can be stopped, killed, started and promoted.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    net::TcpListener,
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::{Pid, Uid, User},
};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tempfile::TempDir;

use super::{block_on, eventually, tool::Tool};

/// The programs that it needs.
const PROGRAMS: [&str; 3] = ["initdb", "pg_ctl", "pg_basebackup"];

/// What every server has: they are small, and a replica that has lost its primary looks for it soon.
const SETTINGS: &str = "fsync = off\nshared_buffers = 16MB\nmax_connections = 60\nautovacuum = off\nwal_level = replica\n\
                        listen_addresses = '127.0.0.1'\nunix_socket_directories = ''\nwal_retrieve_retry_interval = 100ms\n";

/// A primary, and its replicas; all end when it goes out of scope.
pub struct Replicated {
    programs: PathBuf,
    folder: TempDir,
    /// The user that they run as, since Postgres refuses to run as root.
    user: Option<User>,
    servers: Vec<Server>,
}

/// Processes that stand still.
pub struct Frozen(Vec<Pid>);

impl Frozen {
    fn signal(&self, signal: Signal) {
        for pid in &self.0 {
            // some may have ended
            let _ = kill(*pid, signal);
        }
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        self.signal(Signal::SIGCONT);
    }
}

struct Server {
    folder: PathBuf,
    port: u16,
}

impl Replicated {
    /// A primary with an empty database `tags`. `None` where there are no such programs, which is said, since a test without them does
    /// not run.
    pub fn new(test: &str) -> Option<Self> {
        static POSTGRES: Tool = Tool::of("tools/postgres");
        let given = Path::new(POSTGRES.path(test)?);
        // the folder may have links to some of them
        let programs = fs::canonicalize(given.join("initdb")).unwrap().parent().unwrap().to_owned();
        if let Some(missing) = PROGRAMS.iter().find(|program| !programs.join(program).exists()) {
            let said = format!("{test} DID NOT RUN: there is no {missing} in {}\n", programs.display());
            std::io::stderr().write_all(said.as_bytes()).unwrap();
            return None;
        }
        let user = Uid::effective().is_root().then(|| {
            ["postgres", "nobody"]
                .iter()
                .find_map(|name| User::from_name(name).unwrap())
                .expect("a user without rights")
        });
        let folder = TempDir::new().unwrap();
        if let Some(user) = &user {
            chown(folder.path(), Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
        }
        let mut site = Self { programs, folder, user, servers: Vec::new() };
        let primary = site.add();
        site.run(
            "initdb",
            &["-D", primary.to_str().unwrap(), "-U", "owner", "-A", "trust", "-E", "UTF8", "--locale", "C", "-N"],
        );
        site.configure(0, SETTINGS);
        site.start(0);
        site.sql_in("postgres", 0, "create database tags");
        Some(site)
    }

    /// A new replica of the primary, with more lines of settings; its number.
    pub fn replica(&mut self, settings: &str) -> usize {
        let folder = self.add();
        let port = self.servers[0].port.to_string();
        let args =
            ["-D", folder.to_str().unwrap(), "-h", "127.0.0.1", "-p", &port, "-U", "owner", "-R", "-c", "fast", "-N"];
        self.run("pg_basebackup", &args);
        let number = self.servers.len() - 1;
        self.configure(number, settings);
        self.start(number);
        number
    }

    fn add(&mut self) -> PathBuf {
        let folder = self.folder.path().join(self.servers.len().to_string());
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        self.servers.push(Server { folder: folder.clone(), port });
        folder
    }

    /// The last line of a setting counts.
    fn configure(&self, server: usize, settings: &str) {
        let Server { folder, port } = &self.servers[server];
        let mut file = OpenOptions::new().append(true).open(folder.join("postgresql.conf")).unwrap();
        file.write_all(format!("port = {port}\n{settings}\n").as_bytes()).unwrap();
    }

    /// The database on some of the servers in this order, with parameters.
    pub fn url(&self, servers: &[usize], parameters: &str) -> String {
        let hosts: Vec<_> = servers.iter().map(|server| format!("127.0.0.1:{}", self.servers[*server].port)).collect();
        format!("postgres://owner@{}/tags?sslmode=disable{parameters}", hosts.join(","))
    }

    /// Host and port of a server.
    pub fn place(&self, server: usize) -> String {
        format!("127.0.0.1:{}", self.servers[server].port)
    }

    pub fn start(&self, server: usize) {
        self.ctl(server, &["start"]);
    }

    /// Stops a server at once, as if it had crashed.
    pub fn stop(&self, server: usize) {
        self.ctl(server, &["-m", "immediate", "stop"]);
    }

    /// Makes a replica a primary.
    pub fn promote(&self, server: usize) {
        self.ctl(server, &["promote"]);
    }

    /// Runs a statement as the owner.
    pub fn sql(&self, server: usize, statement: &str) {
        self.sql_in("tags", server, statement);
    }

    /// The value of a statement, as text.
    pub fn value(&self, server: usize, statement: &str) -> String {
        let url = self.url(&[server], "");
        block_on(async {
            let mut owner = PgConnection::connect(&url).await.unwrap();
            let value: Option<String> =
                sqlx::query_scalar(AssertSqlSafe(statement.to_owned())).fetch_one(&mut owner).await.unwrap();
            owner.close().await.unwrap();
            value.unwrap_or_default()
        })
    }

    /// Gives a server other settings while it runs.
    pub fn reload(&self, server: usize, settings: &str) {
        self.configure(server, settings);
        self.ctl(server, &["reload"]);
    }

    /// Lets a server accept no writes any more, as before another one is promoted.
    pub fn fence(&self, server: usize) {
        self.reload(server, "default_transaction_read_only = on");
        eventually("the server is read-only", || self.value(server, "show default_transaction_read_only") == "on");
    }

    /// Kills a process that serves tagd, as if it had crashed: its server ends all the others, and begins again by itself.
    pub fn crash_session(&self, server: usize) {
        let pid = self.value(server, "select min(pid)::text from pg_stat_activity where application_name = 'tagd'");
        kill(Pid::from_raw(pid.parse().unwrap()), Signal::SIGKILL).unwrap();
    }

    /// Stops all processes of a server half-way, until what is returned is dropped.
    pub fn freeze(&self, server: usize) -> Frozen {
        let file = fs::read_to_string(self.servers[server].folder.join("postmaster.pid")).unwrap();
        let others =
            self.value(server, "select string_agg(pid::text, ' ') from pg_stat_activity where pid <> pg_backend_pid()");
        let pids = [file.lines().next().unwrap()].into_iter().chain(others.split(' '));
        let frozen = Frozen(pids.map(|pid| Pid::from_raw(pid.parse().unwrap())).collect());
        frozen.signal(Signal::SIGSTOP);
        frozen
    }

    fn sql_in(&self, database: &str, server: usize, statement: &str) {
        let url = format!("postgres://owner@{}/{database}?sslmode=disable", self.place(server));
        block_on(async {
            let mut owner = PgConnection::connect(&url).await.unwrap();
            owner.execute(AssertSqlSafe(statement.to_owned())).await.unwrap();
            owner.close().await.unwrap();
        });
    }

    fn ctl(&self, server: usize, action: &[&str]) {
        let folder = self.servers[server].folder.to_str().unwrap();
        let log = format!("{folder}.log");
        self.run("pg_ctl", &[&["-D", folder, "-w", "-t", "120", "-l", &log], action].concat());
    }

    fn run(&self, program: &str, args: &[&str]) {
        let said = self.command(program, args).output().unwrap();
        assert!(said.status.success(), "{program} {args:?}: {said:?}");
    }

    fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.args(args).env_clear().env("LC_ALL", "C").current_dir(self.folder.path()).stdin(Stdio::null());
        command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        if let Some(user) = &self.user {
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        command
    }
}

impl Drop for Replicated {
    fn drop(&mut self) {
        // replicas first: a primary waits for nothing
        for Server { folder, .. } in self.servers.iter().rev() {
            // one may have been stopped by the test
            let args = ["-D", folder.to_str().unwrap(), "-w", "-m", "immediate", "stop"];
            let _ = self.command("pg_ctl", &args).stdout(Stdio::null()).stderr(Stdio::null()).status();
        }
    }
}
