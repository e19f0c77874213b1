//! The HTTP client for Keystone.

use std::{sync::Arc, time::Duration};

use rustls::{crypto::ring, pki_types::CertificateDer};
use tokio::time::Instant;
use ureq::{
    Agent,
    http::Request,
    tls::{Certificate, RootCerts, TlsConfig, TlsProvider},
};

/// How long Keystone may take for an answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Maximum size of an answer: a token with a large catalog is some hundred kilobytes.
const LARGEST: u64 = 4 * 1024 * 1024;

/// An answer of Keystone.
pub(super) struct Reply {
    pub(super) status: u16,
    /// The header `X-Subject-Token`.
    pub(super) token: Option<String>,
    pub(super) body: String,
}

/// Creates a client. Over HTTPS it trusts these CAs, or those that the system trusts if none are given.
pub(super) fn agent(is_https: bool, authorities: Option<&[CertificateDer<'static>]>) -> Agent {
    let mut config =
        Agent::config_builder().http_status_as_error(false).max_redirects(0).max_redirects_will_error(false);
    if is_https {
        let system = || rustls_native_certs::load_native_certs().certs;
        let authorities = authorities.map_or_else(system, <[_]>::to_vec);
        let roots: Vec<_> = authorities.iter().map(|root| Certificate::from_der(root).to_owned()).collect();
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .root_certs(RootCerts::Specific(Arc::new(roots)))
            .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()));
        config = config.tls_config(tls.build());
    }
    config.build().new_agent()
}

/// Sends a request and reads the answer, on a thread for work that blocks. What cannot be sent before the deadline is not sent
/// at all; without one, Keystone has the whole of its time.
pub(super) async fn send(agent: &Agent, request: Request<Vec<u8>>, deadline: Option<Instant>) -> Result<Reply, String> {
    let agent = agent.clone();
    let sent = tokio::task::spawn_blocking(move || {
        // the time begins here: there may have been no free thread for a while
        let remaining = deadline.map_or(TIMEOUT, |deadline| deadline.saturating_duration_since(Instant::now()));
        if remaining.is_zero() {
            return Err("Keystone took too long for other requests".to_owned());
        }
        let request = agent.configure_request(request).timeout_global(Some(TIMEOUT.min(remaining))).build();
        let mut answer = agent.run(request).map_err(|error| error.to_string())?;
        let token = answer.headers().get("x-subject-token").and_then(|token| token.to_str().ok());
        let (status, token) = (answer.status().as_u16(), token.map(ToOwned::to_owned));
        let body = answer.body_mut().with_config().limit(LARGEST).read_to_string();
        Ok(Reply { status, token, body: body.map_err(|error| error.to_string())? })
    });
    sent.await.map_err(|error| error.to_string())?
}
