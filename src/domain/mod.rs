//! The domain model: resources, tags, and queries with their semantics.
//!
//! Pure: no serde, no SQL, no HTTP, no async.

pub mod caller;
pub mod change;
pub mod charset;
pub mod command;
pub mod credential;
pub mod definition;
pub mod detail;
pub mod error;
pub mod history;
pub mod limits;
pub mod listen;
pub mod matching;
pub mod moment;
pub mod network;
pub mod outage;
pub mod page;
pub mod pattern;
pub mod policy;
pub mod position;
pub mod project_filter;
pub mod query;
pub mod reason;
pub mod registration;
pub mod registry;
pub mod resource;
pub mod rights;
pub mod services;
pub mod storable;
pub mod tag;
pub mod tag_list;
pub mod violation;
pub mod write_limits;

pub use caller::Caller;
pub use command::{Answer, Command};
pub use error::{FieldKind, RequestError};
pub use limits::QueryLimits;
pub use listen::{ListenAddress, ListenAddressError};
pub use network::{Network, NetworkError};
pub use outage::Outage;
pub use page::{Item, Page, Scope};
pub use pattern::Pattern;
pub use policy::{CheckedPolicy, Policy};
pub use position::{Position, RequestPositions};
pub use project_filter::ProjectFilter;
pub use query::{NameMatch, QueryOutput, ResourceQuery, ScopeSelector, TagQuery, Term, ValueMatch};
pub use resource::Resource;
pub use rights::{Rights, Role};
pub use storable::is_storable;
pub use tag::Tag;
pub use tag_list::{TagList, TagOrder, TagWalk};
pub use violation::{PolicyRefusal, Problem, Violation};
pub use write_limits::WriteLimits;
