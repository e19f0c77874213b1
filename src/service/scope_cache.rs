//! A cache of scope numbers: a scope is never deleted (docs/adr/0002), so its entries stay valid.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use crate::{domain::Scope, metrics::Lookups};

/// Maximum number of cached scopes; a few hundred bytes each.
const CAPACITY: usize = 50_000;

/// Scopes by resource type and project. Missing scopes are not cached, since they may be created later; neither are
/// aliases of types, which may change.
#[derive(Debug, Default)]
pub struct ScopeCache {
    scopes: RwLock<HashMap<String, HashMap<String, Arc<Scope>>>>,
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

    /// Caches a scope. A full cache is cleared, which costs each scope one look-up.
    pub fn put(&self, scope: Arc<Scope>) {
        let mut scopes = self.scopes.write().unwrap_or_else(PoisonError::into_inner);
        if scopes.values().map(HashMap::len).sum::<usize>() >= CAPACITY {
            scopes.clear();
        }
        scopes.entry(scope.resource_type.clone()).or_default().insert(scope.project_id.clone(), scope);
    }
}
