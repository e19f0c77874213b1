create or replace function tagd.wanted_value_grams(p_scope_id bigint, p_key text, p_text text)
returns bigint[]
language plpgsql immutable parallel safe
as $$
declare
  v_below  constant bigint := p_scope_id << 32;
  v_key    constant bigint := hashtext(p_key)::bigint & 4294967295;
  v_length constant integer := least(length(p_text), 3);
  v_grams  bigint[] := '{}';
begin
  if v_length < 2 then
    return array[v_below | v_key];
  end if;
  for v_at in 1 .. length(p_text) - v_length + 1 loop
    v_grams := v_grams || (v_below | (v_key # (hashtext(substr(p_text, v_at, v_length))::bigint & 4294967295)));
  end loop;
  return v_grams;
end
$$;
comment on function tagd.wanted_value_grams(bigint, text, text) is 'The grams by which label_gram_idx finds the values of a key that contain a text: every three consecutive characters of the text; a text of two characters as it is; for a shorter text, the gram that all values of the key have.';
revoke execute on function tagd.wanted_value_grams(bigint, text, text) from public;
grant execute on function tagd.wanted_value_grams(bigint, text, text) to tagd_service;
