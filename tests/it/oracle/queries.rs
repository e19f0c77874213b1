//! Random fleets, random queries, every dialect and `report.matching`: Postgres against `TagQuery::matches`.
//!
//! A query is made in the domain, written in the dialect's own JSON, sent over HTTP, and the answer compared
//! with what the plain Rust of the domain says: which resources, in which order, on which page, out of how many.
//! `TAGD_CASES` sets how many cases are tried.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Mutex,
};

use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::{Value, json};
use sqlx::PgConnection;
use tagd::{
    compiler::{Shape, compile, shapes, statement},
    domain::{NameMatch, QueryOutput, Resource, Tag, TagQuery, Term, ValueMatch, change::Registration},
};

use crate::{
    compiler::compiled::strategy_name,
    support::{TestDb, Wire, World, block_on},
};

/// Cases in the test command.
const CASES: u32 = 2_400;
/// Queries asked of one fleet: making a fleet costs more than asking.
const QUERIES: u32 = 60;

const PROJECTS: [&str; 3] = ["p1", "p2", "p3"];
/// Lists of a query, in the order of [`Case::lists`].
const LISTS: [&str; 5] = ["tags", "tags_any", "not_tags", "not_tags_any", "sys_tags"];
/// Few keys and values, so that conditions meet; some that differ only by case, or are wildcards elsewhere.
const KEYS: [&str; 7] = ["env", "Env", "team", "a", "日本", "_sys_x", "_sys_y"];
const VALUES: [&str; 12] = ["", "prod", "PROD", "pro", "x_y", "x%y", "xzy", "a\\b", "été", "*", "prod*", "100%"];
/// Words that many names have, alone, twice and as part of another, beside some that few have; letters that are of no
/// word as the index knows them.
const NAMES: [&str; 18] = [
    "",
    "web-1",
    "WEB-2",
    "Ärger",
    "ÄRGER_2",
    "we",
    "50%_off",
    "straße",
    "ΟΔΟΣ",
    "οδος 7",
    "web-gateway-01",
    "Gateway",
    "gateway gateways web",
    "webgate.way-web",
    "web/webé-gate",
    "node-0a1b-web-web",
    "a-b-c-de",
    "--web--",
];
const NAME_PARTS: [&str; 28] = [
    "web",
    "WEB",
    "w",
    "eb-",
    "är",
    "%",
    "_",
    "50%_",
    "STRASSE",
    "ße",
    "οδοσ",
    "no such",
    "ger",
    "\\",
    "gateway",
    "gate",
    "ateway",
    "way-",
    "way-0",
    "b-web",
    "web-gateway-01",
    "webgate",
    "0a1",
    "webé",
    "--w",
    "teways",
    "a-b",
    "b-c-d",
];
const SUBSTRINGS: [&str; 10] = ["*pro", "*o", "*_", "*%", "*\\", "*é", "**", "*rod*", "*nothing", "*prod"];

fn tags() -> impl Strategy<Value = Vec<Tag>> + Clone {
    prop::collection::btree_map(prop::sample::select(&KEYS[..]), prop::sample::select(&VALUES[..]), 0..5).prop_map(
        |map| {
            let tags: BTreeMap<&str, &str> = map;
            tags.into_iter().map(|(key, value)| Tag { key: key.into(), value: value.into() }).collect()
        },
    )
}

fn fleet() -> impl Strategy<Value = Vec<Registration>> {
    let types: Vec<&'static str> = Wire::ALL.into_iter().flat_map(|wire| wire.types()).copied().collect();
    let one =
        (prop::sample::select(&PROJECTS[..]), prop::sample::select(types), prop::sample::select(&NAMES[..]), tags());
    // lengths that end before, at and behind the edges of words
    prop_oneof![3 => 0..40usize, 3 => 100..160usize, 1 => 600..900usize].prop_flat_map(move |size| {
        prop::collection::vec(one.clone(), size).prop_map(|resources| {
            resources
                .into_iter()
                .enumerate()
                .map(|(i, (project, resource_type, name, tags))| Registration {
                    project_id: project.into(),
                    project_name: Some(format!("name of {project}")),
                    domain_id: None,
                    resource_type: resource_type.into(),
                    resource: Resource {
                        resource_id: format!("r{i}"),
                        resource_name: name.into(),
                        detail: (i % 3 == 0).then(|| json!({ "n": i }).to_string()),
                        tags,
                    },
                })
                .collect()
        })
    })
}

/// A list as it goes over the wire: keys, each once, with values, each once; `None`: left out.
type WireList = Option<Vec<(&'static str, Vec<&'static str>)>>;

fn list(wire: Wire) -> impl Strategy<Value = WireList> {
    let keys: Vec<&'static str> = KEYS.into_iter().chain(["absent"]).collect();
    let mut values: Vec<&'static str> = VALUES.into_iter().filter(|value| *value != "*").collect();
    if let Some(signs) = wire.query_signs() {
        values.retain(|value| value.chars().all(|c| c.is_alphanumeric() || signs.contains(c)));
    }
    if wire.searches() {
        values.extend(SUBSTRINGS);
    }
    let entries = prop::collection::btree_map(
        prop::sample::select(keys),
        prop::collection::btree_set(prop::sample::select(values), 0..4),
        1..4,
    )
    .prop_map(|entries| entries.into_iter().map(|(key, values)| (key, values.into_iter().collect())).collect());
    prop::option::weighted(0.45, entries)
}

#[derive(Debug, Clone)]
struct Case {
    wire: Wire,
    project: &'static str,
    resource_type: &'static str,
    /// Of a cross-service query: types and whether the project is named.
    types: Vec<&'static str>,
    in_project: bool,
    lists: [WireList; 5],
    without_any_tag: bool,
    name: Option<&'static str>,
    id: Option<String>,
    count: bool,
    limit: Option<u32>,
    offset: Option<u64>,
}

fn case(wires: &'static [Wire]) -> impl Strategy<Value = Case> {
    prop::sample::select(wires).prop_flat_map(|wire| {
        let types = wire.types();
        let place = (
            prop::sample::select(vec!["p1", "p2", "p3", "nowhere"]),
            prop::sample::select(types),
            prop::sample::subsequence(types, 1..=types.len()).prop_shuffle(),
            prop::bool::weighted(0.6),
        );
        let lists = [list(wire), list(wire), list(wire), list(wire), list(wire)];
        let names: Vec<&'static str> = NAME_PARTS.into_iter().chain([""]).collect();
        let rest = (
            prop::bool::weighted(0.1),
            prop::option::weighted(0.4, prop::sample::select(names)),
            prop::option::weighted(0.05, (0..40u32).prop_map(|i| format!("r{i}"))),
            prop::bool::weighted(0.15),
            prop::option::weighted(0.8, 1..=200u32),
            prop::option::weighted(0.5, prop_oneof![0..20u64, 0..900u64]),
            // one list and nothing else: `Strategy::Union` comes of `tags_any` alone
            prop::option::weighted(0.2, prop::sample::select(&[0, 1, 1, 1, 2, 3, 4][..])),
        );
        (place, lists, rest).prop_map(
            move |(
                (project, resource_type, types, in_project),
                lists,
                (without_any_tag, name, id, count, limit, offset, only),
            )| Case {
                wire,
                project,
                resource_type,
                in_project: in_project || types.iter().any(|name| *name != "cdn"),
                types,
                lists: keep(lists, only),
                without_any_tag: without_any_tag && only.is_none(),
                name: name.filter(|name| only.is_none() && !name.contains(wire.forbidden_in_names())),
                id: id.filter(|_| only.is_none() && wire.match_keys().contains(&"resource_id")),
                count,
                limit,
                offset,
            },
        )
    })
}

fn keep(lists: [WireList; 5], only: Option<usize>) -> [WireList; 5] {
    let mut i = 0;
    lists.map(|list| {
        i += 1;
        list.filter(|_| only.is_none_or(|only| only + 1 == i))
    })
}

impl Case {
    /// A list, if the dialect has it.
    fn list(&self, i: usize) -> &WireList {
        if self.wire.lists().contains(&LISTS[i]) { &self.lists[i] } else { &None }
    }

    fn terms(&self, i: usize) -> Vec<Term> {
        let entries = self.list(i).iter().flatten();
        entries
            .map(|(key, values)| Term {
                key: (*key).into(),
                values: values
                    .iter()
                    .map(|value| match value.strip_prefix('*') {
                        Some(part) if self.wire.searches() => ValueMatch::Contains(part.into()),
                        _ => ValueMatch::Exact((*value).into()),
                    })
                    .collect(),
            })
            .collect()
    }

    /// What the case means.
    fn query(&self) -> TagQuery {
        let lists = |i| if self.without_any_tag { Vec::new() } else { self.terms(i) };
        TagQuery {
            tags: lists(0),
            tags_any: lists(1),
            not_tags: lists(2),
            not_tags_any: lists(3),
            sys_tags: self.terms(4),
            without_any_tag: self.without_any_tag,
            resource_name: self.matched_name().map(|name| match name {
                "" => NameMatch::Empty,
                name => NameMatch::Contains(name.into()),
            }),
            resource_id: self.id.clone(),
        }
    }

    fn matched_name(&self) -> Option<&'static str> {
        self.name.filter(|_| self.wire.match_keys().contains(&"resource_name"))
    }

    fn body(&self) -> Value {
        let mut body = if self.wire.is_cross_service() {
            let mut body = json!({ "resource_types": self.types });
            if self.in_project {
                body["project_id"] = json!(self.project);
            }
            body
        } else {
            self.wire.action(self.count)
        };
        let fields = body.as_object_mut().unwrap();
        for (i, name) in LISTS.into_iter().enumerate() {
            if let Some(entries) = self.list(i) {
                let entries = entries.iter().map(|(key, values)| json!({ "key": key, "values": values }));
                fields.insert(name.into(), entries.collect());
            }
        }
        if self.without_any_tag {
            fields.insert("without_any_tag".into(), json!(true));
        }
        let matches = self
            .matched_name()
            .map(|value| json!({ "key": "resource_name", "value": value }))
            .into_iter()
            .chain(self.id.as_ref().map(|value| json!({ "key": "resource_id", "value": value })));
        let matches: Vec<Value> = matches.collect();
        if !matches.is_empty() {
            fields.insert("matches".into(), matches.into());
        }
        // numbers and strings of digits by turns
        if let Some(limit) = self.limit {
            fields.insert("limit".into(), if limit % 2 == 0 { json!(limit) } else { json!(limit.to_string()) });
        }
        if let Some(offset) = self.offset {
            fields.insert("offset".into(), if offset % 2 == 0 { json!(offset) } else { json!(offset.to_string()) });
        }
        body
    }

    fn path(&self) -> String {
        self.wire.query_path(self.project, self.resource_type, self.count)
    }

    /// The query as SQL takes it: what the dialects have in common.
    fn query_in_sql(&self) -> Value {
        let mut query = self.body();
        query.as_object_mut().unwrap().retain(|field, _| {
            LISTS.contains(&field.as_str()) || ["without_any_tag", "matches"].contains(&field.as_str())
        });
        query
    }

    /// Identifiers of all resources that match, sorted.
    fn ids(&self, fleet: &[Registration]) -> Vec<String> {
        let query = self.query();
        let mut ids: Vec<String> = fleet
            .iter()
            .filter(|r| r.resource_type == self.resource_type && r.project_id == self.project)
            .filter(|r| query.matches(&r.resource))
            .map(|r| r.resource.resource_id.clone())
            .collect();
        ids.sort();
        ids
    }

    /// What must be answered.
    fn expected(&self, fleet: &[Registration]) -> Value {
        let query = self.query();
        let is_cross_service = self.wire.is_cross_service();
        let mut found: Vec<(usize, &Registration)> = fleet
            .iter()
            .enumerate()
            .filter(|(_, r)| {
                if is_cross_service {
                    self.types.contains(&r.resource_type.as_str()) && (!self.in_project || r.project_id == self.project)
                } else {
                    r.resource_type == self.resource_type && r.project_id == self.project
                }
            })
            .filter(|(_, r)| query.matches(&r.resource))
            .collect();
        let rank = |r: &Registration| self.types.iter().position(|name| *name == r.resource_type);
        if is_cross_service {
            found.sort_by(|(i, a), (j, b)| (rank(a), &a.project_id).cmp(&(rank(b), &b.project_id)).then(j.cmp(i)));
        } else {
            found.reverse();
        }
        let total = found.len();
        if self.count && !is_cross_service {
            return json!({ "total_count": total });
        }
        let show_system = self.wire.shows_system_tags();
        let offset = usize::try_from(self.offset.unwrap_or(0)).unwrap();
        let limit = self.limit.map_or(self.wire.query_limits().default_limit, |limit| limit as usize);
        let resources: Vec<Value> = found
            .into_iter()
            .skip(offset)
            .take(limit)
            .map(|(_, r)| {
                let tags = r.resource.tags.iter().filter(|tag| show_system || !tag.is_system());
                let tags: Vec<Value> = tags.map(|tag| json!({ "key": tag.key, "value": tag.value })).collect();
                let mut item = json!({
                    "resource_id": r.resource.resource_id,
                    "resource_name": r.resource.resource_name,
                    "tags": tags,
                });
                let fields = item.as_object_mut().unwrap();
                if is_cross_service {
                    fields.insert("project_id".into(), json!(r.project_id));
                    fields.insert("project_name".into(), json!(r.project_name));
                    fields.insert("resource_type".into(), json!(r.resource_type));
                }
                let detail = r.resource.detail.as_deref().map(|detail| serde_json::from_str(detail).unwrap());
                if let Some(detail) = detail.or_else(|| self.wire.absent_detail()) {
                    fields.insert("resource_detail".into(), detail);
                }
                item
            })
            .collect();
        let mut answer = json!({ "total_count": total, "resources": resources });
        if is_cross_service {
            answer["errors"] = json!([]);
        }
        answer
    }
}

/// What `report.matching` finds, sorted. A project that does not exist has no resources.
async fn matching(reader: &mut PgConnection, case: &Case, query: &Value) -> Vec<String> {
    sqlx::query_scalar(
        "select m.resource_id
           from tagd.project p, report.matching(p.project_id, $2, $3) m
          where p.project_id = $1
          order by m.resource_id collate \"C\"",
    )
    .bind(case.project)
    .bind(case.resource_type)
    .bind(query)
    .fetch_all(reader)
    .await
    .unwrap_or_else(|error| panic!("{query}: {error}"))
}

#[test]
fn the_queries_reach_every_strategy() {
    let name = |shape: Shape| (statement(shape).text.as_str(), strategy_name(shape.strategy));
    let strategies: HashMap<&str, &str> = shapes().into_iter().map(name).collect();
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &[1; 32]));
    let strategy = case(&Wire::ALL);
    let mut found = HashMap::new();
    // far more than are asked: how often a form comes up depends on how many dialects there are
    for _ in 0..4 * CASES {
        let query = strategy.new_tree(&mut runner).unwrap().current().query();
        let chosen = strategies[compile(&query, &[1], QueryOutput::Count).text];
        // what is asked for, or everything; less something or nothing
        let asks = [&query.tags, &query.tags_any, &query.sys_tags].iter().any(|list| !list.is_empty())
            || query.without_any_tag
            || query.resource_name.is_some()
            || query.resource_id.is_some();
        let takes = [&query.not_tags, &query.not_tags_any].iter().any(|list| !list.is_empty());
        *found.entry((chosen, asks, takes)).or_insert(0) += 1;
    }
    for kind in [
        ("single", true, false),
        ("single", false, false),
        ("disjoint_sum", true, false),
        ("disjoint_sum", false, true),
        ("values", true, false),
        ("union", true, false),
        ("intersection", true, false),
        ("names", true, false),
        ("general", true, false),
        ("general", true, true),
        ("general", false, true),
    ] {
        assert!(found.get(&kind).is_some_and(|count| *count >= 10), "{kind:?} of {found:?}");
    }
}

#[test]
fn postgres_and_plain_rust_agree_on_every_query() {
    agree(&World::new(), &Wire::ALL, 1);
}

#[test]
fn they_agree_as_well_where_each_scope_is_asked_apart() {
    let db = TestDb::new();
    block_on(db.list_citus());
    let store = db.settings();
    agree(&World::over(db, store), &[Wire::Tms], 4);
}

/// Asks queries of dialects, a part of as many as are asked in all.
fn agree(world: &World, wires: &'static [Wire], part: u32) {
    let cases = std::env::var("TAGD_CASES").ok().map_or(CASES, |cases| cases.parse().expect("TAGD_CASES: a number"));
    let cases = cases / part;
    // a seed of its own for a long run, else the same cases every time
    let seed = std::env::var("TAGD_SEED").ok().map_or(1, |seed| seed.parse::<u64>().expect("TAGD_SEED: a number"));
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config {
        cases: cases.div_ceil(QUERIES),
        max_shrink_iters: 200,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let slots = prop::sample::select(&[0, 1_020, 16_383, 32_764][..]);
    let limits = (prop::sample::select(&[1, 2, 128][..]), prop::sample::select(&[1, 2, 4, 64][..]));
    let strategy = ((fleet(), slots, limits), prop::collection::vec(case(wires), QUERIES as usize));
    // one server for all fleets: its statements stay prepared
    let reader = Mutex::new(block_on(world.db.connect()));
    runner
        .run(&strategy, |((fleet, slot, (sparse, word)), cases)| {
            world.clear(slot, sparse, word);
            // what the first part had no label for, the second may
            let (first, second) = fleet.split_at(fleet.len() / 3);
            world.load(first);
            world.load(second);
            for case in cases {
                let body = case.body().to_string();
                let answer = world.post(&case.path(), &body);
                prop_assert_eq!(answer.status, 200, "{} {}: {}", case.path(), body, answer.body);
                let expected = case.expected(&fleet);
                prop_assert!(
                    answer.json() == expected,
                    "{} {}\n got {}\nwant {}",
                    case.path(),
                    body,
                    answer.body,
                    expected
                );
                if !case.wire.is_cross_service() {
                    let (query, expected) = (case.query_in_sql(), case.ids(&fleet));
                    let found = block_on(matching(&mut reader.lock().unwrap(), &case, &query));
                    prop_assert!(found == expected, "{query}\n got {found:?}\nwant {expected:?}");
                }
            }
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
}
