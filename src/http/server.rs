//! The server: listens, starts the workers, stops.

use std::{
    cell::RefCell,
    iter,
    sync::{Arc, Weak},
    time::Duration,
};

use actix_web::{
    HttpServer,
    dev::ServerHandle,
    middleware::from_fn,
    web::{self, Data},
};

use super::{
    closing::Closing,
    connection,
    counts::Counts,
    limits::{Failed, LimitSettings, Limits},
    listener::{Listener, ListeningSocket, SocketFile},
    request_log, router,
    scrape::{self, Scrape},
    state::{AppState, ServerState},
    tls::Tls,
};
use crate::{
    app::App,
    domain::{ListenAddress, Network},
    metrics::Source,
    traces::Traces,
};

/// How long requests in flight may take to finish when the server stops.
const DRAIN: Duration = Duration::from_secs(30);

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// TLS handshakes in progress with which a worker accepts no more connections, also for plain HTTP. With the default of
/// 256, as many clients that send nothing would keep out all others.
const MAX_HANDSHAKES: usize = 8192;

/// Settings of the server.
#[derive(Debug)]
pub struct ServerSettings<'a> {
    /// Where to listen.
    pub listener: Listener,
    /// Makes that HTTPS; not for a Unix socket.
    pub tls: Option<&'a Tls>,
    /// Where to listen for plain HTTP as well.
    pub http_listener: Option<Listener>,
    /// Host names that requests may be addressed to, besides `localhost` and IP addresses; in lower case, without a
    /// trailing dot.
    pub allowed_hosts: Vec<String>,
    /// Proxies that are believed which address a request comes from.
    pub trusted_proxies: Vec<Network>,
    /// Limits of requests.
    pub limits: LimitSettings,
    /// The application state.
    pub app: App,
    /// Where to serve metrics and health, and nothing else. Without it, the other addresses serve metrics as well, to operators.
    pub metrics_listener: Option<Listener>,
    /// Metrics of other parts of the program.
    pub sources: Vec<Arc<dyn Source>>,
    /// Takes the spans of requests, if traces are sent.
    pub traces: Option<Traces>,
}

/// A running server.
pub struct Running {
    /// Where it listens.
    pub address: ListenAddress,
    /// Where it listens for plain HTTP as well.
    pub http_address: Option<ListenAddress>,
    /// Where it serves metrics, if that is an address of its own.
    pub metrics_address: Option<ListenAddress>,
    /// Its requests in flight.
    pub in_flight: InFlight,
    /// Its failed authentications that are not in the audit log yet.
    pub failed: Failed,
    handle: ServerHandle,
    metrics: Option<scrape::Running>,
    ended: tokio::task::JoinHandle<std::io::Result<()>>,
    closing: Closing,
    _files: Vec<Option<SocketFile>>,
}

/// The requests in flight of a server.
#[derive(Debug, Clone)]
pub struct InFlight(Weak<()>);

impl InFlight {
    /// Whether there are any.
    pub fn has_any(&self) -> bool {
        // the state of the server has one
        self.0.strong_count() > 1
    }
}

/// Starts the server, on the runtime of the caller.
pub fn start(settings: ServerSettings<'_>) -> std::io::Result<Running> {
    let ServerSettings {
        listener,
        tls,
        http_listener,
        allowed_hosts,
        trusted_proxies,
        limits,
        app,
        metrics_listener,
        sources,
        traces,
    } = settings;
    let address = listener.address()?;
    let http_address = http_listener.as_ref().map(Listener::address).transpose()?;
    for listener in iter::once(&listener).chain(&http_listener) {
        if let ListeningSocket::Tcp(socket) = &listener.socket {
            connection::prepare(socket, limits.patience)?;
        }
    }
    let closing = Closing::of(iter::once(&listener).chain(&http_listener))?;
    let patience = limits.patience;
    let counts = Counts::new();
    let limits = Limits::new(&limits, Arc::clone(&counts));
    let (in_flight, at_clients) = (Arc::default(), Arc::default());
    let state = Arc::new(ServerState {
        allowed_hosts,
        trusted_proxies,
        limits,
        counts: Arc::clone(&counts),
        has_metrics_apart: metrics_listener.is_some(),
        in_flight,
        at_clients,
        traces,
    });
    let in_flight = InFlight(Arc::downgrade(&state.in_flight));
    let failed = state.limits.failed().clone();
    let workers = app.workers();
    let metrics_address = metrics_listener.as_ref().map(Listener::address).transpose()?;
    let scrape = Data::new(Scrape::new(&app, &state, sources));
    let metrics = metrics_listener.map(|listener| scrape::start(listener, &scrape, &app, patience)).transpose()?;
    let mut server = HttpServer::new(move || {
        actix_web::App::new()
            .app_data(worker_state(&app, &state))
            .app_data(Data::clone(&scrape))
            .wrap(from_fn(request_log::log))
            .configure(router::configure)
    })
    .workers(workers)
    .shutdown_timeout(DRAIN.as_secs())
    .tls_handshake_timeout(HANDSHAKE)
    .max_connection_rate(MAX_HANDSHAKES)
    .on_connect(move |stream, data| connection::note(stream, data, patience, &counts))
    .disable_signals();
    let mut files = vec![listener.file];
    server = match (listener.socket, tls) {
        (ListeningSocket::Tcp(socket), Some(tls)) => server.listen_rustls_0_23(socket, tls.config())?,
        (ListeningSocket::Tcp(socket), None) => server.listen(socket)?,
        (ListeningSocket::Unix(socket), _) => server.listen_uds(socket)?,
    };
    if let Some(Listener { socket, file, .. }) = http_listener {
        server = match socket {
            ListeningSocket::Tcp(socket) => server.listen(socket)?,
            ListeningSocket::Unix(socket) => server.listen_uds(socket)?,
        };
        files.push(file);
    }
    let server = server.run();
    let handle = server.handle();
    let ended = tokio::spawn(server);
    Ok(Running {
        address,
        http_address,
        metrics_address,
        in_flight,
        failed,
        handle,
        metrics,
        ended,
        closing,
        _files: files,
    })
}

/// The state of the worker on this thread. actix-web asks for it once for each address, but all share it, since it holds
/// the worker's part of the database connections.
fn worker_state(app: &App, server: &Arc<ServerState>) -> web::Data<AppState> {
    thread_local! {
        static STATE: RefCell<Weak<AppState>> = const { RefCell::new(Weak::new()) };
    }
    STATE.with_borrow_mut(|state| {
        let shared = state.upgrade().unwrap_or_else(|| Arc::new(AppState::new(app.clone(), Arc::clone(server))));
        *state = Arc::downgrade(&shared);
        web::Data::from(shared)
    })
}

impl Running {
    /// Stops accepting connections and waits for the requests in flight.
    pub async fn stop(self) -> std::io::Result<()> {
        self.closing.refuse_connections().await;
        self.handle.stop(true).await;
        if let Some(metrics) = &self.metrics {
            // only now: what happens while requests end is of interest
            metrics.stop().await;
        }
        ended(self.ended).await
    }

    /// Waits until the server has ended by itself.
    pub async fn ended(self) -> std::io::Result<()> {
        ended(self.ended).await
    }
}

async fn ended(server: tokio::task::JoinHandle<std::io::Result<()>>) -> std::io::Result<()> {
    server.await.map_err(std::io::Error::other)?
}
