//! `tagd health`: asks the server that the settings describe, or another one, whether it is ready.

use std::{
    io::{Read, Write},
    net::TcpListener,
    thread,
};

use sqlx::{Connection, Executor};
use tagd::domain::Outage;

use crate::support::{Authority, Program, Said, Serving, TestDb, block_on, eventually, finish};

fn refusal(said: &Said) -> &str {
    assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{}", said.err);
    assert_eq!(said.complaints().len(), 1, "{}", said.err);
    said.err.trim().strip_prefix("tagd: ").unwrap()
}

/// A port of loopback that nobody has at the moment.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn the_server_of_the_same_environment_is_asked() {
    let db = TestDb::new();
    let (port, plain) = (free_port(), free_port());
    let program = Program::new().on(&db);
    Authority::new("Test CA").sign().write(&program);
    program.write("client_ca.pem", Authority::new("Clients").certificate.pem());
    let (open, here) = (format!("0.0.0.0:{port}"), format!("127.0.0.1:{port}"));
    let socket = format!("unix:{}", program.dir().join("socket").display());
    let tls = [("TAGD_TLS_CERT", "cert.pem"), ("TAGD_TLS_KEY", "key.pem")];
    let beside = format!("127.0.0.1:{plain}");
    for (variables, url) in [
        (vec![("TAGD_LISTEN", here.as_str())], format!("http://{here}")),
        (vec![("TAGD_LISTEN", open.as_str()), ("TAGD_INSECURE_LISTEN", "true")], format!("http://{here}")),
        (vec![("TAGD_LISTEN", socket.as_str())], socket.clone()),
        ([&tls[..], &[("TAGD_LISTEN", here.as_str())]].concat(), format!("https://{here}")),
        (
            [
                &tls[..],
                &[("TAGD_LISTEN", &here), ("TAGD_HTTP_LISTEN", &beside), ("TAGD_TLS_CLIENT_CA", "client_ca.pem")],
            ]
            .concat(),
            format!("http://{beside}"),
        ),
    ] {
        let run = |args: &[&str]| {
            let mut command = program.command(args);
            // a proxy is not for this machine
            command.envs(variables.iter().copied()).env("HTTP_PROXY", "http://127.0.0.1:1");
            command
        };
        let health = || finish(run(&["health"]), b"");
        assert!(refusal(&health()).starts_with(&format!("{url}: ")));
        let serving = Serving::start(run(&["serve"]));
        assert_eq!(health(), Said { code: Some(0), out: format!("{url}: ready\n"), err: String::new() });
        assert_eq!(serving.stop().code, Some(0));
    }
}

#[test]
fn a_server_whose_database_is_away_is_not_ready() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let serving = program.serve(&["--listen", "127.0.0.1:0"]);
    let health = || program.run(&["health", "--url", &serving.url]);
    assert_eq!(health().code, Some(0));
    block_on(async {
        let mut owner = db.connect().await;
        owner.execute("alter schema tagd rename to elsewhere").await.unwrap();
        owner.close().await.unwrap();
    });
    // the database is asked once a second
    eventually("it is not ready", || health().code == Some(1));
    assert_eq!(refusal(&health()), format!("{}: {}", serving.url, Outage::Schema));
}

#[test]
fn a_certificate_is_checked_if_its_ca_is_given() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let authority = Authority::new("Test CA");
    authority.sign().write(&program);
    program.write("ca.pem", authority.certificate.pem());
    program.write("other.pem", Authority::new("Another").certificate.pem());
    let serving = program.serve(&["--listen", "127.0.0.1:0", "--tls-cert", "cert.pem", "--tls-key", "key.pem"]);
    let url = serving.url.replace("127.0.0.1", "localhost");
    for (ca, code) in [(&[][..], 0), (&["--tls-ca", "ca.pem"], 0), (&["--tls-ca", "other.pem"], 1)] {
        let said = program.run(&[&["health", "--url", &url], ca].concat());
        assert_eq!(said.code, Some(code), "{ca:?}: {}", said.err);
    }
    let said = program.run(&["health", "--url", &url, "--tls-ca", "missing.pem"]);
    assert!(refusal(&said).starts_with("tls_ca: cannot read missing.pem: "), "{}", said.err);
}

#[test]
fn what_is_no_server_is_one_clear_line() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let other = format!("http://{}", listener.local_addr().unwrap());
    let serving = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 1024]).unwrap();
        stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}").unwrap();
    });
    let program = Program::new();
    let said = program.run(&["health", "--url", &other]);
    assert_eq!(refusal(&said), format!("{other}/readyz: answered with 404; tagd answers 200 or 503"));
    serving.join().unwrap();
    // one that says nothing
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = (format!("http://{}", silent.local_addr().unwrap()), silent);
    assert!(refusal(&program.run(&["health", "--url", &silent.0])).starts_with(&silent.0));
    for url in ["ftp://127.0.0.1:1", "nonsense", "http://"] {
        let said = program.run(&["health", "--url", url]);
        assert!(refusal(&said).starts_with("url: must be http://, https:// or unix: and"), "{url}: {}", said.err);
    }
    let with = |name: &str, value: &str| Program::new().with(name, value).run(&["health"]);
    assert!(refusal(&with("TAGD_LISTEN", "127.0.0.1:0")).starts_with("listen: 127.0.0.1:0 is not where"));
    assert!(refusal(&with("TAGD_LISTEN", "nonsense")).contains("must be an IP address and a port"));
    let program = Program::new().with("TAGD_TLS_CERT", "c").with("TAGD_TLS_KEY", "k").with("TAGD_TLS_CLIENT_CA", "a");
    assert!(refusal(&program.run(&["health"])).starts_with("tls_client_ca: clients must present a certificate"));
}
