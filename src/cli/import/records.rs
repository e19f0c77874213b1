//! CSV as RFC 4180 describes it, read strictly: quotes in the wrong place are reported, not guessed at.

use std::io::{self, ErrorKind, Read};

use crate::text;

/// Number of bytes that are read at a time.
const READ_SIZE: usize = 64 * 1024;

/// A CSV file, record by record. A line ends with LF or CR LF; blank lines are skipped.
pub(super) struct Records<R> {
    input: R,
    /// Input that has been read; the bytes from `at` on are not consumed yet.
    buffer: Vec<u8>,
    at: usize,
    is_over: bool,
    /// Number of the line at `at`.
    line: u64,
    /// Largest record in bytes.
    most: usize,
}

/// A record; its memory is reused for the next one.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// Number of the line on which it begins.
    pub(super) line: u64,
    /// Its length in the file, in bytes.
    pub(super) bytes: u64,
    /// Why it cannot be read, if it is malformed. Its fields are those before the bad one.
    pub(super) error: Option<Malformed>,
    text: Vec<u8>,
    ends: Vec<usize>,
}

/// Why a record cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Malformed {
    /// The line on which the bad field begins.
    pub(super) line: u64,
    /// What is wrong.
    pub(super) reason: String,
}

/// A position up to which the record is read.
#[derive(Debug, Clone, Copy)]
struct Position {
    /// Bytes from the beginning of the record.
    offset: usize,
    line: u64,
}

impl Record {
    /// How many fields there are.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// A field.
    pub(super) fn get(&self, field: usize) -> Option<&[u8]> {
        let end = *self.ends.get(field)?;
        let start = field.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or_default();
        self.text.get(start..end)
    }

    /// The line to report an error at.
    pub(super) fn error_line(&self) -> u64 {
        self.error.as_ref().map_or(self.line, |error| error.line)
    }

    /// All fields.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).filter_map(|field| self.get(field))
    }
}

impl<R: Read> Records<R> {
    pub(super) fn new(input: R, most: usize) -> io::Result<Records<text::Begun<R>>> {
        let input = text::begin_input(input)?;
        Ok(Records { input, buffer: Vec::new(), at: 0, is_over: false, line: 1, most })
    }

    /// Reads the next record; false at the end.
    ///
    /// A malformed record ends with the line on which its bad field begins. Reading continues on the next line, so a
    /// quote that is never closed loses no more than that.
    pub(super) fn read(&mut self, record: &mut Record) -> io::Result<bool> {
        record.text.clear();
        record.ends.clear();
        record.error = None;
        record.bytes = 0;
        loop {
            match self.skip_line_end()? {
                0 => break,
                bytes => record.bytes += bytes,
            }
        }
        record.line = self.line;
        if self.byte(0)?.is_none() {
            return Ok(false);
        }
        let mut position = Position { offset: 0, line: self.line };
        loop {
            let begin = position;
            let error = if self.byte(position.offset)? == Some(b'"') {
                self.read_quoted(&mut position, &mut record.text)?
            } else {
                self.read_plain(&mut position, &mut record.text)?
            };
            if let Some(error) = error {
                let reason = format!("field {}: {error}", record.len() + 1);
                record.error = Some(Malformed { line: begin.line, reason });
                record.bytes += self.skip(begin) + self.skip_line()?;
                return Ok(true);
            }
            record.ends.push(record.text.len());
            if self.byte(position.offset)? != Some(b',') {
                record.bytes += self.skip(position) + self.skip_line_end()?;
                return Ok(true);
            }
            position.offset += 1;
        }
    }

    /// Reads a field without quotes up to its delimiter; returns what is wrong with it, if anything.
    fn read_plain(&mut self, position: &mut Position, text: &mut Vec<u8>) -> io::Result<Option<String>> {
        loop {
            let rest = self.from(position.offset)?;
            let end = rest.iter().position(|byte| matches!(byte, b',' | b'\r' | b'\n' | b'"'));
            let (part, _) = rest.split_at(end.unwrap_or(rest.len()));
            text.extend_from_slice(part);
            position.offset += part.len();
            let is_over = part.is_empty() && end.is_none();
            if position.offset > self.most {
                return Ok(Some(format!("a record must be at most {} bytes", self.most)));
            }
            match self.byte(position.offset)? {
                Some(b'"') => {
                    return Ok(Some(
                        "unexpected quote in an unquoted field; quote the field and double the quote inside".to_owned(),
                    ));
                }
                // a line that is cut off here would look complete
                Some(b'\r') if self.byte(position.offset + 1)? != Some(b'\n') => {
                    return Ok(Some("carriage return without a line feed; quote the field".to_owned()));
                }
                _ if is_over || end.is_some() => return Ok(None),
                _ => {}
            }
        }
    }

    /// Reads a field in quotes up to its delimiter; returns what is wrong with it, if anything.
    fn read_quoted(&mut self, position: &mut Position, text: &mut Vec<u8>) -> io::Result<Option<String>> {
        position.offset += 1;
        loop {
            let Some(byte) = self.byte(position.offset)? else {
                return Ok(Some("unclosed quote".to_owned()));
            };
            if position.offset >= self.most {
                return Ok(Some(format!("unclosed quote within {} bytes of the record", self.most)));
            }
            position.offset += 1;
            match byte {
                b'"' => match self.byte(position.offset)? {
                    Some(b'"') => position.offset += 1,
                    None | Some(b',' | b'\n') => return Ok(None),
                    Some(b'\r') if self.byte(position.offset + 1)? == Some(b'\n') => return Ok(None),
                    Some(_) => {
                        return Ok(Some(
                            "unexpected text after the closing quote; double a quote inside a field".to_owned(),
                        ));
                    }
                },
                b'\n' => position.line += 1,
                _ => {}
            }
            text.push(byte);
        }
    }

    /// Consumes the input up to a position.
    fn skip(&mut self, position: Position) -> u64 {
        self.at += position.offset;
        self.line = position.line;
        u64::try_from(position.offset).unwrap_or(u64::MAX)
    }

    /// Skips a line without keeping it.
    fn skip_line(&mut self) -> io::Result<u64> {
        let mut skipped = 0;
        loop {
            let rest = self.from(0)?;
            let end = rest.iter().position(|byte| *byte == b'\n');
            let count = end.unwrap_or(rest.len());
            self.at += count;
            skipped += u64::try_from(count).unwrap_or(u64::MAX);
            if end.is_some() || count == 0 {
                return Ok(skipped + self.skip_line_end()?);
            }
        }
    }

    /// Skips a line end, if one comes next.
    fn skip_line_end(&mut self) -> io::Result<u64> {
        let bytes = match self.byte(0)? {
            Some(b'\r') if self.byte(1)? == Some(b'\n') => 2,
            Some(b'\n') => 1,
            _ => return Ok(0),
        };
        self.at += bytes;
        self.line += 1;
        Ok(u64::try_from(bytes).unwrap_or(u64::MAX))
    }

    /// A byte that is not consumed yet; `None` at the end of the input.
    fn byte(&mut self, offset: usize) -> io::Result<Option<u8>> {
        if let Some(byte) = self.buffer.get(self.at + offset) {
            return Ok(Some(*byte));
        }
        Ok(self.from(offset)?.first().copied())
    }

    /// The bytes that have been read, from an offset on; empty only at the end of the input.
    fn from(&mut self, offset: usize) -> io::Result<&[u8]> {
        while self.buffer.len() <= self.at + offset && !self.is_over {
            self.buffer.drain(..self.at);
            self.at = 0;
            let filled = self.buffer.len();
            self.buffer.resize(filled + READ_SIZE, 0);
            let (_, free) = self.buffer.split_at_mut(filled);
            let read = self.input.read(free);
            self.buffer.truncate(filled + *read.as_ref().unwrap_or(&0));
            match read {
                Ok(0) => self.is_over = true,
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
        }
        Ok(self.buffer.get(self.at + offset..).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MOST: usize = 1000;

    /// Input that arrives a few bytes at a time.
    struct Drops<'a>(&'a [u8], usize);

    impl Read for Drops<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(self.0.len()).min(buffer.len());
            let (front, rest) = self.0.split_at(count);
            buffer[..count].copy_from_slice(front);
            self.0 = rest;
            Ok(count)
        }
    }

    type Row = (u64, Result<Vec<String>, (u64, String)>);

    fn rows_in_pieces(text: &[u8], piece: usize) -> Vec<Row> {
        let mut records = Records::new(Drops(text, piece), MOST).unwrap();
        let mut record = Record::default();
        let mut rows = Vec::new();
        let mut bytes = 0;
        while records.read(&mut record).unwrap() {
            bytes += record.bytes;
            let fields = record.iter().map(|field| String::from_utf8(field.to_vec()).unwrap()).collect();
            let row = match &record.error {
                None => Ok(fields),
                Some(Malformed { line, reason }) => {
                    Err((*line, reason.split([':', ';']).nth(1).unwrap().trim().into()))
                }
            };
            rows.push((record.line, row));
        }
        let mark = if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        assert_eq!(bytes + record.bytes + mark, text.len() as u64, "bytes of {text:?}");
        rows
    }

    fn rows(text: &str) -> Vec<Row> {
        let rows = rows_in_pieces(text.as_bytes(), usize::MAX);
        for piece in [1, 2, 7] {
            assert_eq!(rows_in_pieces(text.as_bytes(), piece), rows, "{text:?} in pieces of {piece}");
        }
        rows
    }

    fn good(line: u64, fields: &[&str]) -> Row {
        (line, Ok(fields.iter().map(|field| (*field).to_owned()).collect()))
    }

    fn bad(line: u64, opened: u64, reason: &str) -> Row {
        (line, Err((opened, reason.to_owned())))
    }

    #[test]
    fn line_ends_blank_lines_and_a_mark_are_no_part_of_a_record() {
        for end in ["\n", "\r\n"] {
            let text = ["\u{feff}", "a,b", "", "", "c,\"d", "e\"", ",", "\"\""].join(end);
            let inner = format!("d{end}e");
            let expected = [good(2, &["a", "b"]), good(5, &["c", &inner]), good(7, &["", ""]), good(8, &[""])];
            assert_eq!(rows(&text), expected, "{end:?}");
            assert_eq!(rows(&(text + end)), expected, "{end:?}");
        }
        assert_eq!(rows(""), []);
        assert_eq!(rows("\r\n\n\r\n"), []);
        assert_eq!(rows("\u{feff}a"), [good(1, &["a"])]);
    }

    #[test]
    fn a_quote_in_the_wrong_place_costs_its_line() {
        let behind = "unexpected text after the closing quote";
        let stray = "unexpected quote in an unquoted field";
        let open = "unclosed quote";
        assert_eq!(rows("a,\"5\" pipe\"\nb,c\n"), [bad(1, 1, behind), good(2, &["b", "c"])]);
        assert_eq!(rows("a,5\" pipe\nb,c\n"), [bad(1, 1, stray), good(2, &["b", "c"])]);
        assert_eq!(rows("a, \"b\"\nb,c\n"), [bad(1, 1, stray), good(2, &["b", "c"])]);
        assert_eq!(rows("a,\"x\nb,y\n"), [bad(1, 1, open), good(2, &["b", "y"])]);
        assert_eq!(rows("a,\"x"), [bad(1, 1, open)]);
        assert_eq!(rows("\""), [bad(1, 1, open)]);
        // closed by the quote that opens a later field
        assert_eq!(rows("a,\"x\nb,\"y\"\nc,z"), [bad(1, 1, behind), good(2, &["b", "y"]), good(3, &["c", "z"])]);
        // a record over several lines ends with the line on which the bad quote opens
        assert_eq!(rows("\"a\nb\",\"c\nd\"e\nf"), [bad(1, 2, behind), bad(3, 3, stray), good(4, &["f"])]);
    }

    #[test]
    fn a_carriage_return_alone_ends_no_line() {
        let alone = "carriage return without a line feed";
        assert_eq!(rows("a,b\rc\nd,e\r\n"), [bad(1, 1, alone), good(2, &["d", "e"])]);
        assert_eq!(rows("a,b\r"), [bad(1, 1, alone)]);
        assert_eq!(rows("\ra\nb"), [bad(1, 1, alone), good(2, &["b"])]);
        assert_eq!(rows("a\rb\rc"), [bad(1, 1, alone)]);
        assert_eq!(rows("a,\"b\"\rc\nd"), [bad(1, 1, "unexpected text after the closing quote"), good(2, &["d"])]);
        assert_eq!(rows("a,\"b\rc\"\r\nd"), [good(1, &["a", "b\rc"]), good(2, &["d"])]);
    }

    #[test]
    fn a_record_is_bounded() {
        let most = "x".repeat(MOST);
        assert_eq!(rows(&format!("{most}\nb")), [good(1, &[&most]), good(2, &["b"])]);
        let long = format!("a record must be at most {MOST} bytes");
        assert_eq!(rows(&format!("{most}x\nb")), [bad(1, 1, &long), good(2, &["b"])]);
        assert_eq!(rows(&format!("{}\nb", ",".repeat(3 * MOST))), [bad(1, 1, &long), good(2, &["b"])]);
        let open = format!("unclosed quote within {MOST} bytes of the record");
        let lines = "b\n".repeat(MOST);
        let found = rows(&format!("a,\"x\n{lines}"));
        assert_eq!((found.len(), &found[0]), (MOST + 1, &bad(1, 1, &open)));
        assert_eq!(found[MOST], good(MOST as u64 + 1, &["b"]));
        let most = format!("\"{}\"", "x".repeat(MOST - 2));
        assert_eq!(rows(&most), [good(1, &[most.trim_matches('"')])]);
    }

    #[test]
    fn an_input_that_fails_is_an_error_and_no_end() {
        struct Fails;
        impl Read for Fails {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(ErrorKind::ConnectionReset.into())
            }
        }
        let mut records = Records::new(b"a,b,c".chain(Fails), MOST).unwrap();
        assert!(records.read(&mut Record::default()).is_err());
    }

    /// The records that the csv crate reads from a text; it accepts malformed input.
    fn by_the_crate(text: &[u8]) -> Vec<Vec<String>> {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text);
        reader.records().map(|record| record.unwrap().iter().map(ToOwned::to_owned).collect()).collect()
    }

    proptest! {
        #[test]
        fn what_another_program_writes_is_read_as_it_was(
            rows in prop::collection::vec(prop::collection::vec("[a,\"\r\n é]{0,6}", 1..5), 0..12),
            style in prop::sample::select(vec![csv::QuoteStyle::Always, csv::QuoteStyle::Necessary]),
            is_windows in any::<bool>(),
            piece in 1_usize..9,
        ) {
            let end = if is_windows { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
            let mut writer = csv::WriterBuilder::new().flexible(true).quote_style(style).terminator(end).from_writer(Vec::new());
            for row in &rows {
                writer.write_record(row).unwrap();
            }
            let text = writer.into_inner().unwrap();
            let read: Vec<_> = rows_in_pieces(&text, piece).into_iter().map(|(_, row)| row.unwrap()).collect();
            prop_assert_eq!(&read, &rows);
        }

        #[test]
        fn where_nothing_is_malformed_the_crate_reads_the_same(text in "[a,,,\"\"\"\r\n\n]{0,40}", piece in 1_usize..9) {
            let read = rows_in_pieces(text.as_bytes(), piece);
            let good: Vec<_> = read.iter().filter_map(|(_, row)| row.clone().ok()).collect();
            if good.len() == read.len() {
                prop_assert_eq!(good, by_the_crate(text.as_bytes()));
            } else {
                // a bad field begins on a line of its record, and the next record after that line
                for pair in read.windows(2) {
                    prop_assert!(pair[0].0 < pair[1].0);
                    if let (_, Err((opened, _))) = &pair[0] {
                        prop_assert!(pair[0].0 <= *opened && *opened < pair[1].0);
                    }
                }
            }
        }
    }
}
