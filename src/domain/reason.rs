//! The wording of what is wrong with a field: the same mistake reads the same wherever it is found.

use std::borrow::Cow;

/// A field that must be given was not.
pub const REQUIRED: &str = "is required";
/// A text without characters.
pub const EMPTY: &str = "must not be empty";
/// A list without entries, where leaving the field out would mean no condition.
pub const EMPTY_LIST: &str = "must not be empty; omit the field for no condition";
/// A text that the database cannot store.
pub const NUL: &str = "must not contain NUL characters";

/// Something that may be there once is there again.
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

/// A list with too many entries. It is not read to its end, so how many it has is not known.
pub fn too_many(most: usize, entries: &str) -> String {
    format!("must have at most {most} {entries}")
}

/// A list without entries, where there must be one.
pub fn too_few(most: usize, entries: &str) -> String {
    format!("must have between 1 and {most} {entries}, got 0")
}

/// A number out of its range, or text that is not an integer; `u64::MAX` means unbounded.
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

/// What a field may be: `must be "a", "b" or "c"`.
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

/// A field that is none of what it may be.
pub fn not_one_of(allowed: &[&str], text: &str) -> String {
    format!("{}, got {}", one_of(allowed), quote(text))
}

/// A field that must be given and is one of a few.
pub fn required_one_of(allowed: &[&str]) -> String {
    format!("{REQUIRED}, {}", one_of(allowed))
}

/// A value as messages show it: quoted, control characters escaped, cut where it is long.
pub fn quote(value: &str) -> String {
    const SHOWN: usize = 64;
    // as a whole: marks after a letter belong to the text, only one that begins it is escaped
    let mut shown = value.chars().take(SHOWN).collect::<String>().escape_debug().to_string();
    if value.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    format!("\"{shown}\"")
}

/// A text for a message: one that is long without its middle.
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
}
