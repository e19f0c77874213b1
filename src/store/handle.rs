//! The handle through which all other modules use the database, as the role `tagd_service`.

use std::sync::Arc;

use sqlx::Connection;

use super::{
    connect::StoreSettings,
    failure::{StoreError, outage_of},
    pool::Pool,
    read_queue::ReadQueue,
    session::{Connector, SessionProfile},
    write_queue::WriteQueue,
};
use crate::domain::{Caller, Outage};

/// The database. Its methods run the statements; each family of statements has its own file.
#[derive(Debug, Clone)]
pub struct Store {
    pub(super) pool: Pool,
    pub(super) writes: WriteQueue,
    pub(super) reads: ReadQueue,
    /// The caller of its writes.
    pub(super) caller: Arc<Caller>,
}

impl Store {
    /// A store whose connections are opened when they are needed.
    pub fn connect_lazy(settings: &StoreSettings, profile: SessionProfile) -> Self {
        let connector = Connector::new(settings, profile);
        let pool = Pool::new(connector, settings.connections, settings.acquire_timeout);
        let writes = WriteQueue::new(pool.clone());
        let reads = ReadQueue::new(pool.clone());
        Self { pool, writes, reads, caller: Arc::default() }
    }

    /// The same store for the writes of one caller, which is passed to the database with each change.
    #[must_use]
    pub fn acting_for(&self, caller: Arc<Caller>) -> Self {
        Self { caller, ..self.clone() }
    }

    /// The queue in which this store's writes are batched.
    pub fn queue(&self) -> &WriteQueue {
        &self.writes
    }

    /// The same store with the queue of another, so that writes through both are batched together.
    #[must_use]
    pub fn with_queue(self, queue: &WriteQueue) -> Self {
        Self { writes: queue.clone(), ..self }
    }

    /// Opens a store, with one connection to check that it works.
    pub async fn open(settings: &StoreSettings, profile: SessionProfile) -> Result<Self, StoreError> {
        // not through the pool, which would retry a refused connection until the acquire timeout
        settings.connect_as_login().await?.close().await?;
        let store = Self::connect_lazy(settings, profile);
        match store.pool.acquire().await.and_then(|connection| connection.release(Ok(()))) {
            Ok(()) => Ok(store),
            Err(error) if outage_of(&error) == Some(Outage::Rights) => Err(StoreError::Role),
            Err(source) => Err(settings.unreachable(source)),
        }
    }

    /// Waits for running statements and closes the connections.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}
