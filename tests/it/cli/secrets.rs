//! Secrets of settings that are in files: the database's URL and password, master keys, the secrets of access keys.

use std::{
    io::{Read, Write},
    net::TcpListener,
    thread::{self, JoinHandle},
};

use crate::{
    access::{borrowed, signed},
    support::{Program, Said, TestDb, finish},
};

/// What no message may show.
const PASSWORD: &str = "p@ss/w:%2F #?&'\"ö";

fn refusal(said: &Said) -> &str {
    assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{}", said.err);
    assert_eq!(said.complaints().len(), 1, "{}", said.err);
    assert!(!said.err.contains("p@ss") && !said.err.contains("hunter2"), "{}", said.err);
    said.err.trim().strip_prefix("tagd: ").unwrap()
}

/// The password that a program sends to a Postgres which asks for it in plain text, and then refuses the login.
fn password_sent(listener: TcpListener) -> JoinHandle<String> {
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut message = |has_type: bool| {
            let mut kind = [0; 1];
            stream.read_exact(&mut kind[..usize::from(has_type)]).unwrap();
            let mut length = [0; 4];
            stream.read_exact(&mut length).unwrap();
            let mut body = vec![0; u32::from_be_bytes(length) as usize - 4];
            stream.read_exact(&mut body).unwrap();
            // a request for a password, after the one for a session
            if !has_type {
                stream.write_all(&[b'R', 0, 0, 0, 8, 0, 0, 0, 3]).unwrap();
            }
            body
        };
        message(false);
        let mut password = message(true);
        assert_eq!(password.pop(), Some(0));
        String::from_utf8(password).unwrap()
    })
}

#[test]
fn a_password_with_any_characters_comes_from_a_variable_or_a_file() {
    let program = Program::new();
    program.write("password", format!("{PASSWORD}\n"));
    program.write("windows", format!("{PASSWORD}\r\n"));
    program.write("other", "another");
    program.write("tagd.toml", "database_password_file = \"other\"\n");
    let from_file = |name| [("TAGD_DATABASE_PASSWORD_FILE", name)];
    for (args, variables, expected) in [
        (&["--database-password-file", "password"][..], &[][..], PASSWORD),
        (&["--database-password-file", "windows"], &[], PASSWORD),
        (&[], &from_file("password")[..], PASSWORD),
        (&[], &[("TAGD_DATABASE_PASSWORD", PASSWORD)], PASSWORD),
        // empty is not set
        (&[], &[("TAGD_DATABASE_PASSWORD", ""), ("TAGD_DATABASE_PASSWORD_FILE", "password")], PASSWORD),
        (&["--config", "tagd.toml"], &[], "another"),
        // flags and the environment take precedence over the file
        (&["--config", "tagd.toml"], &[("TAGD_DATABASE_PASSWORD", PASSWORD)], PASSWORD),
        (&["--config", "tagd.toml"], &from_file("password"), PASSWORD),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("postgres://tagd@{}/tagd?sslmode=disable", listener.local_addr().unwrap());
        let sent = password_sent(listener);
        let mut command = program.command(&[&["migrate", "--database-url", &url], args].concat());
        command.envs(variables.iter().copied());
        let said = finish(command, b"");
        assert!(refusal(&said).starts_with("cannot connect to the database at 127.0.0.1:"), "{}", said.err);
        assert_eq!(sent.join().unwrap(), expected, "{args:?} {variables:?}");
    }
}

#[test]
fn the_url_of_the_database_may_be_in_a_file() {
    let db = TestDb::new();
    let program = Program::new();
    program.write("url", format!("{}\n", db.url()));
    program.write("tagd.toml", "database_url_file = \"url\"\n");
    for (args, variable) in [
        (&["--database-url-file", "url"][..], None),
        (&[], Some("url")),
        (&["--config", "tagd.toml"], None),
        // empty is not set
        (&["--config", "tagd.toml"], Some("")),
    ] {
        let mut command = program.command(&[&["index", "verify"], args].concat());
        command.envs(variable.map(|value| ("DATABASE_URL_FILE", value)));
        let said = finish(command, b"");
        assert_eq!(said.code, Some(0), "{args:?} {variable:?}: {}", said.err);
    }
}

#[test]
fn what_is_wrong_with_a_secret_is_told_without_it() {
    let program = Program::new();
    program.write("password", PASSWORD);
    program.write("empty", "\n");
    program.write("latin", b"p@ss\xff");
    program.write("url", "postgres://u:p%40ss@127.0.0.1:1/x\n");
    program.write("both.toml", "database_url = \"postgres://u@127.0.0.1:1/x\"\ndatabase_url_file = \"url\"\n");
    program.write("none.toml", "[[keys]]\naccess = \"A\"\nrole = \"operator\"\nname = \"n\"\n");
    program.write(
        "two.toml",
        "[[keys]]\naccess = \"A\"\nrole = \"operator\"\nname = \"n\"\nsecret = \"hunter2\"\nsecret_file = \"password\"\n",
    );
    program.write("key.toml", "[[keys]]\naccess = \"A\"\nrole = \"operator\"\nname = \"n\"\nsecret_file = \"empty\"\n");
    let (url, password) = (("DATABASE_URL", "postgres://u@127.0.0.1:1/x"), ("TAGD_DATABASE_PASSWORD", PASSWORD));
    let hex = "0123456789abcdef".repeat(4);
    for (variables, args, expected) in [
        (
            &[url, ("DATABASE_URL_FILE", "url")][..],
            &["migrate"][..],
            "database_url, database_url_file: must not both be set",
        ),
        (&[], &["migrate", "--config", "both.toml"], "database_url, database_url_file: must not both be set"),
        (
            &[url, password, ("TAGD_DATABASE_PASSWORD_FILE", "password")],
            &["migrate"],
            "TAGD_DATABASE_PASSWORD, database_password_file: must not both be set",
        ),
        (
            &[("DATABASE_URL_FILE", "url"), password],
            &["migrate"],
            "the password in database_url, TAGD_DATABASE_PASSWORD: must not both be set",
        ),
        (
            &[("DATABASE_URL_FILE", "url"), ("TAGD_DATABASE_PASSWORD_FILE", "password")],
            &["migrate"],
            "the password in database_url, database_password_file: must not both be set",
        ),
        (&[password], &["migrate"], "TAGD_DATABASE_PASSWORD: requires database_url"),
        (&[("TAGD_DATABASE_PASSWORD_FILE", "password")], &["migrate"], "database_password_file: requires database_url"),
        (&[("DATABASE_URL_FILE", "empty")], &["migrate"], "database_url_file: the file is empty"),
        (
            &[url, ("TAGD_DATABASE_PASSWORD_FILE", "latin")],
            &["migrate"],
            "database_password_file: the file must be UTF-8",
        ),
        // the secret where the name of its file belongs
        (
            &[("DATABASE_URL_FILE", "postgres://u:hunter2@h/x")],
            &["migrate"],
            "database_url_file: must be the name of a file, got the URL itself",
        ),
        (
            &[url, ("TAGD_DATABASE_PASSWORD_FILE", PASSWORD)],
            &["migrate"],
            "database_password_file: cannot read the file: No such file",
        ),
        (
            &[url, ("TAGD_DATABASE_PASSWORD_FILE", "/no/such/file")],
            &["migrate"],
            "database_password_file: cannot read /no/such/file: No such file",
        ),
        (
            &[url, ("TAGD_MASTER_KEY", &hex), ("TAGD_MASTER_KEY_FILE", "m.key")],
            &["migrate"],
            "TAGD_MASTER_KEY, master_key_file: must not both be set",
        ),
        (
            &[url, ("TAGD_KEYSTONE_PASSWORD", "hunter2"), ("TAGD_KEYSTONE_PASSWORD_FILE", "password")],
            &["serve", "--auth", "keystone", "--keystone-url", "http://k", "--keystone-user", "u"],
            "TAGD_KEYSTONE_PASSWORD, keystone_password_file: must not both be set",
        ),
        (&[url], &["migrate", "--config", "none.toml"], "keys[0]: requires secret or secret_file"),
        (&[url], &["migrate", "--config", "two.toml"], "keys[0]: secret and secret_file must not both be set"),
        (&[url], &["migrate", "--config", "key.toml"], "secret_file: the file is empty"),
    ] {
        let mut command = program.command(args);
        command.envs(variables.iter().copied());
        let said = finish(command, b"");
        assert!(refusal(&said).starts_with(expected), "{variables:?} {args:?}: {}", said.err);
    }
}

#[test]
fn the_secret_of_an_access_key_may_be_in_a_file() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    program.write("secret", "hunter2-hunter2-hunter2\n");
    program.write(
        "tagd.toml",
        "auth = [\"keys\"]\n[[keys]]\naccess = \"FIRST\"\nname = \"first\"\nrole = \"operator\"\nsecret_file = \"secret\"\n",
    );
    let serving = program.serve(&["--listen", "127.0.0.1:0", "--config", "tagd.toml"]);
    let get = |secret: &str| {
        let path = "/registry/v1/types";
        let headers = signed(("FIRST", secret), "GET", (path, ""), &[], b"");
        serving.send("GET", path, &borrowed(&headers), b"").status
    };
    assert_eq!((get("hunter2-hunter2-hunter2"), get("hunter2-hunter2-hunter3")), (200, 401));
    assert!(!serving.stop().err.contains("hunter2"));
}
