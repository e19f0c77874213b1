//! Liveness and readiness.

use actix_web::{
    HttpRequest, HttpResponse,
    http::Method,
    web::{self, Data, ServiceConfig},
};

use super::{path::get_or_head, refusal, routes, state::AppState};
use crate::app::App;

pub(super) fn configure(config: &mut ServiceConfig) {
    // load balancers send HEAD as often as GET
    config.service(only_read("/healthz").route(get_or_head().to(healthz)));
    config.service(only_read("/readyz").route(get_or_head().to(readyz)));
}

/// A read-only path of tagd itself.
pub(super) fn only_read(path: &str) -> actix_web::Resource {
    web::resource(path).app_data(routes::number("tagd", path)).default_service(web::route().to(
        async |request: HttpRequest| {
            let allowed = "GET, HEAD, OPTIONS";
            if *request.method() == Method::OPTIONS {
                refusal::options(allowed)
            } else {
                refusal::wrong_method_of_none(&request, allowed)
            }
        },
    ))
}

/// Liveness: the process is running.
pub(super) async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({ "status": "up" }))
}

/// The status, and where there are replicas how many of them are used.
fn told(app: &App, status: &str) -> serde_json::Value {
    match app.replicas() {
        Some((configured, usable)) => {
            serde_json::json!({ "status": status, "replicas": { "configured": configured, "usable": usable } })
        }
        None => serde_json::json!({ "status": status }),
    }
}

/// Readiness: the database accepts reads and writes. Its schema was migrated before the server started.
async fn readyz(state: Data<AppState>) -> HttpResponse {
    answer_ready(&state.app).await
}

/// Whether a server is ready.
pub(super) async fn answer_ready(app: &App) -> HttpResponse {
    match app.check_ready().await {
        Ok(()) => HttpResponse::Ok().json(told(app, "ready")),
        Err(outage) => {
            HttpResponse::ServiceUnavailable().insert_header(("Retry-After", "1")).json(told(app, &outage.to_string()))
        }
    }
}
