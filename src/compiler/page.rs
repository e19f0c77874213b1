//! The end of every statement: the total, the slots of the page, and its resources.

use super::{
    fragments::{ScopeSql, resources_by_slot},
    label::BLOCK_BITS,
    shape::ScopeCount,
};

/// Placeholders of a page.
pub(super) struct PageSql {
    pub(super) offset: String,
    pub(super) limit: String,
}

impl From<[String; 2]> for PageSql {
    fn from([offset, limit]: [String; 2]) -> Self {
        Self { offset, limit }
    }
}

/// The end of a count.
pub(super) const COUNT: &str = "
-- The total.
select coalesce(sum(match_count), 0)::int8 as total
  from block_match";

/// The total in a statement that has the CTE [`block_offsets`].
pub(super) const TOTAL: &str = "coalesce((select max(end_offset) from block_offsets), 0)";

/// CTE `block_offsets` over `block_match`; `carried` are further columns that it passes on.
pub(super) fn block_offsets(scopes: &ScopeSql, carried: &str) -> String {
    let ScopeSql { rank, rank_first, .. } = scopes;
    format!(
        "
block_offsets as materialized (
  -- The blocks from the newest on. A running total of matches tells which of them the page overlaps.
  select block{rank}{carried}, match_count,
         sum(match_count) over (order by {rank_first}block desc rows unbounded preceding) as end_offset
    from block_match
   where match_count > 0),"
    )
}

/// Query: the slots of the page, from the blocks of `block_offsets` that it overlaps; no other block is expanded.
///
/// `body` returns the columns `low`, `high` and `bits` for the block `b`. `part.skip` is the number of its matches that
/// come before the page, `part.take` the number that the page still needs.
pub(super) fn expand_blocks(scopes: &ScopeSql, PageSql { offset, limit }: &PageSql, body: &str) -> String {
    let rank = scopes.rank;
    format!(
        "select b.block * {BLOCK_BITS} + p.low as low, b.block * {BLOCK_BITS} + p.high as high, p.bits{rank}
    from block_offsets b
    cross join lateral (
      select greatest({offset} - b.end_offset + b.match_count, 0) as skip,
             {limit} + least({offset} - b.end_offset + b.match_count, 0) as take offset 0) part
    cross join lateral (
      {body}) p
   where b.end_offset > {offset} and b.end_offset - b.match_count < {offset} + {limit}"
    )
}

/// Query: the slots of the page in the block `b`. If these are many and close together, the result is one range of
/// slots with the bits of the block; otherwise each slot is a range of its own.
///
/// `source` has the bits of the block, `part` the columns `skip` and `take`.
pub(super) fn slots_of_bits(source: &str, part: &str) -> String {
    format!(
        "select n.low, n.high, n.bits
        from (select x.bits, case when least({part}.take, b.match_count - {part}.skip) >= 64
                                  then tagd.dense_range(x.bits, {part}.skip, {part}.take) end as ends
                from {source} x offset 0) x
        cross join lateral (
          select x.ends[1] as low, x.ends[2] as high, substring(x.bits from 1) as bits
           where x.ends is not null
          union all
          select n.position, n.position, null
            from unnest(case when x.ends is null then tagd.last_set_bits(x.bits, {part}.skip, {part}.take) end) as n (position)) n"
    )
}

/// Query: the slots of the page in the block `b`, if its matches are an array of positions.
pub(super) fn slots_of_positions(positions: &str, condition: &str) -> String {
    format!(
        "(select n.position as low, n.position as high, null::bit as bits
         from unnest({positions}) as n (position){condition}
        order by n.position desc
       offset part.skip
        limit part.take)"
    )
}

/// The end of a page, with its resources in order.
pub(super) fn resources(scopes: ScopeCount, total: &str) -> String {
    match scopes {
        ScopeCount::One => format!("{}\n order by r.slot desc", resources_of_scope(total, "")),
        ScopeCount::Many => format!(
            "
-- The resources of the page, each beside the total; the total alone if the page is empty.
-- The caller knows the scopes, but a project may have been renamed since.
select ({total})::int8 as total, page.rank, r.resource_id, r.resource_name, r.detail::text as detail, r.tags,
       (select p.project_name from tagd.scope o join tagd.project p on p.project_id = o.project_id
         where o.scope_id = s.scope_id) as project_name
  from (select 1 offset 0) always
  left join (page
    join unnest($1::int8[]) with ordinality as s (scope_id, rank) on s.rank = page.rank
    cross join {resources}) on true
 order by page.rank, r.slot desc",
            resources = resources_by_slot("s.scope_id"),
        ),
    }
}

/// The end of a page in one scope, without an order; `columns` are added to its columns.
pub(super) fn resources_of_scope(total: &str, columns: &str) -> String {
    format!(
        "
-- The resources of the page, each beside the total; the total alone if the page is empty.
select ({total})::int8 as total, 1::int8 as rank, r.resource_id, r.resource_name, r.detail::text as detail, r.tags{columns}
  from (select 1 offset 0) always
  left join (page
    cross join {resources}) on true",
        resources = resources_by_slot("$1"),
    )
}
