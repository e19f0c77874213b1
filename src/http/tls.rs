//! TLS: from files to the configuration of the server, at the start and again while it runs.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, InconsistentKeys, RootCertStore, ServerConfig,
    SignatureScheme,
    client::{danger::HandshakeSignatureValid, verify_server_cert_signed_by_trust_anchor},
    crypto::{CryptoProvider, ring},
    pki_types::{
        CertificateDer, PrivateKeyDer, UnixTime,
        pem::{Error as PemFault, PemObject},
    },
    server::{
        ClientHello, NoServerSessionStorage, ParsedCertificate, ResolvesServerCert, ServerSessionMemoryCache,
        StoresServerSessions, WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    sign::CertifiedKey,
};
use time::OffsetDateTime;

use crate::pem::{self, PemError};

const CERT: &str = "tls_cert";
const KEY: &str = "tls_key";
const CLIENT_CA: &str = "tls_client_ca";

const UNSUPPORTED_KEY: &str = "must be a key for RSA of 2048 to 4096 bits, ECDSA (P-256, P-384) or Ed25519";

/// Number of sessions that are kept for clients to resume; one is a few hundred bytes.
const MAX_SESSIONS: usize = 1024;

/// The files of TLS, in PEM.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// Certificate of the server, followed by those of the CAs between it and the root.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// CAs of the certificates that clients must present; without it they need none.
    pub client_ca: Option<PathBuf>,
}

/// Why TLS cannot be set up from the files. No message has anything of the key in it.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is of no use.
    #[error(transparent)]
    File(#[from] PemError),
    /// Certificate and key are of different pairs.
    #[error("{KEY}: the key in {} does not match the first certificate in {}", key.display(), cert.display())]
    Mismatch {
        /// The file with the certificate.
        cert: PathBuf,
        /// The file with the key.
        key: PathBuf,
    },
    /// rustls rejects the configuration.
    #[error("cannot set up TLS: {0}")]
    Setup(Error),
}

/// TLS of a server.
#[derive(Debug)]
pub struct Tls {
    files: TlsFiles,
    current: Arc<Current>,
    config: ServerConfig,
}

impl Tls {
    /// Reads the files. Certificates that have expired are only logged.
    pub fn read(files: TlsFiles) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let current = Arc::new(Current(RwLock::new(Arc::new(Material::read(&files, &provider)?))));
        // actix-web adds the only protocol that it speaks here, http/1.1
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Setup)?
            .with_client_cert_verifier(Arc::<Current>::clone(&current))
            .with_cert_resolver(Arc::<Current>::clone(&current));
        config.session_storage = Arc::<Current>::clone(&current);
        Ok(Self { files, current, config })
    }

    /// Reads the files again, for handshakes from here on. After an error, what was read before remains in use.
    ///
    /// A pipe, as of `<(...)` in a shell, can be read at the start only: to wait for somebody who writes into it again would
    /// keep the server from stopping.
    pub fn reload(&self) -> Result<(), TlsError> {
        let TlsFiles { cert, key, client_ca } = &self.files;
        let files = [(CERT, Some(cert)), (KEY, Some(key)), (CLIENT_CA, client_ca.as_ref())];
        for (setting, path) in files.into_iter().filter_map(|(setting, path)| Some((setting, path?))) {
            pem::check_regular(setting, path)?;
        }
        let material = Arc::new(Material::read(&self.files, self.config.crypto_provider())?);
        *self.current.0.write().unwrap_or_else(PoisonError::into_inner) = material;
        Ok(())
    }

    /// The configuration for accepting connections.
    pub(super) fn config(&self) -> ServerConfig {
        self.config.clone()
    }
}

/// What handshakes use, from files that belong together.
struct Material {
    key: Arc<CertifiedKey>,
    clients: Arc<dyn ClientCertVerifier>,
    /// Sessions that clients may resume, which shows them the certificate of then.
    sessions: Arc<dyn StoresServerSessions>,
}

impl Material {
    fn read(files: &TlsFiles, provider: &Arc<CryptoProvider>) -> Result<Self, TlsError> {
        let chain = pem::certificates(CERT, &files.cert)?;
        for (number, certificate) in (1..).zip(&chain) {
            ParsedCertificate::try_from(certificate)
                .map_err(|error| PemError::certificate(CERT, &files.cert, number, &error))?;
        }
        let key = CertifiedKey::from_der(chain, private_key(&files.key)?, provider).map_err(|error| match error {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                TlsError::Mismatch { cert: files.cert.clone(), key: files.key.clone() }
            }
            _ => PemError::content(KEY, &files.key, UNSUPPORTED_KEY).into(),
        })?;
        let (clients, sessions): (_, Arc<dyn StoresServerSessions>) = match &files.client_ca {
            // the certificate of a client that resumes a session would not be verified again
            Some(path) => (client_verifier(path, provider)?, Arc::new(NoServerSessionStorage {})),
            None => (WebPkiClientVerifier::no_client_auth(), ServerSessionMemoryCache::new(MAX_SESSIONS)),
        };
        warn_of_expired(&files.cert, &key.cert, provider);
        Ok(Self { key: Arc::new(key), clients, sessions })
    }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, PemError> {
    PrivateKeyDer::from_pem_slice(&pem::read(KEY, path)?).map_err(|error| match error {
        PemFault::NoItemsFound => {
            let reason = "contains no private key in PEM that is not encrypted (PKCS#8, PKCS#1 or SEC1)";
            PemError::content(KEY, path, reason)
        }
        error => PemError::content(KEY, path, pem::reason(&error)),
    })
}

/// Verifies that one of the CAs in a file has signed a client's certificate.
fn client_verifier(path: &Path, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ClientCertVerifier>, PemError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(pem::authorities(CLIENT_CA, path)?);
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|error| PemError::content(CLIENT_CA, path, error.to_string()))
}

/// Logs which certificates of a chain are not valid now. Clients refuse them, but the server can still be reached to see why.
fn warn_of_expired(path: &Path, chain: &[CertificateDer<'_>], provider: &CryptoProvider) {
    let date = |time: UnixTime| {
        let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        OffsetDateTime::from_unix_timestamp(seconds).map_or_else(|_| "?".to_owned(), |time| time.date().to_string())
    };
    for (number, certificate) in (1..).zip(chain) {
        let Ok(certificate) = ParsedCertificate::try_from(certificate) else { continue };
        // rustls shows the dates of a certificate in errors only. It looks at them before it looks for a root, of which
        // there is none here
        let verified = verify_server_cert_signed_by_trust_anchor(
            &certificate,
            &RootCertStore::empty(),
            &[],
            UnixTime::now(),
            provider.signature_verification_algorithms.all,
        );
        let problem = match verified {
            Err(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
                format!("expired on {}", date(not_after))
            }
            Err(Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. })) => {
                format!("is not valid before {}", date(not_before))
            }
            _ => continue,
        };
        tracing::warn!("{CERT}: {}: certificate {number} {problem}", path.display());
    }
}

/// What handshakes use now. rustls asks it in each of them.
struct Current(RwLock<Arc<Material>>);

impl Current {
    fn material(&self) -> Arc<Material> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Current {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Current").finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.material().key))
    }
}

impl StoresServerSessions for Current {
    fn put(&self, id: Vec<u8>, session: Vec<u8>) -> bool {
        self.material().sessions.put(id, session)
    }

    fn get(&self, id: &[u8]) -> Option<Vec<u8>> {
        self.material().sessions.get(id)
    }

    fn take(&self, id: &[u8]) -> Option<Vec<u8>> {
        self.material().sessions.take(id)
    }

    fn can_cache(&self) -> bool {
        self.material().sessions.can_cache()
    }
}

impl ClientCertVerifier for Current {
    fn offer_client_auth(&self) -> bool {
        self.material().clients.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.material().clients.client_auth_mandatory()
    }

    /// None: they cannot be borrowed from what may be replaced meanwhile. Clients then present the certificate they have.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.material().clients.verify_client_cert(certificate, intermediates, now);
        if let Err(error) = &verified {
            tracing::debug!("refused the certificate of a client: {error}");
        }
        verified
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.material().clients.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.material().clients.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.material().clients.supported_verify_schemes()
    }
}
