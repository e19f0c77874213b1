//! From a query to one parameterised statement over the bitmap index.
//!
//! Pure: knows neither sqlx nor HTTP.
//!
//! The text of a statement depends on its [`Shape`] alone, of which there are a few dozen; values travel
//! as parameters only. Every group of labels is or-ed, groups above 0 must all hold, group 0 must not,
//! and the groups below 0 must not all hold:
//!
//! | list | groups |
//! |---|---|
//! | `tags`, `sys_tags` | one above 0 for each entry |
//! | `tags_any` | one above 0 for the whole list |
//! | `without_any_tag` | one above 0: the label *untagged* |
//! | `not_tags_any` | group 0 |
//! | `not_tags` | one below 0 for each entry; group 0 if there is but one |
//! | name, id | one above 0, made of slots |
//! | none above 0 | the label *every resource*, as group 1 |

mod groups;
mod names;
mod page;
mod statement;
mod sums;
mod values;

pub use groups::{BLOCK_BITS, Label};
pub use statement::{Form, Pick, Shape, Span, shapes, text};

use crate::domain::{QueryOutput, RequestError, TagQuery};
use groups::Groups;

/// Offsets end here: far behind any resource, and a limit can be added without overflow.
const FARTHEST: i64 = i64::MAX / 2;

/// Largest page that is put together with others: whoever asks for ten is not to wait for a thousand.
const MOST_TOGETHER: u32 = 50;

/// More slots than a sparse label has.
const ALL_SLOTS: i64 = i32::MAX as i64;

/// A value of a statement's parameter, in the order of the parameters.
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

/// A statement ready to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compiled {
    /// Its text, one of a fixed set.
    pub text: &'static str,
    /// Its parameters.
    pub arguments: Vec<Argument>,
    /// What it may be put together with, if anything: see [`join`].
    pub together: Option<Together>,
}

/// Statements for which this is the same can be [joined](join).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Together {
    /// The scope they run over.
    pub scope_id: i64,
    /// Whose text answers several of them. Not the text itself, which would be hashed from end to end.
    pub shape: Shape,
}

/// Compiles a query over scopes, given by number in the order of the answer.
///
/// A page answers `(total int8, rank int8, resource_id text, resource_name text, detail text, tags text[])`,
/// one row a resource and a single row of nulls beside the total where the page is empty; `rank` counts
/// the scopes from 1. Over several scopes `project_name text` follows. A count answers `(total int8)`.
///
/// A query whose shape is not listed would be a fault of tagd's own. It is told as one: a statement without a text would
/// find nothing, which reads as an answer.
pub fn compile(query: &TagQuery, scopes: &[i64], want: QueryOutput) -> Result<Compiled, RequestError> {
    let groups = Groups::of(query);
    let span = match scopes {
        [_] => Span::One,
        _ => Span::Many,
    };
    let shape = Shape {
        span,
        page: matches!(want, QueryOutput::Page { .. }),
        form: groups.form(span),
        fuzzy: !groups.fuzzy.is_empty(),
        pick: groups.pick(),
    };
    let mut arguments = vec![match scopes {
        [scope] => Argument::Integer(*scope),
        _ => Argument::Integers(scopes.to_vec()),
    }];
    let takes_away = groups.takes_away();
    groups.push_arguments(shape, &mut arguments);
    if let QueryOutput::Page { limit, offset } = want {
        let offset = i64::try_from(offset).unwrap_or(FARTHEST).min(FARTHEST);
        if matches!(shape.form, Form::Sum | Form::Values) {
            // of a sparse label, what lies behind as many slots as the page ends at is not on it, unless others go
            let reach = if takes_away { ALL_SLOTS } else { offset.saturating_add(i64::from(limit)).min(ALL_SLOTS) };
            arguments.push(Argument::Integer(reach));
        }
        arguments.push(Argument::Integer(offset));
        arguments.push(Argument::Integer(i64::from(limit)));
    }
    let together = match (shape.form, scopes, want) {
        (Form::Single, [scope_id], QueryOutput::Count) => Some(*scope_id),
        (Form::Single, [scope_id], QueryOutput::Page { limit, .. }) if limit <= MOST_TOGETHER => Some(*scope_id),
        _ => None,
    };
    let together = together.map(|scope_id| Together { scope_id, shape: Shape { form: Form::Singles, ..shape } });
    Ok(Compiled { text: listed(shape)?, arguments, together })
}

fn listed(shape: Shape) -> Result<&'static str, RequestError> {
    text(shape).ok_or_else(|| RequestError::internal(format!("there is no statement for {shape:?}")))
}

/// Puts statements of one [`Together`] into one. It answers the rows of each, with its number from 1 as the second column.
pub fn join(several: &[Compiled]) -> Result<Compiled, RequestError> {
    let together = several.first().and_then(|first| Some((first, first.together?)));
    let Some((first, together)) = together else {
        return Err(RequestError::internal("statements that cannot be joined were to be"));
    };
    // the scope is the same; of everything else there is an array
    let mut arguments: Vec<Argument> = first.arguments.iter().take(1).cloned().collect();
    arguments.extend((1..first.arguments.len()).map(|column| gather(several, column)));
    Ok(Compiled { text: listed(together.shape)?, arguments, together: None })
}

/// What statements have in a parameter of one value, as an array.
fn gather(several: &[Compiled], column: usize) -> Argument {
    let (mut kinds, mut integers, mut texts) = (Vec::new(), Vec::new(), Vec::new());
    for argument in several.iter().filter_map(|compiled| compiled.arguments.get(column)) {
        match argument {
            Argument::Kind(value) => kinds.push(*value),
            Argument::Integer(value) => integers.push(*value),
            Argument::Text(value) => texts.push(value.clone()),
            // no statement that can be joined has any
            Argument::Integers(_) | Argument::Groups(_) | Argument::Kinds(_) | Argument::Texts(_) => {}
        }
    }
    match (kinds.is_empty(), integers.is_empty()) {
        (false, _) => Argument::Kinds(kinds),
        (_, false) => Argument::Integers(integers),
        _ => Argument::Texts(texts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{NameMatch, Term, ValueMatch};

    fn term(key: &str, values: &[&str]) -> Term {
        let values = values.iter().map(|v| match v.strip_prefix('*') {
            Some(part) => ValueMatch::Contains(part.into()),
            None => ValueMatch::Exact((*v).into()),
        });
        Term { key: key.into(), values: values.collect() }
    }

    fn parameters(text: &str) -> usize {
        (1..100).take_while(|n| text.contains(&format!("${n}"))).count()
    }

    #[test]
    fn a_statement_has_as_many_parameters_as_arguments() {
        let lists = [vec![], vec![term("a", &["1"])], vec![term("a", &["1", "*2"]), term("b", &[])]];
        let names = [
            None,
            Some(NameMatch::Empty),
            Some(NameMatch::Contains("web".into())),
            Some(NameMatch::Contains("w-1".into())),
            Some(NameMatch::Contains("w".into())),
        ];
        let mut texts = std::collections::HashSet::new();
        for tags in &lists {
            for not_tags in &lists {
                for name in &names {
                    for id in [None, Some("r".to_owned())] {
                        for scopes in [&[1][..], &[1, 2], &[]] {
                            for want in [QueryOutput::Count, QueryOutput::Page { limit: 10, offset: u64::MAX }] {
                                let query = TagQuery {
                                    tags: tags.clone(),
                                    tags_any: tags.clone(),
                                    not_tags: not_tags.clone(),
                                    not_tags_any: not_tags.clone(),
                                    resource_name: name.clone(),
                                    resource_id: id.clone(),
                                    ..TagQuery::default()
                                };
                                let compiled = compile(&query, scopes, want).unwrap();
                                assert_eq!(parameters(compiled.text), compiled.arguments.len(), "{}", compiled.text);
                                texts.insert(compiled.text);
                            }
                        }
                    }
                }
            }
        }
        assert!(texts.len() > 20);
    }

    #[test]
    fn a_shape_that_is_not_listed_has_no_text() {
        let mut listed = 0;
        for span in [Span::One, Span::Many] {
            for form in [Form::Single, Form::Singles, Form::Sum, Form::Values, Form::Any, Form::Every, Form::Names] {
                for fuzzy in [false, true] {
                    for pick in [Pick::Nothing, Pick::Id, Pick::NameInWords, Pick::NameByScan, Pick::NoName] {
                        let shape = Shape { span, page: false, form, fuzzy, pick };
                        assert_eq!(text(shape).is_some(), shapes().contains(&shape), "{shape:?}");
                        listed += usize::from(text(shape).is_some_and(|text| text.contains("select")));
                    }
                }
            }
        }
        assert_eq!(listed, 14);
        let unlisted = Shape { span: Span::Many, page: true, form: Form::Values, fuzzy: true, pick: Pick::Id };
        assert!(matches!(super::listed(unlisted), Err(RequestError::Internal { .. })));
    }

    #[test]
    fn nothing_is_joined_that_cannot_be() {
        let both = TagQuery { tags: vec![term("a", &["1"]), term("b", &["1"])], ..TagQuery::default() };
        let compiled = compile(&both, &[1], QueryOutput::Count).unwrap();
        assert!(matches!(join(&[compiled]), Err(RequestError::Internal { .. })));
        assert!(matches!(join(&[]), Err(RequestError::Internal { .. })));
    }

    #[test]
    fn a_query_has_the_cheapest_form_that_can_express_it() {
        let lists = |tags: &[Term], tags_any: &[Term], not_tags: &[Term], not_tags_any: &[Term]| TagQuery {
            tags: tags.to_vec(),
            tags_any: tags_any.to_vec(),
            not_tags: not_tags.to_vec(),
            not_tags_any: not_tags_any.to_vec(),
            ..TagQuery::default()
        };
        let (a, ab, key, part) = (term("k", &["1"]), term("k", &["1", "2"]), term("k", &[]), term("k", &["*1"]));
        let (other, twice) = (term("l", &["1"]), term("k", &["1", "1"]));
        let one = std::slice::from_ref;
        let cases = [
            (lists(&[], &[], &[], &[]), Form::Single),
            (lists(one(&a), &[], &[], &[]), Form::Single),
            (lists(&[], one(&key), &[], &[]), Form::Single),
            (lists(one(&ab), &[], &[], &[]), Form::Sum),
            (lists(one(&part), &[], &[], &[]), Form::Values),
            (lists(one(&twice), &[], &[], &[]), Form::Any),
            (lists(&[], &[key.clone(), a.clone()], &[], &[]), Form::Any),
            (lists(&[a.clone(), other.clone()], &[], &[], &[]), Form::Every),
            (lists(one(&a), one(&other), &[], &[]), Form::Every),
            (lists(&[ab.clone(), other.clone()], &[], &[], &[]), Form::Mixed),
            (lists(&[], &[part.clone(), a.clone()], &[], &[]), Form::Mixed),
            // less values of one key, in whichever lists
            (lists(&[], &[], one(&a), &[]), Form::Sum),
            (lists(&[], &[], one(&key), &[]), Form::Sum),
            (lists(&[], &[], &[], one(&ab)), Form::Sum),
            (lists(&[], &[], one(&part), &[]), Form::Sum),
            (lists(&[], &[], one(&a), one(&term("k", &["2"]))), Form::Sum),
            (lists(&[], &[], one(&a), one(&a)), Form::Mixed),
            (lists(&[], &[], &[], &[a.clone(), other.clone()]), Form::Mixed),
            (lists(&[], &[], &[a.clone(), other.clone()], &[]), Form::Mixed),
            (lists(one(&a), &[], one(&other), &[]), Form::Mixed),
        ];
        for (query, form) in cases {
            let shape = Shape {
                span: Span::One,
                page: false,
                form,
                fuzzy: !Groups::of(&query).fuzzy.is_empty(),
                pick: Pick::Nothing,
            };
            assert_eq!(compile(&query, &[1], QueryOutput::Count).unwrap().text, text(shape).unwrap(), "{query:?}");
        }
    }

    #[test]
    fn what_is_less_than_everything_asks_for_no_group() {
        let query = TagQuery { not_tags_any: vec![term("a", &["1"]), term("b", &["1", "2"])], ..TagQuery::default() };
        let arguments = compile(&query, &[7], QueryOutput::Count).unwrap().arguments;
        assert!(arguments.contains(&Argument::Groups(vec![0, 0, 0, 1])));
        // nothing is or-ed before group 0 is
        assert!(arguments.contains(&Argument::Groups(vec![1; 4])));
        assert!(arguments.ends_with(&[Argument::Integer(0), Argument::Integer(0)]));
    }

    #[test]
    fn no_value_enters_the_text() {
        let query = TagQuery {
            tags: vec![term("k\u{e9}y'", &["v%", "*w_"])],
            resource_name: Some(NameMatch::Contains("n\\ame".into())),
            ..TagQuery::default()
        };
        let compiled = compile(&query, &[7], QueryOutput::Count).unwrap();
        assert!(!compiled.text.contains('\u{e9}'));
        assert!(compiled.arguments.contains(&Argument::Texts(vec!["w_".into()])));
        assert!(compiled.arguments.contains(&Argument::Text("n\\ame".into())));
    }

    #[test]
    fn a_text_that_no_column_can_hold_matches_nothing() {
        let query = TagQuery { tags: vec![term("a\0", &["1"]), term("b", &["*\0"])], ..TagQuery::default() };
        let compiled = compile(&query, &[7], QueryOutput::Count).unwrap();
        assert!(!format!("{:?}", compiled.arguments).contains("\\0"));
        assert!(compiled.arguments.contains(&Argument::Kinds(vec![Label::Nothing.kind(); 2])));
    }
}
