//! The memory for bodies.

use std::{cell::Cell, sync::Arc};

use actix_web::web::Bytes;

use crate::{
    domain::{Outage, RequestError},
    memory::Budget,
    metrics::Counter,
};

/// Maximum size of a body. A query within the limits of the dialect with the largest limits is about 6 MiB if every
/// character is escaped.
pub(super) const LARGEST: usize = 8 * 1024 * 1024;

/// Maximum size of a body that anyone may send, without credentials.
pub(super) const LARGEST_OPEN: usize = 64 * 1024;

/// The room for bodies, of all requests together.
#[derive(Debug)]
pub(super) struct Room {
    /// For the first [`LARGEST_OPEN`] bytes of each, so that large bodies cannot keep out small ones.
    beginnings: Budget,
    /// For what is beyond them.
    rest: Budget,
    /// What it means that there is none left.
    outage: Outage,
    /// Bodies for which there was none.
    refused: Counter,
}

impl Room {
    pub(super) fn new(beginnings: usize, rest: usize, outage: Outage) -> Self {
        Self { beginnings: Budget::new(beginnings), rest: Budget::new(rest), outage, refused: Counter::default() }
    }
}

impl Room {
    /// The budgets for beginnings and for the rest.
    pub(super) fn budgets(&self) -> [&Budget; 2] {
        [&self.beginnings, &self.rest]
    }

    /// How many bodies were refused.
    pub(super) fn refused(&self) -> u64 {
        self.refused.value()
    }
}

/// Where the body of one request is kept.
#[derive(Clone, Copy)]
pub(super) struct Place<'p> {
    pub(super) room: &'p Arc<Room>,
    /// The most room that it has had, if that is to be noted.
    pub(super) held: Option<&'p Cell<usize>>,
}

impl<'p> Place<'p> {
    pub(super) fn of(room: &'p Arc<Room>) -> Self {
        Self { room, held: None }
    }
}

/// The room that a body has taken, until this is dropped.
#[derive(Debug)]
pub(super) struct Taken {
    room: Arc<Room>,
    beginning: usize,
    rest: usize,
}

impl Taken {
    /// Takes what a body needs to grow to a size. False if there is no room.
    fn grow(&mut self, size: usize) -> bool {
        let beginning = size.min(LARGEST_OPEN) - self.beginning;
        let rest = size.saturating_sub(LARGEST_OPEN) - self.rest;
        if !self.room.beginnings.try_take(beginning) {
            return false;
        }
        self.beginning += beginning;
        if !self.room.rest.try_take(rest) {
            return false;
        }
        self.rest += rest;
        true
    }

    fn give_back(&mut self) {
        self.room.beginnings.give_back(std::mem::take(&mut self.beginning));
        self.room.rest.give_back(std::mem::take(&mut self.rest));
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// What is kept of a body that is being read.
#[derive(Debug)]
pub(super) struct Kept<'p> {
    /// `None` from when on there was no room for it.
    body: Option<Vec<u8>>,
    /// Its size in memory.
    size: usize,
    /// Its length, if that is known.
    length: Option<usize>,
    taken: Taken,
    held: Option<&'p Cell<usize>>,
}

impl<'p> Kept<'p> {
    pub(super) fn new(length: Option<usize>, place: Place<'p>) -> Self {
        let taken = Taken { room: Arc::clone(place.room), beginning: 0, rest: 0 };
        Self { body: Some(Vec::new()), size: 0, length, taken, held: place.held }
    }

    /// Appends what arrived.
    pub(super) fn push(&mut self, chunk: &[u8]) {
        let Some(body) = &mut self.body else { return };
        let needed = body.len() + chunk.len();
        if needed > self.size {
            // never more than the whole body, and no more than twice of what has arrived: a length is only a claim
            let most = self.length.unwrap_or(LARGEST).min(LARGEST);
            let mut size = (2 * self.size).min(most).max(needed);
            // nor any room of large bodies as long as it is a small one
            if needed <= LARGEST_OPEN {
                size = size.min(LARGEST_OPEN);
            }
            if !self.taken.grow(size) {
                self.body = None;
                self.taken.give_back();
                return;
            }
            if let Some(held) = self.held {
                held.set(size);
            }
            body.reserve_exact(size - body.len());
            self.size = size;
        }
        body.extend_from_slice(chunk);
    }

    /// What has arrived, and its room. An error if there was none.
    pub(super) fn end(self) -> Result<(Bytes, Taken), RequestError> {
        if let Some(body) = self.body {
            return Ok((body.into(), self.taken));
        }
        let Room { outage, refused, .. } = &*self.taken.room;
        refused.increment();
        let source = "bodies of other requests take all of it".into();
        Err(RequestError::Unavailable { outage: *outage, source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(beginnings: usize, rest: usize) -> Arc<Room> {
        Arc::new(Room::new(beginnings, rest, Outage::Bodies))
    }

    fn new(room: &Arc<Room>, length: Option<usize>) -> Kept<'_> {
        Kept::new(length, Place::of(room))
    }

    fn left(room: &Room) -> (i64, i64) {
        (room.beginnings.left(), room.rest.left())
    }

    /// What a body has kept, and what is left of the room.
    fn state(kept: &Kept<'_>, room: &Room) -> (Option<usize>, i64, i64) {
        let (beginnings, rest) = left(room);
        (kept.body.as_ref().map(Vec::len), beginnings, rest)
    }

    const OPEN: i64 = 64 * 1024;

    #[test]
    fn a_body_takes_room_until_it_is_dropped() {
        let room = room(3 * LARGEST_OPEN, 1000);
        let chunk = vec![b'x'; 2 * LARGEST_OPEN];
        let mut small = new(&room, Some(LARGEST_OPEN + 400));
        small.push(&chunk[..LARGEST_OPEN - 1]);
        assert_eq!(state(&small, &room), (Some(LARGEST_OPEN - 1), 2 * OPEN + 1, 1000));
        small.push(&chunk[..1]);
        small.push(&chunk[..300]);
        small.push(&chunk[..100]);
        assert_eq!(state(&small, &room), (Some(LARGEST_OPEN + 400), 2 * OPEN, 600));
        let mut large = new(&room, Some(LARGEST_OPEN + 601));
        large.push(&chunk[..LARGEST_OPEN + 600]);
        assert_eq!(state(&large, &room), (Some(LARGEST_OPEN + 600), OPEN, 0));
        // one byte too many gives back the room of the others, and nothing is kept from then on
        large.push(&chunk[..1]);
        large.push(&chunk[..1]);
        assert_eq!(state(&large, &room), (None, 2 * OPEN, 600));
        assert!(large.end().is_err());
        let (bytes, taken) = small.end().unwrap();
        assert_eq!((bytes.len(), left(&room)), (LARGEST_OPEN + 400, (2 * OPEN, 600)));
        drop(taken);
        assert_eq!(left(&room), (3 * OPEN, 1000));
    }

    #[test]
    fn small_bodies_are_bounded_together() {
        let room = room(100, 1000);
        let mut kept: Vec<_> = (0..11).map(|_| new(&room, Some(10))).collect();
        for body in &mut kept {
            body.push(&[b'x'; 10]);
        }
        assert_eq!(kept.iter().filter(|body| body.body.is_some()).count(), 10);
        kept.truncate(9);
        let mut next = new(&room, None);
        next.push(&[b'x'; 10]);
        assert_eq!(state(&next, &room), (Some(10), 0, 1000));
    }

    #[test]
    fn a_small_body_in_pieces_of_unknown_length_needs_no_room_of_large_ones() {
        let room = room(LARGEST_OPEN, 1);
        let held = Cell::new(0);
        let mut kept = Kept::new(None, Place { room: &room, held: Some(&held) });
        kept.push(&vec![b'x'; LARGEST_OPEN - 1]);
        kept.push(b"x");
        assert_eq!(state(&kept, &room), (Some(LARGEST_OPEN), 0, 1));
        kept.push(b"xx");
        assert_eq!(state(&kept, &room), (None, OPEN, 1));
        assert_eq!(held.get(), LARGEST_OPEN);
    }

    /// The room is that of the memory, and a body that has arrived takes its length.
    #[test]
    fn a_body_that_arrives_in_pieces_takes_no_more_memory_than_room() {
        for (length, size) in [(Some(LARGEST), LARGEST), (Some(100_000), 100_000), (None, LARGEST)] {
            let room = room(LARGEST_OPEN, LARGEST);
            let mut kept = new(&room, length);
            for _ in 0..size / 1000 {
                kept.push(&[b'x'; 1000]);
                let body = kept.body.as_ref().unwrap();
                let taken: i64 = room.budgets().iter().map(|budget| budget.usage()[0]).sum();
                assert_eq!((body.capacity(), usize::try_from(taken)), (kept.size, Ok(kept.size)));
                assert!(kept.size <= (2 * body.len()).min(length.unwrap_or(LARGEST)), "{length:?}");
            }
            kept.push(&vec![b'x'; size % 1000]);
            assert_eq!(kept.body.as_ref().map(|body| (body.len(), body.capacity())), Some((size, size)));
        }
    }
}
