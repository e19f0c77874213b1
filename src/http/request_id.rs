//! The request id: the client's own or a new one.

use std::sync::{
    Arc, LazyLock,
    atomic::{AtomicU64, Ordering},
};

use actix_web::http::header::{HeaderMap, HeaderName};

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

/// A unique id: half of it is random, drawn once for the process, and half is a counter. Reading random bytes for each
/// request would take longer than routing it, and guessing an id gains nothing.
fn new_id() -> String {
    static PROCESS: LazyLock<u64> = LazyLock::new(|| uuid::Uuid::new_v4().as_u64_pair().0);
    static COUNT: AtomicU64 = AtomicU64::new(0);
    // multiplying by an odd factor keeps the numbers distinct, and hides how many requests there were
    let number = COUNT.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("{:016x}{number:016x}", *PROCESS)
}

/// A client's own id is kept if it is short and has only plain characters.
fn is_usable(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}
