//! The handle through which all other modules use the database, as the role `tagd_service`.

use std::sync::{Arc, atomic::AtomicUsize};

use sqlx::Connection;

use super::{
    breaker::Breaker,
    canceller::Canceller,
    connect::StoreSettings,
    failure::{StoreError, outage_of},
    forms::Form,
    idle::Home,
    metrics::{PoolKind, PoolMetrics},
    needed::Needed,
    noting::Noting,
    pool::{Lane, OnReplica, Pool},
    positions::{NotePosition, Untold, current_position},
    read_queue::ReadQueue,
    replicas::{Chosen, Reason, ReplicaRead, Replicas},
    session::{Connector, SessionProfile},
    turns::{Limits, Share},
    write_queue::WriteQueue,
};
use crate::{
    compiler::Cost,
    domain::{Caller, Outage, RequestError, RequestPositions},
};

/// The database. Its methods run the statements; each family of statements has its own file.
#[derive(Debug, Clone)]
pub struct Store {
    pub(super) connections: Arc<Connections>,
    /// Whom its statements are for, of those that share its connections.
    pub(super) share: Share,
    /// The caller of its writes.
    pub(super) caller: Arc<Caller>,
    /// What is told up to where it has written.
    noting: Option<Arc<Noting>>,
    /// Where its reads are sent, if that was chosen; else to the primary.
    target: ReadTarget,
}

/// Where the reads of a store are sent.
#[derive(Debug, Clone, Copy)]
enum ReadTarget {
    /// To the primary, without a choice.
    Primary,
    /// To the primary, since no replica will do.
    PrimaryFor(Reason),
    /// To a replica.
    Replica(Chosen),
}

/// The connections of a store, by what they are for.
#[derive(Debug)]
pub(super) struct Connections {
    /// For cheap reads.
    pub(super) cheap: Pool,
    /// For expensive ones.
    pub(super) expensive: Pool,
    pub(super) writes: WriteQueue,
    pub(super) reads: ReadQueue,
    /// The replicas, if there are any.
    replicas: Option<Arc<Replicas>>,
    /// The connections to each of them; none of a store that only writes.
    on_replicas: Vec<ReplicaConnections>,
    /// The number of the replica whose turn it is.
    next: AtomicUsize,
}

/// The connections of a worker to a replica.
#[derive(Debug)]
pub(super) struct ReplicaConnections {
    cheap: Pool,
    expensive: Pool,
    reads: ReadQueue,
}

impl ReplicaConnections {
    /// Connections over pools; what fails there runs on a pool of the primary.
    pub(super) fn over(cheap: Pool, expensive: Pool, primary: &Pool, replicas: &Arc<Replicas>) -> Self {
        let reads = ReadQueue::on_replica(cheap.clone(), primary.clone(), Arc::clone(replicas));
        Self { cheap, expensive, reads }
    }
}

impl Store {
    /// A store whose connections are opened when they are needed. It has one pool for everything.
    pub fn connect_lazy(settings: &StoreSettings, profile: SessionProfile) -> Self {
        let limits = Limits::of(settings.connections);
        let (canceller, breaker) = (Canceller::new(settings), Breaker::new(settings));
        let pool = open_pool(settings, profile, &canceller, &breaker, limits, Home::Pool, None);
        Self::over(pool.clone(), pool.clone(), WriteQueue::new(pool))
    }

    /// A store over pools.
    pub(super) fn over(cheap: Pool, expensive: Pool, writes: WriteQueue) -> Self {
        Self::over_with(cheap, expensive, writes, None, Vec::new())
    }

    /// The same for a database with replicas.
    pub(super) fn over_with(
        cheap: Pool,
        expensive: Pool,
        writes: WriteQueue,
        replicas: Option<Arc<Replicas>>,
        on_replicas: Vec<ReplicaConnections>,
    ) -> Self {
        let (reads, next) = (ReadQueue::new(cheap.clone()), AtomicUsize::new(0));
        let connections = Connections { cheap, expensive, writes, reads, replicas, on_replicas, next };
        Self {
            connections: Arc::new(connections),
            share: Share::default(),
            caller: Arc::default(),
            noting: None,
            target: ReadTarget::Primary,
        }
    }

    /// The same store for the writes of one caller, which is passed to the database with each change.
    #[must_use]
    pub fn acting_for(&self, caller: Arc<Caller>) -> Self {
        Self { caller, ..self.clone() }
    }

    /// The same store for statements of one share: shares take turns in the use of its connections.
    #[must_use]
    pub fn sharing(&self, share: Share) -> Self {
        Self { share, ..self.clone() }
    }

    /// The same store for the writes of a request, in a project or outside of any: if there are replicas, it is noted up to where
    /// they are written.
    #[must_use]
    pub fn noting_for(
        mut self,
        positions: Option<&Arc<RequestPositions>>,
        principal: &str,
        project_id: Option<&str>,
    ) -> Self {
        if let (Some(replicas), Some(positions)) = (&self.connections.replicas, positions) {
            self.noting = Some(Noting::new(replicas, positions, principal, project_id).into());
        }
        self
    }

    /// The same store for a read that may come from a replica, if there is one that has what the read must find.
    #[must_use]
    pub fn reading_for<'r>(mut self, read: impl FnOnce() -> Option<ReplicaRead<'r>>) -> Self {
        let Connections { replicas: Some(replicas), next, on_replicas, .. } = &*self.connections else { return self };
        if on_replicas.is_empty() {
            return self;
        }
        if let Some(read) = read() {
            self.target = replicas.choose(&read, next).map_or_else(ReadTarget::PrimaryFor, ReadTarget::Replica);
        }
        self
    }

    /// Whether statements can only read one scope each.
    pub async fn reads_scopes_apart(&self) -> Result<bool, RequestError> {
        let pool = &self.connections.cheap;
        if let Some(is_distributed) = pool.is_distributed() {
            return Ok(is_distributed);
        }
        // the first connection finds out
        let lane = pool.lane(self.share, Cost::Cheap, Form::OpenStore);
        lane.begin(|| async { lane.acquire().await?.release(Ok(())) }).await?;
        Ok(pool.is_distributed().unwrap_or_default())
    }

    /// Whether there are replicas, and the primary does not answer.
    pub fn is_primary_away(&self) -> bool {
        self.connections.replicas.as_ref().is_some_and(|replicas| replicas.is_primary_away())
    }

    /// The outcome of work that may have written, also if it has failed, and not by single statements of this store. It is noted up to
    /// where.
    pub async fn noting_all<T>(&self, work: impl Future<Output = T>) -> T {
        let untold = Untold::new(self.noting());
        let outcome = Box::pin(work).await;
        self.note_position().await;
        untold.told();
        outcome
    }

    /// Notes the position after all that was committed by now.
    async fn note_position(&self) {
        let Some(noting) = &self.noting else { return };
        let lane = self.connections.cheap.lane(self.share, Cost::Cheap, Form::CurrentPosition);
        let position = lane.begin(|| async {
            let mut connection = lane.acquire().await?;
            let position = current_position(&mut connection).await;
            connection.release(position)
        });
        noting.note(position.await.ok());
    }

    /// What is told up to where it has written.
    pub(super) fn noting(&self) -> Option<&dyn NotePosition> {
        self.noting.as_deref().map(|noting| noting as &dyn NotePosition)
    }

    /// The same for a write that goes on if its request is dropped.
    pub(super) fn shared_noting(&self) -> Option<Arc<dyn NotePosition>> {
        self.noting.clone().map(|noting| noting as Arc<dyn NotePosition>)
    }

    /// The replica that reads are sent to, and its connections; a read that is sent to one is counted.
    fn replica(&self) -> Option<(Chosen, &Arc<Replicas>, &ReplicaConnections)> {
        let replicas = self.connections.replicas.as_ref();
        match self.target {
            ReadTarget::Primary => None,
            ReadTarget::PrimaryFor(reason) => {
                replicas?.count_on_primary(reason);
                None
            }
            ReadTarget::Replica(chosen) => {
                let (replicas, connections) = (replicas?, self.connections.on_replicas.get(chosen.replica)?);
                replicas.get(chosen.replica)?.reads.increment();
                Some((chosen, replicas, connections))
            }
        }
    }

    /// The queue of cheap queries, and what their connection must have if it is one to a replica.
    pub(super) fn read_queue(&self) -> (&ReadQueue, Needed) {
        match self.replica() {
            Some((chosen, _, connections)) => (&connections.reads, chosen.needed),
            None => (&self.connections.reads, Needed::NOTHING),
        }
    }

    /// For cheap reads.
    pub(super) fn cheap(&self, form: Form) -> Lane<'_> {
        self.reading(Cost::Cheap, form)
    }

    /// For reads that may take long.
    pub(super) fn expensive(&self, form: Form) -> Lane<'_> {
        self.reading(Cost::Expensive, form)
    }

    /// For reads of some cost.
    pub(super) fn reading(&self, cost: Cost, form: Form) -> Lane<'_> {
        let primary = match cost {
            Cost::Cheap => &self.connections.cheap,
            Cost::Expensive => &self.connections.expensive,
        };
        let Some((Chosen { needed, .. }, replicas, connections)) = self.replica() else {
            return primary.lane(self.share, cost, form);
        };
        let pool = match cost {
            Cost::Cheap => &connections.cheap,
            Cost::Expensive => &connections.expensive,
        };
        let replica = Some(OnReplica { primary, needed, failed: replicas.failed() });
        Lane { replica, ..pool.lane(self.share, cost, form) }
    }

    /// For writes. They may wait for locks of others, and so do not use the connections of reads.
    pub(super) fn writing(&self, form: Form) -> Lane<'_> {
        Lane { noting: self.noting(), ..self.connections.writes.lane(self.share, form) }
    }

    /// Opens a store, with one connection to check that it works.
    pub async fn open(settings: &StoreSettings, profile: SessionProfile) -> Result<Self, StoreError> {
        // not through the pool, which would retry a refused connection until the acquire timeout
        settings.connect_as_login().await?.close().await?;
        let store = Self::connect_lazy(settings, profile);
        match store.cheap(Form::OpenStore).acquire().await.and_then(|connection| connection.release(Ok(()))) {
            Ok(()) => Ok(store),
            Err(error) if outage_of(&error) == Some(Outage::Rights) => Err(StoreError::Role),
            Err(source) => Err(settings.unreachable(source)),
        }
    }

    /// Waits for running statements and closes the connections for cheap reads, which are all of a store that has one pool.
    pub async fn close(&self) {
        self.connections.cheap.close().await;
    }
}

/// A pool on the runtime of the caller. Metrics show one that has a kind.
pub(super) fn open_pool(
    settings: &StoreSettings,
    profile: SessionProfile,
    canceller: &Canceller,
    breaker: &Breaker,
    limits: Limits,
    home: Home,
    kind: Option<PoolKind>,
) -> Pool {
    let connector = Connector::new(settings, profile);
    let metrics = PoolMetrics { store: Arc::clone(&settings.metrics), kind };
    Pool::new(connector, canceller.clone(), breaker.clone(), limits, settings.acquire_timeout, home, metrics)
}
