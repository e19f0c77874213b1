//! The handle through which all other modules use the database, as the role `tagd_service`.

use std::sync::Arc;

use sqlx::Connection;

use super::{
    breaker::Breaker,
    canceller::Canceller,
    connect::StoreSettings,
    failure::{StoreError, outage_of},
    forms::Form,
    metrics::{PoolKind, PoolMetrics},
    pool::{Home, Lane, Pool},
    read_queue::ReadQueue,
    session::{Connector, SessionProfile},
    turns::{Limits, Share},
    write_queue::WriteQueue,
};
use crate::{
    compiler::Cost,
    domain::{Caller, Outage},
};

/// The database. Its methods run the statements; each family of statements has its own file.
#[derive(Debug, Clone)]
pub struct Store {
    pub(super) connections: Arc<Connections>,
    /// Whom its statements are for, of those that share its connections.
    pub(super) share: Share,
    /// The caller of its writes.
    pub(super) caller: Arc<Caller>,
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
        let reads = ReadQueue::new(cheap.clone());
        let connections = Connections { cheap, expensive, writes, reads };
        Self { connections: Arc::new(connections), share: Share::default(), caller: Arc::default() }
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
        let pool = match cost {
            Cost::Cheap => &self.connections.cheap,
            Cost::Expensive => &self.connections.expensive,
        };
        pool.lane(self.share, cost, form)
    }

    /// For writes. They may wait for locks of others, and so do not use the connections of reads.
    pub(super) fn writing(&self, form: Form) -> Lane<'_> {
        self.connections.writes.lane(self.share, form)
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
