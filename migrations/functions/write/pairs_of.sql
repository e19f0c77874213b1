create or replace function tagd.pairs_of(p_tags text[])
returns table (key text, value text)
language sql immutable parallel safe
as $$
  select p_tags[i], p_tags[i + 1]
    from generate_series(1, cardinality(p_tags), 2) i
$$;
comment on function tagd.pairs_of(text[]) is 'The keys and values of an array {key, value, key, value, ...} as rows.';
revoke execute on function tagd.pairs_of(text[]) from public;
grant execute on function tagd.pairs_of(text[]) to tagd_service;
