//! A web site of the tests: it serves a page, collects what the page reports, and may lead on to a tagd behind it.

use std::{
    collections::BTreeSet,
    io::{self, BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use serde_json::Value;

use super::{
    PATIENCE, eventually,
    world::{agent, send},
};

/// The folder of the site's own files; every other path belongs to what is behind it.
const OWN: &str = "/page/";

/// What is behind a site.
pub enum Behind {
    Nothing,
    /// Connections are passed on to this address as they are.
    Relay(String),
    /// Requests are sent to this URL without what a browser says of the page that sends them, and every page may read the
    /// answers: as if nothing protected the server.
    Open(String),
    /// Each request is answered with what a Keystone is to say of the token that the request is about; to the login of
    /// tagd, of an empty one. Without an answer, the connection stays open.
    Keystone(Box<dyn Fn(&str) -> Option<(u16, Value)> + Send + Sync>),
}

/// A site, until it is dropped.
pub struct Site {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    page: Mutex<String>,
    script: &'static str,
    behind: Behind,
    reports: Mutex<Vec<Value>>,
    /// The kinds of requests that went to what is behind: `Sec-Fetch-Mode` and `Sec-Fetch-Dest`, or an upgrade.
    kinds: Mutex<BTreeSet<(String, String)>>,
    is_over: AtomicBool,
}

/// A request as it was received.
struct Request {
    raw: Vec<u8>,
    method: String,
    path: String,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    /// Reads one; none if the connection ends before.
    fn read(from: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut raw = Vec::new();
        while !raw.ends_with(b"\r\n\r\n") {
            if from.read_until(b'\n', &mut raw)? == 0 {
                return Ok(None);
            }
        }
        let head = String::from_utf8_lossy(&raw).into_owned();
        let mut lines = head.lines();
        let mut words = lines.next().unwrap_or_default().split(' ').map(ToOwned::to_owned);
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let headers =
            lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_lowercase(), value.to_owned()));
        let mut request = Self { method, path, headers: headers.collect(), body: Vec::new(), raw };
        let length = request.header("content-length").parse().unwrap_or_default();
        from.take(length).read_to_end(&mut request.body)?;
        request.raw.extend_from_slice(&request.body);
        Ok(Some(request))
    }

    /// A header; empty if it is missing.
    fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(given, _)| given == name).map_or("", |(_, value)| value)
    }
}

impl Site {
    /// A site with a script and nothing else yet.
    pub fn new(script: &'static str, behind: Behind) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            page: Mutex::default(),
            script,
            behind,
            reports: Mutex::default(),
            kinds: Mutex::default(),
            is_over: AtomicBool::new(false),
        });
        thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                for accepted in listener.incoming() {
                    if shared.is_over.load(Ordering::Relaxed) {
                        return;
                    }
                    let shared = Arc::clone(&shared);
                    thread::spawn(move || {
                        // a browser gives up connections as it likes
                        let _ = accepted.and_then(|stream| shared.serve(stream));
                    });
                }
            }
        });
        Self { address, shared }
    }

    /// The URL of a path on the site, by one of its names.
    pub fn url(&self, host: &str, path: &str) -> String {
        format!("http://{host}:{}{path}", self.address.port())
    }

    /// Sets the page, which is at `/page/`.
    pub fn set_page(&self, page: String) {
        *self.shared.page.lock().unwrap() = page;
    }

    /// Waits for reports of the page.
    pub fn reports(&self, count: usize) -> Vec<Value> {
        // one after another, each with the patience that a single one needs
        for reported in 1..=count {
            eventually("the page has reported", || self.shared.reports.lock().unwrap().len() >= reported);
        }
        self.shared.reports.lock().unwrap().clone()
    }

    /// The kinds of requests so far that were sent to what is behind: `Sec-Fetch-Mode` and `Sec-Fetch-Dest`, or an upgrade.
    pub fn kinds(&self) -> BTreeSet<(String, String)> {
        self.shared.kinds.lock().unwrap().clone()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        // wakes the thread that accepts
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    /// Answers the first request of a connection, which then ends or belongs to what is behind.
    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut reader = BufReader::new(stream.try_clone()?);
        let Some(request) = Request::read(&mut reader)? else { return Ok(()) };
        match &self.behind {
            _ if request.path.starts_with(OWN) => self.answer_itself(&request, &stream),
            Behind::Relay(address) => relay(&request, reader, stream, address),
            Behind::Open(url) => self.pass_on(&request, &stream, url),
            Behind::Keystone(say) => match say(request.header("x-subject-token")) {
                Some((status, body)) => {
                    let token = [("X-Subject-Token", "own")];
                    reply(&stream, status, "application/json", &token, body.to_string().as_bytes())
                }
                None => io::copy(&mut reader, &mut io::sink()).map(drop),
            },
            Behind::Nothing => reply(&stream, 404, "text/plain", &[], b""),
        }
    }

    fn answer_itself(&self, request: &Request, stream: &TcpStream) -> io::Result<()> {
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/page/") => {
                let page = self.page.lock().unwrap().clone();
                reply(stream, 200, "text/html; charset=utf-8", &[], page.as_bytes())
            }
            ("GET", "/page/script.js") => reply(stream, 200, "text/javascript", &[], self.script.as_bytes()),
            ("POST", "/page/report") => {
                self.reports.lock().unwrap().push(serde_json::from_slice(&request.body)?);
                reply(stream, 204, "text/plain", &[], b"")
            }
            _ => reply(stream, 404, "text/plain", &[], b""),
        }
    }

    fn pass_on(&self, request: &Request, stream: &TcpStream, url: &str) -> io::Result<()> {
        let origin = Some(request.header("origin")).filter(|origin| !origin.is_empty()).unwrap_or("*");
        let open = [
            ("Access-Control-Allow-Origin", origin),
            ("Access-Control-Allow-Credentials", "true"),
            ("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, DELETE"),
            ("Access-Control-Allow-Headers", "authorization, content-type, x-auth-token"),
        ];
        if request.method == "OPTIONS" {
            return reply(stream, 204, "text/plain", &open, b"");
        }
        let kind = match request.header("upgrade") {
            "" => ["sec-fetch-mode", "sec-fetch-dest"].map(|name| request.header(name).to_owned()),
            upgrade => [upgrade.to_owned(), String::new()],
        };
        self.kinds.lock().unwrap().insert(kind.into());
        let kept = ["authorization", "content-type", "x-auth-token"];
        let headers: Vec<_> = request.headers.iter().filter(|(name, _)| kept.contains(&name.as_str())).collect();
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let answer = send(&agent(), url, &request.method, &request.path, &headers, &request.body);
        let kind = answer.headers.get("content-type").map_or("text/plain", String::as_str);
        reply(stream, answer.status, kind, &open, answer.body.as_bytes())
    }
}

fn reply(mut stream: &TcpStream, status: u16, kind: &str, headers: &[(&str, &str)], body: &[u8]) -> io::Result<()> {
    let more: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} -\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{more}\r\n"
    );
    stream.write_all(&[head.as_bytes(), body].concat())
}

/// Passes a connection on, from its first request to its end.
fn relay(first: &Request, mut from: BufReader<TcpStream>, mut client: TcpStream, address: &str) -> io::Result<()> {
    let mut server = TcpStream::connect(address)?;
    server.write_all(&first.raw)?;
    let mut answers = server.try_clone()?;
    let back = thread::spawn(move || {
        let _ = io::copy(&mut answers, &mut client);
        let _ = client.shutdown(Shutdown::Both);
    });
    let _ = io::copy(&mut from, &mut server);
    let _ = server.shutdown(Shutdown::Both);
    let _ = back.join();
    Ok(())
}
