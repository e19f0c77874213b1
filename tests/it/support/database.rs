//! A database for each test, cloned from a template that is migrated once.
//!
//! On the server of TAGD_TEST_DATABASE_URL if that is set, else on a private cluster without fsync
//! that all tests share, also those of other processes.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        LazyLock, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tagd::{
    cluster::{Cluster, ClusterSettings, log_file},
    store::{FunctionSet, SessionProfile, Store, StoreSettings, migrate},
};

use super::{files_of, repository};

static RUNTIME: LazyLock<tokio::runtime::Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap());

/// Runs a future on the runtime that all tests share.
pub fn block_on<F: Future>(future: F) -> F::Output {
    RUNTIME.block_on(future)
}

/// The server of the tests.
enum Server {
    Given(String),
    Private(Box<Cluster>),
}

impl Server {
    fn get() -> &'static Self {
        static SERVER: OnceLock<Server> = OnceLock::new();
        SERVER.get_or_init(|| match std::env::var("TAGD_TEST_DATABASE_URL") {
            Ok(url) => Self::Given(url),
            Err(_) => Self::Private(Box::new(
                Cluster::attach(&ClusterSettings {
                    data_dir: cluster_dir(),
                    programs: std::env::var_os("TAGD_POSTGRES_BIN").map(PathBuf::from),
                    path: std::env::var_os("PATH"),
                    durable: false,
                    max_connections: 200,
                })
                .unwrap(),
            )),
        })
    }

    fn settings(&self, database: &str) -> StoreSettings {
        match self {
            Self::Given(url) => StoreSettings::of_url(url).unwrap().database(database),
            Self::Private(cluster) => StoreSettings::of_cluster(cluster, database),
        }
    }

    fn url(&self, database: &str) -> String {
        match self {
            Self::Given(url) => {
                let (base, _) = url.rsplit_once('/').expect("a URL with a database");
                format!("{base}/{database}")
            }
            Self::Private(cluster) => {
                let socket = cluster.socket_dir().display().to_string().replace('/', "%2F");
                format!("postgres://{}@{socket}:{}/{database}", cluster.user(), cluster.port())
            }
        }
    }

    async fn connect(&self, database: &str) -> PgConnection {
        PgConnection::connect(&self.url(database)).await.unwrap()
    }
}

/// Where the private cluster of the tests lives: in the target folder, unless the user that the server
/// runs as could not get there (a checkout below /root).
fn cluster_dir() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let reachable = target.ancestors().all(|dir| dir.metadata().is_ok_and(|metadata| metadata.mode() & 0o001 != 0));
    let user = nix::unistd::geteuid();
    let major = major();
    if reachable || !user.is_root() {
        target.join(format!("postgres{major}-{user}"))
    } else {
        std::env::temp_dir().join(format!("tagd-tests{major}"))
    }
}

/// The major version of the programs that the tests were given: a cluster for each. Nothing where tagd finds them itself.
fn major() -> String {
    let Some(dir) = std::env::var_os("TAGD_POSTGRES_BIN") else { return String::new() };
    let said = Command::new(Path::new(&dir).join("postgres")).arg("--version").output().unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    said.split(") ").nth(1).unwrap().chars().take_while(char::is_ascii_digit).collect()
}

/// A database of a test's own, dropped with it.
pub struct TestDb {
    name: String,
}

impl TestDb {
    /// A database with the newest schema.
    pub fn new() -> Self {
        let template = Self::template();
        Self::create(&format!("template {template}"))
    }

    /// A database with nothing in it.
    pub fn empty() -> Self {
        Self::create("template template0")
    }

    /// The same, in another encoding.
    pub fn encoded(encoding: &str) -> Self {
        let version: i32 = block_on(async {
            let mut server = Server::get().connect("postgres").await;
            sqlx::query_scalar("select current_setting('server_version_num')::int4")
                .fetch_one(&mut server)
                .await
                .unwrap()
        });
        // from Postgres 17 on, the server's may be its own, which has UTF-8 only
        let provider = if version < 150_000 { "" } else { "locale_provider libc" };
        Self::create(&format!("template template0 encoding '{encoding}' lc_collate 'C' lc_ctype 'C' {provider}"))
    }

    fn create(how: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        block_on(async {
            let mut server = Server::get().connect("postgres").await;
            server.execute(AssertSqlSafe(format!("create database {name} {how}"))).await.unwrap();
        });
        Self { name }
    }

    /// Name of the migrated database, made by whoever comes first.
    fn template() -> &'static str {
        static TEMPLATE: OnceLock<String> = OnceLock::new();
        TEMPLATE.get_or_init(|| {
            let mut hasher = DefaultHasher::new();
            // those of the program, which may be older than the files
            FunctionSet::embedded().checksums().hash(&mut hasher);
            for path in files_of("migrations") {
                path.hash(&mut hasher);
                std::fs::read(repository(&path)).unwrap().hash(&mut hasher);
            }
            let name = format!("tagd_template_{:x}", hasher.finish());
            block_on(async {
                let server = Server::get();
                let mut connection = server.connect("postgres").await;
                connection.execute("select pg_advisory_lock(8386659)").await.unwrap();
                let exists: bool = sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
                    .bind(&name)
                    .fetch_one(&mut connection)
                    .await
                    .unwrap();
                if !exists {
                    // under another name until it is whole
                    let unfinished = format!("{name}_new");
                    for statement in [
                        format!("drop database if exists {unfinished} with (force)"),
                        format!("create database {unfinished} template template0"),
                    ] {
                        connection.execute(AssertSqlSafe(statement)).await.unwrap();
                    }
                    migrate(&server.settings(&unfinished)).await.unwrap();
                    let rename = format!("alter database {unfinished} rename to {name}");
                    connection.execute(AssertSqlSafe(rename)).await.unwrap();
                }
                connection.close().await.unwrap();
            });
            name
        })
    }

    /// Takes the database away from under whoever uses it.
    pub fn drop_now(&self) {
        block_on(async {
            let mut server = Server::get().connect("postgres").await;
            for backup in ["", "_backup"] {
                let statement = format!("drop database if exists {}{backup} with (force)", self.name);
                server.execute(AssertSqlSafe(statement)).await.unwrap();
            }
        });
    }

    /// Makes a backup. All connections end.
    pub fn back_up(&self) {
        let name = &self.name;
        self.run_without_connections(&[format!("create database {name}_backup template {name}")]);
    }

    /// Puts the backup in the place of the database, as a restore does. All connections end.
    pub fn restore(&self) {
        let name = &self.name;
        self.run_without_connections(&[
            format!("drop database {name} with (force)"),
            format!("alter database {name}_backup rename to {name}"),
        ]);
    }

    fn run_without_connections(&self, statements: &[String]) {
        let name = &self.name;
        let before = [
            format!("alter database {name} with allow_connections false"),
            format!("select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'"),
        ];
        let after = [format!("alter database {name} with allow_connections true")];
        block_on(async {
            let mut server = Server::get().connect("postgres").await;
            for statement in before.iter().chain(statements).chain(&after) {
                server.execute(AssertSqlSafe(statement.clone())).await.unwrap();
            }
            server.close().await.unwrap();
        });
    }

    /// Makes new connections take it for one whose scopes are distributed: the extension is listed, although nothing of it is there.
    pub async fn list_citus(&self) {
        let mut owner = self.connect().await;
        let list = "insert into pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
                    values (16000, 'citus', 10, 11, false, '0')";
        owner.execute(list).await.unwrap();
        owner.close().await.unwrap();
    }

    /// How tagd reaches the database.
    pub fn settings(&self) -> StoreSettings {
        let mut settings = Server::get().settings(&self.name);
        settings.connections = 4;
        // a server under load takes its time to make one
        settings.acquire_timeout = Duration::from_secs(60);
        settings
    }

    /// The database's URL, for commands.
    pub fn url(&self) -> String {
        Server::get().url(&self.name)
    }

    /// The log of the server, with the lines of all its databases; none if the server was given.
    pub fn server_log(&self) -> Option<String> {
        let log = || std::fs::read(log_file(&cluster_dir())).unwrap();
        matches!(Server::get(), Server::Private(_)).then(|| String::from_utf8_lossy(&log()).into_owned())
    }

    /// A connection as the owner.
    pub async fn connect(&self) -> PgConnection {
        Server::get().connect(&self.name).await
    }

    /// A store on the database.
    pub async fn store(&self, profile: SessionProfile, connections: u32) -> Store {
        let mut settings = self.settings();
        settings.connections = connections;
        Store::open(&settings, profile).await.unwrap()
    }
}

impl Drop for TestDb {
    fn drop(&mut self) {
        self.drop_now();
    }
}
