//! Paths: variable segments and methods.

use actix_web::{HttpRequest, guard, web};
use percent_encoding::percent_decode_str;

use crate::dialects::PathParameters;

/// The variable segments, decoded; `None` if the path is not UTF-8, which actix would replace silently.
pub(super) fn parameters(request: &HttpRequest) -> Option<PathParameters> {
    percent_decode_str(request.uri().path()).decode_utf8().ok()?;
    let decode = |(name, value): (&str, &str)| {
        // actix leaves three escapes, one of them the slash, to be decoded after the path is split
        Some((name.to_owned(), percent_decode_str(value).decode_utf8().ok()?.into_owned()))
    };
    Some(PathParameters::new(request.match_info().iter().map(decode).collect::<Option<_>>()?))
}

/// A route for GET, and HEAD with it.
pub(super) fn get_or_head() -> actix_web::Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}
