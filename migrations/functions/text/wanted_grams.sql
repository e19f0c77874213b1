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
  -- separator by separator; of its three characters only those from v_next on, which no longer gram has
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
comment on function tagd.wanted_grams(bigint, text) is 'Grams by which name_gram_idx finds the names that have a folded text of at least three characters: of a text that spans words those alone that have a separator, since the others may lie in a label, and the longest of them; of a text within a word all, and the labels of kind 4 have to be looked through besides.';
revoke execute on function tagd.wanted_grams(bigint, text) from public;
grant execute on function tagd.wanted_grams(bigint, text) to tagd_service;
