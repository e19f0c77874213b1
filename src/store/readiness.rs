//! Whether the database takes and answers requests: asked on a connection of its own, at most once a second.
//!
//! Not on a connection that serves: under load nobody would get one in time, and a balancer would take the busiest
//! replica away from those that are left.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use sqlx::PgConnection;
use tokio::{runtime::Handle, sync::Mutex};

use super::{
    Purpose, SCHEMA_VERSION, StoreSettings,
    connect::Opener,
    failure::{NoConnection, is_lost_connection, outage_of, state_of},
};
use crate::domain::Outage;

/// How long an answer holds.
const HOLDS: Duration = Duration::from_secs(1);

/// How long the database may take, a new connection included.
const DEADLINE: Duration = Duration::from_secs(1);

/// How long a connection is kept. Some of what may be wrong shows itself on a new one only: a login that was taken away, a
/// setting of the database's.
const KEPT: Duration = Duration::from_secs(5);

/// What the statements of tagd name in its schema; what is called has parentheses.
pub const WANTED: [&str; 40] = [
    "begin_import()",
    "bits_at()",
    "bits_of()",
    "chunk",
    "cut()",
    "enter_import()",
    "etag_of()",
    "grams()",
    "hold_import_projects()",
    "import_batch()",
    "label",
    "name",
    "newest()",
    "predefined_tag",
    "project",
    "put_names()",
    "put_predefined()",
    "put_project()",
    "put_type_with_aliases()",
    "rebuild_scope()",
    "register_resource()",
    "remove_predefined()",
    "remove_project()",
    "remove_resource()",
    "remove_type()",
    "replace_predefined()",
    "replace_tags_if()",
    "resource",
    "resource_type",
    "schema_history",
    "scope",
    "scope_counter",
    "stretch()",
    "tag",
    "unregister_resource()",
    "value_grams()",
    "verify_scope()",
    "wanted_grams()",
    "wanted_value_grams()",
    "write_tags()",
];

/// Tells whether the database does what tagd needs. Copies share a connection and its answers.
#[derive(Debug, Clone)]
pub struct Readiness {
    shared: Arc<Shared>,
    /// Of whoever made it: a check goes on when the request that asked for it has gone.
    runtime: Handle,
}

#[derive(Debug)]
struct Shared {
    opener: Opener,
    probe: Mutex<Probe>,
}

/// What is left of the checks before. One is under way at a time; who comes meanwhile gets its answer.
#[derive(Debug, Default)]
struct Probe {
    kept: Option<Kept>,
    last: Option<(Instant, Result<(), Outage>)>,
}

#[derive(Debug)]
struct Kept {
    connection: PgConnection,
    made: Instant,
}

impl Readiness {
    /// On the runtime of the caller. Nothing is asked yet.
    pub fn new(settings: &StoreSettings) -> Self {
        let mut settings = settings.clone();
        settings.statement_timeout = DEADLINE;
        let opener = Opener::new(&settings, Purpose::Serve);
        let shared = Shared { opener, probe: Mutex::default() };
        Self { shared: Arc::new(shared), runtime: Handle::current() }
    }

    /// Whether requests can be answered, reads and writes alike; if not, why.
    pub async fn check(&self) -> Result<(), Outage> {
        let shared = Arc::clone(&self.shared);
        let checked = self.runtime.spawn(async move { shared.check().await });
        // it has a deadline, and ends early only with the runtime
        checked.await.unwrap_or(Err(Outage::Unreachable))
    }
}

impl Shared {
    async fn check(&self) -> Result<(), Outage> {
        let mut probe = self.probe.lock().await;
        if let Some((since, outcome)) = probe.last
            && since.elapsed() < HOLDS
        {
            return outcome;
        }
        let kept = probe.kept.take();
        let outcome = match tokio::time::timeout(DEADLINE, self.look(kept)).await {
            Ok(Ok((kept, outcome))) => {
                probe.kept = Some(kept);
                outcome
            }
            // a server that has no connection left is busy, and that is no reason
            Ok(Err(error)) if state_of(&error).as_deref() == Some("53300") => Ok(()),
            Ok(Err(error)) => {
                tracing::debug!(%error, "the database is not ready");
                Err(outage_of(&error).unwrap_or(Outage::Failing))
            }
            // with its connection, on which an answer may still come
            Err(_) => Err(Outage::Silent),
        };
        let before = probe.last.map(|(_, outcome)| outcome);
        match outcome {
            Err(outage) if before != Some(outcome) => tracing::warn!(reason = %outage, "not ready"),
            Ok(()) if before.is_some_and(|before| before.is_err()) => tracing::info!("ready again"),
            _ => {}
        }
        probe.last = Some((Instant::now(), outcome));
        outcome
    }

    /// Looks, on a connection that is not old, and once more on another where that was dead.
    async fn look(&self, kept: Option<Kept>) -> Result<(Kept, Result<(), Outage>), sqlx::Error> {
        let mut kept = self.renew(kept).await?;
        match look(&mut kept.connection).await {
            Err(error) if is_lost_connection(&error) => {
                let mut kept = self.renew(None).await?;
                let outcome = look(&mut kept.connection).await?;
                Ok((kept, outcome))
            }
            outcome => outcome.map(|outcome| (kept, outcome)),
        }
    }

    async fn renew(&self, kept: Option<Kept>) -> Result<Kept, sqlx::Error> {
        let kept = match kept {
            Some(kept) if kept.made.elapsed() < KEPT => return Ok(kept),
            kept => kept,
        };
        match (self.opener.open().await, kept) {
            (Ok(connection), _) => Ok(Kept { connection, made: Instant::now() }),
            (Err(error), Some(kept)) if state_of(&error).as_deref() == Some("53300") => Ok(kept),
            (Err(error), _) => Err(NoConnection::error(error, false)),
        }
    }
}

/// What a connection has to say. It has taken the role of the service already.
async fn look(connection: &mut PgConnection) -> Result<Result<(), Outage>, sqlx::Error> {
    let (read_only, version, is_there, is_granted): (bool, i32, bool, bool) = sqlx::query_as(
        "select pg_is_in_recovery() or current_setting('transaction_read_only')::boolean,
                coalesce((select max(h.version) from tagd.schema_history h), 0),
                bool_and(w.found),
                bool_and(w.granted)
           from (select case when right(e.name, 2) = '()'
                             then exists (select from pg_proc p
                                           where p.pronamespace = 'tagd'::regnamespace and p.proname = left(e.name, -2))
                             else to_regclass('tagd.' || e.name) is not null
                        end as found,
                        case when right(e.name, 2) = '()'
                             then exists (select from pg_proc p
                                           where p.pronamespace = 'tagd'::regnamespace and p.proname = left(e.name, -2)
                                             and has_function_privilege(p.oid, 'execute'))
                             else has_table_privilege(to_regclass('tagd.' || e.name), 'select')
                        end as granted
                   from unnest($1::text[]) as e (name)) w",
    )
    .bind(WANTED)
    .fetch_one(connection)
    .await?;
    Ok(if !is_there || version < SCHEMA_VERSION {
        // a newer one is that of the next tagd, beside which this one still serves
        Err(Outage::Schema)
    } else if !is_granted {
        Err(Outage::Rights)
    } else if read_only {
        Err(Outage::ReadOnly)
    } else {
        Ok(())
    })
}
