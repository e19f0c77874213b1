create or replace function tagd.labels_of(p_tags text[], p_words text[])
returns table (key text, kind smallint, value text)
language sql immutable parallel safe
as $$
  select '', 0::smallint, ''
   union all
  select '', 1::smallint, '' where tagd.count_user_tags(p_tags) = 0
   union all
  select p.key, k.kind, case k.kind when 3 then p.value else '' end
    from tagd.pairs_of(p_tags) p, (values (2::smallint), (3::smallint)) as k (kind)
   union all
  select '', 4::smallint, w.word from unnest(p_words) as w (word)
$$;
comment on function tagd.labels_of(text[], text[]) is 'The labels of a resource that has these tags, given as {key, value, key, value, ...}, and in its name these words that are labels.';
revoke execute on function tagd.labels_of(text[], text[]) from public;
