//! Where a server listens: Unix sockets, IPv4 and IPv6 at once, a socket that systemd passes.

use std::{
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, Ipv6Addr, TcpListener, TcpStream},
    os::{
        fd::OwnedFd,
        unix::{
            fs::{FileTypeExt, PermissionsExt},
            net::{UnixDatagram, UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use nix::sys::signal::Signal;

use super::program::query_to_try;
use crate::support::{Authority, PATIENCE, Program, Said, Serving, TestDb, json_lines};

/// Sends a request over a stream; status and body of the answer.
fn ask(mut stream: impl Read + Write, request: &str) -> (u16, String) {
    let end = "Connection: close\r\n\r\n";
    stream.write_all(format!("{request}\r\n{end}").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer}"));
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

fn connect(path: &Path) -> UnixStream {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn get(path: &Path, target: &str) -> (u16, String) {
    ask(connect(path), &format!("GET {target} HTTP/1.1\r\nHost: localhost"))
}

/// A program on a database, and the path of a socket in its folder.
fn with_socket() -> (TestDb, Program, PathBuf, String) {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let path = program.dir().join("tagd.sock");
    let address = format!("unix:{}", path.display());
    (db, program, path, address)
}

#[test]
fn a_unix_socket_is_served_for_owner_and_group_and_removed_in_the_end() {
    let (_db, program, path, address) = with_socket();
    let mut serving = program.serve(&["--listen", &address]);
    assert_eq!(serving.ready, format!("tagd is ready on {address} (the given database)\n"));
    let found = fs::symlink_metadata(&path).unwrap();
    assert!(found.file_type().is_socket());
    assert_eq!(found.permissions().mode() & 0o777, 0o660);
    assert_eq!(get(&path, "/readyz").0, 200);
    // the guard of browsers holds for what a proxy forwards
    assert_eq!(ask(connect(&path), "GET /healthz HTTP/1.1\r\nHost: rebound.example").0, 403);
    serving.signal(Signal::SIGTERM);
    let said = serving.wait();
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(!path.exists(), "the socket is left");
    let ready = json_lines(&said.err).into_iter().find(|line| line["message"] == "ready").unwrap();
    assert_eq!(ready["address"], address);
}

#[test]
fn the_query_to_try_leads_through_the_socket() {
    let (_db, program, path, address) = with_socket();
    let mut first = program.serve(&["--listen", &address]);
    first.signal(Signal::SIGTERM);
    let target = query_to_try(&first.wait(), &format!("--unix-socket {} http://localhost", path.display()));
    let serving = program.serve(&["--listen", &address]);
    assert_eq!(get(&path, &target).0, 200);
    assert_eq!(serving.stop().code, Some(0));
}

#[test]
fn a_client_at_a_socket_is_on_this_machine_and_may_be_a_trusted_proxy() {
    for (trusted, expected) in [(None, "127.0.0.1"), (Some("127.0.0.1"), "198.51.100.7")] {
        let (_db, program, path, address) = with_socket();
        let trusted = trusted.map_or_else(Vec::new, |trusted| vec!["--trusted-proxy", trusted]);
        let mut serving = program.serve(&[&["--listen", &address], &trusted[..]].concat());
        let request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 198.51.100.7";
        assert_eq!(ask(connect(&path), request).0, 200);
        serving.signal(Signal::SIGTERM);
        let log = json_lines(&serving.wait().err);
        let answered = log.iter().find(|line| line["message"] == "answered").unwrap();
        assert_eq!(answered["client"], expected);
    }
}

fn refusal(program: &Program, args: &[&str]) -> String {
    let said = program.run(args);
    assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{}", said.err);
    said.err
}

#[test]
fn a_socket_of_a_dead_process_is_replaced_and_that_of_a_live_one_is_not() {
    let (_db, program, path, address) = with_socket();
    let mut serving = program.serve(&["--listen", &address]);
    let err = refusal(&program, &["serve", "--listen", &address]);
    assert_eq!(err, format!("tagd: cannot listen on {address}: another process is listening on it\n"));
    assert_eq!(get(&path, "/healthz").0, 200, "the refused one took the socket away");
    serving.signal(Signal::SIGKILL);
    serving.wait();
    assert!(path.exists());
    let serving = program.serve(&["--listen", &address]);
    assert_eq!(get(&path, "/healthz").0, 200);
    // who replaced the file keeps it
    fs::remove_file(&path).unwrap();
    let other = UnixListener::bind(&path).unwrap();
    assert_eq!(serving.stop().code, Some(0));
    assert!(path.exists(), "the socket of another process was removed");
    drop(other);
}

#[test]
fn what_is_not_a_socket_is_left_alone() {
    let (_db, program, path, address) = with_socket();
    fs::write(&path, "dear").unwrap();
    let err = refusal(&program, &["serve", "--listen", &address]);
    assert_eq!(err, format!("tagd: cannot listen on {address}: there is a file that is not a socket\n"));
    assert_eq!(fs::read_to_string(&path).unwrap(), "dear");
    let err = refusal(&program, &["serve", "--listen", "unix:/no/such/folder/tagd.sock"]);
    assert!(err.starts_with("tagd: cannot listen on unix:/no/such/folder/tagd.sock: No such file"), "{err}");
    let err = refusal(&program, &["serve", "--listen", &format!("unix:/tmp/{}", "x".repeat(120))]);
    assert!(err.contains("path must be shorter than SUN_LEN"), "{err}");
}

#[test]
fn a_server_that_does_not_start_leaves_no_socket() {
    let program = Program::new().with("DATABASE_URL", "postgres://nobody:secret@127.0.0.1:1/none");
    let path = program.dir().join("tagd.sock");
    let err = refusal(&program, &["serve", "--listen", &format!("unix:{}", path.display())]);
    assert!(err.contains("cannot connect to the database"), "{err}");
    assert!(!path.exists());
}

#[test]
fn plain_http_beside_https_may_be_a_socket() {
    let (_db, program, path, address) = with_socket();
    Authority::new("test").sign().write(&program);
    let args = ["--listen", "127.0.0.1:0", "--tls-cert", "cert.pem", "--tls-key", "key.pem", "--http-listen", &address];
    let serving = program.serve(&args);
    assert!(serving.ready.starts_with("tagd is ready on https://127.0.0.1:"), "{}", serving.ready);
    assert!(serving.ready.contains(&format!(" and {address} (")), "{}", serving.ready);
    assert_eq!(get(&path, "/healthz").0, 200);
    assert_eq!(serving.stop().code, Some(0));
    assert!(!path.exists());
}

#[test]
fn the_unspecified_address_of_ipv6_serves_ipv4_too() {
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        eprintln!("not run: this machine has no IPv6");
        return;
    }
    let db = TestDb::new();
    let mut serving = Program::new().on(&db).serve(&["--listen", "[::]:0", "--insecure-listen"]);
    let port: u16 = serving.address().rsplit(':').next().unwrap().parse().unwrap();
    let request = format!("GET /healthz HTTP/1.1\r\nHost: localhost:{port}");
    assert_eq!(ask(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap(), &request).0, 200);
    assert_eq!(ask(TcpStream::connect((Ipv6Addr::LOCALHOST, port)).unwrap(), &request).0, 200);
    serving.signal(Signal::SIGTERM);
    let log = json_lines(&serving.wait().err);
    let clients: Vec<_> =
        log.iter().filter(|line| line["message"] == "answered").map(|line| line["client"].clone()).collect();
    assert_eq!(clients, ["127.0.0.1", "::1"]);
}

/// A server that is started as systemd does: the socket is file descriptor 3. `count` is that of `LISTEN_FDS`.
fn activate(program: &Program, socket: OwnedFd, count: u32, args: &[&str]) -> Result<Serving, Said> {
    let script = "exec 3<&0 4<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=$COUNT LISTEN_FDNAMES=http exec \"$@\"";
    let direct = program.command(&[&["serve"], args].concat());
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(direct.get_program()).args(direct.get_args());
    command.env_clear().envs(direct.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.current_dir(program.dir()).env("COUNT", count.to_string()).stdin(Stdio::from(socket));
    Serving::try_start_as_it_is(command)
}

#[test]
fn a_socket_that_systemd_passes_is_served() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serving = activate(&program, listener.into(), 1, &[]).unwrap_or_else(|said| panic!("{said:?}"));
    assert_eq!(serving.ready, format!("tagd is ready on http://{address} (the given database)\n"));
    assert_eq!(serving.get("/healthz").status, 200);
    assert_eq!(serving.stop().code, Some(0));

    let path = program.dir().join("tagd.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let serving = activate(&program, listener.into(), 1, &[]).unwrap_or_else(|said| panic!("{said:?}"));
    assert_eq!(serving.ready, format!("tagd is ready on unix:{} (the given database)\n", path.display()));
    assert_eq!(get(&path, "/healthz").0, 200);
    assert_eq!(serving.stop().code, Some(0));
    assert!(path.exists(), "systemd removes it, or keeps it for the next start");
}

#[test]
fn what_systemd_passes_must_be_one_listening_socket() {
    let program = Program::new().with("DATABASE_URL", "postgres://nobody:secret@127.0.0.1:1/none");
    let refused = |socket: OwnedFd, count: u32, args: &[&str], expected: &str| {
        let said = activate(&program, socket, count, args).err().expect("a refusal");
        assert_eq!((said.code, said.err), (Some(1), format!("tagd: {expected}\n")));
    };
    let must = "LISTEN_FDS: systemd must pass one listening socket, of TCP or a Unix stream socket, got";
    let tcp = |address: &str| OwnedFd::from(TcpListener::bind(address).unwrap());
    refused(tcp("127.0.0.1:0"), 2, &[], &format!("{must} 2 sockets"));
    refused(UnixDatagram::unbound().unwrap().into(), 1, &[], &format!("{must} a socket that is none for streams"));
    let (connected, _other) = UnixStream::pair().unwrap();
    refused(connected.into(), 1, &[], &format!("{must} a socket that is not listening"));
    refused(
        tcp("127.0.0.1:0"),
        1,
        &["--listen", "127.0.0.1:1"],
        "listen: must not be set where systemd passes a socket (LISTEN_FDS); got 127.0.0.1:1",
    );
    let open = TcpListener::bind("0.0.0.0:0").unwrap();
    let address = open.local_addr().unwrap();
    let expected = format!(
        "listen: {address} is reachable from other machines, and requests are not authenticated; use a loopback address \
         or add --insecure-listen"
    );
    refused(open.into(), 1, &[], &expected);
}
