//! The state of a worker, which each of its requests can use.

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
    /// The use cases of the dialects.
    pub(super) service: Service,
    /// The use cases of the registry.
    pub(super) registry: Registry,
    /// The state that all workers share.
    pub(super) app: App,
    /// Host names that requests may be addressed to.
    pub(super) allowed_hosts: Arc<[String]>,
}

impl AppState {
    /// The state of a new worker.
    pub(super) fn new(app: App, allowed_hosts: Arc<[String]>) -> Self {
        let service = app.service();
        Self { registry: service.registry(), service, app, allowed_hosts }
    }

    /// The state of the worker that handles the request.
    pub(super) fn of(request: &HttpRequest) -> Result<&Data<Self>, RequestError> {
        request.app_data().ok_or_else(|| RequestError::internal("the server was set up without its state"))
    }
}
