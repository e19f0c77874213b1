//! `GET /metrics`: on the address of the API, for operators, or on one of its own.

use std::{fmt, io, sync::Arc, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse, HttpServer,
    dev::ServerHandle,
    http::header,
    web::{self, Data, ServiceConfig},
};

use super::{
    connection,
    counts::Counts,
    health::{self, only_read},
    listener::{Listener, ListeningSocket, SocketFile},
    path::get_or_head,
    principal, refusal,
    routes::{self, RouteName},
    state::{AppState, ServerState},
    unidentified::{self, Asked},
};
use crate::{
    app::App,
    metrics::{self, Format, Page, Source},
};

/// The path of metrics.
const PATH: &str = "/metrics";

/// Connections that the address of its own accepts. A Prometheus has one.
const MAX_CONNECTIONS: usize = 64;

/// Everything that a scrape reads.
#[derive(Debug)]
pub(super) struct Scrape(Vec<Arc<dyn Source>>);

impl Scrape {
    pub(super) fn new(app: &App, server: &Arc<ServerState>, others: Vec<Arc<dyn Source>>) -> Self {
        let requests = Requests { server: Arc::clone(server), app: app.clone() };
        let mut sources: Vec<Arc<dyn Source>> = vec![Arc::new(requests)];
        sources.extend(app.metrics());
        sources.extend(others);
        Self(sources)
    }

    /// What is counted by now. Whether the database is ready is found out for it, at most once a second.
    async fn answer(&self, request: &HttpRequest, app: &App) -> HttpResponse {
        // the outcome is one of the metrics
        let _ = app.check_ready().await;
        let accepted = request.headers().get(header::ACCEPT).and_then(|accepted| accepted.to_str().ok());
        let format = Format::accepted(accepted.unwrap_or_default());
        match metrics::encode(format, self.0.clone()) {
            Ok(page) => HttpResponse::Ok().content_type(format.content_type()).body(page),
            Err(error) => {
                tracing::error!(%error, "metrics could not be written");
                HttpResponse::InternalServerError().finish()
            }
        }
    }
}

pub(super) fn configure(config: &mut ServiceConfig) {
    config.service(only_read(PATH).route(get_or_head().to(for_operators)));
}

/// On the address of the API. Where requests must have credentials, they must be those of an operator.
async fn for_operators(request: HttpRequest, state: Data<AppState>, scrape: Data<Scrape>) -> HttpResponse {
    if state.server.has_metrics_apart {
        return refusal::not_found(&request);
    }
    let allowed = match principal::identify(&request) {
        Ok(principal) => state.service.may_read_metrics(&principal).await,
        Err(error) => Err(error),
    };
    match allowed {
        Ok(()) => scrape.answer(&request, &state.app).await,
        Err(error) => {
            let (method, uri) = (request.method().clone(), request.uri().clone());
            unidentified::gateway(&Asked { method, uri, request_id: refusal::id_of(&request) }, &error)
        }
    }
}

/// A server on an address of its own.
pub(super) struct Running {
    handle: ServerHandle,
    _file: Option<SocketFile>,
}

impl Running {
    /// Stops it. A scrape takes no longer than it takes to send it.
    pub(super) async fn stop(&self) {
        self.handle.stop(false).await;
    }
}

/// Serves metrics and health on an address of their own, where nobody needs credentials.
pub(super) fn start(listener: Listener, scrape: &Data<Scrape>, app: &App, patience: Duration) -> io::Result<Running> {
    let (scrape, app) = (Data::clone(scrape), Data::new(app.clone()));
    let server = HttpServer::new(move || {
        let scraped =
            async |request: HttpRequest, scrape: Data<Scrape>, app: Data<App>| scrape.answer(&request, &app).await;
        actix_web::App::new()
            .app_data(Data::clone(&scrape))
            .app_data(Data::clone(&app))
            .service(only_read(PATH).route(get_or_head().to(scraped)))
            .service(only_read("/healthz").route(get_or_head().to(health::healthz)))
            .service(
                only_read("/readyz").route(get_or_head().to(async |app: Data<App>| health::answer_ready(&app).await)),
            )
            .default_service(web::route().to(async |request: HttpRequest| refusal::not_found(&request)))
    })
    .workers(1)
    .max_connections(MAX_CONNECTIONS)
    .disable_signals();
    let server = match listener.socket {
        ListeningSocket::Tcp(socket) => {
            // who takes nothing must not keep a Prometheus out
            connection::prepare(&socket, patience)?;
            server.listen(socket)?
        }
        ListeningSocket::Unix(socket) => server.listen_uds(socket)?,
    };
    let server = server.run();
    let handle = server.handle();
    tokio::spawn(server);
    Ok(Running { handle, _file: listener.file })
}

/// The metrics of requests.
#[derive(Debug)]
struct Requests {
    server: Arc<ServerState>,
    app: App,
}

impl Source for Requests {
    fn write(&self, page: &mut Page<'_, '_>) -> fmt::Result {
        let counts = &self.server.counts;
        let names = routes::names();
        let none = RouteName::none();
        let name_of = |route: usize| names.get(route).unwrap_or(&none);
        let answers = counts.answers();
        page.counters(
            "tagd_http_requests_total",
            "Requests that were answered. The status 499 means that the client hung up before that.",
            answers.iter().map(|answered| {
                let RouteName { dialect, path } = name_of(answered.route);
                let labels = [
                    ("dialect", dialect.as_str()),
                    ("route", path),
                    ("method", answered.method),
                    ("status", &answered.status),
                ];
                (labels, answered.count)
            }),
        )?;
        page.histograms(
            "tagd_http_request_duration_seconds",
            "Time from the head of a request until its answer could be sent.",
            counts.times().map(|(route, times)| {
                let RouteName { dialect, path } = name_of(route);
                ([("dialect", dialect.as_str()), ("route", path)], times)
            }),
        )?;
        let under_way = i64::try_from(self.server.under_way()).unwrap_or(i64::MAX);
        page.gauge(
            "tagd_http_requests_in_flight",
            "Requests under way, without those that wait for their client.",
            under_way,
        )?;
        page.gauge("tagd_http_connections", "Connections of clients.", counts.connections.value())?;
        self.write_refused(page)?;
        self.write_memory(page)?;
        self.write_imports(page)
    }
}

impl Requests {
    fn write_refused(&self, page: &mut Page<'_, '_>) -> fmt::Result {
        let Counts { shed, throttled, failures, .. } = &*self.server.counts;
        let limits = &self.server.limits;
        let throttled = throttled.all();
        let shed = [
            ("requests", shed.requests.value()),
            ("memory_bodies", limits.bodies().refused() + limits.unverified().refused()),
            ("memory_answers", shed.memory_answers.value()),
            ("queue", self.app.refused_statements()),
            ("deadline", shed.deadline.value()),
            ("client_gone", shed.client_gone.value()),
            ("slow_client", shed.slow_client.value()),
            ("rate_limit", throttled.iter().map(|(_, count)| count).sum()),
        ];
        page.counters(
            "tagd_http_requests_shed_total",
            "Requests that were refused or given up to keep others working, by reason.",
            shed.iter().map(|(reason, count)| ([("reason", *reason)], *count)),
        )?;
        page.counters(
            "tagd_requests_throttled_total",
            "Requests that a rate limit refused with 429.",
            throttled.iter().map(|(limit, count)| ([("limit", *limit)], *count)),
        )?;
        page.counters(
            "tagd_auth_failures_total",
            "Requests whose credentials were missing or wrong.",
            failures.all().map(|(kind, count)| ([("kind", kind)], count)),
        )
    }

    fn write_imports(&self, page: &mut Page<'_, '_>) -> fmt::Result {
        let imports = &self.server.counts.imports;
        page.gauge("tagd_imports_in_progress", "Imports over the registry that run.", imports.running())?;
        page.counters(
            "tagd_import_lines_total",
            "Lines of imports over the registry; accepted are those that were imported or, in a strict import, staged.",
            [("accepted", &imports.accepted), ("rejected", &imports.rejected)]
                .map(|(outcome, count)| ([("outcome", outcome)], count.value())),
        )
    }

    fn write_memory(&self, page: &mut Page<'_, '_>) -> fmt::Result {
        let limits = &self.server.limits;
        let [beginnings, bodies] = limits.bodies().budgets();
        let [unverified_beginnings, unverified] = limits.unverified().budgets();
        let budgets = [
            ("bodies", bodies),
            ("body_beginnings", beginnings),
            ("unverified_bodies", unverified),
            ("unverified_body_beginnings", unverified_beginnings),
            ("answers", &**limits.answers()),
        ]
        .map(|(name, budget)| (name, budget.usage()));
        page.gauges(
            "tagd_http_memory_bytes",
            "Memory that bodies and large answers take, by budget.",
            budgets.iter().map(|(name, [taken, _])| ([("budget", *name)], *taken)),
        )?;
        page.gauges(
            "tagd_http_memory_limit_bytes",
            "Size of each budget of memory.",
            budgets.iter().map(|(name, [_, size])| ([("budget", *name)], *size)),
        )
    }
}
