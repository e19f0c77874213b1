//! What an upgrade that was interrupted has left: its switch is finished, or its unfinished cluster removed.

use std::{
    fs,
    io::ErrorKind,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use super::{ClusterError, pidfile, place::Place, settings::POLL_INTERVAL};

/// A server stops with a checkpoint of all that was copied.
pub(super) const STOP_PATIENCE: Duration = Duration::from_mins(10);
/// An `initdb` takes a few seconds.
const REMOVE_PATIENCE: Duration = Duration::from_secs(20);
/// The directory of the new cluster.
pub(super) const UNFINISHED: &str = "upgrade";
/// The new cluster when it is verified, between two renames.
pub(super) const NEXT: &str = "data.next";

/// Finishes the renames of an upgrade that was killed between them. Call it with the lock held, before looking at `data`.
///
/// The new cluster only gets its name `data.next` when it is verified, and `data` is only moved away after that.
pub(super) fn finish_switch(place: &Place) -> Result<(), ClusterError> {
    if !is_switching(place) {
        return Ok(());
    }
    tracing::warn!(data = %place.data().display(), "finishing an upgrade of the cluster that was interrupted");
    place.folder().rename(NEXT, "data")?;
    place.folder().sync()
}

/// Whether an upgrade is between its renames, or was interrupted there.
pub(super) fn is_switching(place: &Place) -> bool {
    let is_there = |name: &str| fs::symlink_metadata(place.root().join(name)).is_ok();
    !is_there("data") && is_there(NEXT)
}

/// Removes what an unfinished upgrade left. Call it with the lock held.
pub(super) fn discard(place: &Place) -> Result<(), ClusterError> {
    let root = place.root();
    if fs::symlink_metadata(root.join(UNFINISHED)).is_ok() {
        let unfinished = place.within(UNFINISHED)?;
        // its guard has ended with its tagd and is stopping the server
        pidfile::stop(&unfinished, STOP_PATIENCE)?;
        let sockets = unfinished.sockets()?;
        if sockets != unfinished.run() {
            // below /tmp, and empty
            let _ = fs::remove_dir(sockets);
        }
    }
    for name in [UNFINISHED, NEXT] {
        remove(&root.join(name))?;
    }
    Ok(())
}

/// Removes a directory. An `initdb` whose tagd was killed may still be writing into it.
fn remove(path: &Path) -> Result<(), ClusterError> {
    let begun = Instant::now();
    loop {
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() == ErrorKind::NotFound && fs::symlink_metadata(path).is_err() => return Ok(()),
            Err(error) if begun.elapsed() > REMOVE_PATIENCE => return Err(ClusterError::at(path)(error)),
            Err(_) => thread::sleep(POLL_INTERVAL * 10),
            Ok(()) => return Ok(()),
        }
    }
}
