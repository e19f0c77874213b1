//! Routing: the one loop over dialects and their routes.

use std::sync::Arc;

use actix_web::{
    HttpRequest,
    dev::ResourceDef,
    guard,
    http::Method as HttpMethod,
    web::{self, Payload, ServiceConfig},
};

use super::{dispatch, health, refusal, registry};
use crate::dialects::{DIALECTS, Dialect, Method, Route};

pub(super) fn configure(config: &mut ServiceConfig) {
    // a path is matched against one pattern after another, so the most frequent come first
    for dialect in DIALECTS {
        for path in paths(dialect) {
            config.service(resource(dialect, path));
        }
    }
    registry::configure(config);
    health::configure(config);
    let everywhere: Arc<[Place]> = DIALECTS.iter().flat_map(|dialect| places(dialect)).collect();
    config.default_service(web::route().to(move |request: HttpRequest| {
        let answer = refuse(&request, &everywhere);
        async move { answer }
    }));
}

/// The paths of a dialect, each once.
fn paths(dialect: &'static Dialect) -> Vec<&'static str> {
    let mut paths: Vec<&'static str> = Vec::new();
    for route in dialect.routes {
        if !paths.contains(&route.path) {
            paths.push(route.path);
        }
    }
    paths
}

fn routes(dialect: &'static Dialect, path: &'static str) -> impl Iterator<Item = &'static Route> {
    dialect.routes.iter().filter(move |route| route.path == path)
}

/// The operations at a path. A request with another method is matched against the next pattern: several patterns may
/// match the same path, each with its own methods.
fn resource(dialect: &'static Dialect, path: &'static str) -> actix_web::Resource {
    let taken: Vec<HttpMethod> = routes(dialect, path).flat_map(|route| methods(route.method)).collect();
    let mut resource =
        web::resource(path).guard(guard::fn_guard(move |context| taken.contains(&context.head().method)));
    for route in routes(dialect, path) {
        let handler = move |request: HttpRequest, payload: Payload| dispatch::run(dialect, route, request, payload);
        for method in methods(route.method) {
            resource = resource.route(web::method(method).to(handler));
        }
    }
    resource
}

/// A path of a dialect, for requests that match no operation.
struct Place {
    dialect: &'static Dialect,
    pattern: ResourceDef,
    methods: Vec<HttpMethod>,
}

fn places(dialect: &'static Dialect) -> impl Iterator<Item = Place> {
    paths(dialect).into_iter().map(move |path| Place {
        dialect,
        pattern: ResourceDef::new(path),
        methods: routes(dialect, path).flat_map(|route| methods(route.method)).collect(),
    })
}

/// The response to a request that matches no operation. If a dialect has the path, it is the allowed methods or 405, in
/// the form of the first such dialect; otherwise it is 404.
fn refuse(request: &HttpRequest, places: &[Place]) -> actix_web::HttpResponse {
    let path = request.match_info().as_str();
    let is_options = *request.method() == HttpMethod::OPTIONS;
    if is_options && request.uri().path() == "*" {
        return refusal::options("DELETE, GET, HEAD, OPTIONS, POST, PUT");
    }
    let mut at = places.iter().filter(|place| place.pattern.is_match(path)).peekable();
    let Some(dialect) = at.peek().map(|place| place.dialect) else { return refusal::not_found(request) };
    let mut allowed: Vec<&str> = at.flat_map(|place| place.methods.iter().map(HttpMethod::as_str)).collect();
    allowed.push("OPTIONS");
    allowed.sort_unstable();
    allowed.dedup();
    let allowed = allowed.join(", ");
    if is_options { refusal::options(&allowed) } else { refusal::wrong_method(dialect, request, &allowed) }
}

/// The methods that a dialect's method allows: GET includes HEAD, for which actix leaves the body out.
fn methods(method: Method) -> Vec<HttpMethod> {
    match method {
        Method::Get => vec![HttpMethod::GET, HttpMethod::HEAD],
        Method::Post => vec![HttpMethod::POST],
        Method::Put => vec![HttpMethod::PUT],
        Method::Delete => vec![HttpMethod::DELETE],
    }
}
