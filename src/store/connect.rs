//! Address, login and timeouts of the database.

use std::{
    io,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use sqlx::{
    Acquire, ConnectOptions, Connection, Executor, PgConnection,
    postgres::{PgConnectOptions, PgListener, PgPoolOptions, PgSslMode},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UnixStream},
};

use super::{
    engine::Engine,
    failure::{StoreError, outage_of},
    hosts::Hosts,
    metrics::StoreMetrics,
};
use crate::{cluster::Cluster, domain::Outage};

/// Connection settings of the database.
#[derive(Debug, Clone)]
pub struct StoreSettings {
    hosts: Hosts,
    /// Host and port, or the socket, of each server.
    place: String,
    /// Maximum number of connections.
    pub connections: u32,
    /// How long a request waits for a free connection, and a command for its first one.
    pub acquire_timeout: Duration,
    /// How long one statement of a request may run.
    pub statement_timeout: Duration,
    /// What is counted of it.
    pub metrics: Arc<StoreMetrics>,
    /// What kind of database it is.
    pub(super) engine: Engine,
    /// Whether it is waited for while it refuses connections, since there is no other place to go to.
    pub(super) is_patient: bool,
}

/// Prepared statements that a connection keeps: enough for every compiled and every fixed one.
const PREPARED_STATEMENTS: usize = 256;

impl StoreSettings {
    /// The database of the setting `database_url`, which may name several servers.
    pub fn of_url(url: &str) -> Result<Self, StoreError> {
        Self::of_url_in("database_url", url)
    }

    /// The same for a URL that another setting has.
    pub fn of_url_in(setting: &str, url: &str) -> Result<Self, StoreError> {
        let hosts = Hosts::of_url(url).map_err(|source| StoreError::Url { setting: setting.to_owned(), source })?;
        Ok(Self::new(hosts))
    }

    /// The same database, with a password that its URL does not have.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.hosts = self.hosts.with(|options| options.password(password));
        self
    }

    /// A database of the private cluster. The driver begins with what the environment has for other servers, so all of it is set here;
    /// options for sessions cannot be, and are gone by now (`config::drop_session_options`).
    pub fn of_cluster(cluster: &Cluster, database: &str) -> Self {
        let options = PgConnectOptions::new_without_pgpass()
            .socket(cluster.socket_dir())
            .port(cluster.port())
            .username(cluster.user())
            // it asks for none
            .password("")
            .database(database)
            // certificates and keys are of no use then
            .ssl_mode(PgSslMode::Disable);
        Self::new(Hosts::one(options, cluster.socket_dir().display().to_string()))
    }

    fn new(hosts: Hosts) -> Self {
        let place = hosts.places();
        Self {
            hosts: hosts.with(|options| {
                options
                    .application_name("tagd")
                    .statement_cache_capacity(PREPARED_STATEMENTS)
                    .disable_statement_logging()
            }),
            place,
            connections: 16,
            acquire_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(30),
            metrics: Arc::default(),
            engine: Engine::default(),
            is_patient: true,
        }
    }

    /// Host and port, or the socket; of several servers with commas between them.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Whether a server is on another machine and decides whether the connection is encrypted, which is the case if no `sslmode`
    /// is given.
    pub fn may_be_in_plain_text(&self) -> bool {
        let may_be = |options: &PgConnectOptions| {
            let host = options.get_host();
            let is_here = socket_folder(options).is_some()
                || host.eq_ignore_ascii_case("localhost")
                || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
            !is_here && matches!(options.get_ssl_mode(), PgSslMode::Prefer | PgSslMode::Allow)
        };
        self.hosts.all().any(may_be)
    }

    /// Whether there are several servers, of which also one will do that does not accept writes.
    pub fn may_be_read_only(&self) -> bool {
        self.hosts.are_any()
    }

    /// Whether there are several servers.
    pub(super) fn has_several(&self) -> bool {
        self.hosts.are_several()
    }

    /// The servers.
    pub(super) fn hosts(&self) -> &Hosts {
        &self.hosts
    }

    /// A new connection that keeps its session, with the login's own rights and settings, and the number of its server.
    pub(super) async fn connect(&self) -> Result<(PgConnection, usize), sqlx::Error> {
        let (mut connection, server) = self.connect_unchecked().await?;
        self.hosts.check_session(&mut connection, server).await?;
        Ok((connection, server))
    }

    /// The same for a connection that receives notifications. The driver makes those only from a pool of its own, of which this
    /// is the only connection. After an error it must not be used again: it would open another connection without these checks.
    pub(super) async fn listener(&self) -> Result<(PgListener, usize), sqlx::Error> {
        let server = if self.has_several() {
            let (connection, server) = self.connect_unchecked().await?;
            connection.close().await?;
            server
        } else {
            0
        };
        // there is no server without its options
        let options = self.hosts.get(server).map(|server| server.options.clone()).ok_or(sqlx::Error::PoolClosed)?;
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(self.acquire_timeout)
            // otherwise it warns
            .acquire_slow_threshold(2 * self.acquire_timeout)
            .connect_lazy_with(options);
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.eager_reconnect(false);
        let connection = listener.acquire().await?;
        self.hosts.check_kind(connection, server).await?;
        self.hosts.check_session(connection, server).await?;
        Ok((listener, server))
    }

    /// A new connection, whether or not it keeps its session, and the number of its server.
    pub(super) async fn connect_unchecked(&self) -> Result<(PgConnection, usize), sqlx::Error> {
        self.hosts.connect(self.acquire_timeout).await
    }

    /// A new connection to a server by its number, whatever the server is by now.
    pub(super) async fn connect_to(&self, server: usize) -> Result<PgConnection, sqlx::Error> {
        let server = self.hosts.get(server).ok_or(sqlx::Error::PoolClosed)?;
        server.options.connect().await
    }

    /// Whether the server responds at all: asks whether it encrypts connections, which it answers before a login. An error is one
    /// of the network. Of several servers it is the one that was good last.
    pub(super) async fn ping(&self) -> io::Result<()> {
        let Some(options) = self.hosts.first() else { return Err(io::ErrorKind::NotFound.into()) };
        if let Some(folder) = socket_folder(options) {
            let socket = folder.join(format!(".s.PGSQL.{}", options.get_port()));
            ask_for_encryption(UnixStream::connect(socket).await?).await
        } else {
            ask_for_encryption(TcpStream::connect((options.get_host(), options.get_port())).await?).await
        }
    }

    /// The same server, another database.
    #[must_use]
    pub fn database(mut self, name: &str) -> Self {
        self.hosts = self.hosts.with(|options| options.database(name));
        self
    }

    /// One connection with the login's own privileges, for statements that the service's role may not run.
    pub(super) async fn connect_as_login(&self) -> Result<PgConnection, StoreError> {
        // a server that accepts the connection and then sends nothing would block forever
        match tokio::time::timeout(self.acquire_timeout, self.connect()).await {
            Ok(connected) => connected.map(|(connection, _)| connection).map_err(|source| self.unreachable(source)),
            Err(_) => Err(self.unreachable(sqlx::Error::PoolTimedOut)),
        }
    }

    pub(super) fn unreachable(&self, source: sqlx::Error) -> StoreError {
        if outage_of(&source) == Some(Outage::Sessions) {
            return StoreError::Sessions { place: self.place.clone() };
        }
        StoreError::Connect { place: self.place.clone(), source }
    }
}

/// The folder of the server's Unix socket. The driver also takes a host as one, by `PGHOST` or where neither names any.
fn socket_folder(options: &PgConnectOptions) -> Option<&Path> {
    let host = options.get_host();
    options.get_socket().map(PathBuf::as_path).or_else(|| host.starts_with('/').then(|| Path::new(host)))
}

/// Sends the `SSLRequest` of the protocol and waits for the first byte of the answer.
async fn ask_for_encryption(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    stream.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).await?;
    stream.read_u8().await.map(|_| ())
}

/// Creates the database that the settings name, unless it exists.
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
            // another tagd has created it in the meantime
            Err(sqlx::Error::Database(refusal)) if matches!(refusal.code().as_deref(), Some("42P04" | "23505")) => {}
            other => {
                other?;
            }
        }
    }
    server.close().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_url(url: &str) -> StoreSettings {
        StoreSettings::of_url(url).unwrap()
    }

    #[test]
    fn a_host_that_is_a_folder_is_that_of_a_socket() {
        let plain = PgConnectOptions::new_without_pgpass().host("db.example.org");
        assert_eq!(socket_folder(&plain), None);
        // as PGHOST and the driver's default give it
        let folder = PgConnectOptions::new_without_pgpass().host("/var/run/postgresql");
        assert_eq!(socket_folder(&folder), Some(Path::new("/var/run/postgresql")));
        let of_url = of_url("postgres://%2Ftmp/tagd");
        assert_eq!(of_url.hosts.first().and_then(socket_folder), Some(Path::new("/tmp")));
    }

    #[test]
    fn an_ipv6_address_is_no_name() {
        let settings = of_url("postgres://tagd@[::1]:5433/tagd");
        let host = settings.hosts.first().map(PgConnectOptions::get_host);
        assert_eq!((host, settings.place()), (Some("::1"), "[::1]:5433"));
        assert!(!settings.may_be_in_plain_text());
        assert!(of_url("postgres://tagd@[2001:db8::1]/tagd").may_be_in_plain_text());
    }

    #[test]
    fn one_of_several_servers_that_may_be_in_plain_text_is_enough() {
        let settings = of_url("postgres://localhost,db.example.org/tagd");
        assert_eq!(settings.place(), "localhost:5432,db.example.org:5432");
        assert!(settings.may_be_in_plain_text() && settings.may_be_read_only());
        let settings = of_url("postgres://localhost,127.0.0.1/tagd?target_session_attrs=read-write");
        assert!(!settings.may_be_in_plain_text() && !settings.may_be_read_only());
    }
}
