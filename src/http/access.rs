//! What handlers need, extracted from each request before its handler runs.

use std::{
    future::{Ready, ready},
    marker::PhantomData,
};

use actix_web::{Error, FromRequest, HttpRequest, dev::Payload, web::Data};

use super::{principal, state::AppState};
use crate::{auth::Principal, domain::RequestError};

/// The principal of a request, and the state with the use cases. `R` is the response if there is none.
pub(super) struct Access<R> {
    /// Anyone, on a route that needs no credentials.
    pub(super) principal: Principal,
    pub(super) state: Data<AppState>,
    refusal: PhantomData<R>,
}

impl<R: From<RequestError> + Into<Error> + 'static> FromRequest for Access<R> {
    type Error = R;
    type Future = Ready<Result<Self, R>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let state = AppState::of(request).cloned();
        let access =
            state.and_then(|state| Ok(Self { principal: principal::identify(request)?, state, refusal: PhantomData }));
        ready(access.map_err(R::from))
    }
}
