//! Tokens of a Keystone, which tagd asks what they allow.

mod cache;
mod client;
mod wire;

use std::{
    fmt,
    sync::{Arc, Mutex as StdMutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustls::pki_types::CertificateDer;
use tokio::{
    sync::{Mutex, Semaphore},
    time::{Instant, timeout, timeout_at},
};
use tracing::Instrument;
use ureq::{
    Agent,
    http::{Request, request::Builder},
};

use super::{Secret, random::hash_of};
use crate::{
    domain::{Outage, RequestError, Rights},
    http_client,
    metrics::traceparent,
};
use cache::{Known, TokenCache};
use client::Reply;
pub use wire::{RoleNames, default_roles};

/// Requests to Keystone at the same time.
const CONCURRENCY: usize = 16;

/// How long a request waits until it may be sent.
const QUEUE: Duration = Duration::from_secs(5);

/// How long a request waits in all, also for the login of tagd.
const LONGEST: Duration = Duration::from_secs(10);

/// Maximum length of a token. Those of Keystone have some 250 bytes, and had up to 8 KB with the provider PKI.
const TOKEN_LENGTH: usize = 8192;

/// Seconds before its end at which the service token is renewed.
const RENEW_BEFORE: i64 = 60;

/// Seconds for which the service token is not renewed after Keystone refused a new one too.
const RENEW_AGAIN: Duration = Duration::from_secs(5);

/// How long tagd does not log in again after that failed, so that a Keystone that locks users out does not lock this one.
const LOGIN_AGAIN: Duration = Duration::from_secs(5);

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
    login: Mutex<Login>,
    /// When Keystone last refused a service token that was new.
    refused_new_at: StdMutex<Option<Instant>>,
    permits: Arc<Semaphore>,
}

/// The login of tagd.
#[derive(Default)]
struct Login {
    /// tagd's own token, and when it ends.
    token: Option<(Arc<str>, i64)>,
    /// When it last failed.
    failed_at: Option<Instant>,
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

/// A request that is part of the trace of who caused it, if there is one.
fn traced(traceparent: Option<&str>, request: Builder) -> Builder {
    match traceparent {
        Some(traceparent) => request.header("traceparent", traceparent),
        None => request,
    }
}

impl Keystone {
    /// A Keystone that is asked when the first token comes.
    pub fn new(settings: KeystoneSettings) -> Self {
        let is_https = settings.url.starts_with("https:");
        let agent = http_client::agent(is_https, settings.authorities.as_deref());
        let permits = Arc::new(Semaphore::new(CONCURRENCY));
        let (cache, login, refused_new_at) = (TokenCache::default(), Mutex::default(), StdMutex::default());
        Self { settings, agent, cache, login, refused_new_at, permits }
    }

    /// Name and rights of the holder of a token.
    pub async fn holder(self: &Arc<Self>, token: &[u8]) -> Result<(Arc<str>, Arc<Rights>), RequestError> {
        if token.len() > TOKEN_LENGTH {
            let reason = format!("token: must be at most {TOKEN_LENGTH} bytes, got {}", token.len());
            return Err(RequestError::unauthenticated(reason));
        }
        let hash = hash_of(token);
        let known = match self.cache.get(&hash) {
            Some(known) => known,
            None => self.ask_for(token, hash).await?,
        };
        match known {
            Known::Valid(holder) if holder.expires_at > now() => {
                holder.shows.clone().map_err(|reason| RequestError::Forbidden { reason })
            }
            Known::Valid(_) | Known::Refused => {
                Err(RequestError::unauthenticated("token: is unknown, revoked or expired"))
            }
        }
    }

    /// Asks Keystone for a request, which may be given up at any time. What was begun goes on to its end, and has its permit
    /// until then: who gives up many requests must neither cause more of them at the same time, nor hide that a login failed.
    async fn ask_for(self: &Arc<Self>, token: &[u8], hash: Vec<u8>) -> Result<Known, RequestError> {
        let deadline = Instant::now() + LONGEST;
        let permit = timeout(QUEUE, Arc::clone(&self.permits).acquire_owned()).await;
        let permit =
            permit.ok().and_then(Result::ok).ok_or_else(|| unavailable("16 tokens are being validated already"))?;
        let (keystone, token) = (Arc::clone(self), Secret::new(token));
        // what is spawned is no part of the request any more
        let traceparent = traceparent();
        let asking = async move {
            let _permit = permit;
            keystone.ask(token.expose(), hash, deadline, traceparent.as_deref()).await
        };
        let asked = timeout_at(deadline, tokio::spawn(asking.in_current_span())).await;
        let asked = asked.map_err(|_| unavailable("Keystone takes too long"))?;
        asked.map_err(|error| unavailable(error.to_string()))?
    }

    async fn ask(
        &self,
        token: &[u8],
        hash: Vec<u8>,
        deadline: Instant,
        traceparent: Option<&str>,
    ) -> Result<Known, RequestError> {
        let mut own = self.service_token(None, deadline, traceparent).await?;
        let mut reply = self.validate(&own, token, deadline, traceparent).await?;
        if reply.status == 401 && !self.was_refused_just_now() {
            // the service token was revoked, or Keystone has other keys now
            own = self.service_token(Some(own), deadline, traceparent).await?;
            reply = self.validate(&own, token, deadline, traceparent).await?;
            if reply.status == 401 {
                *self.refused_new_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
            }
        }
        match reply.status {
            200 => {
                let holder = Arc::new(wire::read(&reply.body, &self.settings.roles).map_err(unavailable)?);
                if let Err(reason) = &holder.shows {
                    tracing::info!(reason, "a token of Keystone allows nothing");
                }
                let remaining = u64::try_from(holder.expires_at - now()).unwrap_or_default();
                self.cache.put_valid(hash, Arc::clone(&holder), Duration::from_secs(remaining));
                Ok(Known::Valid(holder))
            }
            // unknown, or nothing that Keystone or a proxy before it takes for a token
            404 | 400 | 413 | 414 | 431 => {
                self.cache.put_refused(hash);
                Ok(Known::Refused)
            }
            status => Err(unavailable(format!("Keystone answered {status} when asked about a token"))),
        }
    }

    /// Whether Keystone has refused a new token of tagd a short time ago.
    fn was_refused_just_now(&self) -> bool {
        let refused_at = *self.refused_new_at.lock().unwrap_or_else(PoisonError::into_inner);
        refused_at.is_some_and(|at| at.elapsed() < RENEW_AGAIN)
    }

    async fn validate(
        &self,
        own: &str,
        token: &[u8],
        deadline: Instant,
        traceparent: Option<&str>,
    ) -> Result<Reply, RequestError> {
        let request = traced(traceparent, Request::get(format!("{}/v3/auth/tokens?nocatalog", self.settings.url)))
            .header("X-Auth-Token", own)
            .header("X-Subject-Token", token)
            .body(Vec::new());
        // a token that cannot be in a header is none of Keystone's
        let request = request.map_err(|_| RequestError::unauthenticated("token: is unknown, revoked or expired"))?;
        client::send(&self.agent, request, Some(deadline)).await.map_err(unavailable)
    }

    /// The token as which tagd asks. A new one is requested if it ends soon, or if it is the one that was `refused`. Until there
    /// is a new one, the old one is used for as long as it lasts.
    async fn service_token(
        &self,
        refused: Option<Arc<str>>,
        deadline: Instant,
        traceparent: Option<&str>,
    ) -> Result<Arc<str>, RequestError> {
        let begun_at = Instant::now();
        let login = timeout_at(deadline, self.login.lock()).await;
        let mut login = login.map_err(|_| unavailable("the login of tagd takes too long"))?;
        let old = login.token.clone().filter(|(token, expires_at)| {
            *expires_at > now() && refused.as_ref().is_none_or(|refused| refused != token)
        });
        if let Some((token, expires_at)) = &old
            && *expires_at > now() + RENEW_BEFORE
        {
            return Ok(Arc::clone(token));
        }
        let old = old.map(|(token, _)| token);
        // one failure is that of all who waited: if each tried again, the last would wait for as long as all of them
        if login.failed_at.is_some_and(|failed_at| failed_at >= begun_at || failed_at.elapsed() < LOGIN_AGAIN) {
            return old.ok_or_else(|| unavailable("the login of tagd failed a short time ago"));
        }
        match self.log_in(traceparent).await {
            Ok((token, expires_at)) => {
                login.token = Some((Arc::clone(&token), expires_at));
                Ok(token)
            }
            Err(error) => {
                login.failed_at = Some(Instant::now());
                old.inspect(|_| tracing::warn!(%error, "the token of tagd for Keystone was not renewed")).ok_or(error)
            }
        }
    }

    /// A new token for tagd, and when it ends. A login has the whole of its time, whichever request caused it: that one being late
    /// does not mean that logins fail.
    async fn log_in(&self, traceparent: Option<&str>) -> Result<(Arc<str>, i64), RequestError> {
        let KeystoneSettings { url, user, password, domain, project, roles, .. } = &self.settings;
        let password = String::from_utf8_lossy(password.expose());
        let body = wire::login(user, &password, domain, project.as_deref()).to_string();
        let request = traced(traceparent, Request::post(format!("{url}/v3/auth/tokens?nocatalog")))
            .header("Content-Type", "application/json")
            .body(body.into_bytes());
        let request = request.map_err(|error| unavailable(error.to_string()))?;
        let reply = client::send(&self.agent, request, None).await.map_err(unavailable)?;
        let (201, Some(token)) = (reply.status, reply.token) else {
            return Err(unavailable(format!("Keystone answered {} to the login of tagd", reply.status)));
        };
        Ok((token.into(), wire::read(&reply.body, roles).map_err(unavailable)?.expires_at))
    }
}
