//! Two replicas on one database, replaced one after the other under load.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use sqlx::{AssertSqlSafe, Connection, Executor};
use tagd::store::FUNCTION_SET;

use crate::support::{Program, Serving, Stopper, TestDb, block_on, eventually};

/// Sends each request to the next server. A connection that is refused is tried with the next one, and nothing else is
/// tried again.
struct Balancer {
    addresses: Mutex<Vec<String>>,
    next: AtomicUsize,
    answered: AtomicUsize,
    wrong: Mutex<Vec<String>>,
}

impl Balancer {
    fn send(&self, method: &str, path: &str, body: &str) {
        let outcome = self.connect().and_then(|stream| exchange(stream, method, path, body));
        match outcome {
            Ok(200 | 201 | 204) => {
                self.answered.fetch_add(1, Ordering::Relaxed);
            }
            other => self.wrong.lock().unwrap().push(format!("{method} {path}: {other:?}")),
        }
    }

    fn connect(&self) -> std::io::Result<TcpStream> {
        let addresses = self.addresses.lock().unwrap().clone();
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let mut last = ErrorKind::NotFound.into();
        for index in 0..addresses.len() {
            match TcpStream::connect(&addresses[(first + index) % addresses.len()]) {
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => last = error,
                other => return other,
            }
        }
        Err(last)
    }

    /// Waits for some more answers, or for something wrong.
    fn wait(&self, what: &str) {
        let before = self.answered.load(Ordering::Relaxed);
        eventually(what, || {
            self.answered.load(Ordering::Relaxed) > before + 50 || !self.wrong.lock().unwrap().is_empty()
        });
    }
}

/// One request on a connection of its own; the status.
fn exchange(mut stream: TcpStream, method: &str, path: &str, body: &str) -> std::io::Result<u16> {
    stream.set_read_timeout(Some(Duration::from_secs(100)))?;
    let length = body.len();
    stream.write_all(
        format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        )
        .as_bytes(),
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let status = answer.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    status.ok_or_else(|| std::io::Error::other(format!("no status: {:?}", String::from_utf8_lossy(&answer))))
}

/// The database looks as if the version before had left it: the next program that starts applies its functions.
fn take_back_functions(db: &TestDb) {
    block_on(async {
        let mut owner = db.connect().await;
        let statement = format!("update tagd.function_file set set_number = {}", FUNCTION_SET - 1);
        owner.execute(AssertSqlSafe(statement)).await.unwrap();
        owner.close().await.unwrap();
    });
}

fn applied_set(db: &TestDb) -> i32 {
    block_on(async {
        let mut owner = db.connect().await;
        let number =
            sqlx::query_scalar("select max(set_number) from tagd.function_file").fetch_one(&mut owner).await.unwrap();
        owner.close().await.unwrap();
        number
    })
}

#[test]
fn replicas_are_rolled_under_load_without_an_error_while_the_new_ones_apply_their_functions() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let start = || program.serve(&["--listen", "127.0.0.1:0"]);
    let mut replicas: Vec<Serving> = vec![start(), start()];
    for number in 0..20 {
        for (resource_type, dialect) in [("images", "i"), ("DNS-public_zone", "d"), ("cts-tracker", "c")] {
            let path = format!("/registry/v1/projects/p/types/{resource_type}/resources/{dialect}{number}");
            let body = r#"{"resource_name": "web", "tags": [{"key": "env", "value": "prod"}]}"#;
            assert_eq!(
                replicas[0].send("PUT", &path, &[("Content-Type", "application/json")], body.as_bytes()).status,
                201
            );
        }
    }
    let addresses = replicas.iter().map(|replica| replica.address().to_owned()).collect();
    let balancer =
        Balancer { addresses: Mutex::new(addresses), next: 0.into(), answered: 0.into(), wrong: Mutex::default() };
    let stopped = AtomicBool::new(false);
    thread::scope(|scope| {
        let _stopper = Stopper(&stopped);
        for worker in 0..4 {
            let (balancer, stopped) = (&balancer, &stopped);
            scope.spawn(move || {
                let query = r#"{"action": "filter", "tags": [{"key": "env", "values": ["prod"]}]}"#;
                let filter = r#"{"tags": [{"key": "env", "values": ["prod"]}]}"#;
                let across = r#"{"resource_types": ["images"], "project_id": "p", "tags": [{"key": "env", "values": ["prod"]}]}"#;
                let mut round = 0;
                while !stopped.load(Ordering::Relaxed) {
                    round += 1;
                    let number = (worker * 5 + round) % 20;
                    let tag = format!(r#"{{"key": "k{worker}", "value": "{round}"}}"#);
                    balancer.send("POST", "/v2/p/images/resource_instances/action", query);
                    balancer.send("POST", &format!("/v2/p/images/i{number}/tags"), &format!(r#"{{"tag": {tag}}}"#));
                    balancer.send("POST", "/v2/p/DNS-public_zone/resource_instances/action", query);
                    balancer.send("POST", "/v3/p/cts-tracker/resource-instances/filter", filter);
                    balancer.send("POST", "/v1.0/resource-instances/filter", across);
                    let path = format!("/registry/v1/projects/p/types/images/resources/n{worker}-{round}");
                    balancer.send("PUT", &path, &format!(r#"{{"resource_name": "new", "tags": [{tag}]}}"#));
                }
            });
        }
        balancer.wait("both answer");
        for round in 0..2 {
            take_back_functions(&db);
            let new = start();
            assert_eq!(applied_set(&db), FUNCTION_SET, "the new replica applies its functions");
            balancer.addresses.lock().unwrap().push(new.address().to_owned());
            balancer.wait("the new one answers as well");
            // the balancer still sends requests to it: they are refused, or answered
            assert_eq!(replicas.remove(0).stop().code, Some(0), "replica {round}");
            balancer.addresses.lock().unwrap().remove(0);
            replicas.push(new);
            balancer.wait("the others answer");
        }
    });
    assert_eq!(*balancer.wrong.lock().unwrap(), Vec::<String>::new());
    assert!(balancer.answered.load(Ordering::Relaxed) > 200);
    assert!(program.expect(&["index", "verify"]).ends_with("scopes, index and tags agree\n"));
}
