//! Every way to change a resource leaves an entry.

use super::{change, entries, get};
use crate::{
    access::{borrowed, guarded, token},
    support::{World, eventually, registration},
};
use tagd::domain::Role;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

const ONE: &str = "/registry/v1/projects/p/types/images/resources/r";

#[test]
fn every_way_to_change_a_resource_leaves_an_entry_with_what_was_before_and_after() {
    let world = World::new();
    change(&world, "made", "PUT", ONE, r#"{"resource_name":"one","tags":[{"key":"a","value":"1"}]}"#);
    change(&world, "put", "POST", "/v2/p/images/r/tags", r#"{"tag":{"key":"b","value":"2"}}"#);
    change(&world, "same", "POST", "/v2/p/images/r/tags", r#"{"tag":{"key":"b","value":"2"}}"#);
    change(&world, "gone", "DELETE", "/v2/p/images/r/tags/a", "");
    change(&world, "all", "PUT", &format!("{ONE}/tags"), r#"{"tags":[{"key":"c","value":""}]}"#);
    change(&world, "name", "PUT", ONE, r#"{"resource_name":"two"}"#);
    change(&world, "case", "PUT", ONE, r#"{"resource_name":"TWO"}"#);
    change(&world, "detail", "PUT", ONE, r#"{"resource_name":"TWO","resource_detail":{"x":1}}"#);
    // an import records what it changes; a resource that it registers says so itself
    let lines = [registration("images", "r", "TWO", &[("d", "4")]), registration("images", "new", "", &[("e", "5")])];
    world.load(&lines);
    change(&world, "removed", "DELETE", ONE, "");

    let expected = [
        "remove removed: d=4 -> -",
        "import -: c= -> d=4",
        "update case: c= -> c=",
        "update name: c= -> c=",
        "replace all: b=2 -> c=",
        "untag gone: a=1 b=2 -> b=2",
        "tag put: a=1 -> a=1 b=2",
        "register made: - -> a=1",
    ];
    let history = get(&world, &format!("{ONE}/history"));
    assert_eq!(entries(&history), expected);
    assert_eq!(history["next_marker"], serde_json::Value::Null);
    let names: Vec<_> =
        history["changes"].as_array().unwrap().iter().map(|one| (&one["old_name"], &one["new_name"])).collect();
    let names: Vec<_> = names.iter().map(|(old, new)| format!("{old} {new}")).collect();
    assert_eq!(
        names,
        [
            r#""TWO" null"#,
            "null null",
            r#""two" "TWO""#,
            r#""one" "two""#,
            "null null",
            "null null",
            "null null",
            r#"null "one""#
        ]
    );
    assert_eq!(entries(&get(&world, "/registry/v1/projects/p/history")), expected);
    assert_eq!(
        entries(&get(&world, "/registry/v1/projects/p/types/images/resources/new/history")),
        Vec::<String>::new()
    );
    let unknown = world.send("GET", "/registry/v1/projects/p/types/images/resources/never/history", &[], b"");
    assert_eq!((unknown.status, &unknown.json()["error_code"]), (404, &"REGISTRY.0005".into()));
}

#[test]
fn a_page_goes_on_by_marker_and_filters_are_principal_key_and_time() {
    let world = guarded();
    let headers = |role: Role, name: &str| vec![("X-Auth-Token", token(&world, role, name, &[]))];
    let mine = headers(Role::Administrator, "d");
    let operator = headers(Role::Operator, "");
    let send = |by: &Vec<(&'static str, String)>, method: &str, path: &str, body: &str| {
        let mut headers = borrowed(by);
        headers.push(("Content-Type", "application/json"));
        let answer = world.send(method, path, &headers, body.as_bytes());
        assert!((200..300).contains(&answer.status), "{method} {path}: {}", answer.body);
        answer
    };
    send(&mine, "PUT", ONE, r#"{"tags":[]}"#);
    for number in 0..5 {
        let by = if number == 2 { &operator } else { &mine };
        let key = if number % 2 == 0 { "even" } else { "odd" };
        send(by, "POST", "/v2/p/images/r/tags", &format!(r#"{{"tag":{{"key":"{key}","value":"{number}"}}}}"#));
    }
    let read = |path: &str| send(&mine, "GET", path, "").json();
    let all = read("/registry/v1/projects/p/history");
    assert_eq!(entries(&all).len(), 6);
    let mut paged = Vec::new();
    let mut path = "/registry/v1/projects/p/history?limit=2".to_owned();
    loop {
        let page = read(&path);
        paged.extend(page["changes"].as_array().unwrap().clone());
        let Some(marker) = page["next_marker"].as_str() else { break };
        path = format!("/registry/v1/projects/p/history?limit=2&marker={marker}");
    }
    assert_eq!(&paged, all["changes"].as_array().unwrap());
    // a marker belongs to its list
    let marker = read("/registry/v1/projects/p/history?limit=2")["next_marker"].as_str().unwrap().to_owned();
    for path in [format!("{ONE}/history?marker={marker}"), format!("/registry/v1/history?marker={marker}")] {
        let refused = world.send("GET", &path, &borrowed(&mine), b"");
        assert_eq!(refused.status, 400, "{path}: {}", refused.body);
        assert!(refused.body.contains("marker: must be a next_marker of this list"), "{}", refused.body);
    }
    let count = |query: &str| entries(&read(&format!("{ONE}/history?{query}"))).len();
    assert_eq!(count("key=even"), 3);
    assert_eq!(count("key=odd"), 2);
    assert_eq!(count("key=other"), 0);
    assert_eq!(count("principal=operator%20of%20"), 1);
    let times: Vec<String> = paged.iter().map(|one| one["changed_at"].as_str().unwrap().to_owned()).collect();
    assert_eq!(count(&format!("since={}", times[1])), 2);
    assert_eq!(count(&format!("until={}", times[1])), 4);
    assert_eq!(count(&format!("since={}&until={}", times[3], times[1])), 2);
    for wrong in ["since=yesterday", "until=1969-01-01T00:00:00Z", "since=2026-11-30"] {
        let refused = world.send("GET", &format!("{ONE}/history?{wrong}"), &borrowed(&mine), b"");
        assert_eq!(refused.status, 400, "{wrong}: {}", refused.body);
        assert!(refused.body.contains("must be a time since 1970"), "{}", refused.body);
    }
}

#[test]
fn only_operators_are_told_of_the_credentials_of_others() {
    let world = guarded();
    let administrator = token(&world, Role::Administrator, "d", &[]);
    let operator = token(&world, Role::Operator, "", &[]);
    fn headers(token: &str) -> [(&str, &str); 2] {
        [("Content-Type", "application/json"), ("X-Auth-Token", token)]
    }
    let made = world.send("PUT", ONE, &headers(&administrator), br#"{"tags":[]}"#);
    assert_eq!(made.status, 201, "{}", made.body);
    let acts = world.send("GET", "/registry/v1/audit?operation=credential.create", &headers(&operator), b"");
    let id = &acts.json()["entries"][1]["object"];
    assert!(id.is_string());
    for path in [&format!("{ONE}/history"), "/registry/v1/projects/p/history", "/registry/v1/history"] {
        for (token, expected) in [(&operator, id), (&administrator, &serde_json::Value::Null)] {
            eventually("the change is there", || {
                let answer = world.send("GET", path, &headers(token), b"").json();
                let changes = answer["changes"].as_array().unwrap();
                changes.iter().for_each(|change| assert_eq!(&change["credential_id"], expected, "{path}"));
                !changes.is_empty()
            });
        }
    }
}

#[test]
fn a_project_that_is_registered_anew_in_another_domain_does_not_bring_its_history() {
    let world = guarded();
    let headers = |name: &str| vec![("X-Auth-Token", token(&world, Role::Administrator, name, &[]))];
    let operator = vec![("X-Auth-Token", token(&world, Role::Operator, "", &[]))];
    let (first, second) = (headers("first"), headers("second"));
    let send = |by: &Vec<(&'static str, String)>, method: &str, path: &str, body: &str| {
        let mut headers = borrowed(by);
        headers.push(("Content-Type", "application/json"));
        world.send(method, path, &headers, body.as_bytes())
    };
    assert_eq!(send(&first, "PUT", ONE, r#"{"tags":[{"key":"secret","value":"1"}]}"#).status, 201);
    assert_eq!(send(&first, "DELETE", "/registry/v1/projects/p?with_resources=true", "").status, 204);
    // the resource went with its project, which leaves an entry
    assert_eq!(
        entries(&send(&operator, "GET", &format!("{ONE}/history"), "").json())
            .iter()
            .map(|entry| entry.split(' ').next().unwrap().to_owned())
            .collect::<Vec<_>>(),
        ["remove_project", "register"]
    );
    let before = get_time(&send(&operator, "GET", &format!("{ONE}/history"), "").json(), 1);
    assert_eq!(send(&second, "PUT", ONE, r#"{"tags":[{"key":"own","value":"2"}]}"#).status, 201);
    eventually("the feed has passed it", || send(&second, "GET", "/registry/v1/history", "").body.contains("own"));
    for path in [format!("{ONE}/history"), "/registry/v1/projects/p/history".into(), "/registry/v1/history".into()] {
        let seen = send(&second, "GET", &path, "");
        assert!(
            seen.status == 200 && !seen.body.contains("secret") && seen.body.contains("own"),
            "{path}: {}",
            seen.body
        );
    }
    assert_eq!(send(&first, "GET", "/registry/v1/projects/p/history", "").status, 403);
    assert!(!send(&first, "GET", "/registry/v1/history", "").body.contains("own"));
    // nor what it was tagged with
    let path = format!("{ONE}/tags?at={before}");
    assert_eq!(send(&second, "GET", &path, "").status, 410);
    assert_eq!(send(&operator, "GET", &path, "").json()["tags"][0]["key"], "secret");
}

#[test]
fn a_domain_is_told_of_a_project_since_it_belongs_to_it() {
    let world = guarded();
    let headers = |role: Role, name: &str| vec![("X-Auth-Token", token(&world, role, name, &[]))];
    let (first, second) = (headers(Role::Administrator, "first"), headers(Role::Administrator, "second"));
    let operator = headers(Role::Operator, "");
    let send = |by: &Vec<(&'static str, String)>, method: &str, path: &str, body: &str| {
        let mut headers = borrowed(by);
        headers.push(("Content-Type", "application/json"));
        world.send(method, path, &headers, body.as_bytes())
    };
    let put = |by: &Vec<(&'static str, String)>, value: &str| {
        let put = send(by, "PUT", ONE, &format!(r#"{{"tags":[{{"key":"k","value":"{value}"}}]}}"#));
        assert!(put.status < 300, "{}", put.body);
        OffsetDateTime::now_utc().format(&Rfc3339).unwrap()
    };
    let move_to = |domain: &str| {
        let moved = send(&operator, "PUT", "/registry/v1/projects/p", &format!(r#"{{"domain_id":"{domain}"}}"#));
        assert_eq!(moved.status, 200, "{}", moved.body);
    };
    let at = |by: &Vec<(&'static str, String)>, time: &str| {
        let answer = send(by, "GET", &format!("{ONE}/tags?at={time}"), "");
        if answer.status == 200 {
            answer.json()["tags"][0]["value"].as_str().unwrap().to_owned()
        } else {
            answer.status.to_string()
        }
    };
    let one = put(&first, "1");
    move_to("second");
    let two = put(&second, "2");
    assert_eq!([at(&second, &one), at(&second, &two), at(&operator, &one)], ["410", "2", "1"]);
    move_to("first");
    let now = OffsetDateTime::now_utc().format(&Rfc3339).unwrap();
    assert_eq!([at(&first, &one), at(&first, &two), at(&first, &now)], ["410", "410", "2"]);
    assert_eq!([at(&operator, &one), at(&operator, &two)], ["1", "2"]);
    // each reads what was done while it belonged to it
    let values = |by| entries(&send(by, "GET", &format!("{ONE}/history"), "").json());
    assert_eq!(values(&first).len(), 1);
    assert_eq!(values(&operator).len(), 2);
    assert_eq!(send(&second, "GET", &format!("{ONE}/history"), "").status, 403);
}

fn get_time(feed: &serde_json::Value, number: usize) -> String {
    feed["changes"][number]["changed_at"].as_str().unwrap().to_owned()
}
