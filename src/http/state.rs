//! The state of a worker, which each of its requests can use.

use std::sync::{Arc, OnceLock};

use actix_web::{HttpRequest, web::Data};
use futures_util::{Stream, StreamExt};

use super::{counts::Counts, limits::Limits, paths::Paths, routes::Patterns};
use crate::{
    app::{App, Worker},
    domain::{Network, RequestError},
    service::{Authenticator, Credentials, History, Identity, Registry, Service},
    traces::Traces,
};

/// What the requests of all workers share in this module.
#[derive(Debug)]
pub(super) struct ServerState {
    /// Host names that requests may be addressed to.
    pub(super) allowed_hosts: Vec<String>,
    /// Proxies that are believed which address a request comes from.
    pub(super) trusted_proxies: Vec<Network>,
    /// Limits of requests.
    pub(super) limits: Limits,
    /// What is counted of requests, for metrics.
    pub(super) counts: Arc<Counts>,
    /// Whether metrics have an address of their own.
    pub(super) has_metrics_apart: bool,
    /// Has a clone for each request in flight.
    pub(super) in_flight: Arc<()>,
    /// Has a clone for each of them that waits for its client.
    pub(super) at_clients: Arc<()>,
    /// Takes the spans of requests, if traces are sent.
    pub(super) traces: Option<Traces>,
}

impl ServerState {
    /// A body in pieces, whose request is in flight until the last one is taken. Its memory is bounded with that of answers.
    pub(super) fn in_flight<S: Stream>(&self, pieces: S) -> impl Stream<Item = S::Item> + use<S> {
        let held = (Arc::clone(&self.in_flight), self.wait_for_client());
        pieces.inspect(move |_| {
            let _ = &held;
        })
    }

    /// Lets a request wait for its client until this is dropped. It does not count as under way meanwhile, so that slow clients
    /// do not keep out others.
    pub(super) fn wait_for_client(&self) -> Arc<()> {
        Arc::clone(&self.at_clients)
    }

    /// Whether more requests are under way than may be, with the one that asks.
    pub(super) fn is_crowded(&self) -> bool {
        self.under_way() > self.limits.max_requests
    }

    /// Requests under way.
    pub(super) fn under_way(&self) -> usize {
        // the server itself has one of each
        Arc::strong_count(&self.in_flight).saturating_sub(Arc::strong_count(&self.at_clients))
    }
}

/// The state of a worker.
#[derive(Debug)]
pub(super) struct AppState {
    /// The use cases of the dialects.
    pub(super) service: Service,
    /// The use cases of the registry.
    pub(super) registry: Registry,
    /// The use cases of the history.
    pub(super) history: History,
    /// The use cases of credentials.
    pub(super) credentials: Credentials,
    /// The use cases of the identity API.
    pub(super) identity: Identity,
    /// Finds out who sends a request.
    pub(super) authenticator: Authenticator,
    /// The state that all workers share.
    pub(super) app: App,
    /// What the workers share besides.
    pub(super) server: Arc<ServerState>,
    /// The paths of all dialects.
    pub(super) paths: Paths,
    /// The patterns of all routes, from the first request that needs them.
    patterns: OnceLock<Patterns>,
}

impl AppState {
    /// The state of a new worker.
    pub(super) fn new(app: App, server: Arc<ServerState>) -> Self {
        let Worker { service, registry, history, credentials, identity, authenticator } = app.worker();
        Self {
            service,
            registry,
            history,
            credentials,
            identity,
            authenticator,
            app,
            server,
            paths: Paths::new(),
            patterns: OnceLock::new(),
        }
    }

    /// The patterns of all routes.
    pub(super) fn patterns(&self) -> &Patterns {
        // the router is built by now
        self.patterns.get_or_init(Patterns::new)
    }

    /// The state of the worker that handles the request.
    pub(super) fn of(request: &HttpRequest) -> Result<&Data<Self>, RequestError> {
        request.app_data().ok_or_else(|| RequestError::internal("the server was set up without its state"))
    }
}
