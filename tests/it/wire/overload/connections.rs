//! Pipelines whose answers nobody reads, and more connections than file descriptors.

use std::{
    io::{Read, Write},
    net::TcpStream,
    process::Command,
    thread,
    time::Duration,
};

use serde_json::json;
use tagd::http::LimitSettings;

use super::{VERSIONS, connect, limited, send};
use crate::support::{PATIENCE, Program, Serving, TestDb, Wire, World, eventually};

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: tagd\r\n\r\n")
}

#[test]
fn a_client_that_sends_requests_and_reads_no_answer_is_stopped_and_closed() {
    let world = limited(LimitSettings { patience: Duration::from_secs(1), ..LimitSettings::default() });
    for path in [VERSIONS, "/nowhere", "/registry/v1/types"] {
        let mut client = connect(&world);
        let requests = get(path).repeat(1000);
        let mut sent = 0;
        while client.write_all(requests.as_bytes()).is_ok() {
            sent += requests.len();
            assert!(sent < 256 * 1024 * 1024, "{path}: the server takes requests without end");
        }
    }
    assert_eq!(Wire::Ims.page(&world, &json!({})), (Vec::new(), 0));
}

#[test]
fn a_client_that_reads_gets_the_answers_to_all_that_it_has_sent_ahead() {
    let world = World::empty();
    let count = 5000;
    let mut client = connect(&world);
    let mut sending = client.try_clone().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || {
            sending.write_all(get("/nowhere").repeat(count).as_bytes()).unwrap();
        });
        let mut seen = Vec::new();
        let mut chunk = vec![0; 64 * 1024];
        let answers = |seen: &[u8]| String::from_utf8_lossy(seen).matches("HTTP/1.1 404 Not Found\r\n").count();
        while answers(&seen) < count {
            let length = client.read(&mut chunk).unwrap();
            assert!(length > 0, "cut off after {} answers", answers(&seen));
            seen.extend_from_slice(&chunk[..length]);
        }
    });
}

/// What actix-http waits for without end.
#[test]
fn a_client_that_trickles_the_rest_of_a_head_or_of_a_body_that_nobody_reads_is_closed() {
    let world = limited(LimitSettings { patience: Duration::from_secs(1), ..LimitSettings::default() });
    let chunked = format!("GET {VERSIONS} HTTP/1.1\r\nHost: tagd\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (begun, more) in [(get(VERSIONS) + "GET / HTTP/1.1\r\nX-Slow: ", "x"), (chunked, "1\r\nx\r\n")] {
        let mut client = send(&world, &begun);
        eventually("it is closed", || client.write_all(more.as_bytes()).is_err());
    }
}

/// Whether a new connection is answered.
fn is_reached(serving: &Serving) -> bool {
    let Ok(mut stream) = TcpStream::connect(serving.address()) else { return false };
    stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    let request = format!("GET {VERSIONS} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let mut status = [0; 12];
    stream.write_all(request.as_bytes()).is_ok() && stream.read_exact(&mut status).is_ok() && &status == b"HTTP/1.1 200"
}

#[test]
fn more_connections_than_file_descriptors_keep_out_others_only_as_long_as_they_last() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let tagd = program.command(&["serve", "--listen", "127.0.0.1:0", "--workers", "1"]);
    // the limit is raised as far as it may be, which is no further
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -S -n 50; ulimit -H -n 120; exec \"$0\" \"$@\""])
        .arg(tagd.get_program())
        .args(tagd.get_args());
    command.env_clear().envs(tagd.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.current_dir(program.dir());
    let serving = Serving::start(command);
    assert!(serving.log().contains("the limit of file descriptors is low"), "{}", serving.log());
    let mut first = TcpStream::connect(serving.address()).unwrap();
    first.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut ask = || {
        let mut chunk = [0; 4096];
        first.write_all(format!("GET {VERSIONS} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).unwrap();
        let count = first.read(&mut chunk).unwrap();
        assert!(chunk[..count].starts_with(b"HTTP/1.1 200"));
    };
    ask();
    // some of them are closed for sending nothing, and others take their place
    let mut others = Vec::new();
    eventually("no more are answered", || {
        others.extend((0..20).filter_map(|_| TcpStream::connect(serving.address()).ok()));
        ask();
        !is_reached(&serving)
    });
    drop(others);
    eventually("others are answered again", || is_reached(&serving));
    ask();
}
