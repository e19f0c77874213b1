//! Up to where the feed of all changes is known to be complete.

use std::sync::{Mutex, PoisonError};

use crate::domain::history::{FeedEnd, FeedPosition};

/// The last position up to which the feed was found to be complete: while a writer takes long, the feed goes up to it.
#[derive(Debug, Default)]
pub struct SettledFeed(Mutex<Option<FeedPosition>>);

impl SettledFeed {
    /// Up to where the feed is complete, by its end now and what is known from before; `None` if nothing is.
    pub(super) fn end(&self, now: FeedEnd) -> Option<FeedPosition> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |position: &FeedPosition| (position.span_token, position.origin);
        let before = known.filter(|position| of(position) == of(&now.last));
        if !now.is_settled {
            return before;
        }
        // another request may know more by now
        if before.is_none_or(|before| before.change_id < now.last.change_id) {
            *known = Some(now.last);
        }
        Some(now.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn while_a_writer_takes_long_the_feed_goes_up_to_what_was_complete_before_in_its_span() {
        let at = |span_token, change_id| FeedPosition { span_id: 1, span_token, change_id, origin: 1 };
        let end = |span_token, change_id, is_settled| FeedEnd { last: at(span_token, change_id), is_settled };
        let settled = SettledFeed::default();
        assert_eq!(settled.end(end(7, 5, false)), None);
        assert_eq!(settled.end(end(7, 9, true)), Some(at(7, 9)));
        assert_eq!(settled.end(end(7, 8, true)), Some(at(7, 8)));
        assert_eq!(settled.end(end(7, 20, false)), Some(at(7, 9)));
        // after a restore, or if history was turned off and on
        assert_eq!(settled.end(end(8, 20, false)), None);
        assert_eq!(settled.end(end(8, 3, true)), Some(at(8, 3)));
        assert_eq!(settled.end(end(8, 20, false)), Some(at(8, 3)));
        // after the promotion of a standby, which goes on with the span
        let elsewhere = FeedPosition { origin: 2, ..at(8, 9) };
        assert_eq!(settled.end(FeedEnd { last: elsewhere, is_settled: false }), None);
        assert_eq!(settled.end(FeedEnd { last: elsewhere, is_settled: true }), Some(elsewhere));
    }
}
