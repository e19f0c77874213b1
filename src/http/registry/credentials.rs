//! Keys and tokens over HTTP.

use std::fmt;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web::{self, Payload, ServiceConfig},
};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, Unexpected, Visitor},
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    refusal::Refusal,
    respond::{Handled, ONLY_DELETE, RegistryAccess, only, read_with_secrets, reply, reply_read},
    wire::{self, Parameters},
};
use crate::{
    auth::Secret,
    domain::{
        FieldKind, RequestError, Role,
        credential::{Credential, CredentialKind},
    },
    http::{body, path::get_or_head},
    service::{Issued, NewCredential},
};

pub(super) fn configure(config: &mut ServiceConfig) {
    for (kind, all, one, rotate) in [
        (CredentialKind::Key, "/keys", "/keys/{id}", "/keys/{id}/rotate"),
        (CredentialKind::Token, "/tokens", "/tokens/{id}", "/tokens/{id}/rotate"),
    ] {
        config
            .service(
                only(all, "GET, HEAD, OPTIONS, POST")
                    .route(get_or_head().to(move |request, access| list(kind, request, access)))
                    .route(web::post().to(move |request, access, payload| create(kind, request, access, payload))),
            )
            .service(
                only(one, ONLY_DELETE).route(web::delete().to(move |request, access| revoke(kind, request, access))),
            )
            .service(
                only(rotate, "OPTIONS, POST")
                    .route(web::post().to(move |request, access| rotate_one(kind, request, access))),
            );
    }
}

/// A credential to create.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewBody {
    name: String,
    role: String,
    domain_id: Option<String>,
    projects: Option<Vec<String>>,
    /// Seconds until it ends.
    expires_in: Option<Seconds>,
    #[serde(default)]
    temporary: bool,
    access: Option<String>,
    secret: Option<String>,
}

/// A number of seconds.
struct Seconds(i64);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_i64(SecondsVisitor).map(Self)
    }
}

struct SecondsVisitor;

impl Visitor<'_> for SecondsVisitor {
    type Value = i64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an integer number of seconds")
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<i64, E> {
        Ok(value)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<i64, E> {
        value.try_into().map_err(|_| E::invalid_value(Unexpected::Unsigned(value), &self))
    }
}

#[derive(Serialize)]
struct ListReply<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    keys: Option<Vec<CredentialReply<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens: Option<Vec<CredentialReply<'a>>>,
}

/// A credential without its secret.
#[derive(Serialize)]
pub(crate) struct CredentialReply<'a> {
    id: &'a str,
    name: &'a str,
    role: &'static str,
    /// Null for an operator without a domain.
    domain_id: Option<&'a str>,
    /// Null for all projects of the domain.
    projects: Option<&'a [String]>,
    temporary: bool,
    /// The key or token that a token was issued for.
    issued_for: Option<&'a str>,
    created_at: String,
    expires_at: Option<String>,
    last_used_at: Option<String>,
}

impl<'a> CredentialReply<'a> {
    pub(crate) fn of(credential: &'a Credential) -> Self {
        let Credential {
            id,
            kind: _,
            name,
            rights,
            is_temporary,
            issued_for,
            created_at,
            expires_at,
            last_used_at,
            root_id: _,
        } = credential;
        Self {
            id,
            name,
            role: rights.role().name(),
            domain_id: rights.domain_id().map(|domain_id| &**domain_id),
            projects: rights.projects(),
            temporary: *is_temporary,
            issued_for: issued_for.as_deref(),
            created_at: time_of(*created_at),
            expires_at: expires_at.map(time_of),
            last_used_at: last_used_at.map(time_of),
        }
    }
}

/// A credential with its secret, which is shown once.
#[derive(Serialize)]
pub(crate) struct IssuedReply<'a> {
    #[serde(flatten)]
    credential: CredentialReply<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    security_token: Option<&'a str>,
}

impl<'a> IssuedReply<'a> {
    pub(crate) fn of(issued: &'a Issued) -> Self {
        let text = |secret: &'a Secret| str::from_utf8(secret.expose()).ok();
        let (secret, token) = match issued.credential.kind {
            CredentialKind::Key => (text(&issued.secret), None),
            CredentialKind::Token => (None, text(&issued.secret)),
        };
        let security_token = issued.security_token.as_ref().and_then(text);
        Self { credential: CredentialReply::of(&issued.credential), secret, token, security_token }
    }
}

/// Seconds since 1970 as RFC 3339 in UTC.
pub(crate) fn time_of(seconds: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp(seconds).ok();
    time.and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_default()
}

async fn list(kind: CredentialKind, request: HttpRequest, access: RegistryAccess) -> Handled {
    Parameters::read(&request, &[])?;
    let found = access.state.credentials.list(&access.principal, kind).await?;
    let list: Vec<_> = found.iter().map(CredentialReply::of).collect();
    let reply = match kind {
        CredentialKind::Key => ListReply { keys: Some(list), tokens: None },
        CredentialKind::Token => ListReply { keys: None, tokens: Some(list) },
    };
    reply_read(&request, None, &reply)
}

async fn create(kind: CredentialKind, request: HttpRequest, access: RegistryAccess, payload: Payload) -> Handled {
    Parameters::read(&request, &[])?;
    wire::no_condition(&request)?;
    let NewBody { name, role, domain_id, projects, expires_in, temporary, access: given, secret } =
        read_with_secrets(&request, payload).await?;
    let invalid = |field: &str, reason: &str| RequestError::invalid(FieldKind::General, field, reason);
    let role: Role = role.parse().map_err(|reason: String| invalid("role", &reason))?;
    let given = match (given, secret) {
        (Some(access_key), Some(secret)) => Some((access_key, Secret::new(secret))),
        (None, None) => None,
        _ => return Err(invalid("access", "must be given together with secret").into()),
    };
    if kind == CredentialKind::Token && (temporary || given.is_some()) {
        let field = if temporary { "temporary" } else { "access" };
        return Err(invalid(field, "is only supported for keys").into());
    }
    let lifetime = expires_in.map(|Seconds(seconds)| seconds);
    let new = NewCredential { name, role: Some(role), domain_id, projects, lifetime, temporary, given };
    let issued = access.state.credentials.create(&access.principal, kind, new).await?;
    Ok(reply_once(StatusCode::CREATED, &issued))
}

async fn revoke(kind: CredentialKind, request: HttpRequest, access: RegistryAccess) -> Handled {
    Parameters::read(&request, &[])?;
    wire::no_condition(&request)?;
    body::check_change(&request).map_err(Refusal::Type)?;
    access.state.credentials.revoke(&access.principal, kind, wire::path(&request)?.get("id")).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn rotate_one(kind: CredentialKind, request: HttpRequest, access: RegistryAccess) -> Handled {
    Parameters::read(&request, &[])?;
    wire::no_condition(&request)?;
    body::check_change(&request).map_err(Refusal::Type)?;
    let issued = access.state.credentials.rotate(&access.principal, kind, wire::path(&request)?.get("id")).await?;
    Ok(reply_once(StatusCode::OK, &issued))
}

/// A response with a secret, which no cache may keep.
fn reply_once(status: StatusCode, issued: &Issued) -> HttpResponse {
    let mut answer = reply(status, &IssuedReply::of(issued));
    answer.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    answer
}
