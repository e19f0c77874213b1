//! Who asks: the stage that makes the principal of a request, before anything else of it is read.

use actix_web::{HttpMessage, HttpRequest};

use super::request_id::RequestId;
use crate::{auth::Principal, domain::RequestError};

/// The principal of a request. Credentials are not looked at yet, so it is the same for all.
pub(super) fn identify(request: &HttpRequest) -> Result<Principal, RequestError> {
    match request.extensions().get::<RequestId>() {
        Some(RequestId(id)) => Ok(Principal::anyone(id.clone())),
        None => Err(RequestError::internal("the server was set up without ids of requests")),
    }
}
