//! The request id: the client's own or a new one.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use actix_web::http::header::{HeaderMap, HeaderName};

use crate::auth::random::TOKEN_PREFIX;

/// Name of the header, in requests and responses.
pub(super) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The id of a request, in its extensions.
#[derive(Debug, Clone)]
pub(super) struct RequestId(pub(super) Arc<str>);

impl RequestId {
    /// The id from the client, if it is valid; otherwise a new, unique one.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let given = headers.get(HEADER).and_then(|value| value.to_str().ok()).filter(|id| is_usable(id));
        Self(given.map_or_else(|| new_id().into(), Arc::from))
    }
}

/// A unique id: two hashes of a counter, with a key that is drawn once for the process (`SipHash`). So an id does not show how many
/// requests there were between it and another. Reading random bytes for each request would take longer than routing it.
fn new_id() -> String {
    static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let [first, second] = [0_u8, 1].map(|half| KEY.hash_one((number, half)));
    format!("{first:016x}{second:016x}")
}

/// A client's own id is kept if it is short and has only plain characters, and is no token in the wrong header: ids are in the log
/// and in the history.
fn is_usable(id: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    (1..=64).contains(&id.len()) && id.bytes().all(is_plain) && !id.contains(TOKEN_PREFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_do_not_show_how_many_there_were() {
        let ids: Vec<[u64; 2]> = (0..50)
            .map(|_| {
                let id = new_id();
                [&id[..16], &id[16..]].map(|half| u64::from_str_radix(half, 16).unwrap())
            })
            .collect();
        for half in [0, 1] {
            let mut steps: Vec<u64> = ids.windows(2).map(|pair| pair[1][half].wrapping_sub(pair[0][half])).collect();
            steps.sort_unstable();
            steps.dedup();
            // those of a counter that is multiplied by something are all the same; other threads may count as well
            assert!(steps.len() > 40, "{steps:x?}");
        }
    }
}
