//! Credentials of the program: the master key, keys and tokens, and secrets that no message may show.

use std::{
    fs::{self, Permissions},
    io::{Read, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
};

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor};
use tagd::{
    auth::Secret,
    domain::{Rights, Role},
    service::{AuthSettings, ConfiguredKey},
};

use super::program::Private;
use crate::{
    access::{settings, token},
    support::{Program, Said, Serving, TestDb, World, block_on, eventually, json_lines},
};

/// What no message may have in it: parts of secrets that the tests use.
const HIDDEN: [&str; 3] = ["hunter2", "918273645", "0123456789abcdef0123"];

/// One clear line of refusal that shows no secret.
fn refusal(said: &Said) -> &str {
    assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{}", said.err);
    assert_eq!(said.complaints().len(), 1, "{}", said.err);
    assert_hidden(&said.err);
    said.err.trim().strip_prefix("tagd: ").unwrap()
}

fn assert_hidden(text: &str) {
    for hidden in HIDDEN {
        assert!(!text.contains(hidden), "{hidden} is shown: {text}");
    }
}

/// A master key of one digit.
fn master_key(digit: char) -> String {
    digit.to_string().repeat(64)
}

// ---- secrets

#[test]
fn no_error_shows_a_secret_in_the_wrong_form_or_place() {
    let key = master_key('0').replace("0000000000000000", "0123456789abcdef");
    let program = Program::new();
    let of_key = |secret: &str| format!("[[keys]]\naccess = \"AK\"\nrole = \"reader\"\nsecret = {secret}\n");
    for (file, expected) in [
        (of_key("918273645"), "the settings file tagd.toml: line 4: secret: must be a string"),
        (of_key("918273645.5"), "the settings file tagd.toml: line 4: secret: must be a string"),
        (of_key("[\"hunter2\"]"), "the settings file tagd.toml: line 4: "),
        (of_key("{ hunter = \"hunter2\" }"), "the settings file tagd.toml: line 4: "),
        (of_key("hunter2"), "the settings file tagd.toml: line 4: "),
        (of_key("918273645hunter2"), "the settings file tagd.toml: line 4: "),
        (of_key("\"hunter2"), "the settings file tagd.toml: line 4: "),
        ("keys = \"AK:hunter2\"\n".to_owned(), "the settings file tagd.toml: line 1: keys: must be a list"),
        ("keys = [\"hunter2\"]\n".to_owned(), "the settings file tagd.toml: line 1: keys: must be a table"),
        (
            "database_url = 918273645\n".to_owned(),
            "the settings file tagd.toml: line 1: database_url: must be a string",
        ),
        (
            "connections = \"hunter2\"\n".to_owned(),
            "the settings file tagd.toml: line 1: connections: must be an integer",
        ),
        (
            "auth = \"keys\"\n".to_owned(),
            "the settings file tagd.toml: line 1: auth: must be a list, such as auth = [\"keys\"]",
        ),
        (format!("master_key_file = \"{key}\"\n"), "master_key_file: must be the name of a file, got the key itself"),
        (
            "tls_cert = \"c\"\ntls_key = \"-----BEGIN PRIVATE KEY-----\\nhunter2\"\n".to_owned(),
            "tls_key: must be the name of a file, got the key itself",
        ),
    ] {
        program.write("tagd.toml", &file);
        let said = program.run(&["migrate", "--config", "tagd.toml"]);
        assert!(refusal(&said).starts_with(expected), "{file}: {}", said.err);
    }
    let said = program.run(&["migrate", "--master-key-file", &key]);
    assert_eq!(refusal(&said), "master_key_file: must be the name of a file, got the key itself");
    // the driver would log a parameter that it does not know with its value
    let url = "postgres://nobody@127.0.0.1:1/none?passwrod=hunter2&sslmode=disable&pass%77ort=hunter2";
    let said = program.run(&["migrate", "--database-url", url, "--log", "debug"]);
    assert_hidden(&said.err);
    assert!(said.err.contains("passwrod") && said.err.contains("passwort"), "{}", said.err);
    for args in [
        &["key", "create", "--name", "n", "--role", "operator", "--secret=hunter2"][..],
        &["serve", "--master-key=hunter2"],
    ] {
        let said = program.run(args);
        assert_eq!(said.code, Some(2), "{}", said.err);
        assert_hidden(&said.err);
    }
}

#[test]
fn a_secret_on_standard_input_is_one_line_of_visible_characters() {
    let db = TestDb::new();
    let program = Program::new().on(&db).with("TAGD_MASTER_KEY", &master_key('1'));
    let create = |access: &str, secret: &[u8], more: &[&str]| {
        let args = ["key", "create", "--name", "n", "--role", "operator", "--secret-stdin", "--access", access];
        program.run_with_input(&[&args, more].concat(), secret)
    };
    let long = "hunter2".repeat(2000);
    for (secret, expected) in [
        (&b""[..], "secret: must be 16 to 128 characters, got 0"),
        (b"\n", "secret: must be 16 to 128 characters, got 0"),
        (b"hunter2\n", "secret: must be 16 to 128 characters, got 7"),
        (b"hunter2hunter2hunter2\n\n", "secret: must be a single line on standard input"),
        (b"hunter2hunter2\nhunter2\n", "secret: must be a single line on standard input"),
        (b"hunter2hunter2\rhunter2", "secret: must be a single line on standard input"),
        (b"hunter2 hunter2 hunter2", "secret: must be letters, digits and signs of ASCII, without spaces"),
        (b"hunter2hunter2\xffhunter2", "secret: must be letters, digits and signs of ASCII, without spaces"),
        ("hunter2hunter2hünter2".as_bytes(), "secret: must be letters, digits and signs of ASCII, without spaces"),
        (long.as_bytes(), "secret: must be 16 to 128 characters, got 14000"),
    ] {
        assert!(refusal(&create("AK", secret, &[])).starts_with(expected), "{:?}", String::from_utf8_lossy(secret));
    }
    for (access, end) in [("ONE", ""), ("TWO", "\n"), ("THREE", "\r\n")] {
        let said = create(access, format!("hunter2-hunter2-hunter2{end}").as_bytes(), &["--json"]);
        assert_eq!(said.code, Some(0), "{}", said.err);
        let shown: Value = serde_json::from_str(&said.out).unwrap();
        // the same object as over HTTP, with the secret even if it was supplied
        assert_eq!((&shown["id"], &shown["secret"]), (&access.into(), &"hunter2-hunter2-hunter2".into()));
    }
}

#[test]
fn the_log_shows_no_secret_even_if_it_shows_everything() {
    let service = ConfiguredKey {
        access_key: "service".into(),
        secret: Secret::new("hunter2-hunter2-hunter2"),
        name: "service".into(),
        rights: Rights::operator(None),
    };
    let keystone = World::with_auth(AuthSettings { configured: vec![service], ..settings() });
    let token = token(&keystone, Role::Administrator, "shop", &[]);
    let db = TestDb::new();
    let program = Program::new().on(&db).with("TAGD_KEYSTONE_PASSWORD", "hunter2-hunter2-hunter2");
    let serve = ["--auth", "keystone", "--keystone-url", &keystone.url, "--keystone-user", "service"];
    let serving = program.serve(&[&["--listen", "127.0.0.1:0", "--log", "trace"], &serve[..]].concat());
    let escaped = token.replace('t', "%74").replace('_', "%5F");
    for path in [
        "/registry/v1/types".to_owned(),
        format!("/registry/v1/tokens/{token}"),
        format!("/v2/p/images/{escaped}/tags"),
        "/registry/v1/keys/hunter2-hunter2-hunter2".to_owned(),
        "/registry/v1/%6Beys/%68unter2-hunter2-hunter2/rotate".to_owned(),
    ] {
        assert_ne!(serving.send("GET", &path, &[("X-Auth-Token", &token)], b"").status, 401, "{path}");
    }
    // and where else something is written down
    let id = [("X-Auth-Token", token.as_str()), ("X-Request-Id", &token)];
    let answer = serving.send("GET", "/registry/v1/types", &id, b"");
    assert_ne!(answer.headers["x-request-id"], token);
    for (method, path, length) in [
        ("GET", "/registry/v1/types/../keys/hunter2-hunter2-hunter2", "0"),
        (token.as_str(), "/registry/v1/types", "0"),
        ("GET", "/registry/v1/types", token.as_str()),
    ] {
        let mut stream = TcpStream::connect(serving.address()).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    let log = serving.stop().err;
    assert!(json_lines(&log).iter().any(|line| line["level"] == "TRACE"));
    assert_hidden(&log);
    // dumps have 16 bytes in a line
    let secret = token.get(token.len() - 38..).unwrap();
    for at in 0..=secret.len() - 8 {
        let part = secret.get(at..at + 8).unwrap();
        assert!(!log.contains(part), "{part} of {token} is in the log");
    }
    // the identifier that precedes it in an escaped form is cut as well
    assert!(!log.contains("%74agd"), "{log}");
}

// ---- the master key

const SERVE: [&str; 7] = ["serve", "--listen", "127.0.0.1:0", "--log", "error", "--auth", "keys"];

#[test]
fn a_master_key_that_does_not_open_what_the_database_has_stops_the_start() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    for digit in ['1', '2', '3'] {
        program.write(&format!("{digit}.key"), master_key(digit));
    }
    let with = |args: &[&str], file: &str| program.run(&[args, &["--master-key-file", file]].concat());
    let serves = |args: &[&str]| Serving::try_start(program.command(&[&SERVE, args].concat())).map(Serving::stop);
    let create = ["key", "create", "--name", "n", "--role", "operator"];
    // a database without keys takes any
    assert!(serves(&["--master-key-file", "3.key"]).is_ok() && serves(&[]).is_ok());
    let created = with(&[&create[..], &["--json"]].concat(), "1.key");
    let created: Value = serde_json::from_str(&created.out).unwrap();
    let access_key = created["id"].as_str().unwrap();
    let second = with(&create, "1.key");
    assert_eq!(second.code, Some(0), "{}", second.err);

    let ways_out = "or with a new master key give each key another secret (`tagd key rotate`) or revoke it \
                    (`tagd key list`, `tagd key revoke`)";
    for said in [with(&SERVE, "2.key"), with(&create, "2.key")] {
        let line = refusal(&said);
        assert!(line.starts_with("master_key_file 2.key: does not open the secrets of the access key "), "{line}");
        assert!(line.contains(" and 1 more; add the master key that they") && line.ends_with(ways_out), "{line}");
    }
    let line = refusal(&program.run(&SERVE)).to_owned();
    assert!(line.starts_with("master_key_file: is required, because the database has the access key "), "{line}");
    assert!(line.ends_with(ways_out), "{line}");
    // a server that takes no keys does not need it
    let tokens = [&SERVE[..6], &["tokens"]].concat();
    assert!(Serving::try_start(program.command(&tokens)).is_ok());

    program.write("both.key", format!("{}\n{}\n", master_key('2'), master_key('1')));
    assert!(serves(&["--master-key-file", "both.key"]).is_ok());
    assert_eq!(with(&["key", "reseal"], "both.key").out, "2 secrets sealed with the first master key\n");
    assert!(serves(&["--master-key-file", "2.key"]).is_ok() && serves(&["--master-key-file", "1.key"]).is_err());
    // the master key is lost
    let rotated = with(&["key", "rotate", access_key], "3.key");
    let warning = "tagd: warning: 1 other key is sealed with another master key than that of master_key_file 3.key; if it is \
                   the wrong one, rotate the key again with the right one";
    assert!(rotated.code == Some(0) && rotated.out.contains("secret: "), "{}", rotated.err);
    assert!(rotated.err.lines().any(|line| line == warning), "{}", rotated.err);
    let line = refusal(&with(&SERVE, "3.key")).to_owned();
    assert!(!line.contains(access_key) && !line.contains(" more"), "{line}");
    let other = line.split("access key ").nth(1).unwrap().split(';').next().unwrap();
    assert_eq!(program.run(&["key", "revoke", other]).code, Some(0));
    let rotated = with(&["key", "rotate", access_key], "3.key");
    assert!(rotated.code == Some(0) && !rotated.err.contains("warning"), "{}", rotated.err);
    assert!(serves(&["--master-key-file", "3.key"]).is_ok());
    // the wrong one, for the only key
    let rotated = with(&["key", "rotate", access_key], "1.key");
    let warning = "tagd: warning: the old secret of the key was sealed with another master key than that of master_key_file \
                   1.key; if it is the wrong one, rotate the key again with the right one";
    assert!(rotated.code == Some(0) && rotated.err.lines().any(|line| line == warning), "{}", rotated.err);
}

#[test]
fn a_master_key_that_cannot_be_read_is_one_clear_line() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    for (content, expected) in [
        (&b""[..], "has no key, must have at least one of 64 hexadecimal digits"),
        (b"# none\n\n", "has no key, must have at least one of 64 hexadecimal digits"),
        (b"hunter2", "line 1: must be 64 hexadecimal digits"),
        (b"0123456789abcdef0123\n", "line 1: must be 64 hexadecimal digits"),
        (b"\xff\xfe", "line 1: must be 64 hexadecimal digits"),
    ] {
        program.write("m.key", content);
        for args in [&SERVE[..], &["key", "create", "--name", "n", "--role", "operator"]] {
            let said = program.run(&[args, &["--master-key-file", "m.key"]].concat());
            let line = refusal(&said).strip_prefix("master_key_file m.key: ").unwrap_or_else(|| panic!("{}", said.err));
            assert!(line.starts_with(expected), "{line}");
        }
    }
    let said = program.run(&[&SERVE[..], &["--master-key-file", "missing.key"]].concat());
    assert!(refusal(&said).starts_with("cannot read the master key in missing.key: No such file"), "{}", said.err);
    let said = Program::new().on(&db).with("TAGD_MASTER_KEY", "hunter2").run(&SERVE);
    assert!(refusal(&said).starts_with("TAGD_MASTER_KEY: line 1: must be 64 hexadecimal digits"), "{}", said.err);
}

#[test]
fn the_master_key_of_a_private_postgres_is_made_once_and_never_replaced() {
    let private = Private::new();
    let program = &private.0;
    let create = ["key", "create", "--name", "n", "--role", "operator", "--json"];
    let created: Value = serde_json::from_str(&program.expect(&create)).unwrap();
    let path = program.dir().join("data/master.key");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let kept = fs::read_to_string(&path).unwrap();
    assert!(kept.len() == 65 && kept.ends_with('\n'), "{}", kept.len());
    let entries = fs::read_dir(program.dir().join("data")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(names.filter(|name| name.starts_with("master")).collect::<Vec<_>>(), ["master.key"]);

    fs::remove_file(&path).unwrap();
    for args in [&create[..], &SERVE] {
        let said = program.run(args);
        let line = refusal(&said);
        assert!(line.starts_with("data/master.key: is missing, but the database has the access key "), "{line}");
        assert!(!path.exists(), "another key was made");
    }
    fs::write(&path, "").unwrap();
    let said = program.run(&SERVE);
    assert!(refusal(&said).starts_with("data/master.key: has no key, must have"), "{}", said.err);
    assert!(said.err.contains("delete the file if no access key was ever created"), "{}", said.err);
    fs::remove_file(&path).unwrap();
    assert_eq!(program.run(&["key", "revoke", created["id"].as_str().unwrap()]).code, Some(0));
    program.expect(&create);
    assert_ne!(fs::read_to_string(&path).unwrap(), kept);
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    let said = program.serve(&["--auth", "keys"]).stop();
    let warning = "master key: has secrets, and other users can read it; run chmod 600 data/master.key";
    assert!(said.err.contains(warning), "{}", said.err);
}

// ---- the start

#[test]
fn files_with_secrets_that_others_can_read_are_warned_of() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    program.write("m.key", master_key('1'));
    program.write(
        "tagd.toml",
        "[[keys]]\naccess = \"AK\"\nsecret = \"hunter2-hunter2-hunter2\"\nrole = \"operator\"\nname = \"n\"\n",
    );
    program.write("plain.toml", "connections = 4\n");
    let log = |mode: u32, config: &str| {
        for name in ["m.key", "tagd.toml", "plain.toml"] {
            fs::set_permissions(program.dir().join(name), Permissions::from_mode(mode)).unwrap();
        }
        let args = ["--listen", "127.0.0.1:0", "--auth", "keys", "--master-key-file", "m.key", "--config", config];
        program.serve(&args).stop().err
    };
    for mode in [0o640, 0o604] {
        let said = log(mode, "tagd.toml");
        assert_hidden(&said);
        for (setting, file) in [("config", "tagd.toml"), ("master_key_file", "m.key")] {
            let warning = format!("{setting}: has secrets, and other users can read it; run chmod 600 {file}");
            assert!(said.contains(&warning), "{mode:o}: {said}");
        }
    }
    assert!(!log(0o600, "tagd.toml").contains("other users can read"));
    let said = log(0o644, "plain.toml");
    assert!(!said.contains("config: has secrets") && said.contains("master_key_file: has secrets"), "{said}");
}

#[test]
fn a_key_in_the_settings_file_that_the_database_has_too_is_warned_of() {
    let db = TestDb::new();
    let program = Program::new().on(&db).with("TAGD_MASTER_KEY", &master_key('1'));
    let create = ["key", "create", "--name", "n", "--role", "operator", "--access", "AK", "--secret-stdin"];
    let said = program.run_with_input(&create, b"hunter2-hunter2-hunter2");
    assert_eq!(said.code, Some(0), "{}", said.err);
    program.write(
        "tagd.toml",
        "[[keys]]\naccess = \"AK\"\nsecret = \"hunter2-hunter2-hunter2\"\nrole = \"operator\"\nname = \"n\"\n",
    );
    let said = program.serve(&["--listen", "127.0.0.1:0", "--auth", "keys", "--config", "tagd.toml"]).stop();
    assert!(
        said.err.contains("the key in the settings file takes the place of the one in the database"),
        "{}",
        said.err
    );
    // and the other way round it is refused
    assert_eq!(program.run(&["key", "revoke", "AK"]).code, Some(0));
    let said = program.run_with_input(&[&create[..], &["--config", "tagd.toml"]].concat(), b"hunter2-hunter2-hunter2");
    assert_eq!(refusal(&said), "--access: \"AK\" is already taken");
}

#[test]
fn the_log_tells_how_to_make_the_first_credential_and_what_to_ask_with_it() {
    let db = TestDb::new();
    let program = Program::new().on(&db).with("TAGD_MASTER_KEY", &master_key('1'));
    program.import(
        r#"{"project_id":"p","domain_id":"shop","resource_type":"images","resource_id":"r","tags":[{"key":"mine"}]}"#,
    );
    let serve = |auth: &str| program.serve(&["--listen", "127.0.0.1:0", "--auth", auth]);
    let logs = |serving: &Serving, text: &str| eventually(text, || serving.log().contains(text));
    let hint = "there are no credentials yet; with the database settings of this server, run: tagd ";
    let serving = serve("keys");
    logs(&serving, &format!("{hint}key create --name NAME --role administrator --domain shop"));
    assert!(!serving.stop().err.contains("a query to try"), "curl cannot sign");
    let serving = serve("keys,tokens");
    let command = "token create --name NAME --role administrator --domain shop";
    logs(&serving, &format!("{hint}{command}"));
    let url = serving.url.clone();
    let path = "/v1.0/tag-keys";
    logs(&serving, &format!("a query to try: curl -s -H X-Auth-Token:$TOKEN {url}{path}"));
    let made = program.expect(&command.split(' ').collect::<Vec<_>>());
    let token = made.lines().find_map(|line| line.strip_prefix("token: ")).unwrap();
    let answer = serving.send("GET", path, &[("X-Auth-Token", token)], b"");
    assert!(answer.status == 200 && answer.body.contains("mine"), "{}", answer.body);
    serving.stop();
    assert!(!serve("tokens").stop().err.contains("there are no credentials yet"));
}

// ---- the commands

#[test]
fn the_commands_name_their_options_and_the_settings_file_its_own_fields() {
    let db = TestDb::new();
    let program = Program::new().on(&db).with("TAGD_MASTER_KEY", &master_key('1'));
    program.import(r#"{"project_id":"p","domain_id":"shop","resource_type":"images","resource_id":"r","tags":[]}"#);
    for (args, expected) in [
        (&["--role", "reader"][..], "--domain: is required for the role reader"),
        (&["--role", "reader", "--domain", ""], "--domain: must not be empty"),
        (&["--role", "operator", "--expires", "59s"], "--expires: must be between 60 and 316224000 seconds, got 59"),
        (
            &["--role", "operator", "--expires", "3661d"],
            "--expires: must be between 60 and 316224000 seconds, got 316310400",
        ),
        (&["--role", "operator", "--temporary", "1s"], "--temporary: must be between 60 and 316224000 seconds, got 1"),
        (&["--role", "operator", "--project", "p"], "--project: must not be given for the role operator"),
        (
            &["--role", "reader", "--domain", "shop", "--project", "p", "--project", "q"],
            "--project: unknown project \"q\" in domain \"shop\"",
        ),
        (&["--role", "operator", "--access", "A K", "--secret-stdin"], "--access: must be 1 to 128 letters"),
    ] {
        let said = program.run_with_input(&[&["key", "create", "--name", "n"], args].concat(), b"16-characters-or");
        assert!(refusal(&said).starts_with(expected), "{args:?}: {}", said.err);
    }
    program.write("tagd.toml", "[[keys]]\naccess = \"AK\"\nsecret = \"16-characters-or\"\nrole = \"reader\"\n");
    let said = program.run(&["key", "list", "--config", "tagd.toml"]);
    assert_eq!(refusal(&said), "keys[0]: domain: is required for the role reader");
    program.write("tagd.toml", "[[keys]]\naccess = \"AK\"\nsecret = \"16-characters-or\"\nrole = \"operator\"\n");
    let said = program.run(&["key", "list", "--config", "tagd.toml"]);
    let expected = "keys[0]: name: is required for the role operator, since every domain may see it";
    assert_eq!(refusal(&said), expected);
}

#[test]
fn the_commands_say_what_they_did_and_where() {
    let db = TestDb::new();
    let program = Program::new().on(&db).with("TAGD_MASTER_KEY", &master_key('1'));
    program.import(r#"{"project_id":"p","domain_id":"shop","resource_type":"images","resource_id":"r","tags":[]}"#);
    let create = |kind: &str, args: &[&str]| {
        let said = program.run(&[&[kind, "create", "--name", "n"], args].concat());
        assert_eq!(said.code, Some(0), "{}", said.err);
        said
    };
    let warning = "tagd: warning: no project is in the domain \"shpo\" yet\n";
    let token = create("token", &["--role", "reader", "--domain", "shop"]);
    assert!(token.err.starts_with("tagd: the token is shown only once; the token is in the database at "), "{token:?}");
    assert!(!token.err.contains("warning"), "{}", token.err);
    let key = create("key", &["--role", "reader", "--domain", "shpo"]);
    assert!(key.err.starts_with("tagd: the secret is shown only once; the key is in the database at "), "{}", key.err);
    assert!(key.err.ends_with(warning), "{}", key.err);
    assert!(create("token", &["--role", "operator", "--domain", "shpo"]).err.ends_with(warning));
    let operator = create("token", &["--role", "operator", "--domain", "shop"]);
    assert!(
        operator.out.contains("\nn: operator in every domain, predefined tags of shop, never ends\n"),
        "{operator:?}"
    );
    let shown = |said: &Said, name: &str| {
        let line = said.out.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.strip_prefix(": ").unwrap().to_owned()
    };
    let (whole, id) = (shown(&token, "token"), shown(&token, "id"));
    assert_eq!(whole[5..17], id);
    for (kind, given, id) in [("token", &whole, &id), ("key", &shown(&key, "access key"), &shown(&key, "access key"))] {
        let list = || program.expect(&[kind, "list"]);
        assert!(list().contains(&format!("{id}  n: reader in domain ")) && !list().contains("ended"), "{}", list());
        let end = format!(
            "update tagd.credential set expires_at = now() - interval '2 seconds' where credential_id = '{id}'"
        );
        block_on(async { db.connect().await.execute(AssertSqlSafe(end)).await.unwrap() });
        assert_eq!(list().matches(", ended 2").count(), 1, "{}", list());
        let said = program.run(&[kind, "revoke", given]);
        assert_eq!((said.code, said.out.as_str()), (Some(0), ""), "{}", said.err);
        let line = format!("tagd: {kind} {id} was revoked in the database at ");
        assert!(said.err.starts_with(&line) && !said.err.contains(&whole), "{}", said.err);
    }
}

#[test]
fn a_command_tells_that_it_has_made_a_database() {
    let private = Private::new();
    let create = ["token", "create", "--name", "n", "--role", "operator"];
    let [first, second] = [0, 1].map(|_| private.0.run(&create).err);
    assert!(
        first.contains("in private Postgres ") && first.contains(" in data, which this command has made; "),
        "{first}"
    );
    assert!(second.contains(" in data\n"), "{second}");
}

#[test]
fn the_log_names_who_logged_in_with_which_credential_and_nobody_else() {
    let db = TestDb::new();
    let program = Program::new().on(&db).with("TAGD_MASTER_KEY", &master_key('1'));
    program.write(
        "tagd.toml",
        "[[keys]]\naccess = \"AK\"\nsecret = \"hunter2-hunter2-hunter2\"\nrole = \"reader\"\ndomain = \"d\"\n",
    );
    let create = ["key", "create", "--name", "ann", "--role", "reader", "--domain", "shop", "--json"];
    let key: Value = serde_json::from_str(&program.expect(&create)).unwrap();
    let (access_key, secret) = (key["id"].as_str().unwrap(), key["secret"].as_str().unwrap());
    let args = ["--listen", "127.0.0.1:0", "--log-format", "json", "--auth", "keys,tokens", "--config", "tagd.toml"];
    let serving = program.serve(&args);
    let log_in = |user: &str, secret: &str| {
        let password = json!({ "user": { "name": user, "password": secret } });
        let identity = json!({ "methods": ["password"], "password": password });
        serving.post("/v3/auth/tokens", &json!({ "auth": { "identity": identity } }).to_string())
    };
    let token = log_in(access_key, secret).headers["x-subject-token"].clone();
    assert_eq!(log_in(access_key, "hunter2").status, 401);
    assert_eq!(log_in("AK", "hunter2-hunter2-hunter2").status, 201);
    assert_eq!(serving.post("/v3/auth/tokens", "{").status, 400);
    assert_eq!(serving.send("GET", "/v1.0/tag-keys", &[("X-Auth-Token", &token)], b"").status, 200);
    assert_eq!(serving.get("/v1.0/tag-keys").status, 401);
    let said = serving.stop();
    let log = json_lines(&said.err);
    let lines: Vec<_> = log.iter().filter(|line| line["message"] == "answered").collect();
    let seen: Vec<_> = lines.iter().map(|line| [&line["principal"], &line["domain"], &line["credential"]]).collect();
    let (ann, ak, nobody) = (json!("ann"), json!("AK"), Value::Null);
    let (shop, d, key, id) = (json!("shop"), json!("d"), json!(access_key), json!(&token[5..17]));
    let none = [&nobody; 3];
    assert_eq!(seen, [[&ann, &shop, &key], none, [&ak, &d, &ak], none, [&ann, &shop, &id], none]);
    assert!(log.iter().any(|line| line["modes"] == "keys,tokens"), "{}", said.err);
    for hidden in [secret, &token[17..]] {
        assert!(!said.err.contains(hidden), "{}", said.err);
    }
    assert_hidden(&said.err);
}
