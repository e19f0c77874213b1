//! Resources picked by name or id, and the form of queries that are a text in the name and nothing else.

use std::fmt::Write;

use super::{
    page::{from_runs, pieces, write_answer, write_count},
    statement::{Numbers, Pick, Shape, Words},
};

/// The query for the slots of resources that are picked, and the parameter that has the text in their names.
pub(super) struct Picked {
    pub(super) text: String,
    pub(super) query: String,
}

/// The slots of the resources that are picked by columns of their own.
pub(super) fn write_pick(pick: Pick, numbers: &mut Numbers, words: &Words) -> Option<Picked> {
    let scope = words.scope;
    let first = match pick {
        Pick::Nothing | Pick::NoName => String::new(),
        _ => numbers.next(),
    };
    let (from, condition) = match pick {
        Pick::Nothing => return None,
        Pick::Id => ("tagd.resource r", format!("r.resource_id = {first}")),
        Pick::IdAndName => {
            let condition = format!(
                "r.resource_id = {first}
         and (select n.folded from tagd.name n where n.scope_id = {scope} and n.slot = r.slot) like {}",
                numbers.next()
            );
            ("tagd.resource r", condition)
        }
        Pick::NameInWords | Pick::NameAcross => {
            let query = names_by_grams(scope, &first);
            return Some(Picked { text: first, query });
        }
        Pick::NameByScan => ("tagd.name r", format!("r.folded like {first}")),
        Pick::NoName => ("tagd.name r", "r.folded = ''".to_owned()),
    };
    let query = format!("select r.slot from {from}\n       where r.scope_id = {scope} and {condition}");
    Some(Picked { text: first, query })
}

/// The slots of the names that the index of grams finds. The condition stands there three times: the planner takes
/// each for a two-hundredth of the table, and so all of them for less than any scope.
fn names_by_grams(scope: &str, text: &str) -> String {
    let grams = "tagd.grams(n.scope_id, n.folded, n.words) @> w.grams";
    format!(
        "select n.slot
        from (select tagd.wanted_grams({scope}, {text}::text) as grams offset 0) w
        cross join lateral (
          select n.slot from tagd.name n
           where n.scope_id = {scope} and {grams}
             and {grams}
             and {grams}
             and strpos(n.folded, {text}::text) > 0 offset 0) n"
    )
}

/// The labels of the words that have a text.
pub(super) fn labels_of_words(scope: &str, text: &str) -> String {
    format!(
        "select l.label_id, l.slots from tagd.label l
       where l.scope_id = {scope} and l.key = '' and l.kind = 4 and strpos(l.value, {text}::text) > 0"
    )
}

/// CTEs `term` (labels of words that have the text), `few` (slots of the sparse ones, and of names that the index of
/// grams finds) and `hit` (counts by block). A block with one chunk and nothing else is counted by that, one without a
/// chunk is answered from its slots, another from the bits of all that it has.
pub(super) fn write_names(sql: &mut String, numbers: &mut Numbers, words: &Words, shape: Shape) -> std::fmt::Result {
    let Words { spans, scope, rank, made_rank, term, term_scope, term_rank, same_rank, .. } = words;
    let Some(Picked { text, query }) = write_pick(shape.pick, numbers, words) else { return Ok(()) };
    let in_words = shape.pick == Pick::NameInWords;
    if in_words {
        write!(
            sql,
            "term as materialized (
  select l.label_id, l.slots{term}
    from {spans}lateral (
      {labels} offset 0) l),
",
            labels = labels_of_words(scope, &text),
        )?;
    }
    write!(
        sql,
        "few as (
  select r.slot{made_rank}
    from {spans}lateral (
      {query} offset 0) r"
    )?;
    if in_words {
        write!(
            sql,
            "
   union
  select e.slot{term_rank}
    from term t
    cross join lateral unnest(t.slots) as e (slot)),
part as (
  select block{rank}, sum(hits) as hits, count(hits) as chunks, array_agg(position) filter (where position is not null) as few
    from (select c.block, c.hits, null::int4 as position{term_rank}
            from term t
            cross join lateral (
              select c.block, c.hits from tagd.chunk c
               where c.scope_id = {term_scope} and c.label_id = t.label_id offset 0) c
           where t.slots is null
          union all
          select f.slot / 16384, null, f.slot % 16384{rank}
            from few f) piece
   group by block{rank}),
hit as materialized (
  select r.block{part_rank}, r.few, b.bits,
         (case when b.bits is not null then bit_count(b.bits) when r.few is null then r.hits else cardinality(r.few) end)::int4 as hits
    from part r
    cross join lateral (
      select bit_or(b.bits) as bits
        from (select c.bits
                from term t
                cross join lateral (
                  select c.bits from tagd.chunk c
                   where c.scope_id = {term_scope} and c.label_id = t.label_id and c.block = r.block offset 0) c
               where t.slots is null{same_rank}
              union all
              select tagd.bits_at(r.few)) b
       where r.chunks > 1 or (r.chunks = 1 and r.few is not null)) b)",
            part_rank = rank.replace(' ', " r."),
        )?;
    } else {
        write!(
            sql,
            "),
hit as materialized (
  select f.slot / 16384 as block{rank}, count(*)::int4 as hits, array_agg(f.slot % 16384) as few
    from few f
   group by f.slot / 16384{rank})"
        )?;
    }
    if !shape.page {
        return write_count(sql);
    }
    write_names_page(sql, numbers, words, in_words)
}

/// CTEs `run` and `page`: a block is answered from the bits made for it, from its one chunk, or from its slots.
fn write_names_page(sql: &mut String, numbers: &mut Numbers, words: &Words, in_words: bool) -> std::fmt::Result {
    let Words { rank, by_rank, term_scope, same_rank, .. } = words;
    let (offset, limit) = (numbers.next(), numbers.next());
    let (bits, sorted, fence) =
        if in_words { (", bits", "\n        where r.bits is null", "\n      offset 0") } else { ("", "", "") };
    let mut body = String::new();
    if in_words {
        write!(
            body,
            "{pieces}
      union all",
            pieces = pieces(
                &format!(
                    "(select r.bits
                       where r.bits is not null
                      union all
                      select c.bits
                        from term t
                        cross join lateral (
                          select c.bits from tagd.chunk c
                           where c.scope_id = {term_scope} and c.label_id = t.label_id and c.block = r.block offset 0) c
                       where t.slots is null and r.bits is null and r.few is null{same_rank})"
                ),
                "w",
            )
        )?;
    }
    write!(
        body,
        "
      (select n.position as low, n.position as high, null::bit as bits
         from unnest(r.few) as n (position){sorted}
        order by n.position desc
       offset w.skip
        limit w.want){fence}"
    )?;
    write!(
        sql,
        ",
run as materialized (
  select block{rank}, hits, few{bits}, sum(hits) over (order by {by_rank}block desc rows unbounded preceding) as upto
    from hit
   where hits > 0),
page as (
{page})",
        page = from_runs(rank, &offset, &limit, &body),
    )?;
    write_answer(sql, words, "(select max(upto) from run)")
}
