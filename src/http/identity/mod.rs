//! The identity API: the part of Keystone's API that the clients of the four services call.
//!
//! `docs/IDENTITY.md` describes it. It is only served if requests must have credentials of tagd.

mod catalog;
mod refusal;
mod wire;

use std::borrow::Cow;

use actix_web::{
    HttpMessage, HttpRequest, HttpResponse, ResponseError,
    guard::fn_guard,
    http::{
        Method,
        header::{self, HeaderName, HeaderValue},
    },
    web::{self, Data, Payload, ServiceConfig},
};
use serde_json::{Value, json};

use super::{
    access::Access,
    body, client,
    conditions::{self, Outcome},
    counts::AuthFailure,
    path::{self, get_or_head},
    principal::{Unidentified, token_of},
    refusal::{self as gateway, options},
    routes,
    state::AppState,
};
use crate::{
    auth::Principal,
    domain::{FieldKind, RequestError, reason::REQUIRED},
    parameters::read_parameters,
    service::ProjectName,
};

use refusal::Refusal;

const SUBJECT_TOKEN: HeaderName = HeaderName::from_static("x-subject-token");

/// What the handlers need.
type IdentityAccess = Access<Refusal>;

/// The response or the error of a request.
type Handled = Result<HttpResponse, Refusal>;

/// Its paths, for requests that are refused before they are routed.
const PATHS: [&str; 11] = [
    "/v3",
    "/v3/",
    "/v3/auth/tokens",
    "/v3/auth/projects",
    "/v3/auth/domains",
    "/v3/auth/catalog",
    "/v3/projects",
    "/v3/domains",
    "/v3/endpoints",
    "/v3/services",
    "/v5/caller-identity",
];

/// What has paths of its own below its list, one for each identifier.
const COLLECTIONS: [&str; 4] = ["/v3/projects/", "/v3/domains/", "/v3/endpoints/", "/v3/services/"];

pub(super) fn configure(config: &mut ServiceConfig) {
    config
        .service(only("/v3", READ).route(get_or_head().to(version)))
        .service(only("/v3/", READ).route(get_or_head().to(version)))
        .service(
            only("/v3/auth/tokens", "DELETE, GET, HEAD, OPTIONS, POST")
                .route(get_or_head().to(validate))
                .route(web::post().to(issue))
                .route(web::delete().to(revoke)),
        )
        .service(only("/v3/auth/projects", READ).route(get_or_head().to(projects)))
        .service(only("/v3/auth/domains", READ).route(get_or_head().to(domains)))
        .service(only("/v3/auth/catalog", READ).route(get_or_head().to(catalog)))
        .service(only("/v3/projects", READ).route(get_or_head().to(projects)))
        .service(only("/v3/projects/{id}", READ).route(get_or_head().to(project)))
        .service(only("/v3/domains", READ).route(get_or_head().to(domains)))
        .service(only("/v3/domains/{id}", READ).route(get_or_head().to(domain)))
        .service(only("/v3/endpoints", READ).route(get_or_head().to(endpoints)))
        .service(only("/v3/endpoints/{id}", READ).route(get_or_head().to(endpoint)))
        .service(only("/v3/services", READ).route(get_or_head().to(services)))
        .service(only("/v3/services/{id}", READ).route(get_or_head().to(service)))
        .service(only("/v5/caller-identity", READ).route(get_or_head().to(caller_identity)));
}

/// Whether this server has the identity API.
fn is_served(state: Option<&Data<AppState>>) -> bool {
    state.is_some_and(|state| state.authenticator.settings().serves_identity())
}

/// Whether a path belongs to the identity API, and this server has it.
pub(super) fn has(state: &AppState, path: &str) -> bool {
    let is_of = |collection: &&str| path.strip_prefix(collection).is_some_and(|id| !id.is_empty() && !id.contains('/'));
    state.authenticator.settings().serves_identity() && (PATHS.contains(&path) || COLLECTIONS.iter().any(is_of))
}

/// The response to a request without valid credentials.
pub(super) fn unidentified(refused: Unidentified) -> HttpResponse {
    let refused = match refused {
        Unidentified::Error(error) => Refusal::Error(error),
        Unidentified::Body(error) => Refusal::Body(error),
    };
    refused.error_response()
}

/// The methods of a read-only path.
const READ: &str = "GET, HEAD, OPTIONS";

/// A path with the methods that it allows.
fn only(path: &str, allowed: &'static str) -> actix_web::Resource {
    let other = move |request: HttpRequest| async move {
        if *request.method() == Method::OPTIONS {
            return Handled::Ok(options(allowed));
        }
        Handled::Err(Refusal::Method { method: request.method().to_string(), allowed })
    };
    web::resource(path)
        .app_data(routes::number("identity", path))
        .guard(fn_guard(|context| is_served(context.app_data())))
        .default_service(web::route().to(other))
}

/// The response to a read, after the conditions of the request.
fn reply_read(request: &HttpRequest, body: &Value) -> Handled {
    match conditions::of_read(request, None)? {
        Outcome::Failed => Err(Refusal::Condition),
        _ => Ok(HttpResponse::Ok().json(body)),
    }
}

/// The URL of this server as the client reached it. A trusted proxy that terminates TLS says so in `X-Forwarded-Proto`.
fn base_of(request: &HttpRequest) -> String {
    let state = request.app_data::<Data<AppState>>();
    let is_proxied = state.is_some_and(|state| client::is_proxied(request, &state.server.trusted_proxies));
    let text = |name: &HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
    let is_https = request.app_config().secure()
        || is_proxied
            && text(&header::X_FORWARDED_PROTO).is_some_and(|scheme| scheme.trim().eq_ignore_ascii_case("https"));
    // as in the check of the host, which looks at both
    let target = request.uri().authority().map(ToString::to_string);
    let host = target.or_else(|| text(&header::HOST).map(ToOwned::to_owned));
    let host = host.as_deref().unwrap_or("localhost");
    format!("{}://{host}", if is_https { "https" } else { "http" })
}

async fn version(request: HttpRequest) -> Handled {
    read_parameters(request.query_string(), &[])?;
    reply_read(&request, &catalog::version(&base_of(&request)))
}

// ---- tokens

async fn issue(request: HttpRequest, access: IdentityAccess, payload: Payload) -> Handled {
    // nobody, until the login shows who it is
    request.extensions_mut().remove::<Principal>();
    let with_catalog = with_catalog(&request)?;
    conditions::none(&request, "is not supported here, nothing has an ETag")?;
    body::check_changing(&request, body::JSON, &[]).map_err(Refusal::Type)?;
    // a wrong login counts as a failed authentication does; the second check is for those that are tried at the same time
    let (limits, client) = (&access.state.server.limits, access.principal.caller.address);
    if let Err(throttled) = limits.check_failures(client) {
        return Ok(gateway::throttled(&request, &throttled));
    }
    let attempt = limits.attempt(client);
    let body =
        body::read_open(payload, body::length_of(request.headers()), &access.state.server, attempt.place()).await;
    let body = body.map_err(Refusal::Body)?;
    attempt.received();
    let (body, _room) = body?;
    let read = wire::read_login(&body);
    if let Err(RequestError::Unauthenticated { .. }) = &read {
        limits.count_failure(client, AuthFailure::Login);
    }
    let (sent, scope) = read?;
    let scope = wire::scope_of(scope.as_ref())?;
    let identity = &access.state.identity;
    let issued = async {
        let user = identity.log_in(&access.principal, sent.login()).await?;
        // the log line says who it was, even if the login is refused by a limit; each login writes a row
        request.extensions_mut().insert(user.principal.clone());
        match limits.count_principal(&user.principal) {
            Ok(()) => identity.issue(user, scope).await.map(Ok),
            Err(throttled) => Ok(Err(throttled)),
        }
    };
    let issued = issued.await;
    if let Err(throttled) = limits.check_failures(client) {
        return Ok(gateway::throttled(&request, &throttled));
    }
    if let Err(RequestError::Unauthenticated { .. }) = &issued {
        limits.count_failure(client, AuthFailure::Login);
    }
    let issued = match issued? {
        Ok(issued) => issued,
        Err(throttled) => return Ok(gateway::throttled(&request, &throttled)),
    };
    let base = base_of(&request);
    let catalog = with_catalog.then(|| catalog::catalog(&base, access.state.identity.region()));
    let mut answer = HttpResponse::Created().json(wire::token(&issued.view, sent.method(), catalog));
    insert_token(&mut answer, issued.token.expose());
    Ok(answer)
}

async fn validate(request: HttpRequest, access: IdentityAccess) -> Handled {
    let with_catalog = with_catalog(&request)?;
    let subject = subject_of(&request)?;
    let view = access.state.identity.token(&access.principal, own_of(&request), subject).await?;
    let base = base_of(&request);
    let catalog = with_catalog.then(|| catalog::catalog(&base, access.state.identity.region()));
    let method = if view.is_of_key { "password" } else { "token" };
    let mut answer = reply_read(&request, &wire::token(&view, method, catalog))?;
    insert_token(&mut answer, subject);
    Ok(answer)
}

async fn revoke(request: HttpRequest, access: IdentityAccess) -> Handled {
    read_parameters(request.query_string(), &[])?;
    conditions::none(&request, "is not supported here, nothing has an ETag")?;
    body::check_change(&request).map_err(Refusal::Type)?;
    access.state.identity.revoke(&access.principal, own_of(&request), subject_of(&request)?).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Whether a token is shown with the catalog. As in Keystone, the parameter has no value.
fn with_catalog(request: &HttpRequest) -> Result<bool, RequestError> {
    let parameters = read_parameters(request.query_string(), &["nocatalog", "allow_expired"])?;
    Ok(!parameters.iter().any(|(name, _)| name == "nocatalog"))
}

/// The token that the request is about.
fn subject_of(request: &HttpRequest) -> Result<&[u8], RequestError> {
    let mut tokens = request.headers().get_all(SUBJECT_TOKEN);
    match (tokens.next(), tokens.next()) {
        (Some(token), None) => Ok(token.as_bytes().trim_ascii()),
        (None, _) => Err(RequestError::invalid(FieldKind::General, "X-Subject-Token", REQUIRED)),
        _ => Err(RequestError::invalid(FieldKind::General, "X-Subject-Token", "must be sent only once")),
    }
}

/// The token that the request is sent with.
fn own_of(request: &HttpRequest) -> Option<&[u8]> {
    token_of(request.headers()).ok().flatten().map(|(_, token)| token)
}

/// Puts a token into the header in which clients expect it, and keeps the response out of caches.
fn insert_token(answer: &mut HttpResponse, token: &[u8]) {
    if let Ok(mut token) = HeaderValue::from_bytes(token) {
        token.set_sensitive(true);
        answer.headers_mut().insert(SUBJECT_TOKEN, token);
    }
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer.headers_mut().insert(header::VARY, HeaderValue::from_static("X-Auth-Token"));
}

// ---- what is there

async fn projects(request: HttpRequest, access: IdentityAccess) -> Handled {
    let ignored = ["enabled", "page", "per_page"];
    let filters = wire::filters(request.query_string(), &["name", "domain_id"], &ignored)?;
    let value = |of: &str| filters.iter().find(|(name, _)| name == of).map(|(_, value)| value.as_ref());
    let wanted = ProjectName { id: None, name: value("name"), domain_id: value("domain_id") };
    let (found, is_cut) = access.state.identity.projects(&access.principal, wanted).await?;
    let base = base_of(&request);
    let entries = found.iter().map(|project| wire::project(project, &base)).collect();
    reply_list(&request, "projects", entries, is_cut)
}

async fn project(request: HttpRequest, access: IdentityAccess) -> Handled {
    let id = id_of(&request)?;
    let found = access.state.identity.project_by_id(&access.principal, &id).await?;
    let found = found.map(|project| wire::project(&project, &base_of(&request)));
    reply_one(&request, "project", id, found)
}

async fn domains(request: HttpRequest, access: IdentityAccess) -> Handled {
    let filters = wire::filters(request.query_string(), &["name"], &["enabled", "page", "per_page"])?;
    let base = base_of(&request);
    let found = access.state.identity.domains(&access.principal).await?;
    let entries = found.iter().map(|domain_id| wire::domain(domain_id, &base)).collect();
    reply_list(&request, "domains", matching(entries, &filters), false)
}

async fn domain(request: HttpRequest, access: IdentityAccess) -> Handled {
    let id = id_of(&request)?;
    let is_there = access.state.identity.has_domain(&access.principal, &id).await?;
    let found = is_there.then(|| wire::domain(&id, &base_of(&request)));
    reply_one(&request, "domain", id, found)
}

async fn catalog(request: HttpRequest, access: IdentityAccess) -> Handled {
    read_parameters(request.query_string(), &[])?;
    let catalog = catalog::catalog(&base_of(&request), access.state.identity.region());
    match catalog {
        Value::Array(entries) => reply_list(&request, "catalog", entries, false),
        _ => Err(RequestError::internal("the catalog is no list").into()),
    }
}

async fn endpoints(request: HttpRequest, access: IdentityAccess) -> Handled {
    let compared = ["interface", "region", "region_id", "service_id"];
    let filters = wire::filters(request.query_string(), &compared, &["enabled"])?;
    let found = catalog::endpoints(&base_of(&request), access.state.identity.region());
    reply_list(&request, "endpoints", matching(found, &filters), false)
}

async fn endpoint(request: HttpRequest, access: IdentityAccess) -> Handled {
    let id = id_of(&request)?;
    let found = with_id(catalog::endpoints(&base_of(&request), access.state.identity.region()), &id);
    reply_one(&request, "endpoint", id, found)
}

async fn services(request: HttpRequest, _: IdentityAccess) -> Handled {
    let filters = wire::filters(request.query_string(), &["name", "type"], &["enabled"])?;
    reply_list(&request, "services", matching(catalog::services(&base_of(&request)), &filters), false)
}

async fn service(request: HttpRequest, _: IdentityAccess) -> Handled {
    let id = id_of(&request)?;
    let found = with_id(catalog::services(&base_of(&request)), &id);
    reply_one(&request, "service", id, found)
}

/// The identifier in the path of a request without parameters.
fn id_of(request: &HttpRequest) -> Result<String, RequestError> {
    read_parameters(request.query_string(), &[])?;
    let id = path::parameters(request).map(|parameters| parameters.get("id").to_owned());
    id.ok_or_else(|| RequestError::invalid(FieldKind::General, "id", "must be UTF-8"))
}

fn with_id(entries: Vec<Value>, id: &str) -> Option<Value> {
    entries.into_iter().find(|entry| entry.get("id").is_some_and(|known| known == id))
}

/// The response with the one that the path names.
fn reply_one(request: &HttpRequest, kind: &'static str, id: String, found: Option<Value>) -> Handled {
    match found {
        Some(found) => reply_read(request, &Value::Object([(kind.to_owned(), found)].into_iter().collect())),
        None => Err(Refusal::Unknown { kind, id }),
    }
}

/// The entries whose fields have these values.
fn matching(mut entries: Vec<Value>, filters: &[(String, Cow<'_, str>)]) -> Vec<Value> {
    entries.retain(|entry| filters.iter().all(|(name, value)| entry.get(name).is_some_and(|field| field == &**value)));
    entries
}

fn reply_list(request: &HttpRequest, name: &str, entries: Vec<Value>, is_cut: bool) -> Handled {
    let url = format!("{}{}", base_of(request), request.path());
    reply_read(request, &wire::list(name, entries, is_cut, &url))
}

/// Whom the credentials belong to, as the token service of the cloud shows it. SDKs read `account_id` from it if no domain is
/// listed.
async fn caller_identity(request: HttpRequest, access: IdentityAccess) -> Handled {
    read_parameters(request.query_string(), &[])?;
    let name = &access.principal.caller.principal;
    let account = Some(access.principal.account()).filter(|account| !account.is_empty()).unwrap_or(wire::NO_DOMAIN);
    let body = json!({
        "account_id": account,
        "principal_id": &**name,
        "principal_urn": format!("iam::{account}:user:{name}"),
    });
    reply_read(&request, &body)
}
