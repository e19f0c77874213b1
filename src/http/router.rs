//! Routing: the one loop over dialects and their routes.

use actix_web::{
    HttpRequest, guard,
    http::Method as HttpMethod,
    web::{self, Payload, ServiceConfig},
};

use super::{
    dispatch, health, identity,
    paths::{Place, methods, paths, routes},
    refusal, registry, routes as route_names, scrape,
    state::AppState,
};
use crate::dialects::{DIALECTS, Dialect};

pub(super) fn configure(config: &mut ServiceConfig) {
    // a path is matched against one pattern after another, so the most frequent come first
    for dialect in DIALECTS {
        for path in paths(dialect) {
            config.service(resource(dialect, path));
        }
    }
    registry::configure(config);
    identity::configure(config);
    health::configure(config);
    scrape::configure(config);
    config.default_service(web::route().to(async |request: HttpRequest| match AppState::of(&request) {
        Ok(state) => refuse(&request, &state.paths.0),
        Err(_) => refusal::not_found(&request),
    }));
}

/// The operations at a path. A request with another method goes on to the next pattern: several patterns may match one
/// path, each with its own methods.
fn resource(dialect: &'static Dialect, path: &'static str) -> actix_web::Resource {
    let taken: Vec<HttpMethod> = routes(dialect, path).flat_map(|route| methods(route.method)).collect();
    let mut resource = web::resource(path)
        .app_data(route_names::number(dialect.service.name, path))
        .guard(guard::fn_guard(move |context| taken.contains(&context.head().method)));
    for route in routes(dialect, path) {
        let handler = move |request: HttpRequest, payload: Payload| dispatch::run(dialect, route, request, payload);
        for method in methods(route.method) {
            resource = resource.route(web::method(method).to(handler));
        }
    }
    resource
}

/// The response to a request that matches no operation. If any dialect has the path, it is the allowed methods or 405, in
/// the first such dialect, as for a request that matches; otherwise it is 404.
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
