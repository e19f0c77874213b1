//! The time, as credentials have it.

use std::time::{SystemTime, UNIX_EPOCH};

/// Whether a period is over that began at a time. It is too if the clock was set back to before that, or nothing would
/// happen until the clock has caught up.
pub(super) fn is_over(period: i64, since: i64, now: i64) -> bool {
    !(0..period).contains(&now.saturating_sub(since))
}

/// Now, in seconds since 1970.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_over_when_it_has_passed_or_the_clock_was_set_back() {
        for (now, expected) in [(1000, false), (1059, false), (1060, true), (9000, true), (999, true), (-2600, true)] {
            assert_eq!(is_over(60, 1000, now), expected, "{now}");
        }
    }
}
