//! COPY in text format: rows are written as text and sent to a table in large messages.

use super::pool::PooledConnection;

/// Bytes of COPY data in one message.
const MESSAGE: usize = 256 * 1024;

/// Sends rows to the table that a COPY statement names.
pub(super) async fn copy_rows(
    connection: &mut PooledConnection,
    statement: &'static str,
    rows: &str,
) -> Result<(), sqlx::Error> {
    let mut copy = connection.copy_in_raw(statement).await?;
    for message in rows.as_bytes().chunks(MESSAGE) {
        copy.send(message).await?;
    }
    copy.finish().await?;
    Ok(())
}

/// Writes a column; `None` is null.
pub(super) fn write_column(out: &mut String, text: Option<&str>) {
    match text {
        None => out.push_str("\\N"),
        Some(text) => text.chars().for_each(|c| write_char(out, c)),
    }
}

/// Writes a column that is an array of texts.
pub(super) fn write_array<'a>(out: &mut String, elements: impl Iterator<Item = &'a str>) {
    out.push('{');
    for (i, element) in elements.enumerate() {
        if i > 0 {
            out.push(',');
        }
        out.push('"');
        for c in element.chars() {
            match c {
                // escaped once for the array and once for COPY
                '"' => out.push_str("\\\\\""),
                '\\' => out.push_str("\\\\\\\\"),
                c => write_char(out, c),
            }
        }
        out.push('"');
    }
    out.push('}');
}

fn write_char(out: &mut String, c: char) {
    match c {
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        c => out.push(c),
    }
}
