//! Settings of metrics.

use clap::Args;

use crate::domain::ListenAddress;

/// Flags of `serve` for metrics.
#[derive(Debug, Clone, Default, Args)]
pub struct MetricsArgs {
    /// An address of its own for /metrics, /healthz and /readyz, where nobody needs credentials. Without it, the other addresses
    /// have /metrics, for operators [default: none]
    #[arg(long, env = "TAGD_METRICS_LISTEN", value_name = "ADDRESS:PORT|unix:PATH")]
    pub metrics_listen: Option<ListenAddress>,
}
