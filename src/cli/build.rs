//! The build of the program, as metrics tell it.

use std::fmt;

use crate::{
    metrics::{Page, Source},
    store::{FUNCTION_SET, SCHEMA_VERSION},
};

/// The version of this program and of what it needs in the database.
#[derive(Debug)]
pub(super) struct Build;

impl Source for Build {
    fn write(&self, page: &mut Page<'_, '_>) -> fmt::Result {
        let (schema, functions) = (SCHEMA_VERSION.to_string(), FUNCTION_SET.to_string());
        let labels =
            [("version", env!("CARGO_PKG_VERSION")), ("schema", schema.as_str()), ("function_set", functions.as_str())];
        page.gauges(
            "tagd_build_info",
            "The version of tagd, and of the schema and the functions that it needs.",
            [(labels, 1_i64)],
        )
    }
}
