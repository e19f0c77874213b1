//! Database sessions: how each new connection is set up.

use std::{
    io::{self, ErrorKind},
    time::Duration,
};

use sqlx::{Acquire, Connection, PgConnection, postgres::PgListener};

use super::{canceller::Session, connect::StoreSettings, hosts::WrongServer};

/// The purpose of a session: requests, or work that may take long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionProfile {
    /// Requests: every statement has a deadline, and the planner is limited to index look-ups.
    Serve,
    /// Imports, exports, checks of the index.
    Bulk,
}

/// Opens connections that act as the service.
#[derive(Debug)]
pub(super) struct Connector {
    settings: StoreSettings,
    statement_timeout: Option<Duration>,
    idle_timeout: &'static str,
    joins: &'static str,
}

/// A connection that receives notifications, the number of its server and the run of that.
#[derive(Debug)]
pub(super) struct Listening {
    pub(super) listener: PgListener,
    server: usize,
    run: i64,
}

/// A new connection.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) connection: PgConnection,
    /// Its session, if that can be told.
    pub(super) session: Option<Session>,
    /// The number of its server.
    pub(super) server: usize,
    /// When the server was started, in microseconds since 1970, by which servers and their runs are told apart.
    pub(super) run: i64,
    /// Up to where a replica had replayed the log; of another server it says nothing.
    pub(super) replayed: i64,
}

/// What the server says of a new session: the number of its process, when it began, when the server was started, whether it has Citus, and
/// up to where it had replayed the log.
type Begun = (i32, Option<i64>, i64, bool, Option<i64>);

impl Connector {
    pub(super) fn new(settings: &StoreSettings, profile: SessionProfile) -> Self {
        let (statement_timeout, idle_timeout, joins) = match profile {
            SessionProfile::Serve => (Some(settings.statement_timeout), "60000", "off"),
            SessionProfile::Bulk => (None, "0", "on"),
        };
        Self { settings: settings.clone(), statement_timeout, idle_timeout, joins }
    }

    /// How long the server lets a statement run; `None` if there is no limit.
    pub(super) fn statement_timeout(&self) -> Option<Duration> {
        self.statement_timeout
    }

    /// Whether scopes are distributed; `None` as long as there was no connection.
    pub(super) fn is_distributed(&self) -> Option<bool> {
        self.settings.engine.is_distributed()
    }

    /// Whether it is waited for while it refuses connections.
    pub(super) fn is_patient(&self) -> bool {
        self.settings.is_patient
    }

    /// A new connection, as the service, with the planner's settings.
    ///
    /// The plan of a compiled statement is good for all values, so it is planned once, but not with Citus, which can plan only
    /// for given values. For requests it only uses index look-ups, since every table is accessed by scope and label. Memoize
    /// nodes do not pay off: no label is looked up twice, and they would copy bitmaps. Where the server supports it (on Linux), it checks every second whether the
    /// client of a running statement is still connected: otherwise a statement that could not be cancelled would run until
    /// its deadline, in addition to the connection that has replaced it. It also asks a client from which it hears nothing
    /// whether it is still there: a session that holds locks would else be kept for two hours after the network was cut.
    pub(super) async fn connect(&self) -> Result<Made, sqlx::Error> {
        let (mut connection, server) = self.settings.connect().await?;
        let (pid, started, run, is_distributed, replayed) = self.set_up(&mut connection).await?;
        self.settings.engine.note(is_distributed);
        self.settings.hosts().note_run(run);
        let session = started.map(|started| Session { server, pid, started });
        Ok(Made { connection, session, server, run, replayed: replayed.unwrap_or_default() })
    }

    /// The same for a connection that receives notifications.
    pub(super) async fn listen(&self, channel: &str) -> Result<Listening, sqlx::Error> {
        let (mut listener, server) = self.settings.listener().await?;
        let (_, _, run, ..) = self.set_up(listener.acquire().await?).await?;
        self.settings.hosts().note_run(run);
        listener.listen(channel).await?;
        Ok(Listening { listener, server, run })
    }

    /// Whether a session on a server, in this run of it, was left by all others: see [`Hosts::is_left`](super::hosts::Hosts::is_left).
    pub(super) fn is_left(&self, server: usize, run: i64) -> bool {
        self.settings.hosts().is_left(server, run)
    }

    /// In this run, a server did not accept a write.
    pub(super) fn note_unwanted(&self, run: i64) {
        self.settings.hosts().note_unwanted(run);
    }

    /// Asks for a sign of life, and whether the server still is one that is wanted: one that is not is left by all.
    pub(super) async fn check(&self, listening: &mut Listening) -> Result<(), sqlx::Error> {
        let Listening { listener, server, run } = listening;
        let hosts = self.settings.hosts();
        if hosts.is_left(*server, *run) {
            let left = io::Error::new(ErrorKind::ConnectionAborted, "another server of the database is used");
            return Err(sqlx::Error::Io(left));
        }
        let connection = listener.acquire().await?;
        connection.ping().await?;
        let checked = hosts.check_kind(connection, *server).await;
        if checked.as_ref().is_err_and(|error| WrongServer::within(error).is_some()) {
            hosts.note_unwanted(*run);
        }
        checked
    }

    async fn set_up(&self, connection: &mut PgConnection) -> Result<Begun, sqlx::Error> {
        // the login may see when its session began, the role may not: what is joined is read before the role is set
        sqlx::query_as(
            "select s.pid,
                    (extract(epoch from a.backend_start) * 1000000)::int8 as started,
                    (extract(epoch from pg_catalog.pg_postmaster_start_time()) * 1000000)::int8 as run,
                    s.is_distributed,
                    (pg_catalog.pg_last_wal_replay_lsn() - '0/0'::pg_catalog.pg_lsn)::int8 as replayed,
                    set_config('role', 'tagd_service', false),
                    set_config('search_path', 'pg_catalog', false),
                    set_config('plan_cache_mode',
                               case when s.is_distributed then 'auto' else 'force_generic_plan' end, false),
                    set_config('jit', 'off', false),
                    set_config('random_page_cost', '1.1', false),
                    set_config('enable_hashjoin', $2, false),
                    set_config('enable_mergejoin', $2, false),
                    set_config('enable_seqscan', $2, false),
                    set_config('enable_memoize', $2, false),
                    set_config('client_connection_check_interval',
                               case when version() like '%linux%' then '1s' else '0' end, false),
                    set_config('tcp_keepalives_idle', '10', false),
                    set_config('tcp_keepalives_interval', '5', false),
                    set_config('tcp_keepalives_count', '3', false),
                    set_config('statement_timeout', $1, false),
                    set_config('idle_in_transaction_session_timeout', $3, false)
               from (select pg_backend_pid() as pid,
                            exists (select from pg_catalog.pg_extension e where e.extname = 'citus') as is_distributed) s
               left join lateral pg_stat_get_activity(s.pid) a on true",
        )
        .bind(self.statement_timeout.unwrap_or_default().as_millis().to_string())
        .bind(self.joins)
        .bind(self.idle_timeout)
        .persistent(false)
        .fetch_one(connection)
        .await
    }
}
