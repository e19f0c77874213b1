//! A cache of credentials: with it, a request is authenticated without a look-up.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::clock::{is_over, now};
use crate::{
    auth::{Authenticated, CredentialRef, IssuedRef, Secret, random::hash_of},
    domain::{
        Rights,
        credential::{Credential, CredentialKind},
    },
    expiring_table::{CAPACITY, Row, Table},
    metrics::Lookups,
};

/// How long a domain or a credential is used without another look-up. What others change is notified; where notifications do
/// not arrive, a project is readable by its old domain and a revoked credential is accepted for this long.
pub const MAX_AGE: Duration = Duration::from_secs(5);

/// How long an address may ask for a key without another look-up. It is no longer than what a look-up finds is remembered.
const ASKED_FOR: Duration = Duration::from_secs(5);

/// How often at most a credential is looked up again because requests do not match what is remembered of it. Without a bound,
/// every wrong signature would be a look-up.
const AGAIN_EVERY: Duration = Duration::from_millis(500);

/// A use of a credential is noted at most once in this time, in seconds.
const NOTED_EVERY: i64 = 60;

/// What a request is checked against.
#[derive(Debug)]
pub(super) struct KnownCredential {
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
        let issued = IssuedRef { id: id.into(), kind, secret_hash: hash_of(secret.expose()) };
        Self {
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
        is_over(NOTED_EVERY, last, now)
            && self.last_noted.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

/// What a look-up found: a credential, or that there is none.
type Found = Option<Arc<KnownCredential>>;

/// What is remembered until a time.
#[derive(Debug)]
struct Until<T>(T, Instant);

impl<T> Row for Until<T> {
    fn ends(&self) -> Instant {
        self.1
    }
}

/// Credentials of a kind by identifier, also those that are unknown: who tries an identifier again must not see by the time
/// that it takes whether it exists.
type Credentials = Table<String, Until<Found>>;

/// Credentials by identifier, for a short time.
#[derive(Debug)]
pub struct CredentialCache {
    keys: Credentials,
    tokens: Credentials,
    /// Which access keys each address has asked for. Only for what an address has asked for itself is there no look-up, whether
    /// others use the key or not.
    asked: Table<(Option<IpAddr>, String), Until<()>>,
    /// Which credentials were looked up again a moment ago.
    again: Table<(bool, String), Until<()>>,
    /// How often something was forgotten, so that what was read before is not put into the cache afterwards.
    forgotten: AtomicU64,
    pub(super) lookups: Lookups,
    max_age: Duration,
}

impl Default for CredentialCache {
    fn default() -> Self {
        Self::new(MAX_AGE)
    }
}

impl CredentialCache {
    /// A cache whose entries are used for this long, at least for the time of an address.
    pub(super) fn new(max_age: Duration) -> Self {
        let new = || Table::new(CAPACITY);
        let (asked, again) = (Table::new(CAPACITY), Table::new(CAPACITY));
        let (forgotten, lookups) = (AtomicU64::default(), Lookups::default());
        Self { keys: new(), tokens: new(), asked, again, forgotten, max_age: max_age.max(ASKED_FOR), lookups }
    }

    fn of(&self, kind: CredentialKind) -> &Credentials {
        match kind {
            CredentialKind::Key => &self.keys,
            CredentialKind::Token => &self.tokens,
        }
    }

    /// What is remembered of an identifier; `None` if nothing is.
    pub(super) fn get(&self, kind: CredentialKind, id: &str) -> Option<Found> {
        let now = Instant::now();
        self.lookups.count(self.of(kind).get(id, |Until(found, end)| (*end > now).then(|| found.clone())).flatten())
    }

    /// How many credentials are cached, with those that are unknown and those whose time is over.
    pub(super) fn len(&self) -> usize {
        self.keys.len() + self.tokens.len()
    }

    /// Whether an address has asked for a key a short time ago.
    pub(super) fn has_asked(&self, asker: &(Option<IpAddr>, String)) -> bool {
        let now = Instant::now();
        self.asked.get(asker, |Until((), end)| *end > now).unwrap_or_default()
    }

    /// Notes that an address has asked for a key, by a look-up that began at `since`. What the look-up found is remembered for
    /// longer than this.
    pub(super) fn note_asked(&self, asker: (Option<IpAddr>, String), since: Instant) {
        self.asked.set_if(asker, Until((), since + ASKED_FOR), || true);
    }

    /// Whether a credential may be looked up again, of which something else is remembered than a request has; and notes that it
    /// is. This depends on nothing but such requests, not on whether there is such a credential.
    pub(super) fn may_ask_again(&self, kind: CredentialKind, id: &str) -> bool {
        let now = Instant::now();
        let mut may = false;
        let ended = || Until((), now);
        self.again.change((kind == CredentialKind::Key, id.to_owned()), ended, |until| {
            may = until.1 <= now;
            if may {
                until.1 = now + AGAIN_EVERY;
            }
        });
        may
    }

    /// To be read before a look-up.
    pub(super) fn generation(&self) -> u64 {
        self.forgotten.load(Ordering::Acquire)
    }

    /// Remembers what a look-up found that began in this generation.
    pub(super) fn put(&self, kind: CredentialKind, id: &str, found: Found, generation: u64) {
        let row = Until(found, Instant::now() + self.max_age);
        self.of(kind).set_if(id.to_owned(), row, || generation == self.generation());
    }

    /// Forgets an identifier: a credential was created with it.
    pub(super) fn forget(&self, kind: CredentialKind, id: &str) {
        self.of(kind).retain(|| self.begin_generation(), |known| known != id);
    }

    /// Forgets all: one was revoked, perhaps with others that were issued for it.
    pub(super) fn clear(&self) {
        for credentials in [&self.keys, &self.tokens] {
            credentials.retain(|| self.begin_generation(), |_| false);
        }
    }

    fn begin_generation(&self) {
        self.forgotten.fetch_add(1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unknown_is_remembered_until_it_is_created() {
        let cache = CredentialCache::default();
        let (key, token) = (CredentialKind::Key, CredentialKind::Token);
        let is_unknown = |id: &str| matches!(cache.get(key, id), Some(None));
        cache.put(key, "a", None, cache.generation());
        cache.put(key, "b", None, cache.generation());
        assert!(is_unknown("a") && is_unknown("b") && !is_unknown("c"));
        assert!(cache.get(token, "a").is_none(), "a token may have the identifier");
        let before = cache.generation();
        cache.forget(key, "a");
        assert!(!is_unknown("a") && is_unknown("b"));
        // a look-up that began before
        cache.put(key, "a", None, before);
        assert!(!is_unknown("a"));
        cache.clear();
        assert!(!is_unknown("b"));
    }

    #[test]
    fn unknown_identifiers_are_bounded() {
        let cache = CredentialCache::default();
        for number in 0..2 * CAPACITY {
            cache.put(CredentialKind::Key, &number.to_string(), None, cache.generation());
        }
        let is_there = |number: &usize| cache.get(CredentialKind::Key, &number.to_string()).is_some();
        assert!((0..2 * CAPACITY).filter(is_there).count() <= CAPACITY);
        assert!(is_there(&(2 * CAPACITY - 1)) && !is_there(&0));
    }

    #[test]
    fn a_credential_is_looked_up_again_once_in_a_while() {
        let cache = CredentialCache::default();
        let (key, token) = (CredentialKind::Key, CredentialKind::Token);
        let asked = [(key, "a"), (key, "a"), (token, "a"), (key, "b"), (key, "a")];
        assert_eq!(asked.map(|(kind, id)| cache.may_ask_again(kind, id)), [true, false, true, true, false]);
    }

    #[test]
    fn each_address_asks_for_each_key() {
        let cache = CredentialCache::default();
        let address = |last: u8| Some(IpAddr::from([192, 0, 2, last]));
        let asker = |last: u8, key: &str| (address(last), key.to_owned());
        cache.note_asked(asker(1, "a"), Instant::now());
        for (asker, has_asked) in
            [(asker(1, "a"), true), (asker(2, "a"), false), (asker(1, "b"), false), ((None, "a".to_owned()), false)]
        {
            assert_eq!(cache.has_asked(&asker), has_asked, "{asker:?}");
        }
        cache.note_asked(asker(1, "a"), Instant::now().checked_sub(ASKED_FOR).unwrap());
        assert!(!cache.has_asked(&asker(1, "a")), "its time is up");
    }
}
