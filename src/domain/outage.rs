//! Why the database cannot do what tagd needs, where neither tagd nor its caller is at fault.

use std::fmt;

/// A state of the database that ends without tagd: the same request may succeed later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outage {
    /// There is no connection to it, or it was lost.
    Unreachable,
    /// It has the request and does not respond.
    Silent,
    /// It has too much to do: no connection is free, a statement took too long, writes were in each other's way.
    Busy,
    /// It takes no writes: a standby, a disk that is nearly full, a setting.
    ReadOnly,
    /// Its disk is full.
    Full,
    /// It does not let tagd log in.
    Login,
    /// The privileges or the role of tagd were taken away.
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
            Self::Unreachable => "the database is unreachable",
            Self::Silent => "the database did not respond in time",
            Self::Busy => "the database is too busy",
            Self::ReadOnly => "the database is read-only",
            Self::Full => "the disk of the database is full",
            Self::Login => "the database rejected the login of tagd",
            Self::Rights => "tagd lacks privileges in the database",
            Self::Schema => "the schema of tagd in the database is missing or outdated",
            Self::Closed => "the database accepts no connections",
            Self::Failing => "the database reported a system error",
        })
    }
}
