//! Limits: of failed authentications, of requests a second, and which address a request counts for.

use std::{
    io::{Read, Write},
    net::TcpStream,
    num::NonZeroU32,
    time::Duration,
};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tagd::{
    auth::{Secret, random::new_token},
    domain::{Rights, Role, credential::CredentialKind},
    http::{FailureLimit, LimitSettings},
    service::{AuthSettings, ConfiguredKey, NewCredential},
};

use super::{borrowed, issue, settings, signed, token};
use crate::support::{Answer, World, block_on, eventually};

const HOUR: Duration = Duration::from_secs(3600);
/// A path of a dialect, of the registry, of neither, and of the versions.
const PATHS: [&str; 4] = ["/v2/p/images/resource_instances/action", "/registry/v1/types", "/nowhere", "/v2"];
const TYPES: &str = "/registry/v1/types";

/// A server behind a proxy on this machine.
fn limited(auth: AuthSettings, limits: LimitSettings) -> World {
    World::with_limits(auth, vec!["127.0.0.0/8".parse().unwrap()], limits)
}

fn failures(count: u32, period: Duration) -> LimitSettings {
    let failures = FailureLimit { count, loopback_count: 1000, period };
    LimitSettings { failures, ..LimitSettings::default() }
}

fn a_second(requests: u32) -> Option<NonZeroU32> {
    NonZeroU32::new(requests)
}

fn get(world: &World, path: &str, client: &str, token: Option<&str>) -> Answer {
    let mut headers = vec![("X-Forwarded-For", client)];
    headers.extend(token.map(|token| ("X-Auth-Token", token)));
    world.send("GET", path, &headers, b"")
}

/// Whether an answer says that there were too many requests, as the gateway says it. Any other answer has to have the
/// given status.
fn is_throttled(answer: &Answer, otherwise: u16, longest: Duration) -> bool {
    if answer.status != 429 {
        assert_eq!(answer.status, otherwise, "{}", answer.body);
        return false;
    }
    let body = answer.json();
    assert_eq!(body["error_code"], "APIGW.0308");
    assert_eq!(body["request_id"].as_str().unwrap(), answer.headers["x-request-id"]);
    assert!(body["error_msg"].as_str().unwrap().contains("limit"), "{}", answer.body);
    assert_eq!(body.as_object().unwrap().len(), 3, "{}", answer.body);
    let wait: u64 = answer.headers["retry-after"].parse().unwrap();
    assert!((1..=longest.as_secs()).contains(&wait), "{wait}");
    true
}

#[test]
fn an_address_with_too_many_failures_is_refused_and_others_are_not() {
    let world = limited(settings(), failures(3, HOUR));
    let reader = token(&world, Role::Reader, "d", &[]);
    let (one, other) = ("192.0.2.1", "192.0.2.2");
    // no credentials at all are not a failure
    for _ in 0..5 {
        assert_eq!(get(&world, TYPES, one, None).status, 401);
    }
    let signed = [("X-Forwarded-For", one), ("Authorization", "SDK-HMAC-SHA256 nonsense")];
    assert_eq!(world.send("GET", TYPES, &signed, b"").status, 401);
    for _ in 0..2 {
        assert_eq!(get(&world, TYPES, one, Some("wrong")).status, 401);
        assert_eq!(get(&world, TYPES, other, Some(&reader)).status, 200);
    }
    for path in &PATHS[..3] {
        for credentials in [Some("wrong"), Some(reader.as_str()), None] {
            assert!(is_throttled(&get(&world, path, one, credentials), 0, HOUR), "{path} {credentials:?}");
        }
        assert!(!is_throttled(&get(&world, TYPES, other, Some(&reader)), 200, HOUR));
    }
    // what needs no credentials is answered
    for path in ["/healthz", "/readyz", "/v2"] {
        assert_ne!(get(&world, path, one, None).status, 429, "{path}");
    }
    // nobody waits for a body
    let mut connection = TcpStream::connect(world.url.strip_prefix("http://").unwrap()).unwrap();
    let headers = format!("Host: tagd\r\nX-Forwarded-For: {one}\r\nX-Auth-Token: {reader}\r\nContent-Length: 9");
    write!(connection, "POST {} HTTP/1.1\r\n{headers}\r\n\r\n", PATHS[0]).unwrap();
    let mut status = [0; 12];
    connection.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 429");
}

#[test]
fn an_address_may_try_again_when_its_time_is_up() {
    let period = Duration::from_secs(1);
    let world = limited(settings(), failures(1, period));
    let reader = token(&world, Role::Reader, "d", &[]);
    eventually("a wrong token is refused for too many failures", || {
        is_throttled(&get(&world, TYPES, "192.0.2.1", Some("wrong")), 401, period)
    });
    eventually("the time is up", || !is_throttled(&get(&world, TYPES, "192.0.2.1", Some(&reader)), 200, period));
}

#[test]
fn loopback_has_a_higher_limit_and_a_network_of_ipv6_is_one_address() {
    let mut limits = failures(1, HOUR);
    limits.failures.loopback_count = 3;
    let world = limited(settings(), limits);
    let reader = token(&world, Role::Reader, "d", &[]);
    for wrong in 0..4 {
        let answer = get(&world, TYPES, "::1", Some("wrong"));
        assert_eq!(is_throttled(&answer, 401, HOUR), wrong == 3);
    }
    assert_eq!(get(&world, TYPES, "127.0.0.1", Some(&reader)).status, 200);
    assert_eq!(get(&world, TYPES, "2001:db8::1", Some("wrong")).status, 401);
    assert_eq!(get(&world, TYPES, "2001:db8::ffff:2", Some(&reader)).status, 429);
    assert_eq!(get(&world, TYPES, "2001:db8:0:1::1", Some(&reader)).status, 200);
    assert_eq!(get(&world, TYPES, "192.0.2.1", Some("wrong")).status, 401);
    assert_eq!(get(&world, TYPES, "::ffff:192.0.2.1", Some(&reader)).status, 429);
}

#[test]
fn failures_at_the_same_time_are_bounded_too() {
    let world = limited(settings(), failures(5, HOUR));
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let guesses: Vec<_> = (0..40)
            .map(|_| {
                let world = &world;
                // an identifier that is looked up
                let guess = String::from_utf8(new_token().unwrap().1.expose().to_vec()).unwrap();
                scope.spawn(move || get(world, TYPES, "192.0.2.1", Some(&guess)).status)
            })
            .collect();
        guesses.into_iter().map(|guess| guess.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 5, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 35, "{statuses:?}");
}

#[test]
fn of_two_principals_at_one_address_only_the_one_that_floods_is_refused() {
    let second = Duration::from_secs(1);
    let limits = LimitSettings { principal_rate: a_second(3), ..LimitSettings::default() };
    let world = limited(settings(), limits);
    let flooding = token(&world, Role::Reader, "d", &[]);
    let other = token(&world, Role::Tagger, "d", &[]);
    let client = "192.0.2.1";
    for path in &PATHS[..3] {
        eventually("too many requests", || get(&world, path, client, Some(&flooding)).status == 429);
        eventually("the next one", || get(&world, path, client, Some(&flooding)).status != 429);
    }
    std::thread::scope(|scope| {
        let floods: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    (0..50).filter(|_| is_throttled(&get(&world, TYPES, client, Some(&flooding)), 200, second)).count()
                })
            })
            .collect();
        // as many as may come at once
        for _ in 0..3 {
            assert_eq!(get(&world, TYPES, client, Some(&other)).status, 200);
        }
        assert_eq!(get(&world, TYPES, client, Some("wrong")).status, 401);
        for _ in 0..10 {
            assert_eq!(get(&world, "/healthz", client, Some(&flooding)).status, 200);
            assert_eq!(get(&world, "/v2", client, Some(&flooding)).status, 200);
        }
        assert!(floods.into_iter().map(|flood| flood.join().unwrap()).sum::<usize>() <= 100);
    });
    eventually("it may go on", || !is_throttled(&get(&world, TYPES, client, Some(&flooding)), 200, second));
}

#[test]
fn domains_do_not_use_up_the_rates_of_each_other() {
    let limits = LimitSettings { principal_rate: a_second(1), ..LimitSettings::default() };
    let world = limited(settings(), limits);
    let named = |domain: &str| {
        let new = NewCredential {
            name: "robot".into(),
            role: Some(Role::Reader),
            domain_id: Some(domain.into()),
            ..NewCredential::default()
        };
        let issued = issue(&world, CredentialKind::Token, new);
        String::from_utf8(issued.secret.expose().to_vec()).unwrap()
    };
    let (mine, again, theirs) = (named("d"), named("d"), named("e"));
    let client = "192.0.2.1";
    eventually("the rate is used up by both tokens of the name", || {
        get(&world, TYPES, client, Some(&mine)).status == 429 && get(&world, TYPES, client, Some(&again)).status == 429
    });
    assert_eq!(get(&world, TYPES, client, Some(&theirs)).status, 200);
}

#[test]
fn an_address_that_floods_is_refused_on_every_path_but_health() {
    let second = Duration::from_secs(1);
    let limits = LimitSettings { address_rate: a_second(2), ..LimitSettings::default() };
    let world = limited(AuthSettings::default(), limits);
    let client = "192.0.2.1";
    for (path, otherwise) in PATHS.into_iter().zip([405, 200, 404, 200]) {
        eventually("too many requests", || is_throttled(&get(&world, path, client, None), otherwise, second));
        for healthy in ["/healthz", "/readyz"] {
            assert_eq!(get(&world, healthy, client, None).status, 200);
        }
    }
    for other in ["192.0.2.2", "192.0.2.3", "2001:db8::1"] {
        assert_eq!(get(&world, TYPES, other, None).status, 200);
    }
    eventually("it may go on", || !is_throttled(&get(&world, TYPES, client, None), 200, second));
}

#[test]
fn nothing_is_limited_unless_it_is_set() {
    let world = limited(AuthSettings::default(), LimitSettings::default());
    for _ in 0..300 {
        assert_eq!(get(&world, "/v2", "192.0.2.1", Some("wrong")).status, 200);
    }
}

#[test]
fn a_request_counts_for_the_last_address_that_is_no_trusted_proxy() {
    let second = Duration::from_secs(1);
    let limits = || LimitSettings { address_rate: a_second(1), ..LimitSettings::default() };
    let send = |world: &World, forwarded: &[&str]| {
        let headers: Vec<_> = forwarded.iter().map(|value| ("X-Forwarded-For", *value)).collect();
        world.send("GET", "/v2", &headers, b"")
    };
    // nobody is trusted: whatever is sent, it is the address of the connection
    let world = World::with_limits(AuthSettings::default(), Vec::new(), limits());
    let mut sent = 0;
    eventually("one address", || {
        sent += 1;
        is_throttled(&send(&world, &[&format!("192.0.2.{}", sent % 250)]), 200, second)
    });
    // a proxy is trusted: what a client sends itself is in front of the address that the proxy adds
    let world = limited(AuthSettings::default(), limits());
    for chain in [&["192.0.2.9, 198.51.100.1"][..], &["192.0.2.9", "198.51.100.1"], &["198.51.100.1, 127.0.0.9"]] {
        let mut sent = 0;
        eventually("the client behind the proxy", || {
            sent += 1;
            let mut spoofed = vec![format!("203.0.113.{}, 127.0.0.1", sent % 250)];
            spoofed.extend(chain.iter().map(|value| (*value).to_owned()));
            let spoofed: Vec<_> = spoofed.iter().map(String::as_str).collect();
            is_throttled(&send(&world, &spoofed), 200, second)
        });
    }
    assert_eq!(send(&world, &["192.0.2.9"]).status, 200, "never counted for the one that was only claimed");
    // what cannot be read ends the chain, here at the proxy
    eventually("the proxy itself", || is_throttled(&send(&world, &["192.0.2.77, unknown"]), 200, second));
    assert_eq!(send(&world, &["192.0.2.77"]).status, 200);
}

// ---- logins

#[test]
fn logins_count_for_the_rate_of_their_principal_and_write_nothing_beyond_it() {
    let limits = LimitSettings { principal_rate: a_second(1), ..LimitSettings::default() };
    let configured = vec![operator("ONE"), operator("TWO")];
    let world = limited(AuthSettings { configured, ..settings() }, limits);
    let login =
        |identity: &Value| world.post("/v3/auth/tokens", &json!({ "auth": { "identity": identity } }).to_string());
    let password = |access_key: &str, secret: &str| json!({ "methods": ["password"], "password": { "user": { "name": access_key, "password": secret } } });
    let first = login(&password("ONE", "SK"));
    assert_eq!(first.status, 201, "{}", first.body);
    let again = json!({ "methods": ["token"], "token": { "id": first.headers["x-subject-token"] } });
    let mut issued = 1;
    for identity in [password("ONE", "SK"), again] {
        eventually("too many logins", || {
            let is_refused = is_throttled(&login(&identity), 201, Duration::from_secs(1));
            issued += i64::from(!is_refused);
            is_refused
        });
    }
    // neither a login that fails nor one of somebody else
    assert_eq!(login(&password("ONE", "wrong")).status, 401);
    assert_eq!(login(&password("TWO", "SK")).status, 201);
    let rows: i64 = block_on(async {
        let mut owner = world.db.connect().await;
        sqlx::query_scalar("select count(*) from tagd.credential").fetch_one(&mut owner).await.unwrap()
    });
    assert_eq!(rows, issued + 1);
}

// ---- bodies that are needed to verify a signature

/// What any body may have beside the room.
const FREE: usize = 64 * 1024;

fn operator(access_key: &str) -> ConfiguredKey {
    ConfiguredKey {
        access_key: access_key.into(),
        secret: Secret::new("SK"),
        name: access_key.into(),
        rights: Rights::operator(None),
    }
}

/// A server with room for some bytes.
fn roomy(unverified_bytes: usize) -> World {
    let configured = vec![operator("AK")];
    let limits = LimitSettings { unverified_bytes, ..LimitSettings::default() };
    World::with_limits(AuthSettings { configured, ..settings() }, Vec::new(), limits)
}

/// A body of some length, with which a resource type is registered.
fn body_of(length: usize) -> Vec<u8> {
    let mut body = br#"{"service":"IMS","regional":true,"tag_quota":10}"#.to_vec();
    body.resize(length, b' ');
    body
}

/// Sends a signed request, with the hash of its body or without.
fn put(world: &World, (access_key, secret): (&str, &str), path: &str, body: &[u8], with_hash: bool) -> Answer {
    let hash: String = Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect();
    let given = [("x-sdk-content-sha256", hash.as_str())];
    let given = if with_hash { &given[..] } else { &[] };
    let headers = signed((access_key, secret), "PUT", (path, ""), given, body);
    let headers = [&borrowed(&headers), given, &[("Content-Type", "application/json")]].concat();
    world.send("PUT", path, &headers, body)
}

#[test]
fn a_large_body_is_only_kept_unverified_while_there_is_room() {
    const IMAGES: &str = "/registry/v1/types/images";
    let right = ("AK", "SK");
    let world = roomy(0);
    assert_eq!(put(&world, right, IMAGES, &body_of(FREE), false).status, 200);
    let large = body_of(FREE + 1);
    let reason = "body: the memory for bodies of requests that are not verified yet is used up; try again later";
    for (path, code) in [(IMAGES, "REGISTRY.0015"), ("/nowhere", "APIGW.0201")] {
        let answer = put(&world, right, path, &large, false);
        let body = answer.json();
        assert_eq!((answer.status, &body["error_code"], &body["error_msg"]), (503, &json!(code), &json!(reason)));
        assert!(answer.headers.contains_key("retry-after"), "{path}");
    }
    // where the signature can be verified first, nothing is kept before
    assert_eq!(put(&world, right, IMAGES, &large, true).status, 200);
    // who has no key does not find out
    for wrong in [("AK", "wrong"), ("UNKNOWN", "SK")] {
        for length in [FREE, FREE + 1] {
            assert_eq!(put(&world, wrong, IMAGES, &body_of(length), false).status, 401);
        }
    }
    // whether it was verified or not, the room is free again
    let world = roomy(1024 * 1024);
    for _ in 0..5 {
        assert_eq!(put(&world, right, IMAGES, &body_of(1024 * 1024 + FREE), false).status, 200);
        assert_eq!(put(&world, ("AK", "wrong"), IMAGES, &body_of(1024 * 1024 + FREE), false).status, 401);
    }
    assert_eq!(put(&world, right, IMAGES, &body_of(1024 * 1024 + FREE + 1), false).status, 503);
}

#[test]
fn the_body_of_an_unknown_key_is_treated_like_that_of_a_known_one() {
    const ROOM: usize = 1024 * 1024;
    for access_key in ["UNKNOWN", "AK"] {
        let world = roomy(ROOM);
        let probe = || put(&world, ("AK", "SK"), "/registry/v1/types/images", &body_of(FREE + 2), false).status;
        assert_eq!(probe(), 200);
        // all but the last byte of a body that takes the whole room
        let body = body_of(ROOM + FREE);
        let mut open = Vec::new();
        eventually("the body takes the room", || {
            let headers = signed((access_key, "wrong"), "PUT", ("/nowhere", ""), &[], b"");
            let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            let mut stream = TcpStream::connect(world.url.strip_prefix("http://").unwrap()).unwrap();
            write!(stream, "PUT /nowhere HTTP/1.1\r\nHost: tagd\r\n{headers}Content-Length: {}\r\n\r\n", body.len())
                .unwrap();
            stream.write_all(&body[1..]).unwrap();
            open.push(stream);
            probe() == 503
        });
        drop(open);
        eventually("the room is free again", || probe() == 200);
    }
}

#[test]
fn small_bodies_are_only_kept_unverified_while_there_is_room() {
    const IMAGES: &str = "/registry/v1/types/images";
    let limits = LimitSettings { unverified_beginnings: 1000, ..LimitSettings::default() };
    let configured = vec![operator("AK")];
    let world = World::with_limits(AuthSettings { configured, ..settings() }, Vec::new(), limits);
    let login = |length: usize| {
        let user = json!({ "user": { "name": "AK", "password": "SK" } });
        let identity = json!({ "methods": ["password"], "password": user });
        let mut body = json!({ "auth": { "identity": identity } }).to_string();
        body.extend(std::iter::repeat_n(' ', length - body.len()));
        world.post("/v3/auth/tokens", &body)
    };
    // whether it was verified or not, the room is free again
    for _ in 0..3 {
        assert_eq!(put(&world, ("AK", "SK"), IMAGES, &body_of(1000), false).status, 200);
        assert_eq!(put(&world, ("AK", "wrong"), IMAGES, &body_of(1000), false).status, 401);
        assert_eq!(login(1000).status, 201);
    }
    for refused in [put(&world, ("AK", "SK"), IMAGES, &body_of(1001), false), login(1001)] {
        assert_eq!(refused.status, 503, "{}", refused.body);
        assert!(refused.headers.contains_key("retry-after"));
        assert!(
            refused.body.contains("the memory for bodies of requests that are not verified yet"),
            "{}",
            refused.body
        );
    }
    // who has no key does not find out
    for wrong in [("AK", "wrong"), ("UNKNOWN", "SK")] {
        assert_eq!(put(&world, wrong, IMAGES, &body_of(1001), false).status, 401);
    }
    assert_eq!(put(&world, ("AK", "SK"), IMAGES, &body_of(1001), true).status, 200);
}

#[test]
fn a_body_that_does_not_come_or_is_too_large_is_a_failure_unless_its_sender_is_known() {
    let auth = AuthSettings { configured: vec![operator("AK")], ..settings() };
    let world = limited(auth, failures(2, HOUR));
    let reader = token(&world, Role::Reader, "d", &[]);
    let state = |client: &str| get(&world, TYPES, client, Some(&reader)).status;
    let head = |client: &str, secret: &str, given: &[(&str, &str)], length: usize| {
        let headers = signed(("AK", secret), "PUT", ("/nowhere", ""), given, b"");
        let given = given.iter().map(|(name, value)| (*name, (*value).to_owned()));
        let headers: String =
            headers.into_iter().chain(given).map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let mut stream = TcpStream::connect(world.url.strip_prefix("http://").unwrap()).unwrap();
        let forwarded = format!("X-Forwarded-For: {client}");
        write!(
            stream,
            "PUT /nowhere HTTP/1.1\r\nHost: tagd\r\n{forwarded}\r\n{headers}Content-Length: {length}\r\n\r\n"
        )
        .unwrap();
        stream
    };
    let too_large = |client: &str, secret: &str, given: &[(&str, &str)]| {
        let mut stream = head(client, secret, given, 9 * 1024 * 1024);
        let body = vec![b' '; 64 * 1024];
        // the connection is closed before all of it is sent
        while stream.write_all(&body).is_ok() {}
    };
    // the signature was verified before the body
    let hash = "0".repeat(64);
    for _ in 0..3 {
        too_large("192.0.2.1", "SK", &[("x-sdk-content-sha256", &hash)]);
    }
    assert_eq!(state("192.0.2.1"), 200);
    for _ in 0..2 {
        too_large("192.0.2.2", "wrong", &[]);
    }
    eventually("the address has failed too often", || state("192.0.2.2") == 429);
    // broken off by the client
    for _ in 0..2 {
        let mut stream = head("192.0.2.3", "wrong", &[], 100);
        stream.write_all(b"x").unwrap();
        drop(stream);
    }
    eventually("the address has failed too often", || state("192.0.2.3") == 429);
    // one that has held two MiB of the room counts twice
    let mut stream = head("192.0.2.5", "wrong", &[], 2 * 1024 * 1024);
    stream.write_all(&vec![b' '; 2 * 1024 * 1024 - 1]).unwrap();
    drop(stream);
    eventually("the address has failed too often", || state("192.0.2.5") == 429);
    // and in a login
    for _ in 0..2 {
        let mut stream = TcpStream::connect(world.url.strip_prefix("http://").unwrap()).unwrap();
        let headers = "Host: tagd\r\nX-Forwarded-For: 192.0.2.4\r\nContent-Type: application/json\r\nContent-Length: 9";
        write!(stream, "POST /v3/auth/tokens HTTP/1.1\r\n{headers}\r\n\r\nx").unwrap();
    }
    eventually("the address has failed too often", || state("192.0.2.4") == 429);
    // also by a method that there is not
    let login = br#"{"auth":{"identity":{"methods":["totp"],"totp":{}}}}"#;
    let headers = [("X-Forwarded-For", "192.0.2.6"), ("Content-Type", "application/json")];
    for expected in [401, 401, 429] {
        assert_eq!(world.send("POST", "/v3/auth/tokens", &headers, login).status, expected);
    }
    assert_eq!(state("192.0.2.1"), 200);
}
