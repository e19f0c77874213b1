//! Times as clients write them.

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    error::{FieldKind, RequestError},
    reason::quote,
};

/// The year 10,000, which has no four digits, in microseconds since 1970.
const END: i64 = 253_402_300_800_000_000;

/// A time from 1970 to 9999, in microseconds since 1970. `None` if the text is none.
pub fn parse_time(text: &str) -> Option<i64> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    // rounded down, so that a time just before 1970 is not taken for 1970
    let micros = i64::try_from(time.unix_timestamp_nanos().div_euclid(1000)).ok();
    // in UTC: with its offset, a time of 1970 may be one of 1969
    micros.filter(|micros| (0..END).contains(micros))
}

/// Reads a time of a request, in microseconds since 1970.
pub fn read_time(field: &str, text: &str) -> Result<i64, RequestError> {
    parse_time(text).ok_or_else(|| {
        let reason = format!("must be a time since 1970 as in 2026-11-30T08:00:00Z, got {}", quote(text));
        RequestError::invalid(FieldKind::General, field, reason)
    })
}

/// Writes a time, of microseconds since 1970, with six digits behind the seconds.
pub fn write_time(micros: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1000);
    let time = time.unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (date, clock) = (time.date(), time.time());
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z",
        date.year(),
        u8::from(date.month()),
        date.day(),
        clock.hour(),
        clock.minute(),
        clock.second(),
        clock.microsecond()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_is_written_is_read_the_same() {
        for micros in [0, 1, 1_796_025_600_000_000, 1_796_025_600_000_001, 253_402_300_799_999_999] {
            assert_eq!(read_time("at", &write_time(micros)).unwrap(), micros);
        }
        assert_eq!(write_time(1_796_025_600_000_123), "2026-11-30T08:00:00.000123Z");
        assert!(read_time("at", "yesterday").unwrap_err().to_string().starts_with("at: must be a time since 1970"));
    }
    #[test]
    fn a_time_is_one_since_1970_and_before_10000_in_utc_whatever_its_offset() {
        for (text, micros) in [
            ("1970-01-01T12:00:00+12:00", 0),
            ("1969-12-31T12:00:00-12:00", 0),
            ("9999-12-31T23:59:59.999999Z", END - 1),
            ("9999-12-31T11:59:59.999999-12:00", END - 1),
        ] {
            assert_eq!(read_time("at", text).unwrap(), micros, "{text}");
        }
        for text in [
            "1970-01-01T00:00:00+12:00",
            "1969-12-31T23:59:59.9999999Z",
            "9999-12-31T23:59:59-12:00",
            "9999-12-31T12:00:00-12:00",
        ] {
            assert!(read_time("at", text).is_err(), "{text}");
        }
    }
}
