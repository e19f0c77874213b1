//! May they: the one decision that every use case takes before it gets to the store.
//!
//! The stores are private to this file. [`AccessControl::may`] alone makes a [`Grant`], and only a grant hands them out: a
//! use case that forgets to ask does not compile.

use std::sync::Arc;

use super::ScopeCache;
use crate::{
    auth::Principal,
    domain::{RequestError, command::ResourceRef},
    store::Store,
};

/// The stores, behind the decision.
#[derive(Debug, Clone)]
pub(super) struct AccessControl {
    store: Store,
    bulk: Store,
    scopes: Arc<ScopeCache>,
}

/// What somebody wants to do; later, what a role allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// See resource types, projects, resources and tags.
    Read,
    /// Change tags of resources, and predefined tags.
    Tag,
    /// Register, replace and delete resources.
    Register,
    /// Register, change and delete resource types and projects.
    Administer,
}

/// What an action is about; later, what a role is given for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target<'a> {
    /// A project and what is in it.
    Project(&'a str),
    /// Every project in which the principal may do this.
    Everywhere,
    /// What the principal's account has beside its projects: predefined tags.
    Account,
    /// The resource types, which all accounts share.
    Types,
}

impl<'a> Target<'a> {
    /// A project if one is named, else every project.
    pub(super) fn projects(project_id: Option<&'a str>) -> Self {
        project_id.map_or(Self::Everywhere, Self::Project)
    }

    /// Where a resource is looked for.
    pub(super) fn of(resource: &'a ResourceRef) -> Self {
        Self::projects(resource.project_id.as_deref())
    }
}

/// An action that was allowed: the way to the stores and to the scopes that it covers (`scopes.rs`).
#[derive(Debug, Clone, Copy)]
pub(super) struct Grant<'a> {
    access: &'a AccessControl,
    principal: &'a Principal,
    target: Target<'a>,
}

impl AccessControl {
    /// `bulk` is for work that may take its time. Those that share a cache save each other look-ups.
    pub(super) fn new(store: Store, bulk: Store, scopes: Arc<ScopeCache>) -> Self {
        Self { store, bulk, scopes }
    }

    /// Whether a principal may do this. Until tagd knows credentials the answer is always yes.
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

    /// The store for changes, which tells the database who causes them.
    pub(super) fn writer(&self) -> Store {
        self.access.store.acting_for(Arc::clone(&self.principal.caller))
    }

    /// The same for work without a deadline.
    pub(super) fn bulk(&self) -> Store {
        self.access.bulk.acting_for(Arc::clone(&self.principal.caller))
    }

    /// Scopes that are remembered.
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

    /// The account that every project must belong to, if it is not all of them.
    pub(super) fn domain_id(&self) -> Option<&'a str> {
        self.principal.domain_id.as_deref()
    }

    /// The account of the principal, by which predefined tags are kept.
    pub(super) fn account(&self) -> &'a str {
        self.principal.account()
    }
}
