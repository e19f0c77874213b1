//! The kinds of labels, and the number of slots in a block.

/// Slots in a block; the migrations have the same number.
pub(super) const BLOCK_BITS: i32 = 16_384;

/// The column `kind` of `tagd.label`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i16)]
pub(super) enum LabelKind {
    /// No label has this kind: a condition that no resource meets.
    Nothing = -1,
    /// Every resource of the scope.
    All = 0,
    /// Resources without a tag, system tags not counted.
    Untagged = 1,
    /// Resources with a key.
    Key = 2,
    /// Resources with a key and a value.
    Pair = 3,
    /// Resources with a word in their name.
    Word = 4,
}

impl LabelKind {
    /// The value of the column.
    pub(super) const fn number(self) -> i16 {
        self as i16
    }
}
