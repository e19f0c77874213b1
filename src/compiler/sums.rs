//! The forms whose counts are added up and bits read for the page alone: one label, and sums of labels.

use std::fmt::Write;

use super::{
    page::{from_runs, pieces, write_answer, write_count},
    statement::{Numbers, SEVERAL, Shape, Words},
    values::labels_of_values,
};

/// CTE `term`: the label. A scope has one piece of it if it is sparse, its slots, and else one for each chunk.
pub(super) fn write_single(sql: &mut String, numbers: &mut Numbers, words: &Words, shape: Shape) -> std::fmt::Result {
    let Words { spans, scope, rank, term, term_scope, term_rank, same_rank, .. } = words;
    let (kind, key, value) = (numbers.next(), numbers.next(), numbers.next());
    // arrays are less work than rows kept, and they come in the order in which they are read
    let ranks = if rank.is_empty() { "" } else { ", array_agg(t.rank) as ranks" };
    let (counted, open, close) = if shape.page {
        (
            format!("sum(p.hits) as total, array_agg(p.block) as blocks, array_agg(p.hits) as hits{ranks}"),
            "(",
            "\n       order by c.block desc offset 0)",
        )
    } else {
        (format!("p.block, p.hits{term_rank}"), "", "")
    };
    write!(
        sql,
        "term as materialized (
  select l.label_id, l.slots{term}
    from {spans}lateral (
      select l.label_id, l.slots from tagd.label l
       where l.scope_id = {scope} and l.key = {key}::text and l.kind = {kind}::int2 and l.value = {value}::text offset 0) l),
hit as materialized (
  select {counted}
    from term t
    cross join lateral (
      {open}select c.block, c.hits from tagd.chunk c
       where c.scope_id = {term_scope} and c.label_id = t.label_id{close}
      union all
      select null, cardinality(t.slots)
       where t.slots is not null
      offset 0) p)"
    )?;
    if !shape.page {
        return write_count(sql);
    }
    let (offset, limit) = (numbers.next(), numbers.next());
    let (cut_rank, piece_rank) = if rank.is_empty() { ("", "") } else { (", h.ranks[c.cut[i]] as rank", ", r.rank") };
    write!(
        sql,
        ",
piece as materialized (
  select h.blocks[c.cut[i]] as block, h.hits[c.cut[i]] as hits, c.cut[i + 1] as skip, c.cut[i + 2] as want{cut_rank}
    from hit h
    cross join lateral (
      select tagd.page_blocks(h.hits, {offset}::int8, {limit}::int8) as cut offset 0) c
    cross join lateral generate_series(1, cardinality(c.cut), 3) as i),
page as (
  select p.low, p.high, p.bits{piece_rank}
    from piece r
    join term t on true{same_rank}
    cross join lateral (
      select r.block * 16384 + p.low as low, r.block * 16384 + p.high as high, p.bits
        from ({pieces}) p
      union all
      select n.slot, n.slot, null
        from unnest(t.slots[(cardinality(t.slots) - r.skip - r.want + 1)::int4 : (cardinality(t.slots) - r.skip)::int4]) as n (slot)
      offset 0) p)",
        pieces = pieces(
            &format!(
                "(select c.bits from tagd.chunk c
                       where c.scope_id = {term_scope} and c.label_id = t.label_id and c.block = r.block)"
            ),
            "r",
        ),
    )?;
    write_answer(sql, words, "(select h.total from hit h)")
}

/// The statement of one label for each row of `q`, whose columns stand in place of its parameters. The rank of an answer is
/// the number of its query. Every other column is as in the statement for one.
pub(super) fn write_singles(sql: &mut String, shape: Shape) -> std::fmt::Result {
    const COLUMNS: [&str; 5] = ["kind", "key", "value", "skipped", "wanted"];
    const TYPES: [&str; 5] = ["int2", "text", "text", "int8", "int8"];
    let (columns, answer, order) = if shape.page {
        (&COLUMNS[..], "p.total, q.rank, p.resource_id, p.resource_name, p.detail, p.tags", "q.rank, p.slot desc")
    } else {
        (&COLUMNS[..3], "p.total, q.rank", "q.rank")
    };
    let arrays: Vec<String> =
        TYPES.iter().zip(2..).take(columns.len()).map(|(kind, number)| format!("${number}::{kind}[]")).collect();
    write!(
        sql,
        "select {answer}
  from unnest({}) with ordinality as q ({}, rank)
  cross join lateral (
with ",
        arrays.join(", "),
        columns.join(", ")
    )?;
    write_single(sql, &mut Numbers::new(columns), &SEVERAL, shape)?;
    write!(sql, ") p\n order by {order}")
}

/// CTE `term`: the labels with their signs.
pub(super) fn write_sum(sql: &mut String, numbers: &mut Numbers, words: &Words, shape: Shape) -> std::fmt::Result {
    let Words { spans, scope, term, term_scope, .. } = words;
    let (signs, kinds, keys, values) = (numbers.next(), numbers.next(), numbers.next(), numbers.next());
    write!(
        sql,
        "term as materialized (
  select t.sign, l.label_id, l.slots{term}
    from {spans}unnest({signs}::int4[], {kinds}::int2[], {keys}::text[], {values}::text[]) as t (sign, kind, key, value)
    cross join lateral (
      select l.label_id, l.slots from tagd.label l
       where l.scope_id = {scope} and l.key = t.key and l.kind = t.kind and l.value = t.value offset 0) l"
    )?;
    if shape.fuzzy {
        let (signs, keys, texts) = (numbers.next(), numbers.next(), numbers.next());
        write!(
            sql,
            "
   union all
  select t.sign, l.label_id, l.slots{term}
    from {spans}unnest({signs}::int4[], {keys}::text[], {texts}::text[]) as t (sign, key, text)
    cross join {labels}",
            labels = labels_of_values(scope, "t.key", "t.text", ""),
        )?;
    }
    sql.push(')');
    if !shape.page {
        return write!(
            sql,
            "
select (coalesce((select sum(t.sign * cardinality(t.slots)) from term t), 0)
       + coalesce((select sum(t.sign * c.hits)
                     from term t
                     cross join lateral (
                       select c.hits from tagd.chunk c
                        where c.scope_id = {term_scope} and c.label_id = t.label_id offset 0) c
                    where t.slots is null), 0))::int8 as total"
        );
    }
    write_sum_page(sql, numbers, words)
}

/// CTEs `few` (slots of the sparse labels, as far as the page reaches) and `hit` (counts by block, with the slots of
/// the sparse labels there). A block without chunks is answered from its slots, another from bits.
fn write_sum_page(sql: &mut String, numbers: &mut Numbers, words: &Words) -> std::fmt::Result {
    let Words { rank, by_rank, term_scope, term_rank, same_rank, .. } = words;
    let (reach, offset, limit) = (numbers.next(), numbers.next(), numbers.next());
    // as many labels as the page reaches have a slot this new: what is older is not on it, and of thousands of labels
    // only a few are opened. Over many scopes newer does not mean before.
    let (edge, newer) = match *rank {
        "" => (
            format!(
                "edge as materialized (
  select t.slots[cardinality(t.slots)] as slot
    from term t
   where cardinality(t.slots) > 0
   order by slot desc
  offset {reach}::int8 - 1
   limit 1),
"
            ),
            "
   where t.slots[cardinality(t.slots)] >= coalesce((select edge.slot from edge), 0)
     and e.slot >= coalesce((select edge.slot from edge), 0)",
        ),
        _ => (String::new(), ""),
    };
    let body = format!(
        "{pieces}
      union all
      (select n.position, n.position, null
         from unnest(r.plus) as n (position)
        where not r.dense
        order by n.position desc
       offset w.skip
        limit w.want)
      offset 0",
        pieces = pieces(
            &format!(
                "(select case when s.nor is null then s.yes else s.yes & ~s.nor end as bits
                        from (select bit_or(b.bits) filter (where b.sign > 0) as yes, bit_or(b.bits) filter (where b.sign < 0) as nor
                                from (select t.sign, c.bits
                                        from term t
                                        cross join lateral (
                                          select c.bits from tagd.chunk c
                                           where c.scope_id = {term_scope} and c.label_id = t.label_id and c.block = r.block offset 0) c
                                       where t.slots is null{same_rank}
                                      union all
                                      select 1, tagd.bits_at(r.plus)
                                      union all
                                      select -1, tagd.bits_at(r.minus)) b) s
                       where r.dense)"
            ),
            "w",
        ),
    );
    write!(
        sql,
        ",
{edge}few as (
  select e.slot, t.sign{term_rank}
    from term t
    cross join lateral unnest(t.slots[(cardinality(t.slots) - {reach}::int8 + 1)::int4:]) as e (slot){newer}),
hit as materialized (
  select block{rank}, sum(hits)::int4 as hits, sum(hits) filter (where position is null) as counted,
         bool_or(position is null or hits < 0) as dense,
         array_agg(position) filter (where hits > 0 and position is not null) as plus,
         array_agg(position) filter (where hits < 0 and position is not null) as minus
    from (select c.block, t.sign * c.hits as hits, null::int4 as position{term_rank}
            from term t
            cross join lateral (
              select c.block, c.hits from tagd.chunk c
               where c.scope_id = {term_scope} and c.label_id = t.label_id offset 0) c
           where t.slots is null
          union all
          select f.slot / 16384, f.sign, f.slot % 16384{rank}
            from few f) piece
   group by block{rank}),
run as materialized (
  select block{rank}, hits, dense, plus, minus, sum(hits) over (order by {by_rank}block desc rows unbounded preceding) as upto
    from hit
   where hits > 0),
page as (
{page})",
        page = from_runs(rank, &offset, &limit, &body),
    )?;
    let total = "(select sum(t.sign * cardinality(t.slots)) from term t), 0)
       + coalesce((select sum(h.counted) from hit h)";
    write_answer(sql, words, total)
}
