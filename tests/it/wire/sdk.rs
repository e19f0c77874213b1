//! The official Python SDKs, unmodified, against a real server: `tests/sdk/suite.py`.

use tagd::{
    auth::Secret,
    domain::{Rights, Role},
    service::{AuthSettings, ConfiguredKey},
};

use crate::{
    access,
    support::{World, registration, run_python},
};

const PROJECT: &str = "0123456789abcdef0123456789abcdef";
const TYPES: [&str; 9] = [
    "images",
    "DNS-public_zone",
    "DNS-private_zone",
    "DNS-public_recordset",
    "DNS-private_recordset",
    "DNS-ptr_record",
    "cts-tracker",
    "ecs",
    "disk",
];

#[test]
fn every_tag_operation_of_the_official_clients_works() {
    run(&World::new(), &[]);
}

#[test]
fn every_tag_operation_of_the_official_clients_works_signed() {
    let rights = Rights::in_domain(Role::Tagger, "d".into(), None);
    let key = ConfiguredKey { access_key: "AK".into(), secret: Secret::new("SK"), name: "sdk".into(), rights };
    let world = World::with_auth(AuthSettings { configured: vec![key], ..access::settings() });
    run(&world, &[("TAGD_TOKEN", &access::token(&world, Role::Tagger, "d", &[]))]);
}

#[test]
fn every_tag_operation_of_the_official_clients_works_with_a_token() {
    let world = World::with_auth(access::settings());
    let token = access::token(&world, Role::Tagger, "d", &[]);
    run(&world, &[("TAGD_TOKEN", &token), ("TAGD_SDK_SENDS", "token")]);
}

fn run(world: &World, variables: &[(&str, &str)]) {
    let resources: Vec<_> = TYPES
        .into_iter()
        .flat_map(|kind| [("r1", "web-1"), ("r2", "web-2"), ("r3", "db-3")].map(|(id, name)| (kind, id, name)))
        .map(|(kind, id, name)| {
            let mut resource = registration(kind, id, name, &[]);
            resource.project_id = PROJECT.into();
            resource.domain_id = Some("d".into());
            resource
        })
        .collect();
    world.load(&resources);
    run_python("tests/sdk/suite.py", world, variables);
}
