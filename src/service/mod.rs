//! Use cases: each authorizes the principal, selects the scopes and runs the statements.

mod access;
mod authenticator;
mod bulk;
mod caches;
mod changes;
mod clock;
mod commands;
mod credential_cache;
mod credentials;
mod finish;
mod history;
mod identity;
mod lists;
mod origin;
mod policies;
mod project_cache;
mod queries;
mod registry;
mod scope_cache;
mod scopes;
mod settled_feed;
mod state;

pub use authenticator::{AuthSettings, Authenticator, ConfiguredKey, FoundKey, KnownKey};
pub(crate) use bulk::{ExportError, Import, ImportError, Snapshot};
pub use caches::Caches;
pub use changes::PREDEFINED_QUOTA;
pub use credential_cache::{CredentialCache, MAX_AGE};
pub use credentials::{Credentials, Issued, NewCredential, configured_key};
pub use history::{FeedPage, FeedStart, History, HistoryPage};
pub use identity::{Identity, IssuedToken, Login, ProjectName, TOKEN_LIFETIME, TokenScope, TokenView, User};
pub use policies::{ComplianceQuery, OffenderPage, PolicyRef, TriedPolicy};
pub use project_cache::ProjectCache;
pub use registry::{Registry, ResourcePage, Start};
pub use scope_cache::ScopeCache;
pub use settled_feed::SettledFeed;
pub use state::Service;
