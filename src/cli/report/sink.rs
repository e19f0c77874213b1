//! Where the rows of a report go, one by one.

pub(super) trait Sink {
    /// Writes a row; a cell that is null is `None`.
    fn row(&mut self, cells: Vec<Option<String>>) -> std::io::Result<()>;

    /// Writes what is left. Call it after the last row.
    fn finish(&mut self) -> std::io::Result<()>;
}
