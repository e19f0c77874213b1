//! One statement on a connection of a pool.

use std::time::Duration;

use sqlx::PgConnection;
use tokio::time::timeout;

use super::{
    canceller::CurrentSession,
    failure::{is_no_room, other_run},
    forms::Form,
    pool::{Lane, PooledConnection},
    positions::{NotePosition, current_position},
};
use crate::metrics::NotedStatement;

/// How long the server may take to say its position after a write, which is done by then.
const POSITION_DEADLINE: Duration = Duration::from_secs(1);

/// A connection with one statement. If it is dropped before it is [released](Running::release), the statement is
/// cancelled, and then the connection can be used again.
#[derive(Debug)]
pub(super) struct Running {
    /// Empty only when it is dropped.
    connection: Option<PooledConnection>,
    noted: NotedStatement,
    form: Form,
}

impl Lane<'_> {
    /// A connection for one statement that leaves nothing behind in the session.
    pub(super) async fn begin_statement(self, session: &CurrentSession) -> Result<Running, sqlx::Error> {
        session.set(None);
        let (connection, noted) = self.acquire_noted().await?;
        if self.replica.is_some_and(|replica| !connection.allows(&replica.needed)) {
            return Err(other_run());
        }
        session.set(connection.session());
        Ok(Running { connection: Some(connection), noted, form: self.form })
    }
}

impl Running {
    /// The connection.
    pub(super) fn connection(&mut self) -> Result<&mut PgConnection, sqlx::Error> {
        self.connection.as_deref_mut().ok_or(sqlx::Error::PoolClosed)
    }

    /// Releases the connection of a lane with the outcome of its statement, and tells up to where is written if the lane wants to know.
    pub(super) async fn release_in<T>(self, lane: Lane<'_>, outcome: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
        match lane.noting {
            // rare, and of all statements the future would be larger
            Some(noting) => Box::pin(self.release_noting(noting, outcome)).await,
            None => self.release(outcome),
        }
    }

    /// Releases the connection with the outcome of a write, and tells up to where it is known to be written.
    async fn release_noting<T>(
        mut self,
        noting: &dyn NotePosition,
        outcome: Result<T, sqlx::Error>,
    ) -> Result<T, sqlx::Error> {
        if outcome.is_err() {
            return self.release(outcome);
        }
        let position = match self.connection() {
            Ok(connection) => timeout(POSITION_DEADLINE, current_position(connection)).await.ok().and_then(Result::ok),
            Err(_) => None,
        };
        noting.note(position);
        if position.is_some() {
            return self.release(outcome);
        }
        // what is still to arrive on it is of no use
        self.noted.end(false);
        drop(self.connection.take());
        outcome
    }

    /// Releases the connection with the outcome of its statement. One whose rows are not all read is cancelled.
    pub(super) fn release<T>(mut self, outcome: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
        match self.connection.take_if(|_| !outcome.as_ref().is_err_and(is_no_room)) {
            Some(connection) => {
                let ran = self.noted.end(outcome.is_err());
                connection.metrics().observe_statement(self.form, ran);
                connection.release(outcome)
            }
            None => outcome,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        let ran = self.noted.end(true);
        connection.metrics().observe_statement(self.form, ran);
        connection.give_up(ran);
    }
}
