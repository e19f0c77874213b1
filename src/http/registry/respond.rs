//! What the handlers of the registry have in common: methods, bodies, responses.

use actix_web::{
    HttpMessage, HttpRequest, HttpResponse,
    http::{
        Method, StatusCode,
        header::{self, HeaderName},
    },
    web::{self, Bytes, Payload},
};
use serde::{Serialize, de::DeserializeOwned};

use super::{refusal::Refusal, wire};
use crate::{
    domain::registry::RegistryError,
    http::{
        access::Access,
        body::{self, Held},
        conditions::{self, Outcome},
        refusal::options,
        routes,
    },
};

/// What the handlers need.
pub(super) type RegistryAccess = Access<Refusal>;

/// The response or the error of a request.
pub(super) type Handled = Result<HttpResponse, Refusal>;

/// What the paths of the registry begin with.
pub(super) const ROOT: &str = "/registry/v1";
/// The methods of a read-only path.
pub(super) const READ: &str = "GET, HEAD, OPTIONS";
/// The methods of a path that can only be deleted.
pub(super) const ONLY_DELETE: &str = "DELETE, OPTIONS";
/// The methods of a path that can be read, put and deleted.
pub(super) const ALL: &str = "DELETE, GET, HEAD, OPTIONS, PUT";

/// A path with the methods that it allows.
pub(super) fn only(path: &str, allowed: &'static str) -> actix_web::Resource {
    web::resource(path).app_data(routes::number("registry", &format!("{ROOT}{path}"))).default_service(web::route().to(
        move |request: HttpRequest| async move {
            if *request.method() == Method::OPTIONS {
                return Handled::Ok(options(allowed));
            }
            Handled::Err(Refusal::Method { method: request.method().to_string(), allowed })
        },
    ))
}

/// A JSON response.
pub(super) fn reply(status: StatusCode, body: &impl Serialize) -> HttpResponse {
    HttpResponse::build(status).json(body)
}

/// A JSON response with a resource and its `ETag`.
pub(super) fn reply_with(status: StatusCode, etag: &str, body: &impl Serialize) -> HttpResponse {
    HttpResponse::build(status).insert_header(etag_header(etag)).json(body)
}

fn etag_header(etag: &str) -> (HeaderName, String) {
    (header::ETAG, format!("\"{etag}\""))
}

/// The response to a read, after the conditions of the request.
pub(super) fn reply_read(request: &HttpRequest, etag: Option<&str>, body: &impl Serialize) -> Handled {
    match conditions::of_read(request, etag)? {
        Outcome::Proceed => Ok(match etag {
            Some(etag) => reply_with(StatusCode::OK, etag, body),
            None => reply(StatusCode::OK, body),
        }),
        Outcome::NotModified => {
            Ok(HttpResponse::NotModified().insert_header(etag_header(etag.unwrap_or_default())).finish())
        }
        Outcome::Failed => Err(RegistryError::Condition.into()),
    }
}

pub(super) fn put_status(created: bool) -> StatusCode {
    if created { StatusCode::CREATED } else { StatusCode::OK }
}

/// The body of a request that has one; all such requests are writes.
pub(super) async fn read<T: DeserializeOwned>(request: &HttpRequest, payload: Payload) -> Result<T, Refusal> {
    Ok(wire::decode(&receive(request, payload).await?)?)
}

/// The same for a body with secrets.
pub(super) async fn read_with_secrets<T: DeserializeOwned>(
    request: &HttpRequest,
    payload: Payload,
) -> Result<T, Refusal> {
    Ok(wire::decode_with_secrets(&receive(request, payload).await?)?)
}

async fn receive(request: &HttpRequest, payload: Payload) -> Result<Bytes, Refusal> {
    body::check_changing(request, body::JSON, &[]).map_err(Refusal::Type)?;
    let Held { bytes, room } = body::read(request, payload).await.map_err(Refusal::Body)?;
    // until the end of the request, since what is made of the body is about as large
    request.extensions_mut().insert(room);
    Ok(bytes)
}
