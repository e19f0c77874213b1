//! Why the database, or another service that tagd needs, is unavailable, if neither tagd nor its caller is the cause.

use std::fmt;

/// A state of the database that tagd did not cause and cannot end: the same request may succeed later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outage {
    /// There is no connection to it, or it was lost.
    Unreachable,
    /// It does not respond to the statement.
    Silent,
    /// It is overloaded: no connection is free, a statement took too long, or writes conflicted.
    Busy,
    /// It is read-only: a standby, a disk that is nearly full, or a setting.
    ReadOnly,
    /// Its disk is full.
    Full,
    /// It does not let tagd log in.
    Login,
    /// The privileges or the role of tagd were revoked.
    Rights,
    /// The schema is missing, renamed, or older than this tagd.
    Schema,
    /// It accepts no new connections.
    Closed,
    /// Its connections do not keep their sessions: they lead through a pooler in transaction mode.
    Sessions,
    /// Its operating system reports errors of files or disks.
    Failing,
    /// Not the database, but the Keystone that knows whether a token is valid.
    Keystone,
    /// Not the database, but the memory for bodies whose senders are not verified yet.
    Bodies,
    /// Not the database, but the memory for bodies.
    Memory,
    /// Not the database, but the memory for large answers.
    Answers,
    /// As many requests are under way as may be.
    Crowded,
    /// The time of the request is over.
    Late,
}

impl Outage {
    /// Those that are states of the database, in the order of their numbers.
    pub const OF_DATABASE: [Self; 11] = [
        Self::Unreachable,
        Self::Silent,
        Self::Busy,
        Self::ReadOnly,
        Self::Full,
        Self::Login,
        Self::Rights,
        Self::Schema,
        Self::Closed,
        Self::Sessions,
        Self::Failing,
    ];

    /// Its name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Silent => "silent",
            Self::Busy => "busy",
            Self::ReadOnly => "read_only",
            Self::Full => "full",
            Self::Login => "login",
            Self::Rights => "rights",
            Self::Schema => "schema",
            Self::Closed => "closed",
            Self::Sessions => "sessions",
            Self::Failing => "failing",
            Self::Keystone => "keystone",
            Self::Bodies => "bodies",
            Self::Memory => "memory",
            Self::Answers => "answers",
            Self::Crowded => "crowded",
            Self::Late => "late",
        }
    }
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
            Self::Sessions => "the database is behind a connection pooler that does not keep sessions",
            Self::Failing => "the database reported a system error",
            Self::Keystone => "Keystone cannot say whether the token is valid",
            Self::Bodies => "body: the memory for bodies of requests that are not verified yet is used up",
            Self::Memory => "body: the memory for bodies is used up",
            Self::Answers => "the memory for large answers is used up",
            Self::Crowded => "as many requests are under way as may be",
            Self::Late => "the request did not end within its time",
        })
    }
}
