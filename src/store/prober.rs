//! Asks the primary and its replicas again and again up to where they have the log.

use std::{
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use sqlx::PgConnection;
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep, timeout},
};

use super::{
    FUNCTION_SET, SCHEMA_VERSION,
    connect::StoreSettings,
    failure::{outage_of, state_of},
    log_times::LogSample,
    primary::Contact,
    replica::{Facts, PrimarySample, ReplicaSample},
    replicas::Replicas,
    session::{Connector, Made, SessionProfile},
};

use crate::domain::Outage;

/// How often each server is asked.
const INTERVAL: Duration = Duration::from_millis(100);

/// How long an answer may take.
const DEADLINE: Duration = Duration::from_secs(1);

/// How long a new connection may take; on a busy server it takes a while.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);

/// Delay before a server that did not answer is asked again.
const PAUSE: Duration = Duration::from_millis(250);

/// The tasks that ask, until this is dropped.
#[derive(Debug)]
pub(super) struct Prober {
    _tasks: JoinSet<()>,
}

impl Prober {
    /// Asks on the runtime of the caller.
    pub(super) fn start(replicas: &Arc<Replicas>, primary: &StoreSettings) -> Self {
        let mut tasks = JoinSet::new();
        for (number, settings) in replicas.settings.iter().enumerate() {
            tasks.spawn(ask_replica(Arc::downgrade(replicas), number, connector(settings)));
        }
        tasks.spawn(ask_primary(Arc::downgrade(replicas), connector(primary)));
        Self { _tasks: tasks }
    }
}

fn connector(settings: &StoreSettings) -> Connector {
    let mut settings = settings.clone();
    settings.statement_timeout = DEADLINE;
    settings.acquire_timeout = CONNECT_DEADLINE;
    Connector::new(&settings, SessionProfile::Serve)
}

async fn ask_replica(replicas: Weak<Replicas>, number: usize, connector: Connector) {
    let mut kept = None;
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(replicas) = replicas.upgrade() else { return };
        let Some(replica) = replicas.get(number) else { return };
        let asked = async {
            let mut made = kept_or_new(&connector, kept.take()).await?;
            let needs_facts = replica.needs_facts(made.run);
            let answer = in_time(answer_of_replica(&mut made, needs_facts)).await?;
            Ok::<_, sqlx::Error>((made, answer))
        }
        .await;
        match asked {
            Ok((made, (sample, facts))) => {
                replica.note(sample, facts);
                kept = Some(made);
            }
            Err(error) => {
                tracing::debug!(place = replica.place(), %error, "a replica does not say its position");
                replica.note_failure(is_late(&error));
                drop(replicas);
                sleep(PAUSE).await;
            }
        }
    }
}

async fn ask_primary(replicas: Weak<Replicas>, connector: Connector) {
    let mut kept = None;
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(replicas) = replicas.upgrade() else { return };
        let asked = async {
            // before it is decided which server is asked: what is known by others from then on may be of another one
            let at = Instant::now();
            let mut made = kept_or_new(&connector, kept.take()).await?;
            // what they said before the primary is asked, so that none can be ahead of it by right
            let before: Vec<_> = (0..replicas.settings.len()).map(|number| replicas.get(number)?.sample()).collect();
            let sample = in_time(answer_of_primary(&mut made, at)).await?;
            Ok::<_, sqlx::Error>((made, before, sample))
        }
        .await;
        match asked {
            Ok((made, before, sample)) => {
                replicas.note_primary(&sample, &before);
                kept = Some(made);
            }
            Err(error) => {
                tracing::debug!(%error, "the primary does not say its position");
                replicas.note_no_primary(contact_of(&error));
                drop(replicas);
                sleep(PAUSE).await;
            }
        }
    }
}

/// The connection that was kept, or a new one if others use another server now.
async fn kept_or_new(connector: &Connector, kept: Option<Made>) -> Result<Made, sqlx::Error> {
    if let Some(made) = kept.filter(|made| !connector.is_left(made.server, made.run)) {
        return Ok(made);
    }
    timeout(CONNECT_DEADLINE, connector.connect()).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

async fn in_time<T>(answer: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    timeout(DEADLINE, answer).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

fn is_late(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::PoolTimedOut)
}

/// What an error says of the primary. One that ends or begins is not there.
fn contact_of(error: &sqlx::Error) -> Contact {
    match state_of(error) {
        Some(state) if !state.starts_with("57P") => Contact::Refused,
        _ => Contact::None,
    }
}

async fn answer_of_replica(made: &mut Made, needs_facts: bool) -> Result<(ReplicaSample, Option<Facts>), sqlx::Error> {
    let mut facts = None;
    if needs_facts {
        facts = Some(match facts_of(&mut made.connection).await {
            // it has no schema yet
            Err(error) if outage_of(&error) == Some(Outage::Schema) => Facts { timeline: 0, has_schema: false },
            found => found?,
        });
    }
    let asked = Instant::now();
    let (is_standby, replayed): (bool, Option<i64>) =
        sqlx::query_as("select pg_is_in_recovery(), (pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::int8")
            .fetch_one(&mut made.connection)
            .await?;
    let (replayed, at) = (replayed.unwrap_or_default(), Instant::now());
    let sample = ReplicaSample { run: made.run, is_standby, replayed, asked, at };
    Ok((sample, facts))
}

/// The timeline of a standby is only known from what it has written to its disk, so that of a new one is known some time after it
/// follows it.
async fn facts_of(connection: &mut PgConnection) -> Result<Facts, sqlx::Error> {
    let (timeline, schema, functions): (i32, i32, i32) = sqlx::query_as(
        "select greatest((select c.timeline_id from pg_control_checkpoint() c),
                         (select r.min_recovery_end_timeline from pg_control_recovery() r)),
                coalesce((select max(h.version) from tagd.schema_history h), 0),
                coalesce((select max(f.set_number) from tagd.function_file f), 0)",
    )
    .fetch_one(connection)
    .await?;
    // a newer schema belongs to the next version of tagd
    Ok(Facts { timeline, has_schema: schema >= SCHEMA_VERSION && functions >= FUNCTION_SET })
}

async fn answer_of_primary(made: &mut Made, at: Instant) -> Result<PrimarySample, sqlx::Error> {
    // all of it is an error in recovery
    let (flushed, inserted, timeline): (i64, i64, i32) = sqlx::query_as(
        "select (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::int8,
                (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::int8,
                ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int4",
    )
    .fetch_one(&mut made.connection)
    .await?;
    Ok(PrimarySample { run: made.run, timeline, log: LogSample { at, flushed, inserted } })
}
