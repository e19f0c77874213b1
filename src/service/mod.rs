//! Use cases: each authorizes the principal, selects the scopes and runs the statements.

mod access;
mod bulk;
mod changes;
mod commands;
mod lists;
mod queries;
mod registry;
mod scope_cache;
mod scopes;
mod state;

pub(crate) use bulk::{ExportError, Import, ImportError, Snapshot};
pub use changes::PREDEFINED_QUOTA;
pub use registry::{Registry, ResourcePage, Start};
pub use scope_cache::ScopeCache;
pub use state::Service;
