//! SQL fragments that look up labels, chunks and names, each by the index that serves it.
//!
//! Every table is read in a lateral subquery behind an `offset 0`, which the planner does not look through. So tables are
//! read row by row, in the order of the text and by the index of the scope, whatever the statistics say. Left to choose,
//! the planner reads all labels or chunks of a scope while it knows nothing yet, as after an import, and keeps that plan
//! until statistics are made.

use super::{
    label::{BLOCK_BITS, LabelKind},
    shape::ScopeCount,
};

/// The parts of a text that differ between one scope and many. With many, the rank of the scope goes along everywhere.
pub(super) struct ScopeSql {
    /// The scopes as the first source of a `from`, joined with what follows.
    pub(super) each_scope: &'static str,
    /// The scope, where `each_scope` is a source.
    pub(super) scope: &'static str,
    /// Its rank there, behind other columns.
    pub(super) scope_rank: &'static str,
    /// Both, as columns that the labels carry on.
    pub(super) scope_and_rank: &'static str,
    /// The scope as the label `ql` carries it.
    pub(super) label_scope: &'static str,
    /// The rank as the label `ql` carries it, behind other columns.
    pub(super) label_rank: &'static str,
    /// Whether the label `ql` has the rank of the block `b`, behind other conditions.
    pub(super) same_rank: &'static str,
    /// The rank behind other columns.
    pub(super) rank: &'static str,
    /// The rank of the block `b`, behind other columns.
    pub(super) block_rank: &'static str,
    /// The rank in front of what an order continues with.
    pub(super) rank_first: &'static str,
}

const ONE: ScopeSql = ScopeSql {
    each_scope: "",
    scope: "$1",
    scope_rank: "",
    scope_and_rank: "",
    label_scope: "$1",
    label_rank: "",
    same_rank: "",
    rank: "",
    block_rank: "",
    rank_first: "",
};

const MANY: ScopeSql = ScopeSql {
    each_scope: "unnest($1::int8[]) with ordinality as s (scope_id, rank)\n    cross join ",
    scope: "s.scope_id",
    scope_rank: ", s.rank",
    scope_and_rank: ", s.scope_id, s.rank",
    label_scope: "ql.scope_id",
    label_rank: ", ql.rank",
    same_rank: " and ql.rank = b.rank",
    rank: ", rank",
    block_rank: ", b.rank",
    rank_first: "rank, ",
};

impl ScopeSql {
    pub(super) const fn of(scopes: ScopeCount) -> &'static Self {
        match scopes {
            ScopeCount::One => &ONE,
            ScopeCount::Many => &MANY,
        }
    }
}

/// Source `l`: the label that the row `t` names by `key`, `kind` and `value`.
pub(super) fn labels_by_name(scope: &str) -> String {
    format!(
        "lateral (
      select l.label_id, l.slots from tagd.label l
       where l.scope_id = {scope} and l.key = t.key and l.kind = t.kind and l.value = t.value offset 0) l"
    )
}

/// Source `l`: the labels of words that contain a text.
pub(super) fn labels_by_word(scope: &str, text: &str) -> String {
    let word = LabelKind::Word.number();
    format!(
        "lateral (
      select l.label_id, l.slots from tagd.label l
       where l.scope_id = {scope} and l.key = '' and l.kind = {word} and strpos(l.value, {text}) > 0 offset 0) l"
    )
}

/// Sources `w` and `l`: the labels of a key's values that contain a text; `rest` goes on behind the conditions.
///
/// The condition on grams is written twice: the planner assumes that each holds for a two-hundredth of the table, so for
/// both it expects less than a scope. For the same reason kind and key are compared in ways that no other index knows.
pub(super) fn labels_by_grams(scope: &str, key: &str, text: &str, rest: &str) -> String {
    let pair = LabelKind::Pair.number();
    let has_grams = "tagd.value_grams(l.scope_id, l.key, l.value) @> w.grams";
    format!(
        "lateral (
      select tagd.wanted_value_grams({scope}, {key}, {text}) as grams offset 0) w
    cross join lateral (
      select l.label_id, l.slots from tagd.label l
       where l.scope_id = {scope} and l.kind + 0 = {pair} and {has_grams}
         and {has_grams}
         and l.key is not distinct from {key} and strpos(l.value, {text}) > 0{rest} offset 0) l"
    )
}

/// Source `c`: the chunks of the label `ql`.
pub(super) fn chunks(label_scope: &str, columns: &str) -> String {
    format!(
        "lateral (select {columns} from tagd.chunk c where c.scope_id = {label_scope} and c.label_id = ql.label_id offset 0) c"
    )
}

/// Source `c`: the chunk of the label `ql` in the block `b`.
pub(super) fn chunk_of_block(label_scope: &str) -> String {
    format!(
        "lateral (select c.bits from tagd.chunk c where c.scope_id = {label_scope} and c.label_id = ql.label_id and c.block = b.block offset 0) c"
    )
}

/// Query: the slots of names that contain a text, by the gram index.
///
/// The condition is written three times: the planner assumes that each holds for a two-hundredth of the table, so for all
/// of them it expects less than any scope.
pub(super) fn slots_by_grams(scope: &str, text: &str) -> String {
    let has_grams = "tagd.grams(n.scope_id, n.folded, n.words) @> w.grams";
    format!(
        "select n.slot
        from (select tagd.wanted_grams({scope}, {text}) as grams offset 0) w
        cross join lateral (
          select n.slot from tagd.name n
           where n.scope_id = {scope} and {has_grams}
             and {has_grams}
             and {has_grams}
             and strpos(n.folded, {text}) > 0 offset 0) n"
    )
}

/// Query: the slots of names that match a pattern, by reading all of the scope.
pub(super) fn slots_by_pattern(scope: &str, pattern: &str) -> String {
    format!("select n.slot from tagd.name n\n       where n.scope_id = {scope} and n.folded like {pattern}")
}

/// Query: the slots of resources without a name.
pub(super) fn slots_without_name(scope: &str) -> String {
    format!("select n.slot from tagd.name n\n       where n.scope_id = {scope} and n.folded = ''")
}

/// Query: the slot of an identifier.
pub(super) fn slot_by_id(scope: &str, id: &str) -> String {
    format!("select r.slot from tagd.resource r\n       where r.scope_id = {scope} and r.resource_id = {id}")
}

/// Query: the slot of an identifier, if its name matches a pattern.
pub(super) fn slot_by_id_and_name(scope: &str, id: &str, pattern: &str) -> String {
    format!(
        "select r.slot from tagd.resource r
       where r.scope_id = {scope} and r.resource_id = {id}
         and (select n.folded from tagd.name n where n.scope_id = {scope} and n.slot = r.slot) like {pattern}"
    )
}

/// Source `r`: the resources of a scope in the row `page`, a range of slots and the bits to look at.
pub(super) fn resources_by_slot(scope: &str) -> String {
    format!(
        "lateral (
      select r.slot, r.resource_id, r.resource_name, r.detail, r.tags from tagd.resource r
       where r.scope_id = {scope} and r.slot between page.low and page.high
         and (page.bits is null or get_bit(page.bits, r.slot % {BLOCK_BITS}) = 1)
       order by r.slot desc offset 0) r"
    )
}
