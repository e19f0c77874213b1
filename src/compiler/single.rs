//! [`Strategy::Single`](super::Strategy::Single) and [`Strategy::BatchedSingle`](super::Strategy::BatchedSingle): one label.

use super::{
    label::BLOCK_BITS,
    page::{COUNT, PageSql, resources, resources_of_scope, slots_of_bits},
    shape::ScopeCount,
    statement::{Parameter, Placeholders, Statement},
};

pub(super) fn single(scopes: ScopeCount, page: bool) -> Statement {
    let mut placeholders = Placeholders::new(scopes);
    let label = placeholders.add([Parameter::LabelKind, Parameter::LabelKey, Parameter::LabelValue]);
    let text = match (scopes, page) {
        (ScopeCount::One, true) => {
            let page = placeholders.add([Parameter::Offset, Parameter::Limit]).into();
            format!("{}{}", page_of_label(&label, &page), resources(scopes, TOTAL))
        }
        (ScopeCount::One, false) => count_of_label(&label),
        (ScopeCount::Many, true) => {
            let [offset, limit] = placeholders.add([Parameter::Offset, Parameter::Limit]);
            format!(
                "select p.total, p.rank, p.resource_id, p.resource_name, p.detail, p.tags, p.project_name
  from tagd.page_of_label($1::int8[], {label}, {offset}, {limit}) p",
                label = label.join(", ")
            )
        }
        (ScopeCount::Many, false) => {
            format!("select tagd.count_of_label($1::int8[], {}) as total", label.join(", "))
        }
    };
    placeholders.into_statement(text)
}

/// Runs the statement of a single query for each row of `q`, whose columns replace the parameters. It returns the same
/// columns, except that the number of the query replaces the rank of the scope.
pub(super) fn batched_single(page: bool) -> Statement {
    let mut placeholders = Placeholders::new(ScopeCount::One);
    let label = ["q.kind", "q.key", "q.value"].map(str::to_owned);
    let [kinds, keys, values] = placeholders.add([Parameter::LabelKinds, Parameter::LabelKeys, Parameter::LabelValues]);
    let text = if page {
        let [offsets, limits] = placeholders.add([Parameter::Offsets, Parameter::Limits]);
        let each_page = PageSql { offset: "q.offset_of_page".to_owned(), limit: "q.limit_of_page".to_owned() };
        format!(
            "select p.total, q.rank, p.resource_id, p.resource_name, p.detail, p.tags
  from unnest({kinds}, {keys}, {values}, {offsets}, {limits})
       with ordinality as q (kind, key, value, offset_of_page, limit_of_page, rank)
  cross join lateral (
{page}{resources}) p
 order by q.rank, p.slot desc",
            page = page_of_label(&label, &each_page),
            resources = resources_of_scope(TOTAL, ", r.slot"),
        )
    } else {
        format!(
            "select p.total, q.rank
  from unnest({kinds}, {keys}, {values}) with ordinality as q (kind, key, value, rank)
  cross join lateral (
{count}) p
 order by q.rank",
            count = count_of_label(&label),
        )
    };
    placeholders.into_statement(text)
}

/// The total in a statement that has the CTEs of [`page_of_label`].
const TOTAL: &str = "coalesce((select m.total from block_match m), 0)";

fn count_of_label(label: &[String; 3]) -> String {
    format!(
        "with {query_label},
block_match as materialized (
  -- The count of each chunk of a dense label, or the number of slots of a sparse one.
  select p.block, p.match_count
    from query_label ql
    cross join lateral (
      select c.block, c.hits as match_count from tagd.chunk c
       where c.scope_id = $1 and c.label_id = ql.label_id
      union all
      select null, cardinality(ql.slots)
       where ql.slots is not null
      offset 0) p){COUNT}",
        query_label = query_label(label),
    )
}

fn page_of_label(label: &[String; 3], PageSql { offset, limit }: &PageSql) -> String {
    format!(
        "with {query_label},
block_match as materialized (
  -- The count of each chunk of a dense label, newest first, or the number of slots of a sparse one.
  -- Arrays cost less than rows, and the index has the chunks in this order.
  select sum(p.match_count) as total, array_agg(p.block) as blocks, array_agg(p.match_count) as match_counts
    from query_label ql
    cross join lateral (
      (select c.block, c.hits as match_count from tagd.chunk c
        where c.scope_id = $1 and c.label_id = ql.label_id
        order by c.block desc offset 0)
      union all
      select null, cardinality(ql.slots)
       where ql.slots is not null
      offset 0) p),
page_block as materialized (
  -- The blocks that the page overlaps: for each its place in the arrays, matches to skip, matches to take.
  select m.blocks[o.triples[i]] as block, m.match_counts[o.triples[i]] as match_count,
         o.triples[i + 1] as skip, o.triples[i + 2] as take
    from block_match m
    cross join lateral (
      select tagd.page_blocks(m.match_counts, {offset}, {limit}) as triples offset 0) o
    cross join lateral generate_series(1, cardinality(o.triples), 3) as i),
page as (
  -- The slots of a block, from its chunk, or those of a sparse label.
  select p.low, p.high, p.bits
    from page_block b
    join query_label ql on true
    cross join lateral (
      select b.block * {BLOCK_BITS} + p.low as low, b.block * {BLOCK_BITS} + p.high as high, p.bits
        from ({slots}) p
      union all
      select n.slot, n.slot, null
        from unnest(ql.slots[(cardinality(ql.slots) - b.skip - b.take + 1)::int4 : (cardinality(ql.slots) - b.skip)::int4]) as n (slot)
      offset 0) p)",
        query_label = query_label(label),
        slots = slots_of_bits(
            "(select c.bits from tagd.chunk c
                       where c.scope_id = $1 and c.label_id = ql.label_id and c.block = b.block)",
            "b",
        ),
    )
}

fn query_label([kind, key, value]: &[String; 3]) -> String {
    format!(
        "query_label as materialized (
  -- The label. A sparse label has its slots here, a dense one has chunks.
  select l.label_id, l.slots
    from lateral (
      select l.label_id, l.slots from tagd.label l
       where l.scope_id = $1 and l.key = {key} and l.kind = {kind} and l.value = {value} offset 0) l)"
    )
}
