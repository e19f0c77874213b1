//! Work that is finished once it was begun, also if the request that waits for it is given up.

use tracing::Instrument;

use crate::domain::RequestError;

/// Runs work on a task of its own. A change and the removal of what is remembered of it belong together: a statement that was sent
/// is executed whether its client is still there or not, and then nobody else would remove it.
pub(super) async fn finish<T, E>(work: impl Future<Output = Result<T, E>> + Send + 'static) -> Result<T, E>
where
    T: Send + 'static,
    E: From<RequestError> + Send + 'static,
{
    let finished = tokio::spawn(work.in_current_span()).await;
    finished.unwrap_or_else(|error| Err(RequestError::internal(error.to_string()).into()))
}
