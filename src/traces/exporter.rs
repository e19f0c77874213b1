//! The thread that makes spans of ended requests and sends them: OTLP over HTTP, encoded as protobuf.

use std::{
    mem,
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse},
    common::v1::InstrumentationScope,
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span},
};
use prost::Message as _;
use ureq::Agent;
use uuid::Uuid;

use super::{
    queue::{Message, Shared},
    span,
};
use crate::http_client;

/// Spans in one request to the collector.
const BATCH: usize = 512;

/// How long spans are collected before they are sent.
const EVERY: Duration = Duration::from_secs(1);

/// How long the collector may take for an answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How long the end of tagd waits until the last spans are sent.
pub(super) const FLUSH: Duration = Duration::from_secs(3);

/// How often a batch is tried while the collector is away.
const TRIES: u32 = 3;

/// How often lost spans are reported.
const REPORT: Duration = Duration::from_mins(1);

/// Largest answer of a collector.
const LARGEST: u64 = 64 * 1024;

/// Sends spans until tagd ends.
pub(super) struct Exporter {
    agent: Agent,
    url: String,
    resource: Resource,
    messages: Receiver<Message>,
    shared: Arc<Shared>,
    spans: Vec<Span>,
    /// Spans that were not sent since that was last reported, and the last reason.
    lost: u64,
    reason: String,
    reported: Option<Instant>,
    /// When the last spans must be sent, once tagd ends.
    deadline: Option<Instant>,
}

/// Why a batch was not taken.
enum Failure {
    /// The collector may take it later.
    Later(String),
    /// It takes only some of it, or nothing: the number of spans that it has rejected.
    Rejected(u64, String),
}

impl Exporter {
    pub(super) fn new(url: &str, service: &str, messages: Receiver<Message>, shared: Arc<Shared>) -> Self {
        let url = format!("{}/v1/traces", url.trim_end_matches('/'));
        let attributes = vec![
            span::text("service.name", service),
            span::text("service.version", env!("CARGO_PKG_VERSION")),
            span::text("service.instance.id", &Uuid::new_v4().to_string()),
        ];
        Self {
            agent: http_client::agent(url.starts_with("https:"), None),
            url,
            resource: Resource { attributes, ..Resource::default() },
            messages,
            shared,
            spans: Vec::new(),
            lost: 0,
            reason: String::new(),
            reported: None,
            deadline: None,
        }
    }

    /// Runs until tagd ends.
    pub(super) fn run(mut self) {
        while !self.is_stopping() {
            self.collect(Instant::now() + EVERY);
            self.send_all();
            self.report();
        }
        self.deadline = Some(Instant::now() + FLUSH);
        while let Ok(message) = self.messages.try_recv() {
            self.take(message);
            if self.spans.len() >= BATCH {
                self.send_all();
            }
        }
        self.send_all();
        // the last chance to tell it
        self.reported = None;
        self.report();
    }

    fn is_stopping(&self) -> bool {
        self.shared.is_stopping.load(Ordering::Acquire)
    }

    fn take(&mut self, message: Message) {
        if let Message::Ended(request) = message {
            span::add(&request, &mut self.spans);
        }
    }

    /// Takes what arrives until a time, or until there is a batch.
    fn collect(&mut self, until: Instant) {
        while self.spans.len() < BATCH && !self.is_stopping() {
            match self.messages.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(message) => self.take(message),
                Err(RecvTimeoutError::Timeout) => return,
                // whoever gives it spans has gone, and so has who would stop it
                Err(RecvTimeoutError::Disconnected) => return self.shared.is_stopping.store(true, Ordering::Release),
            }
        }
    }

    /// Sends the spans. Those that the collector does not take in a few tries are lost, so that it gets newer ones when it is back.
    fn send_all(&mut self) {
        if self.spans.is_empty() {
            return;
        }
        let spans = mem::take(&mut self.spans);
        let count = u64::try_from(spans.len()).unwrap_or(u64::MAX);
        let body = self.encoded(spans);
        let mut tries = 0;
        loop {
            tries += 1;
            match self.send(&body) {
                Ok(()) => return,
                Err(Failure::Rejected(rejected, reason)) => return self.lose(rejected.min(count), reason),
                Err(Failure::Later(reason)) if tries >= TRIES || self.is_stopping() => return self.lose(count, reason),
                Err(Failure::Later(_)) => self.pause(),
            }
        }
    }

    /// Waits before the next try, unless tagd ends meanwhile. What arrives is kept for the next batch, up to its size; the rest
    /// waits in the queue.
    fn pause(&mut self) {
        let until = Instant::now() + EVERY;
        self.collect(until);
        while !self.is_stopping() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn encoded(&self, spans: Vec<Span>) -> Vec<u8> {
        let scope = InstrumentationScope { name: "tagd".to_owned(), ..InstrumentationScope::default() };
        let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, schema_url: String::new() }];
        let resource = Some(self.resource.clone());
        let resource_spans = vec![ResourceSpans { resource, scope_spans, schema_url: String::new() }];
        ExportTraceServiceRequest { resource_spans }.encode_to_vec()
    }

    /// Sends one batch.
    fn send(&self, body: &[u8]) -> Result<(), Failure> {
        let remaining = self.deadline.map_or(TIMEOUT, |deadline| deadline.saturating_duration_since(Instant::now()));
        if remaining.is_zero() {
            return Err(Failure::Later("tagd ends".to_owned()));
        }
        let sent = self
            .agent
            .post(&self.url)
            .config()
            .timeout_global(Some(TIMEOUT.min(remaining)))
            .build()
            .header("Content-Type", "application/x-protobuf")
            .header("User-Agent", concat!("tagd/", env!("CARGO_PKG_VERSION")))
            .send(body);
        let mut answer = sent.map_err(|error| Failure::Later(error.to_string()))?;
        match answer.status().as_u16() {
            200..=299 => {
                let body = answer.body_mut().with_config().limit(LARGEST).read_to_vec().unwrap_or_default();
                let partial =
                    ExportTraceServiceResponse::decode(body.as_slice()).ok().and_then(|it| it.partial_success);
                match partial.map(|partial| u64::try_from(partial.rejected_spans).unwrap_or_default()) {
                    None | Some(0) => Ok(()),
                    Some(rejected) => Err(Failure::Rejected(rejected, "the collector has rejected some".to_owned())),
                }
            }
            status @ (429 | 502 | 503 | 504) => Err(Failure::Later(format!("the collector answered {status}"))),
            status => Err(Failure::Rejected(u64::MAX, format!("the collector answered {status}"))),
        }
    }

    fn lose(&mut self, spans: u64, reason: String) {
        self.lost += spans;
        self.reason = reason;
    }

    /// Tells how many spans were lost, once a minute.
    fn report(&mut self) {
        if self.reported.is_some_and(|reported| reported.elapsed() < REPORT) {
            return;
        }
        let requests = self.shared.dropped.swap(0, Ordering::Relaxed);
        if self.lost == 0 && requests == 0 {
            return;
        }
        let (spans, reason) = (mem::take(&mut self.lost), mem::take(&mut self.reason));
        let reason = if reason.is_empty() { "they arrived faster than they could be sent".to_owned() } else { reason };
        tracing::warn!(spans, requests, reason, "traces were lost");
        self.reported = Some(Instant::now());
    }
}
