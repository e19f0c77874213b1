//! Revocation reaches what is already running: imports, exports and lists that are open while access to them ends.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    sync::Arc,
};

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor};
use tagd::{
    auth::{Secret, keystone::default_roles},
    domain::{Rights, Role, change::Registration, credential::CredentialKind},
    service::{AuthSettings, ConfiguredKey, NewCredential},
};

use super::{borrowed, guarded, issue, keystone::source, settings, signed, token};
use crate::support::{PATIENCE, World, block_on, eventually, registration, waiting_for_locks};

// ---- requests that stay open

/// A response as far as it was read, and the connection that it comes on.
struct Open {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Open {
    /// Sends the head of a request, and what there is of its body.
    fn send(world: &World, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Self {
        let mut stream = TcpStream::connect(world.url.strip_prefix("http://").unwrap()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        write!(stream, "{method} {path} HTTP/1.1\r\nHost: tagd\r\n{headers}\r\n{body}").unwrap();
        Self { stream, read: Vec::new() }
    }

    /// A request without a body, of whose response the beginning has arrived.
    fn begun(world: &World, path: &str, token: &str) -> Self {
        let mut open = Self::send(world, "GET", path, &[("X-Auth-Token", token)], "");
        let mut beginning = [0; 1000];
        open.stream.read_exact(&mut beginning).unwrap();
        assert!(beginning.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&beginning));
        open.read.extend(beginning);
        open
    }

    /// An import whose body is not at its end.
    fn import(world: &World, query: &str, credentials: &[(&str, &str)], lines: &str) -> Self {
        let own = [("Content-Type", "application/x-ndjson"), ("Transfer-Encoding", "chunked")];
        let headers = [&own[..], credentials].concat();
        let path = format!("/registry/v1/import{query}");
        Self::send(world, "POST", &path, &headers, &chunk(lines))
    }

    /// Sends more of the body.
    fn add(&mut self, lines: &str) {
        self.stream.write_all(chunk(lines).as_bytes()).unwrap();
    }

    /// Reads until the connection is closed. Whether the response is complete, and its length.
    fn rest(mut self) -> (bool, usize) {
        // a connection that is broken off may be reset
        let _ = self.stream.read_to_end(&mut self.read);
        (self.read.ends_with(b"\r\n0\r\n\r\n"), self.read.len())
    }

    /// Status, head and body of the response of an import, whose body may not be at its end.
    fn answer(mut self) -> (u16, String, Value) {
        loop {
            let mut part = [0; 4096];
            let length = self.stream.read(&mut part).unwrap();
            assert!(length > 0, "no response: {}", String::from_utf8_lossy(&self.read));
            self.read.extend(&part[..length]);
            let text = String::from_utf8_lossy(&self.read);
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            if let Ok(body) = serde_json::from_str(body) {
                return (head[9..12].parse().unwrap(), head.to_lowercase(), body);
            }
        }
    }

    /// Ends the body of an import and reads the response.
    fn finish(mut self) -> (u16, String, Value) {
        self.stream.write_all(b"0\r\n\r\n").unwrap();
        self.stream.shutdown(Shutdown::Write).unwrap();
        self.answer()
    }
}

/// A chunk of a body; nothing for nothing, since an empty one would be the last.
fn chunk(lines: &str) -> String {
    if lines.is_empty() { String::new() } else { format!("{:x}\r\n{lines}\r\n", lines.len()) }
}

/// A line that gives the resource of the import a value. Two of them are never in one batch, so each begins another one.
fn line(value: u32) -> String {
    format!(
        "{{\"project_id\":\"p\",\"resource_type\":\"images\",\"resource_id\":\"imported\",\"tags\":[{{\"key\":\"k\",\"value\":\"{value}\"}}]}}\n"
    )
}

/// The value that the resource of the imports has.
fn imported(world: &World, operator: &str) -> Option<String> {
    let path = "/registry/v1/projects/p/types/images/resources/imported";
    let answer = world.send("GET", path, &[("X-Auth-Token", operator)], b"");
    let value = || answer.json()["tags"][0]["value"].as_str().unwrap().to_owned();
    (answer.status == 200).then(value)
}

/// What an import says that has stopped.
fn said(status: u16, body: &Value) -> (u16, &str, &str) {
    (status, body["error_code"].as_str().unwrap(), body["error_msg"].as_str().unwrap())
}

// ---- credentials

fn furnished() -> World {
    let world = guarded();
    world.load(&[of_domain(registration("images", "r", "n", &[("env", "prod")]))]);
    world
}

fn of_domain(registration: Registration) -> Registration {
    Registration { domain_id: Some("d".into()), ..registration }
}

/// The identifier of a token.
fn id_of(token: &str) -> &str {
    &token[5..17]
}

fn revoke(world: &World, operator: &str, kind: &str, id: &str) {
    let path = format!("/registry/v1/{kind}/{id}");
    assert_eq!(world.send("DELETE", &path, &[("X-Auth-Token", operator)], b"").status, 204);
}

/// What an administrator of the database, or another tagd, does.
fn sql(world: &World, statement: &str) {
    block_on(async {
        let mut owner = world.db.connect().await;
        owner.execute(AssertSqlSafe(statement.to_owned())).await.unwrap();
        owner.close().await.unwrap();
    });
}

/// Waits until this tagd has learned that a token has ended, as a request shows.
fn until_refused(world: &World, token: &str) {
    eventually("the token is refused", || {
        world.send("GET", "/v2/p/images/r/tags", &[("X-Auth-Token", token)], b"").status == 401
    });
}

/// The headers of an import that is signed with a key and has a body of any length.
fn signed_import(access_key: &str, secret: &str) -> Vec<(&'static str, String)> {
    let covered =
        [("content-type", "application/x-ndjson"), ("host", "tagd"), ("x-sdk-content-sha256", "UNSIGNED-PAYLOAD")];
    let mut headers = signed((access_key, secret), "POST", ("/registry/v1/import", ""), &covered, b"");
    headers.push(("X-Sdk-Content-Sha256", "UNSIGNED-PAYLOAD".to_owned()));
    headers
}

const TOKEN_ENDED: &str = "token: is unknown, revoked or expired";

// ---- imports

#[test]
fn an_import_stops_before_the_next_batch_and_keeps_those_before() {
    let world = furnished();
    let operator = token(&world, Role::Operator, "", &[]);
    let administrator = token(&world, Role::Administrator, "d", &[]);
    let mut import = Open::import(&world, "", &[("X-Auth-Token", &administrator)], &(line(1) + &line(2)));
    eventually("the first batch is imported", || imported(&world, &operator).as_deref() == Some("1"));
    revoke(&world, &operator, "tokens", id_of(&administrator));
    import.add(&line(3));
    let (status, head, body) = import.finish();
    let message = format!("from line 2 on: {TOKEN_ENDED}; the batches before it were imported");
    assert_eq!(said(status, &body), (401, "REGISTRY.0021", &*message));
    assert!(head.contains("www-authenticate: ") && head.contains("connection: close"), "{head}");
    assert_eq!(imported(&world, &operator).as_deref(), Some("1"));
}

#[test]
fn a_strict_import_imports_nothing_if_it_is_revoked_before_its_end() {
    let world = furnished();
    let operator = token(&world, Role::Operator, "", &[]);
    let lines = line(1) + &line(2);
    // while it is read
    let administrator = token(&world, Role::Administrator, "d", &[]);
    let import = Open::import(&world, "?strict=true", &[("X-Auth-Token", &administrator)], &lines);
    revoke(&world, &operator, "tokens", id_of(&administrator));
    let (status, _, body) = import.finish();
    assert_eq!((status, body["error_code"].as_str()), (401, Some("REGISTRY.0021")), "{body}");
    // after all of it was read and before it is imported
    let administrator = token(&world, Role::Administrator, "d", &[]);
    let mut import = Open::import(&world, "?strict=true", &[("X-Auth-Token", &administrator)], &lines);
    let (mut owner, mut looking) = block_on(async { (world.db.connect().await, world.db.connect().await) });
    block_on(owner.execute("begin; lock table tagd.resource in row exclusive mode")).unwrap();
    import.stream.write_all(b"0\r\n\r\n").unwrap();
    eventually("the import waits", || !block_on(waiting_for_locks(&mut looking)).is_empty());
    revoke(&world, &operator, "tokens", id_of(&administrator));
    block_on(owner.execute("rollback")).unwrap();
    import.stream.shutdown(Shutdown::Write).unwrap();
    let (status, _, body) = import.answer();
    let message = format!("from line 1 on: {TOKEN_ENDED}; nothing was imported");
    assert_eq!(said(status, &body), (401, "REGISTRY.0021", &*message));
    assert_eq!(imported(&world, &operator), None);
}

#[test]
fn an_import_that_waits_for_its_client_ends_when_its_token_is_deleted_or_expires_in_the_database() {
    let world = guarded();
    let tokens = ["deleted", "expired"].map(|_| token(&world, Role::Administrator, "d", &[]));
    // the second line about a resource begins a batch, so the first is imported
    let operator = token(&world, Role::Operator, "", &[]);
    let imports = [0, 1].map(|i| {
        let value = i + 1;
        let import = Open::import(&world, "", &[("X-Auth-Token", &tokens[i as usize])], &line(value).repeat(2));
        eventually("its first batch is imported", || imported(&world, &operator) == Some(value.to_string()));
        import
    });
    sql(&world, &format!("delete from tagd.credential where credential_id = '{}'", id_of(&tokens[0])));
    sql(
        &world,
        &format!("update tagd.credential set expires_at = now() where credential_id = '{}'", id_of(&tokens[1])),
    );
    for import in imports {
        // nothing is sent, and the body is not ended
        let (status, _, body) = import.answer();
        let message = format!("from line 2 on: {TOKEN_ENDED}; the batches before it were imported");
        assert_eq!(said(status, &body), (401, "REGISTRY.0021", &*message));
    }
}

#[test]
fn signed_imports_end_with_their_key_and_those_with_a_key_of_the_settings_go_on() {
    let rights = Rights::in_domain(Role::Administrator, "d".into(), None);
    let configured =
        ConfiguredKey { access_key: "AK".into(), secret: Secret::new("SK"), name: "configured".into(), rights };
    let world = World::with_auth(AuthSettings { configured: vec![configured], ..settings() });
    world.load(&[of_domain(registration("images", "r", "n", &[("env", "prod")]))]);
    let operator = token(&world, Role::Operator, "", &[]);
    let new = NewCredential {
        name: "n".into(),
        role: Some(Role::Administrator),
        domain_id: Some("d".into()),
        ..NewCredential::default()
    };
    let key = issue(&world, CredentialKind::Key, new);
    let secret = String::from_utf8(key.secret.expose().to_vec()).unwrap();
    let headers = signed_import(&key.credential.id, &secret);
    let mut import = Open::import(&world, "", &borrowed(&headers), &(line(1) + &line(2)));
    let headers = signed_import("AK", "SK");
    let mut lasting = Open::import(&world, "", &borrowed(&headers), "");
    eventually("the first batch is imported", || imported(&world, &operator).as_deref() == Some("1"));
    // another secret, and not the one that the request was signed with
    let rotate = format!("/registry/v1/keys/{}/rotate", key.credential.id);
    let rotated =
        world.send("POST", &rotate, &[("X-Auth-Token", &operator), ("Content-Type", "application/json")], b"");
    assert_eq!(rotated.status, 200, "{}", rotated.body);
    import.add(&line(3));
    let (status, _, body) = import.finish();
    let message = "from line 2 on: Authorization: the access key was revoked, has expired or has another secret; \
                   the batches before it were imported";
    assert_eq!(said(status, &body), (401, "REGISTRY.0021", message));
    lasting.add(&line(4));
    let (status, _, body) = lasting.finish();
    assert_eq!((status, body["changed"].as_u64()), (200, Some(1)), "{body}");
    assert_eq!(imported(&world, &operator).as_deref(), Some("4"));
}

#[test]
fn an_import_with_a_token_of_the_identity_api_ends_with_the_key_that_it_goes_back_to() {
    let world = furnished();
    let operator = token(&world, Role::Operator, "", &[]);
    let new = NewCredential {
        name: "n".into(),
        role: Some(Role::Administrator),
        domain_id: Some("d".into()),
        ..NewCredential::default()
    };
    let key = issue(&world, CredentialKind::Key, new);
    let secret = String::from_utf8(key.secret.expose().to_vec()).unwrap();
    let first = log_in(&world, &key.credential.id, &secret, &json!("unscoped"));
    let body = json!({ "auth": { "identity": { "methods": ["token"], "token": { "id": first } } } });
    let issued = world.post("/v3/auth/tokens", &body.to_string()).headers["x-subject-token"].clone();
    let mut import = Open::import(&world, "", &[("X-Auth-Token", &issued)], &(line(1) + &line(2)));
    eventually("the first batch is imported", || imported(&world, &operator).as_deref() == Some("1"));
    revoke(&world, &operator, "keys", &key.credential.id);
    import.add(&line(3));
    let (status, _, body) = import.finish();
    let message = format!("from line 2 on: {TOKEN_ENDED}; the batches before it were imported");
    assert_eq!(said(status, &body), (401, "REGISTRY.0021", &*message));
}

fn log_in(keystone: &World, user: &str, secret: &str, scope: &Value) -> String {
    let identity = json!({ "methods": ["password"], "password": { "user": { "name": user, "password": secret } } });
    let body = json!({ "auth": { "identity": identity, "scope": scope } });
    let answer = keystone.post("/v3/auth/tokens", &body.to_string());
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.headers["x-subject-token"].clone()
}

#[test]
fn an_import_with_a_token_of_a_keystone_ends_with_it_and_while_keystone_is_down() {
    let key = |access_key: &str, rights| ConfiguredKey {
        access_key: access_key.into(),
        secret: Secret::new("SK"),
        name: access_key.into(),
        rights,
    };
    let administrator = Rights::in_domain(Role::Administrator, "d".into(), None);
    let configured = vec![key("administrator", administrator), key("service", Rights::operator(None))];
    let keystone = World::with_auth(AuthSettings { configured, ..settings() });
    let source = source(&keystone.url, "SK", default_roles());
    let world = World::with_auth(AuthSettings { keystone: Some(Arc::new(source)), ..AuthSettings::default() });
    world.load(&[of_domain(registration("images", "r", "n", &[]))]);
    // What Keystone says is kept for a minute, or until the token ends if that is sooner: so these end soon. On a busy machine
    // one may have ended before its import has begun; then the next one lasts longer.
    let begin = |first: u32| {
        [3, 6, 12, 24, 48].into_iter().find_map(|seconds| {
            let token = log_in(&keystone, "administrator", "SK", &json!({ "domain": { "id": "d" } }));
            let (id, end) = (id_of(&token), format!("now() + interval '{seconds} seconds'"));
            sql(&keystone, &format!("update tagd.credential set expires_at = {end} where credential_id = '{id}'"));
            let import = Open::import(&world, "", &[("X-Auth-Token", &token)], &(line(first + seconds) + &line(0)));
            let headers = [("X-Auth-Token", token.as_str())];
            let found = || world.send("GET", "/v2/p/images/imported/tags", &headers, b"");
            let mut has_begun = false;
            eventually("the first batch is imported, or the token has ended", || {
                let found = found();
                has_begun = found.body.contains(&format!("\"{}\"", first + seconds));
                has_begun || found.status == 401
            });
            has_begun.then_some(import)
        })
    };
    let message = |reason: &str| format!("from line 2 on: {reason}; the batches before it were imported");
    let import = begin(100).expect("a token that lasted until its import had begun");
    // nothing more is sent
    let (status, _, body) = import.answer();
    assert_eq!(said(status, &body), (401, "REGISTRY.0021", &*message(TOKEN_ENDED)));
    let import = begin(200).expect("a token that lasted until its import had begun");
    drop(keystone);
    let (status, head, body) = import.answer();
    let reason = "Keystone cannot say whether the token is valid; try again later";
    assert_eq!(said(status, &body), (503, "REGISTRY.0015", &*message(reason)));
    assert!(head.contains("retry-after: 1"), "{head}");
}

// ---- lists and exports

const LIST: &str = "/v2/p/images/tags";
const EXPORT: &str = "/registry/v1/export";

/// So many long tags that no response is in the buffers of a connection as a whole.
fn long() -> World {
    let world = guarded();
    let long = "鳥".repeat(110);
    let fleet: Vec<_> = (0..1600)
        .map(|i| {
            let keys: Vec<String> = (0..20).map(|k| format!("{i}-{k}-{long}")).collect();
            let tags: Vec<(&str, &str)> = keys.iter().map(|key| (key.as_str(), "")).collect();
            of_domain(registration("images", &format!("r{i}"), "", &tags))
        })
        .collect();
    world.load(&fleet);
    world
}

#[test]
fn a_list_and_an_export_are_cut_off_when_access_to_them_ends() {
    let world = long();
    let operator = token(&world, Role::Operator, "", &[]);
    let new = || token(&world, Role::Administrator, "d", &[]);
    let whole = [LIST, EXPORT].map(|path| {
        let (is_complete, length) = {
            let token = new();
            let open = Open::send(&world, "GET", path, &[("X-Auth-Token", &token), ("Connection", "close")], "");
            open.rest()
        };
        assert!(is_complete && length > 10_000_000, "{path}: {length}");
        length
    });
    let is_cut = |open: Open, length: usize, how: &str| {
        let (is_complete, read) = open.rest();
        assert!(!is_complete && read < length, "{how}: {read} of {length}");
    };
    let headers = [("X-Auth-Token", operator.as_str()), ("Content-Type", "application/json")];
    for (path, length) in [LIST, EXPORT].into_iter().zip(whole) {
        let token = new();
        let open = Open::begun(&world, path, &token);
        revoke(&world, &operator, "tokens", id_of(&token));
        is_cut(open, length, "revoked here");

        let token = new();
        let open = Open::begun(&world, path, &token);
        let rotated = world.send("POST", &format!("/registry/v1/tokens/{}/rotate", id_of(&token)), &headers, b"");
        assert_eq!(rotated.status, 200, "{}", rotated.body);
        is_cut(open, length, "another secret");

        let token = new();
        let open = Open::begun(&world, path, &token);
        sql(&world, &format!("delete from tagd.credential where credential_id = '{}'", id_of(&token)));
        until_refused(&world, &token);
        is_cut(open, length, "deleted in the database");
    }
    let token = new();
    let open = Open::begun(&world, LIST, &token);
    sql(&world, &format!("update tagd.credential set role = 'reader' where credential_id = '{}'", id_of(&token)));
    eventually("the role is known", || {
        let body = br#"{"tag":{"key":"k","value":"v"}}"#;
        let headers = [("X-Auth-Token", token.as_str()), ("Content-Type", "application/json")];
        world.send("POST", "/v2/p/images/r0/tags", &headers, body).status == 403
    });
    is_cut(open, whole[0], "a lower role");
    let token = new();
    let open = Open::begun(&world, LIST, &token);
    let moved = world.send("PUT", "/registry/v1/projects/p", &headers, br#"{"domain_id":"e"}"#);
    assert_eq!(moved.status, 200, "{}", moved.body);
    is_cut(open, whole[0], "another domain");
}
