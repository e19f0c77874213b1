//! Limits: requests a second of a principal and of an address, failed authentications of an address, memory, time.
//!
//! All workers share them. A limit that is not set costs nothing: no lock and no allocation.

mod failed;
mod failures;
mod rate;

use std::{
    cell::Cell,
    net::IpAddr,
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    counts::{AuthFailure, Counts},
    room::{Place, Room},
};
use crate::{
    auth::Principal,
    domain::{Network, Outage},
    memory::Budget,
};
pub use failed::Failed;
pub use failures::FailureLimit;
use failures::Failures;
use rate::Rate;

/// Limits of the requests of a server.
#[derive(Debug, Clone)]
pub struct LimitSettings {
    /// Requests a second of each principal, if that is limited.
    pub principal_rate: Option<NonZeroU32>,
    /// Requests a second of each address, if that is limited.
    pub address_rate: Option<NonZeroU32>,
    /// Failed authentications of each address.
    pub failures: FailureLimit,
    /// Bytes that are kept of bodies before their senders are verified, of all requests together: of what each has beyond its
    /// first 64 KiB.
    pub unverified_bytes: usize,
    /// The same for the first 64 KiB of each.
    pub unverified_beginnings: usize,
    /// Bytes of bodies of all requests under way together: of what each has beyond its first 64 KiB.
    pub body_bytes: usize,
    /// The same for the first 64 KiB of each.
    pub body_beginnings: usize,
    /// Bytes of large answers that are being read or sent, of all requests together.
    pub answer_bytes: usize,
    /// Requests under way, without those that wait for their client.
    pub max_requests: usize,
    /// Time for a request as a whole, apart from streams.
    pub deadline: Duration,
    /// How long a client may stop while it sends an import or receives a large answer.
    pub patience: Duration,
    /// A request that takes longer is told in the log with what it did; `None` for none.
    pub slow: Option<Duration>,
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            principal_rate: None,
            address_rate: None,
            failures: FailureLimit::default(),
            unverified_bytes: 64 * 1024 * 1024,
            unverified_beginnings: 64 * 1024 * 1024,
            body_bytes: 96 * 1024 * 1024,
            body_beginnings: 32 * 1024 * 1024,
            answer_bytes: 128 * 1024 * 1024,
            max_requests: 4096,
            deadline: Duration::from_secs(75),
            patience: Duration::from_secs(30),
            slow: None,
        }
    }
}

/// The domain to which a principal is confined, and its name. Credentials with the same name in one domain are one
/// principal; a name in another domain is another one, so that domains cannot use up each other's rates.
type PrincipalKey = (Option<Arc<str>>, Arc<str>);

/// What is counted of the requests of a server.
#[derive(Debug)]
pub(super) struct Limits {
    principals: Option<Rate<PrincipalKey>>,
    addresses: Option<Rate<IpAddr>>,
    failures: Failures,
    failed: Failed,
    unverified: Arc<Room>,
    bodies: Arc<Room>,
    answers: Arc<Budget>,
    counts: Arc<Counts>,
    pub(super) max_requests: usize,
    pub(super) deadline: Duration,
    pub(super) patience: Duration,
    pub(super) slow: Option<Duration>,
}

/// An attempt to authenticate whose body is still to come. If it is dropped before that, also because the client has gone, it
/// counts as a failure: its sender has used the server and proved nothing. Each MiB of room that its body has held counts as one,
/// so that an address cannot hold all of it and stay within its limit.
pub(super) struct Attempt<'a> {
    limits: &'a Limits,
    client: Option<IpAddr>,
    has_body: bool,
    held: Cell<usize>,
}

impl Attempt<'_> {
    /// Where its body is kept.
    pub(super) fn place(&self) -> Place<'_> {
        Place { room: &self.limits.unverified, held: Some(&self.held) }
    }

    /// The body has come, and what it proves is found out now.
    pub(super) fn received(mut self) {
        self.has_body = true;
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.has_body {
            let count = self.held.get().div_ceil(1024 * 1024).max(1);
            self.limits.counts.failures.count(AuthFailure::Body);
            self.limits.count_failures(self.client, u32::try_from(count).unwrap_or(u32::MAX));
        }
    }
}

/// A request that a limit refuses.
#[derive(Debug)]
pub(super) struct Throttled {
    /// Which limit.
    pub(super) reason: &'static str,
    /// When to try again, in seconds.
    pub(super) retry_after: u64,
}

/// Paths that are never limited: health and metrics must be known under load as well.
const UNLIMITED: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// Whether a path is limited.
pub(super) fn has_limits(path: &str) -> bool {
    !UNLIMITED.contains(&path)
}

fn room(beginnings: usize, rest: usize, outage: Outage) -> Arc<Room> {
    Arc::new(Room::new(beginnings, rest, outage))
}

impl Limits {
    pub(super) fn new(settings: &LimitSettings, counts: Arc<Counts>) -> Self {
        Self {
            principals: settings.principal_rate.map(Rate::new),
            addresses: settings.address_rate.map(Rate::new),
            failures: Failures::new(settings.failures),
            failed: Failed::default(),
            unverified: room(settings.unverified_beginnings, settings.unverified_bytes, Outage::Bodies),
            bodies: room(settings.body_beginnings, settings.body_bytes, Outage::Memory),
            answers: Arc::new(Budget::new(settings.answer_bytes)),
            counts,
            max_requests: settings.max_requests,
            deadline: settings.deadline,
            patience: settings.patience,
            slow: settings.slow,
        }
    }

    /// The room for bodies, apart from those whose senders are not verified yet.
    pub(super) fn bodies(&self) -> &Arc<Room> {
        &self.bodies
    }

    /// The room for bodies of senders who are not verified yet.
    pub(super) fn unverified(&self) -> &Arc<Room> {
        &self.unverified
    }

    /// The memory for large answers.
    pub(super) fn answers(&self) -> &Arc<Budget> {
        &self.answers
    }

    /// The failed authentications that are not in the audit log yet.
    pub(super) fn failed(&self) -> &Failed {
        &self.failed
    }

    /// Counts a request for the rate of its address.
    pub(super) fn count_address(&self, path: &str, client: Option<IpAddr>) -> Result<(), Throttled> {
        let (Some(rate), Some(client)) = (&self.addresses, client) else { return Ok(()) };
        if !has_limits(path) {
            return Ok(());
        }
        let counted = rate.count(subscriber(client), Instant::now());
        counted.map_err(|wait| {
            self.counts.throttled.address.increment();
            throttled("the rate limit of this address is exceeded", wait)
        })
    }

    /// Counts a request for the rate of its principal.
    pub(super) fn count_principal(&self, principal: &Principal) -> Result<(), Throttled> {
        let Some(rate) = &self.principals else { return Ok(()) };
        let caller = &principal.caller;
        let counted = rate.count((caller.domain_id.clone(), Arc::clone(&caller.principal)), Instant::now());
        counted.map_err(|wait| {
            self.counts.throttled.principal.increment();
            throttled("the rate limit of these credentials is exceeded", wait)
        })
    }

    /// Refuses an address of which too many authentications have failed.
    pub(super) fn check_failures(&self, client: Option<IpAddr>) -> Result<(), Throttled> {
        let Some(client) = client else { return Ok(()) };
        let checked = self.failures.check(subscriber(client), Instant::now());
        checked.map_err(|wait| {
            self.counts.throttled.failures.increment();
            throttled("the limit of failed authentications from this address is exceeded", wait)
        })
    }

    /// Begins an attempt to authenticate by a body.
    pub(super) fn attempt(&self, client: Option<IpAddr>) -> Attempt<'_> {
        Attempt { limits: self, client, has_body: false, held: Cell::new(0) }
    }

    /// Counts a failed authentication.
    pub(super) fn count_failure(&self, client: Option<IpAddr>, failure: AuthFailure) {
        self.counts.failures.count(failure);
        self.count_failures(client, 1);
    }

    /// The same for one that counts as several.
    fn count_failures(&self, client: Option<IpAddr>, count: u32) {
        let Some(client) = client else { return };
        self.failed.count(subscriber(client));
        if let Some(wait) = self.failures.count(subscriber(client), count, Instant::now()) {
            let seconds = whole_seconds(wait);
            tracing::warn!(%client, seconds, "the limit of failed authentications is exceeded: the address is refused for a while");
        }
    }
}

/// What is counted for an address: of IPv6 the network that one subscriber has, since it has any address in it.
fn subscriber(client: IpAddr) -> IpAddr {
    if client.is_ipv6() && !client.is_loopback() { Network::of(client, 64).address() } else { client }
}

fn throttled(reason: &'static str, wait: Duration) -> Throttled {
    Throttled { reason, retry_after: whole_seconds(wait) }
}

/// Seconds, rounded up.
fn whole_seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscriber_has_an_ipv4_address_or_a_network_of_ipv6() {
        for (client, counted) in
            [("192.0.2.7", "192.0.2.7"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"), ("::1", "::1")]
        {
            assert_eq!(subscriber(client.parse().unwrap()).to_string(), counted);
        }
    }

    #[test]
    fn seconds_are_rounded_up() {
        for (millis, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (59_999, 60)] {
            assert_eq!(whole_seconds(Duration::from_millis(millis)), seconds);
        }
    }
}
