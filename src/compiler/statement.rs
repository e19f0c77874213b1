//! The texts of the statements, one for each shape, put together from fixed pieces.
//!
//! Every table stands in a lateral subquery of its own, behind an `offset 0` that the planner does not look
//! through: so it is reached row by row, in the order of the text and by the index of its scope, whatever the
//! statistics say. Left to choose, the planner reads all labels or bitmaps of a scope where it knows nothing
//! yet, as after an import, and keeps to that plan until statistics are made.

use std::{collections::HashMap, fmt::Write, sync::LazyLock};

/// How many scopes a statement runs over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Span {
    /// One: its number is a constant of the statement.
    One,
    /// Any number, in the order of an array.
    Many,
}

/// How the labels of a query are combined; the others are shortcuts of the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// One label.
    Single,
    /// Labels of which no two share a resource, less labels that lie within them: their counts are added up, and
    /// bits are read for the page alone.
    Sum,
    /// At least one of several labels.
    Any,
    /// All of several labels.
    Every,
    /// Groups, in full.
    Mixed,
}

/// A condition that picks resources by columns of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pick {
    /// None.
    Nothing,
    /// The identifier.
    Id,
    /// The identifier and the name.
    IdAndName,
    /// The name, by the trigram index.
    NameByTrigram,
    /// The name, by reading all names of the scope: a pattern too short for the index.
    NameByScan,
    /// There is no name.
    NoName,
}

impl Pick {
    const ALL: [Self; 6] =
        [Self::Nothing, Self::Id, Self::IdAndName, Self::NameByTrigram, Self::NameByScan, Self::NoName];
}

/// What the text of a statement depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    /// How many scopes.
    pub span: Span,
    /// A page of resources beside the total.
    pub page: bool,
    /// How labels are combined.
    pub form: Form,
    /// Whether values are searched; only with [`Form::Sum`] and [`Form::Mixed`].
    pub fuzzy: bool,
    /// Condition on columns of the resource; only with [`Form::Mixed`].
    pub pick: Pick,
}

/// Every shape there is, in a fixed order.
pub fn shapes() -> Vec<Shape> {
    let mut shapes = Vec::new();
    for span in [Span::One, Span::Many] {
        for page in [false, true] {
            for form in [Form::Single, Form::Sum, Form::Any, Form::Every] {
                shapes.push(Shape { span, page, form, fuzzy: false, pick: Pick::Nothing });
            }
            shapes.push(Shape { span, page, form: Form::Sum, fuzzy: true, pick: Pick::Nothing });
            for fuzzy in [false, true] {
                for pick in Pick::ALL {
                    shapes.push(Shape { span, page, form: Form::Mixed, fuzzy, pick });
                }
            }
        }
    }
    shapes
}

/// The text of a shape.
pub fn text(shape: Shape) -> &'static str {
    static TEXTS: LazyLock<HashMap<Shape, String>> =
        LazyLock::new(|| shapes().into_iter().map(|shape| (shape, write(shape))).collect());
    TEXTS.get(&shape).map_or("", String::as_str)
}

/// Numbers the parameters in the order in which `Groups::push_arguments` pushes their values.
struct Numbers(usize);

impl Numbers {
    fn next(&mut self) -> String {
        self.0 += 1;
        format!("${}", self.0)
    }
}

/// The parts that differ between one scope and many: with many, the rank of the scope goes along everywhere.
struct Words {
    /// Table of the scopes, first in a list of sources.
    spans: &'static str,
    /// The scope of a table's row, to compare with.
    scope: &'static str,
    /// Rank as an output column behind another.
    rank: &'static str,
    /// Rank as it is made.
    made_rank: &'static str,
    /// Rank before the other columns of an order.
    by_rank: &'static str,
    /// Scope and rank carried on by the labels.
    term: &'static str,
    /// The scope as the labels carried it on.
    term_scope: &'static str,
    /// Rank as the labels carried it on.
    term_rank: &'static str,
    /// Labels of the rank of a run.
    same_rank: &'static str,
}

const ONE: Words = Words {
    spans: "",
    scope: "$1",
    rank: "",
    made_rank: "",
    by_rank: "",
    term: "",
    term_scope: "$1",
    term_rank: "",
    same_rank: "",
};
const MANY: Words = Words {
    spans: "unnest($1::int8[]) with ordinality as s (scope_id, rank)\n    cross join ",
    scope: "s.scope_id",
    rank: ", rank",
    made_rank: ", s.rank",
    by_rank: "rank, ",
    term: ", s.scope_id, s.rank",
    term_scope: "t.scope_id",
    term_rank: ", t.rank",
    same_rank: " and t.rank = r.rank",
};

fn write(shape: Shape) -> String {
    let words = match shape.span {
        Span::One => ONE,
        Span::Many => MANY,
    };
    let mut numbers = Numbers(1);
    let mut sql = String::from("with ");
    // writing to a String cannot fail
    let _ = match shape.form {
        Form::Single => write_single(&mut sql, &mut numbers, &words, shape),
        Form::Sum => write_sum(&mut sql, &mut numbers, &words, shape),
        Form::Any => write_plain(&mut sql, &mut numbers, &words, "bit_or", shape),
        Form::Every => write_plain(&mut sql, &mut numbers, &words, "bit_and", shape),
        Form::Mixed => write_mixed(&mut sql, &mut numbers, &words, shape),
    };
    sql
}

/// CTE `term`: the label. A scope has one piece of it if it is sparse, its slots, and else one for each chunk.
fn write_single(sql: &mut String, numbers: &mut Numbers, words: &Words, shape: Shape) -> std::fmt::Result {
    let Words { spans, scope, term, term_scope, term_rank, same_rank, .. } = words;
    let (kind, key, value) = (numbers.next(), numbers.next(), numbers.next());
    write!(
        sql,
        "term as materialized (
  select l.label_id, l.slots{term}
    from {spans}lateral (
      select l.label_id, l.slots from tagd.label l
       where l.scope_id = {scope} and l.key = {key}::text and l.kind = {kind}::int2 and l.value = {value}::text offset 0) l),
hit as materialized (
  select p.block, p.hits{term_rank}
    from term t
    cross join lateral (
      select c.block, c.hits from tagd.chunk c
       where c.scope_id = {term_scope} and c.label_id = t.label_id
      union all
      select null, cardinality(t.slots)
       where t.slots is not null
      offset 0) p)"
    )?;
    if !shape.page {
        return write_count(sql);
    }
    let (offset, limit) = (numbers.next(), numbers.next());
    write_run(sql, words)?;
    write!(
        sql,
        ",
page as (
  select p.slot{term_rank}
    from run r
    join term t on true{same_rank}
    cross join lateral (
      select {skip} as skip, {want} as want offset 0) w
    cross join lateral (
      select r.block * 16384 + n.position as slot
        from (select c.bits from tagd.chunk c
               where c.scope_id = {term_scope} and c.label_id = t.label_id and c.block = r.block offset 0) c
        cross join lateral unnest(tagd.newest(c.bits, w.skip, w.want)) as n (position)
      union all
      select n.slot
        from unnest(t.slots[(cardinality(t.slots) - w.skip - w.want + 1)::int4 : (cardinality(t.slots) - w.skip)::int4]) as n (slot)
      offset 0) p
   where {overlap})",
        skip = skip("r", &offset),
        want = want("r", &offset, &limit),
        overlap = overlap("r", &offset, &limit),
    )?;
    write_answer(sql, words, "(select max(upto) from run)")
}

/// CTE `term`: the labels with their signs.
fn write_sum(sql: &mut String, numbers: &mut Numbers, words: &Words, shape: Shape) -> std::fmt::Result {
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
        let (signs, keys, patterns) = (numbers.next(), numbers.next(), numbers.next());
        write!(
            sql,
            "
   union all
  select t.sign, l.label_id, l.slots{term}
    from {spans}unnest({signs}::int4[], {keys}::text[], {patterns}::text[]) as t (sign, key, pattern)
    cross join lateral (
      select l.label_id, l.slots from tagd.label l
       where l.scope_id = {scope} and l.kind = 3 and l.key = t.key and l.value like t.pattern offset 0) l"
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
  select r.block * 16384 + p.position as slot{rank}
    from run r
    cross join lateral (
      select {skip} as skip, {want} as want offset 0) w
    cross join lateral (
      select n.position
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
                      select -1, tagd.bits_at(r.minus)) b) b
        cross join lateral unnest(tagd.newest(case when b.nor is null then b.yes else b.yes & ~b.nor end, w.skip, w.want)) as n (position)
       where r.dense
      union all
      (select n.position
         from unnest(r.plus) as n (position)
        where not r.dense
        order by n.position desc
       offset w.skip
        limit w.want)
      offset 0) p
   where {overlap})",
        skip = skip("r", &offset),
        want = want("r", &offset, &limit),
        overlap = overlap("r", &offset, &limit),
    )?;
    let total = "(select sum(t.sign * cardinality(t.slots)) from term t), 0)
       + coalesce((select sum(h.counted) from hit h)";
    write_answer(sql, words, total)
}

/// CTEs `term`, and `hit`: the bits of blocks, put together by an aggregate.
fn write_plain(
    sql: &mut String,
    numbers: &mut Numbers,
    words: &Words,
    aggregate: &str,
    shape: Shape,
) -> std::fmt::Result {
    let Words { spans, scope, rank, term, term_scope, term_rank, .. } = words;
    let (kinds, keys, values) = (numbers.next(), numbers.next(), numbers.next());
    write!(
        sql,
        "term as materialized (
  select t.ord, l.label_id, l.slots{term}
    from {spans}unnest({kinds}::int2[], {keys}::text[], {values}::text[]) with ordinality as t (kind, key, value, ord)
    cross join lateral (
      select l.label_id, l.slots from tagd.label l
       where l.scope_id = {scope} and l.key = t.key and l.kind = t.kind and l.value = t.value offset 0) l),
hit as materialized (
  select block{rank}, {aggregate}(bits) as bits, bit_count({aggregate}(bits))::int4 as hits
    from (select c.block, c.bits{term_rank}
            from term t
            cross join lateral (
              select c.block, c.bits from tagd.chunk c
               where c.scope_id = {term_scope} and c.label_id = t.label_id offset 0) c
           where t.slots is null
          union all
          select e.slot / 16384, tagd.bits_at(array_agg(e.slot % 16384)){term_rank}
            from term t
            cross join lateral unnest(t.slots) as e (slot)
           group by e.slot / 16384, t.ord{term_rank}) part
   group by block{rank}"
    )?;
    if shape.form == Form::Every {
        let groups = numbers.next();
        write!(sql, "\n  having count(*) = {groups}::int8")?;
    }
    sql.push(')');
    write_end(sql, numbers, words, shape)
}

/// CTEs `term` (labels by group), `part` (bits by block and group), `hit`: groups of one sign put together, then the
/// signs. Behind `offset 0` an expression is computed once, however often it is named above.
fn write_mixed(sql: &mut String, numbers: &mut Numbers, words: &Words, shape: Shape) -> std::fmt::Result {
    let Words { spans, scope, rank, made_rank, term, term_scope, term_rank, .. } = words;
    let (groups, kinds, keys, values) = (numbers.next(), numbers.next(), numbers.next(), numbers.next());
    write!(
        sql,
        "term as materialized (
  select t.grp, l.label_id, l.slots{term}
    from {spans}unnest({groups}::int4[], {kinds}::int2[], {keys}::text[], {values}::text[]) as t (grp, kind, key, value)
    cross join lateral (
      select l.label_id, l.slots from tagd.label l
       where l.scope_id = {scope} and l.key = t.key and l.kind = t.kind and l.value = t.value offset 0) l"
    )?;
    if shape.fuzzy {
        let (groups, keys, patterns) = (numbers.next(), numbers.next(), numbers.next());
        write!(
            sql,
            "
   union all
  select t.grp, l.label_id, l.slots{term}
    from {spans}unnest({groups}::int4[], {keys}::text[], {patterns}::text[]) as t (grp, key, pattern)
    cross join lateral (
      select l.label_id, l.slots from tagd.label l
       where l.scope_id = {scope} and l.kind = 3 and l.key = t.key and l.value like t.pattern offset 0) l"
        )?;
    }
    write!(
        sql,
        "),
part as (
  select block, grp, bit_or(bits) as bits{rank}
    from (select c.block, t.grp, c.bits{term_rank}
            from term t
            cross join lateral (
              select c.block, c.bits from tagd.chunk c
               where c.scope_id = {term_scope} and c.label_id = t.label_id offset 0) c
           where t.slots is null
          union all
          select e.slot / 16384, t.grp, tagd.bits_at(array_agg(e.slot % 16384)){term_rank}
            from term t
            cross join lateral unnest(t.slots) as e (slot)
           group by e.slot / 16384, t.grp{term_rank}) labelled
   group by block, grp{rank}"
    )?;
    let picked = write_pick(shape.pick, numbers, words);
    let (positive, negative) = (numbers.next(), numbers.next());
    if let Some(picked) = picked {
        // the last of the groups above 0 is kept for the resources picked
        write!(
            sql,
            "
   union all
  select r.slot / 16384, {positive}::int8::int4, tagd.bits_of(r.slot % 16384, 1){made_rank}
    from {spans}lateral (
      {picked} offset 0) r
   group by r.slot / 16384{made_rank}"
        )?;
    }
    write!(
        sql,
        "),
hit as materialized (
  select block{rank}, bits, bit_count(bits)::int4 as hits
    from (select block{rank}, case when nor is null then yes else yes & ~nor end as bits
            from (select block{rank}, nor, case when nands = {negative}::int8 and nands > 0 then yes & ~nand else yes end as yes
                    from (select block{rank}, bit_and(bits) filter (where grp > 0) as yes, bit_or(bits) filter (where grp = 0) as nor,
                                 bit_and(bits) filter (where grp < 0) as nand, count(*) filter (where grp < 0) as nands
                            from part
                           group by block{rank}
                          having count(*) filter (where grp > 0) = {positive}::int8
                          offset 0) side
                  offset 0) less_nand
          offset 0) less_nor)"
    )?;
    write_end(sql, numbers, words, shape)
}

/// The slots of the resources that are picked by columns of their own.
fn write_pick(pick: Pick, numbers: &mut Numbers, words: &Words) -> Option<String> {
    let scope = words.scope;
    let (from, condition) = match pick {
        Pick::Nothing => return None,
        Pick::Id => ("tagd.resource r", format!("r.resource_id = {}", numbers.next())),
        Pick::IdAndName => {
            let condition = format!(
                "r.resource_id = {}
         and (select n.folded from tagd.name n where n.scope_id = {scope} and n.slot = r.slot) like {}",
                numbers.next(),
                numbers.next()
            );
            ("tagd.resource r", condition)
        }
        Pick::NameByTrigram => ("tagd.name r", format!("r.folded like {}", numbers.next())),
        // the trigram index would be read whole: comparing rows, and the empty text, keep the planner off it
        Pick::NameByScan => {
            let condition = format!(
                "(r.scope_id, r.slot) >= ({scope}, 0) and (r.scope_id, r.slot) < ({scope} + 1, 0)
         and r.folded || '' like {}",
                numbers.next()
            );
            ("tagd.name r", condition)
        }
        Pick::NoName => ("tagd.name r", "r.folded = ''".to_owned()),
    };
    Some(format!("select r.slot from {from}\n       where r.scope_id = {scope} and {condition}"))
}

/// What follows CTE `hit` where it has the bits of every block.
fn write_end(sql: &mut String, numbers: &mut Numbers, words: &Words, shape: Shape) -> std::fmt::Result {
    if !shape.page {
        return write_count(sql);
    }
    let (offset, limit) = (numbers.next(), numbers.next());
    let Words { rank, by_rank, .. } = words;
    write!(
        sql,
        ",
run as materialized (
  select block{rank}, bits, hits, sum(hits) over (order by {by_rank}block desc rows unbounded preceding) as upto
    from hit
   where hits > 0),
page as (
  select r.block * 16384 + n.position as slot{rank}
    from run r
    cross join lateral unnest(tagd.newest(r.bits, {skip}, {want})) as n (position)
   where {overlap})",
        skip = skip("r", &offset),
        want = want("r", &offset, &limit),
        overlap = overlap("r", &offset, &limit),
    )?;
    write_answer(sql, words, "(select max(upto) from run)")
}

fn write_count(sql: &mut String) -> std::fmt::Result {
    write!(sql, "\nselect coalesce(sum(hits), 0)::int8 as total\n  from hit")
}

/// CTE `run`: the pieces from the newest to the oldest, `upto` counts the hits to the end of a piece.
fn write_run(sql: &mut String, words: &Words) -> std::fmt::Result {
    let Words { rank, by_rank, .. } = words;
    write!(
        sql,
        ",
run as materialized (
  select block{rank}, hits, sum(hits) over (order by {by_rank}block desc rows unbounded preceding) as upto
    from hit)"
    )
}

/// Hits of a piece that lie in front of the page.
fn skip(run: &str, offset: &str) -> String {
    format!("greatest({offset}::int8 - {run}.upto + {run}.hits, 0)")
}

/// Hits that the page still lacks where a piece begins.
fn want(run: &str, offset: &str, limit: &str) -> String {
    format!("{limit}::int8 + least({offset}::int8 - {run}.upto + {run}.hits, 0)")
}

/// Whether a piece overlaps the page: no other is opened.
fn overlap(run: &str, offset: &str, limit: &str) -> String {
    format!("{run}.upto > {offset}::int8 and {run}.upto - {run}.hits < {offset}::int8 + {limit}::int8")
}

/// The resources of the page, each beside the total; the total alone where the page is empty.
fn write_answer(sql: &mut String, words: &Words, total: &str) -> std::fmt::Result {
    let (spans, scope, rank, order) = match words.rank {
        "" => ("", "$1", "1::int8 as rank", "page.slot desc"),
        _ => (
            "\n          join unnest($1::int8[]) with ordinality as s (scope_id, rank) on s.rank = page.rank",
            "s.scope_id",
            "page.rank",
            "page.rank, page.slot desc",
        ),
    };
    write!(
        sql,
        "
select (coalesce({total}, 0))::int8 as total, {rank}, r.resource_id, r.resource_name, r.detail::text as detail, r.tags
  from (select 1 offset 0) always
  left join (page{spans}
    cross join lateral (
      select r.resource_id, r.resource_name, r.detail, r.tags from tagd.resource r
       where r.scope_id = {scope} and r.slot = page.slot offset 0) r) on true
 order by {order}"
    )
}
