//! Who may do what: credentials, roles, and domains that are kept apart.

mod browser;
mod credentials;
mod identity;
mod isolation;
mod keystone;
mod limits;
mod revocation;
mod roles;
mod sealing;

use tagd::{
    app::credentials_of,
    auth::{MasterKeys, Principal},
    domain::{Role, credential::CredentialKind},
    service::{AuthSettings, Issued, NewCredential},
    store::SessionProfile,
};

use crate::support::{World, block_on};

const MASTER: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// Keys and tokens.
pub fn settings() -> AuthSettings {
    let master = Some(MasterKeys::parse(MASTER).unwrap().into());
    AuthSettings { keys: true, tokens: true, master, ..AuthSettings::default() }
}

/// A server whose requests must have credentials.
pub fn guarded() -> World {
    World::with_auth(settings())
}

/// Creates a credential as the operator of the machine.
fn issue(world: &World, kind: CredentialKind, new: NewCredential) -> Issued {
    block_on(async {
        let store = world.db.store(SessionProfile::Bulk, 1).await;
        let credentials = credentials_of(&store, settings());
        let issued = credentials.create(&Principal::command("test"), kind, new).await.unwrap();
        store.close().await;
        issued
    })
}

/// A token with a role in a domain, or in some projects of it.
pub fn token(world: &World, role: Role, domain_id: &str, projects: &[&str]) -> String {
    let new = NewCredential {
        name: format!("{role} of {domain_id}"),
        role: Some(role),
        domain_id: Some(domain_id.to_owned()).filter(|domain_id| !domain_id.is_empty()),
        projects: (!projects.is_empty()).then(|| projects.iter().map(|&project| project.to_owned()).collect()),
        ..NewCredential::default()
    };
    let issued = issue(world, CredentialKind::Token, new);
    String::from_utf8(issued.secret.expose().to_vec()).unwrap()
}
