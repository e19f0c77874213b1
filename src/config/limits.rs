//! Settings of limits and of proxies.

use clap::Args;

use super::{auth::AuthMode, error::ConfigError};
use crate::domain::Network;

/// Flags of `serve` for proxies and limits.
#[derive(Debug, Clone, Default, Args)]
pub struct LimitArgs {
    /// Address or network of a proxy whose X-Forwarded-For is believed, such as 10.0.0.0/8. Repeat the flag for several; in
    /// the variable, separate them with commas [default: none]
    #[arg(
        long = "trusted-proxy",
        env = "TAGD_TRUSTED_PROXIES",
        value_name = "ADDRESS[/PREFIX]",
        value_delimiter = ','
    )]
    pub trusted_proxies: Vec<String>,

    /// Requests a second of each principal, with bursts of as many, 1 to 1000000. More are refused with 429 [default: no
    /// limit]
    #[arg(long, env = "TAGD_RATE_LIMIT_PRINCIPAL", value_name = "N")]
    pub rate_limit_principal: Option<u32>,

    /// Requests a second of each address (of IPv6: of each /64), with bursts of as many, 1 to 1000000. More are refused with
    /// 429 [default: no limit]
    #[arg(long, env = "TAGD_RATE_LIMIT_ADDRESS", value_name = "N")]
    pub rate_limit_address: Option<u32>,

    /// Requests under way at the same time, 1 to 1000000. More are refused with 503. Those whose body is still to come do not
    /// count [default: 4096]
    #[arg(long, env = "TAGD_MAX_REQUESTS", value_name = "N")]
    pub max_requests: Option<u32>,

    /// Time for a request as a whole in seconds, 1 to 7200; then it is cancelled, and the answer is 503. Imports, exports and
    /// deletions of projects have no end [default: 45 more than the statement timeout]
    #[arg(long, env = "TAGD_REQUEST_TIMEOUT", value_name = "SECONDS")]
    pub request_timeout: Option<u32>,
}

/// What a request may take besides one statement: 30 seconds to receive its body, 5 until a connection is free, and 10 for a
/// database that does not end the statement by itself.
const AROUND_STATEMENT: u32 = 45;

/// Time for a request, in seconds.
pub(super) fn request_timeout(given: Option<u32>, statement_timeout: u32) -> u32 {
    given.unwrap_or(statement_timeout.saturating_add(AROUND_STATEMENT))
}

/// The networks of trusted proxies.
pub(super) fn networks(given: &[String]) -> Result<Vec<Network>, ConfigError> {
    let parse =
        |text: &String| text.trim().parse().map_err(|source| ConfigError::Proxy { given: text.clone(), source });
    given.iter().map(parse).collect()
}

/// Refuses a rate of principals where all requests have the same one.
pub(super) fn check_principal_rate(rate: Option<u32>, auth: &[AuthMode]) -> Result<(), ConfigError> {
    if rate.is_some() && auth.is_empty() {
        return Err(ConfigError::Requires {
            setting: "rate_limit_principal",
            required: "auth with keys, tokens or keystone",
        });
    }
    Ok(())
}
