//! A cache of scope numbers.
//!
//! A scope is never deleted (docs/adr/0002), so its entries stay valid, unless an earlier state of the database is restored.

use std::{
    collections::HashMap,
    mem,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{domain::Scope, metrics::Lookups};

/// Maximum number of cached scopes; a few hundred bytes each.
const CAPACITY: usize = 50_000;

/// Scopes by resource type and project. Missing scopes are not cached, since they may be created later; neither are
/// aliases of types, which may change.
#[derive(Debug, Default)]
pub struct ScopeCache {
    scopes: RwLock<HashMap<String, HashMap<String, Arc<Scope>>>>,
    /// How often all were forgotten, so that what was read before is not put into the cache afterwards.
    forgotten: AtomicU64,
    pub(super) lookups: Lookups,
}

impl ScopeCache {
    /// A scope, if it is cached.
    pub fn get(&self, project_id: &str, resource_type: &str) -> Option<Arc<Scope>> {
        let scopes = self.scopes.read().unwrap_or_else(PoisonError::into_inner);
        self.lookups.count(scopes.get(resource_type).and_then(|of_type| of_type.get(project_id)).cloned())
    }

    /// How many scopes are cached.
    pub(super) fn len(&self) -> usize {
        self.scopes.read().unwrap_or_else(PoisonError::into_inner).values().map(HashMap::len).sum()
    }

    /// To be read before a look-up.
    pub fn generation(&self) -> u64 {
        self.forgotten.load(Ordering::Acquire)
    }

    /// Caches a scope that a look-up found which began in this generation. A full cache is cleared, which costs each scope one
    /// look-up.
    pub fn put(&self, scope: Arc<Scope>, generation: u64) {
        let mut scopes = self.scopes.write().unwrap_or_else(PoisonError::into_inner);
        if generation != self.generation() {
            return;
        }
        if scopes.values().map(HashMap::len).sum::<usize>() >= CAPACITY {
            scopes.clear();
        }
        scopes.entry(scope.resource_type.clone()).or_default().insert(scope.project_id.clone(), scope);
    }

    /// Forgets all.
    pub(super) fn clear(&self) {
        let mut scopes = self.scopes.write().unwrap_or_else(PoisonError::into_inner);
        self.forgotten.fetch_add(1, Ordering::Release);
        let all = mem::take(&mut *scopes);
        drop(scopes);
        // nobody has to wait meanwhile
        drop(all);
    }
}
