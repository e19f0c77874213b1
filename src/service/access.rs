//! Access control: every use case is authorized here before it can use the store.
//!
//! The stores are private to this file. Only [`AccessControl::may`] creates a [`Grant`], and only a grant gives access
//! to them, so a use case without authorization does not compile.

use std::{sync::Arc, time::Instant};

use super::{Authenticator, Caches, ScopeCache, SettledFeed};
use crate::{
    auth::Principal,
    domain::{ProjectFilter, RequestError, Rights, Role, command::ResourceRef, is_storable},
    store::{ReplicaRead, Share, Store},
};

/// The stores, and the check that guards them.
#[derive(Debug, Clone)]
pub(super) struct AccessControl {
    store: Store,
    bulk: Store,
    authenticator: Authenticator,
    caches: Caches,
}

/// What a principal wants to do. `docs/SECURITY.md` has the table of operations and roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Read resource types, projects, resources and tags.
    Read,
    /// Change tags of resources, and predefined tags.
    Tag,
    /// Register, replace and delete resources and projects; import and export.
    Register,
    /// See who one is and which projects one has, and get a token with no more rights than one's own.
    Identify,
    /// List, create and revoke credentials.
    ManageCredentials,
    /// Create, change, delete and try policies.
    ManagePolicies,
    /// Register, change and delete resource types, which all domains share.
    ChangeTypes,
    /// Read the audit log, which has the acts in all domains.
    ReadAudit,
    /// Read the metrics of the server.
    ReadMetrics,
}

impl Action {
    /// The lowest role that may do it.
    fn role(self) -> Role {
        match self {
            Self::Read | Self::Identify => Role::Reader,
            Self::Tag => Role::Tagger,
            Self::Register | Self::ManageCredentials | Self::ManagePolicies => Role::Administrator,
            Self::ChangeTypes | Self::ReadAudit | Self::ReadMetrics => Role::Operator,
        }
    }
}

/// What an action is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target<'a> {
    /// A project and its contents.
    Project(&'a str),
    /// A project that is registered if it does not exist.
    NewProject(&'a str),
    /// Every project in which the principal may do this.
    Everywhere,
    /// What the principal's account has besides its projects: predefined tags, credentials, policies for all projects.
    Account,
    /// The resource types, which all accounts share.
    Types,
}

impl<'a> Target<'a> {
    /// A project if one is named, otherwise every project.
    pub(super) fn projects(project_id: Option<&'a str>) -> Self {
        project_id.map_or(Self::Everywhere, Self::Project)
    }

    /// The project, if it is about one.
    fn project_id(self) -> Option<&'a str> {
        match self {
            Self::Project(project_id) | Self::NewProject(project_id) => Some(project_id),
            Self::Everywhere | Self::Account | Self::Types => None,
        }
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
    /// Whom its statements are for.
    share: Share,
    /// What was known of projects when it was decided.
    generation: u64,
    /// Whether it is for reads only.
    is_read: bool,
    /// When the domain of its project was looked up, if it matters.
    known_since: Option<Instant>,
}

impl AccessControl {
    /// `bulk` is for work that may take its time. Those that share caches save each other look-ups.
    pub(super) fn new(store: Store, bulk: Store, authenticator: Authenticator, caches: Caches) -> Self {
        Self { store, bulk, authenticator, caches }
    }

    /// Whether a principal may do this.
    ///
    /// A project that does not exist is refused like one of another domain, so that the answer does not show which exist;
    /// only operators are told.
    pub(super) async fn may<'a>(
        &'a self,
        principal: &'a Principal,
        action: Action,
        target: Target<'a>,
    ) -> Result<Grant<'a>, RequestError> {
        let generation = self.caches.projects.generation();
        let rights = &*principal.rights;
        if rights.role() < action.role() {
            let reason = format!("role: must be {} or higher for this operation, got {}", action.role(), rights.role());
            return Err(RequestError::Forbidden { reason });
        }
        let known_since = match target {
            Target::Project(project_id) => self.check_project(rights, project_id, false).await?,
            Target::NewProject(project_id) => self.check_project(rights, project_id, true).await?,
            Target::Account if action != Action::Read && rights.projects().is_some() => {
                let reason = "projects: these credentials only cover some projects of the domain";
                return Err(RequestError::Forbidden { reason: reason.to_owned() });
            }
            Target::Everywhere | Target::Account | Target::Types => None,
        };
        let project_id = target.project_id();
        let share = Share::of(project_id.or(rights.confined_to().map(|domain_id| &**domain_id)).unwrap_or_default());
        let is_read = action == Action::Read;
        Ok(Grant { access: self, principal, target, share, generation, is_read, known_since })
    }

    /// Whether the rights cover a project. Returns when its domain was looked up, if that decided.
    async fn check_project(
        &self,
        rights: &Rights,
        project_id: &str,
        may_be_new: bool,
    ) -> Result<Option<Instant>, RequestError> {
        let covered = rights.covered();
        let Some(domain_id) = covered.domain_id else { return Ok(None) };
        if covered.names(project_id) && is_storable(project_id) {
            match self.domain_of(project_id).await? {
                Some((owner, since)) if *owner == *domain_id => return Ok(Some(since)),
                None if may_be_new && covered.projects.is_none() => return Ok(None),
                _ => {}
            }
        }
        Err(RequestError::forbidden_project(project_id))
    }

    /// The domain that a project belongs to and when it was looked up; `None` if there is no such project.
    async fn domain_of(&self, project_id: &str) -> Result<Option<(Arc<str>, Instant)>, RequestError> {
        if let Some(known) = self.caches.projects.get(project_id) {
            return Ok(Some(known));
        }
        let generation = self.caches.projects.generation();
        let store = self.store.sharing(Share::of(project_id));
        let Some(project) = store.find_project(project_id).await? else { return Ok(None) };
        let domain_id: Arc<str> = project.domain_id.into();
        self.caches.projects.put(project_id, Arc::clone(&domain_id), generation);
        Ok(Some((domain_id, Instant::now())))
    }
}

/// A grant for work that outlives its request's handler: whether it still holds can be asked, and no more.
#[derive(Debug)]
pub(super) struct Standing {
    authenticator: Authenticator,
    principal: Principal,
}

impl Standing {
    /// The same as [`Grant::check_again`].
    pub(super) async fn check_again(&self) -> Result<(), RequestError> {
        self.authenticator.check_again(&self.principal).await
    }
}

impl<'a> Grant<'a> {
    /// Whether the credential of the principal still holds. What takes more than one step asks before each of the others, since
    /// the credential may have been revoked meanwhile or have expired.
    pub(super) async fn check_again(&self) -> Result<(), RequestError> {
        self.access.authenticator.check_again(self.principal).await
    }

    /// Whether what was read from scopes may still be shown: projects may have been moved to another domain, or deleted and
    /// registered by it, after the decision and before they were read. It costs nothing if no project was changed meanwhile.
    pub(super) async fn check_read(&self, scopes: &[i64]) -> Result<(), RequestError> {
        let Some(domain_id) = self.confined_to() else { return Ok(()) };
        if self.generation == self.access.caches.projects.generation() {
            return Ok(());
        }
        // rare, and a large future: see Service::run
        let store = self.primary();
        if Box::pin(store.any_foreign(scopes, domain_id)).await? { Err(RequestError::lost_project()) } else { Ok(()) }
    }

    /// The same as [`Grant::check_again`] for work that outlives the handler of its request.
    pub(super) fn standing(&self) -> Standing {
        Standing { authenticator: self.access.authenticator.clone(), principal: self.principal.clone() }
    }

    /// The store for reads. Those of a grant for reads may come from a replica; of what is read to be changed, or to decide whether it
    /// may be, they come from the primary.
    pub(super) fn store(&self) -> Store {
        let store = self.primary();
        if self.is_read { store.reading_for(|| self.read()) } else { store }
    }

    /// The store for reads that decide something, or whose outcome is remembered.
    pub(super) fn primary(&self) -> Store {
        self.access.store.sharing(self.share)
    }

    /// The store for look-ups whose outcome may be remembered, and whether it may. While the primary does not answer, reads go on, and
    /// what a replica says is not remembered.
    pub(super) fn lookups(&self) -> (Store, bool) {
        if self.is_read && self.access.store.is_primary_away() { (self.store(), false) } else { (self.primary(), true) }
    }

    /// What a read must find: what its principal has written, and all that had been committed when it was known that the principal
    /// may read there.
    fn read(&self) -> Option<ReplicaRead<'_>> {
        let Principal { positions, caller, .. } = self.principal;
        Some(ReplicaRead {
            positions: positions.as_deref()?,
            principal: &caller.principal,
            project_id: self.project_id(),
            known_since: self.known_since,
            changed: self.access.caches.projects.changed(),
        })
    }

    /// The store for changes, which passes the caller to the database.
    pub(super) fn writer(&self) -> Store {
        self.acting(&self.primary())
    }

    /// The same for work without a deadline.
    pub(super) fn bulk(&self) -> Store {
        self.acting(&self.access.bulk.sharing(self.share))
    }

    fn acting(&self, store: &Store) -> Store {
        let Principal { positions, caller, .. } = self.principal;
        store.acting_for(Arc::clone(caller)).noting_for(positions.as_ref(), &caller.principal, self.project_id())
    }

    /// The cache of scopes.
    pub(super) fn cache(&self) -> &'a ScopeCache {
        &self.access.caches.scopes
    }

    /// The project, if the action is about one.
    pub(super) fn project_id(&self) -> Option<&'a str> {
        self.target.project_id()
    }

    /// The projects that it covers, for what spans projects.
    pub(super) fn covered(&self) -> ProjectFilter<'a> {
        self.principal.rights.covered()
    }

    /// The domain that a new project gets if the principal may only work in one.
    pub(super) fn confined_to(&self) -> Option<&'a str> {
        self.principal.rights.confined_to().map(|domain_id| &**domain_id)
    }

    /// The role of the principal.
    pub(super) fn role(&self) -> Role {
        self.principal.rights.role()
    }

    /// What is remembered. Who changes a project has to forget it.
    pub(super) fn caches(&self) -> Caches {
        self.access.caches.clone()
    }

    /// Up to where the feed of all changes is complete.
    pub(super) fn settled_feed(&self) -> &'a SettledFeed {
        &self.access.caches.settled_feed
    }

    /// The account of the principal, which owns predefined tags.
    pub(super) fn account(&self) -> &'a str {
        self.principal.account()
    }
}
