create or replace function tagd.rename_resource(p_scope_id bigint, p_slot integer, p_folded text, out old_words text[], out new_words text[])
language plpgsql
as $$
begin
  select n.words into old_words from tagd.name n
   where n.scope_id = p_scope_id and n.slot = p_slot and n.folded <> p_folded;
  if not found then
    old_words := '{}';
    new_words := '{}';
    return;
  end if;
  new_words := tagd.labelled_words(p_scope_id, p_folded);
  update tagd.name n set folded = p_folded, words = new_words
   where n.scope_id = p_scope_id and n.slot = p_slot;
end
$$;
comment on function tagd.rename_resource(bigint, integer, text) is 'Stores the folded name of a locked resource if it has changed. Returns the words of the old and of the new name that are labels, for change_tags.';
revoke execute on function tagd.rename_resource(bigint, integer, text) from public;
