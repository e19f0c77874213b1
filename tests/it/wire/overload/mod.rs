//! Clients that are gone, slow or too many: what they hold ends, and others are answered.

mod answers;
mod bodies;
mod connections;
mod hangups;

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
};

use sqlx::{AssertSqlSafe, Connection as _, Executor, PgConnection};
use tagd::{http::LimitSettings, service::AuthSettings};

use crate::support::{PATIENCE, World, block_on, eventually, waiting_for_locks};

/// A path that is answered without the database.
const VERSIONS: &str = "/v2";

/// What an import, a page and a registration need for the time that they run.
const LOCK: &str = "begin; lock table tagd.resource, tagd.tag, tagd.label, tagd.chunk, tagd.scope, tagd.resource_type";

fn limited(limits: LimitSettings) -> World {
    World::with_limits(AuthSettings::default(), Vec::new(), limits)
}

/// The server as one that has as many requests under way as it may have says it.
fn is_crowded(world: &World) -> bool {
    let answer = world.send("GET", VERSIONS, &[], b"");
    if answer.status == 503 {
        assert_eq!(answer.json()["error_msg"], "as many requests are under way as may be; try again later");
        assert_eq!(answer.json()["error_code"], "APIGW.0201");
        assert_eq!(answer.headers["retry-after"], "1");
    } else {
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    answer.status == 503
}

/// A lock that holds up all that comes to the database, and who waits for it.
struct Held {
    owner: PgConnection,
    looking: PgConnection,
}

impl Held {
    fn over(world: &World) -> Self {
        block_on(async {
            let (mut owner, looking) = (world.db.connect().await, world.db.connect().await);
            owner.execute(AssertSqlSafe(LOCK)).await.unwrap();
            Self { owner, looking }
        })
    }

    /// Waits until as many statements wait.
    fn wait_for(&mut self, count: usize) {
        let looking = &mut self.looking;
        eventually("statements wait", || block_on(waiting_for_locks(looking)).len() >= count);
    }

    /// Waits until none waits any more.
    fn wait_for_none(&mut self) {
        let looking = &mut self.looking;
        eventually("no statement waits", || block_on(waiting_for_locks(looking)).is_empty());
    }

    fn release(mut self) {
        block_on(async {
            self.owner.execute("rollback").await.unwrap();
            self.owner.close().await.unwrap();
        });
    }
}

fn connect(world: &World) -> TcpStream {
    let stream = TcpStream::connect(world.url.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// The bytes of a request with a body.
fn request(method: &str, path: &str, kind: &str, body: &str) -> String {
    let length = body.len();
    format!("{method} {path} HTTP/1.1\r\nHost: tagd\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}")
}

/// Opens a connection and sends something.
fn send(world: &World, text: &str) -> TcpStream {
    let mut stream = connect(world);
    stream.write_all(text.as_bytes()).unwrap();
    stream
}

/// What comes until the connection ends, or breaks.
fn rest_of(mut stream: impl Read) -> String {
    let mut seen = Vec::new();
    match stream.read_to_end(&mut seen) {
        Err(error) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind()) => {
            panic!("the connection is still open after {} bytes", seen.len())
        }
        _ => String::from_utf8_lossy(&seen).into_owned(),
    }
}

/// Reads one answer that has a length, of which some may have been read.
fn read_one(mut stream: impl Read) -> String {
    let mut seen = Vec::new();
    let mut chunk = vec![0; 1024 * 1024];
    loop {
        let text = String::from_utf8_lossy(&seen);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            if body.len() == length.parse::<usize>().unwrap() {
                return text.into_owned();
            }
        }
        let count = stream.read(&mut chunk).unwrap();
        assert!(count > 0, "cut off after {} bytes", seen.len());
        seen.extend_from_slice(&chunk[..count]);
    }
}
