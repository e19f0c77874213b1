//! The conditions of a query as groups of labels: what the statement's parameters carry.

use std::collections::{HashMap, HashSet};

use super::{
    Argument,
    statement::{Form, Pick, Shape, Span},
};
use crate::domain::{NameMatch, TagQuery, Term, ValueMatch, matching::fold, tag::is_system_key};

/// Slots that one row of the index stands for; the migrations hold the same number.
pub const BLOCK_BITS: i32 = 16_384;

/// What a bitmap of the index stands for: the column `kind` of `tagd.label`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    /// No label has this kind: a condition that nothing meets.
    Nothing,
    /// Every resource of the scope.
    All,
    /// Resources without a tag, system tags not counted.
    Untagged,
    /// Resources with a key.
    Key,
    /// Resources with a key and a value.
    Pair,
    /// Resources with a word in their name; statements look for it by themselves.
    Word,
}

impl Label {
    /// The value of the column.
    pub const fn kind(self) -> i16 {
        match self {
            Self::Nothing => -1,
            Self::All => 0,
            Self::Untagged => 1,
            Self::Key => 2,
            Self::Pair => 3,
            Self::Word => 4,
        }
    }
}

/// A condition on the name.
enum Name {
    /// There is none.
    Empty,
    /// It has this text, folded as names are.
    Has(String),
}

/// Labels by full name, and parts of values, each with its group.
#[derive(Default)]
pub(super) struct Groups<'a> {
    exact: Vec<(i32, Label, &'a str, &'a str)>,
    pub(super) fuzzy: Vec<(i32, &'a str, &'a str)>,
    positive: i32,
    negative: i32,
    name: Option<Name>,
    id: Option<&'a str>,
}

impl<'a> Groups<'a> {
    pub(super) fn of(query: &'a TagQuery) -> Self {
        let mut groups = Self::default();
        if query.without_any_tag {
            groups.require(Label::Untagged);
        } else {
            for term in &query.tags {
                groups.positive += 1;
                groups.add(groups.positive, term);
            }
            if !query.tags_any.is_empty() {
                groups.positive += 1;
                for term in &query.tags_any {
                    groups.add(groups.positive, term);
                }
            }
            if let [term] = query.not_tags.as_slice() {
                // not all of one is none of it
                groups.add(0, term);
            } else {
                for term in &query.not_tags {
                    groups.negative += 1;
                    groups.add(-groups.negative, term);
                }
            }
            for term in &query.not_tags_any {
                groups.add(0, term);
            }
        }
        for term in &query.sys_tags {
            groups.positive += 1;
            if is_system_key(&term.key) {
                groups.add(groups.positive, term);
            } else {
                groups.exact.push((groups.positive, Label::Nothing, "", ""));
            }
        }
        match &query.resource_name {
            None => {}
            Some(NameMatch::Empty) => groups.name = Some(Name::Empty),
            Some(NameMatch::Contains(text)) if text.contains('\0') => groups.require(Label::Nothing),
            Some(NameMatch::Contains(text)) => groups.name = Some(Name::Has(fold(text))),
        }
        match &query.resource_id {
            Some(id) if id.contains('\0') => groups.require(Label::Nothing),
            id => groups.id = id.as_deref(),
        }
        if groups.name.is_some() || groups.id.is_some() {
            groups.positive += 1;
        }
        if groups.positive == 0 {
            groups.exact.push((1, Label::All, "", ""));
        }
        groups
    }

    fn require(&mut self, label: Label) {
        self.positive += 1;
        self.exact.push((self.positive, label, "", ""));
    }

    /// A text with a NUL is in no column, so it is left out of what is sent: Postgres would refuse it.
    fn add(&mut self, group: i32, term: &'a Term) {
        let key = term.key.as_str();
        if key.contains('\0') {
            self.exact.push((group, Label::Nothing, "", ""));
            return;
        }
        if term.values.is_empty() {
            self.exact.push((group, Label::Key, key, ""));
        }
        for value in &term.values {
            match value {
                ValueMatch::Exact(text) | ValueMatch::Contains(text) if text.contains('\0') => {
                    self.exact.push((group, Label::Nothing, "", ""));
                }
                ValueMatch::Exact(text) => self.exact.push((group, Label::Pair, key, text)),
                ValueMatch::Contains(text) => self.fuzzy.push((group, key, text)),
            }
        }
    }

    /// The cheapest form that can express the groups.
    pub(super) fn form(&self, span: Span) -> Form {
        if self.name.is_some() || self.id.is_some() {
            let indexed = matches!(self.pick(), Pick::NameInWords | Pick::NameAcross);
            return if indexed && self.exact.is_empty() && self.fuzzy.is_empty() { Form::Names } else { Form::Mixed };
        }
        let is_sum = self.is_one_group() && self.adds_up();
        if self.exact.len() == 1 && self.fuzzy.is_empty() {
            Form::Single
        } else if is_sum && self.exact.is_empty() && span == Span::One {
            Form::Values
        } else if is_sum {
            Form::Sum
        } else if self.takes_away() || !self.fuzzy.is_empty() {
            Form::Mixed
        } else if self.positive == 1 {
            Form::Any
        } else if self.exact.len() == usize::try_from(self.positive).unwrap_or_default() {
            Form::Every
        } else {
            Form::Mixed
        }
    }

    /// The labels of conditions: without that of every resource, which stands for none.
    fn asked(&self) -> Vec<&(i32, Label, &'a str, &'a str)> {
        self.exact.iter().filter(|(_, label, ..)| *label != Label::All).collect()
    }

    /// Whether all conditions are or-ed: asked for, or taken away from every resource.
    fn is_one_group(&self) -> bool {
        let labels = self.asked().into_iter().map(|(group, ..)| *group);
        let mut groups = labels.chain(self.fuzzy.iter().map(|(group, ..)| *group));
        groups.next().is_some_and(|first| groups.all(|group| group == first))
    }

    /// Whether no resource has two of the labels, so that their counts can be added up: one label, or values of one
    /// key, of which a resource has one.
    fn adds_up(&self) -> bool {
        match (self.asked().as_slice(), self.fuzzy.as_slice()) {
            ([_], []) | ([], [_]) => true,
            (labels @ [(_, _, key, _), ..], []) => {
                let mut values = HashSet::new();
                labels.iter().all(|(_, label, k, value)| *label == Label::Pair && k == key && values.insert(value))
            }
            // two patterns, or a pattern and a value, can meet in one label
            _ => false,
        }
    }

    /// Whether resources are left out again that another label brought in.
    pub(super) fn takes_away(&self) -> bool {
        self.exact.iter().any(|(group, ..)| *group <= 0) || self.fuzzy.iter().any(|(group, ..)| *group <= 0)
    }

    pub(super) fn pick(&self) -> Pick {
        match (&self.name, self.id) {
            (None, None) => Pick::Nothing,
            (None, Some(_)) => Pick::Id,
            (Some(_), Some(_)) => Pick::IdAndName,
            (Some(Name::Empty), None) => Pick::NoName,
            (Some(Name::Has(text)), None) if text.chars().nth(2).is_none() => Pick::NameByScan,
            (Some(Name::Has(text)), None) if text.chars().all(is_of_word) => Pick::NameInWords,
            (Some(Name::Has(_)), None) => Pick::NameAcross,
        }
    }

    /// What the name is compared with: a text to look for by an index, or a pattern.
    fn name_argument(&self, pick: Pick) -> Option<Argument> {
        let text = match (&self.name, pick) {
            (None, _) | (_, Pick::NoName) => return None,
            (Some(Name::Has(text)), Pick::NameInWords | Pick::NameAcross) => text.clone(),
            (Some(Name::Has(text)), _) => substring_pattern(text),
            (Some(Name::Empty), _) => String::new(),
        };
        Some(Argument::Text(text))
    }

    /// For each label 1 where its bits need no or with others of its group, or none before those of all groups: group 0.
    fn alone(&self) -> Argument {
        let mut sizes = HashMap::new();
        for group in self.exact.iter().map(|(group, ..)| *group).chain(self.fuzzy.iter().map(|(group, ..)| *group)) {
            *sizes.entry(group).or_insert(0) += 1;
        }
        let is_alone = |group: i32| group == 0 || sizes.get(&group) == Some(&1);
        Argument::Groups(self.exact.iter().map(|(group, ..)| i32::from(is_alone(*group))).collect())
    }

    /// Pushes the parameters in the order in which the statement's text numbers them.
    pub(super) fn push_arguments(self, shape: Shape, arguments: &mut Vec<Argument>) {
        let texts = |part: fn(&(i32, Label, &'a str, &'a str)) -> &'a str| {
            Argument::Texts(self.exact.iter().map(|entry| part(entry).to_owned()).collect())
        };
        if let (Form::Single, [(_, label, key, value)]) = (shape.form, self.exact.as_slice()) {
            arguments.push(Argument::Kind(label.kind()));
            arguments.push(Argument::Text((*key).to_owned()));
            arguments.push(Argument::Text((*value).to_owned()));
            return;
        }
        if let (Form::Values, [(_, key, text)]) = (shape.form, self.fuzzy.as_slice()) {
            arguments.push(Argument::Text((*key).to_owned()));
            arguments.push(Argument::Text((*text).to_owned()));
            return;
        }
        let group = |group: i32| match shape.form {
            // a sum has signs instead
            Form::Sum => 2 * i32::from(group > 0) - 1,
            _ => group,
        };
        if shape.form == Form::Names {
            arguments.extend(self.name_argument(shape.pick));
            return;
        }
        if matches!(shape.form, Form::Sum | Form::Mixed) {
            arguments.push(Argument::Groups(self.exact.iter().map(|entry| group(entry.0)).collect()));
        }
        if shape.form == Form::Mixed {
            arguments.push(self.alone());
        }
        arguments.push(Argument::Kinds(self.exact.iter().map(|(_, label, ..)| label.kind()).collect()));
        arguments.push(texts(|(_, _, key, _)| key));
        arguments.push(texts(|(_, _, _, value)| value));
        if shape.fuzzy {
            arguments.push(Argument::Groups(self.fuzzy.iter().map(|entry| group(entry.0)).collect()));
            arguments.push(Argument::Texts(self.fuzzy.iter().map(|(_, key, _)| (*key).to_owned()).collect()));
            arguments.push(Argument::Texts(self.fuzzy.iter().map(|(_, _, text)| (*text).to_owned()).collect()));
        }
        if let Some(id) = self.id {
            arguments.push(Argument::Text(id.to_owned()));
        }
        arguments.extend(self.name_argument(shape.pick));
        match shape.form {
            Form::Single | Form::Singles | Form::Sum | Form::Values | Form::Any | Form::Names => {}
            Form::Every => arguments.push(Argument::Integer(i64::from(self.positive))),
            Form::Mixed => {
                arguments.push(Argument::Integer(i64::from(self.positive)));
                arguments.push(Argument::Integer(i64::from(self.negative)));
            }
        }
    }
}

/// A `like` pattern for texts that contain this one, whose own wildcards are themselves.
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

/// Whether the character is one of a word as the index knows them, `tagd.words_of`; any other separates words.
fn is_of_word(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit()
}
