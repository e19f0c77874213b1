//! Database sessions: how each new connection is set up.

use std::time::Duration;

use sqlx::{Acquire, PgConnection, postgres::PgListener};

use super::{canceller::Session, connect::StoreSettings};

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

/// A new connection.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) connection: PgConnection,
    /// Its session, if that can be told.
    pub(super) session: Option<Session>,
    /// When the server was started, in microseconds since 1970, by which servers and their runs are told apart.
    pub(super) run: i64,
}

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
        let (pid, started, run, is_distributed) = self.set_up(&mut connection).await?;
        self.settings.engine.note(is_distributed);
        Ok(Made { connection, session: started.map(|started| Session { server, pid, started }), run })
    }

    /// The same for a connection that receives notifications.
    pub(super) async fn listen(&self, channel: &str) -> Result<PgListener, sqlx::Error> {
        let mut listener = self.settings.listener().await?;
        self.set_up(listener.acquire().await?).await?;
        listener.listen(channel).await?;
        Ok(listener)
    }

    /// The number of the process of the session, when it began, when the server was started, and whether it has Citus.
    async fn set_up(&self, connection: &mut PgConnection) -> Result<(i32, Option<i64>, i64, bool), sqlx::Error> {
        // the login may see when its session began, the role may not: what is joined is read before the role is set
        sqlx::query_as(
            "select s.pid,
                    (extract(epoch from a.backend_start) * 1000000)::int8 as started,
                    (extract(epoch from pg_catalog.pg_postmaster_start_time()) * 1000000)::int8 as run,
                    s.is_distributed,
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
