create or replace function tagd.verify_scope(p_scope_id bigint)
returns table (kind smallint, key text, value text, block integer, missing bigint, surplus bigint)
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
  -- kind -1: resources whose tag array differs from their rows in tagd.tag
  return query
  select (-1)::smallint, ''::text, ''::text, r.slot / 16384, count(*), 0::bigint
    from tagd.resource r
   where r.scope_id = p_scope_id
     and r.tags is distinct from (select coalesce(array_agg(x.part order by t.key, x.i), '{}')
                                    from tagd.tag t, lateral (values (1, t.key), (2, t.value)) x (i, part)
                                   where t.scope_id = p_scope_id and t.slot = r.slot)
   group by r.slot / 16384;
  -- kind -2: tags of resources that do not exist
  return query
  select (-2)::smallint, ''::text, ''::text, t.slot / 16384, 0::bigint, count(*)
    from tagd.tag t
   where t.scope_id = p_scope_id
     and not exists (select from tagd.resource r where r.scope_id = p_scope_id and r.slot = t.slot)
   group by t.slot / 16384;
  return query
  select coalesce(truth.kind, idx.kind), coalesce(truth.key, idx.key), coalesce(truth.value, idx.value), coalesce(truth.block, idx.block),
         bit_count(coalesce(truth.bits & ~idx.bits, truth.bits, repeat('0', 16384)::bit(16384))),
         bit_count(coalesce(idx.bits & ~truth.bits, idx.bits, repeat('0', 16384)::bit(16384)))
    from (select t.kind, t.key, t.value, t.slot / 16384 as block, tagd.bits_of(t.slot % 16384, 1) as bits
            from tagd.label_truth t
           where t.scope_id = p_scope_id
           group by t.kind, t.key, t.value, t.slot / 16384) truth
    full join (select l.kind, l.key, l.value, c.block, c.bits
                 from tagd.label l
                 join tagd.chunk c on c.scope_id = p_scope_id and c.label_id = l.label_id
                where l.scope_id = p_scope_id and l.slots is null
               union all
               select l.kind, l.key, l.value, e.slot / 16384, tagd.bits_of(e.slot % 16384, 1)
                 from tagd.label l, unnest(l.slots) as e (slot)
                where l.scope_id = p_scope_id
                group by l.kind, l.key, l.value, e.slot / 16384) idx
      on idx.kind = truth.kind and idx.key = truth.key and idx.value = truth.value and idx.block = truth.block
   where truth.bits is distinct from idx.bits;
  -- kind -3: chunks whose hits differ from their bits. Kind -4: chunks of a label that is not dense, and sparse labels whose slots
  -- are out of order or too many
  return query
  select (-3)::smallint, l.key, l.value, c.block, greatest(bit_count(c.bits & c.bits) - c.hits, 0), greatest(c.hits - bit_count(c.bits & c.bits), 0)
    from tagd.chunk c
    join tagd.label l on l.scope_id = p_scope_id and l.label_id = c.label_id
   where c.scope_id = p_scope_id and c.hits <> bit_count(c.bits & c.bits);
  return query
  select (-4)::smallint, coalesce(l.key, ''), coalesce(l.value, ''), c.block, 0::bigint, c.hits::bigint
    from tagd.chunk c
    left join tagd.label l on l.scope_id = p_scope_id and l.label_id = c.label_id
   where c.scope_id = p_scope_id and (l.label_id is null or l.slots is not null);
  return query
  select (-4)::smallint, l.key, l.value, 0, 0::bigint, cardinality(l.slots)::bigint
    from tagd.label l
   where l.scope_id = p_scope_id
     and (l.slots <> array(select distinct e.slot from unnest(l.slots) as e (slot) order by e.slot)
          or cardinality(l.slots) > tagd.sparse_limit());
  -- kind -5: names that list as a label what is not a word of theirs, or a word twice; whether the label has their slot is
  -- checked above
  return query
  select (-5)::smallint, ''::text, ''::text, n.slot / 16384, 0::bigint, count(*)
    from tagd.name n
   where n.scope_id = p_scope_id and n.words <> '{}'
     and cardinality(n.words) <> (select count(*) from tagd.words_of(n.folded) w where w.word = any (n.words))
   group by n.slot / 16384;
  return query
  select g.kind, g.key, g.value, g.block, g.missing, g.surplus from tagd.verify_grams(p_scope_id) g;
end
$$;
comment on function tagd.verify_scope(bigint) is 'The differences between the index of a scope and its resources, tags and names: bits that are missing in the index and bits that it has in surplus, by label and block. Kinds below 0 are other inconsistencies: -1 tag arrays, -2 tags without a resource, -3 and -4 chunks and slots, -5 words of names, -6 and -7 gram indexes. No rows if everything agrees.';
revoke execute on function tagd.verify_scope(bigint) from public;
grant execute on function tagd.verify_scope(bigint) to tagd_service;
