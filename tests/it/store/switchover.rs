//! Read replicas and several servers that are left, crash, stand still or cannot be compared, with real streaming replicas.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use serde_json::json;

use super::replicas::{RESOURCE, found, on, put, serve, until_read_from, until_used, usable, written};
use crate::support::{Program, Replicated, Stopper, eventually};

/// An address that leads to one server, and from some time on to another one.
struct Address {
    port: u16,
    is_moved: Arc<AtomicBool>,
}

impl Address {
    fn of(before: String, after: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, is_moved) = (listener.local_addr().unwrap().port(), Arc::new(AtomicBool::new(false)));
        let moved = Arc::clone(&is_moved);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let place = if moved.load(Relaxed) { &after } else { &before };
                let Ok(server) = TcpStream::connect(place) else { continue };
                for (mut from, mut to) in [(client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client)]
                {
                    thread::spawn(move || {
                        let _ = io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
            }
        });
        Self { port, is_moved }
    }
}

#[test]
fn nothing_is_read_from_a_server_that_was_left_although_it_answers() {
    let Some(mut site) = Replicated::new("nothing_is_read_from_a_server_that_was_left_although_it_answers") else {
        return;
    };
    Program::new().with("DATABASE_URL", &site.url(&[0], "")).expect(&["demo"]);
    let replica = site.replica("");
    let of = |url: &str| Program::new().with("DATABASE_URL", url);
    let both = site.url(&[0, replica], "&target_session_attrs=read-write");
    let moving = Address::of(site.place(0), site.place(replica));
    let by_address = format!("postgres://owner@127.0.0.1:{}/tags?sslmode=disable", moving.port);
    let servers = [
        serve(&of(&both).with("TAGD_READ_DATABASE_URLS", &site.url(&[replica], "")), &[]),
        serve(&of(&both), &[]),
        serve(&of(&by_address), &[]),
    ];
    until_used(&servers[0], 1);
    let reader = serve(&of(&both), &[]);
    for value in 0..20 {
        for server in &servers {
            assert!(put(server, value).status < 300);
            assert_eq!(found(server, value, None).0, 1);
        }
        found(&reader, value, None);
    }
    site.fence(0);
    site.promote(replica);
    moving.is_moved.store(true, Relaxed);
    for server in &servers {
        eventually("the promoted server is written to", || put(server, 20).status < 300);
        for value in 21..40 {
            assert!(put(server, value).status < 300);
            assert_eq!(found(server, value, None), (1, json!(value.to_string())));
        }
    }
    // one that writes nothing finds it out as well
    eventually("the promoted server is read", || found(&reader, 39, None).0 == 1);
}

#[test]
fn replicas_that_cannot_be_compared_are_left_out_although_the_primary_is_there() {
    let test = "replicas_that_cannot_be_compared_are_left_out_although_the_primary_is_there";
    let Some(mut site) = Replicated::new(test) else { return };
    let owner = Program::new().with("DATABASE_URL", &site.url(&[0], ""));
    owner.expect(&["demo"]);
    let replica = site.replica("");
    let server = serve(&on(&site, &[replica]), &["--max-replica-lag", "3"]);
    until_used(&server, 1);
    written(&server, 1);
    until_read_from(&server, &site.place(replica));
    // the primary answers everybody but who asks for its position
    let position = "execute on function pg_current_wal_flush_lsn()";
    site.sql(0, &format!("revoke {position} from public"));
    eventually("the position is not told", || server.log().contains("the primary does not say its position"));
    site.sql(replica, "select pg_wal_replay_pause()");
    eventually("the replica is left out", || usable(&server) == 0);
    assert!(server.log().contains("it could not be compared with the primary"), "{}", server.log());
    let other = serve(&owner, &[]);
    assert!(put(&other, 2).status < 300);
    assert_eq!(found(&server, 2, None).0, 1);
    site.sql(0, &format!("grant {position} to public"));
    site.sql(replica, "select pg_wal_replay_resume()");
    until_used(&server, 1);
}

#[test]
fn a_replica_that_has_crashed_and_replays_again_shows_nothing_older() {
    let Some(mut site) = Replicated::new("a_replica_that_has_crashed_and_replays_again_shows_nothing_older") else {
        return;
    };
    Program::new().with("DATABASE_URL", &site.url(&[0], "")).expect(&["demo"]);
    let replica = site.replica("");
    let server = serve(&on(&site, &[replica]), &[]);
    until_used(&server, 1);
    for value in 0..8 {
        written(&server, value);
        until_read_from(&server, &site.place(replica));
        // when it begins again, it waits before what was written last
        site.reload(replica, "recovery_min_apply_delay = '1h'");
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let _stopper = Stopper(&stop);
            for _ in 0..4 {
                scope.spawn(|| {
                    while !stop.load(Relaxed) {
                        assert_eq!(found(&server, value, None), (1, json!(value.to_string())));
                    }
                });
            }
            thread::sleep(Duration::from_millis(100));
            site.crash_session(replica);
            thread::sleep(Duration::from_millis(700));
        });
        eventually("it has begun again", || {
            site.reload(replica, "recovery_min_apply_delay = 0");
            usable(&server) == 1
        });
    }
}

#[test]
fn a_write_whose_client_has_gone_is_found_by_its_principal() {
    let Some(mut site) = Replicated::new("a_write_whose_client_has_gone_is_found_by_its_principal") else { return };
    Program::new().with("DATABASE_URL", &site.url(&[0], "")).expect(&["demo"]);
    let replica = site.replica("recovery_min_apply_delay = '3s'");
    let server = serve(&on(&site, &[replica]), &[]);
    until_used(&server, 1);
    written(&server, 1);
    until_read_from(&server, &site.place(replica));
    let count = |what: &str| {
        site.value(0, &format!("select count(*)::text from pg_stat_activity where {what}")).parse::<u32>().unwrap()
    };
    let is_locked = AtomicBool::new(true);
    thread::scope(|scope| {
        scope.spawn(|| {
            site.sql(
                0,
                "begin; select from tagd.resource where resource_id = 'r' for update; select pg_sleep(2); commit",
            );
            is_locked.store(false, Relaxed);
        });
        eventually("the resource is locked", || count("wait_event = 'PgSleep'") == 1);
        let body = r#"{"action":"create","tags":[{"key":"k","value":"2"}]}"#;
        let request = format!(
            "POST /v2/p/images/r/tags/action HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut client = TcpStream::connect(server.address()).unwrap();
        client.write_all(request.as_bytes()).unwrap();
        eventually("the write waits", || count("wait_event_type = 'Lock' and query like '%write_tags%'") >= 1);
        // it has no answer yet
        client.set_nonblocking(true).unwrap();
        assert!(client.read(&mut [0]).is_err() && is_locked.load(Relaxed));
    });
    let tags = || site.value(0, "select tags::text from tagd.resource where resource_id = 'r'");
    eventually("it is done", || tags().contains('2'));
    // so that tagd knows of it too, long before the replica does
    thread::sleep(Duration::from_millis(300));
    assert_eq!(found(&server, 2, None).0, 1);
}

#[test]
fn a_read_gives_up_on_a_replica_that_stands_still() {
    let Some(mut site) = Replicated::new("a_read_gives_up_on_a_replica_that_stands_still") else { return };
    Program::new().with("DATABASE_URL", &site.url(&[0], "")).expect(&["demo"]);
    let replica = site.replica("");
    let server = serve(&on(&site, &[replica]), &[]);
    until_used(&server, 1);
    written(&server, 1);
    until_read_from(&server, &site.place(replica));
    let frozen = site.freeze(replica);
    let answer = server.get(RESOURCE);
    // it is known to be silent long before it is tried often enough to refuse everything there
    let log = server.log();
    assert!(answer.status == 200 && !log.contains("the database does not respond"), "{answer:?} {log}");
    drop(frozen);
    until_used(&server, 1);
    until_read_from(&server, &site.place(replica));
}
