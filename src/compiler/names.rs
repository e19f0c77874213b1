//! [`Strategy::Names`](super::Strategy::Names): a substring of the name as the only condition, by the indexes of names.

use super::{
    fragments::{ScopeSql, chunk_of_block, chunks, labels_by_word, slots_by_grams},
    label::BLOCK_BITS,
    page::{COUNT, PageSql, TOTAL, block_offsets, expand_blocks, resources, slots_of_bits, slots_of_positions},
    shape::{NameSearch, ScopeCount},
    statement::{Parameter, Placeholders, Statement},
};

pub(super) fn names(scopes: ScopeCount, search: NameSearch, page: bool) -> Statement {
    let mut placeholders = Placeholders::new(scopes);
    let [text] = placeholders.add([Parameter::NameText]);
    let page = page.then(|| placeholders.add([Parameter::Offset, Parameter::Limit]).into());
    placeholders.into_statement(match search {
        NameSearch::WithinWord => within_word(scopes, &text, page.as_ref()),
        NameSearch::AcrossWords => across_words(scopes, &text, page.as_ref()),
    })
}

/// Finds names by the gram index only. Few names in a block match, so its slots stay an array.
fn across_words(scopes: ScopeCount, text: &str, page: Option<&PageSql>) -> String {
    let sql = ScopeSql::of(scopes);
    let ScopeSql { each_scope, scope, scope_rank, rank, .. } = sql;
    let answer = page.map_or_else(
        || COUNT.to_owned(),
        |page| {
            format!(
                ",{block_offsets}
page as (
  -- The slots of a block.
  {blocks}){resources}",
                block_offsets = block_offsets(sql, ", positions"),
                blocks = expand_blocks(sql, page, &slots_of_positions("b.positions", "")),
                resources = resources(scopes, TOTAL),
            )
        },
    );
    format!(
        "with name_slots as (
  -- The names that have the text, by the gram index.
  select r.slot{scope_rank}
    from {each_scope}lateral (
      {slots} offset 0) r),
block_match as materialized (
  -- Their positions by block.
  select f.slot / {BLOCK_BITS} as block{rank}, count(*)::int4 as match_count, array_agg(f.slot % {BLOCK_BITS}) as positions
    from name_slots f
   group by f.slot / {BLOCK_BITS}{rank}){answer}",
        slots = slots_by_grams(scope, text),
    )
}

/// A block that has a single chunk and no slots is counted by its chunk, and a block without chunks by its slots. For
/// any other block the bits of its chunks and slots are combined.
fn within_word(scopes: ScopeCount, text: &str, page: Option<&PageSql>) -> String {
    let sql = ScopeSql::of(scopes);
    let ScopeSql { each_scope, scope, scope_rank, scope_and_rank, .. } = sql;
    let ScopeSql { label_scope, label_rank, same_rank, rank, block_rank, .. } = sql;
    let answer = page.map_or_else(|| COUNT.to_owned(), |page| page_within_word(scopes, page));
    format!(
        "with query_label as materialized (
  -- The words that have the text. A sparse label has its slots here, a dense one has chunks.
  select l.label_id, l.slots{scope_and_rank}
    from {each_scope}{labels}),
sparse_slots as (
  -- The names that have the text in a word that is not a label, by the gram index; the slots of sparse labels.
  select r.slot{scope_rank}
    from {each_scope}lateral (
      {slots} offset 0) r
   union
  select e.slot{label_rank}
    from query_label ql
    cross join lateral unnest(ql.slots) as e (slot)),
block_parts as (
  -- What a block has of both: chunks, and positions of slots.
  select block{rank}, sum(match_count) as match_count, count(match_count) as chunks,
         array_agg(position) filter (where position is not null) as positions
    from (select c.block, c.hits as match_count, null::int4 as position{label_rank}
            from query_label ql
            cross join {chunks}
           where ql.slots is null
          union all
          select f.slot / {BLOCK_BITS}, null, f.slot % {BLOCK_BITS}{rank}
            from sparse_slots f) part
   group by block{rank}),
block_match as materialized (
  -- The matches of a block. Bits are made of more than one chunk, or of a chunk and positions.
  select b.block{block_rank}, b.positions, v.bits,
         (case when v.bits is not null then bit_count(v.bits)
               when b.positions is null then b.match_count
               else cardinality(b.positions) end)::int4 as match_count
    from block_parts b
    cross join lateral (
      select bit_or(v.bits) as bits
        from (select c.bits
                from query_label ql
                cross join {chunk}
               where ql.slots is null{same_rank}
              union all
              select tagd.bits_at(b.positions)) v
       where b.chunks > 1 or (b.chunks = 1 and b.positions is not null)) v){answer}",
        labels = labels_by_word(scope, text),
        slots = slots_by_grams(scope, text),
        chunks = chunks(label_scope, "c.block, c.hits"),
        chunk = chunk_of_block(label_scope),
    )
}

fn page_within_word(scopes: ScopeCount, page: &PageSql) -> String {
    let sql = ScopeSql::of(scopes);
    let ScopeSql { label_scope, same_rank, .. } = sql;
    let bits = format!(
        "(select b.bits
                       where b.bits is not null
                      union all
                      select c.bits
                        from query_label ql
                        cross join {chunk}
                       where ql.slots is null and b.bits is null and b.positions is null{same_rank})",
        chunk = chunk_of_block(label_scope),
    );
    format!(
        ",{block_offsets}
page as (
  -- A block is answered from the bits made for it, from its only chunk, or from its slots.
  {blocks}){resources}",
        block_offsets = block_offsets(sql, ", positions, bits"),
        blocks = expand_blocks(
            sql,
            page,
            &format!(
                "{slots_of_bits}
      union all
      {slots_of_positions}
      offset 0",
                slots_of_bits = slots_of_bits(&bits, "part"),
                slots_of_positions = slots_of_positions("b.positions", "\n        where b.bits is null"),
            ),
        ),
        resources = resources(scopes, TOTAL),
    )
}
