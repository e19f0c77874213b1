//! The bodies of requests to the identity API, and the objects of its responses.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    auth::Secret,
    domain::{FieldKind, RequestError, Rights, Role, registry::Project},
    http::registry::time_of,
    json::{self, Object},
    parameters,
    service::{Login, ProjectName, TokenScope, TokenView},
    text,
};

/// The domain that is shown for an operator without one, since clients expect every user to have a domain.
pub(super) const NO_DOMAIN: &str = "default";

// ---- requests

/// The body of a login. Fields that tagd does not know are ignored, as Keystone does.
#[derive(Deserialize)]
pub(super) struct LoginBody {
    auth: Object<AuthBody>,
}

#[derive(Deserialize)]
struct AuthBody {
    identity: Object<IdentityBody>,
    scope: Option<Value>,
}

#[derive(Deserialize)]
struct IdentityBody {
    methods: Vec<String>,
    password: Option<Object<PasswordBody>>,
    token: Option<Object<TokenBody>>,
}

#[derive(Deserialize)]
struct PasswordBody {
    user: Object<UserBody>,
}

#[derive(Deserialize)]
struct UserBody {
    id: Option<String>,
    name: Option<String>,
    password: String,
}

#[derive(Deserialize)]
struct TokenBody {
    id: String,
}

/// What a client logs in with, owned.
pub(super) enum Sent {
    Password { access_key: String, secret: Secret },
    Token(Secret),
}

impl Sent {
    /// The name of the method.
    pub(super) fn method(&self) -> &'static str {
        match self {
            Self::Password { .. } => "password",
            Self::Token(_) => "token",
        }
    }

    pub(super) fn login(&self) -> Login<'_> {
        match self {
            Self::Password { access_key, secret } => Login::Password { access_key, secret },
            Self::Token(token) => Login::Token(token),
        }
    }
}

fn invalid(field: &str, reason: &str) -> RequestError {
    RequestError::invalid(FieldKind::General, field, reason)
}

/// Reads the body of a login: the login and its scope.
pub(super) fn read_login(body: &[u8]) -> Result<(Sent, Option<Value>), RequestError> {
    let body = text::begin(body).map_err(|wrong| RequestError::Body { reason: format!("body: {wrong}") })?;
    let LoginBody { auth: Object(AuthBody { identity, scope }) } = json::read_object_with_secrets(body, "body")?;
    let Object(IdentityBody { methods, password, token }) = identity;
    let methods: Vec<&str> = methods.iter().map(String::as_str).collect();
    let sent = match (&*methods, password, token) {
        (["password"], Some(Object(PasswordBody { user: Object(UserBody { id, name, password }) })), _) => {
            let access_key = name.or(id).ok_or_else(|| invalid("auth.identity.password.user.name", "is required"))?;
            Sent::Password { access_key, secret: Secret::new(password) }
        }
        (["token"], _, Some(Object(TokenBody { id }))) => Sent::Token(Secret::new(id)),
        (["password" | "token"], ..) => {
            return Err(invalid("auth.identity", "must have an object with the name of the method"));
        }
        _ => return Err(RequestError::unauthenticated("auth.identity.methods: must be [\"password\"] or [\"token\"]")),
    };
    Ok((sent, scope.filter(|scope| !scope.is_null())))
}

/// Reads a scope: `"unscoped"` or an object with a project, a domain or the system.
pub(super) fn scope_of(scope: Option<&Value>) -> Result<TokenScope<'_>, RequestError> {
    let Some(scope) = scope.filter(|scope| scope.as_str() != Some("unscoped")) else { return Ok(TokenScope::None) };
    let field = |name: &str| scope.get(name).filter(|value| !value.is_null());
    match (field("project"), field("domain"), field("system")) {
        (Some(project), None, None) => Ok(TokenScope::Project(ProjectName {
            id: text_of(project, "id"),
            name: text_of(project, "name"),
            domain_id: project.get("domain").and_then(id_or_name),
        })),
        (None, Some(domain), None) => {
            id_or_name(domain).map(TokenScope::Domain).ok_or_else(|| invalid("auth.scope.domain", "must have an id"))
        }
        (None, None, Some(system)) if system.get("all") == Some(&Value::Bool(true)) => Ok(TokenScope::System),
        _ => Err(invalid("auth.scope", "must have one of project, domain and system")),
    }
}

fn text_of<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.get(name).and_then(Value::as_str)
}

/// A domain, whose name is its identifier.
fn id_or_name(domain: &Value) -> Option<&str> {
    text_of(domain, "id").or_else(|| text_of(domain, "name"))
}

/// The parameters of a list by which its entries are compared, and those that have no effect.
pub(super) fn filters<'a>(
    query: &'a str,
    compared: &[&str],
    ignored: &[&str],
) -> Result<Vec<(String, Cow<'a, str>)>, RequestError> {
    let known = [compared, ignored].concat();
    let parameters = parameters::read_parameters(query, &known)?;
    let all = parameters.into_iter().filter(|(name, value)| compared.contains(&name.as_ref()) && !value.is_empty());
    Ok(all.map(|(name, value)| (name.into_owned(), value)).collect())
}

// ---- responses

/// The roles of a token, by the names that Keystone has for them. Each includes those before it.
fn roles(role: Role) -> Value {
    let names: &[&str] = match role {
        Role::Reader => &["reader"],
        Role::Tagger => &["reader", "member"],
        Role::Administrator | Role::Operator => &["reader", "member", "admin"],
    };
    names.iter().map(|name| json!({ "id": name, "name": name })).collect()
}

/// A domain within another object. Its name is its identifier.
fn domain_of(domain_id: &str) -> Value {
    json!({ "id": domain_id, "name": domain_id })
}

/// A token.
pub(super) fn token(view: &TokenView, method: &str, catalog: Option<Value>) -> Value {
    let TokenView { credential, project, user_id, .. } = view;
    let rights = &credential.rights;
    let own = rights.domain_id().map_or(NO_DOMAIN, |domain_id| domain_id);
    let mut token = json!({
        "methods": [method],
        "user": { "id": user_id, "name": credential.name, "domain": domain_of(own), "password_expires_at": null },
        "audit_ids": [credential.id],
        "issued_at": micros_of(credential.created_at),
        "expires_at": credential.expires_at.map(micros_of),
        "is_domain": false,
    });
    if let Some(fields) = token.as_object_mut() {
        if let Some((name, scope)) = scope_shown(rights, project.as_ref()) {
            fields.insert(name.to_owned(), scope);
            fields.insert("roles".to_owned(), roles(rights.role()));
        }
        fields.extend(catalog.map(|catalog| ("catalog".to_owned(), catalog)));
    }
    json!({ "token": token })
}

/// The scope of a token, if Keystone has one that is no more than the token covers: several projects of a domain are none. Roles
/// hold in a scope, so without one there are none.
fn scope_shown(rights: &Rights, project: Option<&Project>) -> Option<(&'static str, Value)> {
    match (rights.confined_to(), rights.projects()) {
        (None, _) => Some(("system", json!({ "all": true }))),
        (Some(domain_id), None) => Some(("domain", domain_of(domain_id))),
        (Some(domain_id), Some([id])) => {
            let name = project.map_or(&**id, |project| name_of(project));
            Some(("project", json!({ "id": id, "name": name, "domain": domain_of(domain_id) })))
        }
        (Some(_), Some(_)) => None,
    }
}

/// Seconds since 1970 as Keystone writes them.
fn micros_of(seconds: i64) -> String {
    time_of(seconds).replace('Z', ".000000Z")
}

fn name_of(project: &Project) -> &str {
    if project.project_name.is_empty() { &project.project_id } else { &project.project_name }
}

/// A project.
pub(super) fn project(project: &Project, base: &str) -> Value {
    json!({
        "id": project.project_id,
        "name": name_of(project),
        "domain_id": project.domain_id,
        "parent_id": project.domain_id,
        "description": "",
        "enabled": true,
        "is_domain": false,
        "tags": [],
        "options": {},
        "links": { "self": format!("{base}/v3/projects/{}", project.project_id) },
    })
}

/// A domain.
pub(super) fn domain(domain_id: &str, base: &str) -> Value {
    json!({
        "id": domain_id,
        "name": domain_id,
        "description": "",
        "enabled": true,
        "tags": [],
        "options": {},
        "links": { "self": format!("{base}/v3/domains/{domain_id}") },
    })
}

/// The body of a list.
pub(super) fn list(name: &str, entries: Vec<Value>, is_cut: bool, url: &str) -> Value {
    let mut body = json!({ "links": { "self": url, "next": null, "previous": null } });
    if let Some(fields) = body.as_object_mut() {
        fields.insert(name.to_owned(), Value::Array(entries));
        // clients are told that the list is not complete
        if is_cut {
            fields.insert("truncated".to_owned(), Value::Bool(true));
        }
    }
    body
}
