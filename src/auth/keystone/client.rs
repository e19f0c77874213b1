//! Requests to Keystone.

use std::time::Duration;

use tokio::time::Instant;
use ureq::{Agent, http::Request};

/// How long Keystone may take for an answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Maximum size of an answer: a token with a large catalog is some hundred kilobytes.
const LARGEST: u64 = 4 * 1024 * 1024;

/// An answer of Keystone.
pub(super) struct Reply {
    pub(super) status: u16,
    /// The header `X-Subject-Token`.
    pub(super) token: Option<String>,
    pub(super) body: String,
}

/// Sends a request and reads the answer, on a thread for work that blocks. What cannot be sent before the deadline is not sent
/// at all; without one, Keystone has the whole of its time.
pub(super) async fn send(agent: &Agent, request: Request<Vec<u8>>, deadline: Option<Instant>) -> Result<Reply, String> {
    let agent = agent.clone();
    let sent = tokio::task::spawn_blocking(move || {
        // the time begins here: there may have been no free thread for a while
        let remaining = deadline.map_or(TIMEOUT, |deadline| deadline.saturating_duration_since(Instant::now()));
        if remaining.is_zero() {
            return Err("Keystone took too long for other requests".to_owned());
        }
        let request = agent.configure_request(request).timeout_global(Some(TIMEOUT.min(remaining))).build();
        let mut answer = agent.run(request).map_err(|error| error.to_string())?;
        let token = answer.headers().get("x-subject-token").and_then(|token| token.to_str().ok());
        let (status, token) = (answer.status().as_u16(), token.map(ToOwned::to_owned));
        let body = answer.body_mut().with_config().limit(LARGEST).read_to_string();
        Ok(Reply { status, token, body: body.map_err(|error| error.to_string())? })
    });
    sent.await.map_err(|error| error.to_string())?
}
