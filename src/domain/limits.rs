//! Limits of queries and their checks; each dialect has its own numbers.

use std::fmt::Display;

use super::{
    charset::{self, Wrong},
    error::{FieldKind, RequestError},
    query::{Term, ValueMatch},
    reason::{self, quote},
};

/// The message for an empty entry in a list of tags.
pub(super) const KEY_REQUIRED: &str = "must not be empty, the key is required";

/// Limits of a dialect for queries. Lengths are in Unicode characters.
#[derive(Debug, Clone, Copy)]
pub struct QueryLimits {
    /// Maximum number of keys in a list.
    pub keys: usize,
    /// Maximum number of values of a key.
    pub values: usize,
    /// Maximum length of a key.
    pub key_length: usize,
    /// Maximum length of a value, including a leading asterisk.
    pub value_length: usize,
    /// Maximum length of the value of a match.
    pub match_length: usize,
    /// Maximum page size; the minimum is 1.
    pub limit: u32,
    /// Default page size.
    pub default_limit: u32,
    /// Maximum offset.
    pub offset: u64,
    /// Whether an empty list is an error; otherwise it means no condition.
    pub refuse_empty_list: bool,
    /// Whether an entry must have values; otherwise absent means any.
    pub values_mandatory: bool,
    /// Whether a leading asterisk means a substring search; otherwise it is an ordinary character.
    pub fuzzy: bool,
    /// Characters allowed in a key besides letters and digits of any language; `None`: all.
    pub key_charset: Option<&'static str>,
    /// The same for a value.
    pub value_charset: Option<&'static str>,
}

/// An entry of a list as it was sent.
#[derive(Debug, Clone)]
pub struct RawTerm {
    /// Key, if one was sent.
    pub key: Option<String>,
    /// Values, if any were sent.
    pub values: Option<Vec<String>>,
}

/// The maximum number of entries of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListLimit {
    /// The maximum.
    pub most: usize,
    /// The name of the entries in messages.
    pub entries: &'static str,
    /// Kind of the field, for the error.
    pub kind: FieldKind,
}

impl ListLimit {
    /// The error for a list that has more. It is not read to its end, so the number of entries is not known.
    pub fn exceeded(self, list: impl Into<String>) -> RequestError {
        RequestError::invalid(self.kind, list, reason::too_many(self.most, self.entries))
    }

    fn check(self, list: &str, count: usize) -> Result<(), RequestError> {
        if count > self.most { Err(self.exceeded(list)) } else { Ok(()) }
    }
}

impl QueryLimits {
    /// The limit on entries in a list.
    pub const fn of_keys(&self) -> ListLimit {
        ListLimit { most: self.keys, entries: "keys", kind: FieldKind::General }
    }

    /// The limit on values in an entry.
    pub const fn of_values(&self) -> ListLimit {
        ListLimit { most: self.values, entries: "values", kind: FieldKind::Values }
    }

    /// Checks a list and parses its values.
    pub fn check_list(&self, list: &str, entries: Vec<RawTerm>) -> Result<Vec<Term>, RequestError> {
        if entries.is_empty() && self.refuse_empty_list {
            return Err(RequestError::invalid(FieldKind::Tags, list, reason::EMPTY_LIST));
        }
        self.of_keys().check(list, entries.len())?;
        let mut terms: Vec<Term> = Vec::with_capacity(entries.len());
        for (i, entry) in entries.into_iter().enumerate() {
            let term = self.check_entry(format_args!("{list}[{i}]"), entry)?;
            if terms.iter().any(|other| other.key == term.key) {
                let reason = reason::duplicate("key", &term.key);
                return Err(RequestError::invalid(FieldKind::Key, format!("{list}[{i}].key"), reason));
            }
            terms.push(term);
        }
        Ok(terms)
    }

    /// The path of the field is only formatted if there is an error.
    fn check_entry(&self, field: impl Display, entry: RawTerm) -> Result<Term, RequestError> {
        let key_field = || format!("{field}.key");
        let key = match entry {
            RawTerm { key: None, values: None } => {
                return Err(RequestError::invalid(FieldKind::Element, field.to_string(), KEY_REQUIRED));
            }
            RawTerm { key: None, .. } => {
                return Err(RequestError::invalid(FieldKind::Key, key_field(), reason::REQUIRED));
            }
            RawTerm { key: Some(key), .. } if key.is_empty() => {
                return Err(RequestError::invalid(FieldKind::Key, key_field(), reason::EMPTY));
            }
            RawTerm { key: Some(key), .. } => key,
        };
        check_length(FieldKind::Key, format_args!("{field}.key"), &key, self.key_length)?;
        check_charset(FieldKind::Key, format_args!("{field}.key"), &key, self.key_charset)?;
        let values = match entry.values {
            None if self.values_mandatory => {
                return Err(RequestError::invalid(FieldKind::Value, format!("{field}.values"), reason::REQUIRED));
            }
            values => values.unwrap_or_default(),
        };
        if values.len() > self.values {
            return Err(self.of_values().exceeded(format!("{field}.values")));
        }
        for (j, value) in values.iter().enumerate() {
            let value_field = || format!("{field}.values[{j}]");
            check_length(FieldKind::Value, format_args!("{field}.values[{j}]"), value, self.value_length)?;
            check_charset(FieldKind::Value, format_args!("{field}.values[{j}]"), value, self.value_charset)?;
            if self.fuzzy && value == "*" {
                return Err(RequestError::invalid(
                    FieldKind::Value,
                    value_field(),
                    "must have text after the asterisk, got \"*\"",
                ));
            }
            if values.iter().take(j).any(|other| other == value) {
                let reason = reason::duplicate("value", value);
                return Err(RequestError::invalid(FieldKind::Value, value_field(), reason));
            }
        }
        let values = values
            .into_iter()
            .map(|value| match value.strip_prefix('*') {
                Some(text) if self.fuzzy => ValueMatch::Contains(text.to_owned()),
                _ => ValueMatch::Exact(value),
            })
            .collect();
        Ok(Term { key, values })
    }
}

/// Parses any number of digits as a number within bounds; `u64::MAX` means unbounded.
pub fn check_number(kind: FieldKind, field: &str, text: &str, least: u64, most: u64) -> Result<u64, RequestError> {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        // a number that does not fit in u64 counts as the largest
        let number = text.parse().unwrap_or(u64::MAX);
        if (least..=most).contains(&number) {
            return Ok(number);
        }
    }
    Err(RequestError::invalid(kind, field, reason::not_between(least, most, text)))
}

/// Refuses a text of more than `most` characters.
pub fn check_length(kind: FieldKind, field: impl Display, text: &str, most: usize) -> Result<(), RequestError> {
    // a text has at most as many characters as bytes, so counting is rarely needed
    if text.len() > most {
        let count = text.chars().count();
        if count > most {
            return Err(RequestError::invalid(kind, field.to_string(), reason::too_long(most, count)));
        }
    }
    Ok(())
}

/// Refuses a text with a character that is not a letter, a digit or in `extra`, or that is not allowed in its position.
pub fn check_charset(
    kind: FieldKind,
    field: impl Display,
    text: &str,
    extra: Option<&str>,
) -> Result<(), RequestError> {
    let Some(extra) = extra else { return Ok(()) };
    let Some(wrong) = charset::first_wrong(text, extra) else { return Ok(()) };
    let reason = match wrong {
        Wrong::NotAllowed(c) => {
            // a space among the characters would not be visible
            let (spaces, signs) = match extra.strip_prefix(' ') {
                Some(signs) => (", spaces", signs),
                None => ("", extra),
            };
            format!("must contain only letters, digits{spaces} and {signs}, got {}", quote(&c.to_string()))
        }
        Wrong::NoLetterBefore(c) => {
            format!("must not contain {} except after a letter or a mark", quote(&c.to_string()))
        }
    };
    Err(RequestError::invalid(kind, field.to_string(), reason))
}
