//! Large answers: from a budget of memory, in slices, and to clients that take them.
//!
//! actix-http copies an answer that is one piece into its buffer as a whole, and holds it until the client has received it.

use std::{
    cell::Cell,
    convert::Infallible,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use actix_web::{
    body::{BodySize, BoxBody, EitherBody, MessageBody},
    dev::ServiceResponse,
    http::Method,
    rt,
    web::Bytes,
};
use tokio::task::JoinHandle;

use super::{
    connection::{Active, Connection},
    state::AppState,
    unidentified::{self, Asked},
};
use crate::{
    domain::{Outage, RequestError},
    memory::{Account, Budget, NoRoom, SMALL},
};

/// What an answer in pieces takes from the budget: a piece, and what actix-http has buffered.
const STREAM: usize = 128 * 1024;

/// Bytes a second that a client must take on average, after its patience is used up.
const RATE: u64 = 16 * 1024;

/// The same while less than half of the budget is left; then a third of the patience is enough as well.
const SCARCE_RATE: u64 = 64 * 1024;

/// How often it is checked whether a client takes its answer.
const TICK: Duration = Duration::from_secs(1);

/// Marks an answer that can be refused for want of memory, since it changed nothing. Those to GET and HEAD need no mark.
pub(super) struct Read;

/// Prepares an answer to be sent. If it is large and there is no memory for it, the answer is 503. It is never shortened: clients
/// take a short page for the last one. The account is of the request, which may have been refused already for what was read for it.
pub(super) fn prepare<B: MessageBody + 'static>(
    mut answer: ServiceResponse<EitherBody<B>>,
    connection: Option<&Rc<Connection>>,
    asked: &Asked,
    state: &AppState,
    account: Arc<Account>,
) -> ServiceResponse<EitherBody<B>> {
    let size = answer.response().body().size();
    let bytes = match size {
        BodySize::Sized(length) => usize::try_from(length).unwrap_or(usize::MAX),
        BodySize::Stream => STREAM,
        BodySize::None => 0,
    };
    if let Some(connection) = connection {
        connection.count(bytes);
    }
    let shed = &state.server.counts.shed.memory_answers;
    if account.was_refused() {
        shed.increment();
    }
    // answers up to this length are sent as they are
    if bytes <= SMALL || asked.method == Method::HEAD {
        return answer;
    }
    let may_refuse = asked.method.is_safe() || answer.response_mut().extensions_mut().remove::<Read>().is_some();
    if !may_refuse {
        // what was changed is changed
        account.settle_anyway(bytes);
    } else if let Err(error) = account.settle(bytes) {
        shed.increment();
        let refused = unidentified::respond(asked, state, no_room(error).into());
        return answer.into_response(refused.map_into_right_body());
    }
    let budget = state.server.limits.answers();
    let pace = connection.map(|connection| Pace::watch(connection, budget, state.server.limits.patience));
    answer.map_body(|_, body| {
        let body = match body.try_into_bytes() {
            Ok(bytes) => BoxBody::new(Slices { bytes, pace, _account: account }),
            Err(body) => BoxBody::new(Pieces { body: Box::pin(body), pace, _account: account }),
        };
        EitherBody::right(body)
    })
}

/// The error of a request that there is no room for.
pub(super) fn no_room(error: NoRoom) -> RequestError {
    RequestError::Unavailable { outage: Outage::Answers, source: error.into() }
}

/// A body of known length, of which slices are copied as they are sent.
struct Slices {
    bytes: Bytes,
    pace: Option<Pace>,
    _account: Arc<Account>,
}

impl MessageBody for Slices {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(u64::try_from(self.bytes.len()).unwrap_or(u64::MAX))
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        let this = self.get_mut();
        if this.bytes.is_empty() {
            return Poll::Ready(None);
        }
        let slice = this.bytes.split_to(SMALL.min(this.bytes.len()));
        if let Some(pace) = &this.pace {
            pace.meter.resume();
            pace.meter.pass(slice.len());
        }
        Poll::Ready(Some(Ok(slice)))
    }
}

/// A body that comes in pieces.
struct Pieces<B> {
    body: Pin<Box<B>>,
    pace: Option<Pace>,
    _account: Arc<Account>,
}

impl<B: MessageBody + 'static> MessageBody for Pieces<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, B::Error>>> {
        let this = self.get_mut();
        if let Some(pace) = &this.pace {
            pace.meter.resume();
        }
        let next = this.body.as_mut().poll_next(context);
        if let (Some(pace), Poll::Ready(Some(Ok(piece)))) = (&this.pace, &next) {
            pace.meter.pass(piece.len());
        }
        next
    }
}

/// Ends the connection of a client that takes too little of an answer.
struct Pace {
    meter: Rc<Meter>,
    watcher: JoinHandle<()>,
    _active: Active,
}

/// What a client has taken, and how long it was waited for.
#[derive(Debug, Default)]
struct Meter {
    taken: Cell<u64>,
    waited: Cell<Duration>,
    /// Since when the client takes what it was sent last; `None` while tagd has to send more.
    since: Cell<Option<Instant>>,
}

impl Meter {
    /// The client takes more: all before is out of the buffer, or soon will be.
    fn resume(&self) {
        if let Some(since) = self.since.take() {
            self.waited.set(self.waited.get() + since.elapsed());
        }
    }

    fn pass(&self, bytes: usize) {
        self.taken.set(self.taken.get() + u64::try_from(bytes).unwrap_or_default());
        self.since.set(Some(Instant::now()));
    }

    fn is_slow(&self, patience: Duration, rate: u64) -> bool {
        let waits = self.since.get().map(|since| since.elapsed()).unwrap_or_default();
        self.waited.get() + waits > patience + Duration::from_millis(self.taken.get() * 1000 / rate)
    }
}

impl Pace {
    fn watch(connection: &Rc<Connection>, budget: &Arc<Budget>, patience: Duration) -> Self {
        let meter = Rc::new(Meter::default());
        let (peer, budget, metered) = (Rc::downgrade(connection), Arc::clone(budget), Rc::clone(&meter));
        let watcher = rt::spawn(async move {
            loop {
                rt::time::sleep(TICK.min(patience)).await;
                let is_scarce = budget.is_scarce();
                let (patience, rate) = if is_scarce { (patience / 3, SCARCE_RATE) } else { (patience, RATE) };
                if metered.is_slow(patience, rate) {
                    let taken = metered.taken.get();
                    tracing::info!(taken, is_scarce, "closed a connection: the client takes its answer too slowly");
                    if let Some(connection) = peer.upgrade() {
                        connection.end_slow();
                    }
                    return;
                }
            }
        });
        Self { meter, watcher, _active: connection.activate() }
    }
}

impl Drop for Pace {
    fn drop(&mut self) {
        // the socket may soon be that of another connection
        self.watcher.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_slow_if_it_was_waited_for_longer_than_what_it_took_allows() {
        let meter = Meter::default();
        let second = Duration::from_secs(1);
        let is_slow = |waited: Duration| {
            meter.waited.set(waited);
            meter.is_slow(30 * second, RATE)
        };
        assert_eq!((is_slow(30 * second), is_slow(31 * second)), (false, true));
        // two slices of 64 KiB, which have arrived: eight seconds
        for _ in 0..2 {
            meter.pass(SMALL);
            meter.resume();
        }
        assert_eq!((is_slow(38 * second), is_slow(39 * second)), (false, true));
        // nothing to take is no waiting
        assert!(meter.since.get().is_none());
        meter.pass(0);
        meter.since.set(Some(Instant::now().checked_sub(20 * second).unwrap()));
        assert_eq!((is_slow(17 * second), is_slow(19 * second)), (false, true));
    }
}
