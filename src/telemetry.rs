//! Log lines: where they go, in which form, and which of them.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::LogFormat;

/// The filter cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("log: {filter:?} is not a filter: {source}")]
pub struct FilterError {
    filter: String,
    source: tracing_subscriber::filter::ParseError,
}

/// Sends log lines to standard error from here on.
pub fn start(format: LogFormat, filter: &str) -> Result<(), FilterError> {
    // refinery tells every step, texts of migrations included; whoever wants that names it in the filter
    let quieter = if filter.contains("refinery") { filter.to_owned() } else { format!("{filter},refinery_core=warn") };
    let parsed =
        EnvFilter::builder().parse(quieter).map_err(|source| FilterError { filter: filter.to_owned(), source })?;
    let text = match format {
        LogFormat::Text => true,
        LogFormat::Json => false,
        LogFormat::Auto => stderr().is_terminal(),
    };
    let registry = tracing_subscriber::registry().with(parsed);
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
