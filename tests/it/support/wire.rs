//! The four dialects as a client knows them: paths, least bodies, shapes of errors.
//!
//! Written from `docs/SEMANTICS.md`, not from the source, so that the two can disagree.

use serde_json::{Value, json};
use tagd::{dialects::DIALECTS, domain::change::Registration};

use super::{Answer, World, registration, repository};

/// A dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    Ims,
    Dns,
    Cts,
    Tms,
}

/// What a rule that a query breaks is called; "Errors" has the codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    General,
    Limit,
    Offset,
    Key,
    Value,
    /// An empty list where one may not be.
    Tags,
    /// An entry with nothing in it.
    Element,
    /// Too many values for a key.
    Values,
    Type,
    Project,
}

impl Wire {
    pub const ALL: [Self; 4] = [Self::Ims, Self::Dns, Self::Cts, Self::Tms];

    /// The name in files and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ims => "ims",
            Self::Dns => "dns",
            Self::Cts => "cts",
            Self::Tms => "tms",
        }
    }

    /// Where a page of project `p` is asked for.
    pub fn path(self) -> &'static str {
        match self {
            Self::Ims => "/v2/p/images/resource_instances/action",
            Self::Dns => "/v2/p/DNS-public_zone/resource_instances/action",
            Self::Cts => "/v3/p/cts-tracker/resource-instances/filter",
            Self::Tms => "/v1.0/resource-instances/filter",
        }
    }

    /// The resource type that [`path`](Self::path) and [`body`](Self::body) reach.
    pub fn resource_type(self) -> &'static str {
        match self {
            Self::Ims => "images",
            Self::Dns => "DNS-public_zone",
            Self::Cts => "cts-tracker",
            Self::Tms => "ecs",
        }
    }

    /// The lists of tags that the dialect has.
    pub fn lists(self) -> &'static [&'static str] {
        match self {
            Self::Ims | Self::Dns => &["tags", "tags_any", "not_tags", "not_tags_any"],
            Self::Cts => &["tags", "tags_any", "not_tags", "not_tags_any", "sys_tags"],
            Self::Tms => &["tags"],
        }
    }

    /// The least body that asks for a page, with some fields added or put in the place of its own.
    pub fn body(self, fields: &Value) -> Value {
        let mut body = match self {
            Self::Ims | Self::Dns => json!({ "action": "filter" }),
            Self::Cts => json!({}),
            Self::Tms => json!({ "project_id": "p", "resource_types": [self.resource_type()] }),
        };
        let object = body.as_object_mut().unwrap();
        object.extend(fields.as_object().expect("fields are an object").clone());
        body
    }

    /// Asks for a page.
    pub fn ask(self, world: &World, fields: &Value) -> Answer {
        world.post(self.path(), &self.body(fields).to_string())
    }

    /// Asks for a page that must come: its ids in order, and the total.
    pub fn page(self, world: &World, fields: &Value) -> (Vec<String>, u64) {
        let answer = self.ask(world, fields);
        assert_eq!(answer.status, 200, "{self:?} {fields}: {}", answer.body);
        let json = answer.json();
        (ids(&json), json["total_count"].as_u64().unwrap())
    }

    /// The ids of a page that must come, in order.
    pub fn ids(self, world: &World, fields: &Value) -> Vec<String> {
        let (ids, total) = self.page(world, fields);
        assert_eq!(ids.len() as u64, total, "{self:?} {fields}: all on one page");
        ids
    }

    /// Asks what must be refused with 400: the code, the shape, and a message with all the `parts`.
    pub fn refuse(self, world: &World, fields: &Value, broken: Broken, parts: &[&str]) {
        let answer = self.ask(world, fields);
        let shown: String = fields.to_string().chars().take(300).collect();
        self.check_refusal(&answer, broken, parts, &shown);
    }

    /// Checks an answer of 400.
    pub fn check_refusal(self, answer: &Answer, broken: Broken, parts: &[&str], request: &str) {
        assert_eq!(answer.status, 400, "{self:?} {request}: {}", answer.body);
        let (code, message) = self.error(answer);
        assert_eq!(code, self.code(broken), "{self:?} {request}: {message}");
        for part in parts {
            assert!(message.contains(part), "{self:?} {request}: no {part:?} in the message: {message}");
        }
    }

    /// Code and message of an error, which must be of exactly the dialect's shape.
    pub fn error(self, answer: &Answer) -> (String, String) {
        assert_eq!(answer.headers["content-type"], "application/json", "{}", answer.body);
        assert!(answer.headers.contains_key("x-request-id"), "an answer without an id: {}", answer.body);
        let json = answer.json();
        let (inner, code, message) = match self {
            Self::Ims => (&json["error"], "code", "message"),
            Self::Dns => (&json, "code", "message"),
            Self::Cts | Self::Tms => (&json, "error_code", "error_msg"),
        };
        let text = |name| inner[name].as_str().unwrap_or_else(|| panic!("{self:?}: no {name}: {json}")).to_owned();
        let (code, message) = (text(code), text(message));
        assert_eq!(inner.as_object().unwrap().len(), 2, "{self:?}: more than code and message: {json}");
        assert!(json.as_object().unwrap().len() <= 2, "{self:?}: more than an error: {json}");
        assert!(!message.is_empty() && message.len() < 2000, "{self:?}: a message of {} bytes", message.len());
        (code, message)
    }

    /// The dialect's code of a broken rule: the table of "Errors".
    pub fn code(self, broken: Broken) -> &'static str {
        use Broken::{Element, General, Key, Limit, Offset, Project, Tags, Type, Value, Values};
        match (self, broken) {
            (Self::Ims, Key | Value | Tags | Element | Values) => "IMG.0115",
            (Self::Ims, _) => "IMG.0001",
            (Self::Dns, Key | Value | Tags | Element | Values) => "DNS.1003",
            (Self::Dns, Limit) => "DNS.0006",
            (Self::Dns, Offset) => "DNS.0017",
            (Self::Dns, Type) => "DNS.1002",
            (Self::Dns, General | Project) => "DNS.0002",
            (Self::Cts, _) => "CTS.0003",
            (Self::Tms, General) => "TMS.0002",
            (Self::Tms, Limit) => "TMS.0007",
            (Self::Tms, Offset) => "TMS.0017",
            (Self::Tms, Key) => "TMS.0009",
            (Self::Tms, Value) => "TMS.0010",
            (Self::Tms, Tags) => "TMS.0012",
            (Self::Tms, Element) => "TMS.0013",
            (Self::Tms, Values) => "TMS.0016",
            (Self::Tms, Type) => "TMS.5027",
            (Self::Tms, Project) => "TMS.2011",
        }
    }

    /// A resource in project `p` that [`ask`](Self::ask) reaches.
    pub fn resource(self, id: &str, name: &str, tags: &[(&str, &str)]) -> Registration {
        registration(self.resource_type(), id, name, tags)
    }
}

/// The same resources under each dialect, in order: id, name, tags.
pub fn in_all_dialects(fleet: &[(&str, &str, &[(&str, &str)])]) -> World {
    let all = |wire: Wire| fleet.iter().map(move |(id, name, tags)| wire.resource(id, name, tags));
    World::with(&Wire::ALL.into_iter().flat_map(all).collect::<Vec<_>>())
}

/// The ids of the resources of an answer, in order.
pub fn ids(answer: &Value) -> Vec<String> {
    let resources = answer["resources"].as_array().unwrap_or_else(|| panic!("no resources: {answer}"));
    resources.iter().map(|resource| resource["resource_id"].as_str().unwrap().to_owned()).collect()
}

/// Every method and path that tagd takes, of project `p` and resource `r`: those of the dialects from their own tables,
/// those of the registry from its documentation.
pub fn every_route() -> Vec<(&'static str, String)> {
    let mut routes = vec![("GET", "/healthz".to_owned()), ("GET", "/readyz".to_owned())];
    for dialect in DIALECTS {
        let resource_type = match dialect.name {
            "DNS" => "DNS-public_zone",
            "CTS" => "cts-tracker",
            _ => "ecs",
        };
        for route in dialect.routes {
            routes.push((route.method.name(), fill(route.path, resource_type)));
        }
    }
    let page = std::fs::read_to_string(repository("docs/REGISTRY.md")).unwrap();
    for row in page.lines().filter(|line| line.starts_with("| `/")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let path = fill(&format!("/registry/v1{}", cells[1].trim_matches('`')), "images");
        for (method, cell) in ["GET", "PUT", "DELETE", "POST"].into_iter().zip(&cells[2..]) {
            if !cell.is_empty() {
                routes.push((method, path.clone()));
            }
        }
    }
    routes
}

fn fill(path: &str, resource_type: &str) -> String {
    let mut filled = path.to_owned();
    for (names, value) in [
        (&["project_id", "project"][..], "p"),
        (&["resource_type", "type"], resource_type),
        (&["image_id", "resource_id", "id"], "r"),
        (&["key", "tag"], "env"),
    ] {
        for name in names {
            filled = filled.replace(&format!("{{{name}}}"), value);
        }
    }
    assert!(!filled.contains('{'), "{filled}");
    filled
}
