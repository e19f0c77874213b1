//! What a request says beside its body: the parameters of the query string.

use std::borrow::Cow;

use crate::domain::{Aspect, Fault, command::Part, fault::quote};

/// Parameters of a query string, names and values decoded.
pub(in crate::dialects) type Parameters<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// Reads a query string in which only some parameters may stand, each once.
pub(in crate::dialects) fn read_parameters<'a>(query: &'a str, known: &[&str]) -> Result<Parameters<'a>, Fault> {
    let mut parameters = Parameters::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if !known.contains(&name.as_ref()) {
            let reason = match known {
                [] => "no such query parameter, there are none here".to_owned(),
                known => format!("no such query parameter, there are {}", known.join(", ")),
            };
            return Err(Fault::invalid(Aspect::General, quote(&name), reason));
        }
        if parameters.iter().any(|(other, _)| *other == name) {
            return Err(Fault::invalid(Aspect::General, name, "stands twice in the query string"));
        }
        parameters.push((name, value));
    }
    Ok(parameters)
}

/// Part of a sorted list, from `limit` and `marker`: 1 to `most`, all of that where nothing is said.
pub(in crate::dialects) fn read_part(parameters: &Parameters<'_>, most: u32) -> Result<Part, Fault> {
    let value = |name| parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_ref());
    let limit = match value("limit") {
        None => most,
        Some(text) => {
            Digits::parse(Aspect::Limit, "limit", Cow::Borrowed(text))?.in_range(Aspect::Limit, "limit", most)?
        }
    };
    Ok(Part { limit, marker: value("marker").map(ToOwned::to_owned) })
}

/// An unsigned number of any size.
#[derive(Debug)]
pub(in crate::dialects) struct Digits<'a>(pub(super) Cow<'a, str>);

impl<'a> Digits<'a> {
    pub(in crate::dialects) fn parse(aspect: Aspect, field: &str, text: Cow<'a, str>) -> Result<Self, Fault> {
        if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
            Ok(Self(text))
        } else {
            let reason = match text.strip_prefix('-') {
                Some(rest) if !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()) => {
                    format!("{} is negative", quote(&text))
                }
                _ => format!("{} is not a whole number", quote(&text)),
            };
            Err(Fault::invalid(aspect, field, reason))
        }
    }

    /// The number; the largest there is where it is larger.
    pub(super) fn saturate(&self) -> u64 {
        self.0.parse().unwrap_or(u64::MAX)
    }

    /// The number, if it is 1 to `most`.
    pub(in crate::dialects) fn in_range(&self, aspect: Aspect, field: &str, most: u32) -> Result<u32, Fault> {
        match u32::try_from(self.saturate()) {
            Ok(number) if (1..=most).contains(&number) => Ok(number),
            _ => Err(Fault::invalid(aspect, field, format!("{} is out of range, 1 to {most}", self.0))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(query: &str) -> Result<Part, Fault> {
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
            assert_eq!(part(query).unwrap(), Part { limit, marker: marker.map(ToOwned::to_owned) }, "{query}");
        }
        for (query, message) in [
            ("limit=0", "limit: 0 is out of range, 1 to 200"),
            ("limit=201", "limit: 201 is out of range, 1 to 200"),
            ("limit=99999999999999999999", "limit: 99999999999999999999 is out of range, 1 to 200"),
            ("limit=-1", "limit: \"-1\" is negative"),
            ("limit=", "limit: \"\" is not a whole number"),
            ("limit=1&limit=1", "limit: stands twice in the query string"),
            ("Limit=1", "\"Limit\": no such query parameter, there are limit, marker"),
        ] {
            assert_eq!(part(query).unwrap_err().to_string(), message);
        }
    }
}
