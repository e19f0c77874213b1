//! The parameters of the query string.

use std::borrow::Cow;

use crate::domain::{FieldKind, RequestError, command::KeysetPage, limits::check_number, reason::quote};

/// Parameters of a query string, names and values decoded.
pub(crate) type Parameters<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// Reads a query string, in which only the known parameters are allowed, each once.
pub(crate) fn read_parameters<'a>(query: &'a str, known: &[&str]) -> Result<Parameters<'a>, RequestError> {
    let mut parameters = Parameters::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if !known.contains(&name.as_ref()) {
            let reason = match known {
                [] => "unknown query parameter, none are supported here".to_owned(),
                known => format!("unknown query parameter, expected one of {}", known.join(", ")),
            };
            return Err(RequestError::invalid(FieldKind::General, quote(&name), reason));
        }
        if parameters.iter().any(|(other, _)| *other == name) {
            return Err(RequestError::invalid(FieldKind::General, name, "duplicate query parameter"));
        }
        parameters.push((name, value));
    }
    Ok(parameters)
}

/// Page of a sorted list, from `limit` and `marker`: 1 to `most`, which is also the default.
pub(crate) fn read_part(parameters: &Parameters<'_>, most: u32) -> Result<KeysetPage, RequestError> {
    let value = |name| parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_ref());
    let limit = match value("limit") {
        None => most,
        Some(text) => u32::try_from(check_number(FieldKind::Limit, "limit", text, 1, most.into())?).unwrap_or(most),
    };
    Ok(KeysetPage { limit, marker: value("marker").map(ToOwned::to_owned) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(query: &str) -> Result<KeysetPage, RequestError> {
        read_part(&read_parameters(query, &["limit", "marker"])?, 200)
    }

    #[test]
    fn a_part_has_a_range_a_default_and_a_marker_as_it_was_meant() {
        for (query, limit, marker) in [
            ("", 200, None),
            ("limit=1", 1, None),
            ("limit=200&marker=", 200, Some("")),
            ("marker=a%2Fb+c%25", 200, Some("a/b c%")),
            ("limit=0007", 7, None),
        ] {
            assert_eq!(part(query).unwrap(), KeysetPage { limit, marker: marker.map(ToOwned::to_owned) }, "{query}");
        }
        for (query, message) in [
            ("limit=0", "limit: must be an integer between 1 and 200, got 0"),
            ("limit=201", "limit: must be an integer between 1 and 200, got 201"),
            ("limit=99999999999999999999", "limit: must be an integer between 1 and 200, got 99999999999999999999"),
            ("limit=-1", "limit: must be an integer between 1 and 200, got -1"),
            ("limit=", "limit: must be an integer between 1 and 200, got \"\""),
            ("limit=1&limit=1", "limit: duplicate query parameter"),
            ("Limit=1", "\"Limit\": unknown query parameter, expected one of limit, marker"),
        ] {
            assert_eq!(part(query).unwrap_err().to_string(), message);
        }
    }
}
