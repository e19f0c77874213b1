//! Numbers of scopes, remembered: a scope is never deleted (docs/adr/0002), so what is here stays true.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use crate::domain::Scope;

/// Most scopes remembered; a few hundred bytes each.
const CAPACITY: usize = 50_000;

/// Scopes by resource type and project. Those that do not exist are not remembered, since they may come to be, nor are aliases
/// of types, which may change.
#[derive(Debug, Default)]
pub struct ScopeCache {
    scopes: RwLock<HashMap<String, HashMap<String, Arc<Scope>>>>,
}

impl ScopeCache {
    /// A scope, if it is remembered.
    pub fn get(&self, project_id: &str, resource_type: &str) -> Option<Arc<Scope>> {
        let scopes = self.scopes.read().unwrap_or_else(PoisonError::into_inner);
        scopes.get(resource_type)?.get(project_id).cloned()
    }

    /// Remembers a scope. A full cache starts anew: that costs each scope one look-up.
    pub fn put(&self, scope: Arc<Scope>) {
        let mut scopes = self.scopes.write().unwrap_or_else(PoisonError::into_inner);
        if scopes.values().map(HashMap::len).sum::<usize>() >= CAPACITY {
            scopes.clear();
        }
        scopes.entry(scope.resource_type.clone()).or_default().insert(scope.project_id.clone(), scope);
    }
}
