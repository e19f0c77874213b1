//! Errors of the commands.

use std::path::{Path, PathBuf};

use crate::{
    cluster::{ClusterError, UpgradeError, log_file},
    config::ConfigError,
    domain::{ListenAddress, Outage, RequestError, registry::RegistryError},
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
    Upgrade(#[from] UpgradeError),
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
    Listen { address: ListenAddress, source: std::io::Error },
    #[error("{what}: {source}")]
    File { what: String, source: std::io::Error },
    /// The database failed during an import.
    #[error("from line {line} on: {source}; {kept}")]
    Batch { line: u64, kept: &'static str, source: StoreError },
    /// The private Postgres was killed, or its data has gone, while the command ran.
    #[error("{}the private Postgres ended while tagd was using it; run the command again (log: {})", .at, log.display())]
    PostgresEnded { at: String, log: PathBuf },
    #[error("{0}")]
    Stopped(String),
    /// The command has already reported the error.
    #[error("")]
    Reported,
}

impl CliError {
    /// The error for a command with a private Postgres: the address of a socket would say nothing to its user.
    pub(crate) fn of_private(self, data_dir: &Path) -> Self {
        if !self.is_lost_database() {
            return self;
        }
        tracing::debug!(error = %self, "the connection to the private Postgres was lost");
        let at = match self {
            Self::Batch { line, kept, .. } => format!("from line {line} on, {kept}: "),
            _ => String::new(),
        };
        Self::PostgresEnded { at, log: log_file(data_dir) }
    }

    /// Whether the connection to the database was lost.
    fn is_lost_database(&self) -> bool {
        match self {
            Self::Store(error) | Self::Report(ReportError::Store(error)) | Self::Batch { source: error, .. } => {
                error.is_unreachable()
            }
            Self::Refused(error) | Self::Registry(RegistryError::Other(error)) => {
                matches!(error, RequestError::Unavailable { outage: Outage::Unreachable, .. })
            }
            _ => false,
        }
    }
}
