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

/// How the labels of a query are combined; the simple forms are shortcuts of the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// One label.
    Single,
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
    /// Whether values are searched; only with [`Form::Mixed`].
    pub fuzzy: bool,
    /// Condition on columns of the resource; only with [`Form::Mixed`].
    pub pick: Pick,
}

/// Every shape there is, in a fixed order.
pub fn shapes() -> Vec<Shape> {
    let mut shapes = Vec::new();
    for span in [Span::One, Span::Many] {
        for page in [false, true] {
            for form in [Form::Single, Form::Any, Form::Every] {
                shapes.push(Shape { span, page, form, fuzzy: false, pick: Pick::Nothing });
            }
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
}

const ONE: Words = Words { spans: "", scope: "$1", rank: "", made_rank: "", by_rank: "", term: "", term_scope: "$1" };
const MANY: Words = Words {
    spans: "unnest($1::int8[]) with ordinality as s (scope_id, rank)\n    cross join ",
    scope: "s.scope_id",
    rank: ", rank",
    made_rank: ", s.rank",
    by_rank: "rank, ",
    term: ", s.scope_id, s.rank",
    term_scope: "t.scope_id",
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
        Form::Single => write_plain(&mut sql, &mut numbers, &words, "b.bits & b.bits", Grouped::No),
        Form::Any => write_plain(&mut sql, &mut numbers, &words, "bit_or(b.bits)", Grouped::Yes),
        Form::Every => write_plain(&mut sql, &mut numbers, &words, "bit_and(b.bits)", Grouped::AllPresent),
        Form::Mixed => write_mixed(&mut sql, &mut numbers, &words, shape),
    };
    let _ = if shape.page { write_page(&mut sql, &mut numbers, &words) } else { write_count(&mut sql) };
    sql
}

#[derive(Clone, Copy, PartialEq)]
enum Grouped {
    No,
    Yes,
    AllPresent,
}

/// CTE `hit`: blocks with a bit set, and how many. The bits are computed, never a bare column:
/// Postgres counts bits of a column that lies unaligned on its page byte by byte.
fn write_plain(
    sql: &mut String,
    numbers: &mut Numbers,
    words: &Words,
    bits: &str,
    grouped: Grouped,
) -> std::fmt::Result {
    let Words { spans, scope, made_rank, .. } = words;
    let (kinds, keys, values) = (numbers.next(), numbers.next(), numbers.next());
    write!(
        sql,
        "hit as materialized (
  select b.block, {bits} as bits, bit_count({bits}) as n{made_rank}
    from {spans}unnest({kinds}::int2[], {keys}::text[], {values}::text[]) as t (kind, key, value)
    cross join lateral (
      select l.label_id from tagd.label l
       where l.scope_id = {scope} and l.key = t.key and l.kind = t.kind and l.value = t.value offset 0) l
    cross join lateral (
      select b.block, b.bits from tagd.bitmap b
       where b.scope_id = {scope} and b.label_id = l.label_id offset 0) b"
    )?;
    if grouped != Grouped::No {
        write!(sql, "\n   group by b.block{made_rank}")?;
    }
    if grouped == Grouped::AllPresent {
        let groups = numbers.next();
        write!(sql, "\n  having count(*) = {groups}::int8")?;
    }
    sql.push(')');
    Ok(())
}

/// CTEs `term` (labels by group), `part` (bits by block and group), `side` (groups of one sign put together), `hit`.
fn write_mixed(sql: &mut String, numbers: &mut Numbers, words: &Words, shape: Shape) -> std::fmt::Result {
    let Words { spans, scope, rank, made_rank, term, term_scope, .. } = words;
    let (groups, kinds, keys, values) = (numbers.next(), numbers.next(), numbers.next(), numbers.next());
    write!(
        sql,
        "term as materialized (
  select t.grp, l.label_id{term}
    from {spans}unnest({groups}::int4[], {kinds}::int2[], {keys}::text[], {values}::text[]) as t (grp, kind, key, value)
    cross join lateral (
      select l.label_id from tagd.label l
       where l.scope_id = {scope} and l.key = t.key and l.kind = t.kind and l.value = t.value offset 0) l"
    )?;
    if shape.fuzzy {
        let (groups, keys, patterns) = (numbers.next(), numbers.next(), numbers.next());
        write!(
            sql,
            "
   union all
  select t.grp, l.label_id{term}
    from {spans}unnest({groups}::int4[], {keys}::text[], {patterns}::text[]) as t (grp, key, pattern)
    cross join lateral (
      select l.label_id from tagd.label l
       where l.scope_id = {scope} and l.kind = 3 and l.key = t.key and l.value like t.pattern offset 0) l"
        )?;
    }
    let part_rank = if rank.is_empty() { "" } else { ", t.rank" };
    write!(
        sql,
        "),
part as (
  select b.block, t.grp, bit_or(b.bits) as bits{part_rank}
    from term t
    cross join lateral (
      select b.block, b.bits from tagd.bitmap b
       where b.scope_id = {term_scope} and b.label_id = t.label_id offset 0) b
   group by b.block, t.grp{part_rank}"
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
side as materialized (
  select block{rank}, bit_and(bits) filter (where grp > 0) as yes, bit_or(bits) filter (where grp = 0) as nor,
         bit_and(bits) filter (where grp < 0) as nand, count(*) filter (where grp < 0) as nands
    from part
   group by block{rank}
  having count(*) filter (where grp > 0) = {positive}::int8),
hit as materialized (
  select block{rank}, bits, bit_count(bits & bits) as n
    from (select block{rank}, case when nor is null then yes else yes & ~nor end as bits
            from (select block{rank}, nor, case when nands = {negative}::int8 and nands > 0 then yes & ~nand else yes end as yes
                    from side) less_nand) less_nor)"
    )
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

fn write_count(sql: &mut String) -> std::fmt::Result {
    write!(sql, "\nselect coalesce(sum(n), 0)::int8 as total\n  from hit")
}

/// From blocks to the page, in ever smaller pieces: blocks of 16,384 slots, strips of 1,024, words of 32, slots;
/// at every step only the pieces that overlap the page are opened. Pieces run from the newest to the oldest,
/// `upto` counts the hits to the end of a piece, `before` those in front of it.
fn write_page(sql: &mut String, numbers: &mut Numbers, words: &Words) -> std::fmt::Result {
    let Words { rank, by_rank, .. } = words;
    let (offset, limit) = (numbers.next(), numbers.next());
    let (spans, scope, answer_rank, page_order) = match *rank {
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
        ",
run as materialized (
  select block{rank}, bits, n, (sum(n) over (order by {by_rank}block desc))::int8 as upto
    from hit
   where n > 0),
total as (
  select coalesce(sum(n), 0)::int8 as total
    from hit),
chosen as materialized (
  select block{rank}, bits, upto - n as before
    from run
   where upto > {offset}::int8 and upto - n < {offset}::int8 + {limit}::int8),
strip as materialized (
  select base{rank}, bits, n, (select min(before) from chosen) + (sum(n) over (order by {by_rank}base desc))::int8 as upto
    from (select c.block * 16384 + i * 1024 as base{rank}, substring(c.bits from i * 1024 + 1 for 1024) as bits,
                 bit_count(substring(c.bits from i * 1024 + 1 for 1024)) as n
            from chosen c, generate_series(0, 15) as i
          offset 0) cut),
kept as materialized (
  select base{rank}, bits, upto - n as before
    from strip
   where upto > {offset}::int8 and upto - n < {offset}::int8 + {limit}::int8 and n > 0),
word as materialized (
  select base{rank}, bits
    from (select k.base + i * 32 as base{rank}, substring(k.bits from i * 32 + 1 for 32)::bit(32)::int4 as bits
            from kept k, generate_series(0, 31) as i
          offset 0) cut
   where bits <> 0),
page as (
  select base + i as slot{rank}
    from word, generate_series(0, 31) as i
   where (bits >> (31 - i)) & 1 = 1
   order by {by_rank}slot desc
  offset {offset}::int8 - (select coalesce(min(before), {offset}::int8) from kept)
   limit {limit}::int8)
select total.total, {answer_rank}, r.resource_id, r.resource_name, r.detail::text as detail, r.tags
  from total
  left join (page{spans}
    cross join lateral (
      select r.resource_id, r.resource_name, r.detail, r.tags from tagd.resource r
       where r.scope_id = {scope} and r.slot = page.slot offset 0) r) on true
 order by {page_order}"
    )
}
