//! A real PgBouncer in front of a test's database, which `tools/pgbouncer` finds or installs.

use std::{
    fs::{self, OpenOptions},
    net::{TcpListener, TcpStream},
    os::unix::fs::{MetadataExt, chown},
    process::{Child, Command, Stdio},
    str::FromStr,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::{Pid, Uid, User},
};
use sqlx::postgres::PgConnectOptions;
use tempfile::TempDir;

use super::{TestDb, eventually, tool::Tool};

/// A PgBouncer on loopback that can be ended and started again in another mode; ended when it goes out of scope.
pub struct PgBouncer {
    program: &'static str,
    /// Where its settings and its log are.
    folder: TempDir,
    server: String,
    port: u16,
    /// The user it changes to, since it refuses to run as root.
    user: Option<String>,
    database: String,
    running: Option<Child>,
}

impl PgBouncer {
    /// The program; none if this machine has none, which is said on standard error, since a test without it does not run.
    pub fn program(test: &str) -> Option<&'static str> {
        static PROGRAM: Tool = Tool::of("tools/pgbouncer");
        PROGRAM.path(test)
    }

    /// One in front of a database, not started yet.
    pub fn to(program: &'static str, db: &TestDb) -> Self {
        let url = db.url();
        let options = PgConnectOptions::from_str(&url).unwrap();
        let folder = TempDir::new().unwrap();
        let socket = options.get_socket();
        let host = socket.map_or_else(|| options.get_host().to_owned(), |socket| socket.display().to_string());
        let (login, _) = url.trim_start_matches("postgres://").rsplit_once('@').expect("a URL with a user");
        let password = login.split_once(':').map_or_else(String::new, |(_, password)| format!(" password={password}"));
        let server = format!("host={host} port={} user={}{password}", options.get_port(), options.get_username());
        // the socket of a private cluster can only be reached by the user that it runs as
        let user = Uid::effective().is_root().then(|| {
            let owner = socket.map_or(65534, |socket| fs::metadata(socket).unwrap().uid());
            chown(folder.path(), Some(owner), None).unwrap();
            User::from_uid(Uid::from_raw(owner)).unwrap().expect("a user with a name").name
        });
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let database = options.get_database().unwrap().to_owned();
        Self { program, folder, server, port, user, database, running: None }
    }

    /// Starts it in a mode, `session` or `transaction`, with so many connections to the server.
    pub fn start(&mut self, mode: &str, connections: u32) {
        self.stop();
        let folder = self.folder.path().display();
        let (server, port) = (&self.server, self.port);
        let settings = format!(
            "[databases]\n* = {server}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = any\npool_mode = {mode}\ndefault_pool_size = {connections}\nmax_client_conn = 500\n\
             ignore_startup_parameters = extra_float_digits\nlogfile = {folder}/log\n"
        );
        let file = self.folder.path().join("pgbouncer.ini");
        fs::write(&file, settings).unwrap();
        let log = OpenOptions::new().create(true).append(true).open(self.folder.path().join("output")).unwrap();
        let mut command = Command::new(self.program);
        command.args(self.user.iter().flat_map(|user| ["-u", user])).arg(file);
        let started = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn();
        self.running = Some(started.expect("PgBouncer"));
        eventually("PgBouncer listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    }

    /// Ends it, and with it all its connections.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.running.take() {
            // at once: SIGINT would wait for the clients
            let _ = kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGTERM);
            child.wait().unwrap();
        }
    }

    /// The database through it.
    pub fn url(&self) -> String {
        format!("postgres://any@127.0.0.1:{}/{}?sslmode=disable", self.port, self.database)
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        self.stop();
    }
}
