//! A wait for a connection, which is observed once however it ends: with a connection, without one, or because nobody waits any more.

use std::time::{Duration, Instant};

use super::{forms::Form, metrics::PoolMetrics};
use crate::metrics::NotedStatement;

/// A wait. If it is dropped before it [ends](Wait::end), the statement that it is for has failed.
#[derive(Debug)]
pub(super) struct Wait<'a> {
    begun: Instant,
    metrics: &'a PoolMetrics,
    form: Form,
    is_over: bool,
}

impl<'a> Wait<'a> {
    /// A wait for a connection of a pool begins.
    pub(super) fn begin(metrics: &'a PoolMetrics, form: Form) -> Self {
        Self { begun: Instant::now(), metrics, form, is_over: false }
    }

    /// There is a connection; the statement that begins.
    pub(super) fn end(mut self) -> NotedStatement {
        self.observe()
    }

    /// The statement is refused at once, so it has not waited.
    pub(super) fn refuse(mut self) {
        self.is_over = true;
        drop(NotedStatement::begin(self.form.name(), Duration::ZERO));
    }

    fn observe(&mut self) -> NotedStatement {
        self.is_over = true;
        let waited = self.begun.elapsed();
        let PoolMetrics { store, kind } = self.metrics;
        store.observe_wait(*kind, waited);
        NotedStatement::begin(self.form.name(), waited)
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            drop(self.observe());
        }
    }
}
