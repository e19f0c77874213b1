create or replace function tagd.words_of(p_folded text)
returns table (word text)
language sql immutable parallel safe
as $$
  -- the maximum length keeps a word within the size of an index key
  select distinct w.word
    from unnest(string_to_array(regexp_replace(p_folded collate "C", '[^a-z0-9]+', ' ', 'g'), ' ')) as w (word)
   where length(w.word) between 3 and 64
$$;
comment on function tagd.words_of(text) is 'The distinct words of a folded name that can be labels.';
revoke execute on function tagd.words_of(text) from public;
grant execute on function tagd.words_of(text) to tagd_service;
