//! The private ("embedded") Postgres: finds the programs, creates the cluster, starts or joins the server, and releases it.
//!
//! ```text
//! DATA/postgres/          owner: tagd's user
//!   lock                  flock: one tagd at a time checks, creates or starts
//!   holders               FIFO: every tagd holds the write end, the guard reads (guard.rs, guard.sh)
//!   guard.sh, keeper.sh   scripts of guard and keeper
//!   guard.pid             the guard's process number
//!   tagd.conf             server settings, rewritten at each start (setup.rs)
//!   server.log            the server's log
//!   data/                 the cluster; owner: the server's user
//!   data.postgres-15/     the cluster before an upgrade (upgrade/mod.rs)
//!   data.next/            the cluster after an upgrade, for a moment
//!   upgrade/              the new cluster during an upgrade, laid out as this directory
//!   run/                  the socket, mode 0700; owner: the server's user
//! ```
//!
//! The kernel closes the descriptors of a process however it died, so the guard reads an end of file on `holders` when
//! the last tagd has exited. There is no counter that a crash could leave wrong.

mod error;
mod folder;
mod guard;
mod leftovers;
mod pidfile;
mod place;
mod programs;
mod revival;
mod settings;
mod setup;
mod status;
mod upgrade;

use std::{
    fs::File,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

pub use error::ClusterError;
use pidfile::{Server, ServerState};
use place::Place;
pub use place::log_file;
pub use revival::Revival;
pub use settings::ClusterSettings;
use settings::{POLL_INTERVAL, SUPERUSER};
pub use status::{ClusterStatus, has_cluster};
pub use upgrade::{Planned, Upgrade, UpgradeError};

/// Crash recovery of `max_wal_size` on a slow disk takes minutes; a start without recovery takes 0.2 s.
const START_PATIENCE: Duration = Duration::from_mins(5);
/// A keeper restarts a killed server within 1 s; after this long it has been killed as well.
const REVIVAL_PATIENCE: Duration = Duration::from_secs(10);
/// The workers of a killed server exit within moments, or when their statement has ended.
const ORPHAN_PATIENCE: Duration = Duration::from_secs(5);

/// Keeps the server running: it stops when the last holder in any process has dropped this.
#[derive(Debug)]
pub struct Cluster {
    /// The write end of the FIFO. Closed on drop, or by the kernel when the process ends.
    hold: File,
    place: Place,
    socket_dir: PathBuf,
    port: u16,
    major: u32,
    started: bool,
    created: bool,
    revival: Revival,
    /// Since when there has been no server process, as far as [`Cluster::is_lost`] was asked.
    absent_since: Option<Instant>,
}

impl Cluster {
    /// Joins the running server, or creates and starts one; returns when it accepts connections.
    ///
    /// Blocks: milliseconds when joining, 0.2 s when starting, a second or two on the first start,
    /// longer after a crash.
    pub fn attach(settings: &ClusterSettings) -> Result<Self, ClusterError> {
        let place = Place::prepare(&settings.data_dir)?;
        let lock = place.lock(START_PATIENCE)?;
        let attached = place.make_run().and_then(|()| Self::attach_locked(settings, place));
        drop(lock);
        attached
    }

    /// Gets the server of a cluster back: joins it if another tagd has started it, or else starts it.
    ///
    /// It is the same cluster at the same place and never a new one, which would answer as if there had never been data.
    pub fn attach_again(revival: &Revival) -> Result<Self, ClusterError> {
        revival.check()?;
        let cluster = Self::attach(&revival.settings)?;
        // connections of this process lead to the socket of before
        revival.check_socket(&cluster.socket_dir)?;
        Ok(cluster)
    }

    fn attach_locked(settings: &ClusterSettings, place: Place) -> Result<Self, ClusterError> {
        leftovers::finish_switch(&place)?;
        let begun = Instant::now();
        let mut has_ended_orphans = false;
        loop {
            if let Some(hold) = guard::join(&place)? {
                // Nobody upgrades while the lock is held here: a server for reading only is that of a killed upgrade.
                let server = if setup::is_read_only(&place)? { None } else { wait_joined(&place)? };
                if let Some(server) = server {
                    tracing::debug!(socket_dir = %server.socket_dir.display(), "joined the running Postgres");
                    return Self::held(settings, place, hold, server, false, false);
                }
                // That server must not be used, or something else has stopped it, so the guard is of no use.
                guard::end(&place, hold)?;
            }
            pidfile::clear(&place)?;
            match Self::start(settings, &place) {
                Err(ClusterError::Orphans { .. }) if begun.elapsed() < ORPHAN_PATIENCE => {
                    thread::sleep(POLL_INTERVAL * 20);
                }
                Err(ClusterError::Orphans { .. }) if !has_ended_orphans => {
                    pidfile::end_orphans(&place);
                    has_ended_orphans = true;
                }
                outcome => {
                    let (hold, server, created) = outcome?;
                    return Self::held(settings, place, hold, server, true, created);
                }
            }
        }
    }

    /// Releases the server as a drop does; if this was the last holder, waits until the server has stopped and returns
    /// true. Takes about 50 ms, or half a second if there are other holders.
    ///
    /// For a tagd that is the first process of a container: when it exits, all other processes are killed at once.
    pub fn leave(self, patience: Duration) -> bool {
        guard::leave(&self.place, self.hold, patience)
    }

    /// Whether the server is gone and nobody will start it again: its guard has ended, or has had no server for a while.
    pub fn is_lost(&mut self) -> bool {
        if guard::is_gone(&self.hold) {
            return true;
        }
        if pidfile::is_running(&self.place) {
            self.absent_since = None;
            return false;
        }
        self.absent_since.get_or_insert_with(Instant::now).elapsed() > REVIVAL_PATIENCE
    }

    /// What is needed to get the server back.
    pub fn revival(&self) -> Revival {
        self.revival.clone()
    }

    /// The directory of the server's Unix socket, which is the host of a connection.
    pub fn socket_dir(&self) -> &Path {
        &self.socket_dir
    }

    /// The port number in the socket's name.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The superuser to connect as; there is no password, since only this user can enter the socket's directory.
    pub fn user(&self) -> &'static str {
        SUPERUSER
    }

    /// Postgres's major version.
    pub fn major(&self) -> u32 {
        self.major
    }

    /// The folder with Postgres's programs of this version.
    pub fn programs(&self) -> Result<PathBuf, ClusterError> {
        Ok(programs::find(&self.revival.settings, &self.place, Some(self.major))?.bin)
    }

    /// Whether this call started the server, rather than joining a running one.
    pub fn started(&self) -> bool {
        self.started
    }

    /// Whether this call created the cluster.
    pub fn created(&self) -> bool {
        self.created
    }

    fn start(settings: &ClusterSettings, place: &Place) -> Result<(File, Server, bool), ClusterError> {
        if let Err(error) = leftovers::discard(place) {
            // it does no harm, and is removed next time
            tracing::warn!(%error, "cannot remove what an unfinished upgrade left");
        }
        let existing = setup::version(place)?;
        let programs = programs::find(settings, place, existing)?;
        if existing.is_none() {
            setup::make(place, &programs, settings.durable)?;
        }
        let sockets = place.sockets()?;
        setup::configure(place, &sockets, settings)?;
        let begun = Instant::now();
        let (hold, server) = guard::start(place, &programs, START_PATIENCE)?;
        tracing::info!(
            major = programs.major,
            data = %place.data().display(),
            millis = begun.elapsed().as_millis(),
            "started the private Postgres"
        );
        Ok((hold, server, existing.is_none()))
    }

    fn held(
        settings: &ClusterSettings,
        place: Place,
        hold: File,
        server: Server,
        started: bool,
        created: bool,
    ) -> Result<Self, ClusterError> {
        let major = setup::version(&place)?.ok_or_else(|| ClusterError::NotACluster { path: place.data() })?;
        let Server { socket_dir, port } = server;
        let revival = Revival::new(settings, &place, &socket_dir)?;
        Ok(Self { hold, place, socket_dir, port, major, started, created, revival, absent_since: None })
    }
}

/// Waits until a guarded server is ready; `None` if the guard no longer has a server.
fn wait_joined(place: &Place) -> Result<Option<Server>, ClusterError> {
    let begun = Instant::now();
    let mut seen = begun;
    loop {
        match pidfile::state(place) {
            ServerState::Ready(server) => return Ok(Some(server)),
            ServerState::Absent if seen.elapsed() > REVIVAL_PATIENCE => return Ok(None),
            ServerState::Absent => {}
            ServerState::Pending => seen = Instant::now(),
        }
        if begun.elapsed() > START_PATIENCE {
            return Err(guard::late(place, 0, START_PATIENCE));
        }
        thread::sleep(POLL_INTERVAL);
    }
}
