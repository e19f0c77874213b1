//! Credentials of the program: the master key, keys and tokens, and secrets that no message may show.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
};

use serde_json::Value;

use super::program::Private;
use crate::support::{Program, Said, Serving, TestDb, eventually};

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
        (of_key("918273645"), "the settings file tagd.toml: line 4: must be a string"),
        (of_key("918273645.5"), "the settings file tagd.toml: line 4: must be a string"),
        (of_key("[\"hunter2\"]"), "the settings file tagd.toml: line 4: "),
        (of_key("{ hunter = \"hunter2\" }"), "the settings file tagd.toml: line 4: "),
        (of_key("hunter2"), "the settings file tagd.toml: line 4: "),
        (of_key("918273645hunter2"), "the settings file tagd.toml: line 4: "),
        (of_key("\"hunter2"), "the settings file tagd.toml: line 4: "),
        ("keys = \"AK:hunter2\"\n".to_owned(), "the settings file tagd.toml: line 1: must be a sequence"),
        ("keys = [\"hunter2\"]\n".to_owned(), "the settings file tagd.toml: line 1: must be "),
        ("database_url = 918273645\n".to_owned(), "the settings file tagd.toml: line 1: must be a string"),
        ("connections = \"hunter2\"\n".to_owned(), "the settings file tagd.toml: line 1: must be u32"),
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
        // the same object as over HTTP, with the secret also if it was brought along
        assert_eq!((&shown["id"], &shown["secret"]), (&access.into(), &"hunter2-hunter2-hunter2".into()));
    }
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

    let ways_out = "or revoke these keys (`tagd key list`, `tagd key revoke`)";
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
    assert_eq!(with(&["key", "rotate", access_key], "3.key").code, Some(0));
    let line = refusal(&with(&SERVE, "3.key")).to_owned();
    assert!(!line.contains(access_key) && !line.contains(" more"), "{line}");
    let other = line.split("access key ").nth(1).unwrap().split(';').next().unwrap();
    assert_eq!(program.run(&["key", "revoke", other]).code, Some(0));
    assert!(serves(&["--master-key-file", "3.key"]).is_ok());
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
    program
        .write("tagd.toml", "[[keys]]\naccess = \"AK\"\nsecret = \"hunter2-hunter2-hunter2\"\nrole = \"operator\"\n");
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
    program
        .write("tagd.toml", "[[keys]]\naccess = \"AK\"\nsecret = \"hunter2-hunter2-hunter2\"\nrole = \"operator\"\n");
    let said = program.serve(&["--listen", "127.0.0.1:0", "--auth", "keys", "--config", "tagd.toml"]).stop();
    assert!(
        said.err.contains("the key in the settings file takes the place of the one in the database"),
        "{}",
        said.err
    );
    // and the other way round it is refused
    assert_eq!(program.run(&["key", "revoke", "AK"]).code, Some(0));
    let said = program.run_with_input(&[&create[..], &["--config", "tagd.toml"]].concat(), b"hunter2-hunter2-hunter2");
    assert_eq!(refusal(&said), "access: \"AK\" is already taken");
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
