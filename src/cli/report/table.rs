//! A report as a table that fits the terminal, with bars for percentages.

use std::io::{IsTerminal, Write};

use terminal_size::{Width, terminal_size};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::sink::Sink;
use crate::domain::charset::is_invisible;

/// Rows from which the widths of the columns are taken; later rows are fitted to them.
const MEASURED: usize = 1000;

/// The narrowest that a column is cut to.
const NARROWEST: usize = 8;

/// Characters of a bar.
const BAR: usize = 10;

/// Rows as lines of text.
pub(super) struct Table<W> {
    out: W,
    headings: Vec<String>,
    /// Rows that are not written yet, while the widths are not known.
    waiting: Vec<Vec<Option<String>>>,
    columns: Option<Vec<Column>>,
    /// Width of the terminal; `None` where the output goes elsewhere.
    width: Option<usize>,
}

#[derive(Debug, Clone, Copy)]
struct Column {
    width: usize,
    is_number: bool,
}

impl<W: Write> Table<W> {
    pub(super) fn new(out: W, headings: &[String]) -> Self {
        let width = std::io::stdout().is_terminal().then(terminal_size).flatten();
        Self::with_width(out, headings, width.map(|(Width(width), _)| width.into()))
    }

    fn with_width(out: W, headings: &[String], width: Option<usize>) -> Self {
        Self { out, headings: headings.to_vec(), waiting: Vec::new(), columns: None, width }
    }

    /// Whether a column has percentages, beside which there is a bar.
    fn is_share(heading: &str) -> bool {
        heading.ends_with('%')
    }

    /// Decides the widths from the waiting rows, and writes these.
    fn flush_waiting(&mut self) -> std::io::Result<()> {
        let waiting = std::mem::take(&mut self.waiting);
        if waiting.is_empty() {
            return Ok(());
        }
        let mut columns: Vec<Column> = Vec::new();
        for (at, heading) in self.headings.iter().enumerate() {
            let cells = || waiting.iter().filter_map(|row| row.get(at)?.as_deref());
            let is_number = cells().all(|cell| cell.parse::<f64>().is_ok());
            let widest = cells().map(|cell| plain(cell).width()).max().unwrap_or_default();
            columns.push(Column { width: widest.max(heading.width()), is_number });
        }
        if let Some(width) = self.width {
            self.fit(&mut columns, width);
        }
        self.write_line(&columns, &self.headings.clone(), false)?;
        for row in &waiting {
            self.write_row(&columns, row)?;
        }
        self.columns = Some(columns);
        Ok(())
    }

    /// Takes from the widest columns what the terminal does not have.
    fn fit(&self, columns: &mut [Column], width: usize) {
        let bars = self.headings.iter().filter(|heading| Self::is_share(heading)).count() * (BAR + 1);
        let gaps = columns.len().saturating_sub(1) * 2;
        loop {
            let total: usize = columns.iter().map(|column| column.width).sum::<usize>() + gaps + bars;
            // numbers are never cut
            let widest = columns.iter_mut().filter(|column| !column.is_number).max_by_key(|column| column.width);
            match widest {
                Some(column) if total > width && column.width > NARROWEST => column.width -= 1,
                _ => return,
            }
        }
    }

    fn write_row(&mut self, columns: &[Column], row: &[Option<String>]) -> std::io::Result<()> {
        let cells: Vec<String> = row.iter().map(|cell| cell.as_deref().map(plain).unwrap_or_default()).collect();
        self.write_line(columns, &cells, true)
    }

    fn write_line(&mut self, columns: &[Column], cells: &[String], with_bars: bool) -> std::io::Result<()> {
        let mut line = String::new();
        for ((column, cell), heading) in columns.iter().zip(cells).zip(&self.headings) {
            if !line.is_empty() {
                line.push_str("  ");
            }
            let cell = cut(cell, column.width);
            let padding = " ".repeat(column.width.saturating_sub(cell.width()));
            if column.is_number {
                line.push_str(&padding);
                line.push_str(&cell);
            } else {
                line.push_str(&cell);
                line.push_str(&padding);
            }
            if Self::is_share(heading) {
                line.push(' ');
                line.push_str(&cell.trim().parse().ok().filter(|_| with_bars).map_or_else(|| " ".repeat(BAR), bar));
            }
        }
        writeln!(self.out, "{}", line.trim_end())
    }
}

impl<W: Write> Sink for Table<W> {
    fn row(&mut self, cells: Vec<Option<String>>) -> std::io::Result<()> {
        if let Some(columns) = self.columns.clone() {
            return self.write_row(&columns, &cells);
        }
        self.waiting.push(cells);
        if self.waiting.len() < MEASURED { Ok(()) } else { self.flush_waiting() }
    }

    fn finish(&mut self) -> std::io::Result<()> {
        self.flush_waiting()?;
        self.out.flush()
    }
}

/// A text that moves no cursor and turns no direction: keys and values may have any characters.
fn plain(text: &str) -> String {
    text.chars().map(|c| if is_invisible(c) { '\u{fffd}' } else { c }).collect()
}

/// A text cut to a width, with a sign that it was.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += c.width().unwrap_or_default();
        if used > width {
            break;
        }
        kept.push(c);
    }
    kept.push('…');
    kept
}

/// A bar for a percentage, in eighths of a character.
fn bar(percent: f64) -> String {
    const PARTS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 80")]
    let eighths = (percent.clamp(0.0, 100.0) * 0.8).round() as usize;
    let mut bar = "█".repeat(eighths / 8);
    if let Some(part) = PARTS.get(eighths % 8).filter(|_| !eighths.is_multiple_of(8)) {
        bar.push(*part);
    }
    let length = bar.chars().count();
    bar + &" ".repeat(BAR.saturating_sub(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(headings: &[&str], rows: &[&[Option<&str>]], width: Option<usize>) -> String {
        let headings: Vec<String> = headings.iter().map(|heading| (*heading).to_owned()).collect();
        let mut out = Vec::new();
        let mut table = Table::with_width(&mut out, &headings, width);
        for row in rows {
            table.row(row.iter().map(|cell| cell.map(ToOwned::to_owned)).collect()).unwrap();
        }
        table.finish().unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_are_on_the_right_and_shares_have_bars() {
        let rows: &[&[Option<&str>]] = &[
            &[Some("env"), Some("7"), Some("50.00")],
            &[Some("日本"), Some("1234"), Some("100.00")],
            &[None, None, None],
        ];
        let expected = "key      n       %\n\
                        env      7   50.00 █████\n\
                        日本  1234  100.00 ██████████\n\n";
        assert_eq!(table(&["key", "n", "%"], rows, None), expected);
    }

    #[test]
    fn a_wide_column_is_cut_to_the_terminal_and_numbers_are_not() {
        let rows: &[&[Option<&str>]] = &[&[Some("a-very-long-value-of-a-tag"), Some("123456789012")]];
        let text = table(&["value", "n"], rows, Some(30));
        assert_eq!(text, "value                        n\na-very-long-val…  123456789012\n");
        assert!(table(&["value", "n"], rows, Some(5)).contains("123456789012"));
        assert_eq!(table(&["a"], &[&[Some("x\u{1b}[31m\n")]], None), "a\nx\u{fffd}[31m\u{fffd}\n");
        assert_eq!(table(&["a"], &[&[Some("x\u{202e}y\u{200b}")]], None), "a\nx\u{fffd}y\u{fffd}\n");
    }

    #[test]
    fn no_rows_are_no_lines() {
        assert_eq!(table(&["a"], &[], None), "");
    }
}
