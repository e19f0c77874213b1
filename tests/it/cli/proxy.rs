//! The examples of proxies in `deploy`: nginx and Caddy run with them in front of a real server.

use std::{
    fs,
    io::{self, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};
use sqlx::{Connection, Executor};

use crate::{
    access::signed,
    support::{Authority, Program, Serving, TestDb, Tool, block_on, eventually, json_lines, repository},
};

const KEY: (&str, &str) = ("OPERATOR", "0123456789abcdef0123");
const PATH: &str = "/v2/p/images/resource_instances/action";
/// The name that the examples serve.
const NAME: &str = "tags.example.org";
/// An address of this machine that is not the proxy's.
const CLIENT: &str = "127.0.0.2";

/// A proxy; ended when it goes out of scope.
struct Proxy {
    child: Child,
    port: u16,
    folder: Program,
}

/// What a client received.
#[derive(Debug)]
struct Received {
    version: String,
    status: u16,
    head: String,
    body: String,
}

impl Received {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The text with something else in the place of what must be in it.
fn replaced(text: &str, pairs: &[(&str, &str)]) -> String {
    pairs.iter().fold(text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from} is not in\n{text}");
        text.replace(from, to)
    })
}

impl Proxy {
    fn start(folder: Program, port: u16, mut command: Command) -> Self {
        let log = fs::File::create(folder.dir().join("output")).unwrap();
        command.current_dir(folder.dir()).env("HOME", folder.dir()).env("XDG_DATA_HOME", folder.dir());
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let mut child = command.spawn().expect("the proxy");
        eventually("the proxy listens", || {
            if let Some(status) = child.try_wait().unwrap() {
                panic!("{command:?}: {status}: {}", folder.read("output"));
            }
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        Self { child, port, folder }
    }

    /// A folder with a certificate for the name.
    fn folder() -> Program {
        let folder = Program::new();
        let authority = Authority::new("CA of the test");
        folder.write("ca.pem", authority.certificate.pem());
        authority
            .sign_key(rcgen::KeyPair::generate().unwrap(), |params| {
                params.subject_alt_names = vec![rcgen::SanType::DnsName(NAME.try_into().unwrap())];
            })
            .write(&folder);
        folder
    }

    fn nginx(program: &str, server: &str) -> Self {
        let (folder, port) = (Self::folder(), free_port());
        let dir = folder.dir().display().to_string();
        let site = replaced(
            &fs::read_to_string(repository("deploy/nginx/tagd.conf")).unwrap(),
            &[
                ("127.0.0.1:8080", server),
                ("listen 443 ", &format!("listen 127.0.0.1:{port} ")),
                ("/etc/nginx/cert.pem", &format!("{dir}/cert.pem")),
                ("/etc/nginx/key.pem", &format!("{dir}/key.pem")),
            ],
        );
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let temporary: String = temporary.iter().map(|name| format!("{name}_temp_path {dir}/{name};\n")).collect();
        // as root its workers are another user, who must write there
        let user = if nix::unistd::Uid::effective().is_root() { "user root;\n" } else { "" };
        folder.write(
            "nginx.conf",
            format!(
                "daemon off;\n{user}pid {dir}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n\
                 {temporary}{site}}}\n"
            ),
        );
        let command = || {
            let mut command = Command::new(program);
            command.args(["-p", &dir, "-e", "stderr", "-c", "nginx.conf"]);
            command
        };
        let checked = command().arg("-t").output().unwrap();
        let said = String::from_utf8_lossy(&checked.stderr);
        assert!(checked.status.success() && said.contains("test is successful"), "{said}");
        Self::start(folder, port, command())
    }

    fn caddy(program: &str, server: &str) -> Self {
        let (folder, port) = (Self::folder(), free_port());
        let dir = folder.dir().display().to_string();
        let site = replaced(
            &fs::read_to_string(repository("deploy/caddy/Caddyfile")).unwrap(),
            &[
                ("127.0.0.1:8080", server),
                (
                    &format!("\n{NAME} {{\n"),
                    &format!("\n{NAME}:{port} {{\nbind 127.0.0.1\ntls {dir}/cert.pem {dir}/key.pem\n"),
                ),
            ],
        );
        folder.write("Caddyfile", format!("{{\nadmin off\nauto_https disable_redirects\n}}\n{site}"));
        let command = |action: &str| {
            let mut command = Command::new(program);
            command.args([action, "--adapter", "caddyfile", "--config", "Caddyfile"]).current_dir(folder.dir());
            command.env("HOME", folder.dir()).env("XDG_DATA_HOME", folder.dir());
            command
        };
        let checked = command("validate").output().unwrap();
        let said = String::from_utf8_lossy(&checked.stderr);
        assert!(checked.status.success(), "{said}");
        let run = command("run");
        Self::start(folder, port, run)
    }

    /// Sends a request over HTTP/1.1 or HTTP/2, signed with the key.
    fn send(&self, protocol: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Received {
        self.folder.write("body", body);
        let host = format!("{NAME}:{}", self.port);
        // a proxy changes what is forwarded
        let covered = headers.iter().copied().filter(|(name, _)| *name != "x-forwarded-for");
        let covered: Vec<_> = covered.chain([("host", host.as_str())]).collect();
        // a signature does not tell an escaped slash from a slash
        let signature = signed(KEY, method, (&path.replace("%2F", "/"), ""), &covered, body);
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--include", protocol, "--cacert", "ca.pem", "--request", method]);
        command.args(["--noproxy", "*", "--max-time", "120", "--header", "Expect:"]);
        command.args(["--resolve", &format!("{NAME}:{}:127.0.0.1", self.port)]);
        if cfg!(target_os = "linux") {
            command.args(["--interface", CLIENT]);
        }
        if !body.is_empty() {
            command.args(["--data-binary", "@body"]);
        }
        for (name, value) in headers {
            command.args(["--header", &format!("{name}: {value}")]);
        }
        for (name, value) in &signature {
            command.args(["--header", &format!("{name}: {value}")]);
        }
        let ran = command.arg(format!("https://{host}{path}")).current_dir(self.folder.dir()).output().unwrap();
        assert!(ran.status.success(), "{}\n{}", String::from_utf8_lossy(&ran.stderr), self.folder.read("output"));
        let text = String::from_utf8(ran.stdout).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let mut words = head.split(' ');
        let version = words.next().unwrap().to_owned();
        let status = words.next().unwrap().trim().parse().unwrap();
        Received { version, status, head: head.to_lowercase(), body: body.to_owned() }
    }

    fn query(&self, protocol: &str, headers: &[(&str, &str)]) -> Received {
        let query = json!({"action": "count", "tags": [{"key": "k", "values": ["v"]}]}).to_string();
        self.send(
            protocol,
            "POST",
            PATH,
            &[headers, &[("content-type", "application/json")]].concat(),
            query.as_bytes(),
        )
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), Signal::SIGTERM);
        let _ = self.child.wait();
    }
}

/// Whether there is a curl that speaks HTTP/2; it is said if there is none.
fn has_curl(test: &str) -> bool {
    let version = Command::new("curl").arg("--version").output();
    let found = version.is_ok_and(|ran| String::from_utf8_lossy(&ran.stdout).contains(" HTTP2"));
    if !found {
        // not by a macro, whose text is only shown for tests that fail
        io::stderr().write_all(format!("{test} DID NOT RUN: there is no curl with HTTP/2\n").as_bytes()).unwrap();
    }
    found
}

fn server() -> (TestDb, Program, Serving) {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let (access, secret) = KEY;
    program.write(
        "tagd.toml",
        format!("[[keys]]\naccess = \"{access}\"\nsecret = \"{secret}\"\nname = \"first\"\nrole = \"operator\"\n"),
    );
    program.write("master.key", "0123456789abcdef".repeat(4));
    for private in ["tagd.toml", "master.key"] {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(program.dir().join(private), mode).unwrap();
    }
    // with the flags that the examples name
    let serving = program.serve(&[
        "--config",
        "tagd.toml",
        "--listen",
        "127.0.0.1:0",
        "--auth",
        "keys,tokens",
        "--master-key-file",
        "master.key",
        "--allowed-host",
        NAME,
        "--trusted-proxy",
        "127.0.0.1",
    ]);
    (db, program, serving)
}

/// An import of more than 8 MiB: number of lines and the lines.
fn fleet() -> (u32, String) {
    const LINES: u32 = 300;
    let description = "x".repeat(30_000);
    let line = |number| {
        let line = json!({
            "project_id": "p", "resource_type": "images", "resource_id": format!("i{number}"),
            "resource_detail": {"description": description}, "tags": [{"key": "k", "value": "v"}],
        });
        format!("{line}\n")
    };
    (LINES, (0..LINES).map(line).collect())
}

fn is_right(proxy: &Proxy, db: &TestDb, mut serving: Serving) {
    let (lines, body) = fleet();
    assert!(body.len() > 8 << 20, "{}", body.len());
    let stream = [("content-type", "application/x-ndjson"), ("x-sdk-content-sha256", "UNSIGNED-PAYLOAD")];
    for (protocol, version, created) in [("--http1.1", "HTTP/1.1", lines), ("--http2", "HTTP/2", 0)] {
        let imported = proxy.send(protocol, "POST", "/registry/v1/import", &stream, body.as_bytes());
        assert_eq!((imported.status, imported.version.as_str()), (200, version), "{imported:?}");
        assert_eq!(imported.json()["created"], created, "{imported:?}");
        let exported = proxy.send(protocol, "GET", "/registry/v1/export", &[], b"");
        let resources = exported.body.lines().filter(|line| line.contains("\"resource_id\""));
        assert_eq!((exported.status, resources.count()), (200, lines as usize));
        for _ in 0..3 {
            let counted = proxy.query(protocol, &[("x-forwarded-for", "192.0.2.7")]);
            assert_eq!((counted.status, counted.version.as_str()), (200, version), "{counted:?}");
            assert_eq!(counted.json(), json!({"total_count": lines}));
        }
        // what is escaped in a path is signed as it is sent
        for key in ["a%20b", "a%2Fb", "%E6%A0%87"] {
            let deleted = proxy.send(protocol, "DELETE", &format!("/v2/p/images/i1/tags/{key}"), &[], b"");
            assert_eq!(deleted.status, 404, "{key}: {deleted:?}");
            assert!(deleted.json()["error"]["code"].as_str().unwrap().starts_with("IMG."), "{key}: {deleted:?}");
        }
        let large = vec![b' '; (8 << 20) + 1];
        let refused = proxy.send(protocol, "POST", PATH, &[("content-type", "application/json")], &large);
        assert_eq!((refused.status, &refused.json()["error_code"]), (413, &json!("APIGW.0201")), "{refused:?}");
        assert_eq!(refused.json()["error_msg"], "body: must be at most 8388608 bytes");
        assert_eq!(proxy.send(protocol, "GET", "/metrics", &[], b"").status, 404);
    }
    if cfg!(target_os = "linux") {
        let log = serving.log();
        let clients: Vec<Value> = json_lines(&log).iter().map(|line| line["client"].clone()).collect();
        assert!(clients.contains(&json!(CLIENT)) && !clients.contains(&json!("192.0.2.7")), "{log}");
    }

    // what tagd refuses for now is passed on
    let mut owner = block_on(db.connect());
    block_on(owner.execute("alter schema tagd rename to elsewhere")).unwrap();
    eventually("it is not ready", || {
        let ready = proxy.send("--http2", "GET", "/readyz", &[], b"");
        ready.status == 503 && ready.head.contains("retry-after: ") && ready.json()["status"].is_string()
    });
    block_on(owner.execute("alter schema elsewhere rename to tagd")).unwrap();
    block_on(owner.close()).unwrap();
    eventually("it is ready", || proxy.send("--http2", "GET", "/readyz", &[], b"").status == 200);

    // a tagd that is away is the same for clients
    serving.signal(Signal::SIGTERM);
    assert_eq!(serving.wait().code, Some(0));
    for protocol in ["--http1.1", "--http2"] {
        let away = proxy.query(protocol, &[]);
        assert_eq!((away.status, &away.json()["error_code"]), (503, &json!("APIGW.0201")), "{away:?}");
        assert!(away.head.contains("retry-after: 1"), "{away:?}");
    }
}

#[test]
fn nginx_with_the_example_passes_signed_requests_and_imports_on() {
    static NGINX: Tool = Tool::of("tools/nginx");
    let test = "nginx_with_the_example_passes_signed_requests_and_imports_on";
    let Some(program) = NGINX.path(test).filter(|_| has_curl(test)) else { return };
    let (db, _folder, serving) = server();
    let proxy = Proxy::nginx(program, serving.address());
    is_right(&proxy, &db, serving);
}

#[test]
fn caddy_with_the_example_passes_signed_requests_and_imports_on() {
    static CADDY: Tool = Tool::of("tools/caddy");
    let test = "caddy_with_the_example_passes_signed_requests_and_imports_on";
    let Some(program) = CADDY.path(test).filter(|_| has_curl(test)) else { return };
    let (db, _folder, serving) = server();
    let proxy = Proxy::caddy(program, serving.address());
    is_right(&proxy, &db, serving);
}
