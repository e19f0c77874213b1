//! Traces: what a collector receives over OTLP, for which requests, and what happens while there is no collector.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse},
    common::v1::{KeyValue, any_value},
    trace::v1::{Span, span::SpanKind, status::StatusCode},
};
use prost::Message;
use serde_json::{Value, json};

use crate::support::{Program, Serving, TestDb, Wire, eventually, json_lines};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";
const ROUTE: &str = "/v2/{project_id}/images/resource_instances/action";

/// What arrived: path, headers, body.
type Received = (String, BTreeMap<String, String>, Vec<u8>);

/// A server that keeps what it receives, and answers with the statuses that it was told, the last one for ever.
struct Receiver {
    url: String,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Receiver {
    fn new(statuses: &[u16], body: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let received: Arc<Mutex<Vec<Received>>> = Arc::default();
        let kept = Arc::clone(&received);
        let mut statuses = statuses.to_vec();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Some(one) = read(stream.as_ref().unwrap()) else { continue };
                kept.lock().unwrap().push(one);
                let status = if statuses.len() > 1 { statuses.remove(0) } else { statuses[0] };
                let head =
                    format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                // the client may have gone
                let _ = stream.unwrap().write_all(&[head.as_bytes(), &body].concat());
            }
        });
        Self { url, received }
    }

    fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    fn requests(&self) -> Vec<ExportTraceServiceRequest> {
        self.received().iter().map(|(_, _, body)| ExportTraceServiceRequest::decode(body.as_slice()).unwrap()).collect()
    }

    fn spans(&self) -> Vec<Span> {
        let resources = self.requests().into_iter().flat_map(|request| request.resource_spans);
        resources.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans).collect()
    }

    /// The span of the only request, and those of its statements.
    fn one_request(&self) -> (Span, Vec<Span>) {
        let (mut servers, statements): (Vec<_>, Vec<_>) =
            self.spans().into_iter().partition(|span| span.kind() == SpanKind::Server);
        assert_eq!(servers.len(), 1, "{servers:?}");
        (servers.remove(0), statements)
    }
}

/// Reads one request, or nothing from who only connects.
fn read(stream: &TcpStream) -> Option<Received> {
    let mut from = BufReader::new(stream);
    let mut line = String::new();
    from.read_line(&mut line).ok().filter(|length| *length > 0)?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = BTreeMap::new();
    loop {
        line.clear();
        from.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    from.read_exact(&mut body).ok()?;
    Some((path, headers, body))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn attributes(given: &[KeyValue]) -> BTreeMap<&str, Value> {
    let value = |attribute: &KeyValue| match attribute.value.clone().and_then(|value| value.value) {
        Some(any_value::Value::StringValue(text)) => json!(text),
        Some(any_value::Value::IntValue(number)) => json!(number),
        other => panic!("{other:?}"),
    };
    given.iter().map(|attribute| (attribute.key.as_str(), value(attribute))).collect()
}

fn serve(program: &Program, url: &str, more: &[&str]) -> Serving {
    program.serve(&[&["--listen", "127.0.0.1:0", "--otlp-url", url], more].concat())
}

/// A query that finds nothing, in a trace of its sender.
fn query(serving: &Serving, flags: &str) -> u16 {
    let body = Wire::Ims.body(&json!({})).to_string();
    let traceparent = format!("00-{TRACE}-{PARENT}-{flags}");
    let headers = [("Content-Type", "application/json"), ("traceparent", traceparent.as_str())];
    serving.send("POST", Wire::Ims.path(), &headers, body.as_bytes()).status
}

#[test]
fn a_request_and_its_statements_are_spans_of_the_callers_trace_without_values() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let line = r#"{"project_id":"p","resource_type":"images","resource_id":"secret-id","tags":[{"key":"secret-key","value":"secret-value"}]}"#;
    assert_eq!(program.import(line).code, Some(0));
    let receiver = Receiver::new(&[200], Vec::new());
    // a slash at the end makes no difference
    let serving = serve(&program, &format!("{}/", receiver.url), &["--slow-request", "0.000001"]);
    let traceparent = format!("00-{TRACE}-{PARENT}-01");
    let headers =
        [("Content-Type", "application/json"), ("traceparent", &traceparent), ("X-Request-Id", "secret-request")];
    let body = Wire::Ims.body(&json!({"tags": [{"key": "secret-key", "values": ["*secret-value"]}]})).to_string();
    assert_eq!(serving.send("POST", Wire::Ims.path(), &headers, body.as_bytes()).status, 200);
    eventually("its spans have arrived", || receiver.spans().len() == 3);
    let (path, headers, body) = receiver.received().remove(0);
    assert_eq!((path.as_str(), headers["content-type"].as_str()), ("/v1/traces", "application/x-protobuf"));
    assert!(!String::from_utf8_lossy(&body).contains("secret"));
    let resource = receiver.requests()[0].resource_spans[0].resource.clone().unwrap();
    let resource = attributes(&resource.attributes);
    assert_eq!((&resource["service.name"], &resource["service.version"]), (&json!("tagd"), &json!("0.1.0")));
    assert_eq!(resource["service.instance.id"].as_str().unwrap().len(), 36);

    let (server, statements) = receiver.one_request();
    assert_eq!(server.name, format!("POST {ROUTE}"));
    assert_eq!((hex(&server.trace_id).as_str(), hex(&server.parent_span_id).as_str()), (TRACE, PARENT));
    let expected = json!({
        "http.request.method": "POST", "http.response.status_code": 200, "http.route": ROUTE, "tagd.dialect": "ims",
        "tagd.principal.kind": "none",
    });
    assert_eq!(json!(attributes(&server.attributes)), expected);
    assert_eq!(server.status, None);
    let names: Vec<_> = statements.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["find_scope", "values_page"]);
    let mut begun = server.start_time_unix_nano;
    for span in &statements {
        assert_eq!((&span.trace_id, &span.parent_span_id), (&server.trace_id, &server.span_id));
        assert!(span.span_id.len() == 8 && span.span_id != server.span_id, "{span:?}");
        assert_eq!((span.kind(), &span.status), (SpanKind::Client, &None));
        let attributes = attributes(&span.attributes);
        assert_eq!(attributes["db.system.name"], "postgresql");
        assert_eq!(attributes["db.query.summary"], span.name.as_str());
        let waited = attributes["tagd.waited_us"].as_u64().unwrap() * 1000;
        assert!(span.start_time_unix_nano >= begun, "{span:?}");
        assert!(span.end_time_unix_nano >= span.start_time_unix_nano + waited, "{span:?}");
        begun = span.end_time_unix_nano;
    }
    assert!(server.end_time_unix_nano >= begun);
    eventually("both lines are in the log", || {
        let lines = json_lines(&serving.log());
        ["answered", "a slow request"]
            .iter()
            .all(|message| lines.iter().any(|line| line["message"] == *message && line["trace_id"] == TRACE))
    });
}

#[test]
fn the_caller_decides_on_its_traces_and_the_ratio_on_all_others() {
    let db = TestDb::new();
    let receiver = Receiver::new(&[200], Vec::new());
    let program = Program::new().on(&db);
    let serving = serve(&program, &receiver.url, &["--otlp-sample", "0"]);
    assert_eq!(query(&serving, "00"), 200);
    assert_eq!(serving.get("/v2/p/images/secret-id/tags").status, 404);
    assert_eq!(query(&serving, "01"), 200);
    // whatever is queued is sent at the end
    let said = serving.stop();
    assert_eq!(said.code, Some(0), "{}", said.err);
    let (server, _) = receiver.one_request();
    assert_eq!(hex(&server.trace_id), TRACE);
    // a trace that the caller does not record is one that others may record
    let answered: Vec<_> = json_lines(&said.err).into_iter().filter(|line| line["message"] == "answered").collect();
    let ids: Vec<_> = answered.iter().map(|line| line["trace_id"].as_str()).collect();
    assert_eq!(ids, [Some(TRACE), None, Some(TRACE)]);

    let receiver = Receiver::new(&[200], Vec::new());
    let program = program
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url)
        .with("OTEL_TRACES_SAMPLER_ARG", "1.0")
        .with("OTEL_SERVICE_NAME", "tags");
    let serving = program.serve(&["--listen", "127.0.0.1:0"]);
    // headers that are none are ignored: this is a new trace
    let headers = [("traceparent", "00-nonsense")];
    assert_eq!(serving.send("GET", "/v2/p/images/secret-id/tags", &headers, b"").status, 404);
    // a method that the client of the tests refuses to send
    let mut stream = TcpStream::connect(serving.address()).unwrap();
    stream.write_all(b"BREW /secret/path HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    let said = serving.stop();
    let resource = receiver.requests()[0].resource_spans[0].resource.clone().unwrap();
    assert_eq!(attributes(&resource.attributes)["service.name"], "tags");
    let servers: Vec<_> = receiver.spans().into_iter().filter(|span| span.kind() == SpanKind::Server).collect();
    let names: Vec<_> = servers.iter().map(|span| (span.name.as_str(), span.parent_span_id.len())).collect();
    assert_eq!(names, [("GET /v2/{project_id}/images/{image_id}/tags", 0), ("_OTHER", 0)]);
    assert_ne!(servers[0].trace_id, servers[1].trace_id);
    assert!(receiver.received().iter().all(|(_, _, body)| !String::from_utf8_lossy(body).contains("secret")));
    assert!(said.err.contains(&hex(&servers[0].trace_id)), "{}", said.err);
}

#[test]
fn the_trace_goes_on_in_what_tagd_asks_a_keystone_and_a_failure_is_marked() {
    let db = TestDb::new();
    let (receiver, keystone) = (Receiver::new(&[200], Vec::new()), Receiver::new(&[500], Vec::new()));
    let program = Program::new().on(&db).with("TAGD_KEYSTONE_PASSWORD", "secret");
    let auth = ["--auth", "keystone,tokens", "--keystone-url", &keystone.url, "--keystone-user", "tagd"];
    let serving = serve(&program, &receiver.url, &auth);
    let traceparent = format!("00-{TRACE}-{PARENT}-01");
    let headers = [("X-Auth-Token", "secret-token"), ("traceparent", &traceparent)];
    assert_eq!(serving.send("GET", "/v2/p/images/x/tags", &headers, b"").status, 503);
    eventually("its span has arrived", || !receiver.spans().is_empty());
    let (server, _) = receiver.one_request();
    assert_eq!(server.status.as_ref().unwrap().code(), StatusCode::Error);
    let shown = attributes(&server.attributes);
    assert_eq!((&shown["http.response.status_code"], &shown["error.type"]), (&json!(503), &json!("503")));
    assert!(!shown.contains_key("tagd.principal.kind"), "{shown:?}");
    let (path, headers, _) = keystone.received().remove(0);
    assert_eq!(path, "/v3/auth/tokens?nocatalog");
    assert_eq!(headers["traceparent"], format!("00-{TRACE}-{}-01", hex(&server.span_id)));
    // a token of tagd's own
    let made = program.expect(&["token", "create", "--name", "secret-name", "--role", "operator", "--json"]);
    let made: Value = serde_json::from_str(&made).unwrap();
    let headers = [("X-Auth-Token", made["token"].as_str().unwrap())];
    assert_eq!(serving.send("GET", "/v2/p/images/x/tags", &headers, b"").status, 404);
    assert_eq!(serving.stop().code, Some(0));
    let spans = receiver.spans();
    let servers: Vec<_> = spans.iter().filter(|span| span.kind() == SpanKind::Server).collect();
    assert_eq!(attributes(&servers[1].attributes)["tagd.principal.kind"], "token");
    assert!(spans.iter().any(|span| span.name == "find_credential"), "{spans:?}");
    assert!(receiver.received().iter().all(|(_, _, body)| !String::from_utf8_lossy(body).contains("secret")));
}

#[test]
fn a_collector_that_is_away_disturbs_nobody_and_is_told_once() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    // nobody listens there any more
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let serving = serve(&program, &format!("http://{gone}"), &[]);
    let lost = |log: &str| -> Vec<Value> {
        json_lines(log).into_iter().filter(|line| line["message"] == "traces were lost").collect()
    };
    assert_eq!(query(&serving, "01"), 200);
    eventually("it is in the log", || !lost(&serving.log()).is_empty());
    let line = lost(&serving.log()).remove(0);
    assert_eq!((&line["level"], &line["requests"]), (&json!("WARN"), &json!(0)));
    assert!(line["spans"].as_u64().unwrap() >= 2, "{line}");
    for _ in 0..3 {
        assert_eq!(query(&serving, "01"), 200);
    }
    // the rest is told at the end, since there is no later
    let said = serving.stop();
    assert_eq!((said.code, lost(&said.err).len()), (Some(0), 2), "{}", said.err);

    // one that accepts connections and says nothing
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let serving = serve(&program, &format!("http://{}", silent.local_addr().unwrap()), &[]);
    for _ in 0..3 {
        assert_eq!(query(&serving, "01"), 200);
    }
    let said = serving.stop();
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.err.contains("the last traces were not sent in time") || said.err.contains("traces were lost"));
}

#[test]
fn what_a_collector_does_not_take_yet_is_sent_again_and_what_it_rejects_is_told() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let receiver = Receiver::new(&[503, 200], Vec::new());
    let serving = serve(&program, &receiver.url, &[]);
    assert_eq!(query(&serving, "01"), 200);
    eventually("the batch has arrived twice", || receiver.received().len() == 2);
    let received = receiver.received();
    assert_eq!(received[0].2, received[1].2);
    assert!(!serving.stop().err.contains("traces were lost"));

    let partial = ExportTracePartialSuccess { rejected_spans: 1, error_message: "secret".into() };
    let partial = ExportTraceServiceResponse { partial_success: Some(partial) }.encode_to_vec();
    for (statuses, body, reason) in
        [([200], partial, "the collector has rejected some"), ([400], Vec::new(), "the collector answered 400")]
    {
        let receiver = Receiver::new(&statuses, body);
        let serving = serve(&program, &receiver.url, &[]);
        assert_eq!(query(&serving, "01"), 200);
        let said = serving.stop();
        assert_eq!(receiver.received().len(), 1);
        assert!(said.err.contains(reason), "{}", said.err);
    }
}

#[test]
fn a_large_load_is_sent_in_batches() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let receiver = Receiver::new(&[200], Vec::new());
    let serving = serve(&program, &receiver.url, &[]);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..300).for_each(|_| assert_eq!(serving.get("/healthz").status, 200)));
        }
    });
    let said = serving.stop();
    assert!(!said.err.contains("traces were lost"), "{}", said.err);
    let spans = receiver.spans();
    let names = spans.iter().filter(|span| span.name == "GET /healthz").count();
    assert_eq!(names, 1200);
    let mut ids: Vec<_> = spans.iter().map(|span| &span.span_id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), spans.len());
    assert!(receiver.received().len() > 1);
}

#[test]
fn wrong_settings_are_refused_and_those_of_others_are_not_read() {
    let db = TestDb::new();
    let refused = |program: Program, args: &[&str], expected: &str| {
        let said = program.run(&[&["serve"], args].concat());
        assert_eq!(said.code, Some(1), "{args:?}: {}", said.err);
        assert_eq!(said.err, format!("tagd: {expected}\n"));
    };
    let program = || Program::new().on(&db);
    for url in ["collector:4318", "ftp://collector", "http://", "http:///v1"] {
        let expected =
            format!("otlp_url: must be a URL without parameters, such as http://collector:4318, got {url:?}");
        refused(program(), &["--otlp-url", url], &expected);
    }
    let told = "must be a URL without parameters, such as http://collector:4318, got \"http://collector/\"";
    refused(program(), &["--otlp-url", "http://collector/?key=secret"], &format!("otlp_url: {told}"));
    let by_variable = program().with("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector/?key=secret");
    refused(by_variable, &[], &format!("OTEL_EXPORTER_OTLP_ENDPOINT: {told}"));
    refused(program(), &["--otlp-url", "http://me:secret@x"], "otlp_url: must not have a user or a password");
    for ratio in ["-1", "1.5", "NaN"] {
        let expected = format!("otlp_sample: must be a number between 0 and 1, got {ratio}");
        refused(program(), &[&format!("--otlp-sample={ratio}")], &expected);
    }
    let half = program().with("OTEL_TRACES_SAMPLER_ARG", "half");
    let expected = "OTEL_TRACES_SAMPLER_ARG: must be a number between 0 and 1, got half";
    refused(half, &["--otlp-url", "http://127.0.0.1:1"], expected);
    // of other programs, if tagd sends no traces
    let serving = program().with("OTEL_TRACES_SAMPLER_ARG", "half").serve(&["--listen", "127.0.0.1:0"]);
    assert_eq!(query(&serving, "01"), 200);
    let said = serving.stop();
    assert!(said.err.contains("answered") && !said.err.contains("trace"), "{}", said.err);
}
