//! The program: help, settings, starting, serving, stopping, its private Postgres and its log.

use std::{
    collections::HashSet,
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use sqlx::{Connection, Executor};
use tagd::{
    config::{AuthMode, CommonArgs, ServeArgs, Settings},
    store::SchemaVersion,
};

use crate::support::{
    PATIENCE, Program, Said, Serving, TestDb, block_on, eventually, json_lines, repository, waiting_for_locks,
};

const COMMANDS: [&[&str]; 11] = [
    &[],
    &["serve"],
    &["migrate"],
    &["import"],
    &["export"],
    &["index"],
    &["index", "verify"],
    &["index", "rebuild"],
    &["postgres"],
    &["demo"],
    &["health"],
];

/// A place that no database is at: nothing may listen on port 1 of this machine.
const NOWHERE: &str = "postgres://nobody:secret@127.0.0.1:1/none";

/// A refusal: one clear line, nothing on standard output.
fn refusal(said: &Said) -> &str {
    assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{}", said.err);
    assert_eq!(said.complaints().len(), 1, "{}", said.err);
    assert!(said.err.starts_with("tagd: ") && said.err.len() < 800, "{}", said.err);
    said.err.trim().strip_prefix("tagd: ").unwrap()
}

#[test]
fn help_explains_every_setting_with_its_default() {
    let program = Program::new().with("DATABASE_URL", NOWHERE);
    let common = [
        ("--database-url <URL>", "DATABASE_URL", "Without one, tagd runs a private Postgres of its own"),
        ("--database-url-file <FILE>", "DATABASE_URL_FILE", "[default: none]"),
        ("--database-password-file <FILE>", "TAGD_DATABASE_PASSWORD_FILE", "[default: none]"),
        ("--data-dir <DIR>", "TAGD_DATA_DIR", "[default: /var/lib/tagd as root, else $XDG_DATA_HOME/tagd"),
        ("--postgres-bin <DIR>", "TAGD_POSTGRES_BIN", "[default: found on PATH"),
        ("--connections <N>", "TAGD_CONNECTIONS", "[default: 16]"),
        ("--config <FILE>", "TAGD_CONFIG", "[default: none]"),
        ("--master-key-file <FILE>", "TAGD_MASTER_KEY_FILE", "[default: master.key in the data directory"),
        ("--log-format <FORMAT>", "TAGD_LOG_FORMAT", "[default: auto]"),
        ("--log <FILTER>", "TAGD_LOG", "[default: info for serve, warn for the other commands]"),
    ];
    let serve = [
        (
            "--listen <ADDRESS:PORT|unix:PATH>",
            "TAGD_LISTEN",
            "[default: 127.0.0.1:8080, or the socket that systemd passes]",
        ),
        ("--auth <MODES>", "TAGD_AUTH", "[default: none]"),
        ("--insecure-listen", "TAGD_INSECURE_LISTEN", "[default: off]"),
        ("--keystone-url <URL>", "TAGD_KEYSTONE_URL", "[default: none]"),
        ("--keystone-ca-file <FILE>", "TAGD_KEYSTONE_CA_FILE", "[default: none]"),
        ("--keystone-domain <NAME>", "TAGD_KEYSTONE_DOMAIN", "[default: Default]"),
        ("--tls-cert <FILE>", "TAGD_TLS_CERT", "[default: none]"),
        ("--tls-key <FILE>", "TAGD_TLS_KEY", "[default: none]"),
        ("--tls-client-ca <FILE>", "TAGD_TLS_CLIENT_CA", "[default: none]"),
        ("--http-listen <ADDRESS:PORT|unix:PATH>", "TAGD_HTTP_LISTEN", "[default: none]"),
        ("--metrics-listen <ADDRESS:PORT|unix:PATH>", "TAGD_METRICS_LISTEN", "[default: none]"),
        ("--slow-request <SECONDS>", "TAGD_SLOW_REQUEST", "[default: 1]"),
        ("--otlp-url <URL>", "TAGD_OTLP_URL", "[default: none]"),
        ("--otlp-sample <RATIO>", "TAGD_OTLP_SAMPLE", "[default: 1]"),
        ("--read-database-url <URL>", "TAGD_READ_DATABASE_URLS", "[default: none]"),
        ("--read-database-urls-file <FILE>", "TAGD_READ_DATABASE_URLS_FILE", "[default: none]"),
        ("--max-replica-lag <SECONDS>", "TAGD_MAX_REPLICA_LAG", "[default: 10]"),
        ("--workers <N>", "TAGD_WORKERS", "[default: one for each processor]"),
        ("--statement-timeout <SECONDS>", "TAGD_STATEMENT_TIMEOUT", "[default: 30]"),
        ("--with-demo", "TAGD_WITH_DEMO", "[default: off]"),
        ("--allowed-host <NAME>", "TAGD_ALLOWED_HOSTS", "[default: none]"),
        ("--trusted-proxy <ADDRESS[/PREFIX]>", "TAGD_TRUSTED_PROXIES", "[default: none]"),
        ("--rate-limit-principal <N>", "TAGD_RATE_LIMIT_PRINCIPAL", "[default: no limit]"),
        ("--rate-limit-address <N>", "TAGD_RATE_LIMIT_ADDRESS", "[default: no limit]"),
        ("--max-requests <N>", "TAGD_MAX_REQUESTS", "[default: 4096]"),
        ("--request-timeout <SECONDS>", "TAGD_REQUEST_TIMEOUT", "[default: 45 more than the statement timeout]"),
    ];
    for command in COMMANDS {
        let help = program.expect(&[command, &["--help"]].concat());
        assert!(!help.contains("secret"), "help of {command:?} shows a password");
        assert!(help.lines().all(|line| line.chars().count() <= 120));
        let words = help.split_whitespace().collect::<Vec<_>>().join(" ");
        let more = if command == ["serve"] { &serve[..] } else { &[] };
        for (flag, variable, default) in common.iter().chain(more) {
            for part in [*flag, &format!("[env: {variable}"), *default] {
                assert!(words.contains(part), "help of {command:?} lacks {part}:\n{help}");
            }
        }
    }
    let help = program.expect(&["import", "--help"]);
    for flag in
        ["[FILE]", "--resources <FILE>", "--tags <FILE>", "--strict", "--prune", "--prune-limit <N>", "--dry-run"]
    {
        assert!(help.contains(flag), "{flag}");
    }
    assert!(program.expect(&["--version"]).starts_with("tagd "));
    assert_eq!(program.run(&[]).code, Some(2), "no command at all");
    assert_eq!(program.run(&["serv"]).code, Some(2));
}

#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_file() {
    // addresses and numbers that are refused with their value say which one was taken
    let listen = |arguments: &[&str], variable: Option<&str>, file: &str| {
        let program = Program::new();
        program.write("tagd.toml", file);
        let program = match variable {
            Some(value) => program.with("TAGD_LISTEN", value),
            None => program,
        };
        let args = [&["serve", "--config", "tagd.toml"], arguments].concat();
        refusal(&program.run(&args)).to_owned()
    };
    let file = "listen = \"192.0.2.3:1\"\n";
    let told = |address: &str| format!("listen: {address} is reachable from other machines");
    let taken = listen(&["--listen", "192.0.2.1:1"], Some("192.0.2.2:1"), file);
    assert!(taken.starts_with(&told("192.0.2.1:1")), "{taken}");
    let taken = listen(&[], Some("192.0.2.2:1"), file);
    assert!(taken.starts_with(&told("192.0.2.2:1")), "{taken}");
    let taken = listen(&[], None, file);
    assert!(taken.starts_with(&told("192.0.2.3:1")), "{taken}");
    // the default is taken by us, or by somebody else already
    let held = TcpListener::bind("127.0.0.1:8080");
    let taken = listen(&[], None, "");
    assert!(taken.starts_with("cannot listen on 127.0.0.1:8080: "), "{taken}");
    drop(held);

    let program = |name: &str, value: &str| Program::new().with("TAGD_CONFIG", "tagd.toml").with(name, value);
    let write = |program: &Program| {
        program.write("tagd.toml", "connections = 503\ndatabase_url = \"postgres://u@127.0.0.1:3/x\"\n");
    };
    for (args, variable, expected) in
        [(&["--connections", "501"][..], Some("502"), "501"), (&[], Some("502"), "502"), (&[], None, "503")]
    {
        let program = variable.map_or_else(|| program("X", ""), |value| program("TAGD_CONNECTIONS", value));
        write(&program);
        let said = program.run(&[&["migrate"], args].concat());
        assert_eq!(refusal(&said), format!("connections: must be an integer between 1 and 500, got {expected}"));
    }
    let url = |port: u8| format!("postgres://u@127.0.0.1:{port}/x");
    for (flag, variable, port) in [
        (Some(url(1)), Some(url(2)), 1),
        (None, Some(url(2)), 2),
        (None, None, 3),
        // empty is not set
        (None, Some(String::new()), 3),
    ] {
        let program = variable.map_or_else(|| program("X", ""), |value| program("DATABASE_URL", &value));
        write(&program);
        let flag = flag.map_or_else(Vec::new, |url| vec!["--database-url".to_owned(), url]);
        let mut args = vec!["migrate", "--connections", "4"];
        args.extend(flag.iter().map(String::as_str));
        let said = program.run(&args);
        let expected = format!("cannot connect to the database at 127.0.0.1:{port}: ");
        assert!(refusal(&said).starts_with(&expected), "{}", said.err);
    }
}

#[test]
fn bad_settings_are_one_clear_line() {
    let program = Program::new().with("DATABASE_URL", NOWHERE);
    let file = |text: &str| {
        program.write("tagd.toml", text);
        refusal(&program.run(&["migrate", "--config", "tagd.toml"])).to_owned()
    };
    for (text, expected) in [
        (
            "# fine\n\nlisten = \"127.0.0.1:0\"\nlistn = 1\n",
            "the settings file tagd.toml: line 4: unknown field `listn`",
        ),
        ("connections = 4\nlisten = 5\n", "the settings file tagd.toml: line 2: listen: must be a string"),
        (
            "listen = \"localhost\"\n",
            "the settings file tagd.toml: line 1: listen: must be an IP address and a port, such as 127.0.0.1:8080, or unix: and an absolute path, got \"localhost\"",
        ),
        ("connections = -1\n", "the settings file tagd.toml: line 1: "),
        ("connections = \n", "the settings file tagd.toml: line 1: "),
        ("connections = 4\nconnections = 5\n", "the settings file tagd.toml: line 2: duplicate key"),
        ("log_format = \"xml\"\n", "the settings file tagd.toml: line 1: unknown variant `xml`"),
        ("tls_cert = \"cert.pem\"\n", "tls_cert: requires tls_key"),
        ("tls_key = \"key.pem\"\ntls_cert = \"\"\n", "tls_key: requires tls_cert"),
        (
            "http_listen = \"localhost:1\"\n",
            "the settings file tagd.toml: line 1: http_listen: must be an IP address and a port, such as 127.0.0.1:8080, or",
        ),
        ("auth = []\n", "auth: must not be empty; must be keys, tokens, keystone or none"),
        ("connections = 501\n", "connections: must be an integer between 1 and 500, got 501"),
    ] {
        let line = file(text);
        assert!(line.starts_with(expected), "{text}: {line}");
    }
    for (args, expected) in [
        (&["migrate", "--config", "missing.toml"][..], "cannot read the settings file missing.toml: No such file"),
        (&["migrate", "--connections", "0"], "connections: must be an integer between 1 and 500, got 0"),
        (&["migrate", "--database-url", "nonsense"], "database_url: "),
        (&["migrate", "--database-url", "postgres://u@127.0.0.1:99999/x"], "database_url: "),
        (
            &["migrate", "--database-url", "mysql://u@127.0.0.1:1/x"],
            "database_url: must be a PostgreSQL URL such as postgres://",
        ),
        (&["migrate", "--log", "a=b=c"], "log: must be a filter such as info,tagd::store=debug, got \"a=b=c\": "),
        (
            &["migrate", "--log", "info,warning"],
            "log: must be a filter such as info,tagd::store=debug, got \"info,warning\": \"warning\" is no level; the levels are error, ",
        ),
        (
            &["migrate", "--log", "tagd::store=debog"],
            "log: must be a filter such as info,tagd::store=debug, got \"tagd::store=debog\": \"debog\" is no level",
        ),
        (
            &["migrate", "--log", "tagd::store,tagd=3,warn,sqlx=6"],
            "log: must be a filter such as info,tagd::store=debug, got \"tagd::store,tagd=3,warn,sqlx=6\": \"6\" is no level",
        ),
        (
            &["migrate", "--log", "tagd="],
            "log: must be a filter such as info,tagd::store=debug, got \"tagd=\": \"\" is no level",
        ),
        (&["serve", "--workers", "0"], "workers: must be an integer between 1 and 256, got 0"),
        (
            &["serve", "--statement-timeout", "3601"],
            "statement_timeout: must be an integer between 1 and 3600, got 3601",
        ),
        (
            &["serve", "--allowed-host", "http://tags.example.org"],
            "allowed_hosts: \"http://tags.example.org\" must be a",
        ),
        (&["serve", "--allowed-host", "tags.example.org:8080"], "allowed_hosts: \"tags.example.org:8080\" must be a"),
        (&["serve", "--allowed-host", "*.example.org"], "allowed_hosts: \"*.example.org\" must be a host name"),
        (&["serve", "--allowed-host", "a,,b"], "allowed_hosts: \"\" must be a host name such as tags.example.org,"),
        (&["serve", "--allowed-host", "bücher.example"], "allowed_hosts: \"bücher.example\" must be a host name"),
        (
            &["serve", "--trusted-proxy", "10.0.0.0/33"],
            "trusted_proxies: \"10.0.0.0/33\" must be an IP address or a network such as 10.0.0.0/8",
        ),
        (&["serve", "--trusted-proxy", "::1,proxy"], "trusted_proxies: \"proxy\" must be an IP address or a network"),
        (
            &["serve", "--rate-limit-address", "0"],
            "rate_limit_address: must be an integer between 1 and 1000000, got 0",
        ),
        (&["serve", "--max-requests", "0"], "max_requests: must be an integer between 1 and 1000000, got 0"),
        (&["serve", "--request-timeout", "7201"], "request_timeout: must be an integer between 1 and 7200, got 7201"),
        (
            &["serve", "--rate-limit-principal", "5"],
            "rate_limit_principal: requires auth with keys, tokens or keystone",
        ),
        (&["serve", "--listen", "0.0.0.0:0"], "listen: 0.0.0.0:0 is reachable from other machines"),
        (&["serve", "--listen", "[::]:0"], "listen: [::]:0 is reachable from other machines"),
        (&["serve", "--auth", "keystone"], "auth = keystone: requires keystone_url"),
        (
            &["serve", "--auth", "keystone", "--keystone-url", "http://k", "--keystone-user", "u"],
            "auth = keystone: requires keystone_password_file or the variable TAGD_KEYSTONE_PASSWORD",
        ),
        (
            &["serve", "--auth", "keystone", "--keystone-url", "https://u:secret@k", "--keystone-user", "u"],
            "keystone_url: must not have a user or a password",
        ),
        (
            &["serve", "--listen", "unix:/tmp/x", "--tls-cert", "cert.pem", "--tls-key", "key.pem"],
            "listen: a Unix socket is for plain HTTP; with tls_cert and tls_key it must be an IP address and a port",
        ),
        (&["serve", "--tls-cert", "cert.pem"], "tls_cert: requires tls_key"),
        (&["serve", "--tls-key", "key.pem"], "tls_key: requires tls_cert"),
        (&["serve", "--tls-client-ca", "ca.pem"], "tls_client_ca: requires tls_cert and tls_key"),
        (&["serve", "--http-listen", "127.0.0.1:0"], "http_listen: requires tls_cert and tls_key, since without TLS"),
        (
            &["serve", "--listen", "0.0.0.0:0", "--tls-cert", "cert.pem", "--tls-key", "key.pem"],
            "listen: 0.0.0.0:0 is reachable from other machines, and requests are not authenticated; use a loopback",
        ),
        (
            &["serve", "--http-listen", "[::]:0", "--tls-cert", "cert.pem", "--tls-key", "key.pem"],
            "http_listen: [::]:0 is reachable from other machines, and requests are not authenticated; use a loopback",
        ),
    ] {
        let said = program.run(args);
        assert!(refusal(&said).starts_with(expected), "{args:?}: {}", said.err);
        assert!(!said.err.contains("secret"));
    }
    for args in [
        &["migrate", "--connections", "many"][..],
        &["serve", "--listen", "localhost:8080"],
        &["serve", "--listen", "unix:tagd.sock"],
        &["migrate", "--listen", "127.0.0.1:0"],
        &["migrate", "--log-format", "xml"],
        &["serve", "--auth", ""],
        &["serve", "--auth", "keys,"],
        &["migrate", "--no-such-flag"],
    ] {
        let said = program.run(args);
        assert_eq!((said.code, said.out.as_str()), (Some(2), ""), "{args:?}");
        assert!(said.err.starts_with("error: "), "{}", said.err);
    }
}

#[test]
fn what_other_machines_can_reach_must_be_encrypted_and_authenticated() {
    let common = CommonArgs { data_dir: Some("data".into()), ..CommonArgs::default() };
    let check =
        |listen: &str, http_listen: Option<&str>, has_tls: bool, insecure_listen: bool, is_authenticated: bool| {
            let file = |name: &str| has_tls.then(|| name.into());
            let serve = ServeArgs {
                listen: Some(listen.parse().unwrap()),
                http_listen: http_listen.map(|address| address.parse().unwrap()),
                tls_cert: file("cert.pem"),
                tls_key: file("key.pem"),
                insecure_listen,
                auth: if is_authenticated { vec![AuthMode::Tokens] } else { Vec::new() },
                ..ServeArgs::default()
            };
            Settings::load(&common, &serve).unwrap().check_listen().map_err(|error| error.to_string())
        };
    let (open, here, other) = ("0.0.0.0:1", "127.0.0.1:1", "[::1]:2");
    let refused = |setting: &str, reason: &str| {
        let line = "0.0.0.0:1 is reachable from other machines, and";
        Err(format!("{setting}: {line} {reason}; use a loopback address or add --insecure-listen"))
    };
    let (unknown, plain) = ("requests are not authenticated", "plain HTTP is not encrypted");
    for (listen, http_listen, has_tls, is_authenticated, expected) in [
        (here, None, false, false, Ok(())),
        (here, Some(other), true, false, Ok(())),
        ("unix:/tmp/x", None, false, false, Ok(())),
        ("unix:/tmp/x", None, false, true, Ok(())),
        (open, Some("unix:/tmp/x"), true, true, Ok(())),
        (open, None, false, false, refused("listen", unknown)),
        (open, None, false, true, refused("listen", plain)),
        (open, None, true, false, refused("listen", unknown)),
        (open, None, true, true, Ok(())),
        (open, Some(other), true, true, Ok(())),
        (here, Some(open), true, false, refused("http_listen", unknown)),
        (open, Some(open), true, true, refused("http_listen", plain)),
    ] {
        let case = (listen, http_listen, has_tls, is_authenticated);
        assert_eq!(check(listen, http_listen, has_tls, false, is_authenticated), expected, "{case:?}");
        assert_eq!(check(listen, http_listen, has_tls, true, is_authenticated), Ok(()), "{case:?}");
    }
}

#[test]
fn the_word_for_an_open_address_may_be_one_or_yes() {
    let db = TestDb::new();
    for (value, open) in
        [("1", true), ("true", true), ("yes", true), ("0", false), ("false", false), ("no", false), ("", false)]
    {
        let program = Program::new().on(&db).with("TAGD_INSECURE_LISTEN", value);
        let started = Serving::try_start(program.command(&["serve", "--listen", "0.0.0.0:0"]));
        assert_eq!(started.is_ok(), open, "{value}");
        if let Err(said) = started {
            assert!(said.err.contains("add --insecure-listen"), "{}", said.err);
        }
    }
}

#[test]
fn an_address_that_is_taken_is_told_before_the_database_is_asked() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = Program::new().with("DATABASE_URL", NOWHERE).run(&["serve", "--listen", &address]);
    assert!(refusal(&said).starts_with(&format!("cannot listen on {address}: Address already in use")), "{}", said.err);
}

#[test]
fn a_database_that_is_not_there_is_told_soon_and_nothing_takes_its_place() {
    // takes connections and never says a word
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mute = format!("postgres://nobody:secret@{}/none", silent.local_addr().unwrap());
    let check = |url: &str, args: &[&str]| {
        let program = Program::new();
        let begun = Instant::now();
        let said = program.run(&[args, &["--data-dir", "data", "--log", "off", "--database-url", url]].concat());
        assert!(refusal(&said).starts_with("cannot connect to the database at "), "{}", said.err);
        // a dozen at once may take their time
        assert!(begun.elapsed() < Duration::from_secs(60), "{args:?} {url} took {:?}", begun.elapsed());
        assert!(!said.err.contains("secret"), "{}", said.err);
        assert_eq!(program.files(), [""; 0], "something was made in place of the database");
    };
    thread::scope(|scope| {
        for args in [&["migrate"][..], &["serve", "--listen", "127.0.0.1:0"], &["export"], &["index", "verify"]] {
            for url in [NOWHERE, &mute, "postgres://nobody:secret@no-such-host.invalid/none"] {
                scope.spawn(move || check(url, args));
            }
        }
    });
}

#[test]
fn a_database_in_another_encoding_is_refused() {
    for encoding in ["SQL_ASCII", "LATIN1"] {
        let db = TestDb::encoded(encoding);
        let program = Program::new().on(&db);
        for args in [&["serve", "--listen", "127.0.0.1:0"][..], &["migrate"]] {
            let said = program.run(args);
            let expected = format!("the encoding of the database must be UTF8, got {encoding}; create another one");
            assert!(refusal(&said).starts_with(&expected), "{}", said.err);
        }
    }
}

#[test]
fn migrate_says_from_which_version_to_which() {
    let db = TestDb::empty();
    let program = Program::new().on(&db);
    assert_eq!(program.expect(&["migrate"]), format!("schema version 0 -> {}\n", SchemaVersion::KNOWN));
    assert_eq!(program.expect(&["migrate"]), format!("schema version {}: nothing to do\n", SchemaVersion::KNOWN));
}

#[test]
fn commands_that_start_at_once_on_an_empty_database_migrate_it_once() {
    let db = TestDb::empty();
    let program = Program::new().on(&db);
    thread::scope(|scope| {
        let starts: Vec<_> = (0..4).map(|_| scope.spawn(|| program.expect(&["migrate"]))).collect();
        let said: Vec<String> = starts.into_iter().map(|start| start.join().unwrap()).collect();
        assert_eq!(said.iter().filter(|said| said.starts_with("schema version 0 ->")).count(), 1, "{said:?}");
    });
}

#[test]
fn serve_says_one_line_and_its_log_tells_of_every_request() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    program.expect(&["demo"]);
    let mut serving = program.serve(&["--listen", "127.0.0.1:0", "--trusted-proxy", "127.0.0.1"]);
    assert_eq!(serving.ready, format!("tagd is ready on {} (the given database)\n", serving.url));
    assert_eq!(serving.get("/healthz").status, 200);
    assert_eq!(serving.get("/readyz").status, 200);
    let path = "/v1.0/resource-instances/filter";
    let own = [("X-Request-Id", "my-own_1"), ("X-Forwarded-For", "192.0.2.1, 198.51.100.1")];
    let own = serving.send("POST", path, &own, br#"{"resource_types":["cdn"]}"#);
    assert_eq!((own.status, own.headers["x-request-id"].as_str()), (200, "my-own_1"));
    let credentials = [("X-Auth-Token", "MIIFsecret"), ("Authorization", "Basic c2VjcmV0")];
    let known = serving.send("POST", path, &credentials, br#"{"resource_types":["cdn"]}"#);
    assert_eq!((known.status, &known.body), (200, &own.body));
    let bad = serving.post("/v2/p/images/resource_instances/action", "{");
    let lost = serving.get("/nowhere");
    assert_eq!((bad.status, lost.status), (400, 404));
    serving.signal(Signal::SIGTERM);
    let said = serving.wait();
    assert_eq!((said.code, said.out.as_str()), (Some(0), ""), "more than one line on standard output");

    let log = json_lines(&said.err);
    for line in &log {
        for field in ["timestamp", "level", "message"] {
            assert!(line[field].is_string(), "{field} is missing: {line}");
        }
    }
    for library in ["Tokio", "runtime", "workers", "worker", "shutdown"] {
        assert!(!said.err.contains(library), "{library} is in the log: {}", said.err);
    }
    let warned: Vec<&Value> = log.iter().filter(|line| line["level"] == "WARN").collect();
    assert_eq!(warned.len(), 1, "{warned:?}");
    assert!(warned[0]["message"].as_str().unwrap().contains("credentials that are sent are ignored"), "{warned:?}");
    let answered: Vec<&Value> = log.iter().filter(|line| line["message"] == "answered").collect();
    assert_eq!(answered.iter().map(|line| &line["status"]).collect::<Vec<_>>(), [200, 200, 200, 200, 400, 404]);
    for (line, client) in answered.iter().zip(["127.0.0.1", "127.0.0.1", "198.51.100.1", "127.0.0.1"]) {
        assert_eq!((&line["client"], &line["principal"]), (&json!(client), &json!("anyone")), "{line}");
    }
    let ids: Vec<&str> = answered.iter().map(|line| line["request_id"].as_str().unwrap()).collect();
    assert_eq!(ids[2], "my-own_1");
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 6, "ids are used twice: {ids:?}");
    for (answer, id) in [(&known, ids[3]), (&bad, ids[4]), (&lost, ids[5])] {
        assert_eq!(answer.headers["x-request-id"], id);
    }
    for secret in ["MIIFsecret", "c2VjcmV0", &db.url()] {
        assert!(!said.err.contains(secret), "{secret} is in the log");
    }
}

/// The path that the log says to try. It is the same in a log of text and of JSON: nothing in it is escaped.
pub(super) fn query_to_try(said: &Said, url: &str) -> String {
    let log = json_lines(&said.err);
    let told = log.iter().find_map(|line| line["message"].as_str()?.strip_prefix("a query to try: curl -s "));
    let told = told.unwrap_or_else(|| panic!("no query to try: {}", said.err)).strip_prefix(url).expect("the address");
    assert!(!told.contains(['"', '\'', '\\', ' ']), "{told}");
    told.to_owned()
}

#[test]
fn serve_with_demo_loads_it_into_the_database_that_it_serves_and_says_what_to_ask() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    program.write("tagd.toml", "with_demo = true\n");
    let mut answers = Vec::new();
    for args in [&["--with-demo"][..], &["--config", "tagd.toml"]] {
        let mut serving = program.serve(&[args, &["--listen", "127.0.0.1:0"]].concat());
        assert_eq!(serving.ready, format!("tagd is ready on {} (the given database)\n", serving.url));
        let url = serving.url.clone();
        let count = serving.post(
            "/v2/fd73a4a14a4a4dfb9771a8475e5198ea/images/resource_instances/action",
            r#"{"action":"count","tags":[{"key":"env","values":["prod"]}]}"#,
        );
        answers.push(count.json()["total_count"].clone());
        // what somebody has taken away stays away
        let gone = serving.send(
            "DELETE",
            "/registry/v1/projects/fd73a4a14a4a4dfb9771a8475e5198ea?with_resources=true",
            &[],
            b"",
        );
        assert_eq!(gone.status, if answers.len() == 1 { 204 } else { 404 });
        serving.signal(Signal::SIGTERM);
        let said = serving.wait();
        assert_eq!((said.code, said.out.as_str()), (Some(0), ""), "more than one line on standard output");
        assert_eq!(query_to_try(&said, &url), "/v2/fd73a4a14a4a4dfb9771a8475e5198ea/images/tags");
    }
    assert_eq!(answers, [json!(6), json!(0)]);
}

#[test]
fn the_query_to_try_finds_something() {
    for demo in [true, false] {
        let db = TestDb::new();
        let program = Program::new().on(&db).with("TAGD_WITH_DEMO", if demo { "true" } else { "false" });
        let line = r#"{"project_id":"p","resource_type":"images","resource_id":"r","tags":[{"key":"mine"}]}"#;
        if !demo {
            program.import(line);
        }
        let mut first = program.serve(&["--listen", "127.0.0.1:0"]);
        let url = first.url.clone();
        first.signal(Signal::SIGTERM);
        let path = query_to_try(&first.wait(), &url);
        let serving = program.serve(&["--listen", "127.0.0.1:0"]);
        let answer = serving.get(&path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        assert!(answer.body.contains(if demo { r#""key":"env""# } else { "mine" }), "{path}: {}", answer.body);
    }
}

#[test]
fn up_gives_all_its_arguments_to_the_one_command_it_runs() {
    let up = fs::read_to_string(repository("tools/up")).unwrap();
    let runs: Vec<&str> = up.lines().filter(|line| line.contains("target/release/tagd")).collect();
    assert_eq!(runs, [r#"exec ./target/release/tagd serve --with-demo "$@""#]);
}

#[test]
fn a_database_over_the_network_without_sslmode_is_warned_of_once() {
    let run = |url: &str| {
        let said = Program::new().run(&["migrate", "--log-format", "json", "--database-url", url]);
        assert_eq!(said.code, Some(1));
        assert!(!said.err.contains("secret"), "{}", said.err);
        said.err.lines().filter(|line| line.contains("sslmode=verify-full")).count()
    };
    assert_eq!(run("postgres://nobody:secret@no-such-host.invalid/none"), 1);
    assert_eq!(run("postgres://nobody:secret@no-such-host.invalid/none?sslmode=verify-full"), 0);
    assert_eq!(run(NOWHERE), 0);
}

#[test]
fn the_log_is_text_where_that_is_asked_for() {
    let db = TestDb::new();
    let serving = Program::new().on(&db).serve(&["--listen", "127.0.0.1:0", "--log-format", "text"]);
    let id = serving.get("/healthz").headers["x-request-id"].clone();
    let said = serving.stop();
    assert_eq!(said.code, Some(0));
    assert!(said.err.lines().all(|line| serde_json::from_str::<Value>(line).is_err()), "{}", said.err);
    assert!(!said.err.contains('\u{1b}'), "colours in a file");
    assert!(said.err.lines().any(|line| line.contains(" WARN ") && line.contains("credentials")), "{}", said.err);
    assert!(said.err.lines().any(|line| line.contains("answered") && line.contains(&id)), "{}", said.err);
    // nothing but errors
    let quiet = Program::new().on(&db).with("TAGD_LOG", "error").serve(&["--listen", "127.0.0.1:0"]);
    assert_eq!(quiet.stop().err, "");
}

/// The status that a request addressed to a host gets.
fn status_for(serving: &Serving, host: &str) -> String {
    let mut stream = TcpStream::connect(serving.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().to_owned()
}

#[test]
fn names_of_allowed_hosts_come_from_flags_or_the_environment_or_the_file() {
    let db = TestDb::new();
    let hosts =
        ["localhost:1", "127.0.0.1", "flag.example", "Second.Flag.example:80", "env.example", "two.env.example"];
    for (args, variable, expected) in [
        (
            &["--allowed-host", "flag.example", "--allowed-host", "second.flag.example."][..],
            "env.example",
            [1, 1, 1, 1, 0, 0, 0],
        ),
        (&[], "env.example, TWO.env.example", [1, 1, 0, 0, 1, 1, 0]),
        (&[], "", [1, 1, 0, 0, 0, 0, 1]),
    ] {
        let program = Program::new().on(&db).with("TAGD_ALLOWED_HOSTS", variable).with("TAGD_CONFIG", "tagd.toml");
        program.write("tagd.toml", "allowed_hosts = [\"file.example\"]\n");
        let serving = program.serve(&[&["--listen", "127.0.0.1:0"], args].concat());
        let statuses: Vec<String> =
            hosts.into_iter().chain(["file.example"]).map(|host| status_for(&serving, host)).collect();
        assert_eq!(statuses, expected.map(|allowed| if allowed == 1 { "200" } else { "403" }), "{args:?} {variable}");
    }
}

#[test]
fn garbage_on_the_port_is_counted_and_reported_once() {
    const GARBAGE: [&[u8]; 4] =
        [b"hello\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/1.1\r\n\r\n", &[0xff; 100]];
    let db = TestDb::new();
    let serving = Program::new().on(&db).serve(&["--listen", "127.0.0.1:0", "--log", "warn"]);
    for i in 0..200 {
        let mut stream = TcpStream::connect(serving.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.write_all(GARBAGE[i % GARBAGE.len()]).unwrap();
        let mut answer = Vec::new();
        // the server closes, and with that it has counted
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.starts_with(b"HTTP/1.1 400 "), "{}", String::from_utf8_lossy(&answer));
    }
    assert_eq!(serving.get("/healthz").status, 200);
    let log = json_lines(&serving.stop().err);
    // the first warns of missing credentials; a slow machine may take longer than a minute
    let counted: Vec<u64> = log[1..].iter().map(|line| line["count"].as_u64().unwrap()).collect();
    assert!(
        log[1..].iter().all(|line| line["level"] == "WARN" && line["message"] == "malformed requests were refused")
    );
    assert_eq!(counted.iter().sum::<u64>(), 200, "{log:?}");
    assert!(counted.len() < 20, "{log:?}");
}

#[test]
fn a_closed_standard_output_is_no_reason_not_to_serve() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let mut command = program.command(&["serve", "--listen", "127.0.0.1:0"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let log = fs::File::create(program.dir().join("log")).unwrap();
    let mut child = command.stdout(writer).stderr(log).spawn().unwrap();
    eventually("it answers", || {
        assert_eq!(child.try_wait().unwrap(), None, "it stopped by itself: {}", program.read("log"));
        // the last line may be there in part
        let log = program.read("log");
        let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let ready = json_lines(whole).into_iter().find(|line| line["message"] == "ready");
        ready.is_some_and(|ready| TcpStream::connect(ready["address"].as_str().unwrap()).is_ok_and(answers))
    });
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_closed_standard_error_is_no_reason_not_to_serve() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let mut command = program.command(&["serve", "--listen", "127.0.0.1:0"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let out = fs::File::create(program.dir().join("out")).unwrap();
    let mut child = command.stdout(out).stderr(writer).spawn().unwrap();
    eventually("it is ready", || {
        assert_eq!(child.try_wait().unwrap(), None, "it stopped by itself");
        program.read("out").ends_with('\n')
    });
    let ready = program.read("out");
    let (_, address) = ready.split(' ').nth(4).unwrap().split_once("://").unwrap();
    // each writes a line to the log
    for _ in 0..3 {
        assert!(TcpStream::connect(address).is_ok_and(answers));
    }
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(pid, Signal::SIGTERM).unwrap();
    eventually("it has ended", || child.try_wait().unwrap().is_some());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

fn answers(mut stream: TcpStream) -> bool {
    let _ = stream.set_read_timeout(Some(PATIENCE));
    let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).is_ok() && answer.starts_with("HTTP/1.1 200")
}

/// What the shell of a user may have for other servers.
pub(super) const FOR_OTHERS: [(&str, &str); 18] = [
    ("LC_ALL", "xx_XX.UTF-8"),
    ("PGAPPNAME", "other"),
    ("PGDATA", "/nonexistent"),
    ("PGDATABASE", "nope"),
    ("PGHOST", "192.0.2.1"),
    ("PGHOSTADDR", "192.0.2.1"),
    ("PGOPTIONS", "-c search_path=nowhere -c default_transaction_read_only=on"),
    ("PGPASSFILE", "/nonexistent"),
    ("PGPASSWORD", "x"),
    ("PGPORT", "1"),
    ("PGSERVICE", "nope"),
    ("PGSERVICEFILE", "/nonexistent"),
    ("PGSSLCERT", "/nonexistent"),
    ("PGSSLKEY", "/nonexistent"),
    ("PGSSLMODE", "verify-full"),
    ("PGSSLROOTCERT", "/nonexistent"),
    ("PGUSER", "nobody"),
    ("TZ", "Mars/Olympus"),
];

/// A program with a private Postgres in its folder, which is gone when this is.
pub(super) struct Private(pub(super) Program);

impl Private {
    pub(super) fn new() -> Self {
        Self::with(&[])
    }

    /// The same with variables.
    pub(super) fn with(variables: &[(&str, &str)]) -> Self {
        let program = Program::new().with("TAGD_DATA_DIR", "data").with("TAGD_LISTEN", "127.0.0.1:0");
        Self(variables.iter().fold(program, |program, (name, value)| program.with(name, value)))
    }

    pub(super) fn pidfile(&self) -> PathBuf {
        self.0.dir().join("data/postgres/data/postmaster.pid")
    }

    pub(super) fn postmaster(&self) -> Option<i32> {
        let text = fs::read_to_string(self.pidfile()).ok()?;
        text.lines().next()?.parse().ok()
    }

    /// Holds when neither the server nor one of its children is there.
    fn wait_stopped(&self, server: i32) {
        eventually("Postgres has stopped", || {
            self.postmaster().is_none() && nix::sys::signal::kill(nix::unistd::Pid::from_raw(server), None).is_err()
        });
    }

    /// The demo fleet as it is answered.
    pub(super) fn total(serving: &Serving) -> Value {
        let body = r#"{"project_id":"fd73a4a14a4a4dfb9771a8475e5198ea","resource_types":["ecs","images","vpcs"]}"#;
        let answer = serving.post("/v1.0/resource-instances/filter", body);
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()["total_count"].clone()
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        // whoever held it is gone by now; its folder goes only after it
        let begun = Instant::now();
        while self.pidfile().exists() && begun.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn a_private_postgres_serves_is_shared_and_keeps_its_data() {
    let private = Private::new();
    let program = &private.0;
    assert_eq!(program.expect(&["demo"]), "demo fleet: 121 new, 0 changed, 0 unchanged\n");
    assert_eq!(private.postmaster(), None, "the last one has left");
    assert_eq!(program.expect(&["demo"]), "demo fleet: 0 new, 0 changed, 121 unchanged\n");

    let serving = program.serve(&[]);
    assert!(serving.ready.contains("(private Postgres ") && serving.ready.contains("data)"), "{}", serving.ready);
    let server = private.postmaster().expect("a server");
    let total = Private::total(&serving);
    assert!(total.as_u64().unwrap() > 10, "{total}");
    // other commands join it, and it stays
    assert_eq!(program.expect(&["export", "--only", "resource"]).lines().count(), 121);
    assert!(program.expect(&["index", "verify"]).ends_with("scopes, index and tags agree\n"));
    let line = r#"{"project_id":"new","resource_type":"images","resource_id":"r","tags":[]}"#;
    assert_eq!(program.import(line).out, "1 new, 0 changed, 0 unchanged, 0 rejected");
    let answer = serving.post("/v2/new/images/resource_instances/action", r#"{"action":"count"}"#);
    assert_eq!(answer.json(), json!({ "total_count": 1 }));
    assert_eq!(private.postmaster(), Some(server));

    let said = serving.stop();
    assert_eq!((said.code, said.out.as_str()), (Some(0), ""), "{}", said.err);
    private.wait_stopped(server);

    let again = program.serve(&[]);
    let server = private.postmaster().unwrap();
    assert_eq!(Private::total(&again), total);
    assert_eq!(again.stop().code, Some(0));
    private.wait_stopped(server);
}

#[test]
fn an_empty_database_url_is_none() {
    let private = Private(Program::new().with("TAGD_DATA_DIR", "data").with("DATABASE_URL", ""));
    assert_eq!(private.0.expect(&["migrate"]), format!("schema version 0 -> {}\n", SchemaVersion::KNOWN));
    assert!(private.0.dir().join("data/postgres").is_dir());
}

/// A request of which only the first half has been sent.
struct Halved {
    stream: TcpStream,
    rest: &'static [u8],
}

impl Halved {
    fn send(serving: &Serving) -> Self {
        let body = br#"{"resource_types":["cdn"]}"#;
        let (first, rest) = body.split_at(10);
        let mut stream = TcpStream::connect(serving.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let head = format!(
            "POST /v1.0/resource-instances/filter HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             X-Request-Id: slow\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        // who is asked to go on is in the server's hands, not only in the kernel's
        let mut go_on = [0; b"HTTP/1.1 100 Continue\r\n\r\n".len()];
        stream.read_exact(&mut go_on).unwrap();
        assert_eq!(go_on, *b"HTTP/1.1 100 Continue\r\n\r\n");
        stream.write_all(first).unwrap();
        Self { stream, rest }
    }

    fn finish(mut self) -> String {
        self.stream.write_all(self.rest).unwrap();
        let mut answer = [0; 4096];
        let mut text = String::new();
        while !text.contains("total_count") {
            let count = self.stream.read(&mut answer).unwrap();
            assert!(count > 0, "the connection ended: {text}");
            text.push_str(std::str::from_utf8(&answer[..count]).unwrap());
        }
        text
    }
}

fn wait_until_closed(serving: &Serving) {
    eventually("no new connections are taken", || TcpStream::connect(serving.address()).is_err());
}

fn drains(signal: Signal) {
    let private = Private::new();
    let mut serving = private.0.serve(&[]);
    let server = private.postmaster().unwrap();
    // a connection that stays open and asks nothing must not hold anything up for long
    let mut idle = TcpStream::connect(serving.address()).unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let slow = Halved::send(&serving);
    serving.signal(signal);
    wait_until_closed(&serving);
    thread::sleep(Duration::from_millis(500));
    assert_eq!(private.postmaster(), Some(server), "the database went before the requests in flight");
    let answer = slow.finish();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    let begun = Instant::now();
    let said = serving.wait();
    assert_eq!((said.code, said.out.as_str()), (Some(0), ""), "{}", said.err);
    // less than the half minute that requests in flight get
    assert!(begun.elapsed() < Duration::from_secs(25), "it took {:?} to end", begun.elapsed());
    private.wait_stopped(server);
    let log = json_lines(&said.err);
    assert!(log.iter().any(|line| line["request_id"] == "slow" && line["status"] == 200));
    assert_eq!(log.last().unwrap()["message"], "stopped");
}

#[test]
fn sigterm_lets_requests_in_flight_finish() {
    drains(Signal::SIGTERM);
}

#[test]
fn sigint_lets_requests_in_flight_finish() {
    drains(Signal::SIGINT);
}

#[test]
fn a_second_signal_ends_requests_in_flight() {
    let db = TestDb::new();
    let mut serving = Program::new().on(&db).serve(&["--listen", "127.0.0.1:0"]);
    let slow = Halved::send(&serving);
    serving.signal(Signal::SIGTERM);
    // two signals that meet in the kernel are one
    wait_until_closed(&serving);
    let begun = Instant::now();
    serving.signal(Signal::SIGTERM);
    let said = serving.wait();
    assert_eq!(said.code, Some(1));
    // less than the half minute that they would get
    assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());
    assert!(said.err.ends_with("tagd: stopped with requests in flight\n"), "{}", said.err);
    drop(slow);
}

#[test]
fn a_second_signal_with_no_request_in_flight_ends_it_in_good_order() {
    let db = TestDb::new();
    let mut serving = Program::new().on(&db).serve(&["--listen", "127.0.0.1:0"]);
    // the agent keeps its connection open
    assert_eq!(serving.get("/healthz").status, 200);
    serving.signal(Signal::SIGINT);
    wait_until_closed(&serving);
    serving.signal(Signal::SIGINT);
    let said = serving.wait();
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(!said.err.contains("in flight\n"), "{}", said.err);
}

#[test]
fn a_signal_while_starting_ends_it_in_good_order() {
    let private = Private::new();
    for delay in [20, 150, 500] {
        let mut child = private.0.command(&["serve"]).stderr(std::process::Stdio::null()).spawn().unwrap();
        thread::sleep(Duration::from_millis(delay));
        let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
        nix::sys::signal::kill(pid, Signal::SIGTERM).unwrap();
        eventually("it has ended", || child.try_wait().unwrap().is_some());
    }
    // and what it left is a good start
    assert_eq!(private.0.expect(&["demo"]), "demo fleet: 121 new, 0 changed, 0 unchanged\n");
}

#[test]
fn a_signal_ends_a_start_that_waits_for_its_master_key_or_for_a_table() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let ends = |args: &[&str], waits: &mut dyn FnMut() -> bool| {
        let mut child = program.command(args).stderr(std::process::Stdio::null()).spawn().unwrap();
        eventually("it waits", waits);
        let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
        nix::sys::signal::kill(pid, Signal::SIGTERM).unwrap();
        eventually("it has ended", || child.try_wait().unwrap().is_some());
    };
    let serve = ["serve", "--listen", "127.0.0.1:0", "--auth", "keys"];
    // a pipe that is opened and to which nothing is written
    let pipe = program.dir().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut writer = None;
    ends(&[&serve[..], &["--master-key-file", "pipe"]].concat(), &mut || {
        let mut options = std::fs::OpenOptions::new();
        writer = options.write(true).custom_flags(nix::fcntl::OFlag::O_NONBLOCK.bits()).open(&pipe).ok();
        writer.is_some()
    });
    // a table that somebody else has locked
    program.write("master.key", "1".repeat(64));
    program.write("tagd.toml", "[[keys]]\naccess = 'AK'\nsecret = '0123456789abcdef'\nrole = 'operator'\nname = 'n'\n");
    program.expect(&["migrate"]);
    let mut owner = block_on(db.connect());
    block_on(owner.execute("begin; lock table tagd.credential in access exclusive mode")).unwrap();
    ends(&[&serve[..], &["--config", "tagd.toml", "--master-key-file", "master.key"]].concat(), &mut || {
        !block_on(waiting_for_locks(&mut owner)).is_empty()
    });
    block_on(owner.close()).unwrap();
}

#[test]
fn a_killed_server_takes_its_postgres_with_it_and_loses_nothing() {
    let private = Private::new();
    let mut serving = private.0.serve(&[]);
    let server = private.postmaster().unwrap();
    private.0.expect(&["demo"]);
    let total = Private::total(&serving);
    serving.signal(Signal::SIGKILL);
    assert_eq!(serving.wait().code, None);
    private.wait_stopped(server);
    let again = private.0.serve(&[]);
    assert_eq!(Private::total(&again), total);
    assert_eq!(private.0.expect(&["demo"]), "demo fleet: 0 new, 0 changed, 121 unchanged\n");
    assert_eq!(again.stop().code, Some(0));
}

#[test]
fn two_servers_starting_at_once_on_nothing_share_one_postgres() {
    let private = Private::new();
    let servers: Vec<Serving> = thread::scope(|scope| {
        let starts: Vec<_> = (0..2).map(|_| scope.spawn(|| private.0.serve(&[]))).collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    private.0.expect(&["demo"]);
    assert_eq!(Private::total(&servers[0]), Private::total(&servers[1]));
    let server = private.postmaster().unwrap();
    let mut servers = servers.into_iter();
    assert_eq!(servers.next().unwrap().stop().code, Some(0));
    let left = servers.next().unwrap();
    assert!(Private::total(&left).as_u64().unwrap() > 10, "the first took the database with it");
    assert_eq!(private.postmaster(), Some(server));
    assert_eq!(left.stop().code, Some(0));
    private.wait_stopped(server);
}
