//! What Keystone said of tokens, for a short time and by the hash of each token.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use super::wire::Holder;

/// How long a valid token is used without asking again. A token that is revoked is accepted for this long.
pub(super) const VALID_FOR: Duration = Duration::from_mins(1);

/// How long a token that Keystone refused is refused without asking again.
pub(super) const REFUSED_FOR: Duration = Duration::from_secs(5);

/// Maximum number of entries of each kind.
const CAPACITY: usize = 10_000;

/// What Keystone said of a token.
#[derive(Debug, Clone)]
pub(super) enum Known {
    /// It is valid.
    Valid(Arc<Holder>),
    /// It is not.
    Refused,
}

/// Entries of one kind, each with its end.
type Entries<T> = RwLock<HashMap<Vec<u8>, (T, Instant)>>;

/// The answers of Keystone. Refused tokens are kept apart, so that many of them cannot displace valid ones.
#[derive(Debug, Default)]
pub(super) struct TokenCache {
    valid: Entries<Arc<Holder>>,
    refused: Entries<()>,
}

impl TokenCache {
    /// What is known of a token.
    pub(super) fn get(&self, hash: &[u8]) -> Option<Known> {
        if let Some(holder) = get(&self.valid, hash) {
            return Some(Known::Valid(holder));
        }
        get(&self.refused, hash).map(|()| Known::Refused)
    }

    /// Notes a valid token that ends in `remaining`.
    pub(super) fn put_valid(&self, hash: Vec<u8>, holder: Arc<Holder>, remaining: Duration) {
        put(&self.valid, hash, holder, VALID_FOR.min(remaining));
    }

    /// Notes a token that Keystone refused.
    pub(super) fn put_refused(&self, hash: Vec<u8>) {
        put(&self.refused, hash, (), REFUSED_FOR);
    }
}

fn get<T: Clone>(entries: &Entries<T>, hash: &[u8]) -> Option<T> {
    let entries = entries.read().unwrap_or_else(PoisonError::into_inner);
    let (value, end) = entries.get(hash)?;
    (Instant::now() < *end).then(|| value.clone())
}

/// Adds an entry. If they are too many, those that have ended are removed, or all if there are none.
fn put<T>(entries: &Entries<T>, hash: Vec<u8>, value: T, lifetime: Duration) {
    let mut entries = entries.write().unwrap_or_else(PoisonError::into_inner);
    let now = Instant::now();
    if entries.len() >= CAPACITY {
        entries.retain(|_, (_, end)| now < *end);
    }
    if entries.len() >= CAPACITY {
        entries.clear();
    }
    entries.insert(hash, (value, now + lifetime));
}
