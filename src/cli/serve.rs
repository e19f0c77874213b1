//! `tagd serve`: answers requests until a signal stops it.

use std::{
    io::Write,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    time::Duration,
};

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{CliError, demo, open::open};
use crate::{
    app::{App, AppSettings},
    config::Settings,
    http::{self, ServerSettings},
    store::SessionProfile,
    telemetry,
};

pub(super) async fn run(settings: &Settings) -> Result<(), CliError> {
    settings.check_listen()?;
    // before the database, so that an address in use is reported at once
    let listener =
        TcpListener::bind(settings.listen).map_err(|source| CliError::Listen { address: settings.listen, source })?;
    let mut stop = Stop::listen()?;
    let opened = tokio::select! {
        opened = open(settings) => opened?,
        () = stop.asked() => return Ok(()),
    };
    // for the schema, the demo and the example query; the workers open their own pools
    let store = opened.store(SessionProfile::Bulk).await?;
    if settings.with_demo {
        let loaded = tokio::select! {
            loaded = demo::load_if_empty(&store) => loaded?,
            () = stop.asked() => return Ok(()),
        };
        if let Some(resources) = loaded {
            tracing::info!(resources, "loaded the demo fleet");
        } else {
            tracing::info!("skipped the demo fleet: the database has or had resources");
        }
    }

    let app = App::new(AppSettings {
        workers: usize::try_from(settings.workers).unwrap_or(1),
        region: settings.region.clone(),
        store: opened.store.clone(),
    });
    let server = http::start(ServerSettings { listener, allowed_hosts: settings.allowed_hosts.clone(), app })
        .map_err(|source| CliError::Listen { address: settings.listen, source })?;
    tracing::warn!("requests are not authenticated; credentials that are sent are ignored");
    let address = server.address;
    // standard output may be closed; tagd serves anyway
    let _ = writeln!(std::io::stdout(), "tagd is ready on http://{address} ({})", opened.description);
    tracing::info!(%address, database = opened.description, "ready");
    // to the log, since standard output has one line for scripts; if it fails, tagd still serves

    // a database that does not answer must not delay the handling of signals
    let query = tokio::time::timeout(HINT, async {
        let query = demo::query_to_try(&store, &reachable(address).to_string()).await;
        store.close().await;
        query
    });
    let query = query.await;
    if let Ok(Ok(query)) = query {
        tracing::info!("a query to try: {query}");
    }
    let reporting = tokio::spawn(async {
        loop {
            tokio::time::sleep(telemetry::MALFORMED_EVERY).await;
            telemetry::report_malformed();
        }
    });
    stop.asked().await;
    tracing::info!("stopping: waiting for requests in flight; a second signal ends them");
    let outcome = tokio::select! {
        outcome = server.stop() => outcome.map_err(|error| CliError::Stopped(format!("the server failed: {error}"))),
        () = stop.asked() => Err(CliError::Stopped("stopped with requests in flight".into())),
    };
    reporting.abort();
    telemetry::report_malformed();
    opened.close().await;
    tracing::info!("stopped");
    outcome
}

/// Timeout for reading the tags that the example query in the log names.
const HINT: Duration = Duration::from_secs(2);

/// The address at which this machine reaches a server that listens on `address`, which may be the one for all interfaces.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        let loopback: IpAddr = match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        };
        address.set_ip(loopback);
    }
    address
}

/// The signals that stop tagd.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    fn listen() -> Result<Self, CliError> {
        let listen = |kind| {
            signal(kind).map_err(|source| CliError::File { what: "cannot listen for signals".to_owned(), source })
        };
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
