//! Import and export, over connections without a deadline.

use std::io;

use super::{
    PREDEFINED_QUOTA, Registry,
    access::{Action, Grant, Standing, Target},
};
use crate::{
    auth::Principal,
    domain::{
        RequestError,
        definition::{AdmittedDefinition, Definition, DefinitionLimits, Entry, Kind, NewPredefined},
        registry::{Aliases, NewProject, RegistryError},
    },
    store::{Changed, ExportTotals, Exporter, Store, StoreError},
    text::WrongEncoding,
    transfer::{self, Atomicity, Covered, Gate, LoadError, Outcome, Progress, Stored, batches::Batches},
};

/// An import that was allowed.
#[derive(Debug)]
pub(crate) struct Import<'a> {
    registry: &'a Registry,
    principal: &'a Principal,
    grant: Grant<'a>,
    limits: DefinitionLimits,
}

/// An export that was allowed.
#[derive(Debug)]
pub(crate) struct Export<'a> {
    grant: Grant<'a>,
}

/// The contents of an export at one point in time.
#[derive(Debug)]
pub(crate) struct Snapshot {
    exporter: Exporter,
    standing: Standing,
}

/// Entries of an export that are passed on before its credential is looked up again.
const PIECE: u32 = 100;

/// Why an import stopped, as far as it is reported to the client.
#[derive(Debug)]
pub(crate) enum ImportError {
    /// A type that it uses was changed while it ran; the client can send it again.
    Changed(String),
    /// The database refused it or failed.
    Store(RequestError),
    /// Its credential does not hold any more, or nobody knows whether it does.
    Denied {
        /// Number of the first line that was not imported.
        line: u64,
        /// Why.
        source: RequestError,
    },
    /// A line is bad and the import is strict.
    Strict,
    /// More resources are not in the input than may be removed.
    PruneLimit {
        /// Resources that are not in the input.
        unlisted: u64,
        /// The limit.
        limit: u64,
    },
    /// The input is text in another encoding than UTF-8.
    Encoding(WrongEncoding),
    /// Reading the input failed.
    Broken(io::Error),
}

/// Why an export stopped.
#[derive(Debug)]
pub(crate) enum ExportError<E> {
    /// The database failed.
    Store(StoreError),
    /// Its credential does not hold any more, or nobody knows whether it does.
    Denied(RequestError),
    /// An entry could not be written to the output.
    Output(E),
}

impl Registry {
    /// Begins an import into the projects that the principal may administer. It holds definitions to these limits.
    pub(crate) async fn import<'a>(
        &'a self,
        principal: &'a Principal,
        limits: DefinitionLimits,
    ) -> Result<Import<'a>, RequestError> {
        let grant = self.access.may(principal, Action::Register, Target::Everywhere).await?;
        Ok(Import { registry: self, principal, grant, limits })
    }

    /// Begins an export of everything in the projects that the principal may administer, and in all of the domain.
    pub(crate) async fn export<'a>(&'a self, principal: &'a Principal) -> Result<Export<'a>, RequestError> {
        let grant = self.access.may(principal, Action::Register, Target::Everywhere).await?;
        Ok(Export { grant })
    }
}

impl Import<'_> {
    /// The types of all aliases: a resource may give its type by an alias.
    pub(crate) async fn aliases(&self) -> Result<Aliases, RequestError> {
        Ok(self.grant.store().aliases().await?)
    }

    /// What the principal may import; `None` for everything.
    pub(crate) async fn covered(&self) -> Result<Option<Covered>, RequestError> {
        let Some(domain_id) = self.grant.confined_to() else { return Ok(None) };
        let projects = self.grant.covered().projects.map(<[String]>::to_vec);
        Ok(Some(Covered::read(&self.grant.store(), domain_id.into(), projects).await?))
    }

    /// Imports what the batches have.
    pub(crate) async fn load(
        &self,
        batches: Batches,
        atomicity: Atomicity,
        mut report: impl FnMut(Progress<'_>),
    ) -> Result<Outcome, ImportError> {
        let mut changed = Changed::default();
        let report = |step: Progress<'_>| match step {
            Progress::Moving(projects) => changed.projects.extend(projects),
            other => report(other),
        };
        let store = self.store();
        // earlier batches may have been imported also if it failed
        let outcome = store.noting_all(transfer::load(&store, batches, atomicity, report, self)).await;
        self.grant.caches().forget(&changed);
        outcome.map_err(ImportError::from)
    }

    /// The store to import into, for commands, which report more than a request does.
    pub(crate) fn store(&self) -> Store {
        self.grant.bulk()
    }
}

/// Each definition is held to what a single request for it is held to.
impl Gate for Import<'_> {
    fn limits(&self) -> &DefinitionLimits {
        &self.limits
    }

    async fn check_again(&self) -> Result<(), RequestError> {
        self.grant.check_again().await
    }

    async fn admit(&self, definition: Definition) -> Result<AdmittedDefinition, RegistryError> {
        let Self { registry, principal, .. } = self;
        match &definition {
            Definition::Type(_) => registry.access.may(principal, Action::ChangeTypes, Target::Types).await?,
            Definition::Project(project) => registry.may_put_project(principal, &project.project_id).await?,
            Definition::PredefinedTag(_) => registry.access.may(principal, Action::Tag, Target::Account).await?,
            Definition::Policy(policy) => {
                registry.may_put_policy(principal, policy.project_id.as_deref(), true).await?
            }
        };
        let admitted = self.admit_again(definition)?;
        if let AdmittedDefinition::Policy { checked, .. } = &admitted {
            self.grant.check_pattern(checked).await?;
        }
        Ok(admitted)
    }

    fn admit_again(&self, definition: Definition) -> Result<AdmittedDefinition, RegistryError> {
        let grant = &self.grant;
        Ok(match definition {
            Definition::Type(new) => AdmittedDefinition::Type(new),
            Definition::Project(NewProject { project_id, project_name, domain_id }) => {
                let domain_id = grant.domain_of_project(domain_id)?;
                AdmittedDefinition::Project(NewProject { project_id, project_name, domain_id })
            }
            Definition::PredefinedTag(NewPredefined { domain_id, tag, updated_at }) => {
                let domain_id = grant.domain_of(domain_id.as_deref())?.unwrap_or(grant.account()).to_owned();
                AdmittedDefinition::PredefinedTag { domain_id, tag, updated_at, quota: PREDEFINED_QUOTA }
            }
            Definition::Policy(policy) => {
                let checked = grant.with_limits(policy)?.into();
                AdmittedDefinition::Policy { checked, projects: grant.covered().projects.map(<[String]>::to_vec) }
            }
        })
    }

    async fn stored(&self, stored: Stored) {
        let Stored { projects, has_enforced } = stored;
        self.grant.caches().forget(&Changed { projects, ..Changed::default() });
        if has_enforced && let Err(error) = self.grant.store().await_writers().await {
            // the import is done, and these writes end some time
            tracing::warn!(%error, "writes may still be decided by the policies before an import");
        }
    }
}

impl Export<'_> {
    /// Takes the snapshot of these kinds of entries.
    pub(crate) async fn begin(&self, kinds: &[Kind]) -> Result<Snapshot, StoreError> {
        let exporter = self.grant.bulk().export(self.grant.covered(), kinds).await?;
        Ok(Snapshot { exporter, standing: self.grant.standing() })
    }
}

impl Snapshot {
    /// How much it has.
    pub(crate) async fn totals(&mut self) -> Result<ExportTotals, StoreError> {
        self.exporter.totals().await
    }

    /// Passes every entry to `each`, in order, as long as the credential of the principal holds.
    pub(crate) async fn run<E>(self, mut each: impl AsyncFnMut(Entry) -> Result<(), E>) -> Result<(), ExportError<E>> {
        let Self { exporter, standing } = self;
        let mut passed = 0;
        exporter
            .run(async |entry| {
                if passed == PIECE {
                    standing.check_again().await.map_err(ExportError::Denied)?;
                    passed = 0;
                }
                passed += 1;
                each(entry).await.map_err(ExportError::Output)
            })
            .await
    }
}

impl From<LoadError> for ImportError {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Store(source @ StoreError::TypeGone)
            | LoadError::Refused { source: source @ StoreError::TypeGone, .. } => Self::Changed(source.to_string()),
            LoadError::Store(source) | LoadError::Refused { source, .. } => Self::Store(source.into()),
            LoadError::Denied { line, source } => Self::Denied { line, source },
            LoadError::Strict => Self::Strict,
            LoadError::PruneLimit { unlisted, limit } => Self::PruneLimit { unlisted, limit },
            LoadError::Encoding(wrong) => Self::Encoding(wrong),
            LoadError::Broken(source) => Self::Broken(source),
        }
    }
}

impl<E> From<StoreError> for ExportError<E> {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
