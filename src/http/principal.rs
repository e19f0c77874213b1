//! Authentication: determines the principal of a request before it is routed.

use std::{future::ready, net::IpAddr, sync::Arc};

use actix_web::{
    HttpMessage, HttpRequest,
    dev::{Payload, ServiceRequest},
    http::{
        Method,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
    web,
};
use futures_util::stream;
use time::OffsetDateTime;

use super::{
    body::{self, BodyError, Hashed},
    counts::AuthFailure,
    limits::Throttled,
    room::Place,
    state::{AppState, ServerState},
};
use crate::{
    auth::{
        Authenticated, Principal, Secret,
        signature::{Headers, Request, Signature, SignatureError, SignedBody},
    },
    domain::RequestError,
    service::{Authenticator, FoundKey, KnownKey},
};

/// The header of a token.
const AUTH_TOKEN: HeaderName = HeaderName::from_static("x-auth-token");
const SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-security-token");

/// What a response with the status 401 has in `WWW-Authenticate`.
pub(super) const CHALLENGE: &str = "SDK-HMAC-SHA256, Bearer";

/// What needs no credentials: load balancers have none, clients find out versions before they log in, and to log in they send
/// their credentials in the body. GET includes HEAD and OPTIONS.
const OPEN: [(Method, &str); 13] = [
    (Method::GET, "/healthz"),
    (Method::GET, "/readyz"),
    (Method::GET, "/"),
    (Method::GET, "/v1"),
    (Method::GET, "/v1/"),
    (Method::GET, "/v1.0"),
    (Method::GET, "/v2"),
    (Method::GET, "/v2/"),
    (Method::GET, "/v2.0"),
    (Method::GET, "/v2.0/"),
    (Method::GET, "/v3"),
    (Method::GET, "/v3/"),
    (Method::POST, "/v3/auth/tokens"),
];

/// Why a request is refused before it is routed.
#[derive(Debug)]
pub(super) enum Refused {
    /// By a limit.
    Throttled(Throttled),
    /// It has no principal.
    Unidentified(Unidentified),
}

impl From<Throttled> for Refused {
    fn from(throttled: Throttled) -> Self {
        Self::Throttled(throttled)
    }
}

impl From<Unidentified> for Refused {
    fn from(unidentified: Unidentified) -> Self {
        Self::Unidentified(unidentified)
    }
}

/// Why a request has no principal.
#[derive(Debug)]
pub(super) enum Unidentified {
    /// Its credentials are missing or wrong, or could not be looked up.
    Error(RequestError),
    /// Its body, which is signed, could not be read.
    Body(BodyError),
}

impl From<RequestError> for Unidentified {
    fn from(error: RequestError) -> Self {
        Self::Error(error)
    }
}

impl From<SignatureError> for Unidentified {
    fn from(error: SignatureError) -> Self {
        Self::Error(RequestError::unauthenticated(error.to_string()))
    }
}

/// Whether a request must have credentials.
pub(super) fn needs_credentials(request: &ServiceRequest, authenticator: &Authenticator) -> bool {
    let method = if request.method().is_safe() { &Method::GET } else { request.method() };
    let is_open = OPEN.iter().any(|(of, path)| of == method && *path == request.path());
    authenticator.settings().is_on() && !is_open
}

/// Lets a request pass that needs no credentials.
pub(super) fn admit_anyone(request: &ServiceRequest, request_id: &Arc<str>, client: Option<IpAddr>) {
    request.extensions_mut().insert(Principal::anyone(Arc::clone(request_id), client));
}

/// Determines the principal of a request, which [`identify`] then returns. A body is only read if the signature covers it.
pub(super) async fn authenticate(
    request: &mut ServiceRequest,
    state: &AppState,
    request_id: &Arc<str>,
    client: Option<IpAddr>,
) -> Result<(), Refused> {
    let (authenticator, limits) = (&state.authenticator, &state.server.limits);
    limits.check_failures(client)?;
    let found = who(request, authenticator, &state.server, client).await;
    // other requests of the address may have failed meanwhile: of all that were sent at the same time to find out which
    // one is right, none shows it
    limits.check_failures(client)?;
    if let Err(Unidentified::Error(RequestError::Unauthenticated { .. })) = &found {
        limits.count_failure(client, failure_of(request.headers()));
    }
    let Some(authenticated) = found? else {
        state.server.counts.failures.count(AuthFailure::Missing);
        return Err(Unidentified::from(RequestError::unauthenticated(missing(authenticator))).into());
    };
    let principal = Principal::new(authenticated, Arc::clone(request_id), client);
    let counted = limits.count_principal(&principal);
    // even if it is refused: the log line says whose request it was
    request.extensions_mut().insert(principal);
    Ok(counted?)
}

/// The principal of an authenticated request.
pub(super) fn identify(request: &HttpRequest) -> Result<Principal, RequestError> {
    let principal = request.extensions().get::<Principal>().cloned();
    principal.ok_or_else(|| RequestError::internal("the request was routed without a principal"))
}

/// What the credentials of a request show, if it has any. A token decides if there is one: SDKs sign requests even if they were
/// given a token.
async fn who(
    request: &mut ServiceRequest,
    authenticator: &Authenticator,
    server: &ServerState,
    client: Option<IpAddr>,
) -> Result<Option<Authenticated>, Unidentified> {
    if let Some((field, token)) = token_of(request.headers())? {
        let refused = || RequestError::unauthenticated(format!("{field}: is not a token of this service"));
        if !authenticator.settings().accept_tokens() {
            return Err(RequestError::unauthenticated(format!("{field}: tokens are not accepted here")).into());
        }
        return Ok(Some(authenticator.token(token).await?.ok_or_else(refused)?));
    }
    let Some(signature) = Signature::parse(&RequestHeaders(request.headers()))? else { return Ok(None) };
    signature.check_time(OffsetDateTime::now_utc())?;
    let security_token = only(request.headers(), &SECURITY_TOKEN, "X-Security-Token")?.map(<[u8]>::to_vec);
    let access_key = signature.access_key();
    let mut found = authenticator.key(access_key, client).await?;
    // a request with an unknown key takes the same way as one with a wrong signature, and as long, so that nobody learns which
    // keys exist
    let mut head = verify_head(request, &signature, secret_of(authenticator, &found));
    if let Err(SignatureError::Mismatch) = head
        && let Some(again) = authenticator.key_again(access_key, &found).await?
    {
        found = again;
        head = verify_head(request, &signature, secret_of(authenticator, &found));
    }
    let body = match head? {
        // a body that is not signed may be of any length
        Some(SignedBody::Unsigned) => None,
        Some(signed) => {
            let body = take_body(request, server, Place::of(server.limits.bodies())).await?;
            signed.check(&body.hash)?;
            Some(body)
        }
        None => {
            let attempt = server.limits.attempt(client);
            let body = take_body(request, server, attempt.place()).await?;
            attempt.received();
            let headers = RequestHeaders(request.headers());
            let signed = signed(request, &headers);
            let mut verified = signature.verify(secret_of(authenticator, &found), &signed, &body.hash);
            if let Err(SignatureError::Mismatch) = verified
                && let Some(again) = authenticator.key_again(access_key, &found).await?
            {
                found = again;
                verified = signature.verify(secret_of(authenticator, &found), &signed, &body.hash);
            }
            verified?;
            Some(body)
        }
    };
    let key = found.key.ok_or(SignatureError::Mismatch)?;
    let authenticated = authenticator.confirm(&key, security_token.as_deref())?;
    if let Some(body) = body {
        give_back(request, body)?;
    }
    Ok(Some(authenticated))
}

/// The secret of a key, or one in its place that nobody has.
fn secret_of<'a>(authenticator: &'a Authenticator, found: &'a FoundKey) -> &'a Secret {
    found.key.as_ref().map_or_else(|| authenticator.stand_in(), KnownKey::secret)
}

/// The token of a request and the header it is in, if there is one. What could be meant in two ways is refused.
pub(super) fn token_of(headers: &HeaderMap) -> Result<Option<(&'static str, &[u8])>, RequestError> {
    let refused = |reason: &str| Err(RequestError::unauthenticated(reason));
    let token = only(headers, &AUTH_TOKEN, "X-Auth-Token")?;
    let bearer = only(headers, &header::AUTHORIZATION, "Authorization")?.and_then(|authorization| {
        let (scheme, token) = authorization.split_at_checked(BEARER.len())?;
        scheme.eq_ignore_ascii_case(BEARER).then(|| token.trim_ascii())
    });
    match (token, bearer) {
        (Some(_), Some(_)) => refused("Authorization: must not have a token if X-Auth-Token has one"),
        (Some([]), None) => refused("X-Auth-Token: must not be empty"),
        (Some(token), None) => Ok(Some(("X-Auth-Token", token))),
        (None, bearer) => Ok(bearer.map(|token| ("Authorization", token))),
    }
}

/// The value of a header that may be sent once, without outer white space.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName, shown: &str) -> Result<Option<&'a [u8]>, RequestError> {
    let mut values = headers.get_all(name);
    let first = values.next();
    if values.next().is_some() {
        return Err(RequestError::unauthenticated(format!("{shown}: must be sent only once")));
    }
    Ok(first.map(|value| value.as_bytes().trim_ascii()))
}

/// The scheme of a token in `Authorization`.
const BEARER: &[u8] = b"Bearer ";

/// What has failed, by the credentials that were sent: as [`who`] decides.
fn failure_of(headers: &HeaderMap) -> AuthFailure {
    match token_of(headers) {
        Ok(None) => AuthFailure::Signature,
        Ok(Some(_)) | Err(_) => AuthFailure::Token,
    }
}

/// What a request without credentials is told.
fn missing(authenticator: &Authenticator) -> &'static str {
    let settings = authenticator.settings();
    match (settings.keys, settings.accept_tokens()) {
        (true, true) => "no credentials: sign the request, or send a token in X-Auth-Token",
        (true, false) => "no credentials: sign the request",
        (false, _) => "no credentials: send a token in X-Auth-Token",
    }
}

/// The headers of a request, as the signature reads them.
struct RequestHeaders<'a>(&'a HeaderMap);

impl Headers for RequestHeaders<'_> {
    fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.0.get_all(name).map(HeaderValue::as_bytes)
    }
}

/// Verifies the head of a signed request.
fn verify_head(
    request: &ServiceRequest,
    signature: &Signature,
    secret: &Secret,
) -> Result<Option<SignedBody>, SignatureError> {
    let headers = RequestHeaders(request.headers());
    signature.verify_head(secret, &signed(request, &headers))
}

fn signed<'a>(request: &'a ServiceRequest, headers: &'a RequestHeaders<'a>) -> Request<'a, RequestHeaders<'a>> {
    Request {
        method: request.method().as_str(),
        path: request.uri().path(),
        query: request.uri().query().unwrap_or_default(),
        headers,
        // whether the content type allows it is checked with the signature
        may_be_unsigned: true,
    }
}

/// Reads the body, which is kept in some place.
async fn take_body(
    request: &mut ServiceRequest,
    server: &ServerState,
    place: Place<'_>,
) -> Result<Hashed, Unidentified> {
    let length = body::length_of(request.headers());
    let payload = request.extract::<web::Payload>().await;
    let payload = payload.map_err(|error| Unidentified::Body(BodyError::Broken(error.to_string())))?;
    body::read_hashed(payload, length, server, place).await.map_err(Unidentified::Body)
}

/// Leaves a body that was read to be read again.
fn give_back(request: &mut ServiceRequest, body: Hashed) -> Result<(), RequestError> {
    let (bytes, _) = body.kept?;
    if !bytes.is_empty() {
        request.set_payload(Payload::Stream { payload: Box::pin(stream::once(ready(Ok(bytes)))) });
    }
    Ok(())
}
