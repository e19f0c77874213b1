//! A cache of the domains that projects belong to, by which every request of a principal with a domain is checked.

use std::{
    collections::HashMap,
    mem,
    sync::{
        Arc, Mutex, PoisonError, RwLock, RwLockWriteGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{metrics::Lookups, store::ChangedProjects};

/// Maximum number of cached projects; some hundred bytes each.
const CAPACITY: usize = 50_000;

/// Domains by project, and when they were looked up.
type Projects = HashMap<String, (Arc<str>, Instant)>;

/// Domains by project. Missing projects are not cached, since they may be created at any time.
#[derive(Debug)]
pub struct ProjectCache {
    projects: RwLock<Projects>,
    /// How often projects were forgotten, so that what was read before is not put into the cache afterwards.
    forgotten: AtomicU64,
    /// When the last was forgotten, if any was.
    changed: Mutex<Option<Instant>>,
    max_age: Duration,
    pub(super) lookups: Lookups,
}

impl ProjectCache {
    /// A cache whose entries are used for this long.
    pub(super) fn new(max_age: Duration) -> Self {
        let (projects, forgotten, lookups) = (RwLock::default(), AtomicU64::default(), Lookups::default());
        Self { projects, forgotten, changed: Mutex::default(), max_age, lookups }
    }

    /// The domain of a project and when it was looked up, if it is cached.
    pub fn get(&self, project_id: &str) -> Option<(Arc<str>, Instant)> {
        let projects = self.projects.read().unwrap_or_else(PoisonError::into_inner);
        self.lookups.count(projects.get(project_id).filter(|(_, since)| since.elapsed() < self.max_age).cloned())
    }

    /// When projects were last forgotten, if any were: what is read elsewhere must not be older.
    pub fn changed(&self) -> Option<Instant> {
        *self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many projects are cached, with those whose time is over.
    pub(super) fn len(&self) -> usize {
        self.projects.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// To be read before a look-up.
    pub fn generation(&self) -> u64 {
        self.forgotten.load(Ordering::Acquire)
    }

    /// Caches what a look-up found that began in this generation. A full cache is cleared, which costs each project one
    /// look-up.
    pub fn put(&self, project_id: &str, domain_id: Arc<str>, generation: u64) {
        let mut projects = self.projects.write().unwrap_or_else(PoisonError::into_inner);
        if generation != self.generation() {
            return;
        }
        if projects.len() >= CAPACITY {
            projects.clear();
        }
        projects.insert(project_id.to_owned(), (domain_id, Instant::now()));
    }

    /// Forgets a project.
    pub(super) fn forget(&self, project_id: &str) {
        self.begin_generation().remove(project_id);
    }

    /// Forgets projects.
    pub(super) fn forget_changed(&self, changed: &ChangedProjects) {
        if matches!(changed, ChangedProjects::All) {
            let all = mem::take(&mut *self.begin_generation());
            // nobody has to wait meanwhile
            drop(all);
            return;
        }
        drop(self.begin_generation());
        // what is put from now on was read after the change, so nobody has to wait while hashes are compared
        let projects = self.projects.read().unwrap_or_else(PoisonError::into_inner);
        let gone: Vec<String> = projects.keys().filter(|project_id| changed.may_have(project_id)).cloned().collect();
        drop(projects);
        for project_id in gone {
            self.forget(&project_id);
        }
    }

    fn begin_generation(&self) -> RwLockWriteGuard<'_, Projects> {
        let projects = self.projects.write().unwrap_or_else(PoisonError::into_inner);
        self.forgotten.fetch_add(1, Ordering::Release);
        *self.changed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        projects
    }
}
