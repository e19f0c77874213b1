//! From a query to one parameterised statement over the bitmap index.
//!
//! Pure: knows neither sqlx nor HTTP. A query becomes groups of labels, for which the cheapest [`Strategy`] is chosen.
//! The strategy and whether a page is wanted are the [`Shape`] of a query. The text of its statement depends only on
//! the shape, so there are fewer than a hundred texts. A [`Statement`] has its text and the list of its parameters, for
//! which each query has the arguments. Values are arguments, never part of a text.
//!
//! A group holds for a resource that has at least one of its labels. All groups above 0 must hold, group 0 must not
//! hold, and the groups below 0 must not all hold:
//!
//! | list | groups |
//! |---|---|
//! | `tags`, `sys_tags` | one above 0 for each entry |
//! | `tags_any` | one above 0 for the whole list |
//! | `without_any_tag` | one above 0: the label *untagged* |
//! | `not_tags_any` | group 0 |
//! | `not_tags` | one below 0 for each entry; group 0 if there is only one |
//! | name, id | one above 0, with slots in addition to labels |
//! | (if there is no other group above 0) | group 1: the label *every resource* |

mod arguments;
mod catalogue;
mod cost;
mod disjoint_sum;
mod fragments;
mod general;
mod groups;
mod label;
mod names;
mod page;
mod set_operation;
mod shape;
mod single;
mod statement;
mod values;

pub use arguments::Argument;
pub use catalogue::statement;
pub use cost::Cost;
pub use shape::{NameSearch, ResourceFilter, ScopeCount, Shape, Strategy, shapes};
pub use statement::{Parameter, Statement};

use crate::domain::{QueryOutput, RequestError, TagQuery};
use arguments::{arguments, gather};
use catalogue::numbered;
use groups::Groups;

/// Maximum size of a page that is batched with others: a query for ten resources must not wait for one for a thousand.
const LARGEST_BATCHED_PAGE: u32 = 50;

/// A statement ready to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compiled {
    /// Its text, one of a fixed set.
    pub text: &'static str,
    /// Its arguments.
    pub arguments: Vec<Argument>,
    /// The key of statements that it can be [batched](batch) with; `None` if it cannot be batched.
    pub batch_key: Option<BatchKey>,
    /// What it costs.
    pub cost: Cost,
    /// The place of its shape in [`shapes`].
    pub shape: usize,
}

/// Statements with the same key can be [batched](batch).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BatchKey {
    /// The scope they run over.
    pub scope_id: i64,
    /// Whether they return pages.
    pub page: bool,
}

/// Compiles a query over scopes, given by number in the order of the result.
///
/// A page returns `(total int8, rank int8, resource_id text, resource_name text, detail text, tags text[])`, one row
/// per resource. The last row has the total; it has no resource if the page is empty, and in some statements never. `rank`
/// numbers the scopes from 1. Over several scopes `project_name text` follows. A count returns `(total int8)`.
pub fn compile(query: &TagQuery, scopes: &[i64], output: QueryOutput) -> Compiled {
    compile_among(query, scopes, output, scopes.len())
}

/// Compiles a query over one of several scopes that are asked one by one. It costs what all of them cost.
pub fn compile_each(query: &TagQuery, scope: i64, output: QueryOutput, scopes: usize) -> Compiled {
    compile_among(query, &[scope], output, scopes)
}

/// Compiles a query over scopes, with the cost of one over `among` scopes.
fn compile_among(query: &TagQuery, scopes: &[i64], output: QueryOutput, among: usize) -> Compiled {
    let groups = Groups::of(query);
    let scope_count = match scopes {
        [_] => ScopeCount::One,
        _ => ScopeCount::Many,
    };
    let strategy = groups.strategy(scope_count);
    let page = matches!(output, QueryOutput::Page { .. });
    let (shape, statement) = numbered(Shape { strategy, page });
    let is_small = match output {
        QueryOutput::Count => true,
        QueryOutput::Page { limit, .. } => limit <= LARGEST_BATCHED_PAGE,
    };
    let batch_key = match (strategy, scopes) {
        (Strategy::Single(_), [scope_id]) if is_small => Some(BatchKey { scope_id: *scope_id, page }),
        _ => None,
    };
    Compiled {
        text: &statement.text,
        arguments: arguments(&statement.parameters, &groups, scopes, output),
        batch_key,
        cost: Cost::of_query(strategy, &groups, among),
        shape,
    }
}

/// Combines several statements with the same [`BatchKey`] into one. It returns the rows of each, with the number of the
/// statement, from 1, as the second column.
pub fn batch(several: &[&Compiled]) -> Result<Compiled, RequestError> {
    let key = several.first().and_then(|first| first.batch_key);
    let Some(key) = key.filter(|key| several.iter().all(|compiled| compiled.batch_key == Some(*key))) else {
        return Err(RequestError::internal("statements that cannot be batched"));
    };
    let (shape, statement) = numbered(Shape { strategy: Strategy::BatchedSingle, page: key.page });
    let argument = |(column, parameter): (usize, &Parameter)| match parameter {
        Parameter::Scopes(_) => Argument::Integer(key.scope_id),
        _ => gather(several.iter().filter_map(|compiled| compiled.arguments.get(column))),
    };
    let arguments = statement.parameters.iter().enumerate().map(argument).collect();
    Ok(Compiled { text: &statement.text, arguments, batch_key: None, cost: Cost::Cheap, shape })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::{
        compiler::label::LabelKind,
        domain::{NameMatch, Term, ValueMatch},
    };

    fn term(key: &str, values: &[&str]) -> Term {
        let values = values.iter().map(|v| match v.strip_prefix('*') {
            Some(part) => ValueMatch::Contains(part.into()),
            None => ValueMatch::Exact((*v).into()),
        });
        Term { key: key.into(), values: values.collect() }
    }

    /// How many parameters a text has.
    fn count_parameters(text: &str) -> usize {
        (1..100).take_while(|n| text.contains(&format!("${n}"))).count()
    }

    #[test]
    fn every_query_has_a_listed_statement_with_as_many_parameters_as_arguments() {
        let lists = [vec![], vec![term("a", &["1"])], vec![term("a", &["1", "*2"]), term("b", &[])]];
        let names = [
            None,
            Some(NameMatch::Empty),
            Some(NameMatch::Contains("web".into())),
            Some(NameMatch::Contains("w-1".into())),
            Some(NameMatch::Contains("w".into())),
        ];
        let listed: HashSet<&str> = shapes().into_iter().map(|shape| statement(shape).text.as_str()).collect();
        assert_eq!(listed.len(), shapes().len());
        let mut found = HashSet::new();
        for tags in &lists {
            for not_tags in &lists {
                for name in &names {
                    for id in [None, Some("r".to_owned())] {
                        for scopes in [&[1][..], &[1, 2], &[]] {
                            for output in [QueryOutput::Count, QueryOutput::Page { limit: 10, offset: u64::MAX }] {
                                let query = TagQuery {
                                    tags: tags.clone(),
                                    tags_any: tags.clone(),
                                    not_tags: not_tags.clone(),
                                    not_tags_any: not_tags.clone(),
                                    resource_name: name.clone(),
                                    resource_id: id.clone(),
                                    ..TagQuery::default()
                                };
                                let Compiled { text, arguments, .. } = compile(&query, scopes, output);
                                assert!(listed.contains(text), "{text}");
                                assert_eq!(count_parameters(text), arguments.len(), "{text}");
                                found.insert(text);
                            }
                        }
                    }
                }
            }
        }
        assert!(found.len() > 20);
    }

    #[test]
    fn nothing_is_batched_that_cannot_be() {
        let single = TagQuery { tags: vec![term("a", &["1"])], ..TagQuery::default() };
        let both = TagQuery { tags: vec![term("a", &["1"]), term("b", &["1"])], ..TagQuery::default() };
        let counts = |query, scope| compile(query, &[scope], QueryOutput::Count);
        for several in [
            vec![],
            vec![counts(&both, 1)],
            vec![counts(&single, 1), counts(&both, 1)],
            vec![counts(&single, 1), counts(&single, 2)],
        ] {
            let several: Vec<_> = several.iter().collect();
            assert!(matches!(batch(&several), Err(RequestError::Internal { .. })));
        }
    }

    #[test]
    fn a_query_has_the_cheapest_strategy_that_can_express_it() {
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
        let scopes = ScopeCount::One;
        let sum = |substring| Strategy::DisjointSum { scopes, substring };
        let general = |substring| Strategy::General { scopes, substring, filter: None };
        let cases = [
            (lists(&[], &[], &[], &[]), Strategy::Single(scopes)),
            (lists(one(&a), &[], &[], &[]), Strategy::Single(scopes)),
            (lists(&[], one(&key), &[], &[]), Strategy::Single(scopes)),
            (lists(one(&ab), &[], &[], &[]), sum(false)),
            (lists(one(&part), &[], &[], &[]), Strategy::Values),
            (lists(one(&twice), &[], &[], &[]), Strategy::Union(scopes)),
            (lists(&[], &[key.clone(), a.clone()], &[], &[]), Strategy::Union(scopes)),
            (lists(&[a.clone(), other.clone()], &[], &[], &[]), Strategy::Intersection(scopes)),
            (lists(one(&a), one(&other), &[], &[]), Strategy::Intersection(scopes)),
            (lists(&[ab.clone(), other.clone()], &[], &[], &[]), general(false)),
            (lists(&[], &[part.clone(), a.clone()], &[], &[]), general(true)),
            // less values of one key, in whichever lists
            (lists(&[], &[], one(&a), &[]), sum(false)),
            (lists(&[], &[], one(&key), &[]), sum(false)),
            (lists(&[], &[], &[], one(&ab)), sum(false)),
            (lists(&[], &[], one(&part), &[]), sum(true)),
            (lists(&[], &[], one(&a), one(&term("k", &["2"]))), sum(false)),
            (lists(&[], &[], one(&a), one(&a)), general(false)),
            (lists(&[], &[], &[], &[a.clone(), other.clone()]), general(false)),
            (lists(&[], &[], &[a.clone(), other.clone()], &[]), general(false)),
            (lists(one(&a), &[], one(&other), &[]), general(false)),
        ];
        for (query, strategy) in cases {
            assert_eq!(Groups::of(&query).strategy(scopes), strategy, "{query:?}");
        }
    }

    #[test]
    fn what_is_less_than_everything_asks_for_no_group() {
        let query = TagQuery { not_tags_any: vec![term("a", &["1"]), term("b", &["1", "2"])], ..TagQuery::default() };
        let arguments = compile(&query, &[7], QueryOutput::Count).arguments;
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
        let compiled = compile(&query, &[7], QueryOutput::Count);
        assert!(!compiled.text.contains('\u{e9}'));
        assert!(compiled.arguments.contains(&Argument::Texts(vec!["w_".into()])));
        assert!(compiled.arguments.contains(&Argument::Text("n\\ame".into())));
    }

    #[test]
    fn a_text_that_no_column_can_hold_matches_nothing() {
        let query = TagQuery { tags: vec![term("a\0", &["1"]), term("b", &["*\0"])], ..TagQuery::default() };
        let compiled = compile(&query, &[7], QueryOutput::Count);
        assert!(!format!("{:?}", compiled.arguments).contains("\\0"));
        assert!(compiled.arguments.contains(&Argument::Kinds(vec![LabelKind::Nothing.number(); 2])));
    }
}
