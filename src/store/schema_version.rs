//! Version of the schema in a database.

use std::fmt;

/// Version of a schema: its tables and its functions have a number each, which only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SchemaVersion {
    /// The newest migration; 0 for none.
    pub migration: i32,
    /// The set of functions; 0 for none, as before the baseline.
    pub functions: i32,
}

impl SchemaVersion {
    /// A program that has `known` cannot work with this one.
    pub(super) fn is_newer_than(self, known: Self) -> bool {
        self.migration > known.migration || self.functions > known.functions
    }
}

impl fmt::Display for SchemaVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.migration)?;
        if self.functions > 0 {
            write!(f, ".{}", self.functions)?;
        }
        Ok(())
    }
}
