//! Metrics: what `/metrics` says after things have happened, who may read it, and where.

mod database;
mod places;
mod requests;
mod slow;
mod traces;

use std::{collections::BTreeMap, io::Write, net::TcpStream};

use sqlx::{Connection, Executor, PgConnection};

use crate::support::{TestDb, World, block_on};

/// Sends a request with a body in JSON and does not wait for the answer; the client, which hangs up when it is dropped.
fn begin(url: &str, method: &str, path: &str, body: &str) -> TcpStream {
    let host = url.strip_prefix("http://").unwrap();
    let mut client = TcpStream::connect(host).unwrap();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json");
    client.write_all(format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).as_bytes()).unwrap();
    client
}

/// Locks of another session, until it is ended.
struct Held(PgConnection);

impl Held {
    fn over(db: &TestDb, statement: &'static str) -> Self {
        block_on(async {
            let mut connection = db.connect().await;
            connection.execute(statement).await.unwrap();
            Self(connection)
        })
    }

    fn release(self) {
        block_on(self.0.close()).unwrap();
    }
}

/// The samples of a page in the text format 0.0.4, each with its labels.
struct Samples(BTreeMap<String, f64>);

impl Samples {
    fn read(page: &str) -> Self {
        let samples = page.lines().filter(|line| !line.starts_with('#')).map(|line| {
            let (sample, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no sample: {line}"));
            (sample.to_owned(), value.parse().unwrap_or_else(|_| panic!("no number: {line}")))
        });
        Self(samples.collect())
    }

    /// Those of a server where nobody needs credentials.
    fn of(world: &World) -> Self {
        let answer = world.send("GET", "/metrics", &[], b"");
        assert_eq!(answer.status, 200, "{answer:?}");
        Self::read(&answer.body)
    }

    /// The sample with these labels, as they are written; 0 if there is none.
    fn get(&self, sample: &str) -> f64 {
        self.0.get(sample).copied().unwrap_or_default()
    }

    /// All samples of a family whose labels have all these parts.
    fn sum(&self, name: &str, parts: &[&str]) -> f64 {
        let of =
            |sample: &str| sample.strip_prefix(name).is_some_and(|labels| labels.is_empty() || labels.starts_with('{'));
        let samples = self.0.iter().filter(|(sample, _)| of(sample) && parts.iter().all(|part| sample.contains(part)));
        samples.map(|(_, value)| value).sum()
    }

    /// The names of the samples.
    fn names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.0.keys().map(|sample| sample.split('{').next().unwrap()).collect();
        names.dedup();
        names
    }
}
