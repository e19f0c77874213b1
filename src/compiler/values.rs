//! [`Strategy::Values`](super::Strategy::Values): the values of a key that contain a text, in one scope.

use super::{
    fragments::{ScopeSql, labels_by_grams},
    label::BLOCK_BITS,
    page::{PageSql, expand_blocks, resources, slots_of_bits, slots_of_positions},
    shape::ScopeCount,
    statement::{Parameter, Placeholders, Statement},
};

/// Thousands of labels may contain the text. They are read once for the total, and only the dense ones are kept.
pub(super) fn values(page: bool) -> Statement {
    let mut placeholders = Placeholders::new(ScopeCount::One);
    let [key, text] = placeholders.add([Parameter::SubstringKey, Parameter::Substring]);
    let (blocks, answer) = if page {
        let [page_end] = placeholders.add([Parameter::PageEnd]);
        let page = placeholders.add([Parameter::Offset, Parameter::Limit]).into();
        // two arrays cost less than thousands of rows
        (
            ", array_agg(c.block) as blocks, array_agg(c.hits) as match_counts",
            answer_page(&key, &text, &page_end, &page),
        )
    } else {
        ("", format!("\n-- The total.\nselect ({TOTAL})::int8 as total"))
    };
    placeholders.into_statement(format!(
        "with label_match as materialized (
  -- The labels that have the text: the number of slots of sparse ones, and which are dense.
  select sum(cardinality(l.slots)) as sparse_count, array_agg(l.label_id) filter (where l.slots is null) as dense_labels
    from {labels}),
block_match as materialized (
  -- The counts of the chunks of dense labels.
  select sum(c.hits) as match_count{blocks}
    from label_match lm
    cross join lateral unnest(lm.dense_labels) as d (label_id)
    cross join lateral (
      select c.block, c.hits from tagd.chunk c
       where c.scope_id = $1 and c.label_id = d.label_id offset 0) c){answer}",
        labels = labels_by_grams("$1", &key, &text, ""),
    ))
}

const TOTAL: &str = "coalesce((select lm.sparse_count from label_match lm), 0) + coalesce((select m.match_count from block_match m), 0)";

/// If enough matches can be expected among the newest resources, those are read. If they are not read or do not fill
/// the page, the labels are read again, those with the newest slots first, and blocks are expanded.
///
/// The number of resources that are read is 32 for each match up to the end of the page, if at least twice as many
/// matches as needed can be expected among them. It is more than 1024 only if there are many slots of sparse labels,
/// since expanding the blocks of dense ones costs the same at any offset.
fn answer_page(key: &str, text: &str, page_end: &str, page: &PageSql) -> String {
    let offset = &page.offset;
    format!(
        ",
total as materialized (
  -- The total, and how many of the newest resources may be read.
  select {TOTAL} as match_count,
         least(32 * {page_end}, 1024 + coalesce((select lm.sparse_count from label_match lm), 0) / 2) as scan_length),
recent_match as materialized (
  -- Matches among the newest resources, from their tags, if there is a page of them to be expected.
  select g.slot
    from total n
    cross join lateral (
      select r.slot from tagd.resource r
       where r.scope_id = $1
       order by r.slot desc
       limit 1) newest
    cross join lateral (
      select g.slot from tagd.tag g
       where g.scope_id = $1 and g.slot > newest.slot - n.scan_length and g.key = {key} and strpos(g.value, {text}) > 0
       order by g.slot desc
       limit {page_end}) g
   where n.match_count * n.scan_length > 2 * {page_end} * newest.slot),
sparse_slots as (
  -- Otherwise the slots of sparse labels, as far as the page reaches.
  select e.slot
    from {newest_labels}
    cross join lateral unnest(l.slots[(cardinality(l.slots) - {page_end} + 1)::int4:]) as e (slot)
   where (select count(*) from recent_match) < {page_end}
   order by e.slot desc
   limit {page_end}),
block_offsets as materialized (
  -- The blocks from the newest on. A running total of matches tells which of them the page overlaps.
  select block, sum(match_count)::int4 as match_count,
         sum(sum(match_count)::int4) over (order by block desc rows unbounded preceding) as end_offset,
         bool_or(position is null) as needs_bits, array_agg(position) filter (where position is not null) as added
    from (select b.block, b.match_count, null::int4 as position
            from block_match m
            cross join lateral unnest(m.blocks, m.match_counts) as b (block, match_count)
           where (select count(*) from recent_match) < {page_end}
          union all
          select f.slot / {BLOCK_BITS}, 1, f.slot % {BLOCK_BITS}
            from sparse_slots f) part
   group by block),
page as (
  -- Recent matches if they reach the end of the page. Otherwise a block with chunks is answered from bits, another from its slots.
  (select rm.slot as low, rm.slot as high, null::bit as bits
     from recent_match rm
    where (select count(*) from recent_match) = {page_end}
    order by rm.slot desc
   offset {offset})
  union all
  {blocks}){resources}",
        newest_labels = labels_by_grams(
            "$1",
            key,
            text,
            &format!(
                " and cardinality(l.slots) > 0
       order by l.slots[cardinality(l.slots)] desc
       limit {page_end}"
            )
        ),
        blocks = expand_blocks(
            ScopeSql::of(ScopeCount::One),
            page,
            &format!(
                "{slots_of_bits}
      union all
      {slots_of_positions}
      offset 0",
                slots_of_bits = slots_of_bits(BITS_OF_BLOCK, "part"),
                slots_of_positions = slots_of_positions("b.added", "\n        where not b.needs_bits"),
            ),
        ),
        resources = resources(ScopeCount::One, "coalesce((select n.match_count from total n), 0)"),
    )
}

/// Source: the bits of all labels in the block `b`.
const BITS_OF_BLOCK: &str = "(select bit_or(v.bits) as bits
                        from (select c.bits
                                from label_match lm
                                cross join lateral unnest(lm.dense_labels) as d (label_id)
                                cross join lateral (
                                  select c.bits from tagd.chunk c
                                   where c.scope_id = $1 and c.label_id = d.label_id and c.block = b.block offset 0) c
                              union all
                              select tagd.bits_at(b.added)) v
                       where b.needs_bits)";
