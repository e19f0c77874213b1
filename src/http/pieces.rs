//! Answers that go out piece by piece, so that no list is in memory as a whole.

use actix_web::web::Bytes;
use futures_util::{Stream, stream};

use super::dispatch;
use crate::{
    dialects::ListWriter,
    domain::{Fault, TagList, TagWalk},
    service::Service,
};

/// A list under way. Between two pieces nothing is held in the database, however slow the client is.
pub(super) struct Pieces {
    service: Service,
    writer: Box<dyn ListWriter>,
    next: Option<String>,
    /// What goes out next.
    json: Vec<u8>,
    state: State,
}

enum State {
    /// The tags behind what goes out next.
    More(TagWalk),
    /// What goes out next is the last.
    Last,
    Done,
}

impl Pieces {
    /// A list of which the first piece is written.
    pub(super) fn new(service: Service, json: Vec<u8>, writer: Box<dyn ListWriter>, list: TagList) -> Self {
        let state = list.rest.map_or(State::Last, State::More);
        Self { service, writer, next: list.next, json, state }
    }

    /// The answer as a whole.
    pub(super) async fn collect(mut self) -> Result<Vec<u8>, Fault> {
        while matches!(self.state, State::More(_)) {
            self.read().await?;
        }
        Ok(self.json)
    }

    /// The answer as a stream; an error breaks the connection off, so that the answer is not taken for whole.
    pub(super) fn stream(self) -> impl Stream<Item = Result<Bytes, std::io::Error>> {
        Box::pin(stream::unfold(self, async |mut pieces| {
            if matches!(pieces.state, State::Done) {
                return None;
            }
            let json = std::mem::take(&mut pieces.json);
            if matches!(pieces.state, State::Last) {
                pieces.state = State::Done;
            } else if let Err(fault) = pieces.read().await {
                dispatch::log(&fault);
                pieces.state = State::Done;
                return Some((Err(std::io::Error::other(fault.to_string())), pieces));
            }
            Some((Ok(json.into()), pieces))
        }))
    }

    /// Reads the next piece and writes it behind what is there.
    async fn read(&mut self) -> Result<(), Fault> {
        let State::More(walk) = std::mem::replace(&mut self.state, State::Last) else { return Ok(()) };
        let (tags, rest) = self.service.walk(walk).await?;
        self.writer.each(&tags, &mut self.json);
        match rest {
            Some(walk) => self.state = State::More(walk),
            None => self.writer.end(self.next.as_deref(), &mut self.json),
        }
        Ok(())
    }
}
