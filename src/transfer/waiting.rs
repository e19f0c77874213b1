//! Definitions that wait for the end of a strict import.

use super::staged_lines::StagedLines;

/// Those of a batch as their lines, which are read again. Anything else would be larger than what was sent: a list of short
/// values more than ten times, and a pattern, as Postgres gets it, hundreds of times.
pub(super) struct Waiting {
    numbers: StagedLines,
    /// The lines, with a line break between two.
    text: Vec<u8>,
}

impl Waiting {
    /// From the number and the text of each line.
    pub(super) fn of(lines: Vec<(u64, Vec<u8>)>) -> Self {
        let (numbers, texts): (Vec<u64>, Vec<Vec<u8>>) = lines.into_iter().unzip();
        Self { numbers: StagedLines::of(numbers), text: texts.join(&b'\n') }
    }

    /// The number and the text of each line.
    pub(super) fn lines(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let texts = self.text.split(|byte| *byte == b'\n').enumerate();
        texts.map(|(position, text)| (self.numbers.get(position).unwrap_or_default(), text))
    }
}
