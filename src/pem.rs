//! Reads certificates from files in PEM, with errors that name the setting and the file.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rustls::{
    Error, RootCertStore,
    pki_types::{
        CertificateDer,
        pem::{self, PemObject},
    },
};

/// Why a file is of no use. No message has anything of its content in it.
#[derive(Debug, thiserror::Error)]
pub enum PemError {
    /// It cannot be read.
    #[error("{setting}: cannot read {}: {source}", path.display())]
    Read {
        /// The setting that names the file.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its content is of no use.
    #[error("{setting}: {}: {reason}", path.display())]
    Content {
        /// The setting that names the file.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl PemError {
    /// The content of a file is of no use.
    pub(crate) fn content(setting: &'static str, path: &Path, reason: impl Into<String>) -> Self {
        Self::Content { setting, path: path.to_owned(), reason: reason.into() }
    }

    /// A certificate of a file is of no use.
    pub(crate) fn certificate(setting: &'static str, path: &Path, number: usize, error: &Error) -> Self {
        let reason = match error {
            Error::InvalidCertificate(reason) => reason.to_string(),
            other => other.to_string(),
        };
        Self::content(setting, path, format!("certificate {number} is not a valid X.509 v3 certificate: {reason}"))
    }
}

pub(crate) fn read(setting: &'static str, path: &Path) -> Result<Vec<u8>, PemError> {
    fs::read(path).map_err(|source| PemError::Read { setting, path: path.to_owned(), source })
}

/// Refuses what is no regular file, or does not exist: to read it may take for ever.
pub(crate) fn check_regular(setting: &'static str, path: &Path) -> Result<(), PemError> {
    let found = fs::metadata(path).map_err(|source| PemError::Read { setting, path: path.to_owned(), source })?;
    if found.is_file() { Ok(()) } else { Err(PemError::content(setting, path, "is not a regular file")) }
}

/// What is wrong with PEM, without the errors' own words, which quote from it.
pub(crate) fn reason(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::MissingSectionEnd { .. } => "PEM without its END line",
        pem::Error::IllegalSectionStart { .. } => "PEM with an invalid BEGIN line",
        pem::Error::Base64Decode(_) => "PEM with invalid base64",
        _ => "invalid PEM",
    }
}

/// The certificates of a file, at least one.
pub(crate) fn certificates(setting: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let text = read(setting, path)?;
    let certificates = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| PemError::content(setting, path, reason(&error)))?;
    if certificates.is_empty() {
        return Err(PemError::content(setting, path, "contains no certificate in PEM"));
    }
    Ok(certificates)
}

/// The CAs of a file, at least one. Each can be a root.
pub(crate) fn authorities(setting: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let certificates = certificates(setting, path)?;
    for (number, certificate) in (1..).zip(&certificates) {
        let added = RootCertStore::empty().add(certificate.clone());
        added.map_err(|error| PemError::certificate(setting, path, number, &error))?;
    }
    Ok(certificates)
}
