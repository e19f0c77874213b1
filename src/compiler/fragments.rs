//! SQL fragments that look up labels, chunks and names, each by the index for it.
//!
//! Every table is read in a lateral subquery with `offset 0`, which is an optimization fence for the planner. So tables
//! are read row by row, in the order of the text and by the index of the scope, whatever the statistics are. Without
//! it, the planner would read all labels or chunks of a scope while there are no statistics, as after an import, and
//! keep that plan until there are some.

use super::{
    label::{BLOCK_BITS, LabelKind},
    shape::ScopeCount,
};

/// The parts of a text that differ between one scope and many. With many, the rank of the scope is a column everywhere.
pub(super) struct ScopeSql {
    /// The scopes as the first source of a `from`, joined with what follows.
    pub(super) each_scope: &'static str,
    /// The scope, where `each_scope` is a source.
    pub(super) scope: &'static str,
    /// Its rank there, after other columns.
    pub(super) scope_rank: &'static str,
    /// Both, as columns that the labels pass on.
    pub(super) scope_and_rank: &'static str,
    /// The scope of the label `ql`.
    pub(super) label_scope: &'static str,
    /// The rank of the label `ql`, after other columns.
    pub(super) label_rank: &'static str,
    /// Whether the label `ql` has the rank of the block `b`, after other conditions.
    pub(super) same_rank: &'static str,
    /// The rank, after other columns.
    pub(super) rank: &'static str,
    /// The rank of the block `b`, after other columns.
    pub(super) block_rank: &'static str,
    /// The rank as the first part of an order.
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

/// Source `l`: the label with the `key`, `kind` and `value` of the row `t`.
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

/// Sources `w` and `l`: the labels of a key's values that contain a text; `rest` follows the conditions.
///
/// The condition on grams is repeated: the planner estimates that each copy is true for 0.5 % of the table, so for both
/// it expects fewer rows than a scope has. Kind and key are compared in ways that no other index supports, so that the
/// planner does not choose another one.
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
/// The condition is written three times: the planner estimates that each copy is true for 0.5 % of the table, so for
/// all of them it expects fewer rows than any scope has.
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

/// Query: the slots of names that match a pattern, by reading all names of the scope.
pub(super) fn slots_by_pattern(scope: &str, pattern: &str) -> String {
    format!("select n.slot from tagd.name n\n       where n.scope_id = {scope} and n.folded like {pattern}")
}

/// Query: the slots of resources without a name.
pub(super) fn slots_without_name(scope: &str) -> String {
    format!("select n.slot from tagd.name n\n       where n.scope_id = {scope} and n.folded = ''")
}

/// Query: the slot of a resource with an identifier.
pub(super) fn slot_by_id(scope: &str, id: &str) -> String {
    format!("select r.slot from tagd.resource r\n       where r.scope_id = {scope} and r.resource_id = {id}")
}

/// Query: the slot of a resource with an identifier, if its name matches a pattern.
pub(super) fn slot_by_id_and_name(scope: &str, id: &str, pattern: &str) -> String {
    format!(
        "select r.slot from tagd.resource r
       where r.scope_id = {scope} and r.resource_id = {id}
         and (select n.folded from tagd.name n where n.scope_id = {scope} and n.slot = r.slot) like {pattern}"
    )
}

/// Source `r`: the resources of a scope that the row `page` selects by a range of slots and bits; null bits select all.
pub(super) fn resources_by_slot(scope: &str) -> String {
    format!(
        "lateral (
      select r.slot, r.resource_id, r.resource_name, r.detail, r.tags from tagd.resource r
       where r.scope_id = {scope} and r.slot between page.low and page.high
         and (page.bits is null or get_bit(page.bits, r.slot % {BLOCK_BITS}) = 1)
       order by r.slot desc offset 0) r"
    )
}
