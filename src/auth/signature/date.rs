//! The form in which signed requests write times: `20260102T030405Z`, in UTC.

use time::{Date, Month, OffsetDateTime, Time, UtcOffset};

/// Reads a time.
pub(super) fn parse(text: &str) -> Option<OffsetDateTime> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let is_digits = |text: &str, count| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    if !is_digits(date, 8) || !is_digits(time, 6) {
        return None;
    }
    let two = |text: &str, at: usize| text.get(at..at + 2)?.parse::<u8>().ok();
    let month = Month::try_from(two(date, 4)?).ok()?;
    let date = Date::from_calendar_date(date.get(..4)?.parse().ok()?, month, two(date, 6)?).ok()?;
    let time = Time::from_hms(two(time, 0)?, two(time, 2)?, two(time, 4)?).ok()?;
    Some(date.with_time(time).assume_utc())
}

/// Writes a time.
pub(super) fn format(time: OffsetDateTime) -> String {
    let time = time.to_offset(UtcOffset::UTC);
    let (year, month, day) = time.to_calendar_date();
    let (hour, minute, second) = time.to_hms();
    format!("{year:04}{:02}{day:02}T{hour:02}{minute:02}{second:02}Z", u8::from(month))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_they_are_read() {
        for text in ["20260102T030405Z", "20240229T235959Z", "99991231T000000Z", "00010101T000000Z"] {
            assert_eq!(format(parse(text).unwrap()), text);
        }
    }

    #[test]
    fn what_is_not_a_time_is_not_read() {
        for text in [
            "",
            "now",
            "20260102T030405",
            "20260102t030405Z",
            "20260102T030405z",
            "20260102T030405+",
            "20260102T030405ZZ",
            "2026-01-02T03:04:05Z",
            "20261302T030405Z",
            "20260230T030405Z",
            "20260102T240405Z",
            "20260102T030460Z",
            "+0260102T030405Z",
            "20260102T+30405Z",
            "2026010éT30405Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
