//! A report as CSV for spreadsheets, and as JSON.

use std::io::Write;

use super::sink::Sink;

/// What a spreadsheet takes for the beginning of a formula.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// Rows as CSV after RFC 4180, with a line of headings.
pub(super) struct Csv<W: Write> {
    writer: csv::Writer<W>,
}

impl<W: Write> Csv<W> {
    pub(super) fn new(out: W, headings: &[String]) -> std::io::Result<Self> {
        let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(out);
        writer.write_record(headings)?;
        Ok(Self { writer })
    }
}

impl<W: Write> Sink for Csv<W> {
    fn row(&mut self, cells: Vec<Option<String>>) -> std::io::Result<()> {
        Ok(self.writer.write_record(cells.into_iter().map(|cell| without_formula(cell.unwrap_or_default())))?)
    }

    fn finish(&mut self) -> std::io::Result<()> {
        self.writer.flush()
    }
}

/// A cell that is text in every spreadsheet. A negative number stays a number.
fn without_formula(cell: String) -> String {
    if cell.starts_with(FORMULA) && !cell.parse().is_ok_and(f64::is_finite) { format!("'{cell}") } else { cell }
}

/// Rows, each a JSON object, as an array.
pub(super) struct Json<W> {
    out: W,
    is_begun: bool,
}

impl<W: Write> Json<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, is_begun: false }
    }
}

impl<W: Write> Sink for Json<W> {
    fn row(&mut self, cells: Vec<Option<String>>) -> std::io::Result<()> {
        let separator = if self.is_begun { ",\n" } else { "[\n" };
        self.is_begun = true;
        let object = cells.into_iter().next().flatten().unwrap_or_default();
        write!(self.out, "{separator}{object}")
    }

    fn finish(&mut self) -> std::io::Result<()> {
        self.out.write_all(if self.is_begun { b"\n]\n" } else { b"[]\n" })?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        let mut out = Vec::new();
        let mut csv = Csv::new(&mut out, &["a".to_owned(), "b".to_owned()]).unwrap();
        for cell in ["=1+1", "+x", "-x", "@x", "\tx", "\rx", "-1.5", "-inf", "+NaN", "-Infinity", "a,\"b\"", "plain"] {
            csv.row(vec![Some(cell.to_owned()), None]).unwrap();
        }
        csv.finish().unwrap();
        drop(csv);
        let text = String::from_utf8(out).unwrap();
        let expected = "a,b\r\n'=1+1,\r\n'+x,\r\n'-x,\r\n'@x,\r\n'\tx,\r\n\"'\rx\",\r\n-1.5,\r\n'-inf,\r\n'+NaN,\r\n'-Infinity,\r\n\"a,\"\"b\"\"\",\r\nplain,\r\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn objects_are_an_array() {
        for (rows, expected) in [(0, "[]\n"), (2, "[\n{},\n{}\n]\n")] {
            let mut out = Vec::new();
            let mut json = Json::new(&mut out);
            for _ in 0..rows {
                json.row(vec![Some("{}".to_owned())]).unwrap();
            }
            json.finish().unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
