//! Settings of traces.

use std::ffi::OsString;

use clap::Args;

use super::error::ConfigError;

/// Flags of `serve` for traces.
#[derive(Debug, Clone, Default, Args)]
#[expect(clippy::doc_markdown, reason = "shown as help, where backticks would stand as they are")]
pub struct OtlpArgs {
    /// URL of a collector to which traces are sent as OTLP over HTTP, to its path /v1/traces: http://collector:4318. The variable
    /// OTEL_EXPORTER_OTLP_ENDPOINT is read too [default: none]
    #[arg(long, env = "TAGD_OTLP_URL", value_name = "URL")]
    pub otlp_url: Option<String>,

    /// The part of the traces that begin with tagd that is sent, 0 to 1, such as 0.1. Whoever calls tagd in a trace of its own
    /// decides that for it. The variable OTEL_TRACES_SAMPLER_ARG is read too [default: 1]
    #[arg(long, env = "TAGD_OTLP_SAMPLE", value_name = "RATIO")]
    pub otlp_sample: Option<f64>,
}

/// Where traces are sent.
#[derive(Debug, Clone)]
pub struct OtlpSetting {
    /// URL of the collector.
    pub url: String,
    /// The part of traces that is sent.
    pub ratio: f64,
    /// The name of this service in them.
    pub service: String,
}

/// The variables that OpenTelemetry has for all programs.
pub(super) struct Variables {
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub(super) endpoint: Option<OsString>,
    /// `OTEL_TRACES_SAMPLER_ARG`.
    pub(super) ratio: Option<OsString>,
    /// `OTEL_SERVICE_NAME`.
    pub(super) service: Option<OsString>,
}

/// Where traces are sent, if anywhere: by the flags, or else the file, or else the variables of OpenTelemetry.
pub(super) fn otlp(
    flags: &OtlpArgs,
    file: (Option<String>, Option<f64>),
    variables: Variables,
) -> Result<Option<OtlpSetting>, ConfigError> {
    let text = |variable: OsString| variable.to_string_lossy().into_owned();
    let urls = [flags.otlp_url.clone(), file.0];
    let url = urls.into_iter().flatten().find(|url| !url.is_empty()).map(|url| ("otlp_url", url));
    let url = url.or(variables.endpoint.map(|url| ("OTEL_EXPORTER_OTLP_ENDPOINT", text(url))));
    let ratio = match (flags.otlp_sample.or(file.1), variables.ratio.map(text)) {
        (Some(ratio), _) => check("otlp_sample", &ratio.to_string(), Some(ratio))?,
        // of another program perhaps, so it is only read if it is used
        (None, Some(given)) if url.is_some() => check("OTEL_TRACES_SAMPLER_ARG", &given, given.trim().parse().ok())?,
        (None, _) => 1.0,
    };
    let Some((setting, url)) = url else { return Ok(None) };
    if url.contains('@') {
        return Err(ConfigError::OtlpLogin { setting });
    }
    let host = ["http://", "https://"].iter().find_map(|scheme| url.strip_prefix(scheme));
    if host.is_none_or(|host| host.is_empty() || host.starts_with('/')) || url.contains(['?', '#', ' ']) {
        let given = url.split(['?', '#']).next().unwrap_or_default().to_owned();
        return Err(ConfigError::OtlpUrl { setting, given });
    }
    Ok(Some(OtlpSetting { url, ratio, service: variables.service.map_or_else(|| "tagd".to_owned(), text) }))
}

fn check(setting: &'static str, given: &str, ratio: Option<f64>) -> Result<f64, ConfigError> {
    // also if it is no number
    let ratio = ratio.filter(|ratio| (0.0..=1.0).contains(ratio));
    ratio.ok_or_else(|| ConfigError::Ratio { setting, given: given.to_owned() })
}
