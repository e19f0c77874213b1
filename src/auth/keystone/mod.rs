//! Tokens of a Keystone, which tagd asks what they allow.

mod cache;
mod client;
mod wire;

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustls::pki_types::CertificateDer;
use tokio::sync::{Mutex, Semaphore};
use ureq::{Agent, http::Request};

use super::{Secret, random::hash_of};
use crate::domain::{Outage, RequestError, Rights};
use cache::{Known, TokenCache};
use client::Reply;
pub use wire::{RoleNames, default_roles};

/// Requests to Keystone at the same time.
const CONCURRENCY: usize = 16;

/// How long a request waits until it may be sent.
const QUEUE: Duration = Duration::from_secs(5);

/// Seconds before its end at which the service token is renewed.
const RENEW_BEFORE: i64 = 60;

/// How to reach a Keystone.
#[derive(Debug, Clone)]
pub struct KeystoneSettings {
    /// Its URL, without `/v3`.
    pub url: String,
    /// The CAs that may sign its certificate; those that the system trusts if there are none.
    pub authorities: Option<Vec<CertificateDer<'static>>>,
    /// The user as which tagd asks.
    pub user: String,
    /// Its password.
    pub password: Secret,
    /// Name of the domain of the user and its project.
    pub domain: String,
    /// Name of the project that the user is in; without one, the user needs a role in the system.
    pub project: Option<String>,
    /// The roles of tagd by those of Keystone.
    pub roles: RoleNames,
}

/// A Keystone.
pub struct Keystone {
    settings: KeystoneSettings,
    agent: Agent,
    cache: TokenCache,
    /// tagd's own token, and when it ends.
    service_token: Mutex<Option<(Arc<str>, i64)>>,
    permits: Semaphore,
}

/// Without secrets.
impl fmt::Debug for Keystone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keystone").field("url", &self.settings.url).finish_non_exhaustive()
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// Keystone cannot be asked: nobody knows whether the token is valid.
fn unavailable(reason: impl Into<String>) -> RequestError {
    RequestError::Unavailable { outage: Outage::Keystone, source: reason.into().into() }
}

impl Keystone {
    /// A Keystone that is asked when the first token comes.
    pub fn new(settings: KeystoneSettings) -> Self {
        let is_https = settings.url.starts_with("https:");
        let agent = client::agent(is_https, settings.authorities.as_deref());
        let permits = Semaphore::new(CONCURRENCY);
        Self { settings, agent, cache: TokenCache::default(), service_token: Mutex::default(), permits }
    }

    /// Name and rights of the holder of a token.
    pub async fn holder(&self, token: &[u8]) -> Result<(Arc<str>, Arc<Rights>), RequestError> {
        let hash = hash_of(token);
        let known = match self.cache.get(&hash) {
            Some(known) => known,
            None => self.ask(token, hash).await?,
        };
        match known {
            Known::Valid(holder) if holder.expires_at > now() => match &holder.rights {
                Ok(rights) => Ok((Arc::clone(&holder.name), Arc::clone(rights))),
                Err(reason) => Err(RequestError::Forbidden { reason: (*reason).to_owned() }),
            },
            Known::Valid(_) | Known::Refused => {
                Err(RequestError::unauthenticated("token: is unknown, revoked or expired"))
            }
        }
    }

    /// Asks Keystone.
    async fn ask(&self, token: &[u8], hash: Vec<u8>) -> Result<Known, RequestError> {
        let permit = tokio::time::timeout(QUEUE, self.permits.acquire()).await;
        let _permit =
            permit.ok().and_then(Result::ok).ok_or_else(|| unavailable("16 tokens are being validated already"))?;
        let mut own = self.service_token(None).await?;
        let mut reply = self.validate(&own, token).await?;
        if reply.status == 401 {
            // the service token was revoked, or Keystone has other keys now
            own = self.service_token(Some(own)).await?;
            reply = self.validate(&own, token).await?;
        }
        match reply.status {
            200 => {
                let holder = Arc::new(wire::read(&reply.body, &self.settings.roles).map_err(unavailable)?);
                let remaining = u64::try_from(holder.expires_at - now()).unwrap_or_default();
                self.cache.put_valid(hash, Arc::clone(&holder), Duration::from_secs(remaining));
                Ok(Known::Valid(holder))
            }
            404 => {
                self.cache.put_refused(hash);
                Ok(Known::Refused)
            }
            status => Err(unavailable(format!("Keystone answered {status} when asked about a token"))),
        }
    }

    async fn validate(&self, own: &str, token: &[u8]) -> Result<Reply, RequestError> {
        let request = Request::get(format!("{}/v3/auth/tokens?nocatalog", self.settings.url))
            .header("X-Auth-Token", own)
            .header("X-Subject-Token", token)
            .body(Vec::new());
        // a token that cannot be in a header is none of Keystone's
        let request = request.map_err(|_| RequestError::unauthenticated("token: is unknown, revoked or expired"))?;
        client::send(&self.agent, request).await.map_err(unavailable)
    }

    /// The token as which tagd asks. A new one is requested if it ends, or if it is the one that was `refused`.
    async fn service_token(&self, refused: Option<Arc<str>>) -> Result<Arc<str>, RequestError> {
        let mut kept = self.service_token.lock().await;
        if let Some((token, expires_at)) = &*kept
            && *expires_at > now() + RENEW_BEFORE
            && refused.is_none_or(|refused| refused != *token)
        {
            return Ok(Arc::clone(token));
        }
        *kept = None;
        let KeystoneSettings { url, user, password, domain, project, roles, .. } = &self.settings;
        let password = String::from_utf8_lossy(password.expose());
        let body = wire::login(user, &password, domain, project.as_deref()).to_string();
        let request = Request::post(format!("{url}/v3/auth/tokens?nocatalog"))
            .header("Content-Type", "application/json")
            .body(body.into_bytes());
        let request = request.map_err(|error| unavailable(error.to_string()))?;
        let reply = client::send(&self.agent, request).await.map_err(unavailable)?;
        let (201, Some(token)) = (reply.status, reply.token) else {
            return Err(unavailable(format!("Keystone answered {} to the login of tagd", reply.status)));
        };
        let token: Arc<str> = token.into();
        let expires_at = wire::read(&reply.body, roles).map_err(unavailable)?.expires_at;
        *kept = Some((Arc::clone(&token), expires_at));
        Ok(token)
    }
}
