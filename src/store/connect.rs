//! The database: where it is, who tagd is to it, and how its sessions are set.

use std::{net::IpAddr, str::FromStr, time::Duration};

use sqlx::{
    ConnectOptions, Connection, Executor, PgConnection,
    postgres::{PgConnectOptions, PgSslMode},
};

use super::{StoreError, failure::outage_of, pool::Pool, read_queue::ReadQueue, write_queue::WriteQueue};
use crate::{cluster::Cluster, domain::Outage};

/// Where the database is and how many connections it may take.
#[derive(Debug, Clone)]
pub struct StoreSettings {
    options: PgConnectOptions,
    place: String,
    /// Most connections at a time.
    pub connections: u32,
    /// How long a request waits for a free connection, and a command for its first.
    pub acquire_timeout: Duration,
    /// How long one statement of a request may run.
    pub statement_timeout: Duration,
}

/// What a pool is for: requests, or work that may take its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Requests: every statement has a deadline, and the planner is held to index look-ups.
    Serve,
    /// Imports, exports, checks.
    Work,
}

/// The database, reached as the role `tagd_service`.
#[derive(Debug, Clone)]
pub struct Store {
    pub(super) pool: Pool,
    pub(super) queue: WriteQueue,
    pub(super) reads: ReadQueue,
}

/// Statements that a connection keeps prepared: every compiled one and every fixed one, with room.
const PREPARED_STATEMENTS: usize = 256;

impl StoreSettings {
    /// A database given by URL.
    pub fn of_url(url: &str) -> Result<Self, StoreError> {
        // the driver would take any scheme for its own
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(StoreError::Url(sqlx::Error::Configuration("it must begin with postgres://".into())));
        }
        let options = PgConnectOptions::from_str(url).map_err(StoreError::Url)?;
        let place = match options.get_socket() {
            Some(socket) => socket.display().to_string(),
            None => format!("{}:{}", options.get_host(), options.get_port()),
        };
        Ok(Self::new(options, place))
    }

    /// A database of the private cluster.
    pub fn of_cluster(cluster: &Cluster, database: &str) -> Self {
        let options = PgConnectOptions::new_without_pgpass()
            .socket(cluster.socket_dir())
            .port(cluster.port())
            .username(cluster.user())
            .database(database);
        Self::new(options, cluster.socket_dir().display().to_string())
    }

    fn new(options: PgConnectOptions, place: String) -> Self {
        Self {
            options: options
                .application_name("tagd")
                .statement_cache_capacity(PREPARED_STATEMENTS)
                .disable_statement_logging(),
            place,
            connections: 16,
            acquire_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(30),
        }
    }

    /// Host and port, or the socket.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Whether the database is on another machine and it is left to that whether the connection is encrypted, as it is
    /// where no `sslmode` is given.
    pub fn may_be_in_plain_text(&self) -> bool {
        let host = self.options.get_host();
        let is_here = self.options.get_socket().is_some()
            || host.starts_with('/')
            || host.eq_ignore_ascii_case("localhost")
            || host.trim_matches(['[', ']']).parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        !is_here && matches!(self.options.get_ssl_mode(), PgSslMode::Prefer | PgSslMode::Allow)
    }

    /// The same server, another database.
    #[must_use]
    pub fn database(mut self, name: &str) -> Self {
        self.options = self.options.database(name);
        self
    }

    /// One connection as whoever the settings log in as, for what the service's role may not do.
    pub(super) async fn connect_as_login(&self) -> Result<PgConnection, StoreError> {
        // a peer that takes the connection and then says nothing would hold us for ever
        match tokio::time::timeout(self.acquire_timeout, self.options.connect()).await {
            Ok(connected) => connected.map_err(|source| self.unreachable(source)),
            Err(_) => Err(self.unreachable(sqlx::Error::PoolTimedOut)),
        }
    }

    fn unreachable(&self, source: sqlx::Error) -> StoreError {
        StoreError::Connect { place: self.place.clone(), source }
    }
}

/// Makes the database that the settings name, if it is not there.
pub async fn create_database(settings: &StoreSettings, name: &str) -> Result<(), StoreError> {
    let mut server = settings.clone().database("postgres").connect_as_login().await?;
    let exists: bool = sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
        .bind(name)
        .fetch_one(&mut server)
        .await?;
    if !exists {
        let statement: String = sqlx::query_scalar("select format('create database %I', $1::text)")
            .bind(name)
            .fetch_one(&mut server)
            .await?;
        match server.execute(sqlx::AssertSqlSafe(statement)).await {
            // another tagd was faster
            Err(sqlx::Error::Database(refusal)) if matches!(refusal.code().as_deref(), Some("42P04" | "23505")) => {}
            other => {
                other?;
            }
        }
    }
    server.close().await?;
    Ok(())
}

impl Store {
    /// A pool whose connections are made when they are needed.
    pub fn connect_lazy(settings: &StoreSettings, purpose: Purpose) -> Self {
        let opener = Opener::new(settings, purpose);
        let pool = Pool::new(opener, settings.connections, settings.acquire_timeout);
        let queue = WriteQueue::new(pool.clone());
        let reads = ReadQueue::new(pool.clone());
        Self { pool, queue, reads }
    }

    /// Where this store's writes wait for one another.
    pub fn queue(&self) -> &WriteQueue {
        &self.queue
    }

    /// The same store with the queue of another, so that writes through both are put together.
    #[must_use]
    pub fn with_queue(self, queue: &WriteQueue) -> Self {
        Self { queue: queue.clone(), ..self }
    }

    /// Opens a pool, with one connection to show that it works.
    pub async fn open(settings: &StoreSettings, purpose: Purpose) -> Result<Self, StoreError> {
        // not through the pool, which would retry a refused connection until the time is up
        settings.connect_as_login().await?.close().await?;
        let store = Self::connect_lazy(settings, purpose);
        match store.pool.borrow().await.and_then(|loan| loan.end(Ok(()))) {
            Ok(()) => Ok(store),
            Err(refused) if outage_of(&refused) == Some(Outage::Rights) => Err(StoreError::Role),
            Err(source) => Err(settings.unreachable(source)),
        }
    }

    /// Waits for the statements that run and closes the connections.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// Opens connections that act as the service.
#[derive(Debug)]
pub(super) struct Opener {
    options: PgConnectOptions,
    statement_timeout: Option<Duration>,
    idle_timeout: &'static str,
    joins: &'static str,
}

impl Opener {
    pub(super) fn new(settings: &StoreSettings, purpose: Purpose) -> Self {
        let (statement_timeout, idle_timeout, joins) = match purpose {
            Purpose::Serve => (Some(settings.statement_timeout), "60000", "off"),
            Purpose::Work => (None, "0", "on"),
        };
        Self { options: settings.options.clone(), statement_timeout, idle_timeout, joins }
    }

    /// How long the server lets a statement run, if not for ever.
    pub(super) fn statement_timeout(&self) -> Option<Duration> {
        self.statement_timeout
    }

    /// A new connection, as the service, with the planner's settings.
    ///
    /// The plan of a compiled statement is right whatever the values are: it is made once and, where requests are
    /// served, of index look-ups only, since every table is reached by scope and label. Remembering look-ups does not
    /// pay: no label is looked up twice, and what would be copied are bitmaps. A server on Linux, where it can, looks every
    /// second whether anybody still waits for a statement: else one whose request was dropped would run to its deadline,
    /// beside the connection that has taken its place.
    pub(super) async fn open(&self) -> Result<PgConnection, sqlx::Error> {
        let mut connection = self.options.connect().await?;
        sqlx::query(
            "select set_config('role', 'tagd_service', false),
                    set_config('search_path', 'pg_catalog', false),
                    set_config('plan_cache_mode', 'force_generic_plan', false),
                    set_config('jit', 'off', false),
                    set_config('random_page_cost', '1.1', false),
                    set_config('enable_hashjoin', $2, false),
                    set_config('enable_mergejoin', $2, false),
                    set_config('enable_seqscan', $2, false),
                    set_config('enable_memoize', $2, false),
                    set_config('client_connection_check_interval',
                               case when version() like '%linux%' then '1s' else '0' end, false),
                    set_config('statement_timeout', $1, false),
                    set_config('idle_in_transaction_session_timeout', $3, false)",
        )
        .bind(self.statement_timeout.unwrap_or_default().as_millis().to_string())
        .bind(self.joins)
        .bind(self.idle_timeout)
        .persistent(false)
        .execute(&mut connection)
        .await?;
        Ok(connection)
    }
}
