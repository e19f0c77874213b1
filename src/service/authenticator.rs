//! Looks up the credentials of requests.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Instant,
};

use uuid::Uuid;

use super::{
    CredentialCache,
    clock::{is_over, now},
    credential_cache::KnownCredential,
};
use crate::{
    auth::{
        Authenticated, CredentialRef, IssuedRef, Keystone, MasterKeys, Principal, Secret,
        random::{TOKEN_PREFIX, hash_of, is_hash_of, may_be_secret, token_id},
    },
    domain::{RequestError, Rights, credential::CredentialKind, is_storable},
    store::{Share, Store},
};

/// What is said of a token that does not hold.
pub(super) const TOKEN_ENDED: &str = "token: is unknown, revoked or expired";
/// What is said of a key that no longer holds.
const KEY_ENDED: &str = "Authorization: the access key was revoked, has expired or has another secret";

/// Which credentials requests must have.
#[derive(Debug, Clone, Default)]
pub struct AuthSettings {
    /// Whether requests may be signed with a key.
    pub keys: bool,
    /// Whether requests may send a token.
    pub tokens: bool,
    /// Keys from the settings, in addition to those in the database.
    pub configured: Vec<ConfiguredKey>,
    /// The Keystone whose tokens are accepted.
    pub keystone: Option<Arc<Keystone>>,
    /// Opens the secrets of the keys in the database.
    pub master: Option<Arc<MasterKeys>>,
}

impl AuthSettings {
    /// Whether requests need credentials at all.
    pub fn is_on(&self) -> bool {
        self.keys || self.accept_tokens()
    }

    /// Whether requests may send a token, of whichever kind.
    pub fn accept_tokens(&self) -> bool {
        self.tokens || self.keystone.is_some()
    }

    /// Whether the identity API is served.
    pub fn serves_identity(&self) -> bool {
        self.keys || self.tokens
    }
}

/// A key from the settings.
#[derive(Debug, Clone)]
pub struct ConfiguredKey {
    /// Access key.
    pub access_key: String,
    /// Its secret.
    pub secret: Secret,
    /// Name, as the log shows it.
    pub name: String,
    /// What it allows.
    pub rights: Rights,
}

/// Finds out whose credentials a request has. Clones share what is remembered.
#[derive(Debug, Clone)]
pub struct Authenticator {
    settings: Arc<AuthSettings>,
    configured: Arc<HashMap<String, Arc<KnownCredential>>>,
    store: Store,
    cache: Arc<CredentialCache>,
    stand_in: Secret,
    /// A secret that no key has, sealed.
    sealed_stand_in: Option<Arc<[u8]>>,
}

/// A key that a request is signed with, whose signature is still to be verified.
#[derive(Debug)]
pub struct KnownKey {
    id: String,
    known: Arc<KnownCredential>,
}

/// What is known of the key with which a request claims to be signed.
#[derive(Debug)]
pub struct FoundKey {
    /// The key; `None` if it is unknown.
    pub key: Option<KnownKey>,
    /// Whether it was remembered: it may have another secret by now.
    is_remembered: bool,
}

impl Authenticator {
    /// An authenticator for requests that `store` serves.
    pub fn new(settings: Arc<AuthSettings>, store: Store, cache: Arc<CredentialCache>) -> Self {
        let configured = settings.configured.iter().map(|key| {
            let known = KnownCredential::configured(&key.access_key, &key.name, &key.rights, key.secret.clone());
            (key.access_key.clone(), Arc::new(known))
        });
        let stand_in = Secret::new(*Uuid::new_v4().as_bytes());
        let seal = |master: &Arc<MasterKeys>| master.seal("", &stand_in).ok().map(Arc::from);
        let sealed_stand_in = settings.master.as_ref().and_then(seal);
        Self { configured: Arc::new(configured.collect()), settings, store, cache, stand_in, sealed_stand_in }
    }

    /// Which credentials requests must have.
    pub fn settings(&self) -> &AuthSettings {
        &self.settings
    }

    /// The key with which a request claims to be signed.
    ///
    /// The number of look-ups must not show whether there is such a key. So each address causes one for each access key, also
    /// for one that is remembered because others use it, for one that is unknown, and for one of the settings.
    pub async fn key(&self, access_key: &str, client: Option<IpAddr>) -> Result<FoundKey, RequestError> {
        if !self.settings.keys {
            return Err(RequestError::unauthenticated("Authorization: signed requests are not accepted here"));
        }
        let asker = (client, access_key.to_owned());
        let (stored, is_remembered) = if self.cache.has_asked(&asker) {
            self.find(access_key, CredentialKind::Key).await?
        } else {
            let since = Instant::now();
            let found = self.look_up(access_key, CredentialKind::Key).await?;
            self.cache.note_asked(asker, since);
            (found, false)
        };
        let key = self.known_key(access_key, stored);
        if key.is_none() && !may_be_secret(access_key) {
            tracing::debug!(access_key, "unknown access key");
        }
        Ok(FoundKey { key, is_remembered })
    }

    /// The key as it is now, after a signature that does not match what was remembered of it; `None` if it was looked up before.
    /// A key may have been created or given another secret elsewhere.
    ///
    /// There is another look-up and another comparison whether there is such a key or not, and also for one of the settings.
    pub async fn key_again(&self, access_key: &str, before: &FoundKey) -> Result<Option<FoundKey>, RequestError> {
        if !before.is_remembered {
            return Ok(None);
        }
        let stored = self.find_again(access_key, CredentialKind::Key).await?;
        Ok(Some(FoundKey { key: self.known_key(access_key, stored), is_remembered: false }))
    }

    fn known_key(&self, access_key: &str, stored: Option<Arc<KnownCredential>>) -> Option<KnownKey> {
        let known = self.configured.get(access_key).map(Arc::clone).or(stored);
        known.map(|known| KnownKey { id: access_key.to_owned(), known })
    }

    /// A random secret in place of that of an unknown key. With one that could be guessed, a request could be signed so that
    /// it is refused in another way than with a key that exists.
    pub fn stand_in(&self) -> &Secret {
        &self.stand_in
    }

    /// The key whose secret was sent as a password. An unknown key and a wrong secret are refused alike.
    pub(super) async fn log_in(&self, access_key: &str, secret: &Secret) -> Result<KnownKey, RequestError> {
        if !self.settings.keys {
            return Err(RequestError::unauthenticated("password: access keys are not accepted here"));
        }
        let refused = || RequestError::unauthenticated("user: unknown access key, or the password is not its secret");
        // not from the cache: the token of a secret that was replaced would outlive it. One look-up and the same work, whether
        // there is such a key or not, and also for one of the settings
        let stored = self.look_up(access_key, CredentialKind::Key).await?;
        let key = self.known_key(access_key, stored);
        let expected = key.as_ref().map_or(&self.stand_in, KnownKey::secret);
        // hashes are compared, in a time that does not depend on the secret
        let is_right = is_hash_of(secret.expose(), &hash_of(expected.expose()));
        let key = key.filter(|_| is_right).ok_or_else(refused)?;
        if key.known.security_token.is_some() {
            return Err(RequestError::unauthenticated("user: a temporary access key can only sign requests"));
        }
        self.confirm(&key, None)?;
        Ok(key)
    }

    /// Whether the database still has a credential with the secret that a request was authenticated with.
    pub(super) async fn is_current(&self, issued: &IssuedRef) -> Result<bool, RequestError> {
        let known = self.look_up(&issued.id, issued.kind).await?;
        Ok(known.is_some_and(|known| known.is_same(issued) && !known.has_expired()))
    }

    /// What a token shows; `None` if the text is no token of tagd and there is no Keystone that may know it.
    pub async fn token(&self, token: &[u8]) -> Result<Option<Authenticated>, RequestError> {
        // if tokens of tagd are not accepted here, they may be those of another tagd, which is the Keystone
        if let Some(keystone) = &self.settings.keystone
            && !token.is_empty()
            && !(self.settings.tokens && token.starts_with(TOKEN_PREFIX.as_bytes()))
        {
            let (name, rights) = keystone.holder(token).await?;
            let credential = CredentialRef::Keystone(Arc::new(Secret::new(token)));
            return Ok(Some(Authenticated { name, rights, credential }));
        }
        if !self.settings.tokens {
            return Ok(None);
        }
        let Some(id) = str::from_utf8(token).ok().and_then(token_id) else { return Ok(None) };
        let holds = |known: &Arc<KnownCredential>| is_hash_of(token, known.secret.expose()) && !known.has_expired();
        let (mut known, is_remembered) = self.find(id, CredentialKind::Token).await?;
        if is_remembered && !known.as_ref().is_some_and(holds) {
            known = self.find_again(id, CredentialKind::Token).await?;
        }
        let known = known.filter(holds).ok_or_else(|| RequestError::unauthenticated(TOKEN_ENDED))?;
        self.note(id, &known);
        Ok(Some(known.shows.clone()))
    }

    /// What a key shows, after its signature was verified; `security_token` is what the request sent as such.
    pub fn confirm(&self, key: &KnownKey, security_token: Option<&[u8]>) -> Result<Authenticated, RequestError> {
        let KnownKey { id, known } = key;
        if known.has_expired() {
            return Err(RequestError::unauthenticated("Authorization: the access key has expired"));
        }
        if let Some(wanted) = &known.security_token
            && !is_hash_of(security_token.unwrap_or_default(), wanted)
        {
            let reason = "X-Security-Token: must be the security token of the temporary access key";
            return Err(RequestError::unauthenticated(reason));
        }
        self.note(id, known);
        Ok(known.shows.clone())
    }

    /// Looks up again the credential of a request that is running: it may have been revoked or have expired, or allow less than
    /// when the request began. The error is the one that a new request gets.
    pub(super) async fn check_again(&self, principal: &Principal) -> Result<(), RequestError> {
        let rights = match &principal.credential {
            CredentialRef::None | CredentialRef::Configured(_) => return Ok(()),
            CredentialRef::Issued(issued) => {
                let holds = |known: &Arc<KnownCredential>| known.is_same(issued) && !known.has_expired();
                let (mut known, is_remembered) = self.find(&issued.id, issued.kind).await?;
                if is_remembered && !known.as_ref().is_some_and(holds) {
                    known = self.find_again(&issued.id, issued.kind).await?;
                }
                let known = known.filter(holds);
                let ended = || match issued.kind {
                    CredentialKind::Token => RequestError::unauthenticated(TOKEN_ENDED),
                    CredentialKind::Key => RequestError::unauthenticated(KEY_ENDED),
                };
                Arc::clone(&known.ok_or_else(ended)?.shows.rights)
            }
            CredentialRef::Keystone(token) => {
                let keystone = self.settings.keystone.as_ref();
                let keystone =
                    keystone.ok_or_else(|| RequestError::internal("a token of a Keystone, and there is none"))?;
                keystone.holder(token.expose()).await?.1
            }
        };
        if rights.include(&principal.rights) {
            Ok(())
        } else {
            Err(RequestError::Forbidden {
                reason: "role: the credentials allow less than when the request began".to_owned(),
            })
        }
    }

    /// A credential, and whether it was remembered.
    async fn find(&self, id: &str, kind: CredentialKind) -> Result<(Option<Arc<KnownCredential>>, bool), RequestError> {
        match self.cache.get(kind, id) {
            Some(found) => Ok((found, true)),
            None => Ok((self.look_up(id, kind).await?, false)),
        }
    }

    /// A credential after what was remembered of it was not what a request has: as the database has it now, or had it a moment
    /// ago, when another request was not what it was remembered to be.
    async fn find_again(&self, id: &str, kind: CredentialKind) -> Result<Option<Arc<KnownCredential>>, RequestError> {
        if self.cache.may_ask_again(kind, id) { self.look_up(id, kind).await } else { Ok(self.find(id, kind).await?.0) }
    }

    /// A credential as the database has it now.
    async fn look_up(&self, id: &str, kind: CredentialKind) -> Result<Option<Arc<KnownCredential>>, RequestError> {
        if !is_storable(id) {
            return Ok(None);
        }
        let generation = self.cache.generation();
        let found = self.store.sharing(Share::of(id)).find_credential(id).await?;
        let known = found.filter(|(credential, _)| credential.kind == kind).and_then(|(credential, stored)| {
            let secret = match kind {
                CredentialKind::Token => Secret::new(stored.secret),
                CredentialKind::Key => self.open(id, &stored.secret)?,
            };
            Some(Arc::new(KnownCredential::issued(credential, secret, stored.security_token)))
        });
        if known.is_none() && kind == CredentialKind::Key {
            // as much work as for a key that exists
            let master = self.settings.master.as_ref();
            let _ = master.zip(self.sealed_stand_in.as_ref()).map(|(master, sealed)| master.open(id, sealed));
        }
        self.cache.put(kind, id, known.clone(), generation);
        Ok(known)
    }

    /// The secret of a key. Without it, the key is unknown to the client: nothing that it could prove would help.
    fn open(&self, id: &str, sealed: &[u8]) -> Option<Secret> {
        let opened = self.settings.master.as_ref().and_then(|master| master.open(id, sealed));
        if opened.is_none() {
            report_lost(id);
        }
        opened
    }

    /// Notes that a credential was used; the request does not wait for it.
    fn note(&self, id: &str, known: &Arc<KnownCredential>) {
        let now = now();
        if self.configured.contains_key(id) || !known.is_to_note(now) {
            return;
        }
        let (store, id) = (self.store.clone(), id.to_owned());
        tokio::spawn(async move {
            if let Err(error) = store.touch_credentials(&[id], &[now]).await {
                tracing::debug!(%error, "the use of a credential was not noted");
            }
        });
    }
}

/// Logs that the secret of a key cannot be opened, at most once a minute, since anyone can cause it who knows an access key.
fn report_lost(access_key: &str) {
    static LAST: AtomicI64 = AtomicI64::new(0);
    let (now, last) = (now(), LAST.load(Ordering::Relaxed));
    if is_over(60, last, now) && LAST.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
        tracing::error!(
            access_key,
            "the secret of an access key is sealed with a master key that this tagd does not have"
        );
    }
}

impl KnownKey {
    /// What it shows.
    pub(super) fn shows(&self) -> &Authenticated {
        &self.known.shows
    }

    /// When it ends, in seconds since 1970.
    pub(super) fn expires_at(&self) -> Option<i64> {
        self.known.expires_at
    }

    /// The secret, to verify the signature.
    pub fn secret(&self) -> &Secret {
        &self.known.secret
    }
}
