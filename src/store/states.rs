//! What SQLSTATEs mean to the client: the one table of them.

use crate::domain::Outage;

/// What a state means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// A function of the schema refuses the request.
    Refused(Refusal),
    /// The database cannot store a value.
    Value,
    /// The server rolled the statement back for its own reasons; it may run again.
    RolledBack,
    /// What the statement refers to was deleted meanwhile; run again, it sees that.
    Gone,
    /// The database is in a state in which it cannot do this.
    Outage(Outage),
    /// The same, but the reason may be what the session remembers of the database: a new connection may do better.
    Stale(Outage),
    /// A bug of tagd.
    Bug,
}

/// Why a function of the schema refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No such resource.
    UnknownResource,
    /// More tags than the type allows; the detail has both numbers.
    TooManyTags,
    /// The role of the service can neither be created nor taken; only migrations raise it.
    Role,
    /// More predefined tags than the account may have; the detail has both numbers.
    TooManyPredefined,
    /// No such predefined tag.
    UnknownPredefined,
    /// There is such a predefined tag.
    PredefinedExists,
    /// The condition of the write does not hold.
    Condition,
    /// No such resource type.
    UnknownType,
    /// The project has resources.
    ProjectInUse,
    /// The resource type has or had resources.
    TypeInUse,
    /// The name of a resource type or an alias is taken; the detail says by what.
    NameTaken,
}

/// States, or the beginnings of states; the first that fits counts. What is not listed is a [bug](Meaning::Bug).
pub const STATES: [(&str, Meaning); 47] = [
    // raised by the functions of the schema
    ("TG001", Meaning::Refused(Refusal::UnknownResource)),
    ("TG002", Meaning::Refused(Refusal::TooManyTags)),
    ("TG003", Meaning::Refused(Refusal::Role)),
    ("TG004", Meaning::Refused(Refusal::TooManyPredefined)),
    ("TG005", Meaning::Refused(Refusal::UnknownPredefined)),
    ("TG006", Meaning::Refused(Refusal::PredefinedExists)),
    ("TG007", Meaning::Refused(Refusal::Condition)),
    ("TG008", Meaning::Refused(Refusal::UnknownType)),
    ("TG009", Meaning::Refused(Refusal::ProjectInUse)),
    ("TG010", Meaning::Refused(Refusal::TypeInUse)),
    ("TG011", Meaning::Refused(Refusal::NameTaken)),
    // the protocol was broken: by tagd, or by a proxy that then ends the session, see `meaning_of_end`
    ("08P01", Meaning::Bug),
    ("08", Meaning::Outage(Outage::Unreachable)),
    // a prepared statement has other columns by now
    ("0A000", Meaning::Stale(Outage::Schema)),
    ("0P000", Meaning::Stale(Outage::Rights)),
    ("22", Meaning::Value),
    ("23503", Meaning::Gone),
    ("25006", Meaning::Stale(Outage::ReadOnly)),
    // a transaction that lay idle, or took too long, ended with its session
    ("25P03", Meaning::Outage(Outage::Unreachable)),
    ("25P04", Meaning::Outage(Outage::Busy)),
    // a prepared statement is gone
    ("26000", Meaning::Stale(Outage::Unreachable)),
    ("28", Meaning::Outage(Outage::Login)),
    ("3D000", Meaning::Outage(Outage::Unreachable)),
    ("3F000", Meaning::Stale(Outage::Schema)),
    // nobody knows whether the statement was done
    ("40003", Meaning::Outage(Outage::Unreachable)),
    ("40", Meaning::RolledBack),
    ("42501", Meaning::Stale(Outage::Rights)),
    // column, function, table, other object: each is there in the schema that this tagd knows
    ("42703", Meaning::Stale(Outage::Schema)),
    ("42883", Meaning::Stale(Outage::Schema)),
    ("42P01", Meaning::Stale(Outage::Schema)),
    // where the role was dropped and made anew, old sessions have one that is not there
    ("42704", Meaning::Stale(Outage::Rights)),
    ("53100", Meaning::Outage(Outage::Full)),
    // out of memory, of connections, of what a setting allows
    ("53", Meaning::Outage(Outage::Busy)),
    ("54", Meaning::Value),
    // in use, or locked
    ("55006", Meaning::Outage(Outage::Busy)),
    ("55P03", Meaning::Outage(Outage::Busy)),
    ("55", Meaning::Outage(Outage::Closed)),
    ("57014", Meaning::Outage(Outage::Busy)),
    // stopped, stopping or starting; dropped; a session that lay idle
    ("57", Meaning::Outage(Outage::Unreachable)),
    ("58", Meaning::Outage(Outage::Failing)),
    // a file of settings, a lock file
    ("F0", Meaning::Outage(Outage::Failing)),
    // listed to be read: everything else is the same
    ("23", Meaning::Bug),
    ("25", Meaning::Bug),
    ("42", Meaning::Bug),
    ("P0", Meaning::Bug),
    ("TG", Meaning::Bug),
    ("XX", Meaning::Bug),
];

/// What the state of a failed statement means.
pub fn meaning_of_state(state: &str) -> Meaning {
    let row = STATES.iter().find(|(beginning, _)| state.starts_with(beginning));
    row.map_or(Meaning::Bug, |(_, meaning)| *meaning)
}

/// The same where the server ends the session with it: whatever the state, the connection is gone.
pub fn meaning_of_end(state: &str) -> Meaning {
    match meaning_of_state(state) {
        outage @ (Meaning::Outage(_) | Meaning::Stale(_)) => outage,
        _ => Meaning::Outage(Outage::Unreachable),
    }
}

/// The same for a session that is being set up, where nothing depends on any request.
pub fn outage_of_setup(state: &str) -> Outage {
    match meaning_of_state(state) {
        Meaning::Outage(outage) | Meaning::Stale(outage) => outage,
        // the role is no value that the setting can have
        Meaning::Value => Outage::Rights,
        _ => Outage::Unreachable,
    }
}
