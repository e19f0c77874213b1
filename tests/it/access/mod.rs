//! Who may do what: credentials, roles, and domains that are kept apart.

mod browser;
mod credentials;
mod given_up;
mod identity;
mod isolation;
mod keystone;
mod limits;
mod lookups;
mod notified;
mod revocation;
mod roles;
mod roots;
mod sealing;
mod several;
mod transfer;

use ring::hmac;
use sha2::{Digest, Sha256};
use tagd::{
    app::credentials_of,
    auth::{MasterKeys, Principal},
    domain::{Role, credential::CredentialKind},
    service::{AuthSettings, Issued, NewCredential},
    store::SessionProfile,
};
use time::OffsetDateTime;

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

/// The headers by which a request is signed with a key and its secret. The signature covers the given headers too, whose names
/// are in lower case. `target` is the path and the query.
pub fn signed(
    (access_key, secret): (&str, &str),
    method: &str,
    (path, query): (&str, &str),
    headers: &[(&str, &str)],
    body: &[u8],
) -> Vec<(&'static str, String)> {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let now = OffsetDateTime::now_utc();
    let (date, time) = (now.date(), now.time());
    let (month, day) = (u8::from(date.month()), date.day());
    let (hour, minute, second) = time.as_hms();
    let date = format!("{}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z", date.year());
    let mut headers = [headers, &[("x-sdk-date", &date)]].concat();
    headers.sort_unstable();
    let given = headers.iter().find(|(name, _)| *name == "x-sdk-content-sha256");
    let content = given.map_or_else(|| hex(&Sha256::digest(body)), |(_, given)| (*given).to_owned());
    let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let canonical = format!("{method}\n{path}/\n{query}\n{lines}\n{names}\n{content}");
    let text = format!("SDK-HMAC-SHA256\n{date}\n{}", hex(&Sha256::digest(canonical)));
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), text.as_bytes());
    let signature = hex(signature.as_ref());
    vec![
        ("X-Sdk-Date", date),
        ("Authorization", format!("SDK-HMAC-SHA256 Access={access_key}, SignedHeaders={names}, Signature={signature}")),
    ]
}

pub fn borrowed<'a>(headers: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    headers.iter().map(|(name, value)| (*name, value.as_str())).collect()
}
