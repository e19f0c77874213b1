//! Memory that requests share: budgets of bytes, and what each request keeps of the one for answers.
//!
//! What is read for an answer is counted where it is read. Between that and the request are layers that need not know of it: while
//! a request is polled, its account is that of the thread.

use std::{
    cell::RefCell,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering::Relaxed},
    },
};

/// What each request may keep for its answer without room in the budget.
pub const SMALL: usize = 64 * 1024;

/// A number of bytes that many take from and give back.
#[derive(Debug)]
pub struct Budget {
    size: i64,
    /// What is left; below zero if something was taken that could not be refused.
    left: AtomicI64,
}

/// A length in memory never exceeds the range.
fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

impl Budget {
    /// A budget of so many bytes.
    pub fn new(bytes: usize) -> Self {
        Self { size: signed(bytes), left: AtomicI64::new(signed(bytes)) }
    }

    /// Takes bytes, if as many are left.
    pub fn try_take(&self, bytes: usize) -> bool {
        bytes == 0 || self.left.fetch_update(Relaxed, Relaxed, |left| enough(left, bytes)).is_ok()
    }

    /// Takes more bytes for who has some, if as many are left, or if nobody else has any: what is larger than the whole must be
    /// possible at some time.
    fn try_take_more(&self, taken: usize, bytes: usize) -> bool {
        let is_alone = |left| left == self.size - signed(taken);
        let allowed = |left| if is_alone(left) { Some(left - signed(bytes)) } else { enough(left, bytes) };
        self.left.fetch_update(Relaxed, Relaxed, allowed).is_ok()
    }

    /// Gives back bytes that were taken.
    pub fn give_back(&self, bytes: usize) {
        if bytes > 0 {
            self.left.fetch_add(signed(bytes), Relaxed);
        }
    }

    /// How many bytes are left.
    pub fn left(&self) -> i64 {
        self.left.load(Relaxed)
    }

    /// How many bytes are taken, and of how many.
    pub fn usage(&self) -> [i64; 2] {
        [self.size - self.left(), self.size]
    }

    /// Whether less than half is left.
    pub fn is_scarce(&self) -> bool {
        self.left() < self.size / 2
    }
}

fn enough(left: i64, bytes: usize) -> Option<i64> {
    left.checked_sub(signed(bytes)).filter(|left| *left >= 0)
}

/// There is no memory for a large answer.
#[derive(Debug, thiserror::Error)]
#[error("what was read for an answer did not fit beside the other large answers")]
pub struct NoRoom;

/// What a request keeps for its answer. It takes all of that from a budget if it is more than [`SMALL`], until this is dropped.
#[derive(Debug)]
pub struct Account {
    budget: Arc<Budget>,
    kept: AtomicUsize,
    taken: AtomicUsize,
    was_refused: AtomicBool,
}

impl Account {
    /// An account that keeps nothing.
    pub fn new(budget: &Arc<Budget>) -> Self {
        Self {
            budget: Arc::clone(budget),
            kept: AtomicUsize::new(0),
            taken: AtomicUsize::new(0),
            was_refused: AtomicBool::new(false),
        }
    }

    /// Does some work, whose account this is.
    pub fn during<T>(self: &Arc<Self>, work: impl FnOnce() -> T) -> T {
        let _outer = Outer(CURRENT.replace(Some(Arc::clone(self))));
        work()
    }

    /// Keeps more bytes.
    pub fn keep(&self, bytes: usize) -> Result<(), NoRoom> {
        let kept = self.kept.fetch_add(bytes, Relaxed) + bytes;
        self.fit(kept).inspect_err(|_| {
            self.kept.fetch_sub(bytes, Relaxed);
        })
    }

    /// Keeps some bytes no longer.
    pub fn release(&self, bytes: usize) {
        let kept = self.kept.fetch_sub(bytes, Relaxed) - bytes;
        self.shrink(kept);
    }

    /// Keeps nothing but the answer, which has so many bytes.
    pub fn settle(&self, bytes: usize) -> Result<(), NoRoom> {
        self.kept.store(bytes, Relaxed);
        self.fit(bytes)
    }

    /// The same for an answer that cannot be refused.
    pub fn settle_anyway(&self, bytes: usize) {
        self.kept.store(bytes, Relaxed);
        if let Some(more) = self.missing(bytes) {
            self.budget.left.fetch_sub(signed(more), Relaxed);
            self.taken.fetch_add(more, Relaxed);
        }
    }

    /// Whether there was no room for something.
    pub fn was_refused(&self) -> bool {
        self.was_refused.load(Relaxed)
    }

    /// Has as many bytes taken as are kept.
    fn fit(&self, kept: usize) -> Result<(), NoRoom> {
        let Some(more) = self.missing(kept) else { return Ok(()) };
        if !self.budget.try_take_more(self.taken.load(Relaxed), more) {
            self.was_refused.store(true, Relaxed);
            return Err(NoRoom);
        }
        self.taken.fetch_add(more, Relaxed);
        Ok(())
    }

    /// What has to be taken besides what is taken already; what is too much is given back.
    fn missing(&self, kept: usize) -> Option<usize> {
        self.shrink(kept);
        let more = needed(kept).saturating_sub(self.taken.load(Relaxed));
        (more > 0).then_some(more)
    }

    fn shrink(&self, kept: usize) {
        let less = self.taken.load(Relaxed).saturating_sub(needed(kept));
        if less > 0 {
            self.taken.fetch_sub(less, Relaxed);
            self.budget.give_back(less);
        }
    }
}

fn needed(kept: usize) -> usize {
    if kept > SMALL { kept } else { 0 }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.budget.give_back(*self.taken.get_mut());
    }
}

thread_local! {
    static CURRENT: RefCell<Option<Arc<Account>>> = const { RefCell::new(None) };
}

/// The account of what is being done on this thread, if it has one.
pub fn current() -> Option<Arc<Account>> {
    CURRENT.with_borrow(Clone::clone)
}

/// The account from before some work, which is that of the thread again when this is dropped.
struct Outer(Option<Arc<Account>>);

impl Drop for Outer {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: i64 = 1024 * 1024;

    fn budget() -> Arc<Budget> {
        Arc::new(Budget::new(1024 * 1024))
    }

    /// An account that keeps some KiB, if there is room for them.
    fn keeping(budget: &Arc<Budget>, kib: usize) -> Option<Account> {
        let account = Account::new(budget);
        account.keep(kib * 1024).is_ok().then_some(account)
    }

    #[test]
    fn what_is_small_takes_nothing_and_what_is_large_takes_all_of_it() {
        let budget = budget();
        let account = Account::new(&budget);
        assert!(account.keep(SMALL).is_ok());
        assert_eq!(budget.left(), BUDGET);
        assert!(account.keep(1).is_ok());
        assert_eq!(budget.left(), BUDGET - signed(SMALL) - 1);
        assert!(account.keep(1000).is_ok());
        account.release(1001);
        assert_eq!(budget.left(), BUDGET);
        assert!(account.settle(100_000).is_ok());
        assert_eq!(budget.left(), BUDGET - 100_000);
        assert!(account.settle(80_000).is_ok());
        assert_eq!(budget.left(), BUDGET - 80_000);
        drop(account);
        assert_eq!(budget.left(), BUDGET);
    }

    #[test]
    fn what_does_not_fit_is_refused_and_takes_nothing() {
        let budget = budget();
        let first = keeping(&budget, 600).unwrap();
        assert!(budget.is_scarce() && keeping(&budget, 425).is_none());
        let second = keeping(&budget, 300).unwrap();
        assert!(second.keep(125 * 1024).is_err() && second.was_refused());
        assert!(second.keep(124 * 1024).is_ok() && !first.was_refused());
        assert_eq!(budget.left(), 0);
        drop(first);
        assert!(!budget.is_scarce() && keeping(&budget, 600).is_some());
    }

    #[test]
    fn what_cannot_be_refused_is_taken_all_the_same_and_given_back() {
        let budget = budget();
        let first = keeping(&budget, 600).unwrap();
        let second = Account::new(&budget);
        second.settle_anyway(500 * 1024);
        assert!(budget.left() < 0 && keeping(&budget, 65).is_none() && keeping(&budget, 64).is_some());
        drop(first);
        assert!(keeping(&budget, 525).is_none() && keeping(&budget, 524).is_some());
        drop(second);
        assert_eq!(budget.left(), BUDGET);
    }

    #[test]
    fn what_is_larger_than_the_whole_budget_is_taken_alone() {
        let budget = budget();
        let small = keeping(&budget, 65).unwrap();
        let large = keeping(&budget, 900).unwrap();
        assert!(large.keep(1024 * 1024).is_err());
        drop(small);
        for _ in 0..3 {
            assert!(large.keep(1024 * 1024).is_ok());
        }
        assert!(keeping(&budget, 65).is_none());
        drop(large);
        assert!(keeping(&budget, 1025).is_some());
    }

    #[test]
    fn the_account_is_that_of_the_innermost_work_also_if_it_panics() {
        let budget = budget();
        let (outer, inner) = (Arc::new(Account::new(&budget)), Arc::new(Account::new(&budget)));
        let is_current = |account: &Arc<Account>| current().is_some_and(|current| Arc::ptr_eq(&current, account));
        outer.during(|| {
            assert!(is_current(&outer));
            let work = || {
                inner.during(|| {
                    assert!(is_current(&inner));
                    panic!("as it is to be");
                });
            };
            assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_err());
            assert!(is_current(&outer));
        });
        assert!(current().is_none());
    }
}
