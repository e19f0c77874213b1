//! A statement: its text and the list of its parameters, which are built together.

use super::shape::ScopeCount;

/// The meaning of a parameter of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parameter {
    /// The scopes: the first parameter of every statement.
    Scopes(ScopeCount),
    /// Kind of the only label.
    LabelKind,
    /// Key of the only label.
    LabelKey,
    /// Value of the only label.
    LabelValue,
    /// Kind of each label.
    LabelKinds,
    /// Key of each label.
    LabelKeys,
    /// Value of each label.
    LabelValues,
    /// Group of each label.
    LabelGroups,
    /// For each label, 1 if its bits need not be combined with those of others of its group first, otherwise 0.
    LabelSingletons,
    /// 1 for each label whose resources are added, -1 for each whose resources are subtracted.
    LabelSigns,
    /// Key of the only substring of a value.
    SubstringKey,
    /// The only substring of a value.
    Substring,
    /// Key of each substring of a value.
    SubstringKeys,
    /// Each substring of a value.
    Substrings,
    /// Group of each substring of a value.
    SubstringGroups,
    /// As [`Parameter::LabelSigns`], for each substring of a value.
    SubstringSigns,
    /// Identifier of the resource.
    ResourceId,
    /// The substring of the name.
    NameText,
    /// `like` pattern of the name.
    NamePattern,
    /// Number of groups that must all hold.
    RequiredGroups,
    /// Number of groups that must not all hold.
    ExcludedGroups,
    /// Number of the newest slots of a sparse label that can be on the page.
    PageEnd,
    /// Resources to skip.
    Offset,
    /// Maximum number of resources on the page.
    Limit,
    /// [`Parameter::Offset`] of each query of a batch.
    Offsets,
    /// [`Parameter::Limit`] of each query of a batch.
    Limits,
}

impl Parameter {
    /// Its type in Postgres.
    pub const fn sql_type(self) -> &'static str {
        match self {
            Self::LabelKind => "int2",
            Self::Scopes(ScopeCount::One)
            | Self::RequiredGroups
            | Self::ExcludedGroups
            | Self::PageEnd
            | Self::Offset
            | Self::Limit => "int8",
            Self::LabelKey
            | Self::LabelValue
            | Self::SubstringKey
            | Self::Substring
            | Self::ResourceId
            | Self::NameText
            | Self::NamePattern => "text",
            Self::LabelKinds => "int2[]",
            Self::LabelGroups
            | Self::LabelSingletons
            | Self::LabelSigns
            | Self::SubstringGroups
            | Self::SubstringSigns => "int4[]",
            Self::Scopes(ScopeCount::Many) | Self::Offsets | Self::Limits => "int8[]",
            Self::LabelKeys | Self::LabelValues | Self::SubstringKeys | Self::Substrings => "text[]",
        }
    }
}

/// A statement and its parameters in the order of their numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// With comments and indentation, for readers.
    pub commented: String,
    /// As it is sent: without comments and indentation, because the text is hashed for each request to find the
    /// prepared statement.
    pub text: String,
    /// Parameters.
    pub parameters: Vec<Parameter>,
}

/// Numbers the parameters of a statement while its text is built; only this knows their order.
pub(super) struct Placeholders {
    parameters: Vec<Parameter>,
}

impl Placeholders {
    /// `$1` is always the scopes; fragments use it directly.
    pub(super) fn new(scopes: ScopeCount) -> Self {
        Self { parameters: vec![Parameter::Scopes(scopes)] }
    }

    /// Placeholders for further parameters, each with its type: `$2::text`.
    pub(super) fn add<const N: usize>(&mut self, parameters: [Parameter; N]) -> [String; N] {
        parameters.map(|parameter| {
            self.parameters.push(parameter);
            format!("${}::{}", self.parameters.len(), parameter.sql_type())
        })
    }

    /// The statement with this text, in which all placeholders occur.
    pub(super) fn into_statement(self, commented: String) -> Statement {
        let lines = commented.lines().map(str::trim).filter(|line| !line.starts_with("--"));
        Statement { text: lines.collect::<Vec<_>>().join("\n"), commented, parameters: self.parameters }
    }
}
