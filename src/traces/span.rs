//! Spans of requests and their statements, as OTLP has them.
//!
//! Names of attributes are those of OpenTelemetry's semantic conventions, where it has one.

use std::time::{Duration, Instant, UNIX_EPOCH};

use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, KeyValue, any_value::Value},
    trace::v1::{Span, Status, span::SpanKind, status::StatusCode},
};

use super::queue::{EndedRequest, new_id};
use crate::metrics::StatementTrace;

/// Adds the spans of a request: its own, and one for each statement.
pub(super) fn add(request: &EndedRequest, spans: &mut Vec<Span>) {
    let context = &request.trace.context;
    let mut attributes = vec![
        text("http.request.method", request.method),
        int("http.response.status_code", request.status.into()),
        text("tagd.dialect", &request.dialect),
    ];
    attributes.extend(request.principal.map(|kind| text("tagd.principal.kind", kind)));
    let name = match &request.route {
        Some(route) => {
            attributes.push(text("http.route", route));
            format!("{} {route}", request.method)
        }
        None => request.method.to_owned(),
    };
    let is_failed = request.status >= 500;
    if is_failed {
        attributes.push(text("error.type", &request.status.to_string()));
    }
    spans.push(Span {
        trace_id: context.trace_id.to_be_bytes().to_vec(),
        span_id: context.span_id.to_be_bytes().to_vec(),
        parent_span_id: context.parent_id.map_or_else(Vec::new, |id| id.to_be_bytes().to_vec()),
        flags: flags(context.parent_id.is_some()),
        name,
        kind: SpanKind::Server.into(),
        start_time_unix_nano: nanos(request, request.begun),
        end_time_unix_nano: nanos(request, request.ended),
        attributes,
        status: status(is_failed),
        ..Span::default()
    });
    spans.extend(request.trace.statements.iter().map(|statement| of_statement(request, statement)));
}

fn of_statement(request: &EndedRequest, statement: &StatementTrace) -> Span {
    let context = &request.trace.context;
    let waited = i64::try_from(statement.waited.as_micros()).unwrap_or(i64::MAX);
    // one that was under way was given up with its request
    let ended = statement.ended.unwrap_or(request.ended);
    Span {
        trace_id: context.trace_id.to_be_bytes().to_vec(),
        span_id: new_id().to_be_bytes().to_vec(),
        parent_span_id: context.span_id.to_be_bytes().to_vec(),
        flags: flags(false),
        name: statement.form.to_owned(),
        kind: SpanKind::Client.into(),
        start_time_unix_nano: nanos(request, statement.begun),
        end_time_unix_nano: nanos(request, ended),
        attributes: vec![
            text("db.system.name", "postgresql"),
            text("db.query.summary", statement.form),
            int("tagd.waited_us", waited),
        ],
        status: status(statement.is_failed),
        ..Span::default()
    }
}

/// Sampled, and that it is known whether the parent is that of another program, and if it is.
fn flags(is_remote: bool) -> u32 {
    0x101 | u32::from(is_remote) << 9
}

fn status(is_failed: bool) -> Option<Status> {
    is_failed.then(|| Status { message: String::new(), code: StatusCode::Error.into() })
}

/// A time of a request by the calendar, in nanoseconds since 1970.
fn nanos(request: &EndedRequest, at: Instant) -> u64 {
    let since: Duration = request.ended_at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let at = since.saturating_sub(request.ended.saturating_duration_since(at));
    u64::try_from(at.as_nanos()).unwrap_or(u64::MAX)
}

/// An attribute with text.
pub(super) fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.to_owned()))
}

fn int(key: &str, value: i64) -> KeyValue {
    attribute(key, Value::IntValue(value))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}
