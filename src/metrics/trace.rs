//! The trace that a request belongs to, and what of it is sent to a collector later: the times of its statements.
//!
//! The header `traceparent` is that of W3C Trace Context, <https://www.w3.org/TR/trace-context/>.

use std::{
    fmt,
    time::{Duration, Instant},
};

/// The most statements of one request that have a span.
const MOST_STATEMENTS: usize = 64;

/// A request's place in a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    /// Identifier of the trace.
    pub trace_id: u128,
    /// Identifier of the span of this request.
    pub span_id: u64,
    /// Identifier of the span that caused it, if the client sent one.
    pub parent_id: Option<u64>,
    /// Whether its spans are sent.
    pub is_sampled: bool,
}

/// The caller's place in a trace, from the header `traceparent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    /// Identifier of the trace.
    pub trace_id: u128,
    /// Identifier of the caller's span.
    pub span_id: u64,
    /// Whether the caller sends its spans.
    pub is_sampled: bool,
}

impl TraceParent {
    /// Reads the header. `None` for what is invalid, which is to be ignored.
    pub fn parse(header: &str) -> Option<Self> {
        /// The length in version 00. Later versions may append to it, after another dash.
        const LENGTH: usize = 55;
        let (known, rest) = header.split_at_checked(LENGTH)?;
        let mut parts = known.split('-');
        let mut hex = |digits: usize| {
            let part = parts.next()?;
            let is_hex = part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
            (part.len() == digits && is_hex).then(|| u128::from_str_radix(part, 16).ok())?
        };
        let (version, trace_id, span_id, flags) = (hex(2)?, hex(32)?, hex(16)?, hex(2)?);
        let is_version = match version {
            0 => rest.is_empty(),
            0xff => false,
            _ => rest.is_empty() || rest.starts_with('-'),
        };
        let span_id = u64::try_from(span_id).ok()?;
        (is_version && trace_id != 0 && span_id != 0).then_some(Self { trace_id, span_id, is_sampled: flags & 1 == 1 })
    }
}

impl TraceContext {
    /// The header for requests that this one causes.
    pub fn traceparent(&self) -> String {
        format!("00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, u8::from(self.is_sampled))
    }

    /// The identifier of the trace for the log, unless nobody has it.
    pub fn shown(&self) -> Option<ShownTrace> {
        (self.is_sampled || self.parent_id.is_some()).then_some(ShownTrace(self.trace_id))
    }
}

/// The identifier of a trace, as backends show it.
#[derive(Debug, Clone, Copy)]
pub struct ShownTrace(u128);

impl fmt::Display for ShownTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A statement of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementTrace {
    /// Its form.
    pub form: &'static str,
    /// When it was asked for.
    pub begun: Instant,
    /// Time until it had a connection.
    pub waited: Duration,
    /// When it ended; `None` if it was under way when its request ended.
    pub ended: Option<Instant>,
    /// Whether it failed.
    pub is_failed: bool,
}

/// What is recorded of a request that belongs to a trace.
#[derive(Debug)]
pub struct RequestTrace {
    /// Its place in the trace.
    pub context: TraceContext,
    /// Its statements in order, if it is sampled.
    pub statements: Vec<StatementTrace>,
}

impl RequestTrace {
    /// Nothing yet.
    pub fn new(context: TraceContext) -> Self {
        Self { context, statements: Vec::new() }
    }

    pub(super) fn begin(&mut self, form: &'static str, waited: Duration) {
        if self.context.is_sampled && self.statements.len() < MOST_STATEMENTS {
            let now = Instant::now();
            let begun = now.checked_sub(waited).unwrap_or(now);
            self.statements.push(StatementTrace { form, begun, waited, ended: None, is_failed: false });
        }
    }

    pub(super) fn end(&mut self, form: &'static str, is_failed: bool) {
        let is_open = |statement: &&mut StatementTrace| statement.form == form && statement.ended.is_none();
        if let Some(statement) = self.statements.iter_mut().rev().find(is_open) {
            statement.ended = Some(Instant::now());
            statement.is_failed = is_failed;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn the_header_is_read_as_the_specification_says() {
        for (header, is_sampled) in [
            (format!("00-{ID}-00f067aa0ba902b7-01"), true),
            (format!("00-{ID}-00f067aa0ba902b7-00"), false),
            // other flags are ignored
            (format!("00-{ID}-00f067aa0ba902b7-03"), true),
            (format!("00-{ID}-00f067aa0ba902b7-fe"), false),
            // later versions may have more
            (format!("01-{ID}-00f067aa0ba902b7-01"), true),
            (format!("cc-{ID}-00f067aa0ba902b7-01-what-the-future-brings"), true),
        ] {
            let parent = TraceParent::parse(&header).unwrap();
            assert_eq!(format!("{:032x}", parent.trace_id), ID, "{header}");
            assert_eq!((parent.span_id, parent.is_sampled), (0x00f0_67aa_0ba9_02b7, is_sampled), "{header}");
        }
        for header in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01more",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
            "00-4bf92f3577b34da6a3ce929d0e0e47-3600f067aa0ba902b7-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-\u{e9}",
        ] {
            assert_eq!(TraceParent::parse(header), None, "{header}");
        }
        let context = TraceContext { trace_id: 1, span_id: 2, parent_id: None, is_sampled: true };
        assert_eq!(context.traceparent(), "00-00000000000000000000000000000001-0000000000000002-01");
        let parent = TraceParent { trace_id: 1, span_id: 2, is_sampled: true };
        assert_eq!(TraceParent::parse(&context.traceparent()), Some(parent));
    }

    #[test]
    fn statements_end_by_their_form_and_are_bounded() {
        let context = TraceContext { trace_id: 1, span_id: 2, parent_id: None, is_sampled: true };
        let mut trace = RequestTrace::new(context);
        for form in ["a", "b", "a"] {
            trace.begin(form, Duration::ZERO);
        }
        trace.end("a", false);
        trace.end("b", true);
        trace.end("c", true);
        let ended: Vec<_> = trace.statements.iter().map(|one| (one.ended.is_some(), one.is_failed)).collect();
        assert_eq!(ended, [(false, false), (true, true), (true, false)]);
        (0..200).for_each(|_| trace.begin("x", Duration::ZERO));
        assert_eq!(trace.statements.len(), MOST_STATEMENTS);
        let mut trace = RequestTrace::new(TraceContext { is_sampled: false, ..context });
        trace.begin("a", Duration::ZERO);
        assert_eq!(trace.statements, []);
    }
}
