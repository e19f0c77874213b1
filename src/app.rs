//! The composition root: creates pools, queues and caches, once.

use std::{sync::Arc, time::Duration};

use crate::{
    auth::MarkerKey,
    dialects::{DIALECTS, PREDEFINED_LIMITS},
    domain::{Outage, Position, definition::DefinitionLimits, services::CloudService},
    metrics::Source,
    service::{AuthSettings, Authenticator, Caches, Credentials, History, Identity, Registry, Service},
    store::{Listener, Readiness, ReplicaSettings, ServerConnections, Store, StoreMetrics, StoreSettings},
};

/// Settings of a server.
#[derive(Debug)]
pub struct AppSettings {
    /// Threads that answer requests.
    pub workers: usize,
    /// Name of the region whose resources are served.
    pub region: String,
    /// The database, and the number of connections for reads.
    pub store: StoreSettings,
    /// Which credentials requests must have.
    pub auth: AuthSettings,
    /// How long what is remembered of projects and credentials is used.
    pub max_age: Duration,
    /// The replicas, if there are any.
    pub replicas: Option<AppReplicas>,
}

/// Replicas that reads are sent to.
#[derive(Debug)]
pub struct AppReplicas {
    /// How they are reached and used.
    pub settings: ReplicaSettings,
    /// Seals positions, which clients are told.
    pub key: MarkerKey,
}

/// What positions are sealed for.
const POSITION: &str = "position";

/// What all workers of a server share, and the settings for what each creates for itself. Clones share it too.
#[derive(Debug, Clone)]
pub struct App {
    workers: usize,
    region: Arc<str>,
    services: Arc<[CloudService]>,
    connections: ServerConnections,
    caches: Caches,
    /// Keeps the caches as the database is.
    _listener: Arc<Listener>,
    auth: Arc<AuthSettings>,
    readiness: Readiness,
    store_metrics: Arc<StoreMetrics>,
    /// Seals positions, if there are replicas.
    position_key: Option<Arc<MarkerKey>>,
}

/// What one worker needs to answer requests.
#[derive(Debug)]
pub struct Worker {
    /// The use cases of the dialects.
    pub service: Service,
    /// The use cases of the registry.
    pub registry: Registry,
    /// The use cases of the history.
    pub history: History,
    /// The use cases of credentials.
    pub credentials: Credentials,
    /// The use cases of the identity API.
    pub identity: Identity,
    /// Finds out who sends a request.
    pub authenticator: Authenticator,
}

impl App {
    /// Creates the shared state on the runtime of the caller, which must outlive every worker; the schema must be up to
    /// date.
    pub fn new(settings: AppSettings) -> Self {
        let AppSettings { workers, region, store, auth, max_age, replicas } = settings;
        let workers = workers.max(1);
        let caches = Caches::new(max_age);
        let followed = caches.clone();
        let mut connections = ServerConnections::new(&store, u32::try_from(workers).unwrap_or(u32::MAX));
        let mut position_key = None;
        if let Some(AppReplicas { settings, key }) = replicas {
            connections = connections.with_replicas(&settings);
            position_key = Some(key.into());
        }
        Self {
            workers,
            region: region.into(),
            services: DIALECTS.iter().map(|dialect| dialect.service).collect(),
            connections,
            caches,
            _listener: Listener::start(&store, move |changed| followed.forget(changed)).into(),
            auth: auth.into(),
            readiness: Readiness::new(&store),
            store_metrics: Arc::clone(&store.metrics),
            position_key,
        }
    }

    /// How many replicas there are, and how many of them are used; `None` without any.
    pub fn replicas(&self) -> Option<(usize, usize)> {
        Some(self.connections.replicas()?.count())
    }

    /// Whether some reads are sent to replicas.
    pub fn has_replicas(&self) -> bool {
        self.position_key.is_some()
    }

    /// What clients are told of a position; `None` without replicas.
    pub fn seal_position(&self, position: Position) -> Option<String> {
        self.position_key.as_ref()?.seal(POSITION, &[position.run, position.lsn]).ok()
    }

    /// The position that a client was told.
    pub fn open_position(&self, sealed: &str) -> Option<Position> {
        let [run, lsn] = self.position_key.as_ref()?.open(POSITION, sealed)?;
        Some(Position { run, lsn })
    }

    /// Threads that answer requests.
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// The use cases for one worker, with pools of its own on the runtime of the caller.
    pub fn worker(&self) -> Worker {
        let (store, bulk) = (self.connections.serving(), self.connections.working());
        let cache = &self.caches.credentials;
        let authenticator = Authenticator::new(Arc::clone(&self.auth), store.clone(), Arc::clone(cache));
        let (region, services) = (Arc::clone(&self.region), Arc::clone(&self.services));
        let service = Service::new(store, bulk, authenticator.clone(), self.caches.clone(), region, services);
        let credentials = service.credentials(Arc::clone(cache), Arc::clone(&self.auth));
        let identity = service.identity(authenticator.clone(), Arc::clone(cache));
        Worker {
            registry: service.registry(),
            history: service.history(),
            service,
            credentials,
            identity,
            authenticator,
        }
    }

    /// The metrics of the database and of caches.
    pub fn metrics(&self) -> Vec<Arc<dyn Source>> {
        let mut sources = vec![Arc::clone(&self.store_metrics) as Arc<dyn Source>, Arc::new(self.caches.clone())];
        sources.extend(self.connections.replicas().map(|replicas| Arc::clone(replicas) as Arc<dyn Source>));
        sources
    }

    /// Statements that were refused because too many waited for a connection.
    pub fn refused_statements(&self) -> u64 {
        self.store_metrics.refused.value()
    }

    /// Whether reads and writes can be served; if not, the reason.
    pub async fn check_ready(&self) -> Result<(), Outage> {
        self.readiness.check().await
    }
}

/// The use cases for a command, which uses one store for everything and has no credentials.
fn service_of(store: &Store) -> Service {
    let authenticator = Authenticator::new(Arc::default(), store.clone(), Arc::default());
    Service::new(store.clone(), store.clone(), authenticator, Caches::default(), Arc::default(), Arc::default())
}

/// The use cases of credentials for a command.
pub fn credentials_of(store: &Store, auth: AuthSettings) -> Credentials {
    service_of(store).credentials(Arc::default(), auth.into())
}

/// What an import holds resource types and predefined tags to.
pub fn definition_limits() -> DefinitionLimits {
    let services = DIALECTS.iter().map(|dialect| dialect.service.name).collect();
    DefinitionLimits { services, predefined: &PREDEFINED_LIMITS }
}

/// The registry for a command.
pub fn registry_of(store: &Store) -> Registry {
    service_of(store).registry()
}
