//! Access control: every use case is authorized here before it can use the store.
//!
//! The stores are private to this file. Only [`AccessControl::may`] creates a [`Grant`], and only a grant gives access
//! to them, so a use case without authorization does not compile.

use std::sync::Arc;

use super::ScopeCache;
use crate::{
    auth::Principal,
    domain::{RequestError, command::ResourceRef},
    store::Store,
};

/// The stores, and the check that guards them.
#[derive(Debug, Clone)]
pub(super) struct AccessControl {
    store: Store,
    bulk: Store,
    scopes: Arc<ScopeCache>,
}

/// The kind of access that is requested; later, roles will allow some of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Read resource types, projects, resources and tags.
    Read,
    /// Change tags of resources, and predefined tags.
    Tag,
    /// Register, replace and delete resources.
    Register,
    /// Register, change and delete resource types and projects.
    Administer,
}

/// The object of an action; later, roles will be assigned for these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target<'a> {
    /// A project and its contents.
    Project(&'a str),
    /// Every project in which the principal may perform the action.
    Everywhere,
    /// What belongs to the principal's account but not to a project: predefined tags.
    Account,
    /// The resource types, which all accounts share.
    Types,
}

impl<'a> Target<'a> {
    /// A project if one is named, otherwise every project.
    pub(super) fn projects(project_id: Option<&'a str>) -> Self {
        project_id.map_or(Self::Everywhere, Self::Project)
    }

    /// The project or projects in which a resource is searched for.
    pub(super) fn of(resource: &'a ResourceRef) -> Self {
        Self::projects(resource.project_id.as_deref())
    }
}

/// An action that was allowed. It gives access to the stores and to the scopes that it covers (`scopes.rs`).
#[derive(Debug, Clone, Copy)]
pub(super) struct Grant<'a> {
    access: &'a AccessControl,
    principal: &'a Principal,
    target: Target<'a>,
}

impl AccessControl {
    /// `bulk` is for work without a deadline. Workers that share a cache need fewer look-ups.
    pub(super) fn new(store: Store, bulk: Store, scopes: Arc<ScopeCache>) -> Self {
        Self { store, bulk, scopes }
    }

    /// Authorizes an action of a principal. Requests are not authenticated yet, so every action is allowed.
    #[expect(clippy::unused_async, reason = "which account a project belongs to will have to be looked up")]
    pub(super) async fn may<'a>(
        &'a self,
        principal: &'a Principal,
        action: Action,
        target: Target<'a>,
    ) -> Result<Grant<'a>, RequestError> {
        tracing::trace!(principal = &*principal.caller.principal, ?action, ?target, "allowed");
        Ok(Grant { access: self, principal, target })
    }
}

impl<'a> Grant<'a> {
    /// The store for reads.
    pub(super) fn store(&self) -> &'a Store {
        &self.access.store
    }

    /// The store for changes, which passes the caller to the database.
    pub(super) fn writer(&self) -> Store {
        self.access.store.acting_for(Arc::clone(&self.principal.caller))
    }

    /// The same for work without a deadline.
    pub(super) fn bulk(&self) -> Store {
        self.access.bulk.acting_for(Arc::clone(&self.principal.caller))
    }

    /// The cache of scopes.
    pub(super) fn cache(&self) -> &'a ScopeCache {
        &self.access.scopes
    }

    /// The project, if the action is about one.
    pub(super) fn project_id(&self) -> Option<&'a str> {
        match self.target {
            Target::Project(project_id) => Some(project_id),
            Target::Everywhere | Target::Account | Target::Types => None,
        }
    }

    /// The account that every project must belong to; `None` if the grant covers all projects.
    pub(super) fn domain_id(&self) -> Option<&'a str> {
        self.principal.domain_id.as_deref()
    }

    /// The account of the principal, which owns predefined tags.
    pub(super) fn account(&self) -> &'a str {
        self.principal.account()
    }
}
