//! Readiness: whether the database can serve requests, checked on a separate connection, at most once a second.
//!
//! The check does not use the pools: under load it could not acquire a connection in time, and a load balancer would
//! remove the busiest replica.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use sqlx::PgConnection;
use tokio::{runtime::Handle, sync::Mutex};

use super::{
    FUNCTION_SET, SCHEMA_VERSION, SessionProfile, StoreMetrics, StoreSettings,
    failure::{NoConnection, is_lost_connection, outage_of, state_of},
    session::{Connector, Made},
};
use crate::domain::Outage;

/// How long the outcome of a check is reused.
const MAX_AGE: Duration = Duration::from_secs(1);

/// Timeout of a check, including a new connection.
const DEADLINE: Duration = Duration::from_secs(1);

/// How long a connection is kept. Some problems only show on a new one: a revoked login, or a setting of the database.
const CONNECTION_LIFETIME: Duration = Duration::from_secs(5);

/// The objects of the schema that tagd's statements use; functions have parentheses.
pub const WANTED: [&str; 77] = [
    "active_writers()",
    "apply_retention()",
    "audit",
    "begin_import()",
    "begin_prune()",
    "bits_at()",
    "bits_of()",
    "changes_after()",
    "chunk",
    "count_of_label()",
    "credential",
    "dense_range()",
    "enter_import()",
    "etag_of()",
    "find_unlisted()",
    "function_file",
    "grams()",
    "history",
    "history_origin()",
    "history_span",
    "history_state",
    "import_batch()",
    "import_predefined()",
    "label",
    "last_change_id()",
    "last_set_bits()",
    "list_compliance()",
    "list_offenders()",
    "lock_import_projects_shared()",
    "name",
    "note_verification()",
    "page_blocks()",
    "page_of_label()",
    "policy",
    "policy_etag()",
    "policy_row",
    "predefined_tag",
    "prepare_history()",
    "prepare_months()",
    "project",
    "put_credential()",
    "put_names()",
    "put_policy()",
    "put_predefined()",
    "put_project()",
    "put_type_with_aliases()",
    "rebuild_scope()",
    "record_failures()",
    "register_resource()",
    "remove_credential()",
    "remove_policy()",
    "remove_predefined()",
    "remove_project()",
    "remove_resource()",
    "remove_type()",
    "remove_unlisted()",
    "replace_credential_secret()",
    "replace_predefined()",
    "replace_resource_tags()",
    "reseal_credential()",
    "resource",
    "resource_type",
    "schema_history",
    "scope",
    "scope_counter",
    "switch_history()",
    "tag",
    "tags_at()",
    "touch_credentials()",
    "try_policy()",
    "value_grams()",
    "verification",
    "verify_scope()",
    "wanted_grams()",
    "wanted_value_grams()",
    "write_tags()",
    "writers_of()",
];

/// Checks whether the database can serve requests. Clones share a connection and the outcome of the last check.
#[derive(Debug, Clone)]
pub struct Readiness {
    shared: Arc<Shared>,
    /// The creator's runtime, so that a check continues when the request that started it is dropped.
    runtime: Handle,
}

#[derive(Debug)]
struct Shared {
    connector: Connector,
    probe: Mutex<Probe>,
    metrics: Arc<StoreMetrics>,
}

/// State of earlier checks. One runs at a time; requests that arrive meanwhile share its outcome.
#[derive(Debug, Default)]
struct Probe {
    kept: Option<Kept>,
    last: Option<(Instant, Result<(), Outage>)>,
}

#[derive(Debug)]
struct Kept {
    made: Made,
    at: Instant,
}

impl Readiness {
    /// Creates a checker on the runtime of the caller, without connecting yet.
    pub fn new(settings: &StoreSettings) -> Self {
        let mut settings = settings.clone();
        settings.statement_timeout = DEADLINE;
        let connector = Connector::new(&settings, SessionProfile::Serve);
        let shared = Shared { connector, probe: Mutex::default(), metrics: settings.metrics };
        Self { shared: Arc::new(shared), runtime: Handle::current() }
    }

    /// Whether reads and writes can be served; if not, the reason.
    pub async fn check(&self) -> Result<(), Outage> {
        let shared = Arc::clone(&self.shared);
        let checked = self.runtime.spawn(async move { shared.check().await });
        // the check has a deadline, and ends early only with the runtime
        checked.await.unwrap_or(Err(Outage::Unreachable))
    }
}

impl Shared {
    async fn check(&self) -> Result<(), Outage> {
        let mut probe = self.probe.lock().await;
        if let Some((since, outcome)) = probe.last
            && since.elapsed() < MAX_AGE
        {
            return outcome;
        }
        let kept = probe.kept.take();
        let outcome = match tokio::time::timeout(DEADLINE, self.probe(kept)).await {
            Ok(Ok((kept, outcome))) => {
                probe.kept = Some(kept);
                outcome
            }
            // a server without a free connection is busy, not unready
            Ok(Err(error)) if state_of(&error).as_deref() == Some("53300") => Ok(()),
            Ok(Err(error)) => {
                tracing::debug!(%error, "the database is not ready");
                Err(outage_of(&error).unwrap_or(Outage::Failing))
            }
            // drops the connection, on which a result may still arrive
            Err(_) => Err(Outage::Silent),
        };
        let before = probe.last.map(|(_, outcome)| outcome);
        match outcome {
            Err(outage) if before != Some(outcome) => tracing::warn!(reason = %outage, "not ready"),
            Ok(()) if before.is_some_and(|before| before.is_err()) => tracing::info!("ready again"),
            _ => {}
        }
        self.metrics.ready.set(i64::from(outcome.is_ok()));
        probe.last = Some((Instant::now(), outcome));
        outcome
    }

    /// Checks on a connection that is not too old, and on a new one if that was dead.
    async fn probe(&self, kept: Option<Kept>) -> Result<(Kept, Result<(), Outage>), sqlx::Error> {
        let mut kept = self.renew(kept).await?;
        match probe(&mut kept.made.connection).await {
            Err(error) if is_lost_connection(&error) => {
                let mut kept = self.renew(None).await?;
                let outcome = probe(&mut kept.made.connection).await?;
                Ok((kept, outcome))
            }
            outcome => outcome.map(|outcome| (kept, outcome)),
        }
    }

    async fn renew(&self, kept: Option<Kept>) -> Result<Kept, sqlx::Error> {
        let kept = match kept.filter(|Kept { made, .. }| !self.connector.is_left(made.server, made.run)) {
            Some(kept) if kept.at.elapsed() < CONNECTION_LIFETIME => return Ok(kept),
            kept => kept,
        };
        match (self.connector.connect().await, kept) {
            (Ok(made), _) => Ok(Kept { made, at: Instant::now() }),
            (Err(error), Some(kept)) if state_of(&error).as_deref() == Some("53300") => Ok(kept),
            (Err(error), _) => Err(NoConnection::error(error, false)),
        }
    }
}

/// The check itself. The connection already has the role of the service.
async fn probe(connection: &mut PgConnection) -> Result<Result<(), Outage>, sqlx::Error> {
    let (read_only, version, functions, is_there, is_granted): (bool, i32, i32, bool, bool) = sqlx::query_as(
        "select pg_is_in_recovery() or current_setting('transaction_read_only')::boolean,
                coalesce((select max(h.version) from tagd.schema_history h), 0),
                coalesce((select max(f.set_number) from tagd.function_file f), 0),
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
    Ok(if !is_there || version < SCHEMA_VERSION || functions < FUNCTION_SET {
        // a newer schema belongs to the next version of tagd; this one still serves during the upgrade
        Err(Outage::Schema)
    } else if !is_granted {
        Err(Outage::Rights)
    } else if read_only {
        Err(Outage::ReadOnly)
    } else {
        Ok(())
    })
}
