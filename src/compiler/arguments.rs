//! The arguments of a statement, one for each of its parameters.

use std::collections::HashMap;

use super::{
    groups::{Groups, LabelCondition, NameCondition, SubstringCondition},
    label::LabelKind,
    statement::Parameter,
};
use crate::domain::QueryOutput;

/// The maximum offset: far beyond any resource, but a limit can still be added without overflow.
const FARTHEST: i64 = i64::MAX / 2;

/// More slots than a sparse label has.
const ALL_SLOTS: i64 = i32::MAX as i64;

/// The value of a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Argument {
    /// `int2`
    Kind(i16),
    /// `int8`
    Integer(i64),
    /// `text`
    Text(String),
    /// `int8[]`
    Integers(Vec<i64>),
    /// `int4[]`
    Groups(Vec<i32>),
    /// `int2[]`
    Kinds(Vec<i16>),
    /// `text[]`
    Texts(Vec<String>),
}

/// The arguments for a query, one for each parameter.
pub(super) fn arguments(
    parameters: &[Parameter],
    groups: &Groups<'_>,
    scopes: &[i64],
    output: QueryOutput,
) -> Vec<Argument> {
    let (offset, limit) = match output {
        QueryOutput::Count => (0, 0),
        QueryOutput::Page { offset, limit } => {
            (i64::try_from(offset).unwrap_or(FARTHEST).min(FARTHEST), i64::from(limit))
        }
    };
    // only strategies with one label, or with one substring, have these parameters
    let label = groups.labels.first().copied().unwrap_or(NO_LABEL);
    let substring = groups.substrings.first().copied().unwrap_or(NO_SUBSTRING);
    let argument = |parameter: &Parameter| match parameter {
        Parameter::Scopes(_) => match scopes {
            [scope] => Argument::Integer(*scope),
            _ => Argument::Integers(scopes.to_vec()),
        },
        Parameter::LabelKind => Argument::Kind(label.kind.number()),
        Parameter::LabelKey => Argument::Text(label.key.to_owned()),
        Parameter::LabelValue => Argument::Text(label.value.to_owned()),
        Parameter::LabelKinds => Argument::Kinds(groups.labels.iter().map(|c| c.kind.number()).collect()),
        Parameter::LabelKeys => Argument::Texts(groups.labels.iter().map(|c| c.key.to_owned()).collect()),
        Parameter::LabelValues => Argument::Texts(groups.labels.iter().map(|c| c.value.to_owned()).collect()),
        Parameter::LabelGroups => Argument::Groups(groups.labels.iter().map(|c| c.group).collect()),
        Parameter::LabelSingletons => singletons(groups),
        Parameter::LabelSigns => Argument::Groups(groups.labels.iter().map(|c| sign(c.group)).collect()),
        Parameter::SubstringKey => Argument::Text(substring.key.to_owned()),
        Parameter::Substring => Argument::Text(substring.text.to_owned()),
        Parameter::SubstringKeys => Argument::Texts(groups.substrings.iter().map(|c| c.key.to_owned()).collect()),
        Parameter::Substrings => Argument::Texts(groups.substrings.iter().map(|c| c.text.to_owned()).collect()),
        Parameter::SubstringGroups => Argument::Groups(groups.substrings.iter().map(|c| c.group).collect()),
        Parameter::SubstringSigns => Argument::Groups(groups.substrings.iter().map(|c| sign(c.group)).collect()),
        Parameter::ResourceId => Argument::Text(groups.id.unwrap_or_default().to_owned()),
        Parameter::NameText => Argument::Text(match &groups.name {
            Some(NameCondition::Contains(text)) => text.clone(),
            Some(NameCondition::Empty) | None => String::new(),
        }),
        Parameter::NamePattern => Argument::Text(match &groups.name {
            Some(NameCondition::Contains(text)) => substring_pattern(text),
            Some(NameCondition::Empty) | None => String::new(),
        }),
        Parameter::RequiredGroups => Argument::Integer(i64::from(groups.required)),
        Parameter::ExcludedGroups => Argument::Integer(i64::from(groups.excluded)),
        // no more slots of a sparse label than this can be on the page, unless other labels are subtracted
        Parameter::PageEnd if groups.takes_away() => Argument::Integer(ALL_SLOTS),
        Parameter::PageEnd => Argument::Integer(offset.saturating_add(limit).min(ALL_SLOTS)),
        Parameter::Offset => Argument::Integer(offset),
        Parameter::Limit => Argument::Integer(limit),
        Parameter::Offsets => Argument::Integers(vec![offset]),
        Parameter::Limits => Argument::Integers(vec![limit]),
    };
    parameters.iter().map(argument).collect()
}

const NO_LABEL: LabelCondition<'static> = LabelCondition { group: 0, kind: LabelKind::Nothing, key: "", value: "" };
const NO_SUBSTRING: SubstringCondition<'static> = SubstringCondition { group: 0, key: "", text: "" };

/// 1 if resources of the group are added, -1 if they are subtracted.
fn sign(group: i32) -> i32 {
    if group > 0 { 1 } else { -1 }
}

/// For each label, 1 if its bits need not be combined with those of other labels of its group first: because it is
/// alone in its group, or because the group is 0, which is combined later in any case.
fn singletons(groups: &Groups<'_>) -> Argument {
    let mut sizes = HashMap::new();
    let labels = groups.labels.iter().map(|condition| condition.group);
    for group in labels.clone().chain(groups.substrings.iter().map(|condition| condition.group)) {
        *sizes.entry(group).or_insert(0) += 1;
    }
    Argument::Groups(labels.map(|group| i32::from(group == 0 || sizes.get(&group) == Some(&1))).collect())
}

/// A `like` pattern for texts that contain this one, with the wildcards in it escaped.
fn substring_pattern(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

/// Combines the arguments that several statements have for the same parameter into an array.
pub(super) fn gather<'a>(arguments: impl Iterator<Item = &'a Argument>) -> Argument {
    let (mut kinds, mut integers, mut texts) = (Vec::new(), Vec::new(), Vec::new());
    for argument in arguments {
        match argument {
            Argument::Kind(value) => kinds.push(*value),
            Argument::Integer(value) => integers.push(*value),
            Argument::Text(value) => texts.push(value.clone()),
            // queries of one label have no arrays
            Argument::Integers(_) | Argument::Groups(_) | Argument::Kinds(_) | Argument::Texts(_) => {}
        }
    }
    match (kinds.is_empty(), integers.is_empty()) {
        (false, _) => Argument::Kinds(kinds),
        (_, false) => Argument::Integers(integers),
        _ => Argument::Texts(texts),
    }
}
