//! Who gets the next connection of a pool: the shares that wait take turns, and within a share the first comes first.
//!
//! `docs/adr/0033-lanes-and-shares.md` explains why.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    hash::{BuildHasher, RandomState},
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Notify, oneshot};

use crate::compiler::Cost;

/// Whom a statement is for, as far as turns are concerned: a project, or a domain if it is about several projects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Share(u64);

impl Share {
    /// The share with a name. Names cannot be chosen so that two have the same share.
    pub fn of(name: &str) -> Self {
        static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        Self(KEYS.hash_one(name))
    }
}

/// Limits of a pool.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Connections.
    pub(super) connections: u32,
    /// Connections that one share may have in use.
    pub(super) of_a_share: u32,
    /// Statements of each cost that may wait.
    pub(super) waiting: [usize; 2],
}

/// Cheap statements that may wait. They are served at some thousands a second.
const WAITING: usize = 1024;

/// Expensive statements that may wait, for each connection. Of more, the last would wait for longer than the acquire timeout.
const WAITING_EXPENSIVE: usize = 16;

impl Limits {
    /// The limits of a pool of so many connections.
    pub(super) fn of(connections: u32) -> Self {
        let expensive = WAITING_EXPENSIVE.saturating_mul(usize::try_from(connections).unwrap_or(usize::MAX));
        Self { connections, of_a_share: connections, waiting: [WAITING, expensive.min(WAITING)] }
    }
}

/// Why there is no turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoTurn {
    /// Too many wait already.
    Crowded,
    /// The pool was closed.
    Closed,
}

/// The turns of a pool.
#[derive(Debug)]
pub(super) struct Turns {
    limits: Limits,
    state: Mutex<State>,
    /// Notifies who closes the pool that no connection is in use.
    all_free: Notify,
}

#[derive(Debug)]
struct State {
    free: u32,
    is_closed: bool,
    /// The statements that wait, by their cost.
    lines: [Line; 2],
    /// The line whose turn is next, if both have somebody.
    next_line: usize,
    /// Connections in use by each share, if there is a limit for that.
    in_use: HashMap<Share, u32>,
    next_ticket: u64,
}

type Sender = oneshot::Sender<Result<Turn, NoTurn>>;

/// Statements that wait.
#[derive(Debug, Default)]
struct Line {
    /// Those of each share by their tickets, which are in the order of arrival. A share without any is removed.
    shares: HashMap<Share, BTreeMap<u64, Sender>>,
    /// The shares in the order of their turns.
    order: VecDeque<Share>,
    len: usize,
}

/// The right to use a connection. It is passed on when it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    turns: Arc<Turns>,
    share: Share,
}

/// A statement that waits, and leaves the line when it is dropped.
struct Waiter<'a> {
    turns: &'a Turns,
    share: Share,
    line: usize,
    ticket: u64,
    receiver: oneshot::Receiver<Result<Turn, NoTurn>>,
}

impl Turns {
    pub(super) fn new(limits: Limits) -> Self {
        let state = State {
            free: limits.connections,
            is_closed: false,
            lines: Default::default(),
            next_line: 0,
            in_use: HashMap::new(),
            next_ticket: 0,
        };
        Self { limits, state: Mutex::new(state), all_free: Notify::new() }
    }

    /// The connections that nobody uses.
    pub(super) fn free(&self) -> u32 {
        self.lock().free
    }

    /// Whether somebody waits.
    pub(super) fn has_waiting(&self) -> bool {
        self.lock().lines.iter().any(|line| line.len > 0)
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.lock().lines.iter().map(|line| line.len).sum()
    }

    /// Waits for a turn.
    pub(super) async fn take(self: &Arc<Self>, share: Share, cost: Cost) -> Result<Turn, NoTurn> {
        let mut waiter = {
            let mut state = self.lock();
            if state.is_closed {
                return Err(NoTurn::Closed);
            }
            if state.free > 0 && admits(&state.in_use, share, self.limits) {
                state.free -= 1;
                state.count(share, self.limits);
                return Ok(Turn { turns: Arc::clone(self), share });
            }
            let (sender, receiver) = oneshot::channel();
            let line = cost as usize;
            let ticket = state.enqueue(line, share, sender, self.limits)?;
            Waiter { turns: self, share, line, ticket, receiver }
        };
        // the sender is only dropped with the pool
        (&mut waiter.receiver).await.unwrap_or(Err(NoTurn::Closed))
    }

    /// Waits until nobody has a turn or waits for one. There are no turns afterwards.
    pub(super) async fn close(&self) {
        loop {
            let all_free = self.all_free.notified();
            {
                let mut state = self.lock();
                state.is_closed = true;
                if state.free == self.limits.connections {
                    return;
                }
            }
            all_free.await;
        }
    }

    /// Gives a connection that is free again to the next one who waits.
    fn pass_on(self: &Arc<Self>, share: Share) {
        let next = {
            let mut state = self.lock();
            state.uncount(share, self.limits);
            let next = state.next(self.limits);
            match next {
                Some((next, _)) => state.count(next, self.limits),
                None => state.free += 1,
            }
            if state.is_closed && state.free == self.limits.connections {
                self.all_free.notify_waiters();
            }
            next
        };
        if let Some((share, sender)) = next {
            // if it has left meanwhile, the turn is dropped and so passed on again
            let _ = sender.send(Ok(Turn { turns: Arc::clone(self), share }));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn count(&mut self, share: Share, limits: Limits) {
        if limits.of_a_share < limits.connections {
            *self.in_use.entry(share).or_default() += 1;
        }
    }

    fn uncount(&mut self, share: Share, limits: Limits) {
        if limits.of_a_share < limits.connections
            && let Some(in_use) = self.in_use.get_mut(&share)
        {
            *in_use -= 1;
            if *in_use == 0 {
                self.in_use.remove(&share);
            }
        }
    }

    /// Adds a statement to a line; its ticket. If the line is full, the newest statement of the share with the most is
    /// refused, which may be this one.
    fn enqueue(&mut self, line: usize, share: Share, sender: Sender, limits: Limits) -> Result<u64, NoTurn> {
        let most = limits.waiting.get(line).copied().unwrap_or_default();
        let Some(line) = self.lines.get_mut(line) else { return Err(NoTurn::Closed) };
        if line.len >= most {
            line.make_room(share)?;
        }
        self.next_ticket += 1;
        line.push(share, self.next_ticket, sender);
        Ok(self.next_ticket)
    }

    /// The statement whose turn it is.
    fn next(&mut self, limits: Limits) -> Option<(Share, Sender)> {
        let (first, in_use) = (self.next_line, &self.in_use);
        for at in [first, 1 - first] {
            let may = |share: &Share| admits(in_use, *share, limits);
            if let Some(next) = self.lines.get_mut(at).and_then(|line| line.pop(may)) {
                self.next_line = 1 - at;
                return Some(next);
            }
        }
        None
    }
}

/// Whether a share may have one more connection.
fn admits(in_use: &HashMap<Share, u32>, share: Share, limits: Limits) -> bool {
    limits.of_a_share >= limits.connections || in_use.get(&share).is_none_or(|in_use| *in_use < limits.of_a_share)
}

impl Line {
    fn push(&mut self, share: Share, ticket: u64, sender: Sender) {
        let waiting = self.shares.entry(share).or_default();
        if waiting.is_empty() {
            self.order.push_back(share);
        }
        waiting.insert(ticket, sender);
        self.len += 1;
    }

    /// The first statement of the first share that may have a connection. The share then goes to the end.
    fn pop(&mut self, may: impl Fn(&Share) -> bool) -> Option<(Share, Sender)> {
        let at = self.order.iter().position(may)?;
        let share = self.order.remove(at)?;
        let waiting = self.shares.get_mut(&share)?;
        let (_, sender) = waiting.pop_first()?;
        self.len -= 1;
        if waiting.is_empty() {
            self.shares.remove(&share);
        } else {
            self.order.push_back(share);
        }
        Some((share, sender))
    }

    /// Refuses the newest statement of the share with the most, unless that is the share of the one that is to come: then it
    /// is an error.
    fn make_room(&mut self, share: Share) -> Result<(), NoTurn> {
        let own = self.shares.get(&share).map_or(0, BTreeMap::len);
        let largest = self.shares.iter().max_by_key(|(_, waiting)| waiting.len());
        let Some((largest, ticket)) = largest.and_then(|(largest, waiting)| {
            let (ticket, _) = waiting.last_key_value()?;
            // with one more it would have as many
            (waiting.len() > own + 1).then_some((*largest, *ticket))
        }) else {
            return Err(NoTurn::Crowded);
        };
        if let Some(sender) = self.remove(largest, ticket) {
            let _ = sender.send(Err(NoTurn::Crowded));
        }
        Ok(())
    }

    /// Takes a statement out of the line, if it is still there.
    fn remove(&mut self, share: Share, ticket: u64) -> Option<Sender> {
        let waiting = self.shares.get_mut(&share)?;
        let sender = waiting.remove(&ticket)?;
        self.len -= 1;
        if waiting.is_empty() {
            self.shares.remove(&share);
            self.order.retain(|other| *other != share);
        }
        Some(sender)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.pass_on(self.share);
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        // a turn that it was given meanwhile is dropped with the receiver
        if let Some(line) = self.turns.lock().lines.get_mut(self.line) {
            line.remove(self.share, self.ticket);
        }
    }
}
