//! The server: listens, starts the workers, stops.

use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use actix_web::{HttpServer, dev::ServerHandle, middleware::from_fn, web};

use super::{request_log, router, state::AppState};
use crate::app::App;

/// How long requests in flight may take to finish when the server stops.
const DRAIN: Duration = Duration::from_secs(30);

/// Settings of the server.
#[derive(Debug)]
pub struct ServerSettings {
    /// Where to listen.
    pub listener: TcpListener,
    /// Host names that requests may be addressed to, besides `localhost` and IP addresses; in lower case, without a
    /// trailing dot.
    pub allowed_hosts: Vec<String>,
    /// The application state.
    pub app: App,
}

/// A running server.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    handle: ServerHandle,
    ended: tokio::task::JoinHandle<std::io::Result<()>>,
}

/// Starts the server, on the runtime of the caller.
pub fn start(settings: ServerSettings) -> std::io::Result<Running> {
    let ServerSettings { listener, allowed_hosts, app } = settings;
    let address = listener.local_addr()?;
    let allowed_hosts: Arc<[String]> = allowed_hosts.into();
    let workers = app.workers();
    let server = HttpServer::new(move || {
        let state = AppState::new(app.clone(), Arc::clone(&allowed_hosts));
        actix_web::App::new()
            .app_data(web::Data::new(state))
            .wrap(from_fn(request_log::log))
            .configure(router::configure)
    })
    .workers(workers)
    .shutdown_timeout(DRAIN.as_secs())
    .disable_signals()
    .listen(listener)?
    .run();
    let handle = server.handle();
    Ok(Running { address, handle, ended: tokio::spawn(server) })
}

impl Running {
    /// Stops accepting connections and waits for the requests in flight.
    pub async fn stop(self) -> std::io::Result<()> {
        self.handle.stop(true).await;
        self.ended().await
    }

    /// Waits until the server has ended by itself.
    pub async fn ended(self) -> std::io::Result<()> {
        self.ended.await.map_err(std::io::Error::other)?
    }
}
