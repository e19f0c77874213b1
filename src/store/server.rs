//! The connections of a server: which are shared by its workers, and how many each has.
//!
//! `docs/adr/0033-lanes-and-shares.md` explains why.

use std::sync::Arc;

use super::{
    Store,
    breaker::Breaker,
    canceller::Canceller,
    connect::StoreSettings,
    handle::{ReplicaConnections, open_pool},
    idle::Home,
    metrics::PoolKind,
    pool::Pool,
    prober::Prober,
    replicas::{ReplicaSettings, Replicas},
    session::SessionProfile,
    turns::Limits,
    write_queue::WriteQueue,
};

/// Maximum number of connections for writes.
const WRITE_CONNECTIONS: u32 = 8;

/// Connections of a worker for imports, exports and other work without a deadline.
const WORK_CONNECTIONS: u32 = 2;

/// Connections for other purposes: readiness, to listen for changes, to cancel statements, and to find out whether the database
/// responds.
const OTHER_CONNECTIONS: u32 = 4;

/// The connections of a server. Clones share those that its workers share.
#[derive(Debug, Clone)]
pub struct ServerConnections {
    settings: StoreSettings,
    canceller: Canceller,
    breaker: Breaker,
    /// Connections of each worker for cheap reads; 0 if they use those for expensive ones.
    cheap: u32,
    expensive: Pool,
    writes: WriteQueue,
    replicas: Option<ServedReplicas>,
}

/// The replicas of a server.
#[derive(Debug, Clone)]
struct ServedReplicas {
    shared: Arc<Replicas>,
    each: Vec<ServedReplica>,
    _prober: Arc<Prober>,
}

/// What the workers share of a replica.
#[derive(Debug, Clone)]
struct ServedReplica {
    canceller: Canceller,
    breaker: Breaker,
    expensive: Pool,
}

impl ServerConnections {
    /// The connections of a server with so many workers, on the runtime of the caller, which must outlive the workers. None
    /// is opened yet.
    ///
    /// Half of the connections for reads are for expensive ones, and are shared by the workers. The others are divided among
    /// the workers, so that a connection is only woken by the thread that waits for it. If there is only one, both kinds
    /// take turns. Each worker has one more for cheap ones, for a share that comes when another has all the others.
    pub fn new(settings: &StoreSettings, workers: u32) -> Self {
        let (canceller, breaker) = (Canceller::new(settings), Breaker::new(settings));
        let open = |limits, home, kind| {
            open_pool(settings, SessionProfile::Serve, &canceller, &breaker, limits, home, Some(kind))
        };
        let expensive = (settings.connections / 2).max(1);
        let cheap = match settings.connections.saturating_sub(expensive) {
            0 => 0,
            cheap => (cheap / workers.max(1)).max(1),
        };
        let writing = settings.connections.min(WRITE_CONNECTIONS);
        // so that a project whose writes wait for locks does not stop those of others
        let limits = Limits { of_a_share: (writing / 2).max(2), ..Limits::of(writing) };
        Self {
            cheap,
            expensive: open(Limits::of(expensive), Home::Caller, PoolKind::Expensive),
            writes: WriteQueue::new(open(limits, Home::Pool, PoolKind::Writes)),
            replicas: None,
            canceller,
            breaker,
            settings: settings.clone(),
        }
    }

    /// The same with replicas, which are asked for their positions from now on.
    #[must_use]
    pub fn with_replicas(mut self, replicas: &ReplicaSettings) -> Self {
        let limits = Limits::of(self.expensive.max_connections());
        self.replicas = Some(ServedReplicas::new(replicas, &self.settings, limits));
        self.writes = self.writes.with_replicas();
        self
    }

    /// The replicas, if there are any.
    pub fn replicas(&self) -> Option<&Arc<Replicas>> {
        self.replicas.as_ref().map(|replicas| &replicas.shared)
    }

    /// The most connections that a server has.
    pub fn most(connections: u32, workers: u32) -> u32 {
        let expensive = (connections / 2).max(1);
        let cheap = match connections.saturating_sub(expensive) {
            0 => 0,
            cheap => cheap.max(workers) + workers,
        };
        expensive + cheap + connections.min(WRITE_CONNECTIONS) + workers * WORK_CONNECTIONS + OTHER_CONNECTIONS
    }

    /// The store of one worker for requests. Its own connections are on the runtime of the caller.
    pub fn serving(&self) -> Store {
        let cheap = match self.cheap {
            0 => self.expensive.clone(),
            _ => self.open(SessionProfile::Serve, self.cheap_limits(), PoolKind::Cheap),
        };
        let shared = self.replicas.as_ref().map(|replicas| Arc::clone(&replicas.shared));
        let on_replicas = self.replicas.iter().flat_map(|replicas| self.on_replicas(replicas, &cheap)).collect();
        Store::over_with(cheap, self.expensive.clone(), self.writes.clone(), shared, on_replicas)
    }

    /// The connections of one worker to each replica; as many as to the primary for reads.
    fn on_replicas(&self, replicas: &ServedReplicas, primary: &Pool) -> Vec<ReplicaConnections> {
        let ServedReplicas { shared, each, .. } = replicas;
        let connections = each.iter().zip(&shared.settings).map(|(replica, settings)| {
            let ServedReplica { canceller, breaker, expensive } = replica;
            let cheap = match self.cheap {
                0 => expensive.clone(),
                _ => open_pool(
                    settings,
                    SessionProfile::Serve,
                    canceller,
                    breaker,
                    self.cheap_limits(),
                    Home::Pool,
                    Some(PoolKind::Replicas),
                ),
            };
            ReplicaConnections::over(cheap, expensive.clone(), primary, shared)
        });
        connections.collect()
    }

    fn cheap_limits(&self) -> Limits {
        Limits { of_a_share: self.cheap, ..Limits::of(self.cheap + 1) }
    }

    /// The store of one worker for work without a deadline.
    pub fn working(&self) -> Store {
        let pool = self.open(SessionProfile::Bulk, Limits::of(WORK_CONNECTIONS), PoolKind::Bulk);
        let shared = self.replicas.as_ref().map(|replicas| Arc::clone(&replicas.shared));
        let writes = WriteQueue::new(pool.clone());
        let writes = if shared.is_some() { writes.with_replicas() } else { writes };
        Store::over_with(pool.clone(), pool, writes, shared, Vec::new())
    }

    /// A pool on the runtime of the caller.
    fn open(&self, profile: SessionProfile, limits: Limits, kind: PoolKind) -> Pool {
        open_pool(&self.settings, profile, &self.canceller, &self.breaker, limits, Home::Pool, Some(kind))
    }
}

impl ServedReplicas {
    /// `limits` are those of the connections for expensive reads.
    fn new(settings: &ReplicaSettings, primary: &StoreSettings, limits: Limits) -> Self {
        let shared = Arc::new(Replicas::new(settings, primary));
        let each = shared.settings.iter().enumerate().map(|(number, settings)| {
            let silence = shared.get(number).map(|replica| Arc::clone(replica.silence()));
            let (canceller, breaker) =
                (Canceller::new(settings), Breaker::heeding(settings, silence.unwrap_or_default()));
            let expensive = open_pool(
                settings,
                SessionProfile::Serve,
                &canceller,
                &breaker,
                limits,
                Home::Caller,
                Some(PoolKind::Replicas),
            );
            ServedReplica { canceller, breaker, expensive }
        });
        let each = each.collect();
        Self { _prober: Prober::start(&shared, primary).into(), shared, each }
    }
}
