//! What was acknowledged stays, in the tags and in the history: the program and its Postgres are killed under writers, a ledger is kept beside them.
//!
//! The short forms of `tools/durability`: of tags alone with a ledger in this file, and of writes of every kind by the tool itself.

use std::{
    collections::BTreeMap,
    fs,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    thread,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::json;

use crate::support::{Dice, PATIENCE, Program, Serving, Stopper, eventually, run_tool};

const PROJECT: &str = "00000000000000000000000000000001";
const WRITERS: usize = 16;
const IMAGES: usize = 48;

type Tags = BTreeMap<String, String>;

/// A row of the ledger: the tags after the last acknowledged write, and after the one in flight.
struct Image {
    path: String,
    acknowledged: Tags,
    in_flight: Option<Tags>,
    /// The writes that changed something, with the tags after them: those that were acknowledged, and those in flight that were
    /// found.
    ledger: Vec<(String, Tags)>,
    /// The write in flight.
    id: String,
}

impl Image {
    /// Takes what was found as the state, which must be one of the two.
    fn settle(&mut self, found: Tags) {
        let known = found == self.acknowledged || Some(&found) == self.in_flight.as_ref();
        assert!(known, "{}: {found:?} of {:?} and {:?}", self.path, self.acknowledged, self.in_flight);
        if found != self.acknowledged {
            self.ledger.push((std::mem::take(&mut self.id), found.clone()));
        }
        self.acknowledged = found;
        self.in_flight = None;
    }

    /// The history must be the ledger, entry by entry, each beginning with the tags that the one before ended with.
    fn check_history(&self, reader: &Writer<'_>) {
        let path = self.path.replace("/v2/", "/registry/v1/projects/").replace("/images/", "/types/images/resources/");
        let path = path.replace("/tags", "/history");
        let (mut entries, mut marker) = (Vec::new(), String::new());
        loop {
            let (status, body) = reader.ask("GET", &format!("{path}?limit=1000&marker={marker}"), "", "").unwrap();
            assert_eq!(status, 200, "{path}: {body}");
            let page: serde_json::Value = serde_json::from_str(&body).unwrap();
            entries.extend(page["changes"].as_array().unwrap().clone());
            match page["next_marker"].as_str() {
                Some(next) => next.clone_into(&mut marker),
                None => break,
            }
        }
        let mut before = Tags::new();
        let replayed: Vec<(String, Tags)> = entries
            .iter()
            .rev()
            .map(|entry| {
                assert_eq!(tags_in(&entry["old_tags"]), before, "{path}");
                before = tags_in(&entry["new_tags"]);
                (entry["request_id"].as_str().unwrap().to_owned(), before.clone())
            })
            .collect();
        assert_eq!(replayed, self.ledger, "{path}");
        assert_eq!(before, self.acknowledged, "{path}");
    }
}

fn tags_in(list: &serde_json::Value) -> Tags {
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    list.as_array().unwrap().iter().map(|tag| (text(&tag["key"]), text(&tag["value"]))).collect()
}

/// What the writers and whoever kills tell each other.
#[derive(Default)]
struct Round {
    /// Connections may break from now on.
    ending: AtomicBool,
    stopped: AtomicBool,
    acknowledged: AtomicU64,
}

struct Writer<'a> {
    round: &'a Round,
    url: String,
    agent: ureq::Agent,
    dice: Dice,
    seed: u64,
}

impl<'a> Writer<'a> {
    fn new(round: &'a Round, serving: &Serving, seed: u64) -> Self {
        let agent = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).build();
        Self { round, url: serving.url.clone(), agent: agent.into(), dice: Dice(seed), seed }
    }

    /// Asks until there is an answer other than 503; none where tagd has gone, or all is to end.
    fn ask(&self, method: &str, path: &str, id: &str, body: &str) -> Option<(u16, String)> {
        loop {
            let request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.url));
            let request = request.header("Content-Type", "application/json").header("X-Request-Id", id);
            let request = request.body(body.to_owned()).unwrap();
            let answer = self.agent.run(request).and_then(|mut answer| {
                let status = answer.status().as_u16();
                Ok((status, answer.body_mut().read_to_string()?))
            });
            match answer {
                Ok((503, _)) => thread::sleep(Duration::from_millis(50)),
                Ok(answer) => return Some(answer),
                Err(error) => {
                    assert!(self.round.ending.load(Relaxed), "{method} {path}: {error}");
                    return None;
                }
            }
            if self.round.stopped.load(Relaxed) {
                return None;
            }
        }
    }

    fn tags_of(&self, image: &Image) -> Option<Tags> {
        let (status, body) = self.ask("GET", &image.path, "", "")?;
        assert_eq!(status, 200, "{}: {body}", image.path);
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        Some(tags_in(&body["tags"]))
    }

    /// Puts and removes tags until tagd has gone.
    fn write(mut self, images: &mut [Image], writer: usize) {
        for counter in 0_u64.. {
            if self.round.stopped.load(Relaxed) {
                return;
            }
            let image = &mut images[self.dice.roll(images.len())];
            let first = self.dice.roll(8);
            let keys = (first..=first + self.dice.roll(3)).map(|key| format!("key-{}", key % 8));
            let mut after = image.acknowledged.clone();
            let body = if self.dice.roll(3) > 0 {
                let tags: Tags = keys.map(|key| (key, format!("{writer}-{counter}"))).collect();
                after.extend(tags.clone());
                let tags: Vec<_> = tags.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
                json!({ "action": "create", "tags": tags })
            } else {
                let keys: Vec<String> = keys.collect();
                after.retain(|key, _| !keys.contains(key));
                let tags: Vec<_> = keys.iter().map(|key| json!({ "key": key })).collect();
                json!({ "action": "delete", "tags": tags })
            };
            image.in_flight = Some(after.clone());
            image.id = format!("{}-{writer}-{counter}", self.seed);
            let (path, body) = (format!("{}/action", image.path), body.to_string());
            let Some((status, body)) = self.ask("POST", &path, &image.id, &body) else {
                return;
            };
            assert_eq!(status, 204, "{}: {body}", image.path);
            image.settle(after);
            self.round.acknowledged.fetch_add(1, Relaxed);
        }
    }
}

/// A tagd with a Postgres of its own, and images.
struct Fleet {
    program: Program,
    images: Vec<Image>,
}

impl Fleet {
    fn new() -> Self {
        let program = Program::new().with("TAGD_DATA_DIR", "data").with("TAGD_LISTEN", "127.0.0.1:0");
        let ids: Vec<String> = (0..IMAGES).map(|number| format!("{number:032x}")).collect();
        let line = |id| {
            format!("{}\n", json!({"project_id": PROJECT, "resource_type": "images", "resource_id": id, "tags": []}))
        };
        let imported = program.import(ids.iter().map(line).collect::<String>());
        assert_eq!(imported.code, Some(0), "{}", imported.err);
        let image = |id| Image {
            path: format!("/v2/{PROJECT}/images/{id}/tags"),
            acknowledged: Tags::new(),
            in_flight: None,
            ledger: Vec::new(),
            id: String::new(),
        };
        Self { program, images: ids.iter().map(image).collect() }
    }

    fn postmaster(&self) -> Option<i32> {
        let pidfile = self.program.dir().join("data/postgres/data/postmaster.pid");
        fs::read_to_string(pidfile).ok()?.lines().next()?.parse().ok()
    }

    /// Writes while `interfere` does what it does, which ends tagd; then compares all with the ledger.
    fn round(&mut self, seed: u64, interfere: impl FnOnce(&Self, Serving, &Round)) {
        let (round, serving) = (Round::default(), self.program.serve(&[]));
        let mut images = std::mem::take(&mut self.images);
        thread::scope(|scope| {
            let stopper = Stopper(&round.stopped);
            for (number, images) in images.chunks_mut(IMAGES / WRITERS).enumerate() {
                let writer = Writer::new(&round, &serving, seed * 100 + number as u64 + 1);
                scope.spawn(move || writer.write(images, number));
            }
            interfere(self, serving, &round);
            drop(stopper);
        });
        let acknowledged = round.acknowledged.load(Relaxed);
        assert!(acknowledged > 0, "nothing was written");

        let (round, serving) = (Round::default(), self.program.serve(&[]));
        let reader = Writer::new(&round, &serving, 1);
        for image in &mut images {
            image.settle(reader.tags_of(image).unwrap());
            image.check_history(&reader);
        }
        assert_eq!(self.program.expect(&["index", "verify"]), "1 scopes, index and tags agree\n");
        assert_eq!(serving.stop().code, Some(0));
        self.images = images;
    }
}

/// Waits for some more writes.
fn wait_for_writes(round: &Round, many: u64) {
    let known = round.acknowledged.load(Relaxed);
    eventually("the writers write", || round.acknowledged.load(Relaxed) >= known + many);
}

#[test]
fn a_killed_tagd_loses_no_acknowledged_write_and_leaves_none_half_done() {
    let mut fleet = Fleet::new();
    for seed in 1..=2 {
        fleet.round(seed, |_, mut serving, round| {
            wait_for_writes(round, 40 * seed);
            round.ending.store(true, Relaxed);
            serving.signal(Signal::SIGKILL);
            assert_eq!(serving.wait().code, None);
        });
    }
}

#[test]
fn a_killed_postgres_loses_no_acknowledged_write_and_tagd_goes_on() {
    let mut fleet = Fleet::new();
    for seed in 3..=4 {
        fleet.round(seed, |fleet, serving, round| {
            wait_for_writes(round, 20 * seed);
            let killed = fleet.postmaster().unwrap();
            kill(Pid::from_raw(killed), Signal::SIGKILL).unwrap();
            eventually("Postgres is back", || fleet.postmaster().is_some_and(|server| server != killed));
            wait_for_writes(round, 100);
            round.ending.store(true, Relaxed);
            let said = serving.stop();
            assert_eq!(said.code, Some(0), "{}", said.err);
        });
    }
}

#[test]
fn writes_of_every_kind_survive_when_tagd_and_postgres_are_killed() {
    let test = "writes_of_every_kind_survive_when_tagd_and_postgres_are_killed";
    // each kind of kill twice: the second of Postgres leaves its sessions alone
    if let Some(said) = run_tool(test, "tools/durability", &["2", "38"]) {
        println!("{said}");
        assert!(said.contains(" 0 lost or half-applied, index verify clean\n"), "{said}");
    }
}
