//! Times as clients write them.

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    error::{FieldKind, RequestError},
    reason::quote,
};

/// Reads a time, in microseconds since 1970.
pub fn read_time(field: &str, text: &str) -> Result<i64, RequestError> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok().filter(|time| (1970..10_000).contains(&time.year()));
    let micros = time.and_then(|time| i64::try_from(time.unix_timestamp_nanos() / 1000).ok());
    micros.ok_or_else(|| {
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
}
