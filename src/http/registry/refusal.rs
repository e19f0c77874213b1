//! Errors of the registry with their status and code: one row for each code.

use std::fmt;

use actix_web::{
    HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{self, ContentType},
    },
};
use serde_json::json;

use crate::{
    domain::{RequestError, reason, registry::RegistryError},
    http::{
        body::{BodyError, PATIENCE},
        error_log,
        principal::CHALLENGE,
        room::LARGEST,
    },
};

/// Why a request to the registry fails.
#[derive(Debug)]
pub(super) enum Refusal {
    /// An error of the use case.
    RequestError(RegistryError),
    /// The body could not be read.
    Body(BodyError),
    /// The content type or content coding is not supported.
    Type(String),
    /// A strict import has a bad line.
    Line {
        /// Number of the line, from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// More resources are not in the input of an import than it may remove.
    PruneLimit {
        /// Resources that are not in the input.
        unlisted: u64,
        /// The limit.
        limit: u64,
    },
    /// An import stopped early.
    Input(String),
    /// The credential of an import does not hold any more.
    Denied {
        /// Number of the first line that was not imported.
        line: u64,
        /// What was imported before.
        kept: &'static str,
        /// Why.
        source: RequestError,
    },
    /// The body of an import is sent too slowly.
    Slow {
        /// Bytes a second that it must bring.
        rate: u64,
        /// What was imported before.
        kept: &'static str,
    },
    /// Types or projects that an import uses were changed while it ran.
    Changed(String),
    /// The path exists but does not allow this method.
    Method {
        /// The method.
        method: String,
        /// The allowed methods.
        allowed: &'static str,
    },
    /// The path is not UTF-8.
    Path,
    /// An export over HTTP/1.0.
    Version,
}

impl<T: Into<RegistryError>> From<T> for Refusal {
    fn from(error: T) -> Self {
        Self::RequestError(error.into())
    }
}

/// Status and code of an error.
fn code_of(refusal: &Refusal) -> (u16, &'static str) {
    match refusal {
        Refusal::RequestError(error) => match error {
            RegistryError::UnknownType { .. } => (404, "REGISTRY.0003"),
            RegistryError::UnknownProject { .. } => (404, "REGISTRY.0004"),
            RegistryError::TypeInUse => (409, "REGISTRY.0006"),
            RegistryError::NameTaken { .. } => (409, "REGISTRY.0019"),
            RegistryError::ProjectInUse => (409, "REGISTRY.0007"),
            RegistryError::UnknownCredential { .. } => (404, "REGISTRY.0023"),
            RegistryError::KeyExists { .. } => (409, "REGISTRY.0024"),
            RegistryError::UnknownPolicy { .. } => (404, "REGISTRY.0027"),
            RegistryError::PolicyExists { .. } => (409, "REGISTRY.0028"),
            RegistryError::Condition => (412, "REGISTRY.0008"),
            RegistryError::NotKept { .. } => (410, "REGISTRY.0025"),
            RegistryError::Other(error) => code_of_request_error(error),
        },
        Refusal::Denied { source, .. } | Refusal::Body(BodyError::Refused(source)) => code_of_request_error(source),
        Refusal::Line { .. } => (400, "REGISTRY.0010"),
        Refusal::Input(_) | Refusal::Body(BodyError::Broken(_)) => (400, "REGISTRY.0011"),
        Refusal::PruneLimit { .. } => (409, "REGISTRY.0029"),
        Refusal::Changed(_) => (503, "REGISTRY.0015"),
        Refusal::Slow { .. } | Refusal::Body(BodyError::TooSlow) => (408, "REGISTRY.0012"),
        Refusal::Body(BodyError::TooLarge) => (413, "REGISTRY.0013"),
        Refusal::Type(_) => (415, "REGISTRY.0014"),
        Refusal::Method { .. } => (405, "REGISTRY.0017"),
        Refusal::Path => (404, "REGISTRY.0018"),
        Refusal::Version => (505, "REGISTRY.0020"),
    }
}

fn code_of_request_error(error: &RequestError) -> (u16, &'static str) {
    match error {
        RequestError::Body { .. } => (400, "REGISTRY.0001"),
        RequestError::TooManyTags { .. } => (400, "REGISTRY.0009"),
        RequestError::AgainstPolicy { .. } => (400, "REGISTRY.0026"),
        RequestError::UnknownResource { .. } => (404, "REGISTRY.0005"),
        RequestError::Unauthenticated { .. } => (401, "REGISTRY.0021"),
        RequestError::Forbidden { .. } => (403, "REGISTRY.0022"),
        RequestError::Unavailable { .. } => (503, "REGISTRY.0015"),
        RequestError::Internal { .. } => (500, "REGISTRY.0016"),
        // an invalid field; the registry does not produce the other kinds
        _ => (400, "REGISTRY.0002"),
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RequestError(error) => error.fmt(f),
            Self::Body(BodyError::TooLarge) => write!(f, "body: must be at most {LARGEST} bytes"),
            Self::Body(BodyError::TooSlow) => {
                write!(f, "body: was not received within {} seconds", PATIENCE.as_secs())
            }
            Self::Body(BodyError::Broken(reason)) => write!(f, "body: {reason}"),
            Self::Body(BodyError::Refused(error)) => error.fmt(f),
            Self::Type(reason) | Self::Input(reason) | Self::Changed(reason) => f.write_str(reason),
            Self::Slow { rate, kept } => {
                write!(f, "body: must arrive at {rate} bytes a second or more, without the blanks in it; {kept}")
            }
            Self::Denied { line, kept, source } => write!(f, "from line {line} on: {source}; {kept}"),
            Self::Line { line, reason } => write!(f, "line {line}: {reason}; nothing was imported"),
            Self::PruneLimit { unlisted, limit } => {
                let reason = reason::below_removals(*unlisted, *limit);
                write!(f, "prune_limit: {reason}; nothing was imported")
            }
            Self::Method { method, allowed } => write!(f, "method: must be one of {allowed}, got {method}"),
            Self::Path => f.write_str("path: must be UTF-8"),
            Self::Version => {
                f.write_str("HTTP/1.0: is not supported for exports, because a truncated response would look complete; use HTTP/1.1")
            }
        }
    }
}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(code_of(self).0).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        if let Self::RequestError(RegistryError::Other(error))
        | Self::Denied { source: error, .. }
        | Self::Body(BodyError::Refused(error)) = self
        {
            error_log::log(error);
        }
        let mut answer = HttpResponse::build(self.status_code());
        match self.status_code() {
            StatusCode::UNAUTHORIZED => {
                answer.insert_header((header::WWW_AUTHENTICATE, CHALLENGE));
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                answer.insert_header((header::RETRY_AFTER, "1"));
            }
            _ => {}
        }
        match self {
            Self::Method { allowed, .. } => {
                answer.insert_header((header::ALLOW, *allowed));
            }
            // its body was read to the end
            Self::Body(BodyError::Refused(_)) => {}
            // the rest of the body is not read, so the connection cannot be reused
            Self::Body(_)
            | Self::Slow { .. }
            | Self::Line { .. }
            | Self::Input(_)
            | Self::Changed(_)
            | Self::Denied { .. } => {
                answer.force_close();
            }
            _ => {}
        }
        let body = json!({ "error_code": code_of(self).1, "error_msg": self.to_string() });
        answer.insert_header(ContentType::json()).body(body.to_string())
    }
}
