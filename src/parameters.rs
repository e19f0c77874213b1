//! The parameters of a query string.

use std::borrow::Cow;

use crate::domain::{
    FieldKind, RequestError,
    command::KeysetPage,
    error::{quote, shorten},
};

/// Parameters of a query string, names and values decoded.
pub(crate) type Parameters<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// Reads a query string in which only some parameters are allowed, each once.
pub(crate) fn read_parameters<'a>(query: &'a str, known: &[&str]) -> Result<Parameters<'a>, RequestError> {
    let mut parameters = Parameters::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if !known.contains(&name.as_ref()) {
            let reason = match known {
                [] => "no such query parameter, there are none here".to_owned(),
                known => format!("no such query parameter, there are {}", known.join(", ")),
            };
            return Err(RequestError::invalid(FieldKind::General, quote(&name), reason));
        }
        if parameters.iter().any(|(other, _)| *other == name) {
            return Err(RequestError::invalid(FieldKind::General, name, "stands twice in the query string"));
        }
        parameters.push((name, value));
    }
    Ok(parameters)
}

/// Page of a sorted list, from `limit` and `marker`: 1 to `most`, all of that where nothing is said.
pub(crate) fn read_part(parameters: &Parameters<'_>, most: u32) -> Result<KeysetPage, RequestError> {
    let value = |name| parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_ref());
    let limit = match value("limit") {
        None => most,
        Some(text) => u32::try_from(check_number(FieldKind::Limit, "limit", text, 1, most.into())?).unwrap_or(most),
    };
    Ok(KeysetPage { limit, marker: value("marker").map(ToOwned::to_owned) })
}

/// Reads digits, however many, as a number within bounds; `u64::MAX` means unbounded.
pub(crate) fn check_number(
    aspect: FieldKind,
    field: &str,
    text: &str,
    least: u64,
    most: u64,
) -> Result<u64, RequestError> {
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let range = if most == u64::MAX { format!("at least {least}") } else { format!("{least} to {most}") };
    if is_digits(text) {
        // what no number holds is larger than any
        let number = text.parse().unwrap_or(u64::MAX);
        if (least..=most).contains(&number) {
            return Ok(number);
        }
    } else if !text.strip_prefix('-').is_some_and(is_digits) {
        return Err(RequestError::invalid(aspect, field, format!("{} is not a whole number, {range}", quote(text))));
    }
    Err(RequestError::invalid(aspect, field, format!("{} is out of range, {range}", shorten(text))))
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
            ("limit=0", "limit: 0 is out of range, 1 to 200"),
            ("limit=201", "limit: 201 is out of range, 1 to 200"),
            ("limit=99999999999999999999", "limit: 99999999999999999999 is out of range, 1 to 200"),
            ("limit=-1", "limit: -1 is out of range, 1 to 200"),
            ("limit=", "limit: \"\" is not a whole number, 1 to 200"),
            ("limit=1&limit=1", "limit: stands twice in the query string"),
            ("Limit=1", "\"Limit\": no such query parameter, there are limit, marker"),
        ] {
            assert_eq!(part(query).unwrap_err().to_string(), message);
        }
    }
}
