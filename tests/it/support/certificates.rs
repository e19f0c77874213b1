//! Certificates for the tests of TLS.

use std::{fs, os::unix::fs::PermissionsExt};

use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use super::Program;

/// Who signs certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub certificate: Certificate,
}

/// A certificate with its key.
pub struct Signed {
    pub certificate: Certificate,
    pub key: KeyPair,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    /// A certificate for localhost.
    pub fn sign(&self) -> Signed {
        self.sign_key(KeyPair::generate().unwrap(), |_| ())
    }

    pub fn sign_key(&self, key: KeyPair, adjust: impl FnOnce(&mut CertificateParams)) -> Signed {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        adjust(&mut params);
        Signed { certificate: params.signed_by(&key, &self.issuer).unwrap(), key }
    }
}

impl Signed {
    /// Puts certificate and key into `cert.pem` and `key.pem`.
    pub fn write(&self, program: &Program) {
        program.write("cert.pem", self.certificate.pem());
        program.write("key.pem", self.key.serialize_pem());
        fs::set_permissions(program.dir().join("key.pem"), fs::Permissions::from_mode(0o600)).unwrap();
    }
}
