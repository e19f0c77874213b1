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
