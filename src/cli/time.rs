//! Times as arguments of commands.

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// A time, in seconds since 1970.
pub(super) fn read_time(text: &str) -> Result<i64, String> {
    OffsetDateTime::parse(&format!("{text}T00:00:00Z"), &Rfc3339)
        .or_else(|_| OffsetDateTime::parse(text, &Rfc3339))
        .map(OffsetDateTime::unix_timestamp)
        .map_err(|_| "must be a date such as 2026-11-30 or a time such as 2026-11-30T08:00:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_dates_or_rfc_3339() {
        assert_eq!(read_time("1970-01-02"), Ok(86_400));
        assert_eq!(read_time("1970-01-01T01:00:00+01:00"), Ok(0));
        for wrong in ["", "yesterday", "2026-13-01", "2026-11-30T08:00"] {
            assert!(read_time(wrong).is_err(), "{wrong}");
        }
    }
}
