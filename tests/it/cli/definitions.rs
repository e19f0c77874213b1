//! What exports and imports have besides resources: resource types, projects, predefined tags and policies.

use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::{Value, json};

use crate::support::{Program, Said, TestDb, World, json_lines, untimed};

fn lines(of: &[Value]) -> String {
    of.iter().map(|line| format!("{line}\n")).collect()
}

pub(super) fn new_type(name: &str, aliases: &[&str]) -> Value {
    json!({ "kind": "type", "resource_type": name, "service": "TMS", "regional": true, "tag_quota": 20, "aliases": aliases })
}

fn resource(resource_type: &str, id: &str, tags: &[(&str, &str)]) -> Value {
    let tags: Vec<Value> = tags.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
    json!({ "project_id": "p", "resource_type": resource_type, "resource_id": id, "tags": tags })
}

pub(super) fn policy(name: &str, key: &str, enforced: bool) -> Value {
    json!({ "kind": "policy", "policy_name": name, "key": key, "required": true, "enforced": enforced })
}

pub(super) fn predefined(domain: &str, key: &str, value: &str) -> Value {
    json!({ "kind": "predefined_tag", "domain_id": domain, "key": key, "value": value, "updated_at": "2026-01-02T03:04:05.000006Z" })
}

/// The lines of one kind.
pub(super) fn of_kind(program: &Program, kind: &str) -> Vec<Value> {
    json_lines(&program.expect(&["export", "--only", kind]))
}

/// One resource type of an export.
fn find_type(program: &Program, name: &str) -> Value {
    of_kind(program, "type").into_iter().find(|line| line["resource_type"] == name).unwrap_or(Value::Null)
}

pub(super) fn import(program: &Program, input: &[Value], flags: &[&str]) -> Said {
    program.write("input.ndjson", lines(input));
    untimed(program.run(&[&["import", "input.ndjson"], flags].concat()))
}

fn same(created: u64, changed: u64, unchanged: u64, rejected: u64) -> String {
    format!("{created} new, {changed} changed, {unchanged} unchanged, {rejected} rejected")
}

#[test]
fn every_kind_is_counted_for_itself_and_a_second_import_changes_nothing() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let input = [
        new_type("buckets", &["bucket", "obs"]),
        json!({ "kind": "project", "project_id": "empty", "project_name": "no resources", "domain_id": "d" }),
        predefined("d", "env", "prod"),
        json!({ "kind": "resource", "project_id": "p", "resource_type": "buckets", "resource_id": "b", "tags": [{ "key": "env", "value": "prod" }] }),
        resource("buckets", "c", &[]),
        policy("env", "env", true),
    ];
    let counts = |of: fn(u64) -> String| {
        let others =
            ["resource types", "projects", "predefined tags", "policies"].map(|kind| format!("{kind}: {}\n", of(1)));
        format!("{}resources: {}", others.concat(), of(2))
    };
    assert_eq!(
        import(&program, &input, &[]),
        Said { code: Some(0), out: counts(|n| same(n, 0, 0, 0)), err: String::new() }
    );
    for flags in [&[][..], &["--strict"], &["--strict", "--prune"]] {
        let mut out = counts(|n| same(0, 0, n, 0));
        if flags.contains(&"--prune") {
            out.push_str(", 0 removed");
        }
        assert_eq!(import(&program, &input, flags), Said { code: Some(0), out, err: String::new() });
    }
    assert_eq!(find_type(&program, "buckets")["aliases"], json!(["bucket", "obs"]));
    assert_eq!(of_kind(&program, "project").len(), 2);
    assert_eq!(of_kind(&program, "predefined_tag"), [predefined("d", "env", "prod")]);
    assert_eq!(of_kind(&program, "policy")[0]["enforced"], true);

    // another state of each
    let mut other = input.clone();
    other[0]["tag_quota"] = json!(30);
    other[1]["project_name"] = json!("another");
    other[2]["updated_at"] = json!("2026-01-02T03:04:06Z");
    other[5]["description"] = json!("what for");
    let said = import(&program, &other, &["--strict"]);
    let changed = ["resource types", "projects", "predefined tags", "policies"]
        .map(|kind| format!("{kind}: {}\n", same(0, 1, 0, 0)));
    assert_eq!(said.out, format!("{}resources: {}", changed.concat(), same(0, 0, 2, 0)));
    let exported = program.expect(&["export"]);
    assert!(exported.contains("2026-01-02T03:04:06.000000Z") && exported.contains("what for"), "{exported}");
    assert_eq!(program.run(&["index", "verify"]).code, Some(0));
}

#[test]
fn an_enforced_policy_refuses_what_comes_behind_it_and_not_what_an_export_has_before_it() {
    let first = TestDb::new();
    let program = Program::new().on(&first);
    import(&program, &[resource("ecs", "old", &[]), policy("owner", "owner", true), resource("ecs", "new", &[])], &[]);
    assert_eq!(of_kind(&program, "resource").len(), 1, "the second one lacks the key");
    let exported = program.expect(&["export"]);

    for flags in [&[][..], &["--strict"]] {
        let second = TestDb::new();
        let other = Program::new().on(&second);
        other.write("all.ndjson", &exported);
        let said = other.run(&[&["import", "all.ndjson"], flags].concat());
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{said:?}");
        assert_eq!(other.expect(&["export"]), exported);
        let refused = import(&other, &[resource("ecs", "third", &[])], &[]);
        assert!(refused.err.starts_with("line 1: tags: policy \"owner\" requires"), "{refused:?}");
        let strict = import(
            &other,
            &[policy("team", "team", true), resource("ecs", "fourth", &[("owner", "x")])],
            &["--strict"],
        );
        assert!(strict.err.starts_with("line 2: tags: policy \"team\" requires"), "{strict:?}");
        assert_eq!(of_kind(&other, "policy").len(), 1, "nothing of a strict import is left");
    }
}

#[test]
fn names_move_between_types_in_any_order_of_the_lines() {
    for flags in [&[][..], &["--strict"]] {
        let db = TestDb::new();
        let program = Program::new().on(&db);
        import(&program, &[new_type("a", &["x", "y"]), new_type("b", &["z"])], &[]);
        // x goes to b and z to a; y becomes a type; v is what was vpcs' alias
        let moved = [
            new_type("y", &[]),
            new_type("a", &["z"]),
            new_type("b", &["x"]),
            new_type("disk", &["vpc"]),
            new_type("vpcs", &[]),
        ];
        let resources =
            [resource("x", "1", &[]), resource("z", "2", &[]), resource("y", "3", &[]), resource("vpc", "4", &[])];
        let said = import(&program, &[&moved[..], &resources[..]].concat(), flags);
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{said:?}");
        assert!(said.out.starts_with("resource types: 1 new, 4 changed, 0 unchanged, 0 rejected\n"), "{}", said.out);
        let types: Vec<Value> =
            of_kind(&program, "resource").iter().map(|line| line["resource_type"].clone()).collect();
        assert_eq!(types, ["a", "b", "disk", "y"], "each line means the type that has the name then");
        assert_eq!(find_type(&program, "a")["aliases"], json!(["z"]));
        assert_eq!(find_type(&program, "vpcs")["aliases"], json!([]));
    }
}

#[test]
fn a_type_that_is_refused_takes_no_resource_of_another() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let said =
        import(&program, &[new_type("ecs", &["disk"]), new_type("mine", &["eip"]), resource("disk", "1", &[])], &[]);
    assert_eq!(said.code, Some(1));
    let taken = "aliases[0]: \"disk\" is already a resource type";
    assert_eq!(
        said.complaints(),
        [format!("line 1: {taken}"), "line 2: aliases[0]: \"eip\" is already a resource type".to_owned()]
    );
    assert_eq!(of_kind(&program, "resource")[0]["resource_type"], "disk");
    assert_eq!(find_type(&program, "mine"), Value::Null);
    let strict = import(&program, &[new_type("ecs", &["disk"]), resource("disk", "2", &[])], &["--strict"]);
    assert!(
        strict.err.starts_with(&format!("line 1: {taken}")) && strict.err.contains("nothing was imported"),
        "{strict:?}"
    );
}

#[test]
fn a_bad_line_of_any_kind_names_field_and_limit_and_costs_no_other() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let with = |mut line: Value, field: &str, value: Value| {
        line[field] = value;
        line
    };
    let policy = || policy("n", "k", false);
    let many: Vec<String> = (0..21).map(|i| format!("a{i}")).collect();
    let cases = [
        (
            json!({ "kind": "typ" }),
            "kind: must be \"type\", \"project\", \"predefined_tag\", \"resource\" or \"policy\", got \"typ\"",
        ),
        (json!({ "kind": 1 }), "kind: invalid type: integer `1`"),
        (json!({ "kind": "type" }), "missing field `resource_type`"),
        (with(new_type("t", &[]), "servce", json!("TMS")), "servce: unknown field"),
        (with(new_type("t", &[]), "service", json!("ECS")), "service: must be "),
        (
            with(new_type("t", &[]), "tag_quota", json!(1001)),
            "tag_quota: must be an integer between 1 and 1000, got 1001",
        ),
        (with(new_type("t", &[]), "aliases", json!(many)), "aliases: must have at most 20 entries"),
        (new_type("t", &["a", "a"]), "aliases[1]: duplicate alias \"a\""),
        (new_type("t t", &[]), "resource_type: must contain only"),
        (new_type("vpc", &[]), "resource_type: \"vpc\" is an alias of \"vpcs\""),
        (json!({ "kind": "project", "project_id": "" }), "project_id: must not be empty"),
        (
            json!({ "kind": "project", "project_id": "p", "domain_id": "x".repeat(129) }),
            "domain_id: must be at most 128 characters, got 129",
        ),
        (json!({ "kind": "project", "project_id": "p", "tags": [] }), "tags: unknown field"),
        (predefined("d", "", "v"), "key: must not be empty"),
        (predefined("d", &"k".repeat(37), "v"), "key: must be at most 36 characters, got 37"),
        (predefined("d", "k", &"v".repeat(44)), "value: must be at most 43 characters, got 44"),
        (with(predefined("d", "k", "v"), "updated_at", json!("now")), "updated_at: must be a time since 1970"),
        (predefined(&"d".repeat(129), "k", "v"), "domain_id: must be at most 128 characters, got 129"),
        (with(policy(), "pattern", json!("(")), "pattern: "),
        (with(policy(), "required", json!(false)), "required: must be true if"),
        (with(policy(), "project_id", json!("none")), "project_id: unknown project \"none\""),
        (with(policy(), "resource_types", json!(["none"])), "resource_type: unknown resource type \"none\""),
    ];
    let mut input = Vec::new();
    for (i, (bad, _)) in cases.iter().enumerate() {
        input.push(bad.clone());
        input.push(predefined("good", &format!("k{i}"), ""));
    }
    let said = import(&program, &input, &[]);
    assert_eq!(said.code, Some(1));
    let complaints = said.complaints();
    for (i, (bad, reason)) in cases.iter().enumerate() {
        let found = format!("line {}: {reason}", 2 * i + 1);
        assert!(complaints.iter().any(|complaint| complaint.starts_with(&found)), "{bad}: {found}\n{complaints:#?}");
    }
    assert_eq!(complaints.len(), cases.len(), "{complaints:#?}");
    assert_eq!(of_kind(&program, "predefined_tag").len(), cases.len());
    assert!(said.out.contains(&format!("predefined tags: {}", same(22, 0, 0, 5))), "{}", said.out);
    assert!(said.out.ends_with(&format!("resources: {}", same(0, 0, 0, 2))), "{}", said.out);
}

#[test]
fn an_account_has_no_more_predefined_tags_by_an_import_than_by_requests() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let full: Vec<Value> = (0..501).map(|i| predefined("d", &format!("k{i}"), "v")).collect();
    let said = import(&program, &full, &[]);
    assert!(said.err.starts_with("line 501: ") && said.err.contains("500"), "{}", said.err);
    assert_eq!(said.complaints().len(), 1);
    assert_eq!(of_kind(&program, "predefined_tag").len(), 500);
    // those that are there are no more than there were
    assert_eq!(import(&program, &full[..500], &["--strict"]).code, Some(0));
}

#[test]
fn a_dry_run_tells_the_counts_of_every_kind_and_stores_none() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    import(&program, &[resource("ecs", "r", &[]), resource("ecs", "gone", &[])], &[]);
    let before = program.expect(&["export"]);
    let input = [
        new_type("buckets", &[]),
        predefined("d", "k", "v"),
        resource("ecs", "r", &[("a", "b")]),
        policy("n", "k", true),
    ];
    let said = import(&program, &input, &["--strict", "--prune", "--dry-run"]);
    let one = same(1, 0, 0, 0);
    let out = format!(
        "resource types: {one}\npredefined tags: {one}\npolicies: {one}\ndry run, nothing was changed: resources: {}, 1 removed",
        same(0, 1, 0, 0)
    );
    assert_eq!(said, Said { code: Some(0), out, err: String::new() });
    assert_eq!(program.expect(&["export"]), before);
    // pruning removes resources only
    assert_eq!(import(&program, &input, &["--strict", "--prune"]).code, Some(0));
    assert_eq!(
        import(&program, &[resource("ecs", "r", &[("a", "b"), ("k", "v")])], &["--strict", "--prune"]).code,
        Some(0)
    );
    assert_eq!((of_kind(&program, "policy").len(), of_kind(&program, "predefined_tag").len()), (1, 1));
}

#[test]
fn a_policy_whose_project_has_moved_is_left_out_with_a_warning() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let project = |domain: &str| json!({ "kind": "project", "project_id": "p", "domain_id": domain });
    let mut of_project = policy("n", "k", false);
    of_project["project_id"] = json!("p");
    of_project["domain_id"] = json!("d");
    assert_eq!(import(&program, &[project("d"), of_project], &[]).code, Some(0));
    assert_eq!(of_kind(&program, "policy").len(), 1);
    assert_eq!(import(&program, &[project("e")], &[]).code, Some(0));
    let said = program.run(&["export", "--only", "policy,project"]);
    assert!(said.err.contains("are left out: 1"), "{}", said.err);
    assert_eq!(json_lines(&said.out).len(), 1);
}

#[test]
fn the_kinds_of_an_export_can_be_chosen_and_wrong_ones_are_refused() {
    let world = World::new();
    let program = Program::new().on(&world.db);
    import(&program, &[resource("ecs", "r", &[]), policy("n", "k", false)], &[]);
    let all = program.expect(&["export"]);
    let part = |kinds: &str| program.expect(&["export", "--only", kinds]);
    // in the order of an export, whatever the order of the list
    assert_eq!([part("type,project"), part("resource"), part("policy")].concat(), all);
    assert_eq!(part("policy,resource"), [part("resource"), part("policy")].concat());
    let get = |query: &str| world.send("GET", &format!("/registry/v1/export{query}"), &[], b"");
    assert_eq!(get("").body, all);
    assert_eq!(get("?only=policy").body, part("policy"));
    let refused = get("?only=resource,polici");
    assert_eq!((refused.status, refused.body.contains("only: must be ")), (400, true), "{}", refused.body);
    assert_eq!(program.run(&["export", "--only", "resources"]).code, Some(2));
}

/// Lines that give a database some state.
fn any_state() -> impl Strategy<Value = Vec<Value>> {
    let name = || prop::sample::select(vec!["a", "b", "c", "env", "größe", "x-1"]);
    let kinds = || prop::sample::select(vec!["t1", "t2", "ecs", "images", "disk", "vpcs"]);
    let projects = || prop::sample::select(vec!["p1", "p2", "p3"]);
    let domains = || prop::sample::select(vec!["", "d1", "d2"]);
    let aliases = prop::sample::subsequence(vec!["n1", "n2", "n3", "vpc"], 0..3);
    let line = prop_oneof![
        (kinds(), 1..1000_u32, any::<bool>(), aliases).prop_map(|(kind, quota, regional, aliases)| {
            let mut line = new_type(kind, &aliases);
            line["tag_quota"] = json!(quota);
            line["regional"] = json!(regional);
            line
        }),
        (projects(), name(), domains()).prop_map(
            |(id, name, domain)| json!({ "kind": "project", "project_id": id, "project_name": name, "domain_id": domain })
        ),
        (domains(), "[a-z]{1,3}", "[a-z]{0,2}", 0..4_000_000_000_i64).prop_map(|(domain, key, value, seconds)| {
            let mut line = predefined(domain, &key, &value);
            let at = time::OffsetDateTime::from_unix_timestamp(seconds).unwrap();
            line["updated_at"] = json!(at.format(&time::format_description::well_known::Rfc3339).unwrap());
            line
        }),
        (projects(), kinds(), 0..20_u32, prop::collection::btree_map("[a-zé]{1,2}", "[a-z]{0,2}", 0..4)).prop_map(
            |(project, kind, id, tags)| {
                let tags: Vec<(&str, &str)> = tags.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
                let mut line = resource(kind, &id.to_string(), &tags);
                line["project_id"] = json!(project);
                line
            }
        ),
        (name(), prop::option::of(domains()), prop::option::of(projects()), name(), any::<bool>()).prop_map(
            |(name, domain, project, key, enforced)| {
                let mut line = policy(&name.replace('ö', "o").replace('ß', "s"), key, enforced);
                line["domain_id"] = json!(domain);
                line["project_id"] = json!(project);
                line
            }
        ),
    ];
    prop::collection::vec(line, 1..60)
}

#[test]
fn any_database_comes_back_from_its_export_byte_for_byte() {
    let config = Config { cases: 8, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let outcome = runner.run(&(any_state(), any::<bool>()), |(state, over_http)| {
        let (first, second) = (TestDb::new(), World::new());
        let program = Program::new().on(&first);
        // lines that do not fit what is there by then are refused
        import(&program, &state, &[]);
        let exported = program.expect(&["export"]);
        let other = Program::new().on(&second.db);
        if over_http {
            let headers = [("Content-Type", "application/x-ndjson")];
            let answer = second.send("POST", "/registry/v1/import?strict=true", &headers, exported.as_bytes());
            prop_assert_eq!(answer.status, 200, "{}", answer.body);
        } else {
            other.write("all.ndjson", &exported);
            let said = other.run(&["import", "all.ndjson"]);
            prop_assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{}", said.out);
        }
        prop_assert_eq!(&other.expect(&["export"]), &exported);
        other.write("all.ndjson", &exported);
        let again = other.expect(&["import", "all.ndjson", "--strict"]);
        prop_assert!(again.lines().all(|line| line.contains("0 new, 0 changed, ")), "{}", again);
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn a_strict_import_keeps_no_more_than_32_mib_of_what_is_not_staged() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let blanks = " ".repeat(6 * 1024 * 1024 - 100);
    let long: String = (0..6).map(|i| format!("{{\"kind\":\"project\",{blanks}\"project_id\":\"p{i}\"}}\n")).collect();
    program.write("long.ndjson", &long);
    let strict = program.run(&["import", "--strict", "long.ndjson"]);
    let reason =
        "line 6: kind: lines of other kinds than resources must be at most 33554432 bytes together in a strict import";
    assert_eq!((strict.code, strict.complaints()[0]), (Some(1), reason));
    assert_eq!(of_kind(&program, "project").len(), 0);
    let said = program.run(&["import", "long.ndjson"]);
    assert!(said.code == Some(0) && said.out.starts_with("projects: 6 new"), "{said:?}");

    // a line that may not be stored does not count, and says why
    let refused = format!("{{\"kind\":\"policy\",{blanks}\"policy_name\":\"n\",\"key\":\"k\"}}\n");
    let five: String = long.split_inclusive('\n').take(5).collect();
    program.write("long.ndjson", five + &refused);
    let strict = program.run(&["import", "--strict", "long.ndjson"]);
    assert!(strict.err.starts_with("line 6: required: must be true"), "{strict:?}");
}

/// The most memory that a process has had, in KiB.
fn peak_of(pid: i32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    peak.trim().strip_suffix(" kB")?.parse().ok()
}

#[test]
fn a_strict_import_keeps_its_lines_and_not_what_is_made_of_them() {
    let db = TestDb::new();
    let server = Program::new().on(&db).serve(&["--listen", "127.0.0.1:0"]);
    let Some(before) = peak_of(server.pid()) else {
        eprintln!("not run: this system does not tell how much memory a process has had");
        return;
    };
    // compiled, this pattern takes hundreds of kilobytes, and for Postgres dozens
    let mut lines: String = (0..2000)
        .map(|i| {
            let mut line = policy(&format!("n{i}"), "k", false);
            line["pattern"] = json!(r"\w\w\w\w\w");
            format!("{line}\n")
        })
        .collect();
    // so that nothing is stored, which takes long
    lines.push_str("{}\n");
    let headers = [("Content-Type", "application/x-ndjson")];
    let answer = server.send("POST", "/registry/v1/import?strict=true", &headers, lines.as_bytes());
    assert!(answer.status == 400 && answer.body.contains("line 2001"), "{} {}", answer.status, answer.body);
    let more = peak_of(server.pid()).unwrap() - before;
    assert!(more < 64 * 1024, "{more} KiB more than before for {} KiB of lines", lines.len() / 1024);
    assert_eq!(server.stop().code, Some(0));
}
