//! Versions of the schema: those of this program, and their comparison.

use std::fmt;

/// The newest migration that this program has.
pub const SCHEMA_VERSION: i32 = 31;

/// Number of the set of functions that this program has. Increase it with every change to a file of the set.
pub const FUNCTION_SET: i32 = 19;

/// Version of a schema: one number for its tables and one for its functions, which only increase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SchemaVersion {
    /// The newest migration; 0 for none.
    pub migration: i32,
    /// The set of functions; 0 for none, as before the baseline.
    pub functions: i32,
}

impl SchemaVersion {
    /// The version of this program.
    pub const KNOWN: Self = Self { migration: SCHEMA_VERSION, functions: FUNCTION_SET };

    /// Whether this version is too new for a program with version `known`.
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
