//! Keystone's tokens as it shows them, and the rights that they give in tagd.

use std::{collections::BTreeMap, sync::Arc};

use serde::Deserialize;
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::domain::{Rights, Role};

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
    /// Name of the user, by which changes are recorded.
    pub(super) name: Arc<str>,
    /// What the token allows in tagd, or why nothing.
    pub(super) rights: Result<Arc<Rights>, &'static str>,
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
    let rights = rights_of(&token, roles).map(Arc::new);
    Ok(Holder { name: token.user.name.into(), rights, expires_at })
}

/// The highest role that the token has, where its scope says.
fn rights_of(token: &Token, roles: &RoleNames) -> Result<Rights, &'static str> {
    let role = token.roles.iter().filter_map(|role| roles.get(&role.name)).max().copied();
    let role = role.ok_or("token: none of its roles has a role here (keystone_roles)")?;
    let domain_id = match (&token.project, &token.domain) {
        (Some(project), _) => Some(&project.domain.id),
        (None, Some(domain)) => Some(&domain.id),
        (None, None) => None,
    };
    match (domain_id, &token.system) {
        (domain_id, _) if role == Role::Operator => Ok(Rights::operator(domain_id.map(|id| id.as_str().into()))),
        (Some(domain_id), _) => {
            let projects = token.project.as_ref().map(|project| vec![project.id.clone()]);
            Ok(Rights::in_domain(role, domain_id.as_str().into(), projects))
        }
        (None, Some(System { all: true })) if role == Role::Administrator => Ok(Rights::operator(None)),
        (None, Some(_)) => Err("token: the scope system is only for administrators"),
        (None, None) => Err("token: must have a project, a domain or the system as its scope"),
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

    fn rights(scope: &Value, names: &[&str], roles: &RoleNames) -> Result<Rights, &'static str> {
        let all: Vec<_> = names.iter().map(|name| json!({ "name": name })).collect();
        let mut token = json!({ "user": { "name": "u" }, "roles": all, "expires_at": "2100-01-01T00:00:00.000000Z" });
        token.as_object_mut().unwrap().extend(scope.as_object().unwrap().clone());
        let holder = read(&json!({ "token": token }).to_string(), roles).unwrap();
        assert_eq!((&*holder.name, holder.expires_at), ("u", 4_102_444_800));
        holder.rights.map(|rights| Rights::clone(&rights))
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
        assert!(rights(&project, &["admin"], &own).is_err());
    }
}
