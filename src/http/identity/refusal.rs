//! Errors of the identity API, in the form that Keystone's have.

use std::fmt;

use actix_web::{
    HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{self, ContentType, HeaderValue},
    },
};
use serde_json::json;

use crate::{
    domain::{RequestError, reason::quote},
    http::{
        body::{BodyError, PATIENCE},
        error_log,
        room::LARGEST_OPEN,
    },
};

/// Why a request to the identity API fails.
#[derive(Debug)]
pub(super) enum Refusal {
    /// An error of the use case.
    Error(RequestError),
    /// The body could not be read.
    Body(BodyError),
    /// The content type is not JSON.
    Type(String),
    /// What the path names does not exist, or the credentials do not cover it.
    Unknown {
        /// What it would be.
        kind: &'static str,
        /// Its identifier.
        id: String,
    },
    /// A condition of the request does not hold.
    Condition,
    /// The path exists but does not allow this method.
    Method {
        /// The method.
        method: String,
        /// The allowed methods.
        allowed: &'static str,
    },
}

impl From<RequestError> for Refusal {
    fn from(error: RequestError) -> Self {
        Self::Error(error)
    }
}

fn status_of(refusal: &Refusal) -> u16 {
    match refusal {
        Refusal::Error(error) | Refusal::Body(BodyError::Refused(error)) => match error {
            RequestError::Unauthenticated { .. } => 401,
            RequestError::Forbidden { .. } => 403,
            RequestError::UnknownResource { .. } => 404,
            RequestError::Unavailable { .. } => 503,
            RequestError::Internal { .. } => 500,
            // an invalid field; the identity API does not produce the other kinds
            _ => 400,
        },
        Refusal::Body(BodyError::TooSlow) => 408,
        Refusal::Body(BodyError::TooLarge) => 413,
        Refusal::Body(BodyError::Broken(_)) => 400,
        Refusal::Type(_) => 415,
        Refusal::Unknown { .. } => 404,
        Refusal::Condition => 412,
        Refusal::Method { .. } => 405,
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(RequestError::UnknownResource { .. }) => f.write_str("X-Subject-Token: unknown token"),
            Self::Error(error) | Self::Body(BodyError::Refused(error)) => error.fmt(f),
            Self::Body(BodyError::TooLarge) => write!(f, "body: must be at most {LARGEST_OPEN} bytes"),
            Self::Body(BodyError::TooSlow) => {
                write!(f, "body: was not received within {} seconds", PATIENCE.as_secs())
            }
            Self::Body(BodyError::Broken(reason)) => write!(f, "body: {reason}"),
            Self::Type(reason) => f.write_str(reason),
            Self::Unknown { kind, id } => write!(f, "{kind}: unknown {kind} {}", quote(id)),
            Self::Condition => f.write_str("If-Match: does not match, nothing here has an ETag"),
            Self::Method { method, allowed } => write!(f, "method: must be one of {allowed}, got {method}"),
        }
    }
}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(status_of(self)).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let status = self.status_code();
        let mut answer = HttpResponse::build(status);
        match self {
            Self::Error(error) | Self::Body(BodyError::Refused(error)) => {
                error_log::log(error);
                if status == StatusCode::SERVICE_UNAVAILABLE {
                    answer.insert_header((header::RETRY_AFTER, "1"));
                }
                if status == StatusCode::UNAUTHORIZED {
                    answer.insert_header((header::WWW_AUTHENTICATE, HeaderValue::from_static(SCHEMES)));
                }
            }
            Self::Method { allowed, .. } => {
                answer.insert_header((header::ALLOW, *allowed));
            }
            // the rest of the body is not read, so the connection cannot be reused
            Self::Body(_) => {
                answer.force_close();
            }
            Self::Type(_) | Self::Unknown { .. } | Self::Condition => {}
        }
        let title = status.canonical_reason().unwrap_or_default();
        let body = json!({ "error": { "code": status.as_u16(), "message": self.to_string(), "title": title } });
        answer.insert_header(ContentType::json()).body(body.to_string())
    }
}

/// How a request may be authenticated.
const SCHEMES: &str = "SDK-HMAC-SHA256, Bearer";
