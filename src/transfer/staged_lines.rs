//! Which lines the entries of a batch came from that waits for the end of a strict import.

/// The lines of a batch that waits.
pub(super) enum StagedLines {
    /// They follow one another, as they usually do: the first.
    From(u64),
    /// Each line.
    Listed(Vec<u64>),
}

impl StagedLines {
    pub(super) fn of(lines: Vec<u64>) -> Self {
        match (lines.first(), lines.last()) {
            (Some(first), Some(last)) if last - first + 1 == u64::try_from(lines.len()).unwrap_or(u64::MAX) => {
                Self::From(*first)
            }
            _ => Self::Listed(lines),
        }
    }

    /// The line of an entry by its position in the batch.
    pub(super) fn get(&self, position: usize) -> Option<u64> {
        match self {
            Self::From(first) => Some(first.saturating_add(u64::try_from(position).unwrap_or(u64::MAX))),
            Self::Listed(lines) => lines.get(position).copied(),
        }
    }
}
