//! Errors of the commands.

use crate::{
    cluster::ClusterError,
    config::ConfigError,
    domain::{RequestError, registry::RegistryError},
    http::TlsError,
    pem::PemError,
    store::{ReportError, StoreError},
    telemetry,
};

/// Why a command failed; each prints as one line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Filter(#[from] telemetry::FilterError),
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An error of a use case, as over HTTP.
    #[error(transparent)]
    Refused(#[from] RequestError),
    /// An error of the registry, as over HTTP.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error(transparent)]
    Report(#[from] ReportError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Pem(#[from] PemError),
    #[error("cannot listen on {address}: {source}")]
    Listen { address: std::net::SocketAddr, source: std::io::Error },
    #[error("{what}: {source}")]
    File { what: String, source: std::io::Error },
    #[error("{0}")]
    Stopped(String),
    /// The command has already reported the error.
    #[error("")]
    Reported,
}
