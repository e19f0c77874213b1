//! How large a query may be, and the checks of it; each dialect fills in its own numbers.

use std::fmt::Display;

use super::{
    charset::{self, Wrong},
    error::{FieldKind, RequestError, quote},
    query::{Term, ValueMatch},
};

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
    /// Page where none is asked for.
    pub default_limit: u32,
    /// Largest offset.
    pub offset: u64,
    /// Whether an empty list is an error; else it is no condition.
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
    pub aspect: FieldKind,
}

impl ListLimit {
    /// What is wrong with a list that has more. It is not read to its end, so how many it has is not known.
    pub fn exceeded(self, list: impl Into<String>) -> RequestError {
        RequestError::invalid(self.aspect, list, format!("too many {}, at most {}", self.entries, self.most))
    }

    fn check(self, list: &str, count: usize) -> Result<(), RequestError> {
        if count > self.most { Err(self.exceeded(list)) } else { Ok(()) }
    }
}

impl QueryLimits {
    /// Of entries in a list.
    pub const fn of_keys(&self) -> ListLimit {
        ListLimit { most: self.keys, entries: "keys", aspect: FieldKind::General }
    }

    /// Of values in an entry.
    pub const fn of_values(&self) -> ListLimit {
        ListLimit { most: self.values, entries: "values", aspect: FieldKind::Values }
    }

    /// Checks a list and reads the meaning of its values.
    pub fn check_list(&self, list: &str, entries: Vec<RawTerm>) -> Result<Vec<Term>, RequestError> {
        if entries.is_empty() && self.refuse_empty_list {
            return Err(RequestError::invalid(
                FieldKind::Tags,
                list,
                "an empty list; leave the field out for no condition",
            ));
        }
        self.of_keys().check(list, entries.len())?;
        let mut terms: Vec<Term> = Vec::with_capacity(entries.len());
        for (i, entry) in entries.into_iter().enumerate() {
            let term = self.check_entry(format_args!("{list}[{i}]"), entry)?;
            if terms.iter().any(|other| other.key == term.key) {
                let reason = format!("{} stands twice, keys must be unique", quote(&term.key));
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
                return Err(RequestError::invalid(
                    FieldKind::Element,
                    field.to_string(),
                    "an empty entry, the key is missing",
                ));
            }
            RawTerm { key: None, .. } => {
                return Err(RequestError::invalid(FieldKind::Key, key_field(), "missing, mandatory"));
            }
            RawTerm { key: Some(key), .. } if key.is_empty() => {
                return Err(RequestError::invalid(FieldKind::Key, key_field(), "\"\" is empty, at least 1 character"));
            }
            RawTerm { key: Some(key), .. } => key,
        };
        check_length(FieldKind::Key, format_args!("{field}.key"), &key, self.key_length)?;
        check_charset(FieldKind::Key, format_args!("{field}.key"), &key, self.key_charset)?;
        let values = match entry.values {
            None if self.values_mandatory => {
                return Err(RequestError::invalid(FieldKind::Value, format!("{field}.values"), "missing, mandatory"));
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
                    "\"*\" alone, a search needs text behind the asterisk",
                ));
            }
            if values.iter().take(j).any(|other| other == value) {
                let reason = format!("{} stands twice, values must be unique", quote(value));
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

/// Refuses a text of more than `most` characters.
pub fn check_length(aspect: FieldKind, field: impl Display, text: &str, most: usize) -> Result<(), RequestError> {
    // a text has at most as many characters as bytes: counting is seldom needed
    if text.len() > most {
        let count = text.chars().count();
        if count > most {
            return Err(RequestError::invalid(
                aspect,
                field.to_string(),
                format!("{} has {count} characters, at most {most}", quote(text)),
            ));
        }
    }
    Ok(())
}

/// Refuses a text with a character that is no letter, no digit and not in `extra`, or that may not stand where it does.
pub fn check_charset(
    aspect: FieldKind,
    field: impl Display,
    text: &str,
    extra: Option<&str>,
) -> Result<(), RequestError> {
    let Some(extra) = extra else { return Ok(()) };
    let Some(wrong) = charset::first_wrong(text, extra) else { return Ok(()) };
    let reason = match wrong {
        Wrong::NotAllowed(c) => {
            format!("{} has {}, allowed are letters, digits and {extra}", quote(text), quote(&c.to_string()))
        }
        Wrong::NoLetterBefore(c) => {
            format!("{} has {}, which may only follow a letter or a mark", quote(text), quote(&c.to_string()))
        }
    };
    Err(RequestError::invalid(aspect, field.to_string(), reason))
}
