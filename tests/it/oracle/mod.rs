//! Random input held against what it means: queries, sequences of writes, details that come back as they were sent.

mod details;
mod queries;
mod writes;
