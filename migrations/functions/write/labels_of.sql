create or replace function tagd.labels_of(p_tags text[])
returns table (kind smallint, key text, value text)
language sql immutable parallel safe
as $$
  select 0::smallint, '', ''
   where p_tags is not null
  union all
  select 1::smallint, '', ''
   where p_tags is not null
     and not exists (select from generate_series(1, cardinality(p_tags), 2) i where not starts_with(p_tags[i], '_sys_'))
  union all
  select k.kind, p_tags[i], case k.kind when 3 then p_tags[i + 1] else '' end
    from generate_series(1, cardinality(p_tags), 2) i, (values (2::smallint), (3::smallint)) k (kind)
$$;
comment on function tagd.labels_of(text[]) is 'Every label that a resource with these tags bears; none for null, a resource that is not there.';
revoke execute on function tagd.labels_of(text[]) from public;
grant execute on function tagd.labels_of(text[]) to tagd_service;
