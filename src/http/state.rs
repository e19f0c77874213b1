//! The state of a worker, which each of its requests can use.

use std::sync::Arc;

use actix_web::{HttpRequest, web::Data};
use futures_util::{Stream, StreamExt};

use super::{limits::Limits, paths::Paths};
use crate::{
    app::{App, Worker},
    domain::{Network, RequestError},
    service::{Authenticator, Credentials, History, Identity, Registry, Service},
};

/// What the requests of all workers share in this module.
#[derive(Debug)]
pub(super) struct ServerState {
    /// Host names that requests may be addressed to.
    pub(super) allowed_hosts: Vec<String>,
    /// Proxies that are believed which address a request comes from.
    pub(super) trusted_proxies: Vec<Network>,
    /// What is counted of requests.
    pub(super) limits: Limits,
    /// Has a clone for each request in flight.
    pub(super) in_flight: Arc<()>,
}

impl ServerState {
    /// A body in pieces, whose request is in flight until the last one is taken.
    pub(super) fn in_flight<S: Stream>(&self, pieces: S) -> impl Stream<Item = S::Item> + use<S> {
        let in_flight = Arc::clone(&self.in_flight);
        pieces.inspect(move |_| {
            let _ = &in_flight;
        })
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
}

impl AppState {
    /// The state of a new worker.
    pub(super) fn new(app: App, server: Arc<ServerState>) -> Self {
        let Worker { service, registry, history, credentials, identity, authenticator } = app.worker();
        Self { service, registry, history, credentials, identity, authenticator, app, server, paths: Paths::new() }
    }

    /// The state of the worker that handles the request.
    pub(super) fn of(request: &HttpRequest) -> Result<&Data<Self>, RequestError> {
        request.app_data().ok_or_else(|| RequestError::internal("the server was set up without its state"))
    }
}
