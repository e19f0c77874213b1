with term as materialized (
  select t.grp, t.alone, l.label_id, l.slots, s.scope_id, s.rank
    from unnest($1::int8[]) with ordinality as s (scope_id, rank)
    cross join unnest($2::int4[], $3::int4[], $4::int2[], $5::text[], $6::text[])
      as t (grp, alone, kind, key, value)
    cross join lateral (
      select l.label_id, l.slots from tagd.label l
       where l.scope_id = s.scope_id and l.key = t.key and l.kind = t.kind and l.value = t.value offset 0) l
   union all
  select t.grp, 0, l.label_id, l.slots, s.scope_id, s.rank
    from unnest($1::int8[]) with ordinality as s (scope_id, rank)
    cross join unnest($7::int4[], $8::text[], $9::text[]) as t (grp, key, text)
    cross join lateral (
      select tagd.wanted_value_grams(s.scope_id, t.key, t.text) as grams offset 0) w
    cross join lateral (
      select l.label_id, l.slots from tagd.label l
       where l.scope_id = s.scope_id and l.kind + 0 = 3 and tagd.value_grams(l.scope_id, l.key, l.value) @> w.grams
         and tagd.value_grams(l.scope_id, l.key, l.value) @> w.grams
         and l.key is not distinct from t.key and strpos(l.value, t.text) > 0 offset 0) l),
part as (
  select c.block, c.hits, t.grp, c.bits, t.rank
    from term t
    cross join lateral (
      select c.block, c.hits, c.bits from tagd.chunk c
       where c.scope_id = t.scope_id and c.label_id = t.label_id offset 0) c
   where t.slots is null and t.alone = 1
   union all
  select block, null, grp, bit_or(bits), rank
    from (select c.block, t.grp, c.bits, t.rank
            from term t
            cross join lateral (
              select c.block, c.bits from tagd.chunk c
               where c.scope_id = t.scope_id and c.label_id = t.label_id offset 0) c
           where t.slots is null and t.alone = 0
          union all
          select e.slot / 16384, t.grp, tagd.bits_at(array_agg(e.slot % 16384)), t.rank
            from term t
            cross join lateral unnest(t.slots) as e (slot)
           group by e.slot / 16384, t.grp, t.rank) labelled
   group by block, grp, rank),
hit as materialized (
  select block, rank,
         (coalesce(counted, bit_count(yes)) - coalesce(bit_count(case when $10::int8 = 0 then no else yes & no end), 0))::int4 as hits
    from (select block, rank, counted, yes, case when nands = $11::int8 and nands > 0 then coalesce(nor | nand, nand) else nor end as no
            from (select block, rank, sum(hits) filter (where grp > 0 and $10::int8 in (0, 1)) as counted,
                         bit_and(bits) filter (where grp > 0) as yes, bit_or(bits) filter (where grp = 0) as nor,
                         bit_and(bits) filter (where grp < 0) as nand, count(*) filter (where grp < 0) as nands
                    from part
                   group by block, rank
                  having count(*) filter (where grp > 0) >= $10::int8
                  offset 0) side
          offset 0) sides)
select coalesce(sum(hits), 0)::int8 as total
  from hit
