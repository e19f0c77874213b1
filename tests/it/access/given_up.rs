//! Requests that are given up: what they began is finished, and counts.

use std::{
    io::Write,
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use sqlx::{Connection, Executor};
use tagd::{
    auth::{Keystone, keystone::default_roles},
    domain::Role,
};

use super::{guarded, keystone::source, token};
use crate::support::{Behind, Site, block_on, eventually, waiting_for_locks};

/// A Keystone that answers the login of tagd and questions about tokens, and how often it was asked for each.
fn keystone(
    login: impl Fn() -> Option<(u16, Value)> + Send + Sync + 'static,
) -> (Site, Arc<Keystone>, Arc<[AtomicUsize; 2]>) {
    let asked = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    let counts = Arc::clone(&asked);
    let script = move |token: &str| {
        counts[usize::from(!token.is_empty())].fetch_add(1, Ordering::Relaxed);
        // a question stays without an answer
        if token.is_empty() { login() } else { None }
    };
    let site = Site::new("", Behind::Keystone(Box::new(script)));
    let keystone = source(&site.url("127.0.0.1", ""), "SK", default_roles());
    (site, Arc::new(keystone), asked)
}

/// Asks about so many tokens, each for a moment.
fn give_up(keystone: &Arc<Keystone>, count: usize, moment: Duration) {
    block_on(async {
        for i in 0..count {
            let asked = tokio::time::timeout(moment, keystone.holder(format!("token {i}").as_bytes())).await;
            // some are refused before, after the login has failed or while too many wait
            assert!(asked.is_err() || asked.is_ok_and(|known| known.is_err()));
        }
    });
}

#[test]
fn a_failed_login_counts_though_the_request_that_caused_it_was_given_up() {
    let (_site, keystone, asked) = keystone(|| {
        thread::sleep(Duration::from_millis(300));
        Some((401, json!({ "error": { "code": 401 } })))
    });
    let begun = Instant::now();
    give_up(&keystone, 20, Duration::from_millis(100));
    let (logins, most) = (asked[0].load(Ordering::Relaxed), 1 + begun.elapsed().as_secs() / 5);
    assert!((1..=most).contains(&(logins as u64)), "{logins} logins");
}

#[test]
fn questions_of_requests_that_were_given_up_take_their_places_until_keystone_has_had_its_time() {
    let login = json!({ "token": { "user": { "name": "service" }, "expires_at": "2100-01-01T00:00:00.000000Z" } });
    let (_site, keystone, asked) = keystone(move || Some((201, login.clone())));
    let begun = Instant::now();
    give_up(&keystone, 60, Duration::from_millis(30));
    thread::sleep(Duration::from_millis(200));
    let (questions, most) = (asked[1].load(Ordering::Relaxed), 16 * (1 + begun.elapsed().as_secs() / 5));
    assert!((1..=most).contains(&(questions as u64)), "{questions} questions");
}

#[test]
fn a_token_ends_at_once_though_the_client_that_revoked_it_has_gone() {
    let world = guarded();
    let (operator, reader) = (token(&world, Role::Operator, "", &[]), token(&world, Role::Reader, "d", &[]));
    let status = |token: &str| world.send("GET", "/registry/v1/types", &[("X-Auth-Token", token)], b"").status;
    // both are remembered from now on
    let since = Instant::now();
    assert_eq!([status(&operator), status(&reader)], [200, 200]);
    let mut owner = block_on(world.db.connect());
    block_on(owner.execute("begin; lock table tagd.credential in access exclusive mode")).unwrap();
    let mut client = TcpStream::connect(world.url.strip_prefix("http://").unwrap()).unwrap();
    // the first answer is not read, so that the connection is reset when it is closed
    let path = format!("/registry/v1/tokens/{}", &reader[5..17]);
    write!(
        client,
        "GET /healthz HTTP/1.1\r\nHost: tagd\r\n\r\nDELETE {path} HTTP/1.1\r\nHost: tagd\r\nX-Auth-Token: {operator}\r\n\r\n"
    )
    .unwrap();
    eventually("the revocation waits", || !block_on(waiting_for_locks(&mut owner)).is_empty());
    drop(client);
    thread::sleep(Duration::from_millis(300));
    block_on(owner.execute("rollback")).unwrap();
    let is_gone = format!("select count(*) = 0 from tagd.credential where credential_id = '{}'", &reader[5..17]);
    eventually("it is revoked", || {
        block_on(sqlx::query_scalar(sqlx::AssertSqlSafe(is_gone.clone())).fetch_one(&mut owner)).unwrap()
    });
    block_on(owner.close()).unwrap();
    let was_in_time = since.elapsed() < Duration::from_secs(3);
    eventually("the token is refused", || status(&reader) == 401);
    // without this it would be remembered for five seconds; a machine that was too slow until here has not tried it
    assert!(!was_in_time || since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
}
