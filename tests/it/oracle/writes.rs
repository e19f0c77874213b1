//! Random writes over all dialects, against a model in plain Rust.
//!
//! The model says what each write answers and what the tags are behind it; after each sequence every list and some
//! random queries are compared with it, and index and truth with each other. Then the same with many clients at once.
//! `TAGD_CASES` sets how many writes are tried, `TAGD_SEED` which ones.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Barrier, Mutex},
};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor, PgConnection};
use tagd::{
    domain::{
        NameMatch, Resource, Tag, TagQuery, Term, ValueMatch, change::Registration, matching::fold, tag::is_system_key,
    },
    store::{SessionProfile, Store},
};

use crate::support::{Answer, Broken, Wire, World, WriteLimits, block_on, sparse_limit};

/// Writes in the test command.
const CASES: u32 = 3_750;
/// Writes of one sequence, on average: a failure shrinks to few.
const WRITES: usize = 25;
/// Servers that sequences run on at the same time.
const STAGES: u32 = 2;
/// Queries behind each sequence, on average.
const QUERIES: usize = 8;
/// Clients at once.
const CLIENTS: usize = 16;
/// Writes of each of them.
const WRITES_OF_CLIENT: usize = 40;

/// Few of everything, so that writes meet.
const PROJECTS: [&str; 2] = ["p1", "p2"];
/// With the most tags a resource carries here; the last type alone may be asked for without a project.
const TYPES: [&str; 5] = ["images", "DNS-public_zone", "cts-tracker", "ecs", "cdn"];
const IDS: [&str; 3] = ["r0", "r1", "r2"];
const NO_ID: &str = "nowhere";
const KEYS: [&str; 6] = ["a", "b", "c", "d", "A", "日本"];
/// Keys that some dialects or all of them refuse to write, and some to remove.
const ODD_KEYS: [&str; 8] =
    ["_sys_x", "x y", " a", "a.b", "a@b", "a/b", "", "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"];
const VALUES: [&str; 5] = ["", "1", "2", "x.y", "é"];
const ODD_VALUES: [&str; 4] = ["x/y", "x ", "100%", "vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv"];

type Tags = BTreeMap<String, String>;
type Check = Result<(), String>;

macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+));
        }
    };
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

// ---- writes

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    ImsAdd,
    ImsCreate,
    ImsDelete,
    ImsDeleteKey,
    ImsV1Put,
    ImsV1PutText,
    ImsV1Delete,
    NativePut,
    NativeDelete,
    DnsAdd,
    DnsCreate,
    DnsDelete,
    DnsDeleteKey,
    CtsAdd,
    CtsCreate,
    CtsDelete,
    CtsDeleteKey,
    TmsCreate,
    TmsDelete,
}

#[rustfmt::skip]
const OPS: [Op; 19] = [
    Op::ImsAdd, Op::ImsCreate, Op::ImsDelete, Op::ImsDeleteKey, Op::ImsV1Put, Op::ImsV1PutText, Op::ImsV1Delete,
    Op::NativePut, Op::NativeDelete, Op::DnsAdd, Op::DnsCreate, Op::DnsDelete, Op::DnsDeleteKey, Op::CtsAdd,
    Op::CtsCreate, Op::CtsDelete, Op::CtsDeleteKey, Op::TmsCreate, Op::TmsDelete,
];

impl Op {
    fn wire(self) -> Wire {
        match self {
            Self::DnsAdd | Self::DnsCreate | Self::DnsDelete | Self::DnsDeleteKey => Wire::Dns,
            Self::CtsAdd | Self::CtsCreate | Self::CtsDelete | Self::CtsDeleteKey => Wire::Cts,
            Self::TmsCreate | Self::TmsDelete => Wire::Tms,
            _ => Wire::Ims,
        }
    }
}

#[derive(Debug, Clone)]
struct Sent {
    key: String,
    value: Option<String>,
}

impl Sent {
    fn body(&self) -> Value {
        let mut body = json!({ "key": self.key });
        if let Some(value) = &self.value {
            body["value"] = json!(value);
        }
        body
    }
}

#[derive(Debug, Clone)]
struct Write {
    op: Op,
    project: &'static str,
    /// Where the path has no project: whether header or body have.
    in_project: bool,
    id: &'static str,
    /// At least one; those of one tag send the first.
    tags: Vec<Sent>,
    /// TMS: types and ids.
    targets: Vec<(&'static str, &'static str)>,
}

fn sent(odd: u32) -> impl Strategy<Value = Sent> {
    let key = prop_oneof![60 => prop::sample::select(&KEYS[..]), odd => prop::sample::select(&ODD_KEYS[..])];
    let value = prop_oneof![60 => prop::sample::select(&VALUES[..]), odd => prop::sample::select(&ODD_VALUES[..])];
    (key, prop::option::weighted(0.7, value))
        .prop_map(|(key, value)| Sent { key: key.to_owned(), value: value.map(ToOwned::to_owned) })
}

/// Writes; `odd`: how often something is refused or unknown, beside 60.
fn write(odd: u32) -> impl Strategy<Value = Write> {
    let id = move || prop_oneof![60 => prop::sample::select(&IDS[..]), odd => Just(NO_ID)];
    let project = prop_oneof![60 => prop::sample::select(&PROJECTS[..]), odd => Just("p9")];
    let type_of_target = prop_oneof![240 => prop::sample::select(&TYPES[..]), odd => Just("spaceship")];
    let repeat = prop::bool::weighted(f64::from(odd) / 60.0);
    // TMS has but two operations, which reach all types
    let op =
        prop_oneof![4 => prop::sample::select(&OPS[..]), 1 => prop::sample::select(vec![Op::TmsCreate, Op::TmsDelete])];
    let targets = prop_oneof![
        4 => prop::collection::vec((type_of_target, id()), 1..4),
        1 => prop::collection::vec((Just("cdn"), id()), 1..3),
    ];
    let in_project = prop::bool::weighted(1.0 - f64::from(odd) / 20.0);
    (op, project, in_project, id(), prop::collection::vec(sent(odd), 1..4), repeat, targets).prop_map(
        |(op, project, in_project, id, mut tags, repeat, targets)| {
            if !repeat {
                let mut seen = BTreeSet::new();
                tags.retain(|tag| seen.insert(tag.key.clone()));
            }
            Write { op, project, in_project, id, tags, targets }
        },
    )
}

impl Write {
    fn one(&self) -> &Sent {
        &self.tags[0]
    }

    /// The tag of the first version, as one text.
    fn text(&self) -> String {
        match &self.one().value {
            Some(value) => format!("{}={value}", self.one().key),
            None => self.one().key.clone(),
        }
    }

    fn send(&self, world: &World) -> Answer {
        let Self { project, id, .. } = self;
        let key = encode(&self.one().key);
        let one = json!({ "tag": self.one().body() });
        let many: Value = self.tags.iter().map(Sent::body).collect();
        let action = |name: &str| json!({ "action": name, "tags": many });
        let ims = format!("/v2/{project}/images/{id}/tags");
        let dns = format!("/v2/{project}/DNS-public_zone/{id}/tags");
        let cts = format!("/v3/{project}/cts-tracker/{id}/tags");
        let (method, path, body) = match self.op {
            Op::ImsAdd => ("POST", ims, one),
            Op::ImsCreate => ("POST", format!("{ims}/action"), action("create")),
            Op::ImsDelete => ("POST", format!("{ims}/action"), action("delete")),
            Op::ImsDeleteKey => ("DELETE", format!("{ims}/{key}"), Value::Null),
            Op::ImsV1Put => {
                ("PUT", "/v1/cloudimages/tags".into(), json!({ "image_id": id, "image_tag": self.one().body() }))
            }
            Op::ImsV1PutText => ("PUT", "/v1/cloudimages/tags".into(), json!({ "image_id": id, "tag": self.text() })),
            Op::ImsV1Delete => {
                ("DELETE", format!("/v1/{project}/cloudimages/{id}/tags/delete"), json!({ "tags": many }))
            }
            Op::NativePut => ("PUT", format!("/v2/images/{id}/tags/{key}"), Value::Null),
            Op::NativeDelete => ("DELETE", format!("/v2/images/{id}/tags/{key}"), Value::Null),
            Op::DnsAdd => ("POST", dns, one),
            Op::DnsCreate => ("POST", format!("{dns}/action"), action("create")),
            Op::DnsDelete => ("POST", format!("{dns}/action"), action("delete")),
            Op::DnsDeleteKey => ("DELETE", format!("{dns}/{key}"), Value::Null),
            Op::CtsAdd => ("POST", cts, one),
            Op::CtsCreate => ("POST", format!("{cts}/create"), json!({ "tags": many })),
            Op::CtsDelete => ("DELETE", format!("{cts}/delete"), json!({ "tags": many })),
            Op::CtsDeleteKey => ("DELETE", format!("{cts}/{key}"), Value::Null),
            Op::TmsCreate | Op::TmsDelete => {
                let targets = self.targets.iter();
                let targets = targets.map(|(name, id)| json!({ "resource_id": id, "resource_type": name }));
                let mut body = json!({ "resources": targets.collect::<Value>(), "tags": many });
                if self.in_project {
                    body["project_id"] = json!(project);
                }
                let name = if self.op == Op::TmsCreate { "create" } else { "delete" };
                ("POST", format!("/v1.0/resource-tags/batch-{name}"), body)
            }
        };
        let mut headers = Vec::new();
        if self.in_project && self.op.wire() == Wire::Ims {
            headers.push(("X-Project-Id", *project));
        }
        if body.is_null() {
            return world.send(method, &path, &headers, b"");
        }
        headers.push(("Content-Type", "application/json"));
        world.send(method, &path, &headers, body.to_string().as_bytes())
    }

    /// What is to be changed, checked; else the status of the refusal.
    fn change(&self) -> Result<Change, u16> {
        let wire = self.op.wire();
        let keyless = |key: &str| Sent { key: key.to_owned(), value: None };
        match self.op {
            Op::ImsAdd | Op::DnsAdd | Op::CtsAdd | Op::ImsV1Put => check_put(wire, &self.tags[..1]),
            Op::ImsV1PutText => {
                let text = self.text();
                let (key, value) = text.split_once(['.', '=']).unwrap_or((&text, ""));
                check_put(wire, &[Sent { key: key.to_owned(), value: Some(value.to_owned()) }])
            }
            // a path without a key is that of no operation
            Op::NativePut | Op::NativeDelete | Op::ImsDeleteKey | Op::DnsDeleteKey | Op::CtsDeleteKey
                if self.one().key.is_empty() =>
            {
                Err(404)
            }
            Op::NativePut => check_put(wire, &[keyless(&self.one().key)]),
            Op::ImsDeleteKey | Op::NativeDelete | Op::DnsDeleteKey | Op::CtsDeleteKey => {
                if is_system_key(&self.one().key) { Err(400) } else { Ok(Change::RemoveKey(self.one().key.clone())) }
            }
            Op::ImsCreate | Op::DnsCreate | Op::CtsCreate | Op::TmsCreate => check_put(wire, &self.tags),
            Op::ImsDelete | Op::ImsV1Delete | Op::DnsDelete | Op::CtsDelete | Op::TmsDelete => {
                check_remove(wire, &self.tags)
            }
        }
    }
}

enum Change {
    Put(Vec<(String, String)>),
    Remove(Vec<(String, Option<String>)>),
    RemoveKey(String),
}

fn is_repeated(tags: &[Sent]) -> bool {
    tags.iter().map(|tag| &tag.key).collect::<BTreeSet<_>>().len() < tags.len()
}

fn check_put(wire: Wire, tags: &[Sent]) -> Result<Change, u16> {
    let WriteLimits { key_length, value_length, key_extra, value_extra, .. } = wire.write_limits();
    let fits = |text: &str, length, extra: &str| {
        text.chars().count() <= length && text.chars().all(|c| c.is_alphanumeric() || extra.contains(c))
    };
    let is_trimmed = |text: &str| !text.starts_with(' ') && !text.ends_with(' ');
    let is_right = |tag: &Sent| {
        let value = tag.value.as_deref().unwrap_or("");
        !tag.key.is_empty()
            && !tag.key.starts_with("_sys_")
            && fits(&tag.key, key_length, key_extra)
            && is_trimmed(&tag.key)
            && fits(value, value_length, value_extra)
            && (wire != Wire::Cts || is_trimmed(value))
    };
    if is_repeated(tags) || !tags.iter().all(is_right) {
        return Err(400);
    }
    Ok(Change::Put(tags.iter().map(|tag| (tag.key.clone(), tag.value.clone().unwrap_or_default())).collect()))
}

fn check_remove(wire: Wire, tags: &[Sent]) -> Result<Change, u16> {
    let is_right = |tag: &Sent| {
        let long = wire == Wire::Tms
            && (tag.key.chars().count() > 36 || tag.value.as_ref().is_some_and(|value| value.chars().count() > 43));
        !tag.key.is_empty() && !tag.key.starts_with("_sys_") && !long
    };
    if is_repeated(tags) || !tags.iter().all(is_right) {
        return Err(400);
    }
    let compared = wire.write_limits().remove_by_value;
    let entries = tags.iter().map(|tag| (tag.key.clone(), tag.value.clone().filter(|_| compared)));
    Ok(Change::Remove(entries.collect()))
}

// ---- the model

#[derive(Debug, Clone)]
struct Known {
    project: &'static str,
    resource_type: &'static str,
    id: &'static str,
    tags: Tags,
}

impl Known {
    fn resource(&self) -> Resource {
        let tags = self.tags.iter().map(|(key, value)| Tag { key: key.clone(), value: value.clone() });
        Resource {
            resource_id: self.id.into(),
            resource_name: format!("Web-{}", self.id),
            detail: None,
            tags: tags.collect(),
        }
    }

    fn shown(&self, system: bool) -> Value {
        let tags = self.tags.iter().filter(|(key, _)| system || !is_system_key(key));
        tags.map(|(key, value)| json!({ "key": key, "value": value })).collect()
    }
}

/// Every resource in the order of registration, and the quotas of the types.
#[derive(Debug, Clone)]
struct Model {
    resources: Vec<Known>,
    quotas: [usize; 5],
}

/// Why a resource is not changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Obstacle {
    Unknown,
    Ambiguous,
    TooMany,
}

impl Obstacle {
    fn shown(self, wire: Wire) -> (u16, &'static str) {
        match self {
            Self::Unknown => (404, wire.code(Broken::Resource)),
            Self::Ambiguous => (400, wire.code(Broken::Project)),
            Self::TooMany => (400, wire.code(Broken::Quota)),
        }
    }
}

/// What a write answers.
#[derive(Debug, PartialEq, Eq)]
struct Expected {
    status: u16,
    /// Where the status alone would not tell.
    code: Option<&'static str>,
    /// TMS: id, type and code of what failed.
    failed: Vec<(&'static str, &'static str, &'static str)>,
}

impl Expected {
    fn of(status: u16) -> Self {
        Self { status, code: None, failed: Vec::new() }
    }

    fn check(&self, write: &Write, answer: &Answer) -> Check {
        ensure!(answer.status == self.status, "{write:?}\n got {} {}\nwant {self:?}", answer.status, answer.body);
        let wire = write.op.wire();
        if self.status >= 400 {
            if let Some(code) = self.code {
                let (got, _) = wire.error(answer);
                ensure!(got == code, "{write:?}\n got {got}\nwant {code}");
            }
        } else if wire == Wire::Tms {
            let answer = answer.json();
            let failed: Vec<_> = answer["failed_resources"].as_array().unwrap().iter().collect();
            let text = |entry: &Value, name| entry[name].as_str().unwrap().to_owned();
            let got: Vec<_> = failed
                .into_iter()
                .map(|entry| (text(entry, "resource_id"), text(entry, "resource_type"), text(entry, "error_code")))
                .collect();
            let want: Vec<_> =
                self.failed.iter().map(|(id, name, code)| ((*id).into(), (*name).into(), (*code).into())).collect();
            ensure!(got == want, "{write:?}\n got {got:?}\nwant {want:?}");
        } else {
            ensure!(answer.body.is_empty(), "{write:?}: a change answers nothing: {}", answer.body);
        }
        Ok(())
    }
}

impl Model {
    /// Does a write; what it must answer.
    fn run(&mut self, write: &Write) -> Expected {
        let wire = write.op.wire();
        let change = match write.change() {
            Ok(change) => change,
            Err(status) => return Expected::of(status),
        };
        if wire == Wire::Tms {
            let is_wrong = |(name, _): &(&str, &str)| !TYPES.contains(name) || (!write.in_project && *name != "cdn");
            if write.targets.iter().any(is_wrong) {
                return Expected::of(400);
            }
            let project = write.in_project.then_some(write.project);
            let mut expected = Expected::of(200);
            for (name, id) in &write.targets {
                if let Err(obstacle) = self.change(project, name, id, &change) {
                    expected.failed.push((id, name, obstacle.shown(wire).1));
                }
            }
            return expected;
        }
        let resource_type = wire.resource_type();
        let done = if write.op == Op::CtsCreate { 200 } else { 204 };
        let by_header = matches!(write.op, Op::NativePut | Op::NativeDelete | Op::ImsV1Put | Op::ImsV1PutText);
        let project = (!by_header || write.in_project).then_some(write.project);
        match self.change(project, resource_type, write.id, &change) {
            Ok(()) => Expected::of(done),
            Err(obstacle) => {
                let (status, code) = obstacle.shown(wire);
                Expected { status, code: Some(code), failed: Vec::new() }
            }
        }
    }

    fn change(
        &mut self,
        project: Option<&str>,
        resource_type: &str,
        id: &str,
        change: &Change,
    ) -> Result<(), Obstacle> {
        let quota = self.quotas[TYPES.iter().position(|name| *name == resource_type).unwrap()];
        let mut found = self.resources.iter_mut().filter(|known| {
            known.resource_type == resource_type
                && known.id == id
                && project.is_none_or(|project| known.project == project)
        });
        let known = found.next().ok_or(Obstacle::Unknown)?;
        if found.next().is_some() {
            return Err(Obstacle::Ambiguous);
        }
        match change {
            Change::Put(tags) => {
                let count = |tags: &Tags| tags.keys().filter(|key| !is_system_key(key)).count();
                let mut new = known.tags.clone();
                new.extend(tags.iter().cloned());
                if count(&new) > count(&known.tags) && count(&new) > quota {
                    return Err(Obstacle::TooMany);
                }
                known.tags = new;
            }
            Change::Remove(tags) => {
                for (key, value) in tags {
                    if value.as_ref().is_none_or(|value| known.tags.get(key) == Some(value)) {
                        known.tags.remove(key);
                    }
                }
            }
            Change::RemoveKey(key) => {
                known.tags.remove(key).ok_or(Obstacle::Unknown)?;
            }
        }
        Ok(())
    }

    /// Keys with values in use.
    fn key_values(&self, project: Option<&str>, types: &[&str], system: bool) -> BTreeMap<String, BTreeSet<String>> {
        let mut keys: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for known in &self.resources {
            if types.contains(&known.resource_type) && project.is_none_or(|project| project == known.project) {
                for (key, value) in known.tags.iter().filter(|(key, _)| system || !is_system_key(key)) {
                    keys.entry(key.clone()).or_default().insert(value.clone());
                }
            }
        }
        keys
    }
}

// ---- lists

fn get(world: &World, path: &str, headers: &[(&str, &str)]) -> Result<Value, String> {
    let answer = world.send("GET", path, headers, b"");
    ensure!(answer.status == 200, "{path}: {} {}", answer.status, answer.body);
    Ok(answer.json())
}

fn check_get(world: &World, path: &str, headers: &[(&str, &str)], want: &Value) -> Check {
    let got = get(world, path, headers)?;
    ensure!(got == *want, "{path} {headers:?}\n got {got}\nwant {want}");
    Ok(())
}

fn shown(keys: &BTreeMap<String, BTreeSet<String>>) -> Value {
    keys.iter().map(|(key, values)| json!({ "key": key, "values": values })).collect()
}

/// A list to its end, in pages of some length.
fn check_pages(world: &World, path: &str, list: &str, limit: usize, want: &Value) -> Check {
    let separator = if path.contains('?') { '&' } else { '?' };
    let mut marker = String::new();
    let mut rest = want.as_array().unwrap().as_slice();
    loop {
        let page = get(world, &format!("{path}{separator}limit={limit}{marker}"), &[])?;
        let (head, tail) = rest.split_at(limit.min(rest.len()));
        ensure!(page[list] == json!(head), "{path} {marker}\n got {page}\nwant {}", json!(head));
        let info = &page["page_info"];
        ensure!(info["current_count"] == head.len(), "{path} {marker}: {page}");
        let next = info["next_marker"].as_str().unwrap();
        ensure!(next.is_empty() == head.is_empty(), "{path} {marker}: {page}\n left {}", json!(tail));
        if head.is_empty() {
            return Ok(());
        }
        rest = tail;
        marker = format!("&marker={}", encode(next));
    }
}

/// Every list there is.
fn check_lists(world: &World, model: &Model) -> Check {
    for known in &model.resources {
        let Known { project, resource_type, id, .. } = known;
        let plain = json!({ "tags": known.shown(false) });
        let path = format!("/v2.0/resources/{id}/tags?project_id={project}&resource_type={resource_type}");
        check_get(world, &path, &[], &plain)?;
        match *resource_type {
            "images" | "DNS-public_zone" => {
                check_get(world, &format!("/v2/{project}/{resource_type}/{id}/tags"), &[], &plain)?;
            }
            "cts-tracker" => {
                let all = json!({ "tags": known.shown(true) });
                check_get(world, &format!("/v3/{project}/cts-tracker/{id}/tags"), &[], &all)?;
            }
            _ => {}
        }
    }
    for project in PROJECTS {
        for name in ["images", "DNS-public_zone"] {
            let want = json!({ "tags": shown(&model.key_values(Some(project), &[name], false)) });
            check_get(world, &format!("/v2/{project}/{name}/tags"), &[], &want)?;
        }
        let keys = model.key_values(Some(project), &["cts-tracker"], true);
        check_pages(world, &format!("/v3/{project}/cts-tracker/tags"), "tags", 2, &shown(&keys))?;
        for types in [&TYPES[..], &["ecs", "cdn"], &["images"]] {
            let want = json!({ "tags": shown(&model.key_values(Some(project), types, false)), "errors": [] });
            let path = format!("/v1.0/tags?resource_types={}&project_id={project}&tag_types=resource", types.join(","));
            check_get(world, &path, &[], &want)?;
        }
    }
    for project in [None, Some("p1"), Some("p2")] {
        let keys = model.key_values(project, &["images"], false);
        let texts = keys.iter().flat_map(|(key, values)| {
            values.iter().map(move |value| if value.is_empty() { key.clone() } else { format!("{key}.{value}") })
        });
        let want = json!({ "tags": texts.collect::<BTreeSet<String>>() });
        let header: Vec<_> = project.map(|project| ("X-Project-Id", project)).into_iter().collect();
        check_get(world, "/v1/cloudimages/tags", &header, &want)?;
    }
    let keys = model.key_values(None, &TYPES, false);
    check_pages(world, "/v1.0/tag-keys", "keys", 3, &keys.keys().map(String::as_str).collect())?;
    for (key, values) in &keys {
        let values = values.iter().map(String::as_str).collect();
        check_pages(world, &format!("/v1.0/tag-values?key={}", encode(key)), "values", 2, &values)?;
    }
    Ok(())
}

// ---- queries

#[derive(Debug, Clone)]
struct Query {
    wire: Wire,
    project: &'static str,
    /// TMS: types and whether the project is named.
    types: Vec<&'static str>,
    in_project: bool,
    /// `tags`, `tags_any`, `not_tags`, `not_tags_any`, `sys_tags`: keys with values.
    lists: Vec<Vec<(String, Vec<&'static str>)>>,
    without_any_tag: bool,
    name: Option<&'static str>,
    count: bool,
    limit: Option<usize>,
    offset: Option<usize>,
}

const LISTS: [&str; 5] = ["tags", "tags_any", "not_tags", "not_tags_any", "sys_tags"];

fn query() -> impl Strategy<Value = Query> {
    let keys: Vec<&'static str> = KEYS.into_iter().chain(["_sys_x", "absent"]).collect();
    let values: Vec<&'static str> = VALUES.into_iter().chain(["*.", "*", "*1"]).filter(|value| *value != "*").collect();
    let entries = prop::collection::btree_map(
        prop::sample::select(keys),
        prop::collection::btree_set(prop::sample::select(values), 0..3),
        0..3,
    );
    (
        (
            prop::sample::select(&Wire::ALL[..]),
            prop::sample::select(vec!["p1", "p2", "p9"]),
            prop::sample::subsequence(&TYPES[..], 1..=TYPES.len()).prop_shuffle(),
            prop::bool::weighted(0.6),
        ),
        prop::collection::vec(prop_oneof![1 => entries, 1 => Just(BTreeMap::new())], LISTS.len()),
        (
            prop::bool::weighted(0.1),
            prop::option::weighted(0.2, prop::sample::select(vec!["wEb-", "R1", "no such"])),
            prop::bool::weighted(0.15),
            prop::option::weighted(0.6, 1..6usize),
            prop::option::weighted(0.4, 0..5usize),
        ),
    )
        .prop_map(|((wire, project, types, in_project), lists, (without_any_tag, name, count, limit, offset))| {
            let lists = lists.into_iter().take(wire.lists().len()).map(|entries| {
                let entries = entries.into_iter().map(|(key, values)| {
                    let values = values.into_iter().filter(|value| wire.searches() || !value.starts_with('*'));
                    (key.to_owned(), values.collect())
                });
                entries.collect()
            });
            Query {
                wire,
                project,
                in_project: in_project || types.iter().any(|name| *name != "cdn"),
                types,
                lists: lists.collect(),
                without_any_tag,
                name: name.filter(|_| wire.match_keys().contains(&"resource_name")),
                count: count && !wire.is_cross_service(),
                limit,
                offset,
            }
        })
}

impl Query {
    fn meaning(&self) -> TagQuery {
        let terms = |i: usize| -> Vec<Term> {
            let entries = self.lists.get(i).into_iter().flatten();
            let value = |value: &&str| match value.strip_prefix('*') {
                Some(part) => ValueMatch::Contains(part.into()),
                None => ValueMatch::Exact((*value).into()),
            };
            entries.map(|(key, values)| Term { key: key.clone(), values: values.iter().map(value).collect() }).collect()
        };
        TagQuery {
            tags: terms(0),
            tags_any: terms(1),
            not_tags: terms(2),
            not_tags_any: terms(3),
            sys_tags: terms(4),
            without_any_tag: self.without_any_tag,
            resource_name: self.name.map(|name| NameMatch::Contains(name.into())),
            resource_id: None,
        }
    }

    fn request(&self) -> (String, Value) {
        let mut body = self.wire.action(self.count);
        if self.wire.is_cross_service() {
            body = json!({ "resource_types": self.types });
            if self.in_project {
                body["project_id"] = json!(self.project);
            }
        }
        let fields = body.as_object_mut().unwrap();
        for (name, entries) in LISTS.into_iter().zip(&self.lists).filter(|(_, entries)| !entries.is_empty()) {
            let entries = entries.iter().map(|(key, values)| json!({ "key": key, "values": values }));
            fields.insert(name.into(), entries.collect());
        }
        if self.without_any_tag {
            fields.insert("without_any_tag".into(), json!(true));
        }
        if let Some(name) = self.name {
            fields.insert("matches".into(), json!([{ "key": "resource_name", "value": name }]));
        }
        for (name, number) in [("limit", self.limit), ("offset", self.offset)] {
            if let Some(number) = number {
                fields.insert(name.into(), json!(number));
            }
        }
        (self.wire.query_path(self.project, self.wire.resource_type(), self.count), body)
    }

    fn expected(&self, model: &Model) -> Value {
        let is_tms = self.wire.is_cross_service();
        let meaning = self.meaning();
        let types = if is_tms { self.types.clone() } else { vec![self.wire.resource_type()] };
        let rank = |known: &Known| types.iter().position(|name| *name == known.resource_type);
        // newest first
        let mut found: Vec<&Known> = model.resources.iter().rev().collect();
        found.retain(|known| {
            rank(known).is_some()
                && ((is_tms && !self.in_project) || known.project == self.project)
                && meaning.matches(&known.resource())
        });
        if is_tms {
            found.sort_by_key(|known| (rank(known), known.project));
        }
        let total = found.len();
        if self.count {
            return json!({ "total_count": total });
        }
        let default = self.wire.query_limits().default_limit;
        let page = found.into_iter().skip(self.offset.unwrap_or(0)).take(self.limit.unwrap_or(default)).map(|known| {
            let mut item = json!({
                "resource_id": known.id,
                "resource_name": known.resource().resource_name,
                "tags": known.shown(self.wire.shows_system_tags()),
            });
            if is_tms {
                item["project_id"] = json!(known.project);
                item["project_name"] = json!(format!("name of {}", known.project));
                item["resource_type"] = json!(known.resource_type);
            }
            if let Some(detail) = self.wire.absent_detail() {
                item["resource_detail"] = detail;
            }
            item
        });
        let mut answer = json!({ "total_count": total, "resources": page.collect::<Value>() });
        if is_tms {
            answer["errors"] = json!([]);
        }
        answer
    }

    fn check(&self, world: &World, model: &Model) -> Check {
        let (path, body) = self.request();
        let answer = world.post(&path, &body.to_string());
        ensure!(answer.status == 200, "{path} {body}: {} {}", answer.status, answer.body);
        let (got, want) = (answer.json(), self.expected(model));
        ensure!(got == want, "{path} {body}\n got {got}\nwant {want}");
        Ok(())
    }
}

// ---- the stage

/// A server with every scope, and ways behind it.
struct Stage {
    world: World,
    store: Store,
    owner: Mutex<PgConnection>,
    scopes: BTreeMap<(String, String), i64>,
}

impl Stage {
    fn new() -> Self {
        let scopes = PROJECTS.into_iter().flat_map(|project| TYPES.into_iter().map(move |name| (project, name)));
        let fleet = scopes.map(|(project, name)| Registration {
            project_id: project.into(),
            project_name: Some(format!("name of {project}")),
            domain_id: None,
            resource_type: name.into(),
            resource: Resource { resource_id: "x".into(), ..Resource::default() },
        });
        let world = World::with(&fleet.collect::<Vec<_>>());
        let (store, owner, scopes) = block_on(async {
            let store = world.db.store(SessionProfile::Bulk, 1).await;
            let scopes = store.list_scopes().await.unwrap();
            (store, world.db.connect().await, scopes)
        });
        let scopes = scopes.into_iter().map(|s| ((s.project_id, s.resource_type), s.scope_id)).collect();
        Self { world, store, owner: Mutex::new(owner), scopes }
    }

    /// Makes the database what the model says, in one go. The quotas come last: some resources are above them.
    /// With a smaller model fewer resources make a label dense, so that small models meet both forms.
    fn set(&self, model: &Model) {
        let mut sql = "truncate tagd.resource, tagd.name, tagd.tag, tagd.label, tagd.chunk;
                       update tagd.scope_counter set next_slot = 0;
                       update tagd.resource_type set tag_quota = 1000;"
            .to_owned();
        // single writes make no word a label: there is one already, now and then
        if model.resources.len() % 2 == 1 {
            sql += "insert into tagd.label (scope_id, kind, key, value, slots)
                    select scope_id, 4, '', 'web', '{}' from tagd.scope;";
        }
        sql += &sparse_limit(i32::try_from(model.resources.len() % 4).unwrap() + 1);
        for known in &model.resources {
            let Resource { resource_id: id, resource_name: name, tags, .. } = known.resource();
            let parts: Vec<String> = tags.iter().map(|tag| format!("'{}', '{}'", tag.key, tag.value)).collect();
            sql += &format!(
                "select tagd.register_resource('{}', '{}', '{id}', '{name}', '{}', null::json, array[{}]::text[], null, false, null);",
                known.project,
                known.resource_type,
                fold(&name),
                parts.join(", ")
            );
        }
        for (name, quota) in TYPES.into_iter().zip(model.quotas) {
            sql += &format!("update tagd.resource_type set tag_quota = {quota} where resource_type = '{name}';");
        }
        let mut owner = self.owner.lock().unwrap();
        block_on(owner.execute(AssertSqlSafe(sql))).unwrap();
    }

    /// Lists, queries and the index agree with the model.
    fn check(&self, model: &Model, queries: &[Query]) -> Check {
        check_lists(&self.world, model)?;
        for query in queries {
            query.check(&self.world, model)?;
        }
        block_on(async {
            for (scope, scope_id) in &self.scopes {
                let drift = self.store.verify_scope(*scope_id).await.unwrap();
                ensure!(drift.is_empty(), "{scope:?}: {drift:?}");
                let names = self.store.verify_names(*scope_id).await.unwrap();
                ensure!(names.is_empty(), "{scope:?}: {names:?}");
            }
            Ok(())
        })
    }
}

fn model() -> impl Strategy<Value = Model> {
    let keys: Vec<&'static str> = KEYS.into_iter().chain(["_sys_x", "_sys_y"]).collect();
    let tags = prop::collection::btree_map(prop::sample::select(keys), prop::sample::select(&VALUES[..]), 0..5);
    let places: Vec<_> = PROJECTS
        .into_iter()
        .flat_map(|project| TYPES.into_iter().map(move |name| (project, name)))
        .flat_map(|(project, name)| IDS.into_iter().map(move |id| (project, name, id)))
        .collect();
    let known = prop::sample::subsequence(places, 2..=16).prop_shuffle();
    (known, prop::collection::vec(tags, 16), prop::array::uniform5(1..6usize)).prop_map(|(places, tags, quotas)| {
        let own = |tags: BTreeMap<&str, &str>| tags.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        let resources = places.into_iter().zip(tags).map(|((project, resource_type, id), tags)| Known {
            project,
            resource_type,
            id,
            tags: own(tags),
        });
        Model { resources: resources.collect(), quotas }
    })
}

fn runner(cases: u32, stage: u32) -> TestRunner {
    // a seed of its own for a long run, else the same cases every time
    let seed = std::env::var("TAGD_SEED").ok().map_or(1, |seed| seed.parse::<u64>().expect("TAGD_SEED: a number"));
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..12].copy_from_slice(&stage.to_le_bytes());
    let config = Config { cases, max_shrink_iters: 300, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

/// How often which operation was answered with which status.
type Statuses = Mutex<BTreeMap<(String, u16), u32>>;

fn run_sequences(mut runner: TestRunner, statuses: &Statuses) -> Check {
    let stage = Stage::new();
    let strategy =
        (model(), prop::collection::vec(write(3), 0..=2 * WRITES), prop::collection::vec(query(), 0..=2 * QUERIES));
    let run = |(mut model, writes, queries): (Model, Vec<Write>, Vec<Query>)| {
        stage.set(&model);
        for write in &writes {
            let answer = write.send(&stage.world);
            model.run(write).check(write, &answer).map_err(TestCaseError::fail)?;
            *statuses.lock().unwrap().entry((format!("{:?}", write.op), answer.status)).or_insert(0) += 1;
        }
        stage.check(&model, &queries).map_err(TestCaseError::fail)
    };
    runner.run(&strategy, run).map_err(|error| error.to_string())
}

#[test]
fn random_writes_over_all_dialects_do_what_the_model_says() {
    let cases = std::env::var("TAGD_CASES").ok().map_or(CASES, |cases| cases.parse().expect("TAGD_CASES: a number"));
    let sequences = cases.div_ceil(u32::try_from(WRITES).unwrap()).div_ceil(STAGES);
    let statuses = Mutex::new(BTreeMap::new());
    // each on a server of its own, so that the one works while the other waits
    let failures: Vec<String> = std::thread::scope(|threads| {
        let stages: Vec<_> = (0..STAGES)
            .map(|stage| {
                let statuses = &statuses;
                threads.spawn(move || run_sequences(runner(sequences, stage), statuses))
            })
            .collect();
        stages.into_iter().filter_map(|stage| stage.join().unwrap().err()).collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    // each operation has done something and has been refused something
    let statuses = statuses.into_inner().unwrap();
    for op in OPS {
        let is_met =
            |met: fn(u16) -> bool| statuses.keys().any(|(name, status)| *name == format!("{op:?}") && met(*status));
        assert!(cases < CASES || (is_met(|s| s < 300) && is_met(|s| s >= 400)), "{op:?}: {statuses:?}");
    }
}

#[test]
fn sixteen_clients_at_once_end_where_the_model_of_each_says() {
    let stage = Stage::new();
    let mut runner = runner(1, 0);
    // every resource there may be, and no quota in the way: what a client meets is its own doing
    let resources: Vec<Known> = PROJECTS
        .into_iter()
        .flat_map(|project| TYPES.into_iter().map(move |name| (project, name)))
        .flat_map(|(project, resource_type)| {
            IDS.into_iter().map(move |id| Known { project, resource_type, id, tags: Tags::new() })
        })
        .collect();
    let start = Model { resources, quotas: [1000; 5] };
    stage.set(&start);
    let draw = prop::collection::vec(write(1), WRITES_OF_CLIENT);
    let sequences: Vec<Vec<Write>> = (0..CLIENTS)
        .map(|i| {
            let mut writes = draw.new_tree(&mut runner).unwrap().current();
            for tag in writes.iter_mut().flat_map(|write| &mut write.tags) {
                // keys of its own; odd ones stay odd
                if !tag.key.is_empty() && !is_system_key(&tag.key) {
                    tag.key.push_str(&format!("-{i}"));
                }
            }
            writes
        })
        .collect();
    let gate = Barrier::new(CLIENTS);
    let models: Vec<Model> = std::thread::scope(|threads| {
        let clients: Vec<_> = sequences
            .iter()
            .map(|writes| {
                let (stage, gate, mut model) = (&stage, &gate, start.clone());
                threads.spawn(move || {
                    gate.wait();
                    for write in writes {
                        let answer = write.send(&stage.world);
                        model.run(write).check(write, &answer).unwrap_or_else(|error| panic!("{error}"));
                    }
                    model
                })
            })
            .collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    let mut merged = start;
    for model in models {
        for (all, own) in merged.resources.iter_mut().zip(model.resources) {
            all.tags.extend(own.tags);
        }
    }
    let written: usize = merged.resources.iter().map(|known| known.tags.len()).sum();
    assert!(written > 100, "{written} tags are left: too few to show anything");
    let queries = prop::collection::vec(query(), 60).new_tree(&mut runner).unwrap().current();
    let queries: Vec<Query> = queries
        .into_iter()
        .enumerate()
        .map(|(i, mut query)| {
            for (key, _) in query.lists.iter_mut().flatten() {
                key.push_str(&format!("-{}", i % CLIENTS));
            }
            query
        })
        .collect();
    stage.check(&merged, &queries).unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn sixteen_clients_race_for_the_quota_of_an_image_over_four_operations() {
    let stage = Stage::new();
    let image = || Known { project: "p1", resource_type: "images", id: "r0", tags: Tags::new() };
    for _ in 0..5 {
        let mut model = Model { resources: vec![image()], quotas: [10; 5] };
        stage.set(&model);
        let gate = Barrier::new(CLIENTS);
        let written: Vec<Option<String>> = std::thread::scope(|threads| {
            let clients: Vec<_> = (0..CLIENTS)
                .map(|i| {
                    let (stage, gate) = (&stage, &gate);
                    let op = [Op::ImsAdd, Op::ImsCreate, Op::NativePut, Op::TmsCreate][i % 4];
                    let key = format!("k{i:02}");
                    threads.spawn(move || {
                        let write = Write {
                            op,
                            project: "p1",
                            in_project: true,
                            id: "r0",
                            tags: vec![Sent { key: key.clone(), value: None }],
                            targets: vec![("images", "r0")],
                        };
                        gate.wait();
                        let answer = write.send(&stage.world);
                        let code = match answer.status {
                            204 => return Some(key),
                            200 => match answer.json()["failed_resources"].as_array().unwrap().as_slice() {
                                [] => return Some(key),
                                [failed] => failed["error_code"].as_str().unwrap().to_owned(),
                                more => panic!("{more:?}"),
                            },
                            400 => op.wire().error(&answer).0,
                            _ => panic!("{} {}", answer.status, answer.body),
                        };
                        assert_eq!(code, Obstacle::TooMany.shown(op.wire()).1);
                        None
                    })
                })
                .collect();
            clients.into_iter().map(|client| client.join().unwrap()).collect()
        });
        model.resources[0].tags = written.into_iter().flatten().map(|key| (key, String::new())).collect();
        assert_eq!(model.resources[0].tags.len(), 10);
        stage.check(&model, &[]).unwrap_or_else(|error| panic!("{error}"));
    }
}
