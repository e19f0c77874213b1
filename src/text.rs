//! The beginning of input text: a byte order mark of UTF-8 is skipped, another encoding is refused by name.

use std::io::{self, Chain, Cursor, Read};

/// The mark that some editors put in front of UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";
/// Number of bytes that identify the encoding.
const TELLING: u64 = 4;

/// Text in an encoding that tagd does not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be UTF-8, got {0}")]
pub(crate) struct WrongEncoding(&'static str);

/// Skips a byte order mark. JSON and CSV begin with an ASCII character, so the first bytes identify UTF-16 and UTF-32
/// with or without a mark.
pub(crate) fn begin(text: &[u8]) -> Result<&[u8], WrongEncoding> {
    match text {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] | [0, 0, 0, 1..=0xff, ..] | [1..=0xff, 0, 0, 0, ..] => {
            Err(WrongEncoding("UTF-32"))
        }
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, 1..=0xff, ..] | [1..=0xff, 0, ..] => Err(WrongEncoding("UTF-16")),
        _ => Ok(text.strip_prefix(MARK).unwrap_or(text)),
    }
}

/// Text after its byte order mark.
pub(crate) type Begun<R> = Chain<Cursor<Vec<u8>>, R>;

/// The same for input from a reader; the error contains a [`WrongEncoding`].
pub(crate) fn begin_input<R: Read>(mut input: R) -> io::Result<Begun<R>> {
    let mut first = Vec::new();
    input.by_ref().take(TELLING).read_to_end(&mut first)?;
    let rest = begin(&first).map_err(|wrong| io::Error::new(io::ErrorKind::InvalidData, wrong))?.to_vec();
    Ok(Cursor::new(rest).chain(input))
}

/// The wrong encoding, if a read error is due to one.
pub(crate) fn wrong_encoding(error: &io::Error) -> Option<WrongEncoding> {
    error.get_ref()?.downcast_ref().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Text in an encoding of `bytes` bytes per character, with or without a mark.
    fn wide(text: &str, bytes: usize, is_big: bool) -> Vec<u8> {
        text.chars()
            .flat_map(|c| {
                let mut wide = u32::from(c).to_le_bytes()[..bytes].to_vec();
                if is_big {
                    wide.reverse();
                }
                wide
            })
            .collect()
    }

    #[test]
    fn utf8_goes_on_without_its_mark_and_the_rest_is_named() {
        for text in ["", "{", "{}", "\n\n", "é", "\u{feff}", "\u{feff}{}", "\u{feff}\u{feff}", "\0", "\0\0\0\0"] {
            let expected = text.strip_prefix('\u{feff}').unwrap_or(text);
            assert_eq!(begin(text.as_bytes()), Ok(expected.as_bytes()), "{text:?}");
            let mut read = String::new();
            begin_input(text.as_bytes()).unwrap().read_to_string(&mut read).unwrap();
            assert_eq!(read, expected, "{text:?}");
        }
        for text in ["{}", "\u{feff}{}", "\n{}", "p,x"] {
            for (bytes, name) in [(2, "UTF-16"), (4, "UTF-32")] {
                for is_big in [false, true] {
                    let wide = wide(text, bytes, is_big);
                    assert_eq!(begin(&wide), Err(WrongEncoding(name)), "{text:?} {is_big}");
                    let error = begin_input(wide.as_slice()).unwrap_err();
                    assert_eq!(wrong_encoding(&error), Some(WrongEncoding(name)));
                    assert_eq!(error.to_string(), format!("must be UTF-8, got {name}"));
                }
            }
        }
    }
}
