//! The circuit breaker, which refuses statements at once while the database does not respond.
//!
//! `docs/adr/0038-a-circuit-breaker.md` explains why.

use std::{
    collections::HashMap,
    io::{self, ErrorKind},
    mem,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use nix::errno::Errno;
use sqlx::{Connection, PgConnection};
use tokio::{
    runtime::Handle,
    task::JoinSet,
    time::{timeout, timeout_at},
};

use super::{
    canceller::{CurrentSession, Session},
    connect::StoreSettings,
    failure::{self, is_answer},
};
use crate::domain::Outage;

/// How long a statement may take before it is checked whether the database responds.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often a statement that takes longer looks at what was found.
const TICK: Duration = Duration::from_millis(250);

/// Length of a round of the prober, which asks the server once in each.
const ROUND: Duration = Duration::from_secs(1);

/// How long the server has to answer.
const ATTEMPT: Duration = Duration::from_secs(3);

/// So many rounds without an answer open the circuit.
const MOST_UNANSWERED: u32 = 3;

/// So many rounds in which the server had nothing to do in a session mean that a statement in it will have no answer. The end of a
/// large one may be on its way for some seconds.
const MOST_IDLE: u32 = 4;

/// How often it is tried whether the database is back.
const INTERVAL: Duration = Duration::from_millis(200);

/// Decides whether statements are sent to a database. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Breaker(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    settings: StoreSettings,
    /// The runtime of the prober.
    runtime: Handle,
    /// Whether statements are refused.
    is_open: AtomicBool,
    /// Whether the prober runs.
    is_probing: AtomicBool,
    /// Whether a statement was answered in this round of the prober.
    is_answered: AtomicBool,
    /// Whether somebody else has found that it does not answer.
    is_known_silent: Arc<AtomicBool>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    is_probing: bool,
    /// Why the circuit is open.
    outage: Option<Outage>,
    /// When a statement last looked at what was found.
    asked: Option<Instant>,
    /// The sessions of statements that take long.
    waiting: HashMap<Session, Waiting>,
    /// Called when connections have been found dead.
    on_silence: Vec<Box<dyn Fn() + Send>>,
}

/// A session whose statement takes long.
#[derive(Debug)]
struct Waiting {
    /// When the statement last looked at what was found.
    asked: Instant,
    /// In how many rounds in a row the server had nothing to do in it.
    idle_rounds: u32,
}

/// Watches work with one connection that has no deadline.
#[derive(Debug)]
pub(super) struct Watcher {
    breaker: Breaker,
    session: CurrentSession,
}

impl Watcher {
    pub(super) fn new(breaker: &Breaker, session: Option<Session>) -> Self {
        let watcher = Self { breaker: breaker.clone(), session: CurrentSession::default() };
        watcher.session.set(session);
        watcher
    }

    /// The outcome of work that only waits for the database. Gives up as [`Breaker::watch`] does.
    pub(super) async fn watch<T, E, F>(&self, work: F) -> Result<T, E>
    where
        E: From<sqlx::Error>,
        F: Future<Output = Result<T, E>>,
    {
        let outcome = self.breaker.watch(pin!(work), &self.session, None).await;
        outcome.unwrap_or_else(|| Err(failure::refused(Outage::Silent).into()))
    }
}

/// What a statement that takes long has to do.
enum Verdict {
    Wait,
    /// Give up: it will have no answer.
    Lost,
    /// Give up: the database does not respond.
    Refused(Outage),
}

/// What the prober was told.
enum Probed {
    /// The server responds; the connection, if it gave one, and the sessions in which it has nothing to do.
    Answer(Option<Kept>, Vec<Session>),
    None(Outage),
}

/// The connection of the prober, and the number of its server.
type Kept = (PgConnection, usize);

impl Breaker {
    /// A closed circuit, with the prober on the runtime of the caller.
    pub(super) fn new(settings: &StoreSettings) -> Self {
        Self::heeding(settings, Arc::default())
    }

    /// The same for a replica, which others ask again and again: while it does not answer, statements that take long are given up.
    pub(super) fn heeding(settings: &StoreSettings, is_known_silent: Arc<AtomicBool>) -> Self {
        Self(Arc::new(Shared {
            settings: settings.clone(),
            runtime: Handle::current(),
            is_open: AtomicBool::default(),
            is_probing: AtomicBool::default(),
            is_answered: AtomicBool::default(),
            is_known_silent,
            state: Mutex::default(),
        }))
    }

    /// Has something called each time that connections have been found dead: idle ones probably are as well, and the next
    /// statement would wait just as long to find out.
    pub(super) fn on_silence(&self, call: impl Fn() + Send + 'static) {
        self.0.lock().on_silence.push(Box::new(call));
    }

    /// Notes that a connection has been found dead.
    pub(super) fn note_silence(&self) {
        self.0.lock().on_silence.iter().for_each(|call| call());
    }

    /// Whether statements are refused.
    pub(super) fn is_open(&self) -> bool {
        self.0.is_open.load(Relaxed)
    }

    /// The error of a statement that is not run because the database does not respond.
    pub(super) fn refusal(&self) -> Option<sqlx::Error> {
        if !self.is_open() {
            return None;
        }
        self.0.lock().outage.map(failure::refused)
    }

    /// Notes that the database has answered a statement.
    pub(super) fn note_answer(&self) {
        if self.0.is_probing.load(Relaxed) {
            self.0.is_answered.store(true, Relaxed);
        }
    }

    /// Whether a statement in this session will have no answer.
    pub(super) fn is_lost(&self, session: Session) -> bool {
        let is_lost = |waiting: &Waiting| waiting.idle_rounds >= MOST_IDLE;
        self.0.is_probing.load(Relaxed) && self.0.lock().waiting.get(&session).is_some_and(is_lost)
    }

    /// The outcome of work with the database. Gives up if the database does not respond, or if the statement in
    /// `session` cannot have reached it. `None` after the deadline.
    pub(super) async fn watch<T, E: From<sqlx::Error>, F>(
        &self,
        mut work: Pin<&mut F>,
        session: &CurrentSession,
        deadline: Option<Duration>,
    ) -> Option<Result<T, E>>
    where
        F: Future<Output = Result<T, E>>,
    {
        let mut left = deadline.unwrap_or(Duration::MAX);
        let mut wait = PATIENCE.min(left);
        loop {
            if let Ok(outcome) = timeout(wait, work.as_mut()).await {
                return Some(outcome);
            }
            left = left.saturating_sub(wait);
            if left.is_zero() {
                return None;
            }
            wait = TICK.min(left);
            match self.look(session.get()) {
                Verdict::Wait => {}
                Verdict::Lost => {
                    let lost = io::Error::new(ErrorKind::ConnectionAborted, "the connection leads nowhere");
                    return Some(Err(sqlx::Error::Io(lost).into()));
                }
                Verdict::Refused(outage) => return Some(Err(failure::refused(outage).into())),
            }
        }
    }

    /// Looks at what the prober has found, and starts it.
    fn look(&self, session: Option<Session>) -> Verdict {
        let Self(shared) = self;
        if shared.is_known_silent.load(Relaxed) {
            return Verdict::Refused(Outage::Silent);
        }
        let now = Instant::now();
        let mut state = shared.lock();
        if let Some(outage) = state.outage {
            return Verdict::Refused(outage);
        }
        state.asked = Some(now);
        let idle_rounds = session.map_or(0, |session| {
            let waiting = state.waiting.entry(session).or_insert(Waiting { asked: now, idle_rounds: 0 });
            waiting.asked = now;
            waiting.idle_rounds
        });
        if !mem::replace(&mut state.is_probing, true) {
            shared.is_probing.store(true, Relaxed);
            shared.runtime.spawn(Arc::clone(shared).probe());
        }
        if idle_rounds < MOST_IDLE {
            return Verdict::Wait;
        }
        state.on_silence.iter().for_each(|call| call());
        Verdict::Lost
    }
}

impl Shared {
    /// Asks the server once in each round while statements take long. It may answer later than in the same round.
    async fn probe(self: Arc<Self>) {
        let (mut kept, mut unanswered): (Option<Kept>, u32) = (None, 0);
        let mut attempts = JoinSet::new();
        while let Some(sessions) = self.sessions() {
            self.is_answered.store(false, Relaxed);
            let end = Instant::now() + ROUND;
            // a new connection may take long on a busy machine, so a ping is answer enough
            attempts.spawn(Arc::clone(&self).ping());
            attempts.spawn(Arc::clone(&self).attempt(kept.take(), sessions));
            let mut outage = Some(Outage::Silent);
            while let Some(probed) = next_of(&mut attempts, end).await {
                match probed {
                    Probed::Answer(connection, idle) => {
                        // a ping knows nothing of sessions
                        if connection.is_some() {
                            self.note_idle(&idle);
                        }
                        kept = connection.or(kept);
                        outage = None;
                    }
                    Probed::None(other) => outage = outage.map(|_| other),
                }
            }
            sleep_until(end).await;
            match outage {
                // it may only be new connections that are not possible
                Some(outage) if !self.is_answered.load(Relaxed) => {
                    unanswered += 1;
                    if unanswered == MOST_UNANSWERED {
                        self.open(outage);
                        kept = self.wait_for_return(&mut attempts).await;
                        self.close();
                        unanswered = 0;
                    }
                }
                _ => unanswered = 0,
            }
        }
        if let Some((connection, _)) = kept {
            let _ = timeout(ROUND, connection.close()).await;
        }
    }

    /// The sessions of statements that take long. `None` if there are no such statements any more, which ends the prober.
    fn sessions(&self) -> Option<Vec<Session>> {
        let mut state = self.lock();
        let is_recent = |asked: Instant| asked.elapsed() < 2 * ROUND;
        state.waiting.retain(|_, waiting| is_recent(waiting.asked));
        if state.asked.is_some_and(is_recent) {
            return Some(state.waiting.keys().copied().collect());
        }
        state.waiting.clear();
        state.is_probing = false;
        self.is_probing.store(false, Relaxed);
        None
    }

    fn note_idle(&self, idle: &[Session]) {
        for (session, waiting) in &mut self.lock().waiting {
            waiting.idle_rounds = if idle.contains(session) { waiting.idle_rounds + 1 } else { 0 };
        }
    }

    /// Asks the server what it does in sessions, on the connection that was kept or on a new one.
    async fn attempt(self: Arc<Self>, kept: Option<Kept>, sessions: Vec<Session>) -> Probed {
        let asked = async {
            if let Some(mut kept) = kept.filter(|(_, server)| self.settings.hosts().is_first(*server))
                && let Ok(Ok(idle)) = timeout(ROUND, idle_sessions(&mut kept, &sessions)).await
            {
                return Ok((kept, idle));
            }
            let mut made = self.settings.connect_unchecked().await?;
            let idle = idle_sessions(&mut made, &sessions).await?;
            Ok((made, idle))
        };
        match timeout(ATTEMPT, asked).await {
            Ok(Ok((connection, idle))) => Probed::Answer(Some(connection), idle),
            Ok(Err(error)) if is_answer(&error) => Probed::Answer(None, Vec::new()),
            Ok(Err(_)) => Probed::None(Outage::Unreachable),
            Err(_) => Probed::None(Outage::Silent),
        }
    }

    /// Whether the server responds.
    async fn ping(self: Arc<Self>) -> Probed {
        match timeout(ATTEMPT, self.settings.ping()).await {
            Ok(Ok(())) => Probed::Answer(None, Vec::new()),
            Ok(Err(error)) => probed_of(&error),
            Err(_) => Probed::None(Outage::Silent),
        }
    }

    fn open(&self, outage: Outage) {
        let mut state = self.lock();
        let place = self.settings.place();
        tracing::warn!(reason = %outage, place, "the database does not respond, refusing requests until it does");
        state.outage = Some(outage);
        state.waiting.clear();
        self.is_open.store(true, Relaxed);
        state.on_silence.iter().for_each(|call| call());
    }

    /// Waits until the server answers. What an attempt has sent may be lost although the next one would be answered, so
    /// attempts overlap.
    async fn wait_for_return(self: &Arc<Self>, attempts: &mut JoinSet<Probed>) -> Option<Kept> {
        let mut next_login = Instant::now();
        loop {
            let end = Instant::now() + INTERVAL;
            // of several servers one may be there and not be the one that is wanted, which only a login finds out
            let is_login = self.settings.has_several();
            if !is_login {
                attempts.spawn(Arc::clone(self).ping());
            }
            // whatever may be wrong with a ping
            if is_login || next_login <= end {
                next_login = end + ROUND;
                attempts.spawn(Arc::clone(self).attempt(None, Vec::new()));
            }
            while let Some(probed) = next_of(attempts, end).await {
                if let Probed::Answer(connection, _) = probed {
                    return connection;
                }
            }
            sleep_until(end).await;
        }
    }

    fn close(&self) {
        self.lock().outage = None;
        self.is_open.store(false, Relaxed);
        tracing::info!(place = self.settings.place(), "the database responds again");
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The outcome of the next attempt that ends until then.
async fn next_of(attempts: &mut JoinSet<Probed>, end: Instant) -> Option<Probed> {
    timeout_at(end.into(), attempts.join_next()).await.ok().flatten()?.ok()
}

async fn sleep_until(end: Instant) {
    tokio::time::sleep_until(end.into()).await;
}

/// What an error of the network says of the server.
fn probed_of(error: &io::Error) -> Probed {
    // tagd has no descriptors left, which says nothing of the server
    let is_own = [Errno::EMFILE, Errno::ENFILE].iter().any(|own| error.raw_os_error() == Some(*own as i32));
    if is_own { Probed::Answer(None, Vec::new()) } else { Probed::None(Outage::Unreachable) }
}

/// Those of the sessions in which the server has nothing to do, or which it does not have. A session that has been idle for
/// less than a second may be between two messages of one statement. Where there are several servers, those of another one than
/// connections lead to now are among them: it was left because it is gone.
async fn idle_sessions((connection, server): &mut Kept, sessions: &[Session]) -> Result<Vec<Session>, sqlx::Error> {
    let is_own = |session: &Session| session.server == *server;
    let (own, others): (Vec<_>, Vec<_>) = sessions.iter().copied().partition(is_own);
    let (pids, started): (Vec<i32>, Vec<i64>) = own.iter().map(|session| (session.pid, session.started)).unzip();
    let idle: Vec<(i32, i64)> = sqlx::query_as(
        "select w.pid, w.started
           from unnest($1::int4[], $2::int8[]) as w (pid, started)
           left join lateral pg_catalog.pg_stat_get_activity(w.pid) a
             on (extract(epoch from a.backend_start) * 1000000)::int8 = w.started
          where a.pid is null
             or a.state like 'idle%' and pg_catalog.clock_timestamp() - a.state_change > interval '1 second'",
    )
    .bind(pids)
    .bind(started)
    .fetch_all(connection)
    .await?;
    let idle = idle.into_iter().map(|(pid, started)| Session { server: *server, pid, started });
    Ok(idle.chain(others).collect())
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("outage", &self.outage).field("waiting", &self.waiting).finish_non_exhaustive()
    }
}
