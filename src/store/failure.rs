//! What can go wrong with the database, and what it means: constraint and state to fault.

use std::io::ErrorKind;

use crate::domain::Fault;

/// Why the database cannot be opened, prepared or fed; each is one clear line for whoever runs tagd.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The URL cannot be read.
    #[error("the database URL cannot be read: {0}")]
    Url(#[source] sqlx::Error),
    /// No connection.
    #[error("cannot connect to the database at {place}: {}", cause(.source))]
    Connect {
        /// Host and port, or socket.
        place: String,
        /// Why.
        source: sqlx::Error,
    },
    /// A newer tagd has been here.
    #[error("the database has schema version {found}, this tagd knows only up to {known}: use a newer tagd")]
    NewerSchema {
        /// Version in the database.
        found: i32,
        /// Newest version this program has.
        known: i32,
    },
    /// The schema is not there, or older.
    #[error(
        "the database has schema version {found}, this tagd needs {known}: run `tagd migrate` as the owner of the schema"
    )]
    OlderSchema {
        /// Version in the database; 0 for none.
        found: i32,
        /// Version needed.
        known: i32,
    },
    /// The schema was made by other migrations than those of this program.
    #[error("the schema of the database is not that of this tagd: {0}; nothing was done")]
    OtherSchema(String),
    /// A migration does not run.
    #[error("the migrations cannot be applied: {0}")]
    Migrate(String),
    /// The login may not act as the service.
    #[error("the login may not take the role tagd_service: an administrator runs `grant tagd_service to` it")]
    Role,
    /// The disk of the database is full.
    #[error("the database's disk is full: {0}")]
    DiskFull(String),
    /// A value that the checks let through and the database does not take: a fault of tagd's own, so the cause is for the
    /// log alone.
    #[error("cannot be stored, the log says why")]
    BadValue(#[source] sqlx::Error),
    /// Anything else.
    #[error("the database reports: {}", cause(.0))]
    Database(#[from] sqlx::Error),
}

/// The innermost words of a driver's error, without the chain around them.
fn cause(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => error.message().to_owned(),
        sqlx::Error::PoolTimedOut => "no connection in time".to_owned(),
        sqlx::Error::Io(error) => error.to_string(),
        other => other.to_string(),
    }
}

impl StoreError {
    /// Sorts out the driver's errors that have a line of their own.
    pub(super) fn of(error: sqlx::Error) -> Self {
        match state(&error).as_deref() {
            Some("53100") => Self::DiskFull(cause(&error)),
            // 22 a value out of range or of the wrong form, 54 larger than an index entry may be
            Some(code) if code.starts_with("22") || code.starts_with("54") => Self::BadValue(error),
            _ => Self::Database(error),
        }
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Database(error) => fault_of(error),
            StoreError::BadValue(error) => Self::internal(error),
            other => Self::Unavailable { source: other.into() },
        }
    }
}

/// What a failed statement means to whoever asked.
pub(super) fn fault_of(error: sqlx::Error) -> Fault {
    if let sqlx::Error::Database(refusal) = &error {
        match refusal.code().as_deref() {
            Some("TG002") => {
                let (count, quota) = numbers_of(refusal.as_ref());
                return Fault::TooManyTags { count, quota };
            }
            Some("TG004") => {
                let (count, quota) = numbers_of(refusal.as_ref());
                return Fault::TooManyPredefined { count, quota };
            }
            Some("TG005") => return Fault::UnknownPredefined,
            Some("TG006") => return Fault::PredefinedExists,
            _ => {}
        }
    }
    if is_outage(&error) { Fault::Unavailable { source: error.into() } } else { Fault::internal(error) }
}

/// The same for a statement on one resource, which may not be there.
pub(super) fn fault_on(resource_id: &str, error: sqlx::Error) -> Fault {
    if is_unknown_resource(&error) { Fault::unknown_resource(resource_id) } else { fault_of(error) }
}

/// Whether a writing function did not find its resource.
pub(super) fn is_unknown_resource(error: &sqlx::Error) -> bool {
    state(error).as_deref() == Some("TG001")
}

/// Count and quota, from the detail of an error of the writing functions.
fn numbers_of(refusal: &dyn sqlx::error::DatabaseError) -> (u64, u64) {
    let detail = refusal.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().and_then(|error| error.detail());
    let mut numbers = detail.unwrap_or_default().split(' ').map(|number| number.parse().unwrap_or_default());
    (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default())
}

/// Whether the connection is gone, so that another one may do better.
pub(super) fn is_lost_connection(error: &sqlx::Error) -> bool {
    match error {
        // where nothing was heard until the time was up, there is none left for another
        sqlx::Error::Io(error) => error.kind() != ErrorKind::TimedOut,
        sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => true,
        // the server is being stopped or was
        _ => matches!(state(error).as_deref(), Some("57P01" | "57P02" | "57P03")),
    }
}

/// Whether the database is away, overloaded or out of room, rather than tagd at fault.
pub(super) fn is_outage(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Tls(_) | sqlx::Error::Io(_) => true,
        // 08 connection, 28 login refused, 3D no such database, 40 rolled back, 53 out of resources,
        // 57 operator's intervention and time-outs
        sqlx::Error::Database(refusal) => refusal
            .code()
            .is_some_and(|code| ["08", "28", "3D", "40", "53", "57"].iter().any(|class| code.starts_with(class))),
        _ => is_lost_connection(error),
    }
}

fn state(error: &sqlx::Error) -> Option<String> {
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).map(std::borrow::Cow::into_owned)
}
