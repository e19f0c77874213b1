//! One spelling for all that mean the same: paths, queries and values of headers as they are signed.

use std::{cmp::Ordering, iter};

use super::hex;

/// How clients order the parameters of a query, and how they write a space.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum QueryStyle {
    /// By name and value. All clients with `Access`.
    Sorted,
    /// By name without case, as it is when it is encoded. The Go client with `Credential`.
    SortedWithoutCase,
    /// By name alone, with `+` for a space: a form. What the Go client signs in place of an empty body.
    Form,
}

/// Appends a path: decoded, then encoded except for the slashes, with one at the end.
///
/// An escaped slash becomes a plain one. That is how the SDKs sign.
pub(super) fn push_path(text: &mut Vec<u8>, path: &str) {
    for byte in decode(path.as_bytes(), false) {
        if byte == b'/' { text.push(byte) } else { text.extend(encode(byte)) }
    }
    if !text.ends_with(b"/") {
        text.push(b'/');
    }
}

/// Appends a query: its parameters decoded, sorted, and encoded.
pub(super) fn push_query<'a>(text: &mut Vec<u8>, query: &'a str, style: QueryStyle) {
    let split = |parameter: &'a str| match parameter.split_once('=') {
        Some((name, value)) => (name.as_bytes(), value.as_bytes()),
        None => (parameter.as_bytes(), [].as_slice()),
    };
    let mut parameters: Vec<_> = query.split('&').filter(|parameter| !parameter.is_empty()).map(split).collect();
    let without_case = |name: &'a [u8]| decode(name, true).flat_map(encode).map(|byte| byte.to_ascii_lowercase());
    // what is equal keeps its order, which matters to Form
    parameters.sort_by(|(name, value), (other_name, other_value)| {
        let by_name = match style {
            QueryStyle::SortedWithoutCase => without_case(name).cmp(without_case(other_name)),
            QueryStyle::Sorted | QueryStyle::Form => Ordering::Equal,
        };
        let by_name = by_name.then_with(|| decode(name, true).cmp(decode(other_name, true)));
        match style {
            QueryStyle::Form => by_name,
            _ => by_name.then_with(|| decode(value, true).cmp(decode(other_value, true))),
        }
    });
    let push = |text: &mut Vec<u8>, part: &[u8]| {
        for byte in decode(part, true) {
            if byte == b' ' && style == QueryStyle::Form { text.push(b'+') } else { text.extend(encode(byte)) }
        }
    };
    for (i, (name, value)) in parameters.into_iter().enumerate() {
        if i > 0 {
            text.push(b'&');
        }
        push(text, name);
        text.push(b'=');
        push(text, value);
    }
}

/// Appends the value of a header with every run of white space in it as one space.
pub(super) fn push_collapsed(text: &mut Vec<u8>, value: &[u8]) {
    let words = value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    for (i, word) in words.enumerate() {
        if i > 0 {
            text.push(b' ');
        }
        text.extend(word);
    }
}

/// The bytes that a text with escapes means. What looks like an escape and is none means itself.
fn decode(text: &[u8], plus_is_space: bool) -> impl Iterator<Item = u8> {
    let mut rest = text;
    iter::from_fn(move || {
        let (first, tail) = rest.split_first()?;
        if let (b'%', [high, low, after @ ..]) = (first, tail)
            && let (Some(high), Some(low)) = (hex::number(*high), hex::number(*low))
        {
            rest = after;
            return Some(high << 4 | low);
        }
        rest = tail;
        Some(if *first == b'+' && plus_is_space { b' ' } else { *first })
    })
}

/// A byte as it is written: itself if it is unreserved, otherwise its escape.
fn encode(byte: u8) -> impl Iterator<Item = u8> {
    let is_unreserved = byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let digit = |number| hex::digit(number).to_ascii_uppercase();
    let (bytes, length) = if is_unreserved { ([byte; 3], 1) } else { ([b'%', digit(byte >> 4), digit(byte)], 3) };
    bytes.into_iter().take(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pushed(push: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut text = Vec::new();
        push(&mut text);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn spellings_of_a_path_become_one() {
        for (path, canonical) in [
            ("", "/"),
            ("/", "/"),
            ("/a", "/a/"),
            ("/a/", "/a/"),
            ("/a//b", "/a//b/"),
            ("/a%2fb", "/a/b/"),
            ("/%61%7E%7e~", "/a~~~/"),
            ("/a+b%20c", "/a%2Bb%20c/"),
            ("/%d0%BA", "/%D0%BA/"),
            ("/%ff", "/%FF/"),
            ("/%", "/%25/"),
            ("/%2", "/%252/"),
            ("/%zz", "/%25zz/"),
            ("/%25zz", "/%25zz/"),
            ("/!*'()", "/%21%2A%27%28%29/"),
        ] {
            assert_eq!(pushed(|text| push_path(text, path)), canonical, "{path}");
        }
    }

    #[test]
    fn spellings_of_a_query_become_one() {
        let cases = [
            // query, by name and value, without case, as a form
            ("", "", "", ""),
            ("&&", "", "", ""),
            ("b=2&a=1", "a=1&b=2", "a=1&b=2", "a=1&b=2"),
            ("a=2&a=1", "a=1&a=2", "a=1&a=2", "a=2&a=1"),
            ("a", "a=", "a=", "a="),
            ("=a", "=a", "=a", "=a"),
            ("a=b=c", "a=b%3Dc", "a=b%3Dc", "a=b%3Dc"),
            ("a=b+c%20d%2B", "a=b%20c%20d%2B", "a=b%20c%20d%2B", "a=b+c+d%2B"),
            ("b=1&B=2&a=3", "B=2&a=3&b=1", "a=3&B=2&b=1", "B=2&a=3&b=1"),
            // as it is when it is encoded, a bracket comes before a digit
            ("a1=1&a%5b=2", "a1=1&a%5B=2", "a%5B=2&a1=1", "a1=1&a%5B=2"),
            ("ab=1&a=2", "a=2&ab=1", "a=2&ab=1", "a=2&ab=1"),
        ];
        for (query, sorted, without_case, form) in cases {
            assert_eq!(pushed(|text| push_query(text, query, QueryStyle::Sorted)), sorted, "{query}");
            assert_eq!(pushed(|text| push_query(text, query, QueryStyle::SortedWithoutCase)), without_case, "{query}");
            assert_eq!(pushed(|text| push_query(text, query, QueryStyle::Form)), form, "{query}");
        }
    }

    #[test]
    fn white_space_in_a_value_collapses() {
        for (value, collapsed) in [("", ""), ("a", "a"), ("a  b", "a b"), ("a\t \tb\tc", "a b c")] {
            assert_eq!(pushed(|text| push_collapsed(text, value.as_bytes())), collapsed, "{value:?}");
        }
    }
}
