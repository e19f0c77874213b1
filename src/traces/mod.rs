//! Traces: which requests have spans, and their way to a collector that speaks OTLP over HTTP.
//!
//! A worker only puts what it knows of a request into a queue, when the request has ended. A thread makes spans of it and sends them.
//! `docs/adr/0042-traces.md` explains why.

mod exporter;
mod queue;
mod span;

use tokio::sync::oneshot;

use exporter::{Exporter, FLUSH};
use queue::Stopper;
pub use queue::{EndedRequest, Traces};

/// Where spans go, and of which requests.
#[derive(Debug, Clone)]
pub struct TraceSettings {
    /// URL of the collector, without `/v1/traces`.
    pub url: String,
    /// The part of traces that is sent, 0 to 1, of those that begin here.
    pub ratio: f64,
    /// The name of the service in its spans.
    pub service: String,
}

/// The exporter, which is running.
#[derive(Debug)]
pub struct RunningExporter {
    stopper: Stopper,
    ended: oneshot::Receiver<()>,
}

/// Starts the thread that sends spans.
pub fn start(settings: &TraceSettings) -> std::io::Result<(Traces, RunningExporter)> {
    let (traces, messages) = Traces::new(settings.ratio);
    let (end, ended) = oneshot::channel();
    let exporter = Exporter::new(&settings.url, &settings.service, messages, traces.shared());
    std::thread::Builder::new().name("traces".to_owned()).spawn(move || {
        exporter.run();
        // who waits may have gone
        let _ = end.send(());
    })?;
    let stopper = traces.stopper();
    Ok((traces, RunningExporter { stopper, ended }))
}

impl RunningExporter {
    /// Sends what is left, as far as the collector takes it in a few seconds.
    pub async fn stop(self) {
        self.stopper.stop();
        if tokio::time::timeout(FLUSH, self.ended).await.is_err() {
            tracing::warn!("the last traces were not sent in time");
        }
    }
}
