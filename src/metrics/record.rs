//! What a request does in the database, for the log line of a slow one and for its trace.
//!
//! It is written where statements run, and read where the request ends, also if the request was cut off. Between them are layers that need
//! not know of it: while a request is polled, its record is that of the thread.

use std::{
    cell::RefCell,
    mem,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use super::trace::{RequestTrace, TraceContext};

/// The most statements whose forms are told.
const MOST_FORMS: usize = 8;

/// What a request has done so far.
#[derive(Debug, Default)]
pub struct Record {
    forms: [Option<&'static str>; MOST_FORMS],
    /// Statements.
    pub statements: usize,
    /// Scopes of queries.
    pub scopes: usize,
    /// Time until statements had a connection.
    pub waited: Duration,
    /// Time of the statements that have ended.
    pub ran: Duration,
    /// The same for its trace, if it belongs to one.
    pub trace: Option<Box<RequestTrace>>,
}

thread_local! {
    static CURRENT: RefCell<Record> = RefCell::default();
}

impl Record {
    /// The record of a new request.
    pub fn new(trace: Option<TraceContext>) -> Self {
        Self { trace: trace.map(|context| Box::new(RequestTrace::new(context))), ..Self::default() }
    }

    /// Polls a request, whose record this is.
    pub fn poll<F: Future>(record: &RefCell<Self>, request: Pin<&mut F>, context: &mut Context<'_>) -> Poll<F::Output> {
        exchange(record);
        let polled = request.poll(context);
        exchange(record);
        polled
    }

    /// Drops a request, whose record this is: what it gives up is noted.
    pub fn give_up<F>(record: &RefCell<Self>, mut request: Pin<&mut Option<F>>) {
        exchange(record);
        request.set(None);
        exchange(record);
    }

    /// The forms of the statements, in order; those of more statements than fit are left out.
    pub fn forms(&self) -> String {
        let forms: Vec<_> = self.forms.iter().flatten().copied().collect();
        forms.join(",")
    }
}

fn exchange(record: &RefCell<Record>) {
    CURRENT.with(|current| {
        // nobody borrows them across a poll
        if let (Ok(mut current), Ok(mut record)) = (current.try_borrow_mut(), record.try_borrow_mut()) {
            mem::swap(&mut *current, &mut *record);
        }
    });
}

fn note(change: impl FnOnce(&mut Record)) {
    CURRENT.with(|current| {
        if let Ok(mut current) = current.try_borrow_mut() {
            change(&mut current);
        }
    });
}

/// A statement in the record of its request, from when it has a connection. One that is dropped before it has ended was given up, or
/// got no connection, and has failed.
#[derive(Debug)]
pub struct NotedStatement {
    form: &'static str,
    since: Instant,
    has_ended: bool,
}

impl NotedStatement {
    /// A statement of a form begins, after it has waited for a connection.
    pub fn begin(form: &'static str, waited: Duration) -> Self {
        note(|record| {
            if let Some(place) = record.forms.get_mut(record.statements) {
                *place = Some(form);
            }
            record.statements += 1;
            record.waited += waited;
            if let Some(trace) = &mut record.trace {
                trace.begin(form, waited);
            }
        });
        Self { form, since: Instant::now(), has_ended: false }
    }

    /// It has ended; the time that it took.
    pub fn end(&mut self, is_failed: bool) -> Duration {
        let ran = self.since.elapsed();
        self.has_ended = true;
        note(|record| {
            record.ran += ran;
            if let Some(trace) = &mut record.trace {
                trace.end(self.form, is_failed);
            }
        });
        ran
    }

    /// Others follow on its connection, and nobody tells when they end.
    pub fn stay_open(mut self) {
        self.has_ended = true;
    }
}

impl Drop for NotedStatement {
    fn drop(&mut self) {
        if !self.has_ended {
            self.end(true);
        }
    }
}

/// The header `traceparent` for a request that this one causes, if it belongs to a trace.
pub fn traceparent() -> Option<String> {
    CURRENT.with(|current| Some(current.try_borrow().ok()?.trace.as_ref()?.context.traceparent()))
}

/// A query runs over so many scopes.
pub fn note_scopes(scopes: usize) {
    note(|record| record.scopes += scopes);
}

#[cfg(test)]
mod tests {
    use std::{pin::pin, task::Waker};

    use super::*;

    fn pause() -> impl Future<Output = ()> {
        let mut first = true;
        std::future::poll_fn(move |_| if mem::take(&mut first) { Poll::Pending } else { Poll::Ready(()) })
    }

    #[test]
    fn each_request_has_its_own_record_also_of_what_is_dropped_with_it() {
        let second = Duration::from_secs(1);
        let request = |form: &'static str| async move {
            note_scopes(2);
            for _ in 0..2 {
                let mut statement = NotedStatement::begin(form, second);
                pause().await;
                statement.end(false);
            }
        };
        let traced = || Record::new(Some(TraceContext { trace_id: 1, span_id: 2, parent_id: None, is_sampled: true }));
        let (a, b) = (RefCell::new(traced()), RefCell::new(traced()));
        let mut context = Context::from_waker(Waker::noop());
        let (mut of_a, mut of_b) = (pin!(request("a")), pin!(Some(request("b"))));
        for _ in 0..2 {
            assert!(Record::poll(&a, of_a.as_mut(), &mut context).is_pending());
            assert!(Record::poll(&b, of_b.as_mut().as_pin_mut().unwrap(), &mut context).is_pending());
        }
        assert!(Record::poll(&a, of_a.as_mut(), &mut context).is_ready());
        let before = b.borrow().ran;
        Record::give_up(&b, of_b);
        let failed = |record: &Record| -> Vec<_> {
            let statements = &record.trace.as_ref().unwrap().statements;
            statements.iter().map(|statement| (statement.ended.is_some(), statement.is_failed)).collect()
        };
        let (a, b) = (a.into_inner(), b.into_inner());
        assert_eq!((&*a.forms(), a.statements, a.scopes, a.waited), ("a,a", 2, 2, 2 * second));
        assert_eq!(failed(&a), [(true, false), (true, false)]);
        // the second statement was given up
        assert_eq!((&*b.forms(), b.statements), ("b,b", 2));
        assert_eq!(failed(&b), [(true, false), (true, true)]);
        assert!(b.ran > before, "{b:?}");
        CURRENT.with(|current| assert_eq!(current.borrow().statements, 0));
    }

    #[test]
    fn a_statement_that_others_follow_has_no_end() {
        let record = RefCell::default();
        let mut context = Context::from_waker(Waker::noop());
        let open = pin!(async { NotedStatement::begin("f", Duration::ZERO).stay_open() });
        assert!(Record::poll(&record, open, &mut context).is_ready());
        let record = record.into_inner();
        assert_eq!((record.statements, record.ran), (1, Duration::ZERO));
    }

    #[test]
    fn forms_are_bounded() {
        let record = RefCell::default();
        let mut context = Context::from_waker(Waker::noop());
        let many = pin!(async { (0..20).for_each(|_| drop(NotedStatement::begin("f", Duration::ZERO))) });
        assert!(Record::poll(&record, many, &mut context).is_ready());
        let record = record.into_inner();
        assert_eq!((record.statements, record.forms().len()), (20, 15));
    }
}
