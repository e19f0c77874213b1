-- Values are found by grams (docs/adr/0011): the index of values has runs of two and of three characters of a value,
-- each with its scope and key. So a posting list has the values of one key in one scope that have that gram, where
-- label_value_idx had to meet the lists of all values of the scope, of the key and of the trigram in every search.

create function tagd.value_grams(p_scope_id bigint, p_key text, p_value text)
returns bigint[]
language plpgsql immutable parallel safe
-- dear in the planner's eyes, as tagd.grams
cost 10000
as $$
declare
  v_below constant bigint := p_scope_id << 32;
  v_key   constant bigint := hashtext(p_key)::bigint & 4294967295;
  -- what a text of less than two characters is looked for by: every value of the key
  v_grams bigint[] := array[v_below | v_key];
begin
  for v_at in 1 .. length(p_value) - 1 loop
    v_grams := v_grams || (v_below | (v_key # (hashtext(substr(p_value, v_at, 2))::bigint & 4294967295)));
    v_grams := v_grams || (v_below | (v_key # (hashtext(substr(p_value, v_at, 3))::bigint & 4294967295)));
  end loop;
  return v_grams;
end
$$;
comment on function tagd.value_grams(bigint, text, text) is 'What a value of a key is found by in label_gram_idx: every two and every three characters that follow one another, and the key itself, each as its hash below the scope. Two grams may share a hash: whoever finds a label compares key and value.';

create function tagd.wanted_value_grams(p_scope_id bigint, p_key text, p_text text)
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
comment on function tagd.wanted_value_grams(bigint, text, text) is 'Grams by which label_gram_idx finds the values of a key that have a text: its runs of three characters; of a text of two itself, of a shorter one all values of the key.';

-- Holds up writers of new values while it is made: for a million resources with 25,000 values half a second. Every search
-- reads the list of what is not yet in its place, so the list is short. No statistics are made of it: nothing is planned by them.
create index label_gram_idx on tagd.label using gin (tagd.value_grams(scope_id, key, value)) with (gin_pending_list_limit = 64)
  -- an expression, so that no plan reads the values of a scope by another index that has the kind
  where kind + 0 = 3;
alter index tagd.label_gram_idx alter column 1 set statistics 0;
comment on index tagd.label_gram_idx is 'Values by two and three characters, key and scope: tagd.value_grams.';
-- tagd of the version before reads the values of the key instead, while it still runs
drop index tagd.label_value_idx;

revoke execute on function
  tagd.value_grams(bigint, text, text), tagd.wanted_value_grams(bigint, text, text)
from public;
grant execute on function
  tagd.value_grams(bigint, text, text), tagd.wanted_value_grams(bigint, text, text)
to tagd_service;
