//! The caller as a parameter of writing functions.

use crate::domain::Caller;

/// A `tagd.caller` as text, for the statement to cast: one parameter, however many fields a caller has.
pub(super) fn row_of(caller: &Caller) -> String {
    let Caller { principal, request_id, address, domain_id, credential_id } = caller;
    let address = address.map(|address| address.to_string());
    let mut row = String::with_capacity(principal.len() + request_id.len() + 64);
    for (before, field) in [
        ('(', Some(&**principal)),
        (',', Some(request_id)),
        (',', address.as_deref()),
        (',', domain_id.as_deref()),
        (',', credential_id.as_deref()),
    ] {
        row.push(before);
        // an empty field is null
        let Some(field) = field else { continue };
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
    fn quotes_and_backslashes_are_doubled_and_what_is_missing_is_null() {
        let caller = Caller { principal: r#"a "b"\c,(d)"#.into(), domain_id: Some("".into()), ..Caller::default() };
        assert_eq!(row_of(&caller), r#"("a ""b""\\c,(d)","",,"",)"#);
    }
}
