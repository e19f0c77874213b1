//! `tagd policy`.

use serde_json::json;

use super::put;
use crate::support::{Program, TestDb, World, json_lines, registration};

#[test]
fn policies_are_put_tried_listed_and_deleted() {
    let world = World::with(&[registration("ecs", "r", "n", &[("env", "x")])]);
    let program = Program::new().on(&world.db);
    let tried = program.expect(&["policy", "try", "--key", "env", "--required", "--value", "prod"]);
    assert_eq!(
        tried,
        "p  ecs  1 of 1 resources violate it: 0 lack the key, 1 have a value that is not allowed, 0 another spelling\n1 of 1 resources violate it\n"
    );
    let tried = program.expect(&["policy", "try", "--key", "env", "--value", "prod", "--tag", "env=dev"]);
    let refused =
        r#"would be refused: tags: policy "trial" requires a value of the key "env" that is "prod", got "dev""#;
    assert!(tried.ends_with(&format!("{refused}\n")), "{tried}");
    let put = [
        "policy",
        "put",
        "env",
        "--key",
        "env",
        "--required",
        "--value",
        "prod",
        "--value",
        "dev",
        "--exact",
        "--enforce",
    ];
    let described = r#"env  key "env": required, "prod" or "dev", spelled exactly; enforced"#;
    assert!(program.run(&put).err.contains(&format!("created: {described}")));
    assert!(program.run(&put).err.contains("replaced: "));
    let own = [
        "policy",
        "put",
        "own",
        "--domain",
        "d",
        "--key",
        "owner",
        "--pattern",
        "[a-z]+",
        "--type",
        "ecs",
        "--description",
        "why",
    ];
    let said = program.run(&own);
    assert!(said.code == Some(0) && said.err.contains("warning: the policy concerns no resources yet"), "{}", said.err);
    let listed = program.expect(&["policy", "list"]);
    assert_eq!(listed, format!("{described}\nown  key \"owner\" in domain \"d\" on ecs: like \"[a-z]+\"; reported\n"));
    let shown: serde_json::Value =
        serde_json::from_str(&program.expect(&["policy", "show", "own", "--domain", "d"])).unwrap();
    assert_eq!((shown["pattern"].as_str(), shown["description"].as_str()), (Some("[a-z]+"), Some("why")));
    for (args, message) in [
        (&["policy", "show", "own"][..], "unknown policy \"own\""),
        (&["policy", "put", "x", "--key", "k"], "--required: must be true if there are no"),
        (
            &["policy", "put", "x", "--key", "k", "--pattern", "("],
            "--pattern: must be a regular expression: unclosed group at character 1",
        ),
        (
            &["policy", "put", "x", "--key", "k", "--required", "--type", "none"],
            "--type: unknown resource type \"none\"",
        ),
        (&["policy", "put", "x", "--key", "k", "--value", "a", "--value", "a"], "tagd: --value: duplicate"),
        (
            &["policy", "put", "x", "--key", "k", "--required", "--type", "ecs", "--type", "ecs"],
            "tagd: --type: duplicate",
        ),
    ] {
        let said = program.run(args);
        assert!(said.code == Some(1) && said.err.contains(message), "{args:?}: {}", said.err);
    }
    program.expect(&["policy", "delete", "env"]);
    assert_eq!(program.run(&["policy", "delete", "env"]).code, Some(1));
}

#[test]
fn an_export_is_imported_without_a_loss() {
    let world = World::with(&[registration("ecs", "r", "n", &[])]);
    put(&world, "a", &json!({ "key": "k\n\"", "required": true, "values": ["", "é", "'"], "enforced": true }));
    put(
        &world,
        "b?domain_id=d",
        &json!({ "key": "Ä", "exact_spelling": true, "pattern": r"\w+\.", "description": "x" }),
    );
    put(&world, "c", &json!({ "key": "k", "required": true, "project_id": "p", "resource_types": ["ecs", "images"] }));
    let program = Program::new().on(&world.db);
    let exported = program.expect(&["policy", "export"]);
    assert_eq!(json_lines(&exported).len(), 3);
    let other = TestDb::new();
    let there = Program::new().on(&other);
    // projects come first
    there.write("policies.ndjson", &exported);
    let said = there.run(&["policy", "import", "policies.ndjson"]);
    assert!(said.code == Some(1) && said.err.contains("line 3: project_id: unknown project \"p\""), "{}", said.err);
    assert!(said.err.contains("2 created, 0 replaced, 1 rejected"), "{}", said.err);
    there.import(r#"{"project_id":"p","resource_type":"disk","resource_id":"r","tags":[{"key":"k\n\"","value":""}]}"#);
    let said = there.run(&["policy", "import", "policies.ndjson"]);
    assert!(said.err.contains("1 created, 2 replaced, 0 rejected"), "{}", said.err);
    assert_eq!(there.expect(&["policy", "export"]), exported);
    let bad = there.run_with_input(&["policy", "import"], b"{}\n\n[]\n{\"key\":\"k\",\"required\":true}\n");
    assert!(
        bad.err.contains("line 1: missing field `key`")
            && bad.err.contains("line 3: ")
            && bad.err.contains("line 4: policy_name: "),
        "{}",
        bad.err
    );
}

#[test]
fn an_export_leaves_out_what_could_not_be_imported() {
    let mut one = registration("ecs", "r", "n", &[]);
    one.domain_id = Some("d".into());
    let world = World::with(&[one]);
    for name in ["stays", "moved"] {
        let project = Some("p").filter(|_| name == "moved");
        put(&world, &format!("{name}?domain_id=d"), &json!({ "key": "k", "required": true, "project_id": project }));
    }
    let program = Program::new().on(&world.db);
    assert_eq!(json_lines(&program.expect(&["policy", "export"])).len(), 2);
    let moved =
        world.send("PUT", "/registry/v1/projects/p", &[("Content-Type", "application/json")], br#"{"domain_id":"e"}"#);
    assert_eq!(moved.status, 200, "{}", moved.body);
    let exported = program.run(&["policy", "export"]);
    let said = "tagd: warning: left out, since its project is in another domain: moved  key \"k\" in domain \"d\" in project p: required; reported\n";
    assert_eq!((exported.code, &*exported.err), (Some(0), said));
    program.write("policies.ndjson", &exported.out);
    let imported = program.run(&["policy", "import", "policies.ndjson"]);
    assert!(imported.code == Some(0) && imported.err.contains("0 created, 1 replaced, 0 rejected"), "{}", imported.err);
}
