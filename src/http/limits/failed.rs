//! Failed authentications since they were last written to the audit log.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

/// Addresses that are counted apart. Each becomes an entry of the audit log, once a minute, which whoever sends requests without
/// credentials must not be able to fill.
const ADDRESSES: usize = 256;

/// How often authentication failed from each address. Clones share the numbers.
#[derive(Debug, Clone, Default)]
pub struct Failed(Arc<Mutex<HashMap<IpAddr, u32>>>);

impl Failed {
    /// Counts failures of an address. Those of more addresses than fit are counted together, as of `::`.
    fn add(&self, address: IpAddr, count: u32) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = counts.len() < ADDRESSES || counts.contains_key(&address);
        let address = if fits { address } else { Ipv6Addr::UNSPECIFIED.into() };
        let known = counts.entry(address).or_default();
        *known = known.saturating_add(count);
    }

    pub(super) fn count(&self, address: IpAddr) {
        self.add(address, 1);
    }

    /// The failures since the last time.
    pub fn take(&self) -> Vec<(IpAddr, u32)> {
        let counts = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_unstable();
        counts
    }

    /// Counts failures again that could not be written.
    pub fn put_back(&self, failures: Vec<(IpAddr, u32)>) {
        for (address, count) in failures {
            self.add(address, count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_beyond_the_number_are_counted_together() {
        let failed = Failed::default();
        let address = |n: usize| IpAddr::from(Ipv6Addr::from_bits(n as u128 + 1));
        for n in 0..ADDRESSES + 3 {
            failed.count(address(n));
        }
        failed.count(address(0));
        let counts = failed.take();
        assert_eq!(counts.len(), ADDRESSES + 1);
        assert_eq!(counts.first(), Some(&(Ipv6Addr::UNSPECIFIED.into(), 3)));
        assert_eq!(counts.get(1), Some(&(address(0), 2)));
        failed.put_back(vec![(address(7), 5)]);
        assert_eq!(failed.take(), [(address(7), 5)]);
        assert_eq!(failed.take(), []);
    }
}
