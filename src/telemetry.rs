//! Logging: destination, format and filter of the log lines.

use std::{
    fmt::Debug,
    io::{IsTerminal, stderr},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    EnvFilter, Layer, fmt,
    layer::{Context, SubscriberExt},
    util::SubscriberInitExt,
};

use crate::config::LogFormat;

/// The filter cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("log: must be a filter such as info,tagd::store=debug, got {filter:?}: {source}")]
pub struct FilterError {
    filter: String,
    source: Box<dyn std::error::Error + Send + Sync>,
}

/// What a directive without a target may be: any other word would be taken for a target, and nothing else be logged.
const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];

/// The filter has a word that is neither a level nor a target with one.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no level; the levels are error, warn, info, debug, trace and off")]
struct NoLevel(String);

fn check_levels(filter: &str) -> Result<(), NoLevel> {
    // the library also takes numbers, from 0 for "off" to 5
    let is_level = |word: &str| {
        LEVELS.iter().any(|level| word.eq_ignore_ascii_case(level)) || matches!(word.as_bytes(), [b'0'..=b'5'])
    };
    let wrong = |directive: &'_ str| match directive.rsplit_once('=') {
        Some((_, level)) => (!is_level(level)).then(|| level.to_owned()),
        // a path can only be a target
        None => {
            (!directive.is_empty() && !is_level(directive) && !directive.contains("::")).then(|| directive.to_owned())
        }
    };
    // of spans and fields, in brackets, nothing is checked
    let mut directives = filter.split(',').map(str::trim).filter(|word| !word.contains(['[', ']', '{', '}', '"']));
    directives.find_map(wrong).map_or(Ok(()), |word| Err(NoLevel(word)))
}

/// Sends log lines to standard error from here on.
pub fn start(format: LogFormat, filter: &str) -> Result<(), FilterError> {
    let refused = |source| FilterError { filter: filter.to_owned(), source };
    check_levels(filter).map_err(|error| refused(error.into()))?;
    let parsed = EnvFilter::builder().parse(filter).map_err(|error| refused(error.into()))?;
    // counted whatever the filter is, and never shown: see Quiet
    let parsed = match (filter, "actix_http::h1::dispatcher=error".parse()) {
        ("off", _) | (_, Err(_)) => parsed,
        (filter, _) if filter.contains("actix") => parsed,
        (_, Ok(directive)) => parsed.add_directive(directive),
    };
    let quiet = Quiet { refinery: !filter.contains("refinery"), actix: !filter.contains("actix") };
    let text = match format {
        LogFormat::Text => true,
        LogFormat::Json => false,
        LogFormat::Auto => stderr().is_terminal(),
    };
    let registry = tracing_subscriber::registry().with(parsed).with(quiet);
    // a second start in one process, as in tests, keeps the first
    let _ = if text {
        registry.with(fmt::layer().with_writer(stderr).with_ansi(stderr().is_terminal()).with_target(false)).try_init()
    } else {
        registry
            .with(fmt::layer().json().flatten_event(true).with_span_list(false).with_writer(stderr).with_target(false))
            .try_init()
    };
    Ok(())
}

/// How often malformed requests are reported.
pub const MALFORMED_EVERY: Duration = Duration::from_mins(1);

/// Malformed requests since they were last reported.
static MALFORMED: AtomicU64 = AtomicU64::new(0);

/// Reports how many connections sent something that is not an HTTP request, if any did since the last time.
pub fn report_malformed() {
    let count = MALFORMED.swap(0, Ordering::Relaxed);
    if count > 0 {
        tracing::warn!(count, "malformed requests were refused");
    }
}

/// The part of the client for Keystone that writes every byte that it sends and receives to the log, tokens and passwords among
/// them.
const HTTP_CLIENT: &str = "ureq_proto";

/// The part of the server that writes headers that it cannot read to the log, in which a token may be.
const HTTP_SERVER: &str = "actix_http";

/// What the server says of a socket that tagd has closed for new connections: EINVAL, and nothing is wrong.
const CLOSED: &str = "Error accepting connection: Invalid argument";

/// Leaves out log lines of libraries that are not for users; a filter that names the library shows them, except for those with
/// secrets.
struct Quiet {
    /// Every step of a migration, with its text.
    refinery: bool,
    /// Which runtime is used and which worker is idle; and an error, without the client's address, for each connection
    /// that breaks or sends something that is not an HTTP request. The latter are counted.
    actix: bool,
}

impl<S: Subscriber> Layer<S> for Quiet {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        let is_detail = *metadata.level() > Level::WARN;
        let of = |library| is_detail && metadata.target().starts_with(library);
        let is_traffic = *metadata.level() == Level::TRACE && metadata.target().starts_with(HTTP_CLIENT)
            || *metadata.level() >= Level::DEBUG && metadata.target().starts_with(HTTP_SERVER);
        !(is_traffic || self.refinery && of("refinery_core") || self.actix && of("actix_server"))
    }

    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let target = event.metadata().target();
        if !self.actix || !["actix_http::h1::dispatcher", "actix_server::accept"].contains(&target) {
            return true;
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        if message.0.contains(CLOSED) {
            return false;
        }
        let Some(error) = message.0.strip_prefix("stream error: ") else { return true };
        if error.starts_with("request parse error") {
            MALFORMED.fetch_add(1, Ordering::Relaxed);
        }
        false
    }
}

/// The message of an event.
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}
