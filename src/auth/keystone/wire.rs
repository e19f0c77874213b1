//! Keystone's tokens as it shows them, and the rights that they give in tagd.

use std::{collections::BTreeMap, sync::Arc};

use serde::Deserialize;
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::domain::{
    RequestError, Rights, Role,
    credential::check_name,
    registration::{TEXT_LENGTH, check_domain_id, check_project_id},
};

/// Roles of tagd by names of roles of Keystone.
pub type RoleNames = BTreeMap<String, Role>;

/// The roles of a new Keystone.
pub fn default_roles() -> RoleNames {
    [("reader", Role::Reader), ("member", Role::Tagger), ("admin", Role::Administrator)]
        .map(|(name, role)| (name.to_owned(), role))
        .into()
}

/// The holder of a valid token.
#[derive(Debug)]
pub(super) struct Holder {
    /// Name of the user, as the log shows it, and what the token allows in tagd; or why it allows nothing.
    pub(super) shows: Result<(Arc<str>, Arc<Rights>), String>,
    /// When it ends, in seconds since 1970.
    pub(super) expires_at: i64,
}

#[derive(Deserialize)]
struct Body {
    token: Token,
}

#[derive(Deserialize)]
struct Token {
    user: Named,
    #[serde(default)]
    roles: Vec<Named>,
    project: Option<Project>,
    domain: Option<Id>,
    system: Option<System>,
    /// Those of Keystone all end; those of another tagd may not.
    expires_at: Option<String>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
struct Id {
    id: String,
}

#[derive(Deserialize)]
struct Project {
    id: String,
    domain: Id,
}

#[derive(Deserialize)]
struct System {
    all: bool,
}

/// Reads what Keystone says of a token; the error is what is wrong with its answer.
pub(super) fn read(body: &str, roles: &RoleNames) -> Result<Holder, String> {
    let Body { token } = serde_json::from_str(body).map_err(|error| format!("a token cannot be read: {error}"))?;
    let expires_at = match &token.expires_at {
        Some(end) => OffsetDateTime::parse(end, &Rfc3339)
            .map_err(|error| format!("expires_at cannot be read: {error}"))?
            .unix_timestamp(),
        None => i64::MAX,
    };
    let rights = rights_of(&token, roles);
    let rights = rights.and_then(|rights| check(&token).map(|()| rights).map_err(|error| format!("token: {error}")));
    Ok(Holder { shows: rights.map(|rights| (token.user.name.into(), rights.into())), expires_at })
}

/// Checks the texts of a token as those of tagd's own credentials are: a name goes into the log, and identifiers into queries.
fn check(token: &Token) -> Result<(), RequestError> {
    check_name("user.name", &token.user.name, TEXT_LENGTH)?;
    if let Some(project) = &token.project {
        check_project_id("project.id", &project.id)?;
    }
    domain_of(token).map_or(Ok(()), check_domain_id)
}

/// The domain that the scope of a token is, or that its project belongs to.
fn domain_of(token: &Token) -> Option<&str> {
    let domain = token.project.as_ref().map(|project| &project.domain).or(token.domain.as_ref());
    domain.map(|domain| domain.id.as_str())
}

/// The highest role that the token has, where its scope says.
fn rights_of(token: &Token, roles: &RoleNames) -> Result<Rights, String> {
    let domain_id = domain_of(token);
    if domain_id.is_none() && !matches!(token.system, Some(System { all: true })) {
        return Err("token: must have a project, a domain or the system as its scope".to_owned());
    }
    let role = token.roles.iter().filter_map(|role| roles.get(&role.name)).max().copied();
    let role = role.ok_or("token: none of its roles has a role here (keystone_roles)")?;
    match domain_id {
        Some(domain_id) if role == Role::Operator => Ok(Rights::operator(Some(domain_id.into()))),
        Some(domain_id) => {
            let projects = token.project.as_ref().map(|project| vec![project.id.clone()]);
            Ok(Rights::in_domain(role, domain_id.into(), projects))
        }
        None if role >= Role::Administrator => Ok(Rights::operator(None)),
        None => Err("token: the scope system is only for administrators".to_owned()),
    }
}

/// The body of tagd's own login.
pub(super) fn login(user: &str, password: &str, domain: &str, project: Option<&str>) -> Value {
    let domain = json!({ "name": domain });
    let scope = match project {
        Some(project) => json!({ "project": { "name": project, "domain": domain } }),
        None => json!({ "system": { "all": true } }),
    };
    let user = json!({ "name": user, "domain": domain, "password": password });
    json!({ "auth": { "identity": { "methods": ["password"], "password": { "user": user } }, "scope": scope } })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rights(scope: &Value, names: &[&str], roles: &RoleNames) -> Result<Rights, String> {
        let all: Vec<_> = names.iter().map(|name| json!({ "name": name })).collect();
        let mut token = json!({ "user": { "name": "u" }, "roles": all, "expires_at": "2100-01-01T00:00:00.000000Z" });
        token.as_object_mut().unwrap().extend(scope.as_object().unwrap().clone());
        let holder = read(&json!({ "token": token }).to_string(), roles).unwrap();
        assert_eq!(holder.expires_at, 4_102_444_800);
        holder.shows.map(|(name, rights)| {
            assert_eq!(&*name, "u");
            Rights::clone(&rights)
        })
    }

    #[test]
    fn a_scope_and_roles_give_rights() {
        let roles = default_roles();
        let project = json!({ "project": { "id": "p", "name": "n", "domain": { "id": "d" } } });
        let domain = json!({ "domain": { "id": "d" } });
        let system = json!({ "system": { "all": true } });
        let in_project = |role| Ok(Rights::in_domain(role, "d".into(), Some(vec!["p".into()])));
        assert_eq!(rights(&project, &["reader"], &roles), in_project(Role::Reader));
        assert_eq!(rights(&project, &["reader", "x", "member"], &roles), in_project(Role::Tagger));
        assert_eq!(rights(&project, &["admin"], &roles), in_project(Role::Administrator));
        assert_eq!(rights(&domain, &["admin"], &roles), Ok(Rights::in_domain(Role::Administrator, "d".into(), None)));
        assert_eq!(rights(&system, &["admin", "reader"], &roles), Ok(Rights::operator(None)));
        for (scope, name) in [(&system, "member"), (&project, "x"), (&json!({}), "admin")] {
            assert!(rights(scope, &[name], &roles).is_err(), "{scope} {name}");
        }
        let own = RoleNames::from([("boss".to_owned(), Role::Operator)]);
        assert_eq!(rights(&project, &["boss"], &own), Ok(Rights::operator(Some("d".into()))));
        assert_eq!(rights(&system, &["boss"], &own), Ok(Rights::operator(None)));
        assert!(rights(&project, &["admin"], &own).is_err());
        for scope in [json!({}), json!({ "system": { "all": false } })] {
            assert!(rights(&scope, &["boss"], &own).is_err(), "{scope}");
        }
    }
}
