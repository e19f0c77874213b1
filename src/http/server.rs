//! The server: listening, workers, stopping.

use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use actix_web::{App, HttpServer, dev::ServerHandle, middleware::from_fn, web};

use super::{request_log, router};
use crate::{
    auth::Principal,
    service::{Registry, ScopeCache, Service},
    store::{Readiness, SessionProfile, Store, StoreSettings, WRITE_CONNECTIONS},
};

/// How long requests in flight may take to finish when the server stops.
const DRAIN: Duration = Duration::from_secs(30);

/// Connections of a worker for imports, exports and other work without a deadline, beside those that serve.
pub const WORK_CONNECTIONS: u32 = 2;

/// What the server needs.
#[derive(Debug)]
pub struct ServerSettings {
    /// Where to listen.
    pub listener: TcpListener,
    /// Threads that answer requests.
    pub workers: usize,
    /// Name of the region whose resources are served.
    pub region: String,
    /// Names that tagd answers to besides `localhost` and IP addresses, in lower case and without a dot at the end.
    pub allowed_hosts: Vec<String>,
    /// The database; its connections are shared out among the workers.
    pub store: StoreSettings,
}

/// A server under way.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    handle: ServerHandle,
    ended: tokio::task::JoinHandle<std::io::Result<()>>,
}

/// What every worker knows.
pub(super) struct AppState {
    pub(super) service: Service,
    pub(super) principal: Principal,
    pub(super) registry: Registry,
    /// For imports and exports.
    pub(super) work: Store,
    /// Shared by all of them.
    pub(super) readiness: Readiness,
    /// Names of hosts that requests may be addressed to.
    pub(super) allowed_hosts: Arc<[String]>,
}

/// Starts the server, on the runtime of the caller; the schema must be in place.
///
/// Each worker has a pool of its own: a connection is then only woken by the thread that waits for it. Changes of tags
/// meet in one queue, with connections of its own, to be written together.
pub fn start(settings: ServerSettings) -> std::io::Result<Running> {
    let workers = settings.workers.max(1);
    let mut store = settings.store;
    let mut writing = store.clone();
    writing.connections = store.connections.min(WRITE_CONNECTIONS);
    // on the runtime of the caller, which outlives every worker
    let queue = Store::connect_lazy(&writing, SessionProfile::Serve).queue().clone();
    let readiness = Readiness::new(&store);
    let share = u32::try_from(workers).unwrap_or(u32::MAX);
    store.connections = (store.connections / share).max(1);
    let mut work = store.clone();
    work.connections = WORK_CONNECTIONS;
    let address = settings.listener.local_addr()?;
    let scopes = Arc::new(ScopeCache::default());
    let region: Arc<str> = settings.region.into();
    let allowed_hosts: Arc<[String]> = settings.allowed_hosts.into();
    let server = HttpServer::new(move || {
        let store = Store::connect_lazy(&store, SessionProfile::Serve).with_queue(&queue);
        let service = Service::new(store, Arc::clone(&scopes), Arc::clone(&region));
        let work = Store::connect_lazy(&work, SessionProfile::Bulk);
        let registry = Registry::new(service.clone(), work.clone());
        let allowed_hosts = Arc::clone(&allowed_hosts);
        let readiness = readiness.clone();
        let shared = AppState { service, principal: Principal::anyone(), registry, work, readiness, allowed_hosts };
        App::new().app_data(web::Data::new(shared)).wrap(from_fn(request_log::log)).configure(router::configure)
    })
    .workers(workers)
    .shutdown_timeout(DRAIN.as_secs())
    .disable_signals()
    .listen(settings.listener)?
    .run();
    let handle = server.handle();
    Ok(Running { address, handle, ended: tokio::spawn(server) })
}

impl Running {
    /// Stops taking connections, waits for the requests in flight, ends.
    pub async fn stop(self) -> std::io::Result<()> {
        self.handle.stop(true).await;
        self.ended().await
    }

    /// Waits until the server has ended by itself.
    pub async fn ended(self) -> std::io::Result<()> {
        self.ended.await.map_err(std::io::Error::other)?
    }
}
