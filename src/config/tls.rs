//! Settings of TLS.

use std::path::PathBuf;

use super::error::ConfigError;
use crate::domain::ListenAddress;

/// The files of TLS.
#[derive(Debug, Clone)]
pub struct TlsSettings {
    /// Certificate of the server.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// CAs of the certificates that clients must present, if they must.
    pub client_ca: Option<PathBuf>,
}

/// The settings of TLS, which need each other.
pub(super) fn tls(
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    client_ca: Option<PathBuf>,
    http_listen: Option<&ListenAddress>,
) -> Result<Option<TlsSettings>, ConfigError> {
    let (setting, required) = match (cert, key) {
        (Some(cert), Some(key)) => return Ok(Some(TlsSettings { cert, key, client_ca })),
        (Some(_), None) => ("tls_cert", "tls_key"),
        (None, Some(_)) => ("tls_key", "tls_cert"),
        (None, None) if client_ca.is_some() => ("tls_client_ca", "tls_cert and tls_key"),
        (None, None) if http_listen.is_some() => {
            ("http_listen", "tls_cert and tls_key, since without TLS the address of listen is for plain HTTP")
        }
        (None, None) => return Ok(None),
    };
    Err(ConfigError::Requires { setting, required })
}
