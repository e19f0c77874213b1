create or replace function tagd.labelled_words(p_scope_id bigint, p_folded text)
returns text[]
language plpgsql stable
as $$
begin
  return array(select w.word
                 from tagd.words_of(p_folded) w
                where exists (select from tagd.label l
                               where l.scope_id = p_scope_id and l.key = '' and l.kind = 4 and l.value = w.word)
                order by w.word collate "C");
end
$$;
comment on function tagd.labelled_words(bigint, text) is 'The words of a folded name that are already labels, sorted.';
revoke execute on function tagd.labelled_words(bigint, text) from public;
