//! TLS: HTTPS, client certificates, new certificates while connections go on, and what has to be refused.

use std::{
    fs,
    io::{self, ErrorKind, Read, Write},
    net::TcpStream,
    sync::Arc,
};

use nix::sys::signal::Signal;
use rcgen::{KeyPair, date_time_ymd};
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned, SupportedProtocolVersion,
    client::Resumption,
    crypto::ring,
    pki_types::{PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, pem::PemObject},
    version::{TLS12, TLS13},
};
use serde_json::{Value, json};
use sqlx::{Connection as _, Executor};
use tagd::http::{Tls, TlsFiles};

use crate::support::{
    Authority, PATIENCE, Program, Serving, Signed, TestDb, block_on, eventually, eventually_found, json_lines,
    waiting_for_locks,
};

// ---- certificates

/// The arguments for HTTPS.
const TLS: [&str; 7] = ["--listen", "127.0.0.1:0", "--tls-cert", "cert.pem", "--tls-key", "key.pem", "--with-demo"];

/// A key of this test alone, in the form of PKCS#1: ring makes no keys for RSA.
const RSA_KEY: &str = "\
     MIIEowIBAAKCAQEArbRg1FKabieiaLohDuVhtJQA2Kw4bboVp9qHPpEskBEljw4jKqFlIHg2dGTfrvpvvbPCpiGl1qwK4A+XQShvcuHpu44e\
     NiDSQ4/TDY3lRt/kMH/165/gFsr7SfJxIC1alNw9UGHW+kdZfGYxM1oNGSyaB6E+y0fzXQGF3lEg0+8uxFtOR9wIAjZKQEX0SlB1I9KAB1Sw\
     uopGXlC6FZxx4Xt+dxrejOSS3kvSZQHd2BO7VAX4I/ozlUE547/1UJJj8KOOFZsXDaPL8ZTNBCkwDmcAyx7z8exQwZYAs0/o/inH5A+GE6u/\
     HyLWIimhDf3OpuzbS/5Uj75ZeDAleHzU5wIDAQABAoIBABdrF5jYcBiEwGkVGurasvL49yo/AbaNXWkNValyQgtEPIeOVOBk9PDNNC46AUwi\
     WFk/eHEUXTrVY/v0LiSrMmdPHMdb8CfFAgP4ym/r3urQuX9uaPW0zq3T/M/p3yWC59Dk5mFFZ4nDf8V9M4nkTJrFwBhiPUiDsUQrNeSUlHPt\
     9JAXiLL9su81LJzseP4tuM0ZcHSVSjdhADE4Oqodj7xcXjirDzGVw4BwZCn1RcLOm3+sX0dtS515gdq26rSKfU6R9vgtUhajLP7M8nr5IG/y\
     7rfG0BN46OMVr2T+rwW5fVkdbPf6xlZaaOv4KDI7TqoezTLswfhcOai+iE72FBkCgYEA5kXRjmnG0/S0MDkLrZsGxHw0zmm39TiUtjKlm0pY\
     2m4gEVhatL2hoefwOgzngg33RU6aIdwNKqgffGurEd38z/ZGMEfoYCDaLktD9psNhzS3PWWkFlwY1e+dV1sTga1EHWAuTN36Tj3ZDaba9zpT\
     aGCB5qHAb3ZHPfBpdNifHr8CgYEAwRyeGGWcnZfmRSOErw8r0YQ3neI66E+juVYWtEaHCG/kSF2Smwznq6pCt8kLqZFl+UelJidXrCwwshcg\
     bCX081C2w76YH4lxRSnnKT/nZJ1D2Dy2bQq44rxXEu9vRFjV7lrUhBTUXCU5ovpxabXlC8Mm5qZGCidhsfbizsWqe9kCgYAjA2i6u9C0t9eS\
     IYpqClF8HNq2rBKBoenSzl6p/yMFi4squAGKy+7AvJClcwLcnp0Dl9EN5vTFkKzA8WognF1tjafcfYKS40vpkB40aB0letmF52eM0tIf7YBC\
     ISIVLLBXuyEvJO2DahoP3lgbEW5PR6VY2S12hUiN3Xlbf/ip5wKBgFkSryWHsP7L8s3PPUNWFxsUBmdP02YWXel9+Qj8Qwq0ObLbXmUgRbfb\
     19xX4oY7Z7LcxiNcIEdtNqTen/jiZSLaBwMw5ZAeYF3LnzFapYu2MnYKQwb23CLRRsSYJlV7OGoyATZPOUirbvNq22csHFMZl9bpuQKz+Y8R\
     1roTWLi5AoGBAKWyybhLy7RJ+Yk1bhEYLe1Y4eZ+Olza5PVD5z4j02DZsQp5hX9Zmjv2DqymcN6te3IBcmxznfqNepGZOFgrz9QwiMBHID7M\
     bJEFiDMiShHs+THCAJpoSNRJJCz7ka53Bx1X69hl+LcJwDkWMl/ji70xFCM7gzwf35WJwAfPz4D6";

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = (0..3).fold(0, |bits, i| bits << 8 | u32::from(three.get(i).copied().unwrap_or(0)));
        for i in 0..4 {
            let is_padding = i > three.len();
            text.push(if is_padding { '=' } else { DIGITS[(bits >> (18 - 6 * i) & 63) as usize].into() });
        }
    }
    text
}

fn pem(label: &str, base64: &str) -> String {
    format!("-----BEGIN {label}-----\n{base64}\n-----END {label}-----\n")
}

// ---- clients

type Connection = StreamOwned<ClientConnection, TcpStream>;

fn client_of(versions: &[&'static SupportedProtocolVersion], ca: &Authority, own: Option<&Signed>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(ca.certificate.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots);
    match own {
        None => config.with_no_client_auth(),
        Some(own) => {
            let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(own.key.serialize_der()));
            config.with_client_auth_cert(vec![own.certificate.der().clone()], key).unwrap()
        }
    }
}

/// A client that trusts a CA, may have a certificate of its own, and resumes no session.
fn client(ca: &Authority, own: Option<&Signed>) -> Arc<ClientConfig> {
    let mut config = client_of(&[&TLS12, &TLS13], ca, own);
    config.resumption = Resumption::disabled();
    Arc::new(config)
}

/// Connects; the handshake is over as far as the client can see.
fn try_connect(serving: &Serving, config: &Arc<ClientConfig>) -> io::Result<Connection> {
    let socket = TcpStream::connect(serving.address())?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    let connection = ClientConnection::new(Arc::clone(config), "localhost".try_into().unwrap()).unwrap();
    let mut stream = StreamOwned::new(connection, socket);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

fn connect(serving: &Serving, config: &Arc<ClientConfig>) -> Connection {
    try_connect(serving, config).unwrap()
}

/// Why a client is refused. In TLS 1.3 it learns that only when it reads.
fn refusal(serving: &Serving, config: &Arc<ClientConfig>) -> String {
    let read = try_connect(serving, config).and_then(|mut stream| stream.read(&mut [0]));
    read.expect_err("a refusal").to_string()
}

/// Reads one answer.
fn read_answer(stream: &mut impl Read) -> String {
    let mut seen = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&seen);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return text.into_owned();
            }
        }
        let count = stream.read(&mut chunk).unwrap();
        assert!(count > 0, "the connection ended after {text:?}");
        seen.extend_from_slice(&chunk[..count]);
    }
}

/// The status of a GET with these header lines.
fn get(stream: &mut (impl Read + Write), path: &str, lines: &str) -> u16 {
    stream.write_all(format!("GET {path} HTTP/1.1\r\n{lines}\r\n").as_bytes()).unwrap();
    read_answer(stream).split(' ').nth(1).unwrap().parse().unwrap()
}

const HOST: &str = "Host: localhost\r\n";

/// The body of a count in the demo fleet.
const COUNT: &str = r#"{"action":"count","tags":[{"key":"env","values":["prod"]}]}"#;

/// The head of the count, with more lines.
fn count_head(lines: &str) -> String {
    format!(
        "POST /v2/fd73a4a14a4a4dfb9771a8475e5198ea/images/resource_instances/action HTTP/1.1\r\n{HOST}\
         Content-Type: application/json\r\nContent-Length: {}\r\n{lines}\r\n",
        COUNT.len()
    )
}

fn check_count(answer: &str) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(serde_json::from_str::<Value>(body).unwrap(), json!({ "total_count": 6 }));
}

fn count(stream: &mut (impl Read + Write)) {
    stream.write_all((count_head("") + COUNT).as_bytes()).unwrap();
    check_count(&read_answer(stream));
}

/// Whether new connections see a certificate.
fn presents(serving: &Serving, config: &Arc<ClientConfig>, signed: &Signed) -> bool {
    let stream = connect(serving, config);
    stream.conn.peer_certificates().unwrap()[0] == *signed.certificate.der()
}

/// The messages of a level in the log so far.
fn logged(serving: &Serving, level: &str) -> Vec<String> {
    let lines = json_lines(&serving.log());
    let of_level = lines.iter().filter(|line| line["level"] == level);
    of_level.map(|line| line["message"].as_str().unwrap().to_owned()).collect()
}

// ---- HTTPS

#[test]
fn https_answers_in_http_1_1_and_tls_1_2_or_1_3() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let ca = Authority::new("CA");
    ca.sign().write(&program);
    let serving = program.serve(&TLS);
    assert_eq!(serving.ready, format!("tagd is ready on https://{} (the given database)\n", serving.address()));
    for version in [&TLS12, &TLS13] {
        for protocols in [&[&b"h2"[..], b"http/1.1"][..], &[]] {
            let mut config = client_of(&[version], &ca, None);
            config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
            let config = Arc::new(config);
            let mut stream = connect(&serving, &config);
            assert_eq!(stream.conn.protocol_version(), Some(version.version));
            let expected = if protocols.is_empty() { None } else { Some(&b"http/1.1"[..]) };
            assert_eq!(stream.conn.alpn_protocol(), expected);
            // one connection for several requests, and a session for several connections
            count(&mut stream);
            count(&mut stream);
            let mut again = connect(&serving, &config);
            count(&mut again);
            assert_eq!(again.conn.handshake_kind(), Some(HandshakeKind::Resumed));
        }
    }
    let mut config = client_of(&[&TLS13], &ca, None);
    config.alpn_protocols = vec![b"h2".to_vec()];
    assert!(refusal(&serving, &Arc::new(config)).contains("NoApplicationProtocol"));
    let said = serving.stop();
    assert_eq!((said.code, said.out.as_str()), (Some(0), ""));
    assert!(said.err.contains("a query to try: curl -s --insecure https://127.0.0.1:"), "{}", said.err);
    assert!(said.err.contains("credentials that are sent are ignored"), "{}", said.err);
}

#[test]
fn the_guard_knows_that_the_scheme_is_https() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let ca = Authority::new("CA");
    ca.sign().write(&program);
    let serving = program.serve(&[&TLS[..], &["--allowed-host", "tags.example"]].concat());
    let config = client(&ca, None);
    for (lines, status) in [
        ("Host: tags.example\r\n", 200),
        ("Host: evil.example\r\n", 403),
        ("Host: tags.example\r\nOrigin: https://tags.example\r\n", 200),
        ("Host: tags.example\r\nOrigin: https://tags.example:443\r\n", 200),
        ("Host: tags.example:443\r\nOrigin: https://tags.example\r\n", 200),
        ("Host: tags.example:8443\r\nOrigin: https://tags.example:8443\r\n", 200),
        ("Host: tags.example:8443\r\nOrigin: https://tags.example\r\n", 403),
        ("Host: tags.example\r\nOrigin: http://tags.example\r\n", 403),
        ("Host: tags.example:8443\r\nOrigin: http://tags.example:8443\r\n", 403),
        ("Host: tags.example\r\nOrigin: https://evil.example\r\n", 403),
        ("Host: tags.example\r\nOrigin: null\r\n", 403),
    ] {
        assert_eq!(get(&mut connect(&serving, &config), "/healthz", lines), status, "{lines}");
    }
}

#[test]
fn what_is_not_tls_gets_no_answer_and_does_no_harm() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let ca = Authority::new("CA");
    ca.sign().write(&program);
    let serving = program.serve(&TLS);
    for bytes in [&b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"[..], b"\x16\x03\x01\x00\x05hello", &[0xff; 100]]
    {
        let mut stream = TcpStream::connect(serving.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(bytes).unwrap();
        let mut answer = Vec::new();
        // closed, or reset where something was left unread
        let _ = stream.read_to_end(&mut answer);
        assert!(!answer.windows(4).any(|part| part == b"HTTP"), "{}", String::from_utf8_lossy(&answer));
    }
    // ends in the middle of a handshake
    let config = client(&ca, None);
    let mut hello = ClientConnection::new(Arc::clone(&config), "localhost".try_into().unwrap()).unwrap();
    let mut bytes = Vec::new();
    hello.write_tls(&mut bytes).unwrap();
    for end in [1, bytes.len() / 2, bytes.len()] {
        TcpStream::connect(serving.address()).unwrap().write_all(&bytes[..end]).unwrap();
    }
    count(&mut connect(&serving, &config));
    let said = serving.stop();
    assert_eq!(said.code, Some(0));
    assert!(!said.err.contains("\"ERROR\""), "{}", said.err);
}

/// Whether the server has not closed a connection.
fn is_open(mut stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    stream.read(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

#[test]
fn silent_connections_keep_nobody_waiting_and_are_closed() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let ca = Authority::new("CA");
    ca.sign().write(&program);
    let serving = program.serve(&[&TLS[..], &["--workers", "1", "--http-listen", "127.0.0.1:0"]].concat());
    let plain = plain_address(&serving);
    let config = client(&ca, None);
    let mut silent = Vec::new();
    eventually("requests are answered while the others are still connected", || {
        // more than the number of handshakes with which actix-web stops accepting by default
        silent = (0..270).map(|_| TcpStream::connect(serving.address()).unwrap()).collect();
        count(&mut connect(&serving, &config));
        count(&mut TcpStream::connect(&plain).unwrap());
        silent.iter().all(is_open)
    });
    eventually("silent connections are closed", || !silent.iter().any(is_open));
}

// ---- files

#[test]
fn keys_may_have_any_usual_form() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let ca = Authority::new("CA");
    let config = client(&ca, None);
    ca.sign().write(&program);
    let serving = program.serve(&TLS);

    let ecdsa = ca.sign();
    let pkcs8 = ecdsa.key.serialize_der();
    // the version and the length of the key, of what is in PKCS#8
    let start = pkcs8.windows(5).position(|part| part == [2, 1, 1, 4, 32]).unwrap() - 2;
    let sec1 = pem("EC PRIVATE KEY", &base64(&pkcs8[start..]));
    // as openssl writes them
    let sec1 = format!("{}{sec1}", pem("EC PARAMETERS", "BggqhkjOPQMBBw=="));

    let pkcs1 = pem("RSA PRIVATE KEY", RSA_KEY);
    let inner = PrivatePkcs1KeyDer::from_pem_slice(pkcs1.as_bytes()).unwrap();
    let inner = inner.secret_pkcs1_der();
    let length = |length: usize| [0x82, (length >> 8) as u8, length as u8];
    let rsa = [
        &[0x30][..],
        &length(inner.len() + 22),
        b"\x02\x01\x00\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00\x04",
        &length(inner.len()),
        inner,
    ]
    .concat();
    let key = KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(rsa), &rcgen::PKCS_RSA_SHA256).unwrap();
    let rsa = ca.sign_key(key, |_| ());

    let p384 = ca.sign_key(KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap(), |_| ());
    let ed25519 = ca.sign_key(KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap(), |_| ());
    let pairs = [
        (&ecdsa, sec1),
        (&rsa, pkcs1),
        (&rsa, rsa.key.serialize_pem()),
        (&p384, p384.key.serialize_pem()),
        (&ed25519, ed25519.key.serialize_pem().replace('\n', "\r\n")),
        (&ecdsa, format!("what openssl says first\n{}", ecdsa.key.serialize_pem())),
    ];
    for (number, (signed, key)) in (1..).zip(pairs) {
        program.write("cert.pem", signed.certificate.pem() + &ca.certificate.pem());
        program.write("key.pem", key);
        serving.signal(Signal::SIGHUP);
        // some certificates come twice, so that it was presented before
        eventually("they are reloaded", || serving.log().matches("reloaded the certificate").count() == number);
        assert!(presents(&serving, &config, signed));
        let chain = connect(&serving, &config).conn.peer_certificates().unwrap().len();
        assert_eq!(chain, 2, "the certificates of CAs are sent along");
    }
    assert_eq!(logged(&serving, "ERROR"), [""; 0]);
}

/// Files that are of no use, as certificate, key and what is said of them.
fn bad_files(ca: &Authority) -> Vec<(Option<String>, Option<String>, &'static str)> {
    let (good, other) = (ca.sign(), ca.sign());
    let (cert, key) = (good.certificate.pem(), good.key.serialize_pem());
    let cut = |pem: &str| pem[..pem.len() / 2].to_owned();
    let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let garbled = key.lines().map(|line| if line.starts_with('-') { line.into() } else { format!("*{line}") });
    let garbled = garbled.collect::<Vec<_>>().join("\n");
    let none = "tls_key: key.pem: contains no private key in PEM that is not encrypted (PKCS#8, PKCS#1 or SEC1)";
    let wrong = "tls_key: key.pem: must be a key for RSA of 2048 to 4096 bits, ECDSA (P-256, P-384) or Ed25519";
    vec![
        (None, Some(key.clone()), "tls_cert: cannot read cert.pem: No such file or directory"),
        (Some(String::new()), Some(key.clone()), "tls_cert: cert.pem: contains no certificate in PEM"),
        (Some(key.clone()), Some(key.clone()), "tls_cert: cert.pem: contains no certificate in PEM"),
        (Some(cut(&cert)), Some(key.clone()), "tls_cert: cert.pem: PEM without its END line"),
        (
            Some(cert.clone() + &pem("CERTIFICATE", "AAAA")),
            Some(key.clone()),
            "tls_cert: cert.pem: certificate 2 is not a valid X.509 v3 certificate: ",
        ),
        (Some(cert.clone()), None, "tls_key: cannot read key.pem: No such file or directory"),
        (Some(cert.clone()), Some(String::new()), none),
        (Some(cert.clone()), Some(cert.clone()), none),
        (Some(cert.clone()), Some(encrypted), none),
        (Some(cert.clone()), Some(cut(&key)), "tls_key: key.pem: PEM without its END line"),
        (Some(cert.clone()), Some(garbled), "tls_key: key.pem: PEM with invalid base64"),
        (
            Some(cert.clone()),
            Some(key.replacen("KEY-----", "KEY---", 1)),
            "tls_key: key.pem: PEM with an invalid BEGIN line",
        ),
        (Some(cert.clone()), Some(pem("PRIVATE KEY", "AAAA")), wrong),
        (
            Some(cert),
            Some(other.key.serialize_pem()),
            "tls_key: the key in key.pem does not match the first certificate in cert.pem",
        ),
        (
            Some(other.certificate.pem()),
            Some(key),
            "tls_key: the key in key.pem does not match the first certificate in cert.pem",
        ),
    ]
}

fn write_or_remove(program: &Program, name: &str, content: Option<&String>) {
    match content {
        Some(content) => program.write(name, content),
        None => fs::remove_file(program.dir().join(name)).unwrap_or_default(),
    }
}

/// Nothing of the lines of a key but their frame.
fn check_shows_nothing_of(text: &str, key: Option<&String>) {
    let secret = key.into_iter().flat_map(|key| key.lines()).filter(|line| line.len() >= 8 && !line.contains("KEY--"));
    for line in secret {
        assert!(!text.contains(&line[..8]), "{text}");
    }
}

#[test]
fn bad_files_are_one_clear_line_at_the_start() {
    let program = Program::new().with("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none");
    let ca = Authority::new("CA");
    for (cert, key, expected) in bad_files(&ca) {
        write_or_remove(&program, "cert.pem", cert.as_ref());
        write_or_remove(&program, "key.pem", key.as_ref());
        let said = program.run(&[&["serve"], &TLS[..]].concat());
        assert_eq!((said.code, said.out.as_str(), said.complaints().len()), (Some(1), "", 1), "{}", said.err);
        assert!(said.err.starts_with(&format!("tagd: {expected}")), "{expected}: {}", said.err);
        check_shows_nothing_of(&said.err, key.as_ref());
    }
    ca.sign().write(&program);
    for (content, expected) in [
        (None, "cannot read ca.pem: No such file"),
        (Some(String::new()), "ca.pem: contains no certificate in PEM"),
        (Some(pem("CERTIFICATE", "AAAA")), "ca.pem: certificate 1 is not a valid X.509 v3 certificate: "),
    ] {
        write_or_remove(&program, "ca.pem", content.as_ref());
        let said = program.run(&[&["serve"], &TLS[..], &["--tls-client-ca", "ca.pem"]].concat());
        assert!(said.err.starts_with(&format!("tagd: tls_client_ca: {expected}")), "{expected}: {}", said.err);
    }
}

#[test]
fn a_certificate_that_is_not_valid_now_is_only_warned_of() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let ca = Authority::new("CA");
    let expired = ca.sign_key(KeyPair::generate().unwrap(), |params| params.not_after = date_time_ymd(2020, 2, 29));
    let early = ca.sign_key(KeyPair::generate().unwrap(), |params| params.not_before = date_time_ymd(3000, 1, 1));
    expired.write(&program);
    program.write("cert.pem", expired.certificate.pem() + &early.certificate.pem() + &ca.certificate.pem());
    let serving = program.serve(&TLS);
    assert!(refusal(&serving, &client(&ca, None)).contains("certificate expired"));
    let warned = logged(&serving, "WARN");
    assert_eq!(
        warned[..2],
        [
            "tls_cert: cert.pem: certificate 1 expired on 2020-02-29",
            "tls_cert: cert.pem: certificate 2 is not valid before 3000-01-01"
        ]
    );
    assert!(warned[2].contains("not authenticated") && warned.len() == 3, "{warned:?}");
}

#[test]
fn no_debug_output_shows_the_key() {
    let program = Program::new();
    let signed = Authority::new("CA").sign();
    signed.write(&program);
    let path = |name: &str| program.dir().join(name);
    let tls = Tls::read(TlsFiles { cert: path("cert.pem"), key: path("key.pem"), client_ca: None }).unwrap();
    let shown = format!("{tls:?} {tls:#?}");
    assert!(shown.contains("key.pem"));
    check_shows_nothing_of(&shown, Some(&signed.key.serialize_pem()));
    // nor as numbers
    let secret = &signed.key.serialize_der()[40..44];
    assert!(!shown.contains(format!("{secret:?}").trim_matches(['[', ']'])));
}

// ---- reload

#[test]
fn a_reload_changes_new_connections_and_leaves_the_others() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let (ca, other_ca) = (Authority::new("CA"), Authority::new("other CA"));
    let (first, second) = (ca.sign(), other_ca.sign());
    first.write(&program);
    let serving = program.serve(&TLS);
    let config = client(&ca, None);
    let resuming = Arc::new(client_of(&[&TLS13], &ca, None));
    assert!(presents(&serving, &config, &first));
    count(&mut connect(&serving, &resuming));

    // a request of which a half has been sent
    let mut held = connect(&serving, &config);
    held.write_all(count_head("Expect: 100-continue\r\n").as_bytes()).unwrap();
    assert_eq!(read_answer(&mut held), "HTTP/1.1 100 Continue\r\n\r\n");
    let (half, rest) = COUNT.split_at(20);
    held.write_all(half.as_bytes()).unwrap();
    held.flush().unwrap();

    second.write(&program);
    serving.signal(Signal::SIGHUP);
    let new_config = client(&other_ca, None);
    eventually("the new certificate is presented", || {
        try_connect(&serving, &new_config).is_ok_and(|mut stream| get(&mut stream, "/healthz", HOST) == 200)
    });
    assert!(presents(&serving, &new_config, &second));
    assert!(refusal(&serving, &config).contains("UnknownIssuer"));
    // sessions of before are not resumed
    assert!(refusal(&serving, &resuming).contains("UnknownIssuer"));

    held.write_all(rest.as_bytes()).unwrap();
    check_count(&read_answer(&mut held));
    assert_eq!(get(&mut held, "/healthz", HOST), 200);
    assert_eq!(held.conn.peer_certificates().unwrap()[0], *first.certificate.der());
    assert!(logged(&serving, "INFO").contains(&"reloaded the certificate and key of TLS".to_owned()));
}

#[test]
fn a_bad_reload_is_logged_and_the_old_files_go_on() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let ca = Authority::new("CA");
    let first = ca.sign();
    first.write(&program);
    let serving = program.serve(&TLS);
    let config = client(&ca, None);
    for (number, (cert, key, expected)) in (1..).zip(bad_files(&ca)) {
        write_or_remove(&program, "cert.pem", cert.as_ref());
        write_or_remove(&program, "key.pem", key.as_ref());
        serving.signal(Signal::SIGHUP);
        eventually("the error is logged", || logged(&serving, "ERROR").len() == number);
        let error = logged(&serving, "ERROR").pop().unwrap();
        let start = format!("TLS was not reloaded and continues with the previous files: {expected}");
        assert!(error.starts_with(&start), "{expected}: {error}");
        check_shows_nothing_of(&serving.log(), key.as_ref());
        assert!(presents(&serving, &config, &first));
        count(&mut connect(&serving, &config));
    }
    let second = ca.sign();
    second.write(&program);
    serving.signal(Signal::SIGHUP);
    eventually("the new certificate is presented", || presents(&serving, &config, &second));
    assert_eq!(serving.stop().code, Some(0));
}

#[test]
fn what_is_no_regular_file_is_not_read_again_and_does_not_keep_tagd_from_stopping() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let ca = Authority::new("CA");
    let first = ca.sign();
    first.write(&program);
    let serving = program.serve(&TLS);
    let cert = program.dir().join("cert.pem");
    std::fs::remove_file(&cert).unwrap();
    nix::unistd::mkfifo(&cert, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let reload = |number: usize| {
        serving.signal(Signal::SIGHUP);
        eventually("the error is logged", || logged(&serving, "ERROR").len() == number);
        let error = logged(&serving, "ERROR").pop().unwrap();
        assert!(error.ends_with("tls_cert: cert.pem: is not a regular file"), "{error}");
        assert!(presents(&serving, &client(&ca, None), &first));
    };
    reload(1);
    std::fs::remove_file(&cert).unwrap();
    std::fs::create_dir(&cert).unwrap();
    reload(2);
    assert_eq!(serving.stop().code, Some(0));
}

#[test]
fn a_hangup_without_tls_changes_nothing() {
    let db = TestDb::new();
    let serving = Program::new().on(&db).serve(&["--listen", "127.0.0.1:0"]);
    serving.signal(Signal::SIGHUP);
    let message = "nothing to reload: TLS is off".to_owned();
    eventually("the signal is logged", || logged(&serving, "INFO").contains(&message));
    assert_eq!(serving.get("/healthz").status, 200);
    assert_eq!(serving.stop().code, Some(0));
}

#[test]
#[cfg(target_os = "linux")]
fn a_terminal_that_is_closed_stops_the_server() {
    use std::os::unix::fs::OpenOptionsExt;

    use nix::{
        fcntl::OFlag,
        pty::{grantpt, posix_openpt, ptsname_r, unlockpt},
    };

    let db = TestDb::new();
    let program = Program::new().on(&db);
    let ca = Authority::new("CA");
    ca.sign().write(&program);
    // not by openpty: what other tests start would keep the terminal open
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let terminal = posix_openpt(flags).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let inner = fs::File::options()
        .read(true)
        .write(true)
        .custom_flags(OFlag::O_NOCTTY.bits())
        .open(ptsname_r(&terminal).unwrap())
        .unwrap();
    let mut command = program.command(&[&["serve"], &TLS[..]].concat());
    let log = fs::File::create(program.dir().join("log")).unwrap();
    command.stdin(inner.try_clone().unwrap()).stdout(inner).stderr(log);
    let mut child = command.spawn().unwrap();
    drop(command);
    let is_logged = |message: &str| program.read("log").contains(message);
    eventually("it is ready", || is_logged("a query to try"));
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(pid, Signal::SIGHUP).unwrap();
    eventually("the files are reloaded", || is_logged("reloaded the certificate"));
    drop(terminal);
    nix::sys::signal::kill(pid, Signal::SIGHUP).unwrap();
    eventually("it has ended", || child.try_wait().unwrap().is_some());
    assert_eq!(child.wait().unwrap().code(), Some(0), "{}", program.read("log"));
    assert!(is_logged("\"stopped\""), "{}", program.read("log"));
}

// ---- client certificates

#[test]
fn clients_need_a_certificate_where_their_ca_is_set() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let (ca, clients, others) = (Authority::new("CA"), Authority::new("clients"), Authority::new("others"));
    let server = ca.sign();
    server.write(&program);
    program.write("ca.pem", clients.certificate.pem());
    let serving = program.serve(&[&TLS[..], &["--tls-client-ca", "ca.pem"]].concat());
    assert!(serving.ready.contains("https://"));
    let (known, unknown) = (clients.sign(), others.sign());
    let expired = clients.sign_key(KeyPair::generate().unwrap(), |params| params.not_after = date_time_ymd(2020, 1, 1));
    // these would resume sessions if the server let them
    let client = |own: Option<&Signed>| [&TLS12, &TLS13].map(|version| Arc::new(client_of(&[version], &ca, own)));
    let check_refused = |configs: &[Arc<ClientConfig>], alerts: &[&str]| {
        for config in configs {
            let reason = refusal(&serving, config);
            assert!(alerts.iter().any(|alert| reason.contains(alert)), "{alerts:?}: {reason}");
        }
    };
    let (of_known, of_unknown) = (client(Some(&known)), client(Some(&unknown)));
    let check_accepted = |configs: &[Arc<ClientConfig>]| {
        for config in configs {
            for _ in 0..2 {
                let mut stream = connect(&serving, config);
                count(&mut stream);
                assert_eq!(stream.conn.handshake_kind(), Some(HandshakeKind::Full));
            }
        }
    };
    // TLS 1.2 has no alert of its own for a missing one
    check_refused(&client(None), &["CertificateRequired", "HandshakeFailure"]);
    check_refused(&of_unknown, &["UnknownCA"]);
    check_refused(&client(Some(&expired)), &["CertificateExpired"]);
    check_accepted(&of_known);

    program.write("ca.pem", others.certificate.pem());
    serving.signal(Signal::SIGHUP);
    eventually("the new CA is used", || logged(&serving, "INFO").iter().any(|message| message.starts_with("reloaded")));
    check_refused(&of_known, &["UnknownCA"]);
    check_accepted(&of_unknown);

    program.write("ca.pem", clients.certificate.pem() + &others.certificate.pem());
    serving.signal(Signal::SIGHUP);
    eventually("both CAs are used", || {
        let read = try_connect(&serving, &of_known[0]);
        read.is_ok_and(|mut stream| get(&mut stream, "/healthz", HOST) == 200)
    });
    check_accepted(&of_known);
    check_accepted(&of_unknown);
    program.write("ca.pem", "");
    serving.signal(Signal::SIGHUP);
    eventually("the error is logged", || logged(&serving, "ERROR").len() == 1);
    assert!(logged(&serving, "ERROR")[0].contains("tls_client_ca: ca.pem: contains no certificate in PEM"));
    check_refused(&client(None), &["CertificateRequired", "HandshakeFailure"]);
    check_accepted(&of_known);
}

// ---- plain HTTP beside it

/// The second address of the line that says the server is ready.
fn plain_address(serving: &Serving) -> String {
    let (_, rest) = serving.ready.split_once(" and http://").unwrap();
    rest.split(' ').next().unwrap().to_owned()
}

#[test]
fn plain_http_has_an_address_of_its_own_beside_https() {
    let db = TestDb::new();
    let program = Program::new().on(&db).with("TAGD_HTTP_LISTEN", "127.0.0.1:0").with("TAGD_CONFIG", "tagd.toml");
    // empty is not set
    let program = program.with("TAGD_TLS_KEY", "key.pem").with("TAGD_TLS_CLIENT_CA", "");
    let ca = Authority::new("CA");
    ca.sign().write(&program);
    program.write("ca.pem", ca.certificate.pem());
    program.write("tagd.toml", "tls_cert = \"cert.pem\"\ntls_client_ca = \"ca.pem\"\nworkers = 1\n");
    let serving = program.serve(&["--listen", "127.0.0.1:0", "--with-demo"]);
    let plain = plain_address(&serving);
    let expected = format!("tagd is ready on https://{} and http://{plain} (the given database)\n", serving.address());
    assert_eq!(serving.ready, expected);
    let config = client(&ca, Some(&ca.sign()));
    for _ in 0..4 {
        count(&mut connect(&serving, &config));
        count(&mut TcpStream::connect(&plain).unwrap());
    }
    // a worker has its connections once, for both addresses: one, since no two requests came together; another one listens
    block_on(async {
        let mut owner = db.connect().await;
        eventually_found("only the connection of the worker and that which listens are left", async || {
            let sessions: i64 = sqlx::query_scalar(
                "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()",
            )
            .fetch_one(&mut owner)
            .await
            .unwrap();
            (sessions == 2).then_some(())
        })
        .await;
        owner.close().await.unwrap();
    });
    let mut stream = TcpStream::connect(&plain).unwrap();
    assert_eq!(get(&mut stream, "/readyz", HOST), 200);
    // here the scheme of the origin may be that of a proxy
    for origin in ["http://localhost", "https://localhost"] {
        assert_eq!(get(&mut stream, "/healthz", &format!("{HOST}Origin: {origin}\r\n")), 200);
    }
    let said = serving.stop();
    assert_eq!((said.code, said.out.as_str()), (Some(0), ""));
    assert!(said.err.contains(&format!("a query to try: curl -s http://{plain}/")), "{}", said.err);
}

// ---- overload

#[test]
fn a_request_over_tls_ends_with_its_client() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let ca = Authority::new("CA");
    ca.sign().write(&program);
    let serving = program.serve(&[&TLS[..], &["--max-requests", "1"]].concat());
    let config = client(&ca, None);
    let is_crowded = || get(&mut connect(&serving, &config), "/v2", HOST) == 503;
    assert!(!is_crowded());
    let (mut owner, mut looking) = block_on(async { (db.connect().await, db.connect().await) });
    block_on(owner.execute("begin; lock table tagd.resource, tagd.tag, tagd.label, tagd.chunk, tagd.scope")).unwrap();
    // with the alert that ends a session of TLS, and without
    for is_polite in [true, false] {
        let mut stream = connect(&serving, &config);
        stream.write_all((count_head("") + COUNT).as_bytes()).unwrap();
        eventually("it waits", || !block_on(waiting_for_locks(&mut looking)).is_empty());
        eventually("it is under way", is_crowded);
        if is_polite {
            stream.conn.send_close_notify();
            stream.conn.complete_io(&mut stream.sock).unwrap();
        }
        drop(stream);
        eventually("it has ended", || !is_crowded());
    }
    block_on(owner.execute("rollback")).unwrap();
    count(&mut connect(&serving, &config));
}
