//! Values looked for by a part of them: their labels, and the form of queries that are such a search in one scope.

use std::fmt::Write;

use super::{
    page::{from_runs, pieces, write_answer},
    statement::{Numbers, Shape, Words},
};

/// A source of labels `l`: the values of a key that have a text, in a scope. The condition on grams stands there twice:
/// the planner takes each for a two-hundredth of the table, and so both for less than a scope. For the same reason
/// kind and key are compared in ways that no other index knows.
pub(super) fn labels_of_values(scope: &str, key: &str, text: &str, condition: &str) -> String {
    let grams = "tagd.value_grams(l.scope_id, l.key, l.value) @> w.grams";
    format!(
        "lateral (
      select tagd.wanted_value_grams({scope}, {key}, {text}) as grams offset 0) w
    cross join lateral (
      select l.label_id, l.slots from tagd.label l
       where l.scope_id = {scope} and l.kind + 0 = 3 and {grams}
         and {grams}
         and l.key is not distinct from {key} and strpos(l.value, {text}) > 0{condition} offset 0) l"
    )
}

/// CTEs `tally` (slots of sparse labels, counted, and which labels are dense) and `hit` (chunks of dense labels,
/// counted, and by block). Thousands of labels may have the text, so they are gone through once, for the total.
pub(super) fn write_values(sql: &mut String, numbers: &mut Numbers, words: &Words, shape: Shape) -> std::fmt::Result {
    let (key, text) = (format!("{}::text", numbers.next()), format!("{}::text", numbers.next()));
    write!(
        sql,
        "tally as materialized (
  select sum(cardinality(l.slots)) as few, array_agg(l.label_id) filter (where l.slots is null) as dense
    from {labels}),
hit as materialized (
  select sum(c.hits) as hits{blocks}
    from tally t
    cross join lateral unnest(t.dense) as d (label_id)
    cross join lateral (
      select c.block, c.hits from tagd.chunk c
       where c.scope_id = $1 and c.label_id = d.label_id offset 0) c)",
        labels = labels_of_values("$1", &key, &text, ""),
        // arrays are less work than thousands of rows kept
        blocks = if shape.page { ", array_agg(c.block) as blocks, array_agg(c.hits) as counts" } else { "" },
    )?;
    let total = "coalesce((select t.few from tally t), 0) + coalesce((select h.hits from hit h), 0)";
    if !shape.page {
        return write!(sql, "\nselect ({total})::int8 as total");
    }
    write_values_page(sql, numbers, words, [&key, &text], total)
}

/// CTEs `total`, `walk` (the page, from tags) and `few` (slots of sparse labels, as far as the page reaches).
///
/// Where it can be expected there, the newest resources are looked through. If they do not fill the page, or are not
/// asked, the labels are gone through again, from the one with the newest slot on, and blocks are opened.
fn write_values_page(
    sql: &mut String,
    numbers: &mut Numbers,
    words: &Words,
    [key, text]: [&str; 2],
    total: &str,
) -> std::fmt::Result {
    let (reach, offset, limit) = (numbers.next(), numbers.next(), numbers.next());
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
            "(select bit_or(b.bits) as bits
                        from (select c.bits
                                from tally t
                                cross join lateral unnest(t.dense) as d (label_id)
                                cross join lateral (
                                  select c.bits from tagd.chunk c
                                   where c.scope_id = $1 and c.label_id = d.label_id and c.block = r.block offset 0) c
                              union all
                              select tagd.bits_at(r.plus)) b
                       where r.dense)",
            "w",
        ),
    );
    // looked through are 32 resources for each that the page ends at, if twice as many as are wanted can be expected among
    // them; more than 1024 only in place of many sparse labels, since blocks of dense ones are opened at any offset
    write!(
        sql,
        ",
total as materialized (
  select {total} as hits,
         least(32 * {reach}::int8, 1024 + coalesce((select t.few from tally t), 0) / 2) as far),
walk as materialized (
  select g.slot
    from total n
    cross join lateral (
      select r.slot from tagd.resource r
       where r.scope_id = $1
       order by r.slot desc
       limit 1) newest
    cross join lateral (
      select g.slot from tagd.tag g
       where g.scope_id = $1 and g.slot > newest.slot - n.far and g.key = {key} and strpos(g.value, {text}) > 0
       order by g.slot desc
       limit {reach}::int8) g
   where n.hits * n.far > 2 * {reach}::int8 * newest.slot),
few as (
  select e.slot
    from {labels}
    cross join lateral unnest(l.slots[(cardinality(l.slots) - {reach}::int8 + 1)::int4:]) as e (slot)
   where (select count(*) from walk) < {reach}::int8
   order by e.slot desc
   limit {reach}::int8),
run as materialized (
  select block, sum(hits)::int4 as hits, sum(sum(hits)::int4) over (order by block desc rows unbounded preceding) as upto,
         bool_or(position is null) as dense, array_agg(position) filter (where position is not null) as plus
    from (select b.block, b.hits, null::int4 as position
            from hit h
            cross join lateral unnest(h.blocks, h.counts) as b (block, hits)
           where (select count(*) from walk) < {reach}::int8
          union all
          select f.slot / 16384, 1, f.slot % 16384
            from few f) piece
   group by block),
page as (
  (select w.slot as low, w.slot as high, null::bit as bits
     from walk w
    where (select count(*) from walk) = {reach}::int8
    order by w.slot desc
   offset {offset}::int8)
  union all
{page})",
        labels = labels_of_values(
            "$1",
            key,
            text,
            &format!(
                " and cardinality(l.slots) > 0
       order by l.slots[cardinality(l.slots)] desc
       limit {reach}::int8"
            )
        ),
        page = from_runs("", &offset, &limit, &body),
    )?;
    write_answer(sql, words, "(select n.hits from total n)")
}
