//! Import and export, over connections without a deadline.

use std::io;

use super::{
    Registry,
    access::{Action, Grant, Target},
};
use crate::{
    auth::Principal,
    domain::{RequestError, change::Registration, registry::Aliases},
    store::{ExportTotals, Exporter, Store, StoreError},
    text::WrongEncoding,
    transfer::{self, Atomicity, LoadError, Outcome, Progress, batches::Batches},
};

/// An import that was allowed.
#[derive(Debug)]
pub(crate) struct Import<'a> {
    grant: Grant<'a>,
}

/// An export that was allowed.
#[derive(Debug)]
pub(crate) struct Export<'a> {
    grant: Grant<'a>,
}

/// What an export writes: every resource as it was at one moment.
#[derive(Debug)]
pub(crate) struct Snapshot {
    exporter: Exporter,
}

/// Why an import stopped, as far as the client of a request is told.
#[derive(Debug)]
pub(crate) enum ImportError {
    /// What it relies on was changed while it ran; it can be sent again.
    Changed(String),
    /// The database did not take it.
    Store(RequestError),
    /// A line is bad and the import is strict.
    Strict,
    /// The input is text in another encoding than UTF-8.
    Encoding(WrongEncoding),
    /// The input broke off.
    Broken(io::Error),
}

/// Why an export stopped.
#[derive(Debug)]
pub(crate) enum ExportError<E> {
    /// The database gave no more.
    Store(StoreError),
    /// A resource could not be handed on.
    Output(E),
}

impl Registry {
    /// Begins an import, of resources of any project.
    pub(crate) async fn import<'a>(&'a self, principal: &'a Principal) -> Result<Import<'a>, RequestError> {
        let grant = self.access.may(principal, Action::Register, Target::Everywhere).await?;
        Ok(Import { grant })
    }

    /// Begins an export of every resource.
    pub(crate) async fn export<'a>(&'a self, principal: &'a Principal) -> Result<Export<'a>, RequestError> {
        let grant = self.access.may(principal, Action::Read, Target::Everywhere).await?;
        Ok(Export { grant })
    }
}

impl Import<'_> {
    /// The types of all aliases, by which resources may name their type.
    pub(crate) async fn aliases(&self) -> Result<Aliases, RequestError> {
        Ok(self.store().aliases().await?)
    }

    /// Imports what the batches have.
    pub(crate) async fn load(
        &self,
        batches: Batches,
        atomicity: Atomicity,
        tell: impl FnMut(Progress<'_>),
    ) -> Result<Outcome, ImportError> {
        transfer::load(&self.store(), batches, atomicity, tell).await.map_err(ImportError::from)
    }

    /// The store that takes it, for commands, which report more than a request does.
    pub(crate) fn store(&self) -> Store {
        self.grant.bulk()
    }
}

impl Export<'_> {
    /// Takes the snapshot.
    pub(crate) async fn begin(&self) -> Result<Snapshot, StoreError> {
        Ok(Snapshot { exporter: self.grant.bulk().export().await? })
    }
}

impl Snapshot {
    /// How many resources there are.
    pub(crate) async fn totals(&mut self) -> Result<ExportTotals, StoreError> {
        self.exporter.totals().await
    }

    /// Hands every resource to `each`, in order.
    pub(crate) async fn run<E>(
        self,
        mut each: impl AsyncFnMut(Registration) -> Result<(), E>,
    ) -> Result<(), ExportError<E>> {
        self.exporter.run(async |registration| each(registration).await.map_err(ExportError::Output)).await
    }
}

impl From<LoadError> for ImportError {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Store(source @ StoreError::TypeGone)
            | LoadError::Refused { source: source @ StoreError::TypeGone, .. } => Self::Changed(source.to_string()),
            LoadError::Store(source) | LoadError::Refused { source, .. } => Self::Store(source.into()),
            LoadError::Strict => Self::Strict,
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
