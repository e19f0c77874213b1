//! The detail of a resource: any JSON value, checked once and stored as the text that was sent.

use super::{
    error::{FieldKind, RequestError},
    reason,
};

/// Maximum size of a detail in bytes, in the form in which it is stored, returned and exported.
pub const DETAIL_BYTES: usize = 1024 * 1024;
/// Maximum nesting depth of arrays and objects. Some parsers stop at 128, including what surrounds a detail in a
/// response.
const DETAIL_DEPTH: usize = 100;

/// Checks a detail, which must be JSON, against the limits and converts it to the form in which it is stored: without
/// white space around it and on one line. `None` for a JSON null, which means no detail.
///
/// Numbers, the order of keys, duplicate keys and spaces stay as they were sent. Text that cannot be stored or read back
/// is refused: half of a surrogate pair, which is not a character, and NUL, which Postgres cannot store.
pub fn check_detail(detail: &str) -> Result<Option<String>, RequestError> {
    let detail = detail.trim_matches([' ', '\t', '\n', '\r']);
    if detail == "null" {
        return Ok(None);
    }
    if detail.len() > DETAIL_BYTES {
        let count = |bytes| u64::try_from(bytes).unwrap_or(u64::MAX);
        return Err(invalid(reason::too_large(count(DETAIL_BYTES), count(detail.len()))));
    }
    scan(detail)?;
    // strings contain no line breaks, so these are between the tokens of the value
    Ok(Some(if detail.contains(['\n', '\r']) { detail.replace(['\n', '\r'], " ") } else { detail.to_owned() }))
}

/// Checks the depth and the escapes of valid JSON.
fn scan(json: &str) -> Result<(), RequestError> {
    let mut bytes = json.bytes();
    let mut depth: usize = 0;
    while let Some(byte) = bytes.next() {
        match byte {
            b'{' | b'[' => {
                depth += 1;
                if depth > DETAIL_DEPTH {
                    return Err(invalid(format!("must not be nested deeper than {DETAIL_DEPTH} levels")));
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => scan_string(&mut bytes)?,
            _ => {}
        }
    }
    Ok(())
}

/// Checks the escapes of a string, up to its closing quote.
fn scan_string(bytes: &mut impl Iterator<Item = u8>) -> Result<(), RequestError> {
    // a high surrogate; the next escape must complete it
    let mut high = None;
    loop {
        let byte = bytes.next();
        let unit = match byte {
            Some(b'\\') => match bytes.next() {
                Some(b'u') => Some(code_unit(bytes)),
                _ => None,
            },
            _ => None,
        };
        match (high.take(), unit) {
            (Some(_), Some(0xDC00..=0xDFFF)) => {}
            (Some(lone), _) | (None, Some(lone @ 0xDC00..=0xDFFF)) => {
                return Err(invalid(format!("must not contain the unpaired surrogate \\u{lone:04x}")));
            }
            (None, Some(0)) => return Err(invalid(reason::NUL.to_owned())),
            (None, Some(unit @ 0xD800..=0xDBFF)) => high = Some(unit),
            (None, _) => {}
        }
        if matches!(byte, None | Some(b'"')) {
            return Ok(());
        }
    }
}

/// The four hexadecimal digits of an escape.
fn code_unit(bytes: &mut impl Iterator<Item = u8>) -> u32 {
    let digits = bytes.take(4).filter_map(|byte| char::from(byte).to_digit(16));
    digits.fold(0, |unit, digit| unit * 16 + digit)
}

fn invalid(reason: String) -> RequestError {
    RequestError::invalid(FieldKind::General, "resource_detail", reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(detail: &str) -> String {
        check_detail(detail).unwrap().unwrap()
    }

    fn refused(detail: &str) -> String {
        check_detail(detail).unwrap_err().to_string()
    }

    #[test]
    fn what_readers_take_stays_as_it_was_sent() {
        for detail in [
            "1e5",
            "-0",
            "2.50",
            "1e-16384",
            "1E+999999999",
            r#"{"a":1,"a":2}"#,
            r#"{ "b" : [1,	2 ] }"#,
            r#""\ud83d\ude00 \\u0000 \\ud800 \u00e9\/\u2028""#,
            "\"\u{1F980}\u{2028}\u{7f}\"",
            "false",
        ] {
            assert_eq!(kept(detail), detail);
        }
    }

    #[test]
    fn a_detail_is_on_one_line_of_the_same_length() {
        assert_eq!(kept("\r\n{\n\t\"a\":\r\n 1}\n "), "{ \t\"a\":   1}");
        assert_eq!(check_detail(" null\n").unwrap(), None);
    }

    #[test]
    fn what_readers_do_not_take_is_refused_by_name() {
        for (detail, reason) in [
            (r#"{"a\u0000":1}"#, "NUL"),
            (r#"["\ud800"]"#, r"unpaired surrogate \ud800"),
            (r#""\uDBFFx""#, r"unpaired surrogate \udbff"),
            (r#""\ud800\n""#, r"unpaired surrogate \ud800"),
            (r#""\ud800\ud800\udc00""#, r"unpaired surrogate \ud800"),
            (r#""\uDC00""#, r"unpaired surrogate \udc00"),
            (r#""\ud83d\ude00\ude00""#, r"unpaired surrogate \ude00"),
        ] {
            let said = refused(detail);
            assert!(said.starts_with("resource_detail: ") && said.contains(reason), "{detail}: {said}");
        }
    }

    #[test]
    fn size_and_depth_are_bounded() {
        let text = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
        assert_eq!(kept(&format!(" {}\n", text(DETAIL_BYTES))).len(), DETAIL_BYTES);
        assert_eq!(refused(&text(DETAIL_BYTES + 1)), "resource_detail: must be at most 1048576 bytes, got 1048577");
        let nested = |depth: usize| format!("{}{}", r#"{"[":["#.repeat(depth / 2), "]}".repeat(depth / 2));
        assert_eq!(kept(&nested(DETAIL_DEPTH)), nested(DETAIL_DEPTH));
        assert_eq!(refused(&nested(DETAIL_DEPTH + 2)), "resource_detail: must not be nested deeper than 100 levels");
        let deep = DETAIL_BYTES / 2;
        assert!(refused(&format!("{}{}", "[".repeat(deep), "]".repeat(deep))).contains("100 levels"));
    }
}
