//! The end of every statement: the total, and the resources of the page.

use std::fmt::Write;

use super::statement::Words;

pub(super) fn write_count(sql: &mut String) -> std::fmt::Result {
    write!(sql, "\nselect coalesce(sum(hits), 0)::int8 as total\n  from hit")
}

/// What the blocks of `run` that the page overlaps have of it; no other is opened. `body` says it of the block `r`, as
/// columns `low`, `high` and `bits`, and finds in `w` how many of its hits are to be skipped and how many the page lacks.
pub(super) fn from_runs(rank: &str, offset: &str, limit: &str, body: &str) -> String {
    format!(
        "  select r.block * 16384 + p.low as low, r.block * 16384 + p.high as high, p.bits{rank}
    from run r
    cross join lateral (
      select greatest({offset}::int8 - r.upto + r.hits, 0) as skip, {limit}::int8 + least({offset}::int8 - r.upto + r.hits, 0) as want offset 0) w
    cross join lateral ({body}) p
   where r.upto > {offset}::int8 and r.upto - r.hits < {offset}::int8 + {limit}::int8"
    )
}

/// What the block `r` has of a page, as columns `low`, `high` and `bits`: a stretch of it whose bits are to be looked at, if
/// many resources are wanted that lie close together, else each resource as a stretch of its own. `source` has the bits,
/// `part` what is to be skipped and wanted of them.
pub(super) fn pieces(source: &str, part: &str) -> String {
    format!(
        "
      select n.low, n.high, n.bits
        from (select b.bits, case when least({part}.want, r.hits - {part}.skip) >= 64 then tagd.dense_range(b.bits, {part}.skip, {part}.want) end as ends
                from {source} b offset 0) b
        cross join lateral (
          select b.ends[1] as low, b.ends[2] as high, substring(b.bits from 1) as bits
           where b.ends is not null
          union all
          select n.position, n.position, null
            from unnest(case when b.ends is null then tagd.last_set_bits(b.bits, {part}.skip, {part}.want) end) as n (position)) n"
    )
}

/// The resources of the page, each beside the total; the total alone where the page is empty.
pub(super) fn write_answer(sql: &mut String, words: &Words, total: &str) -> std::fmt::Result {
    let (spans, scope, rank, project, order) = match words.rank {
        "" => ("", "$1", "1::int8 as rank", "", "r.slot desc"),
        _ => (
            "\n          join unnest($1::int8[]) with ordinality as s (scope_id, rank) on s.rank = page.rank",
            "s.scope_id",
            "page.rank",
            // numbers of scopes are remembered, but a project may have got another name
            ",
       (select p.project_name from tagd.scope o join tagd.project p on p.project_id = o.project_id
         where o.scope_id = s.scope_id) as project_name",
            "page.rank, r.slot desc",
        ),
    };
    let slot = words.slot;
    write!(
        sql,
        "
select (coalesce({total}, 0))::int8 as total, {rank}, r.resource_id, r.resource_name, r.detail::text as detail, r.tags{project}{slot}
  from (select 1 offset 0) always
  left join (page{spans}
    cross join lateral (
      select r.slot, r.resource_id, r.resource_name, r.detail, r.tags from tagd.resource r
       where r.scope_id = {scope} and r.slot between page.low and page.high
         and (page.bits is null or get_bit(page.bits, r.slot % 16384) = 1)
       order by r.slot desc offset 0) r) on true"
    )?;
    if slot.is_empty() {
        write!(sql, "\n order by {order}")?;
    }
    Ok(())
}
