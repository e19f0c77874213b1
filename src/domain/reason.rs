//! Messages for invalid fields, so that the same mistake has the same message everywhere.

use std::borrow::Cow;

/// A required field is missing.
pub const REQUIRED: &str = "is required";
/// An empty text.
pub const EMPTY: &str = "must not be empty";
/// An empty list, if leaving the field out would mean no condition.
pub const EMPTY_LIST: &str = "must not be empty; omit the field for no condition";
/// A text that the database cannot store.
pub const NUL: &str = "must not contain NUL characters";

/// A duplicate.
pub fn duplicate(what: &str, text: &str) -> String {
    format!("duplicate {what} {}", quote(text))
}

/// A text with too many characters.
pub fn too_long(most: usize, count: usize) -> String {
    format!("must be at most {most} characters, got {count}")
}

/// Something with too many bytes.
pub fn too_large(most: u64, count: u64) -> String {
    format!("must be at most {most} bytes, got {count}")
}

/// A list with too many entries. It is not read to its end, so the number of entries is not known.
pub fn too_many(most: usize, entries: &str) -> String {
    format!("must have at most {most} {entries}")
}

/// An empty list, if at least one entry is required.
pub fn too_few(most: usize, entries: &str) -> String {
    format!("must have between 1 and {most} {entries}, got 0")
}

/// A number out of range, or text that is not an integer; `u64::MAX` means unbounded.
pub fn not_between(least: u64, most: u64, text: &str) -> String {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let shown = if is_number { shorten(text).into_owned() } else { quote(text) };
    if most == u64::MAX {
        format!("must be an integer greater than or equal to {least}, got {shown}")
    } else {
        format!("must be an integer between {least} and {most}, got {shown}")
    }
}

/// A limit that is lower than the number of resources that would be removed.
pub fn below_removals(count: u64, limit: u64) -> String {
    format!("must be at least {count}, the number of resources that would be removed, got {limit}")
}

/// The allowed values of a field: `must be "a", "b" or "c"`.
pub fn one_of(allowed: &[&str]) -> String {
    let mut reason = "must be ".to_owned();
    for (i, text) in allowed.iter().enumerate() {
        reason.push_str(match i {
            0 => "",
            i if i + 1 == allowed.len() => " or ",
            _ => ", ",
        });
        reason.push_str(&quote(text));
    }
    reason
}

/// A field that has none of its allowed values.
pub fn not_one_of(allowed: &[&str], text: &str) -> String {
    format!("{}, got {}", one_of(allowed), quote(text))
}

/// A required field with a few allowed values.
pub fn required_one_of(allowed: &[&str]) -> String {
    format!("{REQUIRED}, {}", one_of(allowed))
}

/// A value as messages show it: quoted, with control characters escaped, and shortened if it is long.
pub fn quote(value: &str) -> String {
    const SHOWN: usize = 64;
    // escaped as a whole: combining marks after a letter are kept, only one at the beginning is escaped
    let mut shown = value.chars().take(SHOWN).collect::<String>().escape_debug().to_string();
    if value.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    format!("\"{shown}\"")
}

/// A text for a message; a long one is shown without its middle.
pub fn shorten(text: &str) -> Cow<'_, str> {
    const SHOWN: usize = 96;
    match (text.char_indices().nth(SHOWN), text.char_indices().nth_back(SHOWN)) {
        (Some((head, _)), Some((tail, _))) if head < tail => {
            let (head, tail) = (text.get(..head).unwrap_or_default(), text.get(tail..).unwrap_or_default());
            Cow::Owned(format!("{head}…{tail}"))
        }
        _ => Cow::Borrowed(text),
    }
}

/// A message of serde about a wrong type or value without the value, which may be a secret.
pub fn without_value(message: &str) -> Cow<'_, str> {
    if !message.starts_with("invalid type: ") && !message.starts_with("invalid value: ") {
        return Cow::Borrowed(message);
    }
    match message.rsplit_once(", expected ") {
        Some((_, expected)) => Cow::Owned(format!("must be {}", in_words(expected))),
        None => Cow::Borrowed("has the wrong type"),
    }
}

/// What serde expects, without its words for the types of Rust.
fn in_words(expected: &str) -> &str {
    match expected {
        "a sequence" => "a list",
        "a map" => "an object",
        "i64" | "u32" | "u64" => "an integer",
        _ if expected.starts_with("struct ") => "an object",
        _ => expected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_and_numbers_read_as_sentences() {
        assert_eq!(one_of(&["a"]), r#"must be "a""#);
        assert_eq!(one_of(&["a", "b"]), r#"must be "a" or "b""#);
        assert_eq!(not_one_of(&["a", "b", "c"], "d"), r#"must be "a", "b" or "c", got "d""#);
        assert_eq!(not_between(1, 1000, "1001"), "must be an integer between 1 and 1000, got 1001");
        assert_eq!(not_between(1, 1000, "many"), r#"must be an integer between 1 and 1000, got "many""#);
        assert_eq!(not_between(1, 1000, ""), r#"must be an integer between 1 and 1000, got """#);
        assert_eq!(not_between(1, 1000, "-"), r#"must be an integer between 1 and 1000, got "-""#);
        assert_eq!(not_between(0, u64::MAX, "-1"), "must be an integer greater than or equal to 0, got -1");
    }

    #[test]
    fn a_value_is_left_out_of_a_message_of_serde() {
        for (message, shown) in [
            ("invalid type: integer `12345`, expected a string", "must be a string"),
            ("invalid type: string \"a, expected b\", expected u32", "must be an integer"),
            ("invalid value: string \"hunter2\", expected a key", "must be a key"),
            ("invalid type: string \"hun…", "has the wrong type"),
            ("missing field `secret`", "missing field `secret`"),
        ] {
            assert_eq!(without_value(message), shown);
        }
    }
}
