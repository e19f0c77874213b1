//! Metrics of requests: answers, times, refusals, failed authentications, and that labels are bounded.

use std::{
    collections::BTreeSet,
    io::{Read, Write},
    net::TcpStream,
    num::NonZeroU32,
};

use serde_json::json;
use tagd::{
    domain::Role,
    http::{FailureLimit, LimitSettings},
    service::AuthSettings,
};

use super::{Held, Samples, begin};
use crate::{
    access::{guarded, token},
    support::{Dice, PATIENCE, Wire, World, block_on, eventually, waiting_for_locks},
};

const IMS: &str = r#"dialect="ims",route="/v2/{project_id}/images/resource_instances/action""#;

fn requests(labels: &str) -> String {
    format!("tagd_http_requests_total{{{labels}}}")
}

#[test]
fn answers_are_counted_by_dialect_route_method_and_status() {
    let world = World::new();
    for _ in 0..3 {
        assert_eq!(Wire::Ims.ask(&world, &json!({})).status, 200);
    }
    assert_eq!(world.send("POST", Wire::Ims.path(), &[("Content-Type", "text/plain")], b"x").status, 415);
    assert_eq!(world.send("PATCH", Wire::Ims.path(), &[], b"").status, 405);
    assert_eq!(world.send("GET", "/registry/v1/projects/p", &[], b"").status, 404);
    assert_eq!(world.send("GET", "/nowhere", &[], b"").status, 404);
    assert_eq!(world.send("HEAD", "/healthz", &[], b"").status, 200);
    let samples = Samples::of(&world);
    for (labels, count) in [
        (format!(r#"{IMS},method="POST",status="200""#), 3.0),
        (format!(r#"{IMS},method="POST",status="415""#), 1.0),
        (format!(r#"{IMS},method="PATCH",status="405""#), 1.0),
        (r#"dialect="registry",route="/registry/v1/projects/{project_id}",method="GET",status="404""#.to_owned(), 1.0),
        (r#"dialect="none",route="none",method="GET",status="404""#.to_owned(), 1.0),
        (r#"dialect="tagd",route="/healthz",method="HEAD",status="200""#.to_owned(), 1.0),
    ] {
        assert_eq!(samples.get(&requests(&labels)), count, "{labels}: {:?}", samples.0);
    }
    let times = "tagd_http_request_duration_seconds";
    assert_eq!(samples.get(&format!("{times}_count{{{IMS}}}")), 5.0);
    assert_eq!(samples.get(&format!(r#"{times}_bucket{{{IMS},le="+Inf"}}"#)), 5.0);
    assert!(samples.get(&format!("{times}_sum{{{IMS}}}")) > 0.0);
    assert!(samples.get("tagd_http_connections") >= 1.0);
    assert_eq!(samples.get("tagd_http_requests_in_flight"), 1.0, "the scrape");
    // the one before is counted by now
    assert_eq!(Samples::of(&world).sum("tagd_http_requests_total", &[r#"route="/metrics""#]), 1.0);
}

/// The labels of each family that has a route or a method.
fn labels(samples: &Samples) -> BTreeSet<String> {
    let with_route = samples.0.keys().filter(|sample| sample.contains("route=") && !sample.contains("_bucket"));
    with_route.cloned().collect()
}

#[test]
fn ten_thousand_paths_and_methods_make_no_labels_of_their_own() {
    let world = World::new();
    let mut dice = Dice(7);
    let address = world.url.strip_prefix("http://").unwrap();
    let ask = |requests: &str| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(requests.as_bytes()).unwrap();
        let mut answers = String::new();
        stream.read_to_string(&mut answers).unwrap();
        answers.matches("HTTP/1.1 4").count()
    };
    let mut some = |count: usize| {
        let mut requests = String::new();
        for number in 0..count {
            let last = if number + 1 == count { "Connection: close\r\n" } else { "" };
            let (one, two) = (dice.roll(1_000_000), dice.roll(1_000_000));
            let method = ["GET", "POST", "DELETE", "PATCH", "BREW", &format!("M{one}")][dice.roll(6)].to_owned();
            let path = match dice.roll(3) {
                0 => format!("/{one}/{two}"),
                1 => format!("/v2/{one}/images/{two}/none"),
                _ => format!("/registry/v1/{one}"),
            };
            requests.push_str(&format!("{method} {path} HTTP/1.1\r\nHost: tagd\r\n{last}\r\n"));
        }
        assert_eq!(ask(&requests), count);
    };
    for _ in 0..10 {
        some(50);
    }
    let before = labels(&Samples::of(&world));
    for _ in 0..95 {
        some(100);
    }
    let samples = Samples::of(&world);
    // the first scrape counted itself
    let new: Vec<_> =
        labels(&samples).difference(&before).filter(|labels| !labels.contains("/metrics")).cloned().collect();
    assert_eq!(new, Vec::<String>::new());
    assert_eq!(samples.sum("tagd_http_requests_total", &[r#"dialect="none",route="none""#]), 10_000.0);
    assert!(samples.sum("tagd_http_requests_total", &[r#"method="other""#]) > 1000.0);
    assert!(before.len() < 40, "{before:?}");
}

fn shed(reason: &str) -> String {
    format!(r#"tagd_http_requests_shed_total{{reason="{reason}"}}"#)
}

fn limited(limits: LimitSettings) -> World {
    World::with_limits(AuthSettings::default(), Vec::new(), limits)
}

#[test]
fn a_refused_request_counts_under_its_reason() {
    let world = limited(LimitSettings { max_requests: 0, ..LimitSettings::default() });
    for _ in 0..3 {
        assert_eq!(world.send("GET", "/v2.0", &[], b"").status, 503);
    }
    // metrics are answered all the same
    let samples = Samples::of(&world);
    assert_eq!(samples.get(&shed("requests")), 3.0);
    assert_eq!(samples.sum("tagd_http_requests_shed_total", &[]), 3.0);
    assert_eq!(samples.sum("tagd_http_requests_total", &[r#"status="503""#]), 3.0);

    let world = limited(LimitSettings { body_beginnings: 10, ..LimitSettings::default() });
    assert_eq!(Wire::Ims.ask(&world, &json!({})).status, 503);
    let samples = Samples::of(&world);
    assert_eq!(samples.get(&shed("memory_bodies")), 1.0);
    assert_eq!(samples.get(r#"tagd_http_memory_limit_bytes{budget="body_beginnings"}"#), 10.0);
    assert_eq!(samples.get(r#"tagd_http_memory_bytes{budget="body_beginnings"}"#), 0.0);

    let one = NonZeroU32::new(1);
    let world = limited(LimitSettings { address_rate: one, ..LimitSettings::default() });
    let refused = (0..9).filter(|_| world.send("GET", "/v2.0", &[], b"").status == 429).count();
    assert!(refused > 0);
    let samples = Samples::of(&world);
    let refused = f64::from(u32::try_from(refused).unwrap());
    assert_eq!(samples.get(r#"tagd_requests_throttled_total{limit="address"}"#), refused);
    assert_eq!(samples.get(&shed("rate_limit")), refused);
}

#[test]
fn a_client_that_hangs_up_is_counted_and_its_statement_as_cancelled() {
    let world = World::new();
    let held = Held::over(&world.db, "begin; lock table tagd.scope, tagd.resource_type");
    let client = begin(&world.url, "POST", Wire::Ims.path(), &Wire::Ims.body(&json!({})).to_string());
    eventually("the request is under way", || Samples::of(&world).get("tagd_http_requests_in_flight") == 2.0);
    // not while its connection is still being opened: then there is no statement to cancel
    let mut looking = block_on(world.db.connect());
    eventually("its statement waits", || !block_on(waiting_for_locks(&mut looking)).is_empty());
    drop(client);
    eventually("it is counted", || Samples::of(&world).get(&shed("client_gone")) == 1.0);
    let samples = Samples::of(&world);
    assert_eq!(samples.get(&requests(&format!(r#"{IMS},method="POST",status="499""#))), 1.0);
    eventually("its statement is cancelled", || Samples::of(&world).get("tagd_statements_cancelled_total") == 1.0);
    held.release();
}

#[test]
fn failed_authentications_are_counted_by_kind() {
    let world = guarded();
    let operator = token(&world, Role::Operator, "", &[]);
    let samples = || {
        let answer = world.send("GET", "/metrics", &[("Authorization", &format!("Bearer {operator}"))], b"");
        assert_eq!(answer.status, 200, "{answer:?}");
        Samples::read(&answer.body)
    };
    let failures = |kind: &str| format!(r#"tagd_auth_failures_total{{kind="{kind}"}}"#);
    assert_eq!(samples().sum("tagd_auth_failures_total", &[]), 0.0);
    assert_eq!(world.send("GET", "/registry/v1/types", &[], b"").status, 401);
    assert_eq!(world.send("GET", "/registry/v1/types", &[("X-Auth-Token", "tagd_none")], b"").status, 401);
    assert_eq!(world.send("GET", "/registry/v1/types", &[("Authorization", "Bearer nothing")], b"").status, 401);
    let signature = [("Authorization", "SDK-HMAC-SHA256 Access=a, SignedHeaders=x-sdk-date, Signature=b")];
    assert_eq!(world.send("GET", "/registry/v1/types", &signature, b"").status, 401);
    let login =
        r#"{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":"nobody","password":"x"}}}}}"#;
    let login = world.send("POST", "/v3/auth/tokens", &[("Content-Type", "application/json")], login.as_bytes());
    assert_eq!(login.status, 401, "{login:?}");
    let samples = samples();
    for (kind, count) in [("missing", 1.0), ("token", 2.0), ("signature", 1.0), ("login", 1.0), ("body", 0.0)] {
        assert_eq!(samples.get(&failures(kind)), count, "{kind}");
    }
    // a request without credentials is one of its route all the same
    let refused = r#"dialect="registry",route="/registry/v1/types",method="GET",status="401""#;
    assert_eq!(samples.get(&requests(refused)), 4.0);
}

#[test]
fn addresses_that_fail_to_authenticate_too_often_are_counted() {
    let failures = FailureLimit { loopback_count: 2, ..FailureLimit::default() };
    let limits = LimitSettings { failures, ..LimitSettings::default() };
    let auth = AuthSettings { tokens: true, ..AuthSettings::default() };
    let world = World::with_limits(auth, Vec::new(), limits);
    let statuses: Vec<_> =
        (0..5).map(|_| world.send("GET", "/registry/v1/types", &[("X-Auth-Token", "tagd_none")], b"").status).collect();
    assert_eq!(statuses, [401, 401, 429, 429, 429]);
}
