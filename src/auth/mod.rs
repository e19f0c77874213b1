//! Who sends a request: principals, and the credentials that show who they are.

pub mod keystone;
mod marker;
pub mod master_key;
mod principal;
pub mod random;
pub mod secret;
pub mod signature;

pub use keystone::Keystone;
pub use marker::MarkerKey;
pub use master_key::MasterKeys;
pub use principal::{Authenticated, CredentialRef, IssuedRef, Principal};
pub use secret::Secret;
