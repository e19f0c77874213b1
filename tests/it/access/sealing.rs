//! The master key: keys that it does not open, and secrets that are sealed anew while keys are rotated.

use tagd::{
    app::credentials_of,
    auth::{MasterKeys, Principal},
    domain::{Role, credential::CredentialKind},
    service::{AuthSettings, NewCredential},
    store::SessionProfile,
};

use super::{guarded, settings};
use crate::support::block_on;

/// A login with a key and a secret.
fn login(access_key: &str, secret: &str) -> String {
    format!(
        r#"{{"auth":{{"identity":{{"methods":["password"],"password":{{"user":{{"name":"{access_key}","password":"{secret}","domain":{{"name":"d"}}}}}}}}}}}}"#
    )
}

#[test]
fn a_key_that_the_master_key_does_not_open_is_unknown_to_clients() {
    let world = guarded();
    let other = MasterKeys::parse(&"07".repeat(32)).unwrap();
    let new = NewCredential {
        name: "of another master key".into(),
        role: Some(Role::Reader),
        domain_id: Some("d".into()),
        ..NewCredential::default()
    };
    let issued = block_on(async {
        let store = world.db.store(SessionProfile::Bulk, 1).await;
        let credentials = credentials_of(&store, AuthSettings { master: Some(other.into()), ..settings() });
        let issued = credentials.create(&Principal::command("test"), CredentialKind::Key, new).await.unwrap();
        store.close().await;
        issued
    });
    let secret = String::from_utf8(issued.secret.expose().to_vec()).unwrap();
    let headers = [("Content-Type", "application/json")];
    let lost = world.send("POST", "/v3/auth/tokens", &headers, login(&issued.credential.id, &secret).as_bytes());
    let unknown = world.send("POST", "/v3/auth/tokens", &headers, login("NOSUCHACCESSKEY00000", &secret).as_bytes());
    assert_eq!((lost.status, lost.body), (unknown.status, unknown.body));
    assert_eq!(lost.status, 401);
}

#[test]
fn a_key_that_is_rotated_while_secrets_are_sealed_anew_keeps_its_new_one() {
    let world = guarded();
    block_on(async {
        let store = world.db.store(SessionProfile::Bulk, 1).await;
        let credentials = credentials_of(&store, settings());
        let principal = Principal::command("test");
        let new = NewCredential { name: "rotated".into(), role: Some(Role::Operator), ..NewCredential::default() };
        let id = credentials.create(&principal, CredentialKind::Key, new).await.unwrap().credential.id;
        let sealed = async || store.find_credential(&id).await.unwrap().unwrap().1.secret;
        // what `tagd key reseal` read before the rotation
        let before = sealed().await;
        credentials.rotate(&principal, CredentialKind::Key, &id).await.unwrap();
        let rotated = sealed().await;
        assert_ne!(before, rotated);
        assert!(!store.reseal_credential(&id, &before, b"the old one, sealed anew").await.unwrap());
        assert_eq!(sealed().await, rotated);
        assert!(store.reseal_credential(&id, &rotated, b"sealed anew").await.unwrap());
        assert_eq!(sealed().await, b"sealed anew");
        store.close().await;
    });
}
