//! Settings of metrics and of the log of slow requests.

use std::time::Duration;

use clap::Args;

use super::error::ConfigError;
use crate::domain::ListenAddress;

/// Flags of `serve` for metrics and for slow requests.
#[derive(Debug, Clone, Default, Args)]
pub struct MetricsArgs {
    /// An address of its own for /metrics, /healthz and /readyz, where nobody needs credentials. Without it, the other addresses
    /// have /metrics, for operators [default: none]
    #[arg(long, env = "TAGD_METRICS_LISTEN", value_name = "ADDRESS:PORT|unix:PATH")]
    pub metrics_listen: Option<ListenAddress>,

    /// A request that takes longer is told in the log with what it did in the database: seconds, 0 to 3600, such as 0.25. With 0,
    /// none is [default: 1]
    #[arg(long, env = "TAGD_SLOW_REQUEST", value_name = "SECONDS")]
    pub slow_request: Option<f64>,
}

/// The most seconds that may be set.
const SLOWEST: f64 = 3600.0;

/// The time after which a request is slow; none for 0.
pub(super) fn slow_request(seconds: Option<f64>) -> Result<Option<Duration>, ConfigError> {
    let seconds = seconds.unwrap_or(1.0);
    // also if it is no number
    if !(0.0..=SLOWEST).contains(&seconds) {
        return Err(ConfigError::SlowRequest { given: seconds, most: SLOWEST });
    }
    Ok(Duration::try_from_secs_f64(seconds).ok().filter(|slow| !slow.is_zero()))
}
