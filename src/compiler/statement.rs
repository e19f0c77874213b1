//! The texts of the statements, one for each shape, put together from fixed pieces.
//!
//! Every table stands in a lateral subquery of its own, behind an `offset 0` that the planner does not look
//! through: so it is reached row by row, in the order of the text and by the index of its scope, whatever the
//! statistics say. Left to choose, the planner reads all labels or bitmaps of a scope where it knows nothing
//! yet, as after an import, and keeps to that plan until statistics are made.

use std::{collections::HashMap, fmt::Write, sync::LazyLock};

use super::{
    names::{Picked, labels_of_words, write_names, write_pick},
    page::{from_runs, pieces, write_answer, write_count},
    sums::{write_single, write_singles, write_sum},
    values::{labels_of_values, write_values},
};

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
    /// Several queries of one label each, in one scope, that are asked at the same time: each has its own answer.
    Singles,
    /// Labels of which no two share a resource, less labels that lie within them: their counts are added up, and
    /// bits are read for the page alone.
    Sum,
    /// Values of one key that have a text, in one scope, and nothing else.
    Values,
    /// At least one of several labels.
    Any,
    /// All of several labels.
    Every,
    /// Nothing but a text in the name, looked for by the indexes of names.
    Names,
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
    /// The name, by a text that lies within a word: by words that are labels, and by the index of grams.
    NameInWords,
    /// The name, by a text that spans words: by the index of grams.
    NameAcross,
    /// The name, by reading all names of the scope: a pattern too short for the index.
    NameByScan,
    /// There is no name.
    NoName,
}

impl Pick {
    const ALL: [Self; 7] =
        [Self::Nothing, Self::Id, Self::IdAndName, Self::NameInWords, Self::NameAcross, Self::NameByScan, Self::NoName];
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
    /// Whether values are searched; only with [`Form::Sum`] and [`Form::Mixed`], and always with [`Form::Values`].
    pub fuzzy: bool,
    /// Condition on columns of the resource; only with [`Form::Names`] and [`Form::Mixed`].
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
            if span == Span::One {
                shapes.push(Shape { span, page, form: Form::Singles, fuzzy: false, pick: Pick::Nothing });
                shapes.push(Shape { span, page, form: Form::Values, fuzzy: true, pick: Pick::Nothing });
            }
            for pick in [Pick::NameInWords, Pick::NameAcross] {
                shapes.push(Shape { span, page, form: Form::Names, fuzzy: false, pick });
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

/// The text of a shape; `None` if it is not listed, as its text could leave out a condition that the shape has no place for.
pub fn text(shape: Shape) -> Option<&'static str> {
    static TEXTS: LazyLock<HashMap<Shape, String>> =
        LazyLock::new(|| shapes().into_iter().map(|shape| (shape, write(shape))).collect());
    TEXTS.get(&shape).map(String::as_str)
}

/// Numbers the parameters in the order in which `Groups::push_arguments` pushes their values.
pub(super) struct Numbers {
    last: usize,
    /// Columns that stand in place of the parameters.
    columns: std::slice::Iter<'static, &'static str>,
}

impl Numbers {
    /// Behind `$1`, the scopes.
    pub(super) fn new(columns: &'static [&'static str]) -> Self {
        Self { last: 1, columns: columns.iter() }
    }

    pub(super) fn next(&mut self) -> String {
        if let Some(column) = self.columns.next() {
            return format!("q.{column}");
        }
        self.last += 1;
        format!("${}", self.last)
    }
}

/// The parts that differ between one scope and many: with many, the rank of the scope goes along everywhere.
pub(super) struct Words {
    /// Table of the scopes, first in a list of sources.
    pub(super) spans: &'static str,
    /// The scope of a table's row, to compare with.
    pub(super) scope: &'static str,
    /// Rank as an output column behind another.
    pub(super) rank: &'static str,
    /// Rank as it is made.
    pub(super) made_rank: &'static str,
    /// Rank before the other columns of an order.
    pub(super) by_rank: &'static str,
    /// Scope and rank carried on by the labels.
    pub(super) term: &'static str,
    /// The scope as the labels carried it on.
    pub(super) term_scope: &'static str,
    /// Rank as the labels carried it on.
    pub(super) term_rank: &'static str,
    /// Labels of the rank of a run.
    pub(super) same_rank: &'static str,
    /// The slot behind the columns of an answer that is put in order further out.
    pub(super) slot: &'static str,
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
    slot: "",
};
/// One scope, several queries.
pub(super) const SEVERAL: Words = Words { slot: ", r.slot", ..ONE };
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
    slot: "",
};

fn write(shape: Shape) -> String {
    let words = match shape.span {
        Span::One => ONE,
        Span::Many => MANY,
    };
    let mut numbers = Numbers::new(&[]);
    let mut sql = String::from(if shape.form == Form::Singles { "" } else { "with " });
    // writing to a String cannot fail
    let _ = match shape.form {
        Form::Single => write_single(&mut sql, &mut numbers, &words, shape),
        Form::Singles => write_singles(&mut sql, shape),
        Form::Sum => write_sum(&mut sql, &mut numbers, &words, shape),
        Form::Values => write_values(&mut sql, &mut numbers, &words, shape),
        Form::Any => write_plain(&mut sql, &mut numbers, &words, "bit_or", shape),
        Form::Every => write_plain(&mut sql, &mut numbers, &words, "bit_and", shape),
        Form::Names => write_names(&mut sql, &mut numbers, &words, shape),
        Form::Mixed => write_mixed(&mut sql, &mut numbers, &words, shape),
    };
    sql
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
    let (carried, bits) =
        if shape.page { (", bits", format!(", {aggregate}(bits) as bits")) } else { ("", String::new()) };
    write!(
        sql,
        "term as materialized (
  select t.ord, l.label_id, l.slots{term}
    from {spans}unnest({kinds}::int2[], {keys}::text[], {values}::text[]) with ordinality as t (kind, key, value, ord)
    cross join lateral (
      select l.label_id, l.slots from tagd.label l
       where l.scope_id = {scope} and l.key = t.key and l.kind = t.kind and l.value = t.value offset 0) l),
hit as materialized (
  select block{rank}{bits}, bit_count({aggregate}(bits))::int4 as hits
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
    write_end(sql, numbers, words, shape, carried, "r.bits")
}

/// CTEs `term` (labels by group), `part` (bits by block and group), `hit`: what is asked for (`yes`), what is left out of
/// it (`no`) and how many that leaves. Each operation on the bits of a block takes Postgres as long as reading a chunk, so
/// they are few: a label that is alone in its group passes by the or of groups, one that is all that is asked for is
/// counted by its chunks, and `yes & ~no` is computed for the page alone. Behind `offset 0` an expression is computed
/// once, however often it is named above.
fn write_mixed(sql: &mut String, numbers: &mut Numbers, words: &Words, shape: Shape) -> std::fmt::Result {
    let Words { spans, scope, rank, made_rank, term, term_scope, term_rank, .. } = words;
    let (groups, alone) = (numbers.next(), numbers.next());
    let (kinds, keys, values) = (numbers.next(), numbers.next(), numbers.next());
    write!(
        sql,
        "term as materialized (
  select t.grp, t.alone, l.label_id, l.slots{term}
    from {spans}unnest({groups}::int4[], {alone}::int4[], {kinds}::int2[], {keys}::text[], {values}::text[])
      as t (grp, alone, kind, key, value)
    cross join lateral (
      select l.label_id, l.slots from tagd.label l
       where l.scope_id = {scope} and l.key = t.key and l.kind = t.kind and l.value = t.value offset 0) l"
    )?;
    if shape.fuzzy {
        let (groups, keys, texts) = (numbers.next(), numbers.next(), numbers.next());
        write!(
            sql,
            "
   union all
  select t.grp, 0, l.label_id, l.slots{term}
    from {spans}unnest({groups}::int4[], {keys}::text[], {texts}::text[]) as t (grp, key, text)
    cross join {labels}",
            labels = labels_of_values(scope, "t.key", "t.text", ""),
        )?;
    }
    let carried = if shape.page { ", yes, no" } else { "" };
    let picked = write_pick(shape.pick, numbers, words);
    let (positive, negative) = (numbers.next(), numbers.next());
    // the last of the groups above 0 is kept for the resources picked
    let (mut within, mut beside) = (String::new(), String::new());
    if let Some(Picked { text, query }) = picked {
        let made = format!(
            "{positive}::int8::int4, tagd.bits_of(r.slot % 16384, 1){made_rank}
    from {spans}lateral (
      {query} offset 0) r
   group by r.slot / 16384{made_rank}"
        );
        if shape.pick == Pick::NameInWords {
            // labels and picked resources are one group
            write!(
                sql,
                "
   union all
  select {positive}::int8::int4, 0, l.label_id, l.slots{term}
    from {spans}lateral (
      {labels} offset 0) l",
                labels = labels_of_words(scope, &text),
            )?;
            write!(within, "\n          union all\n  select r.slot / 16384, {made}")?;
        } else {
            write!(beside, "\n   union all\n  select r.slot / 16384, null::int4, {made}")?;
        }
    }
    write!(
        sql,
        "),
part as (
  select c.block, c.hits, t.grp, c.bits{term_rank}
    from term t
    cross join lateral (
      select c.block, c.hits, c.bits from tagd.chunk c
       where c.scope_id = {term_scope} and c.label_id = t.label_id offset 0) c
   where t.slots is null and t.alone = 1
   union all
  select block, null, grp, bit_or(bits){rank}
    from (select c.block, t.grp, c.bits{term_rank}
            from term t
            cross join lateral (
              select c.block, c.bits from tagd.chunk c
               where c.scope_id = {term_scope} and c.label_id = t.label_id offset 0) c
           where t.slots is null and t.alone = 0
          union all
          select e.slot / 16384, t.grp, tagd.bits_at(array_agg(e.slot % 16384)){term_rank}
            from term t
            cross join lateral unnest(t.slots) as e (slot)
           group by e.slot / 16384, t.grp{term_rank}{within}) labelled
   group by block, grp{rank}{beside}),
hit as materialized (
  select block{rank}{carried},
         (coalesce(counted, bit_count(yes)) - coalesce(bit_count(case when {positive}::int8 = 0 then no else yes & no end), 0))::int4 as hits
    from (select block{rank}, counted, yes, case when nands = {negative}::int8 and nands > 0 then coalesce(nor | nand, nand) else nor end as no
            from (select block{rank}, sum(hits) filter (where grp > 0 and {positive}::int8 in (0, 1)) as counted,
                         bit_and(bits) filter (where grp > 0) as yes, bit_or(bits) filter (where grp = 0) as nor,
                         bit_and(bits) filter (where grp < 0) as nand, count(*) filter (where grp < 0) as nands
                    from part
                   group by block{rank}
                  having count(*) filter (where grp > 0) >= {positive}::int8
                  offset 0) side
          offset 0) sides)"
    )?;
    write_end(sql, numbers, words, shape, carried, "case when r.no is null then r.yes else r.yes & ~r.no end")
}

/// What follows CTE `hit` where that carries columns from which the bits of a block on the page are made.
fn write_end(
    sql: &mut String,
    numbers: &mut Numbers,
    words: &Words,
    shape: Shape,
    carried: &str,
    bits: &str,
) -> std::fmt::Result {
    if !shape.page {
        return write_count(sql);
    }
    let (offset, limit) = (numbers.next(), numbers.next());
    let Words { rank, by_rank, .. } = words;
    write!(
        sql,
        ",
run as materialized (
  select block{rank}{carried}, hits, sum(hits) over (order by {by_rank}block desc rows unbounded preceding) as upto
    from hit
   where hits > 0),
page as (
{page})",
        page = from_runs(rank, &offset, &limit, &pieces(&format!("(select {bits} as bits)"), "w")),
    )?;
    write_answer(sql, words, "(select max(upto) from run)")
}
