//! The HTTP client of what tagd asks and tells others: a Keystone, and a collector of traces.

use std::sync::Arc;

use rustls::{crypto::ring, pki_types::CertificateDer};
use ureq::{
    Agent,
    tls::{Certificate, RootCerts, TlsConfig, TlsProvider},
};

/// Creates a client, which follows no redirects. Over HTTPS it trusts these CAs, or those that the system trusts if none are given.
pub fn agent(is_https: bool, authorities: Option<&[CertificateDer<'static>]>) -> Agent {
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
