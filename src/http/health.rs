//! Whether tagd is up, and whether it can answer.

use actix_web::{
    HttpRequest, HttpResponse,
    http::Method,
    web::{self, Data, ServiceConfig},
};

use super::{path::get_or_head, refusal, state::AppState};

pub(super) fn configure(config: &mut ServiceConfig) {
    // balancers ask with HEAD as often as with GET
    config.service(only_read("/healthz").route(get_or_head().to(healthz)));
    config.service(only_read("/readyz").route(get_or_head().to(readyz)));
}

/// A path that is only read.
fn only_read(path: &str) -> actix_web::Resource {
    web::resource(path).default_service(web::route().to(async |request: HttpRequest| {
        let allowed = "GET, HEAD, OPTIONS";
        if *request.method() == Method::OPTIONS {
            refusal::options(allowed)
        } else {
            refusal::wrong_method_of_none(&request, allowed)
        }
    }))
}

/// The process is up.
async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({ "status": "up" }))
}

/// The database takes reads and writes; its schema was brought in place before the server started.
async fn readyz(state: Data<AppState>) -> HttpResponse {
    match state.app.check_ready().await {
        Ok(()) => HttpResponse::Ok().json(serde_json::json!({ "status": "ready" })),
        Err(outage) => HttpResponse::ServiceUnavailable()
            .insert_header(("Retry-After", "1"))
            .json(serde_json::json!({ "status": outage.to_string() })),
    }
}
