//! Failed authentications of each address.

use std::{
    net::IpAddr,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use crate::expiring_table::{CAPACITY, Row, Table};

/// How many authentications of one address may fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailureLimit {
    /// The number within [`Self::period`].
    pub count: u32,
    /// The same for loopback addresses, which all programs of the machine share, and all clients of a proxy on it that is
    /// not a trusted one. A program that fails by mistake must not keep out the others.
    pub loopback_count: u32,
    /// A period begins with the first failure.
    pub period: Duration,
}

impl Default for FailureLimit {
    fn default() -> Self {
        Self { count: 20, loopback_count: 200, period: Duration::from_mins(1) }
    }
}

/// The failures of addresses.
#[derive(Debug)]
pub(super) struct Failures {
    limit: FailureLimit,
    addresses: Table<IpAddr, Period>,
    start: Instant,
    /// When the last of those addresses that are refused may try again, in milliseconds after `start`: until the first one
    /// is refused, and after the last one, the table is not locked to check an address.
    refused_until: AtomicU64,
}

/// The failures of an address in one period.
#[derive(Debug)]
struct Period {
    ends: Instant,
    failed: u32,
}

impl Row for Period {
    fn ends(&self) -> Instant {
        self.ends
    }
}

impl Failures {
    pub(super) fn new(limit: FailureLimit) -> Self {
        Self { limit, addresses: Table::new(CAPACITY), start: Instant::now(), refused_until: AtomicU64::new(0) }
    }

    /// Whether an address may try to authenticate; the error is the time until then.
    pub(super) fn check(&self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        if self.refused_until.load(Ordering::Acquire) <= self.millis(now) {
            return Ok(());
        }
        let allowed = self.allowed(address);
        let wait = self.addresses.get(&address, |period| {
            (period.failed >= allowed)
                .then(|| period.ends.saturating_duration_since(now))
                .filter(|wait| !wait.is_zero())
        });
        wait.flatten().map_or(Ok(()), Err)
    }

    /// Counts a failure, or one that counts as several. The rest of the period if the last that is allowed was among them.
    pub(super) fn count(&self, address: IpAddr, count: u32, now: Instant) -> Option<Duration> {
        let allowed = self.allowed(address);
        let begin = || Period { ends: now + self.limit.period, failed: 0 };
        let wait = self.addresses.change(address, begin, |period| {
            if period.ends <= now {
                *period = begin();
            }
            let before = period.failed;
            period.failed = before.saturating_add(count);
            (before < allowed && period.failed >= allowed).then(|| period.ends.saturating_duration_since(now))
        })?;
        // one more, since milliseconds are rounded down
        self.refused_until.fetch_max(self.millis(now + wait) + 1, Ordering::AcqRel);
        Some(wait)
    }

    fn millis(&self, time: Instant) -> u64 {
        u64::try_from(time.saturating_duration_since(self.start).as_millis()).unwrap_or(u64::MAX - 1)
    }

    fn allowed(&self, address: IpAddr) -> u32 {
        if address.is_loopback() { self.limit.loopback_count } else { self.limit.count }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_waits_until_its_period_has_ended() {
        let period = Duration::from_mins(1);
        let failures = Failures::new(FailureLimit { count: 3, loopback_count: 5, period });
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let (one, other): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        assert_eq!(failures.count(one, 1, at(0)), None);
        assert_eq!(failures.count(one, 1, at(10)), None);
        assert_eq!(failures.check(one, at(20)), Ok(()));
        assert_eq!(failures.count(one, 1, at(20)), Some(Duration::from_secs(40)));
        assert_eq!(failures.check(one, at(20)), Err(Duration::from_secs(40)));
        // what was under way meanwhile
        assert_eq!(failures.count(one, 1, at(21)), None);
        assert_eq!(failures.check(other, at(20)), Ok(()));
        assert_eq!(failures.check(one, at(59)), Err(Duration::from_secs(1)));
        assert_eq!(failures.check(one, at(60)), Ok(()));
        assert_eq!(failures.count(one, 1, at(60)), None, "a new period");
        assert_eq!(failures.check(one, at(60)), Ok(()));
        let loopback: IpAddr = "127.0.0.1".parse().unwrap();
        assert_eq!((0..5).filter_map(|_| failures.count(loopback, 1, at(0))).collect::<Vec<_>>(), [period]);
        // one that counts as several
        assert_eq!([7, 7].map(|count| failures.count(other, count, at(0))), [Some(period), None]);
        assert_eq!(failures.check(other, at(59)), Err(Duration::from_secs(1)));
    }
}
