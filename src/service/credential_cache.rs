//! A cache of credentials: with it, a request is authenticated without a look-up.

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::clock::now;
use crate::{
    auth::{Authenticated, CredentialRef, IssuedRef, Secret, random::hash_of},
    domain::{
        Rights,
        credential::{Credential, CredentialKind},
    },
};

/// How long a credential is used without another look-up. Where several tagd serve one database, a credential that one of
/// them revokes is accepted by the others for this long.
const CREDENTIAL_CACHE_TIME: Duration = Duration::from_secs(5);

/// Maximum number of cached credentials; some hundred bytes each.
const CAPACITY: usize = 10_000;

/// A use of a credential is noted at most once in this time, in seconds.
const NOTED_EVERY: i64 = 60;

/// What a request is checked against.
#[derive(Debug)]
pub(super) struct KnownCredential {
    /// Kind.
    pub(super) kind: CredentialKind,
    /// What it shows of a request.
    pub(super) shows: Authenticated,
    /// The secret of a key; of a token its hash.
    pub(super) secret: Secret,
    /// Hash of the security token of a temporary key.
    pub(super) security_token: Option<Vec<u8>>,
    /// When it ends, in seconds since 1970.
    pub(super) expires_at: Option<i64>,
    last_noted: AtomicI64,
}

impl KnownCredential {
    /// A credential of the database.
    pub(super) fn issued(credential: Credential, secret: Secret, security_token: Option<Vec<u8>>) -> Self {
        let Credential { id, kind, name, rights, expires_at, last_used_at, .. } = credential;
        let issued = IssuedRef { id, kind, secret_hash: hash_of(secret.expose()) };
        Self {
            kind,
            shows: Authenticated {
                name: name.into(),
                rights: rights.into(),
                credential: CredentialRef::Issued(issued.into()),
            },
            secret,
            security_token,
            expires_at,
            last_noted: AtomicI64::new(last_used_at.unwrap_or_default()),
        }
    }

    /// A key of the settings, which lasts as long as the program runs.
    pub(super) fn configured(access_key: &str, name: &str, rights: &Rights, secret: Secret) -> Self {
        let credential = CredentialRef::Configured(access_key.into());
        Self {
            kind: CredentialKind::Key,
            shows: Authenticated { name: name.into(), rights: rights.clone().into(), credential },
            secret,
            security_token: None,
            expires_at: None,
            last_noted: AtomicI64::default(),
        }
    }

    /// Whether it has ended.
    pub(super) fn has_expired(&self) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= now())
    }

    /// Whether it still has the secret with which a request was authenticated.
    pub(super) fn is_same(&self, other: &IssuedRef) -> bool {
        matches!(&self.shows.credential, CredentialRef::Issued(own) if own.secret_hash == other.secret_hash)
    }

    /// Whether this use of it is to be noted.
    pub(super) fn is_to_note(&self, now: i64) -> bool {
        let last = self.last_noted.load(Ordering::Relaxed);
        now - last >= NOTED_EVERY
            && self.last_noted.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

/// Credentials by identifier. Unknown ones are not cached, since they may be created at any time.
#[derive(Debug, Default)]
pub struct CredentialCache {
    credentials: RwLock<HashMap<String, (Arc<KnownCredential>, Instant)>>,
    /// How often the cache was cleared, so that what was read before is not put into it afterwards.
    cleared: AtomicU64,
}

impl CredentialCache {
    pub(super) fn get(&self, id: &str) -> Option<Arc<KnownCredential>> {
        let credentials = self.credentials.read().unwrap_or_else(PoisonError::into_inner);
        let (known, since) = credentials.get(id)?;
        (since.elapsed() < CREDENTIAL_CACHE_TIME).then(|| Arc::clone(known))
    }

    /// To be read before a look-up.
    pub(super) fn generation(&self) -> u64 {
        self.cleared.load(Ordering::Acquire)
    }

    /// Caches what a look-up found that began in this generation. A full cache is cleared, which costs each credential one
    /// look-up.
    pub(super) fn put(&self, id: &str, known: Arc<KnownCredential>, generation: u64) {
        let mut credentials = self.credentials.write().unwrap_or_else(PoisonError::into_inner);
        if generation != self.generation() {
            return;
        }
        if credentials.len() >= CAPACITY {
            credentials.clear();
        }
        credentials.insert(id.to_owned(), (known, Instant::now()));
    }

    /// Forgets all: one was revoked, perhaps with others that were issued for it.
    pub(super) fn clear(&self) {
        let mut credentials = self.credentials.write().unwrap_or_else(PoisonError::into_inner);
        self.cleared.fetch_add(1, Ordering::Release);
        credentials.clear();
    }
}
