//! The limit of file descriptors, of which each connection takes one.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Fewer than these are too few to serve many clients.
const FEW: u64 = 4096;

/// Raises the limit as far as the system lets it, and logs what it is.
///
/// Distributions set it to 1,024 for the sake of old programs, and let each program raise it.
pub(super) fn raise_limit() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE).map(|(soft, hard)| {
        // fails where the hard limit is one in name only, as on macOS
        let is_raised = soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok();
        if is_raised { hard } else { soft }
    });
    match raised {
        Ok(limit) if limit < FEW => {
            tracing::warn!(limit, "the limit of file descriptors is low: each connection takes one");
        }
        Ok(limit) => tracing::info!(limit, "file descriptors"),
        Err(error) => tracing::warn!(%error, "the limit of file descriptors is not known"),
    }
}
