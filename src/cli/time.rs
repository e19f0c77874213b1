//! Times as arguments of commands.

use crate::domain::moment::parse_time;

/// A date or a time, in seconds since 1970.
pub(super) fn read_time(text: &str) -> Result<i64, String> {
    let micros = parse_time(&format!("{text}T00:00:00Z")).or_else(|| parse_time(text));
    micros.map(|micros| micros / 1_000_000).ok_or_else(|| {
        "must be a date such as 2026-11-30 or a time such as 2026-11-30T08:00:00Z, in the years 1970 to 9999 (UTC)"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_dates_or_rfc_3339() {
        assert_eq!(read_time("1970-01-02"), Ok(86_400));
        assert_eq!(read_time("1970-01-01T01:00:00+01:00"), Ok(0));
        assert_eq!(read_time("9999-12-31T23:59:59.999999Z"), Ok(253_402_300_799));
        for wrong in ["", "yesterday", "2026-13-01", "2026-11-30T08:00"] {
            assert!(read_time(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_are_of_the_years_that_requests_may_name() {
        for wrong in ["0000-01-01", "1969-12-31", "1970-01-01T00:00:00+01:00", "9999-12-31T23:59:59-23:00"] {
            assert!(read_time(wrong).unwrap_err().contains("in the years 1970 to 9999"), "{wrong}");
        }
    }
}
