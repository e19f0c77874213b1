//! What the handlers of the identity API need: extracted from each request before its handler runs.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload, guard::GuardContext, web::Data};

use super::refusal::Refusal;
use crate::{
    auth::Principal,
    http::{limits::Limits, principal, state::AppState},
    service::Identity,
};

/// The principal of a request, and the use cases.
pub(super) struct IdentityAccess {
    /// Anyone, on a route that needs no credentials.
    pub(super) principal: Principal,
    state: Data<AppState>,
}

impl IdentityAccess {
    pub(super) fn identity(&self) -> &Identity {
        &self.state.identity
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.state.server.limits
    }
}

impl FromRequest for IdentityAccess {
    type Error = Refusal;
    type Future = Ready<Result<Self, Refusal>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let state = AppState::of(request).cloned();
        let access = state.and_then(|state| Ok(Self { principal: principal::identify(request)?, state }));
        ready(access.map_err(Refusal::from))
    }
}

/// Whether this server has the identity API.
pub(super) fn is_served(context: &GuardContext<'_>) -> bool {
    context.app_data::<Data<AppState>>().is_some_and(|state| state.authenticator.settings().serves_identity())
}
