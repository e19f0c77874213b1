//! Address, login and timeouts of the database.

use std::{
    io,
    net::IpAddr,
    path::{Path, PathBuf},
    str::FromStr,
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
    failure::{StoreError, outage_of},
    metrics::StoreMetrics,
    pooler::SessionCheck,
};
use crate::{cluster::Cluster, domain::Outage};

/// Connection settings of the database.
#[derive(Debug, Clone)]
pub struct StoreSettings {
    options: PgConnectOptions,
    place: String,
    /// Maximum number of connections.
    pub connections: u32,
    /// How long a request waits for a free connection, and a command for its first one.
    pub acquire_timeout: Duration,
    /// How long one statement of a request may run.
    pub statement_timeout: Duration,
    /// What is counted of it.
    pub metrics: Arc<StoreMetrics>,
    /// Checks that connections keep their sessions; `None` if nothing can be between tagd and the server.
    session_check: Option<SessionCheck>,
}

/// Prepared statements that a connection keeps: enough for every compiled and every fixed one.
const PREPARED_STATEMENTS: usize = 256;

impl StoreSettings {
    /// A database given by URL.
    pub fn of_url(url: &str) -> Result<Self, StoreError> {
        // the driver would accept any scheme
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(StoreError::Url(sqlx::Error::Configuration(
                "must be a PostgreSQL URL such as postgres://USER:PASSWORD@HOST:PORT/NAME".into(),
            )));
        }
        let mut options = PgConnectOptions::from_str(&with_known_parameters(url)).map_err(StoreError::Url)?;
        let place = match options.get_socket() {
            Some(socket) => socket.display().to_string(),
            None => format!("{}:{}", options.get_host(), options.get_port()),
        };
        // the driver would look up an IPv6 address with its brackets as a name
        let address = options.get_host().strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).map(str::to_owned);
        if let Some(address) = address {
            options = options.host(&address);
        }
        Ok(Self { session_check: Some(SessionCheck::default()), ..Self::new(options, place) })
    }

    /// The same database, with a password that its URL does not have.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.options = self.options.password(password);
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
            metrics: Arc::default(),
            session_check: None,
        }
    }

    /// Host and port, or the socket.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Whether the database is on another machine and the server decides whether the connection is encrypted, which is
    /// the case if no `sslmode` is given.
    pub fn may_be_in_plain_text(&self) -> bool {
        let host = self.options.get_host();
        let is_here = self.socket_folder().is_some()
            || host.eq_ignore_ascii_case("localhost")
            || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        !is_here && matches!(self.options.get_ssl_mode(), PgSslMode::Prefer | PgSslMode::Allow)
    }

    /// The folder of the server's Unix socket. The driver also takes a host as one, by `PGHOST` or where neither names any.
    fn socket_folder(&self) -> Option<&Path> {
        let host = self.options.get_host();
        self.options.get_socket().map(PathBuf::as_path).or_else(|| host.starts_with('/').then(|| Path::new(host)))
    }

    /// A new connection that keeps its session, with the login's own rights and settings.
    pub(super) async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        let mut connection = self.connect_unchecked().await?;
        if let Some(check) = &self.session_check {
            check.run(&mut connection, &self.options).await?;
        }
        Ok(connection)
    }

    /// The same for a connection that receives notifications. The driver makes those only from a pool of its own, of which this
    /// is the only connection. After an error it must not be used again: it would open another connection without these checks.
    pub(super) async fn listener(&self) -> Result<PgListener, sqlx::Error> {
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(self.acquire_timeout)
            // otherwise it warns
            .acquire_slow_threshold(2 * self.acquire_timeout)
            .connect_lazy_with(self.options.clone());
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.eager_reconnect(false);
        if let Some(check) = &self.session_check {
            check.run(listener.acquire().await?, &self.options).await?;
        }
        Ok(listener)
    }

    /// The same, whether or not it keeps its session.
    pub(super) async fn connect_unchecked(&self) -> Result<PgConnection, sqlx::Error> {
        self.options.connect().await
    }

    /// Whether the server responds at all: asks whether it encrypts connections, which it answers before a login. An error is one
    /// of the network.
    pub(super) async fn ping(&self) -> io::Result<()> {
        if let Some(folder) = self.socket_folder() {
            let socket = folder.join(format!(".s.PGSQL.{}", self.options.get_port()));
            ask_for_encryption(UnixStream::connect(socket).await?).await
        } else {
            let place = (self.options.get_host(), self.options.get_port());
            ask_for_encryption(TcpStream::connect(place).await?).await
        }
    }

    /// The same server, another database.
    #[must_use]
    pub fn database(mut self, name: &str) -> Self {
        self.options = self.options.database(name);
        self
    }

    /// One connection with the login's own privileges, for statements that the service's role may not run.
    pub(super) async fn connect_as_login(&self) -> Result<PgConnection, StoreError> {
        // a server that accepts the connection and then sends nothing would block forever
        match tokio::time::timeout(self.acquire_timeout, self.connect()).await {
            Ok(connected) => connected.map_err(|source| self.unreachable(source)),
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

/// Sends the `SSLRequest` of the protocol and waits for the first byte of the answer.
async fn ask_for_encryption(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    stream.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).await?;
    stream.read_u8().await.map(|_| ())
}

/// The parameters of a URL that the driver knows, besides `options[NAME]`.
const PARAMETERS: [&str; 18] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "ssl-ca",
    "ssl-cert",
    "ssl-key",
    "ssl-mode",
    "ssl-root-cert",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "statement-cache-capacity",
    "user",
];

/// A URL without the parameters that the driver ignores: it would log their values, and a misspelt one may have the password.
fn with_known_parameters(url: &str) -> String {
    let Some((start, query)) = url.split_once('?') else { return url.to_owned() };
    let is_known = |parameter: &&str| {
        let Some((name, _)) = form_urlencoded::parse(parameter.as_bytes()).next() else { return false };
        let is_known = PARAMETERS.contains(&&*name) || name.starts_with("options[");
        if !is_known {
            tracing::warn!(%name, "ignoring an unknown parameter in the URL of the database");
        }
        is_known
    };
    let known: Vec<&str> = query.split('&').filter(is_known).collect();
    format!("{start}?{}", known.join("&"))
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

    #[test]
    fn a_host_that_is_a_folder_is_that_of_a_socket() {
        let of = |options: PgConnectOptions| StoreSettings::new(options, String::new());
        let plain = PgConnectOptions::new_without_pgpass().host("db.example.org");
        assert_eq!(of(plain).socket_folder(), None);
        // as PGHOST and the driver's default give it
        let folder = PgConnectOptions::new_without_pgpass().host("/var/run/postgresql");
        assert_eq!(of(folder).socket_folder(), Some(Path::new("/var/run/postgresql")));
        assert_eq!(StoreSettings::of_url("postgres://%2Ftmp/tagd").unwrap().socket_folder(), Some(Path::new("/tmp")));
    }

    #[test]
    fn an_ipv6_address_is_no_name() {
        let settings = StoreSettings::of_url("postgres://tagd@[::1]:5433/tagd").unwrap();
        assert_eq!((settings.options.get_host(), settings.place()), ("::1", "[::1]:5433"));
        assert!(!settings.may_be_in_plain_text());
        assert!(StoreSettings::of_url("postgres://tagd@[2001:db8::1]/tagd").unwrap().may_be_in_plain_text());
    }
}
