//! A database that keeps its connections open and sends nothing: what that costs, and what happens once it is back.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use serde_json::json;
use sqlx::{Connection, Executor};

use super::states::{Frozen, KINDS, Own, all_are_answered};
use crate::support::{
    Answer, Program, Relay, TestDb, Wire, World, block_on, eventually, eventually_found, registration,
    waiting_for_locks,
};

/// Less than a statement with its connection may take, which is 40 seconds, and more than a busy machine needs to find out that
/// the database is silent.
const SOON: Duration = Duration::from_secs(25);

/// A server that reaches its database through a relay, with the timeouts that tagd has by default.
fn through_relay() -> (World, Relay) {
    let db = TestDb::new();
    let relay = block_on(Relay::to(&db));
    let mut store = relay.settings();
    store.acquire_timeout = Duration::from_secs(5);
    store.statement_timeout = Duration::from_secs(30);
    let world = World::over(db, store);
    world.load(&[registration("images", "r", "", &[("a", "1")]), registration("disk", "d", "", &[])]);
    all_are_answered(&world);
    (world, relay)
}

fn is_told(answer: &Answer) -> bool {
    // on a busy machine it may take so long to find out that there is no connection in time
    let told = ["did not respond in time", "is unreachable", "is too busy"];
    let is_told = |told: &&str| answer.body.contains(&format!("the database {told}; try again later"));
    answer.status == 503 && told.iter().any(is_told) && answer.headers.contains_key("retry-after")
}

/// Requests of all kinds at once are told soon, and others after them at once.
fn are_told(world: &World) {
    let begun = Instant::now();
    thread::scope(|scope| {
        for kind in &KINDS {
            scope.spawn(move || {
                let answer = kind.send(world);
                assert!(is_told(&answer), "{answer:?}");
                assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
            });
        }
    });
    println!("told after {:?}", begun.elapsed());
    let begun = Instant::now();
    for _ in 0..10 {
        for kind in &KINDS {
            let answer = kind.send(world);
            assert!(is_told(&answer), "{answer:?}");
        }
    }
    // one that waits for as little as the first check would take longer than all of them
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    println!("{} more in {:?}", 10 * KINDS.len(), begun.elapsed());
}

/// Waits for the first good answer of each kind.
fn are_answered_again(world: &World) {
    let begun = Instant::now();
    eventually("a read is answered", || KINDS[0].send(world).status == 200);
    println!("the first good answer after {:?}", begun.elapsed());
    all_are_answered(world);
}

#[test]
fn a_frozen_database_is_found_out_soon_then_refused_at_once_and_used_again_when_it_goes_on() {
    let own = Own::new();
    for _ in 0..2 {
        let pids = children_of(own.postmaster());
        assert!(pids.len() > 3, "{pids:?}");
        let frozen = Frozen::new([own.postmaster()].into_iter().chain(pids));
        are_told(own.world());
        drop(frozen);
        are_answered_again(own.world());
    }
}

#[test]
fn a_network_that_passes_nothing_on_is_found_out_soon_and_used_again_when_it_does() {
    let (world, relay) = through_relay();
    for _ in 0..2 {
        relay.fall_silent_for_all();
        are_told(&world);
        relay.resume();
        are_answered_again(&world);
    }
}

#[test]
fn a_host_that_is_a_folder_is_asked_by_its_socket_whether_it_is_back() {
    let db = TestDb::new();
    for is_in_url in [true, false] {
        let relay = block_on(async { Relay::in_folder(&db) });
        let [folder, user, password, database] = relay.parts();
        let place = format!("host={folder}&user={user}&password={password}");
        let program = if is_in_url {
            Program::new().with("DATABASE_URL", &format!("postgres:///{database}?{place}"))
        } else {
            let program = Program::new().with("DATABASE_URL", &format!("postgres:///{database}"));
            program.with("PGHOST", folder).with("PGUSER", user).with("PGPASSWORD", password)
        };
        let serving = program.serve(&["--listen", "127.0.0.1:0"]);
        let ask = || serving.post(Wire::Ims.path(), &Wire::Ims.body(&json!({})).to_string()).status;
        assert_eq!(ask(), 200);
        relay.fall_silent_for_all();
        eventually("requests are refused", || {
            assert_eq!(ask(), 503);
            serving.log().contains("refusing requests until it does")
        });
        // as long as no login is answered, nothing else can tell that it is back
        relay.pass_pings();
        eventually("the circuit is closed", || serving.log().contains("the database responds again"));
        relay.resume();
        eventually("a query is answered", || ask() == 200);
        assert_eq!(serving.stop().code, Some(0));
    }
}

#[test]
fn connections_that_a_firewall_has_forgotten_cost_seconds_but_no_read() {
    let (world, relay) = through_relay();
    // queries, the lists and the export of the registry; a change of tags, a registration, an import
    for kind in [0, 2, 5, 7, 8, 10, 12].map(|kind| &KINDS[kind]) {
        all_are_answered(&world);
        relay.fall_silent();
        let begun = Instant::now();
        let answer = kind.send(&world);
        assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
        // a write may have been done
        assert!(answer.status < 300 || answer.status == 404 || !kind.3 && is_told(&answer), "{answer:?}");
        assert!(answer.status == 200 || !kind.3, "{answer:?}");
    }
}

#[test]
fn a_statement_that_only_takes_long_is_waited_for() {
    let (world, _relay) = through_relay();
    let mut owner = block_on(world.db.connect());
    let mut held = block_on(owner.begin()).unwrap();
    block_on(held.execute("lock table tagd.tag, tagd.resource, tagd.label in access exclusive mode")).unwrap();
    thread::scope(|scope| {
        let world = &world;
        let waiting: Vec<_> = [0, 8, 10].map(|kind| scope.spawn(move || KINDS[kind].send(world))).into();
        block_on(eventually_found("three statements wait", async || {
            (waiting_for_locks(&mut held).await.len() == 3).then_some(())
        }));
        // the prober has come, and has asked more often than would open the circuit
        let (begun, mut probed) = (Instant::now(), 0);
        while begun.elapsed() < Duration::from_secs(8) {
            let is_there: bool = block_on(async {
                held.execute("select pg_stat_clear_snapshot()").await.unwrap();
                sqlx::query_scalar(
                    "select exists (select from pg_stat_activity
                                     where datname = current_database() and query like '%pg_stat_get_activity(w.pid) a%')",
                )
                .fetch_one(&mut *held)
                .await
                .unwrap()
            });
            probed += u32::from(is_there);
            // what needs none of these tables is answered meanwhile
            assert_eq!(KINDS[5].send(world).status, 200);
            thread::sleep(Duration::from_millis(100));
        }
        assert!(probed > 0, "nobody asked the server");
        block_on(held.rollback()).unwrap();
        for request in waiting {
            let answer = request.join().unwrap();
            assert!(answer.status < 300, "{answer:?}");
        }
    });
    block_on(owner.close()).unwrap();
}

#[test]
fn imports_and_exports_give_up_on_a_database_that_falls_silent_under_them() {
    let (world, relay) = through_relay();
    let lines: String = (0..200)
        .map(|i| {
            format!("{{\"project_id\":\"p\",\"resource_type\":\"images\",\"resource_id\":\"i{i}\",\"tags\":[]}}\n")
        })
        .collect();
    for path in [
        "/registry/v1/import",
        "/registry/v1/import?strict=true",
        "/registry/v1/import?strict=true&prune=true&prune_limit=1000",
    ] {
        let mut owner = block_on(world.db.connect());
        let mut held = block_on(owner.begin()).unwrap();
        // it waits in the middle of its work
        block_on(held.execute("lock table tagd.resource in access exclusive mode")).unwrap();
        thread::scope(|scope| {
            let (world, lines) = (&world, &lines);
            let importing = scope
                .spawn(move || world.send("POST", path, &[("Content-Type", "application/x-ndjson")], lines.as_bytes()));
            block_on(eventually_found("the import waits", async || {
                (!waiting_for_locks(&mut held).await.is_empty()).then_some(())
            }));
            relay.fall_silent_for_all();
            let begun = Instant::now();
            let answer = importing.join().unwrap();
            assert!(is_told(&answer), "{path}: {answer:?}");
            assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
        });
        relay.resume();
        block_on(held.rollback()).unwrap();
        block_on(owner.close()).unwrap();
        are_answered_again(&world);
    }
}

/// The processes that a process has started.
fn children_of(parent: i32) -> Vec<i32> {
    let processes =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    let is_child = |pid: &i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // behind the name, which may have blanks
        let rest = stat.rsplit_once(')').map(|(_, rest)| rest.split(' ').nth(2).unwrap_or_default().to_owned());
        rest.is_some_and(|found| found == parent.to_string())
    };
    processes.filter(is_child).collect()
}
