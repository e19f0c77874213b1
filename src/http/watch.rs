//! Ends a request whose client has gone, or whose time is over: its future is dropped, and what it waits for with it.

use std::{
    cell::RefCell,
    future::poll_fn,
    pin::pin,
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};

use tokio::{select, time::sleep};

use super::connection::Connection;
use crate::{memory::Account, metrics::Record};

/// When a running request is looked at first. One that is answered before costs a timer.
const FIRST: Duration = Duration::from_millis(100);

/// How often it is looked at later. From the first look on, the time between two is doubled up to this.
const LATER: Duration = Duration::from_millis(500);

/// Why a request was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// Its client has gone.
    Gone,
    /// Its time is over.
    Late,
}

/// How long a request may run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// When its time is over, if it has any end.
    pub(super) deadline: Option<Duration>,
    /// Whether it goes on although its client sends nothing more.
    pub(super) may_end: bool,
}

/// Runs a request until it is answered, or cut off, and records what it does in the database and what it keeps. `bounds` are only
/// asked for if it is not answered soon.
pub(super) async fn run<T>(
    connection: Option<&Connection>,
    bounds: impl Fn() -> Bounds,
    record: &RefCell<Record>,
    account: &Arc<Account>,
    request: impl Future<Output = T>,
) -> Result<T, Cut> {
    let begun = Instant::now();
    let mut request = pin!(Some(request));
    let mut pause = FIRST;
    let cut = loop {
        select! {
            biased;
            answer = poll_fn(|context| match request.as_mut().as_pin_mut() {
                Some(request) => account.during(|| Record::poll(record, request, context)),
                None => Poll::Pending,
            }) => return Ok(answer),
            () = sleep(pause) => {}
        }
        pause = LATER.min(2 * pause);
        let Bounds { deadline, may_end } = bounds();
        if let Some(connection) = connection
            && connection.is_gone(may_end)
        {
            connection.end();
            break Cut::Gone;
        }
        if deadline.is_some_and(|deadline| begun.elapsed() >= deadline) {
            break Cut::Late;
        }
    };
    Record::give_up(record, request);
    Err(cut)
}
