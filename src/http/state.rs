//! What every request of a worker finds.

use std::sync::Arc;

use actix_web::{HttpRequest, web::Data};

use crate::{
    app::App,
    domain::RequestError,
    service::{Registry, Service},
};

/// The state of a worker.
#[derive(Debug)]
pub(super) struct AppState {
    /// What dialects can ask for.
    pub(super) service: Service,
    /// What the registry can be asked for.
    pub(super) registry: Registry,
    /// What all workers share.
    pub(super) app: App,
    /// Names of hosts that requests may be addressed to.
    pub(super) allowed_hosts: Arc<[String]>,
}

impl AppState {
    /// The state of a new worker.
    pub(super) fn new(app: App, allowed_hosts: Arc<[String]>) -> Self {
        let service = app.service();
        Self { registry: service.registry(), service, app, allowed_hosts }
    }

    /// The state of the worker that has the request.
    pub(super) fn of(request: &HttpRequest) -> Result<&Data<Self>, RequestError> {
        request.app_data().ok_or_else(|| RequestError::internal("the server was set up without its state"))
    }
}
