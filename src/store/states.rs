//! The table of SQLSTATEs and their meaning for the client.

use crate::domain::Outage;

/// The meaning of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// A function of the schema refuses the request.
    Refused(Refusal),
    /// The database cannot store a value.
    Value,
    /// The server rolled the statement back; it may be retried.
    RolledBack,
    /// A row that the statement refers to was changed or deleted meanwhile; a retry sees that.
    Gone,
    /// The database is unavailable.
    Outage(Outage),
    /// The same, but the reason may be cached state of the session: a retry on a new connection may succeed.
    Stale(Outage),
    /// A bug in tagd.
    Bug,
}

/// Why a function of the schema refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No such resource.
    UnknownResource,
    /// More tags than the type allows; the detail has both numbers.
    TooManyTags,
    /// The role of the service can be neither created nor assumed; only migrations raise it.
    Role,
    /// More predefined tags than the account may have; the detail has both numbers.
    TooManyPredefined,
    /// No such predefined tag.
    UnknownPredefined,
    /// The predefined tag already exists.
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
    /// The tags would violate an enforced policy; the detail is the violation.
    AgainstPolicy,
    /// No such project; the detail has its identifier.
    UnknownProject,
    /// The name of a policy is taken; the detail has it.
    PolicyExists,
    /// More policies than a domain may have; the detail has the number.
    TooManyPolicies,
    /// More policies with a pattern than a domain may have, or all domains together; the detail has the number.
    TooManyPatterns,
    /// The project was registered in another domain, or moved to it, since the caller's rights were checked.
    ForeignProject,
    /// There is no history of a time; the detail has when it had been turned off, and when it begins again.
    NotKept,
}

/// States or prefixes of states; the first match counts. A state that is not listed is a [bug](Meaning::Bug).
pub const STATES: [(&str, Meaning); 54] = [
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
    ("TG012", Meaning::Refused(Refusal::ForeignProject)),
    ("TG013", Meaning::Refused(Refusal::AgainstPolicy)),
    ("TG014", Meaning::Refused(Refusal::NotKept)),
    ("TG015", Meaning::Refused(Refusal::UnknownProject)),
    ("TG016", Meaning::Refused(Refusal::PolicyExists)),
    ("TG017", Meaning::Refused(Refusal::TooManyPolicies)),
    ("TG018", Meaning::Refused(Refusal::TooManyPatterns)),
    // a protocol violation, by tagd or by a proxy that then ends the session; see `meaning_of_end`
    ("08P01", Meaning::Bug),
    ("08", Meaning::Outage(Outage::Unreachable)),
    // the columns of a prepared statement have changed
    ("0A000", Meaning::Stale(Outage::Schema)),
    ("0P000", Meaning::Stale(Outage::Rights)),
    ("22", Meaning::Value),
    ("23503", Meaning::Gone),
    ("25006", Meaning::Stale(Outage::ReadOnly)),
    // the session was ended because a transaction was idle or took too long
    ("25P03", Meaning::Outage(Outage::Unreachable)),
    ("25P04", Meaning::Outage(Outage::Busy)),
    // a prepared statement no longer exists
    ("26000", Meaning::Stale(Outage::Unreachable)),
    ("28", Meaning::Outage(Outage::Login)),
    ("3D000", Meaning::Outage(Outage::Unreachable)),
    ("3F000", Meaning::Stale(Outage::Schema)),
    // it is unknown whether the statement was completed
    ("40003", Meaning::Outage(Outage::Unreachable)),
    ("40", Meaning::RolledBack),
    ("42501", Meaning::Stale(Outage::Rights)),
    // undefined column, function, table or other object: all exist in the schema that this tagd expects
    ("42703", Meaning::Stale(Outage::Schema)),
    ("42883", Meaning::Stale(Outage::Schema)),
    ("42P01", Meaning::Stale(Outage::Schema)),
    // if the role was dropped and created again, old sessions have a role that no longer exists
    ("42704", Meaning::Stale(Outage::Rights)),
    ("53100", Meaning::Outage(Outage::Full)),
    // out of memory, out of connections, or beyond a limit in the settings
    ("53", Meaning::Outage(Outage::Busy)),
    ("54", Meaning::Value),
    // object in use, or locked
    ("55006", Meaning::Outage(Outage::Busy)),
    ("55P03", Meaning::Outage(Outage::Busy)),
    ("55", Meaning::Outage(Outage::Closed)),
    ("57014", Meaning::Outage(Outage::Busy)),
    // server stopped, stopping or starting; database dropped; session idle for too long
    ("57", Meaning::Outage(Outage::Unreachable)),
    ("58", Meaning::Outage(Outage::Failing)),
    // configuration file or lock file
    ("F0", Meaning::Outage(Outage::Failing)),
    // listed for the reader only: a state that is not listed is a bug too
    ("23", Meaning::Bug),
    ("25", Meaning::Bug),
    ("42", Meaning::Bug),
    ("P0", Meaning::Bug),
    ("TG", Meaning::Bug),
    ("XX", Meaning::Bug),
];

/// The meaning of the state of a failed statement.
pub fn meaning_of_state(state: &str) -> Meaning {
    let row = STATES.iter().find(|(beginning, _)| state.starts_with(beginning));
    row.map_or(Meaning::Bug, |(_, meaning)| *meaning)
}

/// The same if the server ends the session with the error: whatever the state, the connection is lost.
pub fn meaning_of_end(state: &str) -> Meaning {
    match meaning_of_state(state) {
        outage @ (Meaning::Outage(_) | Meaning::Stale(_)) => outage,
        _ => Meaning::Outage(Outage::Unreachable),
    }
}

/// The same for a session that is being set up, which does not depend on any request.
pub fn outage_of_setup(state: &str) -> Outage {
    match meaning_of_state(state) {
        Meaning::Outage(outage) | Meaning::Stale(outage) => outage,
        // the setting `role` does not accept the role
        Meaning::Value => Outage::Rights,
        _ => Outage::Unreachable,
    }
}
