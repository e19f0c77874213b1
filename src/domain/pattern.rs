//! Patterns of values: regular expressions that Rust and Postgres judge alike, bounded in length and cost.
//!
//! A pattern has the syntax and the meaning of the crate `regex` and must match a whole value. It is parsed once, and from
//! the parsed form comes a regular expression of Postgres in which nothing depends on settings, locales or tables of
//! characters: every character is written as its number, every class as ranges of numbers (`docs/adr/0031`).

use std::{fmt::Write, sync::OnceLock};

use regex::{Regex, RegexBuilder};
use regex_syntax::{
    Error, Parser, ParserBuilder,
    hir::{Class, Hir, HirKind, Repetition},
};

use super::{
    charset::is_invisible,
    reason::{self, quote, shorten},
};

/// Characters of a pattern.
pub const PATTERN_LENGTH: usize = 256;
/// Characters and classes of a pattern, those in a part that is repeated as often as it may be. Postgres takes a few
/// milliseconds to prepare a pattern with so many.
const MOST_POSITIONS: u32 = 500;
/// Ranges of characters in all classes, as they are written. `\w` has about 800.
const MOST_RANGES: usize = 4000;
/// How often a part may be repeated, if there is a limit. Postgres allows no more, and a value has no more characters.
const MOST_REPETITIONS: u32 = 255;
/// Groups within groups.
const MOST_NESTED: u32 = 30;
/// Memory of the program that `regex` makes of a pattern, in bytes. None within the other limits takes as much.
const PROGRAM_SIZE: usize = 64 * 1024 * 1024;

/// A pattern that meets the limits.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: String,
    are: String,
    /// Made when the first value is judged: a policy that is only stored does not need it, and it takes up to tens of megabytes.
    regex: OnceLock<Option<Regex>>,
}

impl Pattern {
    /// Reads a pattern. The error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parsed = parser().parse(text).map_err(|error| in_words(&error))?;
        if !can_match(&parsed) {
            return Err("must be able to match a value".to_owned());
        }
        let mut writer = Writer { are: String::new(), ranges: 0 };
        let positions = writer.write(&parsed)?;
        if positions > MOST_POSITIONS {
            return Err(format!(
                "must have at most {MOST_POSITIONS} characters and classes when repeated parts are written out, got {positions}"
            ));
        }
        Ok(Self { text: text.to_owned(), are: format!("^(?:{})$", writer.are), regex: OnceLock::new() })
    }

    /// The pattern as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The pattern as an advanced regular expression of Postgres.
    pub fn are(&self) -> &str {
        &self.are
    }

    /// Whether it matches a whole value.
    pub fn matches(&self, value: &str) -> bool {
        let regex = self.regex.get_or_init(|| compile(&self.text));
        regex.as_ref().is_some_and(|regex| regex.is_match(value))
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

/// A pattern as messages show it: quoted, with its backslashes as they are, since it is to be read as a pattern.
pub fn quote_pattern(pattern: &str) -> String {
    if pattern.chars().any(is_invisible) { quote(pattern) } else { format!("\"{}\"", shorten(pattern)) }
}

fn parser() -> Parser {
    ParserBuilder::new().nest_limit(MOST_NESTED).build()
}

/// The program that matches whole values.
fn compile(text: &str) -> Option<Regex> {
    let parsed = parser().parse(text).ok()?;
    RegexBuilder::new(&format!(r"\A(?:{parsed})\z")).size_limit(PROGRAM_SIZE).build().ok()
}

/// Whether there is a text that a part matches: a class may be without characters.
fn can_match(part: &Hir) -> bool {
    match part.kind() {
        HirKind::Class(class) => !class.is_empty(),
        HirKind::Repetition(Repetition { min, sub, .. }) => *min == 0 || can_match(sub),
        HirKind::Capture(capture) => can_match(&capture.sub),
        HirKind::Concat(parts) => parts.iter().all(can_match),
        HirKind::Alternation(parts) => parts.iter().any(can_match),
        HirKind::Empty | HirKind::Literal(_) | HirKind::Look(_) => true,
    }
}

/// What is wrong with a text that is no pattern, and where.
fn in_words(error: &Error) -> String {
    let (what, place) = match error {
        Error::Parse(error) => (error.kind().to_string(), error.span().start.column),
        Error::Translate(error) => (error.kind().to_string(), error.span().start.column),
        _ => return "must be a regular expression".to_owned(),
    };
    format!("must be a regular expression: {what} at character {place}")
}

/// Writes a parsed pattern as a regular expression of Postgres, without the parts that match nothing.
struct Writer {
    are: String,
    ranges: usize,
}

impl Writer {
    /// Writes a part; returns its number of positions.
    fn write(&mut self, part: &Hir) -> Result<u32, String> {
        match part.kind() {
            HirKind::Empty => Ok(0),
            HirKind::Literal(literal) => {
                let text = str::from_utf8(&literal.0).map_err(|_| "must be text".to_owned())?;
                if text.contains('\0') {
                    return Err(reason::NUL.to_owned());
                }
                text.chars().for_each(|c| self.write_char(c));
                Ok(u32::try_from(text.chars().count()).unwrap_or(u32::MAX))
            }
            HirKind::Class(class) => self.write_class(class),
            HirKind::Look(_) => {
                Err(r"must not contain ^, $, \b or others that match a place: a pattern always matches the whole value"
                    .to_owned())
            }
            HirKind::Repetition(repetition) => self.write_repetition(repetition),
            HirKind::Capture(capture) => self.write_group(&capture.sub),
            HirKind::Concat(parts) => {
                parts.iter().try_fold(0_u32, |positions, part| Ok(positions.saturating_add(self.write(part)?)))
            }
            HirKind::Alternation(parts) => {
                self.are.push_str("(?:");
                let mut positions = 0_u32;
                for (i, part) in parts.iter().filter(|part| can_match(part)).enumerate() {
                    if i > 0 {
                        self.are.push('|');
                    }
                    positions = positions.saturating_add(self.write(part)?);
                }
                self.are.push(')');
                Ok(positions)
            }
        }
    }

    fn write_group(&mut self, part: &Hir) -> Result<u32, String> {
        self.are.push_str("(?:");
        let positions = self.write(part)?;
        self.are.push(')');
        Ok(positions)
    }

    fn write_repetition(&mut self, repetition: &Repetition) -> Result<u32, String> {
        let Repetition { min, max, sub, .. } = repetition;
        if !can_match(sub) {
            return Ok(0);
        }
        // Postgres takes seconds to prepare some patterns that repeat such a part
        if sub.properties().minimum_len() == Some(0) && *max != Some(1) {
            return Err("must not repeat a part that can be empty".to_owned());
        }
        let most = max.unwrap_or(*min).max(*min);
        if most > MOST_REPETITIONS {
            return Err(format!("must repeat a part at most {MOST_REPETITIONS} times, got {most}"));
        }
        let positions = self.write_group(sub)?;
        // writing to a String cannot fail
        let _ = match max {
            Some(max) => write!(self.are, "{{{min},{max}}}"),
            None => write!(self.are, "{{{min},}}"),
        };
        Ok(positions.saturating_mul(most.max(1)))
    }

    fn write_class(&mut self, class: &Class) -> Result<u32, String> {
        let ranges: Vec<(char, char)> = match class {
            Class::Unicode(class) => class.iter().map(|range| (range.start(), range.end())).collect(),
            Class::Bytes(class) => class.iter().map(|range| (range.start().into(), range.end().into())).collect(),
        };
        self.ranges += ranges.len();
        if self.ranges > MOST_RANGES {
            return Err(format!("must have at most {MOST_RANGES} ranges of characters in all classes"));
        }
        // no value has a NUL, and Postgres has no such character
        let ranges: Vec<_> = ranges.into_iter().filter(|(_, last)| *last > '\0').collect();
        if ranges.is_empty() {
            return Err("must not contain a class without characters".to_owned());
        }
        self.are.push('[');
        for (first, last) in ranges {
            self.write_char(first.max('\u{1}'));
            self.are.push('-');
            self.write_char(last);
        }
        self.are.push(']');
        Ok(1)
    }

    /// Letters and digits have no meaning of their own; everything else is written as its number.
    fn write_char(&mut self, c: char) {
        if c.is_ascii_alphanumeric() {
            self.are.push(c);
        } else {
            let number = u32::from(c);
            let _ =
                if number > 0xffff { write!(self.are, "\\U{number:08x}") } else { write!(self.are, "\\u{number:04x}") };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_whole_values() {
        for (pattern, right, wrong) in [
            ("prod|dev", &["prod", "dev"][..], &["", "prod1", "aprod", "proddev", "prod\n"][..]),
            ("[a-z0-9-]{1,3}", &["a", "a-1"], &["", "abcd", "A", "ä"]),
            (r"\d{4}-\d{2}", &["2026-11", "٢٠٢٦-11"], &["2026-1", "202611"]),
            ("a.c", &["abc", "aäc", "a c"], &["ac", "a\nc"]),
            ("(?i)prod", &["prod", "PROD"], &["prd"]),
            ("(?s).*", &["", "\n", "x"], &[]),
            ("", &[""], &["a"]),
            (r"a\+b", &["a+b"], &["aab"]),
            (r"[^\s\S]|a", &["a"], &["", "b"]),
            (r"(?:[a&&b]x|c)([^\d\D]*)d", &["cd"], &["xcd", "c"]),
        ] {
            let parsed = Pattern::parse(pattern).unwrap();
            assert_eq!(parsed.text(), pattern);
            for (values, matches) in [(right, true), (wrong, false)] {
                for value in values {
                    assert_eq!(parsed.matches(value), matches, "{pattern} {value:?}");
                }
            }
        }
    }

    #[test]
    fn what_postgres_gets_has_numbers_only() {
        for (pattern, are) in [
            ("a-1", r"^(?:a\u002d1)$"),
            ("[a-c]+?", r"^(?:(?:[a-c]){1,})$"),
            ("(x|y|zz){2}", r"^(?:(?:(?:(?:x|y|zz))){2,2})$"),
            ("😀", r"^(?:\U0001f600)$"),
            (r"[^\s\S]x|a(?:[^\s\S]|b)*[^\s\S]?", r"^(?:(?:a(?:(?:b)){0,}))$"),
            ("[^a]", r"^(?:[\u0001-\u0060b-\U0010ffff])$"),
        ] {
            assert_eq!(Pattern::parse(pattern).unwrap().are(), are, "{pattern}");
        }
    }

    #[test]
    fn what_is_refused_is_named() {
        let nested = format!("{}a{}", "(".repeat(40), ")".repeat(40));
        for (pattern, reason) in [
            ("[a", "must be a regular expression: unclosed character class at character 1"),
            ("a{2", "must be a regular expression: unclosed counted repetition at character 2"),
            ("^a$", "must not contain ^, $, "),
            (r"a\b", "must not contain ^, $, "),
            ("a{256}", "must repeat a part at most 255 times, got 256"),
            (
                "(a{30}){30}",
                "must have at most 500 characters and classes when repeated parts are written out, got 900",
            ),
            ("(a*)*", "must not repeat a part that can be empty"),
            ("(a?|b){2}", "must not repeat a part that can be empty"),
            ("[a&&b]", "must be able to match a value"),
            (r"a[^\s\S]+|[a&&b]", "must be able to match a value"),
            (r"\x00", "must not contain NUL characters"),
            (r"(\w\w\w\w\w\w)", "must have at most 4000 ranges"),
            (r"(?-u)\xff", "must be a regular expression"),
            (&nested, "must be a regular expression"),
        ] {
            let refused = Pattern::parse(pattern).unwrap_err();
            assert!(refused.starts_with(reason), "{pattern}: {refused}");
        }
    }
}
