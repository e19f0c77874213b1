//! A client over plain sockets that takes its answers apart itself.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    time::{Duration, Instant},
};

use super::request::{Owed, Request};
use crate::support::{Dice, PATIENCE};

/// An answer.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// Whether the server ends the connection after it.
    pub fn closes(&self) -> bool {
        self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

/// What came back.
#[derive(Debug)]
pub enum Outcome {
    Answered(Reply),
    /// The connection ended before an answer, or within it.
    Ended {
        seen: Vec<u8>,
        why: String,
    },
    /// There were bytes behind an answer that nobody asked for.
    TooMuch(Reply, Vec<u8>),
}

struct Connection {
    stream: TcpStream,
    seen: Vec<u8>,
    /// Since when it was used last; none before the first request.
    used: Option<Instant>,
}

/// A client that keeps its connection as long as it can.
pub struct Client {
    address: String,
    connection: Option<Connection>,
    /// How often a connection had ended between two requests although the answer before did not say so.
    pub ended_between: usize,
}

impl Client {
    pub fn new(address: &str) -> Self {
        Self { address: address.to_owned(), connection: None, ended_between: 0 }
    }

    fn open(&self) -> Connection {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Connection { stream, seen: Vec::new(), used: None }
    }

    /// Sends a request and reads what comes back. `None` if nobody waits for it.
    pub fn send(&mut self, request: &Request, dice: &mut Dice) -> Option<Outcome> {
        let bytes = request.bytes(dice);
        match request.owed {
            Owed::Answer => {
                let kept = self
                    .connection
                    .take()
                    .filter(|kept| kept.used.is_some_and(|used| used.elapsed() < Duration::from_secs(1)));
                let is_kept = kept.is_some();
                let mut connection = kept.unwrap_or_else(|| self.open());
                let mut outcome = connection.exchange(request, &bytes);
                // a server may end a connection between two requests: as every client does, the request is sent again once
                if is_kept && matches!(&outcome, Outcome::Ended { seen, .. } if seen.is_empty()) {
                    self.ended_between += 1;
                    connection = self.open();
                    outcome = connection.exchange(request, &bytes);
                }
                if matches!(&outcome, Outcome::Answered(reply) if !reply.closes()) && request.version == "HTTP/1.1" {
                    connection.used = Some(Instant::now());
                    self.connection = Some(connection);
                }
                Some(outcome)
            }
            Owed::AnswerOrEnd => {
                // nothing is known of where the request ends for the server, so nothing more comes
                let mut connection = self.open();
                let _ = connection.stream.write_all(&bytes);
                let _ = connection.stream.shutdown(Shutdown::Write);
                Some(connection.read(request.is_head()))
            }
            Owed::Nothing => {
                let mut connection = self.open();
                let _ = connection.stream.write_all(&bytes);
                None
            }
        }
    }

    /// Sends requests without waiting for the answers between them, and reads an answer to each until one ends the
    /// connection.
    pub fn pipeline(&self, requests: &[Request], dice: &mut Dice) -> Vec<Outcome> {
        let mut connection = self.open();
        let bytes: Vec<u8> = requests.iter().flat_map(|request| request.bytes(dice)).collect();
        let _ = connection.stream.write_all(&bytes);
        let mut outcomes = Vec::new();
        for request in requests {
            let outcome = connection.read_one(request.is_head());
            let is_last = !matches!(&outcome, Outcome::Answered(reply) if !reply.closes());
            outcomes.push(outcome);
            if is_last {
                break;
            }
        }
        outcomes
    }
}

impl Connection {
    fn exchange(&mut self, request: &Request, bytes: &[u8]) -> Outcome {
        // the server may answer and close before it has read everything
        let _ = self.stream.write_all(bytes);
        self.read(request.is_head())
    }

    fn read(&mut self, is_head: bool) -> Outcome {
        match self.read_one(is_head) {
            Outcome::Answered(reply) if !self.seen.is_empty() && !reply.closes() => {
                Outcome::TooMuch(reply, std::mem::take(&mut self.seen))
            }
            other => other,
        }
    }

    /// Reads one answer; what belongs to later ones is kept.
    fn read_one(&mut self, is_head: bool) -> Outcome {
        let mut chunk = vec![0; 64 * 1024];
        loop {
            match parse(&self.seen, is_head) {
                Parsed::Whole(reply, length) => {
                    self.seen.drain(..length);
                    if (100..200).contains(&reply.status) {
                        continue;
                    }
                    return Outcome::Answered(reply);
                }
                Parsed::Wrong(why) => return Outcome::Ended { seen: std::mem::take(&mut self.seen), why },
                Parsed::Part => {}
            }
            let why = match self.stream.read(&mut chunk) {
                Ok(0) => "closed".to_owned(),
                Ok(count) => {
                    self.seen.extend_from_slice(&chunk[..count]);
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => error.to_string(),
            };
            return Outcome::Ended { seen: std::mem::take(&mut self.seen), why };
        }
    }
}

enum Parsed {
    Part,
    Wrong(String),
    Whole(Reply, usize),
}

/// Takes the first answer of some bytes.
fn parse(seen: &[u8], is_head: bool) -> Parsed {
    let Some(end) = seen.windows(4).position(|four| four == b"\r\n\r\n") else { return Parsed::Part };
    let Ok(head) = str::from_utf8(&seen[..end]) else { return Parsed::Wrong("a head that is not UTF-8".into()) };
    let body = &seen[end + 4..];
    let mut lines = head.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let Some(status) = first.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)).and_then(|code| code.parse().ok())
    else {
        return Parsed::Wrong(format!("no status: {first}"));
    };
    let mut headers = Vec::new();
    for line in lines {
        let Some((name, value)) = line.split_once(':') else { return Parsed::Wrong(format!("no header: {line}")) };
        headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
    let mut reply = Reply { status, headers, body: Vec::new() };
    let head_length = end + 4;
    if is_head || (100..200).contains(&status) || status == 204 || status == 304 {
        return Parsed::Whole(reply, head_length);
    }
    if reply.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        return match unchunked(body) {
            Ok(Some((whole, length))) => {
                reply.body = whole;
                Parsed::Whole(reply, head_length + length)
            }
            Ok(None) => Parsed::Part,
            Err(why) => Parsed::Wrong(why),
        };
    }
    let lengths: Vec<_> = reply.headers.iter().filter(|(name, _)| name == "content-length").collect();
    let [(_, length)] = lengths[..] else { return Parsed::Wrong(format!("{} lengths: {head}", lengths.len())) };
    let Ok(length) = length.parse::<usize>() else { return Parsed::Wrong(format!("a length of {length}")) };
    match body.get(..length) {
        Some(whole) => {
            reply.body = whole.to_vec();
            Parsed::Whole(reply, head_length + length)
        }
        None => Parsed::Part,
    }
}

/// A body in chunks, and how many bytes it takes with all its lengths.
fn unchunked(bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>, String> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let Some(end) = bytes[at..].windows(2).position(|two| two == b"\r\n") else { return Ok(None) };
        let line = String::from_utf8_lossy(&bytes[at..at + end]).into_owned();
        let size = usize::from_str_radix(&line, 16).map_err(|_| format!("a chunk of {line}"))?;
        at += end + 2;
        let Some(chunk) = bytes.get(at..at + size + 2) else { return Ok(None) };
        if !chunk.ends_with(b"\r\n") {
            return Err("a chunk without an end".into());
        }
        body.extend_from_slice(&chunk[..size]);
        at += size + 2;
        if size == 0 {
            return Ok(Some((body, at)));
        }
    }
}
