//! What no client should send: never a 5xx, a hang, a panic or a lost server.
//!
//! Over plain sockets where a client library would refuse to send it.

mod bodies;
mod browsers;
mod damage;
mod protocol;
mod requests;
mod size;

use std::{
    collections::BTreeMap,
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
};

use serde_json::json;

use crate::support::{Answer, Broken, PATIENCE, Wire, World};

/// What came back over a plain connection.
#[derive(Debug)]
enum Reaction {
    Answered(Answer),
    /// Closed without an answer.
    Closed,
}

impl Reaction {
    fn answer(self) -> Answer {
        match self {
            Self::Answered(answer) => answer,
            Self::Closed => panic!("closed without an answer"),
        }
    }
}

/// A plain connection to the server.
struct Connection {
    stream: TcpStream,
    /// What was read and not yet handed out.
    seen: Vec<u8>,
}

impl Connection {
    fn open(world: &World) -> Self {
        let stream = TcpStream::connect(world.url.strip_prefix("http://").unwrap()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { stream, seen: Vec::new() }
    }

    fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Sends as far as the server takes it: it may answer and close before it has read all.
    fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Says that nothing more comes.
    fn end(&mut self) {
        // fails where the server was faster
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Reads one answer, or the end of the connection.
    fn read(&mut self) -> Reaction {
        let mut chunk = [0; 16 * 1024];
        loop {
            if let Some((answer, length)) = parse(&self.seen) {
                self.seen.drain(..length);
                return Reaction::Answered(answer);
            }
            match self.stream.read(&mut chunk) {
                Ok(0) => break,
                Ok(count) => self.seen.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
                Err(error) => panic!("no answer in time: {error}; so far: {}", shown(&self.seen)),
            }
        }
        assert!(self.seen.is_empty(), "half an answer: {}", shown(&self.seen));
        Reaction::Closed
    }
}

/// A whole answer and its length, if the bytes begin with one.
fn parse(seen: &[u8]) -> Option<(Answer, usize)> {
    let end = seen.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = String::from_utf8(seen[..end - 4].to_vec()).expect("a head in UTF-8");
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().expect("a status");
    let headers = lines.map(|line| line.split_once(": ").expect("a header")).map(|(n, v)| (n.to_lowercase(), v.into()));
    let headers: BTreeMap<String, String> = headers.collect();
    let length: usize = headers.get("content-length").map_or(0, |length| length.parse().expect("a length"));
    let body = seen[end..].get(..length)?;
    let body = String::from_utf8(body.to_vec()).expect("a body in UTF-8");
    Some((Answer { status, headers, body }, end + length))
}

/// Sends bytes as they are and reads what comes back.
fn exchange(world: &World, bytes: &[u8]) -> Reaction {
    let mut connection = Connection::open(world);
    connection.try_send(bytes);
    connection.read()
}

/// The bytes of a POST.
fn post(path: &[u8], headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("Host: tagd\r\nContent-Length: {}\r\n{headers}\r\n", body.len());
    [b"POST ", path, b" HTTP/1.1\r\n", head.as_bytes(), body].concat()
}

const JSON: &str = "Content-Type: application/json\r\n";

/// Posts a body that need not be text; there must be an answer.
fn post_bytes(world: &World, wire: Wire, body: &[u8]) -> Answer {
    exchange(world, &post(wire.path().as_bytes(), JSON, body)).answer()
}

/// The server still answers, and over the same connection as ever.
fn check_alive(world: &World) {
    for wire in Wire::ALL {
        assert_eq!(wire.page(world, &json!({})), (Vec::new(), 0));
    }
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().take(120).collect()
}

/// A body is refused with 400 in the dialect's own shape, by every dialect, and the server lives on.
fn check_refused(body: &[u8]) {
    let world = World::empty();
    for wire in Wire::ALL {
        let answer = post_bytes(&world, wire, body);
        wire.check_refusal(&answer, Broken::General, &[], &shown(body));
    }
    check_alive(&world);
}

/// The least body of a dialect as text, with more text behind its first brace.
fn least_with(wire: Wire, more: &str) -> String {
    let least = wire.body(&json!({})).to_string();
    let rest = least.strip_prefix('{').unwrap();
    let comma = if rest == "}" { "" } else { "," };
    format!("{{{more}{comma}{rest}")
}
