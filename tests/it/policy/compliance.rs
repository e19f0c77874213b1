//! Compliance: numbers, lists of offenders and reports against a model in plain Rust, over random fleets and policies.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sqlx::{Connection, Executor};
use tagd::{
    domain::{CheckedPolicy, Policy, Problem, Tag, change::Registration, matching::fold, registry::Condition},
    store::SessionProfile,
};

use super::{checked, required};
use crate::support::{Dice, World, block_on, registration, tag};

/// Fleets in the test command.
const FLEETS: usize = 25;

const PROJECTS: [(&str, &str); 3] = [("p1", "a"), ("p2", "a"), ("p3", "b")];
const TYPES: [&str; 2] = ["ecs", "images"];
const KEYS: [&str; 6] = ["env", "Env", "owner", "OWNER", "straße", "STRASSE"];
const VALUES: [&str; 6] = ["prod", "dev", "a1", "b2", "", "x"];

fn pick<'a>(dice: &mut Dice, from: &[&'a str]) -> &'a str {
    from[dice.roll(from.len())]
}

fn fleet(dice: &mut Dice) -> Vec<Registration> {
    let (resources, dense) = (dice.roll(60), dice.roll(3) == 0);
    (0..resources)
        .map(|i| {
            let mut tags: Vec<Tag> = Vec::new();
            for key in KEYS {
                if dice.roll(if dense { 2 } else { 5 }) == 0 {
                    tags.push(tag(key, pick(dice, &VALUES)));
                }
            }
            tags.sort_by(|a, b| a.key.cmp(&b.key));
            let (project, domain) = PROJECTS[dice.roll(PROJECTS.len())];
            let mut one = registration(pick(dice, &TYPES), &format!("r{i}"), &format!("n{i}"), &[]);
            (one.project_id, one.domain_id) = (project.into(), Some(domain.into()));
            one.resource.tags = tags;
            one
        })
        .collect()
}

fn policies(dice: &mut Dice) -> Vec<CheckedPolicy> {
    (0..1 + dice.roll(4))
        .map(|i| {
            let mut policy = required(&format!("policy-{i}"), pick(dice, &["env", "owner", "straße", "nothing"]));
            policy.is_required = dice.roll(2) == 0;
            policy.is_exact = dice.roll(2) == 0;
            match dice.roll(4) {
                0 => {
                    policy.values =
                        Some(VALUES.iter().filter(|_| dice.roll(2) == 0).map(|&value| value.to_owned()).collect())
                }
                // more than are in use, so that each value in use is judged
                1 => policy.values = Some((0..30).map(|i| format!("a{i}")).chain(["prod".to_owned()]).collect()),
                2 => policy.pattern = Some(pick(dice, &["[a-z][0-9]", "prod|dev", ".{0,3}", r"\w*"]).to_owned()),
                _ => {}
            }
            policy.values = policy.values.filter(|values| !values.is_empty());
            if policy.values.is_none() && policy.pattern.is_none() && !policy.is_exact {
                policy.is_required = true;
            }
            match dice.roll(4) {
                0 => policy.domain_id = Some("a".into()),
                1 => (policy.domain_id, policy.project_id) = (Some("b".into()), Some("p3".into())),
                2 => policy.project_id = Some("p2".into()),
                _ => {}
            }
            if dice.roll(3) == 0 {
                policy.resource_types = Some(vec![pick(dice, &TYPES).into()]);
            }
            checked(&policy)
        })
        .collect()
}

fn concerns(policy: &Policy, one: &Registration) -> bool {
    policy.domain_id.as_ref().is_none_or(|domain| Some(domain) == one.domain_id.as_ref())
        && policy.project_id.as_ref().is_none_or(|project| *project == one.project_id)
        && policy.resource_types.as_ref().is_none_or(|types| types.contains(&one.resource_type))
}

/// Rows of compliance: project, type, policy; all, violating, missing, wrong value, misspelled.
fn rows(fleet: &[Registration], policies: &[CheckedPolicy]) -> BTreeMap<(String, String, String), [usize; 5]> {
    let mut rows: BTreeMap<_, [usize; 5]> = BTreeMap::new();
    for one in fleet {
        for policy in policies.iter().filter(|policy| concerns(policy.policy(), one)) {
            let key = (one.project_id.clone(), one.resource_type.clone(), policy.policy().name.clone());
            let found = policy.violations(&one.resource.tags);
            let has = |problem| usize::from(found.iter().any(|violation| violation.problem == problem));
            let row = rows.entry(key).or_default();
            let counts =
                [1, usize::from(!found.is_empty()), has(Problem::Missing), has(Problem::Value), has(Problem::Spelling)];
            for (sum, count) in row.iter_mut().zip(counts) {
                *sum += count;
            }
        }
    }
    rows
}

/// The offenders in the order of the list, as it answers them.
fn offenders(fleet: &[Registration], policies: &[&CheckedPolicy]) -> Vec<Value> {
    let mut found: Vec<((&str, &str), Value)> = Vec::new();
    // the newest first
    for one in fleet.iter().rev() {
        let mut policies: Vec<_> = policies.iter().filter(|policy| concerns(policy.policy(), one)).collect();
        policies.sort_by(|a, b| a.policy().name.cmp(&b.policy().name));
        let violations: Vec<Value> = policies
            .iter()
            .flat_map(|policy| policy.violations(&one.resource.tags))
            .map(|violation| {
                json!({ "policy_name": violation.policy, "key": violation.key, "problem": violation.problem.name(), "found": violation.found })
            })
            .collect();
        if !violations.is_empty() {
            found.push((
                (&one.project_id, &one.resource_type),
                json!({ "project_id": one.project_id, "resource_type": one.resource_type, "resource_id": one.resource.resource_id,
                        "resource_name": one.resource.resource_name, "violations": violations }),
            ));
        }
    }
    found.sort_by_key(|(place, _)| *place);
    found.into_iter().map(|(_, offender)| offender).collect()
}

/// A list read to its end by pages; every page has the same total.
fn read(world: &World, path: &str, list: &str, limit: usize) -> (Vec<Value>, Option<u64>) {
    let (mut all, mut marker, mut total) = (Vec::new(), String::new(), None);
    loop {
        let separator = if path.contains('?') { '&' } else { '?' };
        let encoded: String = marker.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let answer = world.send("GET", &format!("{path}{separator}limit={limit}&marker={encoded}"), &[], b"");
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        let page = answer.json();
        let count = page["total_count"].as_u64();
        assert!(total.is_none() || total == count, "{path}");
        total = count;
        let entries = page[list].as_array().unwrap();
        assert!(entries.len() <= limit);
        all.extend(entries.iter().cloned());
        match page["next_marker"].as_str() {
            Some(next) => next.clone_into(&mut marker),
            None => {
                assert!(entries.is_empty());
                return (all, total);
            }
        }
    }
}

#[test]
fn numbers_offenders_and_reports_are_those_of_the_model() {
    let world = World::new();
    let mut dice = Dice(3);
    assert_eq!(fold("STRASSE"), fold("strasse"));
    for case in 0..FLEETS {
        // small fleets with dense labels, across the border of a block
        world.clear([0, 16_370, 32_760][dice.roll(3)], [128, 2][dice.roll(2)], 64);
        let (fleet, policies) = (fleet(&mut dice), policies(&mut dice));
        world.load(&fleet);
        block_on(async {
            let mut owner = world.db.connect().await;
            let pattern_limit = format!(
                "create or replace function tagd.pattern_limit() returns integer language sql immutable parallel safe as 'select {}';
                 delete from tagd.policy",
                [1000, 1][dice.roll(2)]
            );
            owner.execute(sqlx::AssertSqlSafe(pattern_limit)).await.unwrap();
            for (project, domain) in PROJECTS {
                let body = format!(r#"{{"domain_id":"{domain}"}}"#);
                world.send("PUT", &format!("/registry/v1/projects/{project}"), &super::JSON, body.as_bytes());
            }
            let store = world.db.store(SessionProfile::Serve, 1).await;
            for policy in &policies {
                store.put_policy(policy, None, &Condition::None).await.unwrap();
            }
            store.close().await;
            owner.close().await.unwrap();
        });
        let limit = 1 + dice.roll(20);

        let expected = rows(&fleet, &policies);
        let (found, _) = read(&world, "/registry/v1/compliance", "compliance", limit);
        let mut seen = BTreeMap::new();
        for row in &found {
            let text = |name: &str| row[name].as_str().unwrap().to_owned();
            let counts = ["resources", "violating", "missing", "wrong_value", "misspelled"]
                .map(|name| usize::try_from(row[name].as_u64().unwrap()).unwrap());
            let place = (text("project_id"), text("resource_type"), text("policy_name"));
            assert!(seen.last_key_value().is_none_or(|(last, _)| *last < place), "case {case}: {found:?}");
            seen.insert(place, counts);
        }
        // what had resources once is answered too
        seen.retain(|_, counts| counts[0] > 0);
        assert_eq!(seen, expected, "case {case}: {policies:?}");

        for policy in &policies {
            let Policy { name, domain_id, .. } = policy.policy();
            let domain = domain_id.as_ref().map_or_else(String::new, |domain| format!("?domain_id={domain}"));
            let path = format!("/registry/v1/policies/{name}/offenders{domain}");
            let (found, total) = read(&world, &path, "offenders", limit);
            let expected = offenders(&fleet, &[policy]);
            assert_eq!(found, expected, "case {case}: {policy:?}");
            assert_eq!(total, Some(expected.len() as u64));
        }
        let all: Vec<&CheckedPolicy> = policies.iter().collect();
        for (project, _) in PROJECTS {
            let of_project: Vec<Value> =
                offenders(&fleet, &all).into_iter().filter(|one| one["project_id"] == project).collect();
            let (found, total) =
                read(&world, &format!("/registry/v1/projects/{project}/offenders"), "offenders", limit);
            assert_eq!(found, of_project, "case {case}: {policies:?}");
            assert_eq!(total, Some(of_project.len() as u64));
            let of_type: Vec<Value> = of_project.into_iter().filter(|one| one["resource_type"] == "ecs").collect();
            let path = format!("/registry/v1/projects/{project}/offenders?resource_type=ecs");
            assert_eq!(read(&world, &path, "offenders", limit).0, of_type, "case {case}");
        }

        // a trial says the same as the policy itself
        let tried = &policies[dice.roll(policies.len())];
        let policy = tried.policy();
        let body = json!({ "policy": { "key": policy.key, "required": policy.is_required, "exact_spelling": policy.is_exact,
            "values": policy.values, "pattern": policy.pattern, "resource_types": policy.resource_types,
            "project_id": policy.project_id, "domain_id": policy.domain_id } });
        let answer = world.post("/registry/v1/compliance", &body.to_string()).json();
        let counts = |row: &Value| ["violating", "missing", "wrong_value", "misspelled"].map(|name| row[name].clone());
        let trial: Vec<_> = answer["compliance"].as_array().unwrap().iter().map(counts).collect();
        let stored: Vec<_> = found.iter().filter(|row| row["policy_name"] == *policy.name).map(counts).collect();
        assert_eq!(trial, stored, "case {case}: {policy:?}");

        block_on(async {
            let mut owner = world.db.connect().await;
            let mut listed: Vec<String> = sqlx::query_scalar(
                "select concat_ws(' ', project_id, resource_type, resource_id, policy_name, key, problem, found) from report.violations",
            )
            .fetch_all(&mut owner)
            .await
            .unwrap();
            let mut expected: Vec<String> = offenders(&fleet, &all)
                .iter()
                .flat_map(|one| {
                    let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
                    let place = [&one["project_id"], &one["resource_type"], &one["resource_id"]].map(text);
                    one["violations"]
                        .as_array()
                        .unwrap()
                        .iter()
                        .map(move |violation| {
                            let rest = ["policy_name", "key", "problem", "found"].map(|name| text(&violation[name]));
                            place.iter().chain(&rest).flatten().cloned().collect::<Vec<_>>().join(" ")
                        })
                        .collect::<Vec<_>>()
                })
                .collect();
            listed.sort();
            expected.sort();
            assert_eq!(listed, expected, "case {case}");
            owner.close().await.unwrap();
        });
    }
}
