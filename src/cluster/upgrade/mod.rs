//! Moves the cluster to a newer major version of Postgres, by a dump of the old server that the new one reads.
//!
//! The lock of the cluster is held throughout, so no tagd starts meanwhile. The new cluster grows in `upgrade/`, laid out
//! as the directory around it, with a guard of its own, and takes the place of `data/` when its caller has verified it.
//! Whatever ends this process before that leaves `data/` as it was.

mod copy;
mod error;
mod space;

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

pub use error::UpgradeError;
use error::megabytes;
pub(super) use space::size_of;

use super::{
    Cluster, ClusterSettings, POLL_INTERVAL, START_PATIENCE, guard,
    leftovers::{NEXT, STOP_PATIENCE, UNFINISHED, discard, finish_switch, is_switching},
    pidfile,
    place::Place,
    programs::{self, Programs},
    setup,
};

/// Another tagd may just be starting, which takes no longer than this without a crash.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);
/// A guard whose last holder has just left ends within moments.
const LEAVE_PATIENCE: Duration = Duration::from_secs(2);
/// Programs of the new version that copy.
const CLIENTS: [&str; 3] = ["pg_dumpall", "pg_dump", "psql"];

/// What there is to do.
#[derive(Debug)]
pub enum Planned {
    /// The cluster has the newest version that is installed.
    Nothing {
        /// The cluster's version.
        major: u32,
    },
    /// An upgrade.
    Upgrade(Box<Upgrade>),
}

/// An upgrade that can be carried out. Nothing else uses the cluster while this exists.
#[derive(Debug)]
pub struct Upgrade {
    place: Place,
    settings: ClusterSettings,
    from: Programs,
    to: Programs,
    size: u64,
    needed: u64,
    free: u64,
    /// Released on drop.
    _lock: File,
}

impl Upgrade {
    /// Checks all that can be checked before. `from_bin` and `to_bin` name directories of programs. If it `only_looks`, it
    /// changes nothing, and an upgrade that was interrupted at its end is an error.
    pub fn plan(
        settings: &ClusterSettings,
        from_bin: Option<&Path>,
        to_bin: Option<&Path>,
        only_looks: bool,
    ) -> Result<Planned, UpgradeError> {
        let root = settings.data_dir.join("postgres");
        if !root.exists() {
            return Err(UpgradeError::NoCluster { path: root });
        }
        let data = root.join("data");
        if fs::symlink_metadata(&data).is_ok_and(|found| found.is_symlink()) {
            return Err(UpgradeError::Linked { path: data });
        }
        let place = if only_looks { Place::look(&settings.data_dir) } else { Place::prepare(&settings.data_dir) }?;
        let lock = place.lock(LOCK_PATIENCE)?;
        if only_looks && is_switching(&place) {
            return Err(UpgradeError::Interrupted { path: root });
        }
        let version = if only_looks {
            setup::version_in(&data)?
        } else {
            finish_switch(&place)?;
            setup::version(&place)?
        };
        let Some(cluster) = version else {
            return Err(UpgradeError::NoCluster { path: place.root().to_path_buf() });
        };
        let installed = programs::all(settings, place.runner());
        let Some(to) = newer(cluster, &installed, &place, to_bin)? else {
            return Ok(Planned::Nothing { major: cluster });
        };
        let from = of_cluster(cluster, &installed, &place, from_bin)?;
        refuse_users(&place)?;
        let size = size_of(&place.data());
        let (needed, free) = (space::needed(&place.data(), size), space::free(place.root())?);
        if free < needed {
            return Err(UpgradeError::NoSpace { path: place.root().to_path_buf(), needed, free });
        }
        let settings = settings.clone();
        Ok(Planned::Upgrade(Box::new(Self { place, settings, from, to, size, needed, free, _lock: lock })))
    }

    /// The plan in lines for people.
    pub fn describe(&self) -> String {
        format!(
            "Postgres {} -> {}, the cluster in {}\nprograms: {} -> {}\nsize: {}; the upgrade may need {} more, and {} are free",
            self.from.major,
            self.to.major,
            self.place.data().display(),
            self.from.bin.display(),
            self.to.bin.display(),
            megabytes(self.size),
            megabytes(self.needed),
            megabytes(self.free)
        )
    }

    /// The cluster's version.
    pub fn from(&self) -> u32 {
        self.from.major
    }

    /// The version after the upgrade.
    pub fn to(&self) -> u32 {
        self.to.major
    }

    /// Starts the old server, for reading only.
    pub fn start_old(&self) -> Result<Cluster, UpgradeError> {
        discard(&self.place)?;
        let place = Place::prepare(&self.settings.data_dir)?;
        place.make_run()?;
        pidfile::clear(&place)?;
        setup::configure_read_only(&place, &place.sockets()?, &self.settings)?;
        let (hold, server) = guard::start(&place, &self.from, START_PATIENCE)?;
        Ok(Cluster::held(&self.settings, place, hold, server, true, false)?)
    }

    /// Creates the new cluster and starts it, without the care for a crash, since it would be made again.
    pub fn start_new(&self) -> Result<Cluster, UpgradeError> {
        let place = self.place.within(UNFINISHED)?;
        place.make_run()?;
        setup::make(&place, &self.to, false)?;
        self.start(place, false)
    }

    /// Starts the new cluster as it will be from now on.
    pub fn start_copied(&self) -> Result<Cluster, UpgradeError> {
        let place = self.place.within(UNFINISHED)?;
        pidfile::stop(&place, STOP_PATIENCE)?;
        copy::files(&self.place, &place)?;
        copy::sync(&place, &self.to)?;
        self.start(place, true)
    }

    fn start(&self, place: Place, durable: bool) -> Result<Cluster, UpgradeError> {
        let settings = ClusterSettings { durable, ..self.settings.clone() };
        setup::configure(&place, &place.sockets()?, &settings)?;
        let (hold, server) = guard::start(&place, &self.to, START_PATIENCE)?;
        Ok(Cluster::held(&settings, place, hold, server, true, !durable)?)
    }

    /// Copies roles and databases from the old server to the new one. `with_lz4` says whether the new one was built with
    /// this compression, which columns may ask for. `progress` gets the number of bytes so far.
    pub fn copy(
        &self,
        old: &Cluster,
        new: &Cluster,
        with_lz4: bool,
        progress: impl FnMut(u64),
    ) -> Result<(), UpgradeError> {
        copy::databases(&self.to, old, new, with_lz4, progress)
    }

    /// Stops one of the two servers.
    pub fn stop(&self, cluster: Cluster) -> Result<(), UpgradeError> {
        let Cluster { place, hold, .. } = cluster;
        guard::end(&place, hold)?;
        Ok(pidfile::stop(&place, STOP_PATIENCE)?)
    }

    /// Puts the new cluster in the place of the old one, whose new name it returns. Both servers have stopped.
    ///
    /// There are two renames, and `data` does not exist between them: see `finish_switch`.
    pub fn switch(self) -> Result<PathBuf, UpgradeError> {
        let folder = self.place.folder();
        let unfinished = self.place.within(UNFINISHED)?;
        unfinished.folder().move_to("data", folder, NEXT)?;
        folder.sync()?;
        let kept = self.name_for_old();
        folder.rename("data", &kept)?;
        folder.rename(NEXT, "data")?;
        folder.sync()?;
        discard(&self.place)?;
        Ok(self.place.root().join(kept))
    }

    /// Whether tagd finds the new programs by itself.
    pub fn are_programs_found(&self) -> bool {
        programs::find(&self.settings, &self.place, Some(self.to.major)).is_ok()
    }

    /// Whether the cluster archives its WAL, which the new one does not: it is another cluster, with WAL of its own.
    pub fn ends_archiving(&self) -> Result<bool, UpgradeError> {
        copy::is_archiving(&self.place)
    }

    /// The directory of the new programs.
    pub fn new_programs(&self) -> &Path {
        &self.to.bin
    }

    /// After a failure: stops what runs and removes the new cluster.
    pub fn abandon(self) -> Result<(), UpgradeError> {
        pidfile::stop(&self.place, STOP_PATIENCE)?;
        Ok(discard(&self.place)?)
    }

    fn name_for_old(&self) -> String {
        let name = format!("data.postgres-{}", self.from.major);
        let is_free = |name: &String| fs::symlink_metadata(self.place.root().join(name)).is_err();
        let others = (2..).map(|number| format!("{name}-{number}"));
        std::iter::once(name.clone()).chain(others).find(is_free).unwrap_or(name)
    }
}

/// The programs to upgrade to, if they are newer than the cluster.
fn newer(
    cluster: u32,
    installed: &[Programs],
    place: &Place,
    to_bin: Option<&Path>,
) -> Result<Option<Programs>, UpgradeError> {
    let Some(dir) = to_bin else {
        // of two directories of one version the first, as elsewhere
        let able = installed.iter().rev().filter(|programs| lacking(programs).is_none());
        return Ok(able.max_by_key(|programs| programs.major).filter(|found| found.major > cluster).cloned());
    };
    let failed = |why| UpgradeError::Programs { option: "--to-bin", dir: dir.to_path_buf(), why };
    let found = programs::at(dir, place.runner()).map_err(failed)?;
    if found.major < cluster {
        return Err(failed(format!("it has Postgres {}, and the cluster is newer: {cluster}", found.major)));
    }
    if let Some(name) = lacking(&found) {
        return Err(failed(format!("{name} is missing")));
    }
    Ok(Some(found).filter(|found| found.major > cluster))
}

/// The programs that read the cluster.
fn of_cluster(
    cluster: u32,
    installed: &[Programs],
    place: &Place,
    from_bin: Option<&Path>,
) -> Result<Programs, UpgradeError> {
    let Some(dir) = from_bin else {
        return installed.iter().find(|programs| programs.major == cluster).cloned().ok_or_else(|| {
            let found: Vec<_> =
                installed.iter().map(|found| format!("Postgres {} in {}", found.major, found.bin.display())).collect();
            UpgradeError::NoOldPrograms { path: place.root().to_path_buf(), cluster, found: found.join(", ") }
        });
    };
    let failed = |why| UpgradeError::Programs { option: "--from-bin", dir: dir.to_path_buf(), why };
    let found = programs::at(dir, place.runner()).map_err(failed)?;
    if found.major != cluster {
        return Err(failed(format!("it has Postgres {}, and the cluster was made by {cluster}", found.major)));
    }
    Ok(found)
}

fn lacking(programs: &Programs) -> Option<&'static str> {
    CLIENTS.into_iter().find(|name| !programs.bin.join(name).is_file())
}

/// Refuses a cluster that a tagd uses. One that has just left is waited for.
fn refuse_users(place: &Place) -> Result<(), UpgradeError> {
    let begun = Instant::now();
    while guard::is_reading(place)? {
        if begun.elapsed() > LEAVE_PATIENCE {
            return Err(UpgradeError::InUse { path: place.root().to_path_buf() });
        }
        thread::sleep(POLL_INTERVAL * 20);
    }
    Ok(())
}
