//! Whether tagd is up, and whether it can answer.

use actix_web::{
    HttpResponse,
    web::{self, Data, ServiceConfig},
};

use super::server::Shared;

pub(super) fn configure(config: &mut ServiceConfig) {
    // balancers ask with HEAD as often as with GET
    config
        .service(web::resource("/healthz").route(web::get().to(healthz)).route(web::head().to(healthz)))
        .service(web::resource("/readyz").route(web::get().to(readyz)).route(web::head().to(readyz)));
}

/// The process is up.
async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({ "status": "up" }))
}

/// The database takes reads and writes; its schema was brought in place before the server started.
async fn readyz(shared: Data<Shared>) -> HttpResponse {
    match shared.readiness.check().await {
        Ok(()) => HttpResponse::Ok().json(serde_json::json!({ "status": "ready" })),
        Err(outage) => HttpResponse::ServiceUnavailable()
            .insert_header(("Retry-After", "1"))
            .json(serde_json::json!({ "status": outage.to_string() })),
    }
}
