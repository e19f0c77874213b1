create or replace function tagd.wanted_grams(p_scope_id bigint, p_text text)
returns bigint[]
language plpgsql immutable parallel safe
as $$
declare
  v_scope  constant bigint := p_scope_id << 32;
  v_length constant integer := length(p_text);
  v_at     integer := 0;
  v_next   integer := 1;
  v_word   text;
  v_grams  bigint[] := '{}';
begin
  if p_text collate "C" !~ '[^a-z0-9]' then
    for v_from in 1 .. v_length - 2 loop
      v_grams := v_grams || (v_scope | (hashtext(substr(p_text, v_from, 3))::bigint & 4294967295));
    end loop;
    return v_grams;
  end if;
  -- for each separator, the grams that contain it; those of three characters only from v_next on, since longer grams cover the
  -- text before that
  foreach v_word in array string_to_array(regexp_replace(p_text collate "C", '[^a-z0-9]', ' ', 'g'), ' ') loop
    v_at := v_at + length(v_word) + 1;
    exit when v_at > v_length;
    if v_at between 3 and v_length - 2 then
      v_grams := v_grams || (v_scope | (hashtext(substr(p_text, v_at - 2, 5))::bigint & 4294967295));
    else
      for v_from in greatest(v_at - 2, v_next) .. case when v_at <= v_length - 3 then v_at - 1 else least(v_at, v_length - 2) end loop
        v_grams := v_grams || (v_scope | (hashtext(substr(p_text, v_from, 3))::bigint & 4294967295));
      end loop;
    end if;
    v_next := v_at + 1;
    if v_at <= v_length - 3 then
      v_grams := v_grams || (v_scope | (hashtext(substr(p_text, v_at, 4))::bigint & 4294967295));
      v_next := v_at + 2;
    end if;
  end loop;
  return v_grams;
end
$$;
comment on function tagd.wanted_grams(bigint, text) is 'The grams by which name_gram_idx finds the names that contain a folded text of at least three characters. If the text spans words: only grams with a separator, since the others may lie in a word that is a label, and of those the longest. If it lies within a word: all grams of three characters; the labels of kind 4 must be searched as well.';
revoke execute on function tagd.wanted_grams(bigint, text) from public;
grant execute on function tagd.wanted_grams(bigint, text) to tagd_service;
