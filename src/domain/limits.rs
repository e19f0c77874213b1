//! How large a query may be, and the checks of it; each dialect fills in its own numbers.

use std::fmt::Display;

use super::{
    charset::{self, Wrong},
    error::{FieldKind, RequestError},
    query::{Term, ValueMatch},
    reason::{self, quote},
};

/// Of an entry of a list of tags with nothing in it.
pub(super) const KEY_REQUIRED: &str = "must not be empty, the key is required";

/// What a dialect allows in a query. Lengths are in Unicode characters.
#[derive(Debug, Clone, Copy)]
pub struct QueryLimits {
    /// Keys in a list.
    pub keys: usize,
    /// Values of a key.
    pub values: usize,
    /// Characters of a key.
    pub key_length: usize,
    /// Characters of a value, a leading asterisk included.
    pub value_length: usize,
    /// Characters of the value of a match.
    pub match_length: usize,
    /// Largest page; the smallest is 1.
    pub limit: u32,
    /// Page size where the request has none.
    pub default_limit: u32,
    /// Largest offset.
    pub offset: u64,
    /// Whether an empty list is an error; otherwise it means no condition.
    pub refuse_empty_list: bool,
    /// Whether an entry must say its values; else absent means any.
    pub values_mandatory: bool,
    /// Whether a leading asterisk searches; else it is itself.
    pub fuzzy: bool,
    /// Characters a key may have besides letters and digits of any language; `None`: all.
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

/// How many entries a list may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListLimit {
    /// The largest number.
    pub most: usize,
    /// What the entries are called.
    pub entries: &'static str,
    /// Kind of the field, where there are more.
    pub kind: FieldKind,
}

impl ListLimit {
    /// What is wrong with a list that has more. It is not read to its end, so how many it has is not known.
    pub fn exceeded(self, list: impl Into<String>) -> RequestError {
        RequestError::invalid(self.kind, list, reason::too_many(self.most, self.entries))
    }

    fn check(self, list: &str, count: usize) -> Result<(), RequestError> {
        if count > self.most { Err(self.exceeded(list)) } else { Ok(()) }
    }
}

impl QueryLimits {
    /// Of entries in a list.
    pub const fn of_keys(&self) -> ListLimit {
        ListLimit { most: self.keys, entries: "keys", kind: FieldKind::General }
    }

    /// Of values in an entry.
    pub const fn of_values(&self) -> ListLimit {
        ListLimit { most: self.values, entries: "values", kind: FieldKind::Values }
    }

    /// Checks a list and reads the meaning of its values.
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

    /// The field is only put into words where there is something to say of it.
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

/// Reads digits, however many, as a number within bounds; `u64::MAX` means unbounded.
pub fn check_number(kind: FieldKind, field: &str, text: &str, least: u64, most: u64) -> Result<u64, RequestError> {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        // a number that u64 cannot hold is larger than any other
        let number = text.parse().unwrap_or(u64::MAX);
        if (least..=most).contains(&number) {
            return Ok(number);
        }
    }
    Err(RequestError::invalid(kind, field, reason::not_between(least, most, text)))
}

/// Refuses a text of more than `most` characters.
pub fn check_length(kind: FieldKind, field: impl Display, text: &str, most: usize) -> Result<(), RequestError> {
    // a text has at most as many characters as bytes: counting is seldom needed
    if text.len() > most {
        let count = text.chars().count();
        if count > most {
            return Err(RequestError::invalid(kind, field.to_string(), reason::too_long(most, count)));
        }
    }
    Ok(())
}

/// Refuses a text with a character that is not a letter, a digit or in `extra`, or that is not allowed in its place.
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
            // a space among the signs would not be seen
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
