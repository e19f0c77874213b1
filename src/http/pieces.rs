//! Streamed responses, so that no list is in memory as a whole.

use actix_web::web::Bytes;
use futures_util::{Stream, stream};

use super::{error_log, outgoing::no_room};
use crate::{
    auth::Principal,
    dialects::ListWriter,
    domain::{RequestError, TagList, TagWalk},
    memory,
    service::Service,
};

/// A list that is being sent. Between two pieces it holds no connection or transaction, however slow the client is.
pub(super) struct Pieces {
    service: Service,
    principal: Principal,
    writer: Box<dyn ListWriter>,
    /// The piece to send next.
    json: Vec<u8>,
    /// The rest of the list, which is still to be read.
    rest: Option<TagWalk>,
    next: Option<String>,
}

impl Pieces {
    /// A list whose first piece is written.
    pub(super) fn new(
        service: Service,
        principal: Principal,
        json: Vec<u8>,
        writer: Box<dyn ListWriter>,
        list: TagList,
    ) -> Self {
        Self { service, principal, writer, json, rest: list.rest, next: list.next }
    }

    /// The response as a whole, which the request keeps.
    pub(super) async fn collect(mut self) -> Result<Vec<u8>, RequestError> {
        let account = memory::current();
        while let Some(walk) = self.rest.take() {
            let before = self.json.len();
            self.read(walk).await?;
            if let Some(account) = &account {
                account.keep(self.json.len() - before).map_err(no_room)?;
            }
        }
        Ok(self.json)
    }

    /// The response as a stream; an error closes the connection, so that the client does not take the response for
    /// complete.
    pub(super) fn stream(self) -> impl Stream<Item = Result<Bytes, std::io::Error>> {
        Box::pin(stream::unfold(self, async |mut pieces| {
            // a piece may be empty, and an empty HTTP chunk would end the response
            while pieces.json.is_empty() {
                let walk = pieces.rest.take()?;
                if let Err(error) = pieces.read(walk).await {
                    error_log::log_cut("a list", &error);
                    return Some((Err(std::io::Error::other("the list could not be read to its end")), pieces));
                }
            }
            Some((Ok(std::mem::take(&mut pieces.json).into()), pieces))
        }))
    }

    /// Reads the next piece and appends it.
    async fn read(&mut self, walk: TagWalk) -> Result<(), RequestError> {
        let (tags, rest) = self.service.walk(&self.principal, walk).await?;
        self.writer.each(&tags, &mut self.json);
        if rest.is_none() {
            self.writer.end(self.next.as_deref(), &mut self.json);
        }
        self.rest = rest;
        Ok(())
    }
}
