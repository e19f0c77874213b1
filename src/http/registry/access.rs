//! What the handlers of the registry need: extracted from each request before its handler runs.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload, web::Data};

use super::refusal::Refusal;
use crate::{
    auth::Principal,
    http::{principal, state::AppState},
    service::{Credentials, Registry},
};

/// The principal of a request, and the registry.
pub(super) struct RegistryAccess {
    pub(super) principal: Principal,
    state: Data<AppState>,
}

impl RegistryAccess {
    pub(super) fn registry(&self) -> &Registry {
        &self.state.registry
    }

    pub(super) fn credentials(&self) -> &Credentials {
        &self.state.credentials
    }
}

impl FromRequest for RegistryAccess {
    type Error = Refusal;
    type Future = Ready<Result<Self, Refusal>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let state = AppState::of(request).cloned();
        let access = state.and_then(|state| Ok(Self { principal: principal::identify(request)?, state }));
        ready(access.map_err(Refusal::from))
    }
}
