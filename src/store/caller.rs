//! The caller as a parameter of writing functions.

use crate::domain::Caller;

/// A `tagd.caller` as text, for the statement to cast: one parameter, however many fields a caller has.
pub(super) fn row_of(caller: &Caller) -> String {
    let Caller { principal, request_id } = caller;
    let mut row = String::with_capacity(principal.len() + request_id.len() + 8);
    for (field, before) in [(&**principal, '('), (&**request_id, ',')] {
        row.push(before);
        row.push('"');
        for c in field.chars() {
            if matches!(c, '"' | '\\') {
                row.push(c);
            }
            row.push(c);
        }
        row.push('"');
    }
    row.push(')');
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_backslashes_are_doubled() {
        let caller = Caller { principal: r#"a "b"\c,(d)"#.into(), request_id: "".into() };
        assert_eq!(row_of(&caller), r#"("a ""b""\\c,(d)","")"#);
    }
}
