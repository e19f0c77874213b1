//! A cache of the domains that projects belong to, by which every request of a principal with a domain is checked.

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crate::metrics::Lookups;

/// How long an entry is used. Where another tagd serves the same database, a project that an operator moves to another
/// domain is readable by the old one for this long.
const PROJECT_CACHE_TIME: Duration = Duration::from_secs(5);

/// Maximum number of cached projects; some hundred bytes each.
const CAPACITY: usize = 50_000;

/// Domains by project. Missing projects are not cached, since they may be created at any time.
#[derive(Debug, Default)]
pub struct ProjectCache {
    projects: RwLock<HashMap<String, (Arc<str>, Instant)>>,
    /// How often a project was removed, so that what was read before is not put into the cache afterwards.
    removed: AtomicU64,
    pub(super) lookups: Lookups,
}

impl ProjectCache {
    /// The domain of a project, if it is cached.
    pub fn get(&self, project_id: &str) -> Option<Arc<str>> {
        let projects = self.projects.read().unwrap_or_else(PoisonError::into_inner);
        let fresh = projects.get(project_id).filter(|(_, since)| since.elapsed() < PROJECT_CACHE_TIME);
        self.lookups.count(fresh.map(|(domain_id, _)| Arc::clone(domain_id)))
    }

    /// How many projects are cached, with those whose time is over.
    pub(super) fn len(&self) -> usize {
        self.projects.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// To be read before a look-up.
    pub fn generation(&self) -> u64 {
        self.removed.load(Ordering::Acquire)
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
    pub fn remove(&self, project_id: &str) {
        let mut projects = self.projects.write().unwrap_or_else(PoisonError::into_inner);
        self.removed.fetch_add(1, Ordering::Release);
        projects.remove(project_id);
    }
}
