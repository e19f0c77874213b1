//! What is counted of requests: answers by route, method and status, their times, and what was refused.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use actix_web::http::{Method, StatusCode};

use super::routes::{self, RouteId};
use crate::metrics::{Counter, Gauge, Histogram, REQUEST_SECONDS};

/// The methods that are told apart. All others are `other`.
const METHODS: [&str; 8] = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "other"];

/// The status codes that are told apart: all that tagd answers with. 499 stands for a client that has gone.
const STATUSES: [u16; 28] = [
    200, 201, 202, 204, 206, 300, 304, 400, 401, 403, 404, 405, 406, 408, 409, 410, 411, 412, 413, 415, 416, 428, 429,
    431, 499, 500, 501, 503,
];

/// The name of all other codes.
const OTHER: &str = "other";

/// What is counted of the requests of a server.
#[derive(Debug)]
pub(super) struct Counts {
    routes: Box<[OnceLock<Box<RouteCounts>>]>,
    /// Connections of clients.
    pub(super) connections: Gauge,
    pub(super) shed: Shed,
    pub(super) throttled: Throttles,
    pub(super) failures: AuthFailures,
    pub(super) imports: Imports,
}

/// What is counted of one route.
#[derive(Debug)]
struct RouteCounts {
    /// By method and status.
    answers: Box<[Counter]>,
    times: Histogram,
}

/// Requests and connections that were given up to keep others working.
#[derive(Debug, Default)]
pub(super) struct Shed {
    /// As many were under way as may be.
    pub(super) requests: Counter,
    /// There was no memory for a large answer.
    pub(super) memory_answers: Counter,
    /// Their time was over.
    pub(super) deadline: Counter,
    /// Their client had gone.
    pub(super) client_gone: Counter,
    /// Their client sent or took too little.
    pub(super) slow_client: Counter,
}

/// Requests that a rate limit refused.
#[derive(Debug, Default)]
pub(super) struct Throttles {
    pub(super) address: Counter,
    pub(super) principal: Counter,
    pub(super) failures: Counter,
}

impl Throttles {
    /// All of them, by limit.
    pub(super) fn all(&self) -> [(&'static str, u64); 3] {
        [("address", &self.address), ("principal", &self.principal), ("failures", &self.failures)]
            .map(|(limit, count)| (limit, count.value()))
    }
}

/// What is wrong with an authentication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AuthFailure {
    /// There are no credentials.
    Missing,
    /// A token is unknown, or not accepted.
    Token,
    /// A signature is wrong, or a header of it.
    Signature,
    /// A login with the identity API.
    Login,
    /// The signed body has not arrived.
    Body,
}

/// Failed authentications.
#[derive(Debug, Default)]
pub(super) struct AuthFailures([Counter; 5]);

impl AuthFailures {
    pub(super) fn count(&self, failure: AuthFailure) {
        if let Some(count) = self.0.get(failure as usize) {
            count.increment();
        }
    }

    /// All of them, by kind.
    pub(super) fn all(&self) -> impl Iterator<Item = (&'static str, u64)> {
        ["missing", "token", "signature", "login", "body"].into_iter().zip(self.0.iter().map(Counter::value))
    }
}

/// Imports over the registry.
#[derive(Debug, Default)]
pub(super) struct Imports {
    /// Those that run.
    running: Gauge,
    /// Lines that were imported or, in a strict import, staged.
    pub(super) accepted: Counter,
    /// Lines that were not.
    pub(super) rejected: Counter,
}

/// An import that runs until this is dropped.
pub(super) struct RunningImport<'a>(&'a Imports);

impl Imports {
    pub(super) fn begin(&self) -> RunningImport<'_> {
        self.running.add(1);
        RunningImport(self)
    }

    /// How many run.
    pub(super) fn running(&self) -> i64 {
        self.running.value()
    }
}

impl Drop for RunningImport<'_> {
    fn drop(&mut self) {
        self.0.running.add(-1);
    }
}

/// Answers to requests of one route, method and status.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) route: usize,
    pub(super) method: &'static str,
    pub(super) status: String,
    pub(super) count: u64,
}

impl Counts {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            routes: (0..routes::MOST).map(|_| OnceLock::new()).collect(),
            connections: Gauge::default(),
            shed: Shed::default(),
            throttled: Throttles::default(),
            failures: AuthFailures::default(),
            imports: Imports::default(),
        })
    }

    /// Counts an answer, and the time until it could be sent.
    pub(super) fn answered(&self, route: RouteId, method: &Method, status: StatusCode, time: Duration) {
        let Some(counts) = self.routes.get(route.0) else { return };
        let counts = counts.get_or_init(|| Box::new(RouteCounts::new()));
        if let Some(count) = counts.answers.get(place(method, status)) {
            count.increment();
        }
        counts.times.observe_time(time);
    }

    /// The answers of all routes.
    pub(super) fn answers(&self) -> Vec<Answered> {
        let mut all = Vec::new();
        for (route, counts) in self.used() {
            for (place, count) in counts.answers.iter().enumerate() {
                let method = METHODS.get(place / (STATUSES.len() + 1)).copied().unwrap_or(OTHER);
                let status = STATUSES.get(place % (STATUSES.len() + 1));
                let status = status.map_or_else(|| OTHER.to_owned(), u16::to_string);
                match count.value() {
                    0 => {}
                    count => all.push(Answered { route, method, status, count }),
                }
            }
        }
        all
    }

    /// The times of each route.
    pub(super) fn times(&self) -> impl Iterator<Item = (usize, &Histogram)> {
        self.used().map(|(route, counts)| (route, &counts.times))
    }

    fn used(&self) -> impl Iterator<Item = (usize, &RouteCounts)> {
        self.routes.iter().enumerate().filter_map(|(route, counts)| Some((route, &**counts.get()?)))
    }
}

impl RouteCounts {
    fn new() -> Self {
        let answers = (0..METHODS.len() * (STATUSES.len() + 1)).map(|_| Counter::default()).collect();
        Self { answers, times: Histogram::new(REQUEST_SECONDS) }
    }
}

/// Where the counter of a method and status is.
fn place(method: &Method, status: StatusCode) -> usize {
    let method = match *method {
        Method::GET => 0,
        Method::POST => 1,
        Method::PUT => 2,
        Method::DELETE => 3,
        Method::HEAD => 4,
        Method::OPTIONS => 5,
        Method::PATCH => 6,
        _ => 7,
    };
    let status = status.as_u16();
    let status = STATUSES.iter().position(|known| *known == status).unwrap_or(STATUSES.len());
    method * (STATUSES.len() + 1) + status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_counted_by_route_method_and_status() {
        let counts = Counts::new();
        let (route, second) = (RouteId(3), Duration::from_secs(1));
        counts.answered(route, &Method::GET, StatusCode::OK, second);
        counts.answered(route, &Method::GET, StatusCode::OK, second);
        counts.answered(route, &Method::PATCH, StatusCode::SERVICE_UNAVAILABLE, second);
        let brew = Method::from_bytes(b"BREW").unwrap();
        counts.answered(RouteId::NONE, &brew, StatusCode::IM_A_TEAPOT, second);
        counts.answered(RouteId(routes::MOST), &Method::GET, StatusCode::OK, second);
        let answers: Vec<_> = counts.answers().into_iter().map(|a| (a.route, a.method, a.status, a.count)).collect();
        assert_eq!(
            answers,
            [(0, "other", "other".to_owned(), 1), (3, "GET", "200".to_owned(), 2), (3, "PATCH", "503".to_owned(), 1)]
        );
        assert_eq!(counts.times().map(|(route, times)| (route, times.count())).collect::<Vec<_>>(), [(0, 1), (3, 3)]);
    }
}
