create or replace function tagd.page_of_label(p_scopes bigint[], p_kind smallint, p_key text, p_value text, p_offset bigint, p_limit bigint)
returns table (total bigint, rank bigint, resource_id text, resource_name text, detail text, tags text[], project_name text)
language plpgsql stable strict parallel safe
as $$
#variable_conflict use_column
declare
  v_skip     bigint := p_offset;
  v_left     bigint := p_limit;
  v_total    bigint := 0;
  v_rank     bigint := 0;
  v_scope_id bigint;
  v_name     text;
  v_label_id bigint;
  v_slots    integer[];
  v_hits     integer[];
  v_blocks   integer[];
  v_count    bigint;
  v_page     bigint[];
  v_block    integer;
  v_want     bigint;
  v_bits     bit(16384);
  v_range    integer[];
begin
  foreach v_scope_id in array p_scopes loop
    v_rank := v_rank + 1;
    select l.label_id, l.slots
      into v_label_id, v_slots
      from tagd.label l
     where l.scope_id = v_scope_id and l.key = p_key and l.kind = p_kind and l.value = p_value;
    continue when v_label_id is null;
    if v_slots is not null then
      v_count := cardinality(v_slots);
    else
      select coalesce(sum(c.hits), 0), array_agg(c.hits), array_agg(c.block)
        into v_count, v_hits, v_blocks
        from (select c.hits, c.block
                from tagd.chunk c
               where c.scope_id = v_scope_id and c.label_id = v_label_id
               order by c.block desc offset 0) c;
    end if;
    v_total := v_total + v_count;
    if v_count <= v_skip then
      v_skip := v_skip - v_count;
      continue;
    end if;
    continue when v_left <= 0;

    -- the caller knows the scopes, but a project may have been renamed since
    v_name := (select p.project_name
                 from tagd.scope o
                 join tagd.project p on p.project_id = o.project_id
                where o.scope_id = v_scope_id);
    if v_slots is not null then
      v_slots := v_slots[greatest(v_count - v_skip - v_left + 1, 1)::integer : (v_count - v_skip)::integer];
      return query
        select 0::bigint, v_rank, r.resource_id, r.resource_name, r.detail::text, r.tags, v_name
          from tagd.resource r
         where r.scope_id = v_scope_id and r.slot = any (v_slots)
         order by r.slot desc;
    else
      v_page := tagd.page_blocks(v_hits, v_skip, v_left);
      for v_at in 1 .. cardinality(v_page) by 3 loop
        v_block := v_blocks[v_page[v_at]];
        v_want := least(v_page[v_at + 2], v_hits[v_page[v_at]] - v_page[v_at + 1]);
        v_bits := (select c.bits
                     from tagd.chunk c
                    where c.scope_id = v_scope_id and c.label_id = v_label_id and c.block = v_block);
        -- many that are close together are read as one range
        v_range := case when v_want >= 64 then tagd.dense_range(v_bits, v_page[v_at + 1], v_want) end;
        if v_range is not null then
          return query
            select 0::bigint, v_rank, r.resource_id, r.resource_name, r.detail::text, r.tags, v_name
              from tagd.resource r
             where r.scope_id = v_scope_id
               and r.slot between v_block * 16384 + v_range[1] and v_block * 16384 + v_range[2]
               and get_bit(v_bits, r.slot % 16384) = 1
             order by r.slot desc;
        else
          v_slots := array(select v_block * 16384 + n.position
                             from unnest(tagd.last_set_bits(v_bits, v_page[v_at + 1], v_want)) as n (position));
          return query
            select 0::bigint, v_rank, r.resource_id, r.resource_name, r.detail::text, r.tags, v_name
              from tagd.resource r
             where r.scope_id = v_scope_id and r.slot = any (v_slots)
             order by r.slot desc;
        end if;
      end loop;
    end if;
    v_left := v_left - (v_count - v_skip);
    v_skip := 0;
  end loop;
  return query select v_total, null::bigint, null::text, null::text, null::text, null::text[], null::text;
end
$$;
comment on function tagd.page_of_label(bigint[], smallint, text, text, bigint, bigint) is 'A page of the resources of several scopes that have a label: scope after scope, in each the newest first. The last row has the total and no resource. Small statements on one table each start faster than one over all scopes.';
revoke execute on function tagd.page_of_label(bigint[], smallint, text, text, bigint, bigint) from public;
grant execute on function tagd.page_of_label(bigint[], smallint, text, text, bigint, bigint) to tagd_service;
