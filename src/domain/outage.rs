//! Why the database does not do what tagd needs of it, none of which is a fault of tagd's or of its caller.

use std::fmt;

/// A state of the database that ends without tagd: the same request may succeed later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outage {
    /// There is no connection to it, or it was lost.
    Unreachable,
    /// It has the request and says nothing.
    Silent,
    /// It has too much to do: no connection is free, a statement took too long, writes were in each other's way.
    Busy,
    /// It takes no writes: a standby, a disk that is nearly full, somebody's setting.
    ReadOnly,
    /// Its disk is full.
    Full,
    /// It does not let tagd log in.
    Login,
    /// What tagd may do there was taken away, or its role.
    Rights,
    /// The schema is missing, renamed, or older than this tagd.
    Schema,
    /// It was closed to new connections.
    Closed,
    /// Its system fails: files, disks.
    Failing,
}

impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreachable => "the database cannot be reached",
            Self::Silent => "the database does not answer in time",
            Self::Busy => "the database is too busy",
            Self::ReadOnly => "the database is read-only",
            Self::Full => "the disk of the database is full",
            Self::Login => "the database refuses the login of tagd",
            Self::Rights => "tagd lacks rights in the database",
            Self::Schema => "the schema of tagd is missing in the database, or is an older one",
            Self::Closed => "the database accepts no connections",
            Self::Failing => "the database reports a system error",
        })
    }
}
