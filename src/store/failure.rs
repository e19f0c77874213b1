//! Maps errors of the database to errors for clients and operators, by the table of states in `states.rs`.

use std::io::ErrorKind;

use sqlx::postgres::{PgDatabaseError, PgSeverity};

use super::{
    hosts::WrongServer,
    policy_rows::against_policy,
    pooler::SessionLost,
    states::{Meaning, Refusal, meaning_of_end, meaning_of_state, outage_of_setup},
    version::SchemaVersion,
};
use crate::{
    domain::{Outage, RequestError},
    memory::NoRoom,
};

/// Why the database cannot be opened, migrated or imported into; each is one line for the operator.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The URL is invalid.
    #[error("{setting}: {}", cause(.source))]
    Url {
        /// The setting that has it.
        setting: String,
        /// What is wrong.
        source: sqlx::Error,
    },
    /// No connection.
    #[error("cannot connect to the database at {place}: {}", cause(.source))]
    Connect {
        /// Host and port, or socket.
        place: String,
        /// Why.
        source: sqlx::Error,
    },
    /// Connections do not keep their sessions.
    #[error(
        "the database at {place} is behind a connection pooler that does not keep sessions, such as PgBouncer in transaction \
         mode: use its session mode, or give the address of Postgres itself"
    )]
    Sessions {
        /// Host and port, or socket.
        place: String,
    },
    /// The schema is newer than this program.
    #[error("the database has schema version {found}, this tagd knows only up to {known}: use a newer tagd")]
    NewerSchema {
        /// Version in the database.
        found: SchemaVersion,
        /// Newest version this program has.
        known: SchemaVersion,
    },
    /// The schema is missing or older.
    #[error(
        "the database has schema version {found}, this tagd needs {known}: run `tagd migrate` as the owner of the schema"
    )]
    OlderSchema {
        /// Version in the database; 0 for none.
        found: SchemaVersion,
        /// Version needed.
        known: SchemaVersion,
    },
    /// A schema from before the baseline, of a version that cannot be adopted.
    #[error(
        "the database has schema version {found}, and this tagd can only take over version {adopted} or later: \
         run `tagd migrate` of the tagd with schema version {adopted} first, or export with the tagd that made it and \
         import"
    )]
    BeforeBaseline {
        /// Version in the database.
        found: i32,
        /// The only version from before the baseline that can be adopted.
        adopted: i32,
    },
    /// The schema was created by migrations that differ from this program's.
    #[error("the schema of the database is not that of this tagd: {0}; nothing was done")]
    OtherSchema(String),
    /// A migration failed.
    #[error("the migrations cannot be applied: {0}")]
    Migrate(String),
    /// The database has another encoding.
    #[error(
        "the encoding of the database must be UTF8, got {0}; create another one with `create database NAME encoding 'UTF8' \
         template template0`"
    )]
    Encoding(String),
    /// The login cannot take the role of the service.
    #[error(
        "the login is not a member of the role tagd_service; an administrator must run `grant tagd_service to` this login"
    )]
    Role,
    /// Only the owner of the schema may do this.
    #[error("only the owner of the schema may do this: give the database with the owner's login")]
    NotOwner,
    /// A table could not be locked.
    #[error("other work has the tables in use; try again later")]
    InUse,
    /// The disk of the database is full.
    #[error("the database's disk is full: {0}")]
    DiskFull(String),
    /// A resource type was deleted or became an alias, or a project got another domain, during an import.
    #[error("a resource type or a project was changed or deleted during the import; run the import again")]
    TypeGone,
    /// The database refused a value that passed the checks: a bug in tagd, so the cause is only logged.
    #[error("cannot be stored; the cause is in the log")]
    BadValue(#[source] sqlx::Error),
    /// Anything else.
    #[error("the database reports: {}", cause(.0))]
    Database(#[from] sqlx::Error),
}

/// The innermost message in the chain of a driver's error.
fn cause(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => error.message().to_owned(),
        sqlx::Error::PoolTimedOut => "no connection in time".to_owned(),
        sqlx::Error::Configuration(source) => match source.downcast_ref::<NoConnection>() {
            Some(refused) => cause(&refused.source),
            None => source.to_string(),
        },
        sqlx::Error::Io(error) => error.to_string(),
        other => other.to_string(),
    }
}

impl StoreError {
    /// Whether there is no connection to the database, or it was lost.
    pub fn is_unreachable(&self) -> bool {
        match self {
            Self::Connect { source, .. } | Self::Database(source) => outage_of(source) == Some(Outage::Unreachable),
            _ => false,
        }
    }

    /// Maps the driver's errors that have a message of their own.
    pub(super) fn of(error: sqlx::Error) -> Self {
        match meaning_of(&error) {
            Meaning::Outage(Outage::Full) => Self::DiskFull(cause(&error)),
            Meaning::Gone => Self::TypeGone,
            Meaning::Value => Self::BadValue(error),
            _ => Self::Database(error),
        }
    }
}

impl From<StoreError> for RequestError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Database(error) => error.into(),
            StoreError::BadValue(error) => Self::internal(error),
            StoreError::TypeGone => Self::Unavailable { outage: Outage::Busy, source: error.into() },
            StoreError::DiskFull(_) => Self::Unavailable { outage: Outage::Full, source: error.into() },
            other => Self::Unavailable { outage: Outage::Unreachable, source: other.into() },
        }
    }
}

/// No connection could be made, or the session on it could not be set up.
///
/// It is wrapped in [`sqlx::Error::Configuration`], since acquiring a connection and running a statement have the same
/// error type.
#[derive(Debug, thiserror::Error)]
#[error("no connection to the database: {}", cause(.source))]
pub(super) struct NoConnection {
    source: sqlx::Error,
    /// Whether attempts lasted until the acquire timeout.
    timed_out: bool,
}

/// Too many statements wait for a connection.
#[derive(Debug, thiserror::Error)]
#[error("as many statements wait for a connection as may")]
struct Crowded;

/// The error of a statement that is not let into the line for a connection, which is too long.
pub(super) fn crowded() -> sqlx::Error {
    sqlx::Error::Configuration(Crowded.into())
}

fn is_crowded(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Configuration(source) if source.is::<Crowded>())
}

/// The error of a statement whose rows do not fit beside what others keep.
pub(super) fn no_room(error: NoRoom) -> sqlx::Error {
    sqlx::Error::Configuration(error.into())
}

/// Whether there was no room for the rows of a statement.
pub(super) fn is_no_room(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Configuration(source) if source.is::<NoRoom>())
}

/// The database does not respond, so a statement is not sent.
#[derive(Debug, thiserror::Error)]
#[error("the database does not respond")]
struct CircuitOpen(Outage);

/// The error of a statement that is not sent, or not waited for, because the database does not respond.
pub(super) fn refused(outage: Outage) -> sqlx::Error {
    sqlx::Error::Configuration(CircuitOpen(outage).into())
}

fn refused_for(error: &sqlx::Error) -> Option<Outage> {
    match error {
        sqlx::Error::Configuration(source) => source.downcast_ref().map(|CircuitOpen(outage)| *outage),
        _ => None,
    }
}

/// The connection leads to another server than the one of which it is known that it may be read from, or to another run of it.
#[derive(Debug, thiserror::Error)]
#[error("the connection leads to another run of a server")]
struct OtherRun;

/// The error of a read that is not sent to a replica of which nothing is known.
pub(super) fn other_run() -> sqlx::Error {
    sqlx::Error::Configuration(OtherRun.into())
}

/// Whether a read that failed on a replica may succeed on the primary. A standby also ends statements that are in the way of what it
/// replays (40001, 40P01).
pub(super) fn may_succeed_elsewhere(error: &sqlx::Error) -> bool {
    match meaning_of(error) {
        Meaning::Refused(_) | Meaning::Value => false,
        // it would take too long there as well
        _ => !is_no_room(error) && state_of(error).as_deref() != Some("57014"),
    }
}

impl NoConnection {
    /// A failed connection; `timed_out` means that attempts lasted until the acquire timeout.
    pub(super) fn error(source: sqlx::Error, timed_out: bool) -> sqlx::Error {
        sqlx::Error::Configuration(Self { source, timed_out }.into())
    }

    /// Finds it in an error.
    pub(super) fn within(error: &sqlx::Error) -> Option<&Self> {
        match error {
            sqlx::Error::Configuration(source) => source.downcast_ref(),
            _ => None,
        }
    }

    fn outage(&self) -> Outage {
        match &self.source {
            sqlx::Error::Database(refusal) => outage_of_setup(&refusal.code().unwrap_or_default()),
            other => match meaning_of(other) {
                Meaning::Outage(outage) => outage,
                _ => Outage::Unreachable,
            },
        }
    }
}

/// The meaning of an error of the driver.
pub(super) fn meaning_of(error: &sqlx::Error) -> Meaning {
    match error {
        sqlx::Error::Database(refusal) => {
            let state = refusal.code().unwrap_or_default();
            if is_refusal(error) { meaning_of_state(&state) } else { meaning_of_end(&state) }
        }
        sqlx::Error::Io(error) if error.kind() == ErrorKind::TimedOut => Meaning::Outage(Outage::Silent),
        sqlx::Error::PoolTimedOut => Meaning::Outage(Outage::Busy),
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => Meaning::Outage(Outage::Unreachable),
        other if SessionLost::is_within(other) => Meaning::Outage(Outage::Sessions),
        other if is_crowded(other) => Meaning::Outage(Outage::Busy),
        other if is_no_room(other) => Meaning::Outage(Outage::Answers),
        other => {
            let refused = || NoConnection::within(other).map(NoConnection::outage);
            let wrong = || WrongServer::within(other).map(WrongServer::outage);
            refused_for(other).or_else(refused).or_else(wrong).map_or(Meaning::Bug, Meaning::Outage)
        }
    }
}

/// The outage that an error reports, if any.
pub(super) fn outage_of(error: &sqlx::Error) -> Option<Outage> {
    match meaning_of(error) {
        Meaning::Outage(outage) | Meaning::Stale(outage) => Some(outage),
        Meaning::RolledBack | Meaning::Gone => Some(Outage::Busy),
        Meaning::Refused(_) | Meaning::Value | Meaning::Bug => None,
    }
}

/// The error for the client after a failed statement.
impl From<sqlx::Error> for RequestError {
    fn from(error: sqlx::Error) -> Self {
        if let Some(outage) = outage_of(&error) {
            // the driver would call it an error with configuration
            let source = match error {
                sqlx::Error::Configuration(ours) => ours,
                other => other.into(),
            };
            return Self::Unavailable { outage, source };
        }
        match refusal_of(&error) {
            Some(Refusal::TooManyTags) => {
                let (count, quota) = numbers_of(&error);
                Self::TooManyTags { count, quota }
            }
            Some(Refusal::TooManyPredefined) => {
                let (count, quota) = numbers_of(&error);
                Self::TooManyPredefined { count, quota }
            }
            Some(Refusal::AgainstPolicy) => against_policy(detail_of(&error)),
            Some(Refusal::ForeignProject) => Self::lost_project(),
            Some(Refusal::UnknownPredefined) => Self::UnknownPredefined,
            Some(Refusal::PredefinedExists) => Self::PredefinedExists,
            // the others are mapped by the statements that can meet them
            _ => Self::internal(error),
        }
    }
}

/// The same for a statement that was not run because others failed.
pub(super) fn unavailable(outage: Outage, reason: &str) -> RequestError {
    RequestError::Unavailable { outage, source: reason.into() }
}

/// Why a function of the schema refused the request, if one did.
pub(super) fn refusal_of(error: &sqlx::Error) -> Option<Refusal> {
    match meaning_of(error) {
        Meaning::Refused(refusal) => Some(refusal),
        _ => None,
    }
}

/// Count and quota, from the detail of an error of the writing functions.
fn numbers_of(error: &sqlx::Error) -> (u64, u64) {
    let mut numbers = detail_of(error).split(' ').map(|number| number.parse().unwrap_or_default());
    (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default())
}

/// The detail of an error that the server sent; empty if it has none.
pub(super) fn detail_of(error: &sqlx::Error) -> &str {
    server_error(error).and_then(PgDatabaseError::detail).unwrap_or_default()
}

/// Whether the server only refused a statement, so that the connection is still usable.
pub(super) fn is_refusal(error: &sqlx::Error) -> bool {
    // a severity above ERROR ends the session
    server_error(error).is_some_and(|error| error.severity() == PgSeverity::Error)
}

/// Whether the server has sent the error, whatever it says.
pub(super) fn is_answer(error: &sqlx::Error) -> bool {
    state_of(error).is_some()
}

/// Whether the connection is lost, so that a retry on another one may succeed.
pub(super) fn is_lost_connection(error: &sqlx::Error) -> bool {
    match error {
        // after a timeout there is no time for another attempt
        sqlx::Error::Io(error) => error.kind() != ErrorKind::TimedOut,
        sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => true,
        // the server is stopping or has stopped, or it ended only this session
        sqlx::Error::Database(_) => !is_refusal(error),
        // the connection broke while it was being opened; after a refusal another one is refused as well
        other => NoConnection::within(other).is_some_and(|refused| {
            let stopping = || matches!(state_of(&refused.source).as_deref(), Some("57P01" | "57P02" | "57P03"));
            let broken = match refused.source {
                sqlx::Error::Database(_) => stopping(),
                ref other => is_lost_connection(other),
            };
            broken && !refused.timed_out
        }),
    }
}

/// Whether the statement was refused because of cached state of the session, so that a retry on a new connection may
/// succeed.
pub(super) fn is_stale(error: &sqlx::Error) -> bool {
    // an error that ends the session may arrive after the statement has completed
    is_refusal(error) && matches!(meaning_of(error), Meaning::Stale(_))
}

/// Whether no connection could be acquired in time, or none at all because too many wait.
pub(super) fn is_without_connection(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::PoolTimedOut)
        || is_crowded(error)
        || NoConnection::within(error).is_some_and(|refused| refused.timed_out)
}

/// The SQLSTATE of an error that the server sent, while connecting or later.
pub(super) fn state_of(error: &sqlx::Error) -> Option<String> {
    let error = NoConnection::within(error).map_or(error, |refused| &refused.source);
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).map(std::borrow::Cow::into_owned)
}

fn server_error(error: &sqlx::Error) -> Option<&PgDatabaseError> {
    error.as_database_error().and_then(|error| error.try_downcast_ref())
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    #[test]
    fn what_tagd_itself_refuses_is_told_in_its_own_words() {
        let told = |error: sqlx::Error| RequestError::from(error).source().map(ToString::to_string);
        let is_told = |error: sqlx::Error, words: &str| assert_eq!(told(error).as_deref(), Some(words));
        is_told(crowded(), "as many statements wait for a connection as may");
        is_told(refused(Outage::Silent), "the database does not respond");
        is_told(no_room(NoRoom), "what was read for an answer did not fit beside the other large answers");
    }
}
