//! The statement of each shape, built once.

use std::{collections::HashMap, sync::LazyLock};

use super::{
    disjoint_sum::disjoint_sum,
    general::general,
    names::names,
    set_operation::{intersection, union},
    shape::{Shape, Strategy, shapes},
    single::{batched_single, single},
    statement::Statement,
    values::values,
};

/// The statement of a shape.
pub fn statement(shape: Shape) -> &'static Statement {
    numbered(shape).1
}

/// The place of a shape in [`shapes`], and its statement.
pub(super) fn numbered(shape: Shape) -> (usize, &'static Statement) {
    static STATEMENTS: LazyLock<HashMap<Shape, (usize, Statement)>> = LazyLock::new(|| {
        shapes().into_iter().enumerate().map(|(number, shape)| (shape, (number, write(shape)))).collect()
    });
    match STATEMENTS.get(&shape) {
        Some((number, statement)) => (*number, statement),
        // a shape that `shapes` lacks is built again, and leaked, at each call: slow, but correct
        None => (STATEMENTS.len(), Box::leak(Box::new(write(shape)))),
    }
}

fn write(Shape { strategy, page }: Shape) -> Statement {
    match strategy {
        Strategy::Single(scopes) => single(scopes, page),
        Strategy::BatchedSingle => batched_single(page),
        Strategy::DisjointSum { scopes, substring } => disjoint_sum(scopes, substring, page),
        Strategy::Values => values(page),
        Strategy::Union(scopes) => union(scopes, page),
        Strategy::Intersection(scopes) => intersection(scopes, page),
        Strategy::Names { scopes, search } => names(scopes, search, page),
        Strategy::General { scopes, substring, filter } => general(scopes, substring, filter, page),
    }
}
