//! The official Python SDKs, unmodified, against a real server: `tests/sdk/suite.py`.

use std::{path::Path, process::Command};

use crate::support::{World, registration};

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
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found = Command::new(root.join("tools/python-clients")).output().unwrap();
    assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
    let python = String::from_utf8(found.stdout).unwrap().trim().to_owned();

    let resources: Vec<_> = TYPES
        .into_iter()
        .flat_map(|kind| [("r1", "web-1"), ("r2", "web-2"), ("r3", "db-3")].map(|(id, name)| (kind, id, name)))
        .map(|(kind, id, name)| {
            let mut resource = registration(kind, id, name, &[]);
            resource.project_id = PROJECT.into();
            resource
        })
        .collect();
    let world = World::with(&resources);
    let home = tempfile::tempdir().unwrap();
    let suite = Command::new(python)
        .arg(root.join("tests/sdk/suite.py"))
        // the SDK writes an id of its own into the home folder
        .env("HOME", home.path())
        .env("TAGD_URL", &world.url)
        .env_remove("HTTP_PROXY")
        .env_remove("http_proxy")
        .output()
        .unwrap();
    assert!(suite.status.success(), "{}", String::from_utf8_lossy(&suite.stderr));
}
