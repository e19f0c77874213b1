//! Metrics: values that are counted while tagd works, and the text that Prometheus reads.
//!
//! Values are plain atomics, changed where something happens. Who has some implements [`Source`], and writes its families to a
//! [`Page`] for each scrape. `docs/adr/0037-metrics.md` explains why. What a request does in the database is recorded here too, for
//! its log line and for its trace.

mod page;
mod process;
mod record;
mod trace;
mod value;

pub use page::{Format, Page, Source, encode};
pub use process::Process;
pub use record::{NotedStatement, Record, note_scopes, traceparent};
pub use trace::{RequestTrace, ShownTrace, StatementTrace, TraceContext, TraceParent};
pub use value::{Bounds, Counter, Gauge, Histogram, Lookups, REQUEST_SECONDS, STATEMENT_SECONDS};
