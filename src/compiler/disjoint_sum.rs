//! [`Strategy::DisjointSum`](super::Strategy::DisjointSum): labels of which no two share a resource.

use super::{
    fragments::{ScopeSql, chunk_of_block, chunks, labels_by_grams, labels_by_name},
    label::BLOCK_BITS,
    page::{PageSql, block_offsets, expand_blocks, resources, slots_of_bits, slots_of_positions},
    shape::ScopeCount,
    statement::{Parameter, Placeholders, Statement},
};

pub(super) fn disjoint_sum(scopes: ScopeCount, substring: bool, page: bool) -> Statement {
    let ScopeSql { each_scope, scope, scope_and_rank, label_scope, .. } = ScopeSql::of(scopes);
    let mut placeholders = Placeholders::new(scopes);
    let [signs, kinds, keys, values] =
        placeholders.add([Parameter::LabelSigns, Parameter::LabelKinds, Parameter::LabelKeys, Parameter::LabelValues]);
    let substring_labels = if substring { write_substring_labels(scopes, &mut placeholders) } else { String::new() };
    let answer = if page {
        let [page_end] = placeholders.add([Parameter::PageEnd]);
        let page = placeholders.add([Parameter::Offset, Parameter::Limit]).into();
        answer_page(scopes, &page_end, &page)
    } else {
        format!(
            "
-- The total: numbers of slots of sparse labels and counts of chunks of dense ones, added and taken away.
select (coalesce((select sum(ql.sign * cardinality(ql.slots)) from query_label ql), 0)
       + coalesce((select sum(ql.sign * c.hits)
                     from query_label ql
                     cross join {chunks}
                    where ql.slots is null), 0))::int8 as total",
            chunks = chunks(label_scope, "c.hits"),
        )
    };
    placeholders.into_statement(format!(
        "with query_label as materialized (
  -- The labels that exist: 1 adds, -1 takes away. A sparse label has its slots here, a dense one has chunks.
  select t.sign, l.label_id, l.slots{scope_and_rank}
    from {each_scope}unnest({signs}, {kinds}, {keys}, {values}) as t (sign, kind, key, value)
    cross join {labels}{substring_labels}){answer}",
        labels = labels_by_name(scope),
    ))
}

/// Rows of `query_label`: values that contain a text.
fn write_substring_labels(scopes: ScopeCount, placeholders: &mut Placeholders) -> String {
    let ScopeSql { each_scope, scope, scope_and_rank, .. } = ScopeSql::of(scopes);
    let [signs, keys, texts] =
        placeholders.add([Parameter::SubstringSigns, Parameter::SubstringKeys, Parameter::Substrings]);
    format!(
        "
   union all
  -- Values with a text in them.
  select t.sign, l.label_id, l.slots{scope_and_rank}
    from {each_scope}unnest({signs}, {keys}, {texts}) as t (sign, key, text)
    cross join {labels}",
        labels = labels_by_grams(scope, "t.key", "t.text", ""),
    )
}

/// A block that has chunks, or from which slots are subtracted, is read from bits; any other block from its slots.
fn answer_page(scopes: ScopeCount, page_end: &str, page: &PageSql) -> String {
    let sql = ScopeSql::of(scopes);
    let ScopeSql { label_scope, label_rank, rank, .. } = sql;
    // over several scopes, a newer resource does not always come earlier on the page
    let (slot_floor, above_floor) = match scopes {
        ScopeCount::Many => (String::new(), ""),
        ScopeCount::One => (
            format!(
                "
slot_floor as materialized (
  -- As many labels as the page ends at have a slot that is as new as this: older ones are not on the page.
  -- So of thousands of labels only a few are expanded.
  select ql.slots[cardinality(ql.slots)] as slot
    from query_label ql
   where cardinality(ql.slots) > 0
   order by slot desc
  offset {page_end} - 1
   limit 1),"
            ),
            "
   where ql.slots[cardinality(ql.slots)] >= coalesce((select slot_floor.slot from slot_floor), 0)
     and e.slot >= coalesce((select slot_floor.slot from slot_floor), 0)",
        ),
    };
    format!(
        ",{slot_floor}
sparse_slots as (
  -- The slots of sparse labels, as far as the page reaches.
  select e.slot, ql.sign{label_rank}
    from query_label ql
    cross join lateral unnest(ql.slots[(cardinality(ql.slots) - {page_end} + 1)::int4:]) as e (slot){above_floor}),
block_match as materialized (
  -- The matches of a block: from the counts of its chunks, and from its sparse slots.
  select block{rank}, sum(match_count)::int4 as match_count, sum(match_count) filter (where position is null) as chunk_count,
         bool_or(position is null or match_count < 0) as needs_bits,
         array_agg(position) filter (where match_count > 0 and position is not null) as added,
         array_agg(position) filter (where match_count < 0 and position is not null) as removed
    from (select c.block, ql.sign * c.hits as match_count, null::int4 as position{label_rank}
            from query_label ql
            cross join {chunks}
           where ql.slots is null
          union all
          select f.slot / {BLOCK_BITS}, f.sign, f.slot % {BLOCK_BITS}{rank}
            from sparse_slots f) part
   group by block{rank}),{block_offsets}
page as (
  -- A block with chunks, or one that loses slots, is answered from bits; another from its slots.
  {blocks}){resources}",
        chunks = chunks(label_scope, "c.block, c.hits"),
        block_offsets = block_offsets(sql, ", needs_bits, added, removed"),
        blocks = expand_blocks(
            sql,
            page,
            &format!(
                "{slots_of_bits}
      union all
      {slots_of_positions}
      offset 0",
                slots_of_bits = slots_of_bits(&bits_of_block(sql), "part"),
                slots_of_positions = slots_of_positions("b.added", "\n        where not b.needs_bits"),
            ),
        ),
        resources = resources(
            scopes,
            "coalesce((select sum(ql.sign * cardinality(ql.slots)) from query_label ql), 0)
       + coalesce((select sum(m.chunk_count) from block_match m), 0)"
        ),
    )
}

/// Source: the bits that are added in a block, minus those that are subtracted.
fn bits_of_block(scopes: &ScopeSql) -> String {
    let ScopeSql { label_scope, same_rank, .. } = scopes;
    format!(
        "(select case when u.exclude is null then u.include else u.include & ~u.exclude end as bits
                        from (select bit_or(v.bits) filter (where v.sign > 0) as include,
                                     bit_or(v.bits) filter (where v.sign < 0) as exclude
                                from (select ql.sign, c.bits
                                        from query_label ql
                                        cross join {chunk}
                                       where ql.slots is null{same_rank}
                                      union all
                                      select 1, tagd.bits_at(b.added)
                                      union all
                                      select -1, tagd.bits_at(b.removed)) v) u
                       where b.needs_bits)",
        chunk = chunk_of_block(label_scope),
    )
}
