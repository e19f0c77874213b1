//! Which request goes where: the one loop over dialects and routes.

use actix_web::{
    HttpRequest,
    http::Method as HttpMethod,
    web::{self, Payload, ServiceConfig},
};

use super::{dispatch, health, refusal, registry};
use crate::dialects::{DIALECTS, Dialect, Method, Route};

pub(super) fn configure(config: &mut ServiceConfig) {
    health::configure(config);
    registry::configure(config);
    for dialect in DIALECTS {
        // several methods of a path are one resource, which knows what is allowed there
        let mut paths: Vec<&'static str> = dialect.routes.iter().map(|route| route.path).collect();
        paths.dedup();
        for path in paths {
            config.service(resource(dialect, path));
        }
    }
    config.default_service(web::route().to(refusal::no_route));
}

fn resource(dialect: &'static Dialect, path: &'static str) -> actix_web::Resource {
    let routes: Vec<&'static Route> = dialect.routes.iter().filter(|route| route.path == path).collect();
    let allowed: Vec<&'static str> = routes.iter().map(|route| route.method.name()).collect();
    let allowed = allowed.join(", ");
    let mut resource = web::resource(path);
    for route in routes {
        let handler = move |request: HttpRequest, payload: Payload| dispatch::run(dialect, route, request, payload);
        resource = resource.route(web::method(method(route.method)).to(handler));
    }
    resource.default_service(web::route().to(move |request: HttpRequest| {
        let answer = refusal::wrong_method(dialect, &request, &allowed);
        async move { answer }
    }))
}

fn method(method: Method) -> HttpMethod {
    match method {
        Method::Get => HttpMethod::GET,
        Method::Post => HttpMethod::POST,
        Method::Put => HttpMethod::PUT,
        Method::Delete => HttpMethod::DELETE,
    }
}
