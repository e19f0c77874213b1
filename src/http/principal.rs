//! Authentication: determines the principal of a request before anything else in it is read.

use actix_web::{HttpMessage, HttpRequest};

use super::request_id::RequestId;
use crate::{auth::Principal, domain::RequestError};

/// The principal of a request. Credentials are not checked yet, so it is the same for all requests.
pub(super) fn identify(request: &HttpRequest) -> Result<Principal, RequestError> {
    match request.extensions().get::<RequestId>() {
        Some(RequestId(id)) => Ok(Principal::anyone(id.clone())),
        None => Err(RequestError::internal("the server was set up without ids of requests")),
    }
}
