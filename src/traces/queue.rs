//! The queue between those who end requests and the thread that sends their spans.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    time::{Instant, SystemTime},
};

use crate::metrics::{RequestTrace, TraceContext, TraceParent};

/// Requests that wait for the exporter. Those of more are lost.
const QUEUE: usize = 4096;

/// A request that has ended.
#[derive(Debug)]
pub struct EndedRequest {
    /// Its place in the trace, and its statements.
    pub trace: Box<RequestTrace>,
    /// The dialect, or the part of tagd that answers.
    pub dialect: String,
    /// Template of the path; `None` if no route matches.
    pub route: Option<String>,
    /// Method, one of those that are known.
    pub method: &'static str,
    /// Status of the answer.
    pub status: u16,
    /// The kind of credential that its principal has; `None` if it is not known.
    pub principal: Option<&'static str>,
    /// When it began.
    pub begun: Instant,
    /// When it ended.
    pub ended: Instant,
    /// The same by the calendar.
    pub ended_at: SystemTime,
}

/// What is sent to the exporter.
pub(super) enum Message {
    Ended(EndedRequest),
    /// Wakes it up, since tagd ends.
    Stop,
}

/// What the exporter and those who give it spans share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) is_stopping: AtomicBool,
    /// Requests whose spans found no place in the queue.
    pub(super) dropped: AtomicU64,
}

/// Decides which requests have spans, and takes these.
#[derive(Debug)]
pub struct Traces {
    queue: SyncSender<Message>,
    shared: Arc<Shared>,
    /// The identifiers of traces below this are sampled.
    bound: u64,
}

/// The bound of sampled identifiers: 63 bits of them are compared, as the SDKs of OpenTelemetry do, so that programs with the same
/// ratio sample the same traces.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a ratio between 0 and 1 of 63 bits, of which the first 53 matter"
)]
fn bound_of(ratio: f64) -> u64 {
    if ratio >= 1.0 { u64::MAX } else { (ratio.max(0.0) * (1_u64 << 63) as f64) as u64 }
}

impl Traces {
    /// Takes the spans of this part of the traces that begin here, and gives them to the exporter.
    pub(super) fn new(ratio: f64) -> (Self, Receiver<Message>) {
        let (queue, messages) = sync_channel(QUEUE);
        (Self { queue, shared: Arc::default(), bound: bound_of(ratio) }, messages)
    }

    /// The end of the queue, to stop the exporter.
    pub(super) fn stopper(&self) -> Stopper {
        Stopper { queue: self.queue.clone(), shared: Arc::clone(&self.shared) }
    }

    /// What is shared with the exporter.
    pub(super) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// The place of a new request in a trace: that of its caller, whose decision on sampling holds, or a new trace.
    pub fn begin(&self, caller: Option<TraceParent>) -> TraceContext {
        let span_id = new_id();
        if let Some(TraceParent { trace_id, span_id: parent_id, is_sampled }) = caller {
            return TraceContext { trace_id, span_id, parent_id: Some(parent_id), is_sampled };
        }
        let (high, low) = (new_id(), new_id());
        let trace_id = u128::from(high) << 64 | u128::from(low);
        TraceContext { trace_id, span_id, parent_id: None, is_sampled: low >> 1 < self.bound }
    }

    /// Takes what is known of a request whose spans are to be sent. They are lost if they arrive faster than they can be sent.
    pub fn end(&self, request: EndedRequest) {
        if self.queue.try_send(Message::Ended(request)).is_err() {
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Tells the exporter to stop.
#[derive(Debug)]
pub(super) struct Stopper {
    queue: SyncSender<Message>,
    shared: Arc<Shared>,
}

impl Stopper {
    pub(super) fn stop(&self) {
        self.shared.is_stopping.store(true, Ordering::Release);
        // if there is no place, the exporter is awake
        let _ = self.queue.try_send(Message::Stop);
    }
}

/// An identifier of a span, or half of one of a trace; never 0. As for request ids, reading random bytes for each would take longer.
pub(super) fn new_id() -> u64 {
    static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    static COUNT: AtomicU64 = AtomicU64::new(0);
    KEY.hash_one(COUNT.fetch_add(1, Ordering::Relaxed)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traces(ratio: f64) -> Traces {
        let (queue, _) = sync_channel(1);
        Traces { queue, shared: Arc::default(), bound: bound_of(ratio) }
    }

    #[test]
    fn the_ratio_is_that_of_traces_that_begin_here() {
        for (ratio, least, most) in [(0.0, 0, 0), (0.25, 2000, 3000), (1.0, 10_000, 10_000)] {
            let traces = traces(ratio);
            let sampled = (0..10_000).filter(|_| traces.begin(None).is_sampled).count();
            assert!((least..=most).contains(&sampled), "{ratio}: {sampled}");
            for is_sampled in [true, false] {
                let caller = TraceParent { trace_id: 7, span_id: 9, is_sampled };
                let context = traces.begin(Some(caller));
                assert_eq!((context.trace_id, context.parent_id, context.is_sampled), (7, Some(9), is_sampled));
                assert_ne!(context.span_id, 9);
            }
        }
    }

    #[test]
    fn what_finds_no_place_is_counted_and_nobody_waits() {
        let traces = traces(1.0);
        let ended = || EndedRequest {
            trace: Box::new(RequestTrace::new(traces.begin(None))),
            dialect: "ims".to_owned(),
            route: None,
            method: "GET",
            status: 404,
            principal: None,
            begun: Instant::now(),
            ended: Instant::now(),
            ended_at: SystemTime::now(),
        };
        (0..5).for_each(|_| traces.end(ended()));
        assert_eq!(traces.shared.dropped.load(Ordering::Relaxed), 5);
    }
}
