//! The dialects as a client knows them: paths, what a query can say, shapes of errors.
//!
//! Written from `docs/SEMANTICS.md`, not from the source, so that the two can disagree. Everything that tests need to
//! know of a dialect is here.

use serde_json::{Value, json};
use tagd::{
    dialects::{DIALECTS, Dialect},
    domain::change::Registration,
};

use super::{Answer, World, registration, repository};

/// A dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    Ims,
    Dns,
    Cts,
    Tms,
}

/// Limits of a query: a column of "Limits of a query". Lengths are in characters.
#[derive(Debug, Clone, Copy)]
pub struct QueryLimits {
    pub keys: usize,
    pub values: usize,
    pub key_length: usize,
    pub value_length: usize,
    pub limit: usize,
    pub default_limit: usize,
}

/// What may be written and removed: a column of "Writes".
#[derive(Debug, Clone, Copy)]
pub struct WriteLimits {
    pub key_length: usize,
    pub value_length: usize,
    /// ASCII besides letters and digits.
    pub key_extra: &'static str,
    pub value_extra: &'static str,
    pub remove_key_length: usize,
    /// Whether a value to remove is compared.
    pub remove_by_value: bool,
    /// Tags on a resource.
    pub quota: usize,
}

/// What a rule that a request breaks is called; "Errors" has the codes.
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
    /// A resource that is not there, which is 404.
    Resource,
    /// More tags than the resource may have.
    Quota,
    /// The database cannot be reached, which is 503.
    Outage,
}

impl Wire {
    pub const ALL: [Self; 4] = [Self::Ims, Self::Dns, Self::Cts, Self::Tms];

    /// Those of a service with resources of its own, on which they have the same operations.
    pub const ONE_SERVICE: [Self; 3] = [Self::Ims, Self::Dns, Self::Cts];

    /// The description of a dialect of the program.
    pub fn of(dialect: &Dialect) -> Self {
        let name = dialect.service.name;
        let found = Self::ALL.into_iter().find(|wire| wire.name().eq_ignore_ascii_case(name));
        found.unwrap_or_else(|| panic!("tests/it/support/wire.rs does not describe {name}"))
    }

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

    /// Resource types that a query can ask for, some of them where there are many.
    pub fn types(self) -> &'static [&'static str] {
        match self {
            Self::Ims => &["images"],
            Self::Dns => &["DNS-public_zone", "DNS-ptr_record"],
            Self::Cts => &["cts-tracker"],
            Self::Tms => &["images", "DNS-public_zone", "cts-tracker", "ecs", "cdn"],
        }
    }

    /// Whether a query names its types and its project in the body, and the answer says what each resource is of.
    pub fn is_cross_service(self) -> bool {
        self == Self::Tms
    }

    /// Where a query is asked, unless it is across services.
    pub fn query_path(self, project: &str, resource_type: &str, count: bool) -> String {
        match self {
            Self::Ims | Self::Dns => format!("/v2/{project}/{resource_type}/resource_instances/action"),
            Self::Cts if count => format!("/v3/{project}/{resource_type}/resource-instances/count"),
            Self::Cts => format!("/v3/{project}/{resource_type}/resource-instances/filter"),
            Self::Tms => "/v1.0/resource-instances/filter".to_owned(),
        }
    }

    /// The body of a query without conditions, where the body says whether resources are counted.
    pub fn action(self, count: bool) -> Value {
        match self {
            Self::Ims | Self::Dns => json!({ "action": if count { "count" } else { "filter" } }),
            Self::Cts | Self::Tms => json!({}),
        }
    }

    /// What `matches` can compare.
    pub fn match_keys(self) -> &'static [&'static str] {
        match self {
            Self::Ims => &["resource_name", "resource_id"],
            Self::Dns | Self::Cts => &["resource_name"],
            Self::Tms => &[],
        }
    }

    /// Characters that a name to search for may not have.
    pub fn forbidden_in_names(self) -> &'static [char] {
        match self {
            Self::Cts => &['_', '%'],
            Self::Ims | Self::Dns | Self::Tms => &[],
        }
    }

    /// Whether an asterisk in front of a value searches for text in it.
    pub fn searches(self) -> bool {
        self != Self::Tms
    }

    /// Characters that a value in a query may have besides letters and digits, where that is limited.
    pub fn query_signs(self) -> Option<&'static str> {
        match self {
            Self::Tms => Some("-_@."),
            Self::Ims | Self::Dns | Self::Cts => None,
        }
    }

    pub fn query_limits(self) -> QueryLimits {
        let (keys, values, key_length, value_length, limit, default_limit) = match self {
            Self::Ims => (10, 10, 127, 255, 1000, 10),
            Self::Dns => (10, 10, 128, 255, 1000, 1000),
            Self::Cts => (20, 20, 128, 255, 1000, 1000),
            Self::Tms => (10, 10, 36, 43, 200, 200),
        };
        QueryLimits { keys, values, key_length, value_length, limit, default_limit }
    }

    /// Whether an offset ends at 2,147,483,647.
    pub fn has_last_offset(self) -> bool {
        self == Self::Dns
    }

    pub fn write_limits(self) -> WriteLimits {
        let wide = WriteLimits {
            key_length: 128,
            value_length: 255,
            key_extra: " _.:=+-@",
            value_extra: " _.:=+-@/",
            remove_key_length: 128,
            remove_by_value: false,
            quota: 20,
        };
        let narrow = WriteLimits { key_length: 36, value_length: 43, ..wide };
        match self {
            Self::Ims => {
                WriteLimits { key_extra: "-_", value_extra: "-_.", remove_key_length: 127, quota: 10, ..narrow }
            }
            Self::Dns => wide,
            Self::Cts => WriteLimits { remove_by_value: true, ..wide },
            Self::Tms => WriteLimits {
                key_extra: "-_@",
                value_extra: "-_@.",
                remove_key_length: 36,
                remove_by_value: true,
                ..narrow
            },
        }
    }

    /// Where the tags of a resource in project `p` are, in a dialect of one service.
    pub fn tags_path(self, id: &str) -> String {
        let resource_type = self.resource_type();
        match self {
            Self::Ims | Self::Dns => format!("/v2/p/{resource_type}/{id}/tags"),
            Self::Cts => format!("/v3/p/{resource_type}/{id}/tags"),
            Self::Tms => panic!("TMS changes tags of several resources at once"),
        }
    }

    /// Method, path and body that write or remove several tags of a resource, in a dialect of one service.
    pub fn change_tags(self, action: &str, id: &str, tags: &Value) -> (&'static str, String, Value) {
        let path = self.tags_path(id);
        match (self, action) {
            (Self::Cts, "delete") => ("DELETE", format!("{path}/delete"), json!({ "tags": tags })),
            (Self::Cts, _) => ("POST", format!("{path}/create"), json!({ "tags": tags })),
            _ => ("POST", format!("{path}/action"), json!({ "action": action, "tags": tags })),
        }
    }

    /// Whether answers have system tags.
    pub fn shows_system_tags(self) -> bool {
        self == Self::Cts
    }

    /// The detail of a resource without one; `None` where the field is left out.
    pub fn absent_detail(self) -> Option<Value> {
        match self {
            Self::Ims => Some(json!({})),
            Self::Dns => Some(json!(null)),
            Self::Cts => Some(json!("")),
            Self::Tms => None,
        }
    }

    /// The least body that asks for a page, with some fields added or put in the place of its own.
    pub fn body(self, fields: &Value) -> Value {
        let mut body = self.action(false);
        if self.is_cross_service() {
            body = json!({ "project_id": "p", "resource_types": [self.resource_type()] });
        }
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
        use Broken::{
            Element, General, Key, Limit, Offset, Outage, Project, Quota, Resource, Tags, Type, Value, Values,
        };
        match (self, broken) {
            (Self::Ims, Resource) => "IMG.0144",
            (Self::Ims, Quota) => "IMG.0116",
            (Self::Ims, Outage) => "IMG.0061",
            (Self::Dns, Resource) => "DNS.0302",
            (Self::Dns, Quota) => "DNS.1001",
            (Self::Dns, Outage) => "DNS.0000",
            (Self::Cts, Resource) => "CTS.0214",
            // of a query
            (Self::Cts, Outage) => "CTS.0005",
            (Self::Tms, Resource) => "TMS.0005",
            (Self::Tms, Outage) => "TMS.0001",
            (Self::Ims, Key | Value | Tags | Element | Values) => "IMG.0115",
            (Self::Ims, _) => "IMG.0001",
            (Self::Dns, Key | Value | Tags | Element | Values) => "DNS.1003",
            (Self::Dns, Limit) => "DNS.0006",
            (Self::Dns, Offset) => "DNS.0017",
            (Self::Dns, Type) => "DNS.1002",
            (Self::Dns, General | Project) => "DNS.0002",
            (Self::Cts, _) => "CTS.0003",
            (Self::Tms, General | Quota) => "TMS.0002",
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
/// those of the registry and of the identity API, which needs credentials to be on, from their documentation.
pub fn every_route() -> Vec<(&'static str, String)> {
    let mut routes = vec![("GET", "/healthz".to_owned()), ("GET", "/readyz".to_owned())];
    for dialect in DIALECTS {
        let resource_type = Wire::of(dialect).resource_type();
        for route in dialect.routes {
            routes.push((route.method.name(), fill(route.path, resource_type)));
        }
    }
    for (page, prefix) in [("docs/REGISTRY.md", "/registry/v1"), ("docs/IDENTITY.md", "")] {
        let page = std::fs::read_to_string(repository(page)).unwrap();
        for row in page.lines().filter(|line| line.starts_with("| `/")) {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            let path = fill(&format!("{prefix}{}", cells[1].trim_matches('`')), "images");
            for (method, cell) in ["GET", "PUT", "DELETE", "POST"].into_iter().zip(&cells[2..]) {
                if !cell.is_empty() {
                    routes.push((method, path.clone()));
                }
            }
        }
    }
    routes
}

pub fn fill(path: &str, resource_type: &str) -> String {
    let mut filled = path.to_owned();
    for (names, value) in [
        (&["project_id", "project"][..], "p"),
        (&["resource_type", "type"], resource_type),
        (&["image_id", "resource_id", "id"], "r"),
        (&["key", "tag"], "env"),
        (&["policy"], "pol"),
        (&["domain_id"], "d"),
        (&["service"], "image"),
        (&["endpoint"], "image-public"),
    ] {
        for name in names {
            filled = filled.replace(&format!("{{{name}}}"), value);
        }
    }
    assert!(!filled.contains('{'), "{filled}");
    filled
}
