-- A text that spans words is found by longer grams (docs/adr/0014): of five characters with a separator in the middle, and
-- of four that begin with one. The three characters around a separator are most often the end of a word that many
-- names have, and a search read all of their posting lists to leave out nearly everything again.
--
-- The functions keep their names and arguments, and the index takes the place of the one before (V0014): a replica of the
-- version before, which calls them too, finds what it did, and as fast.

create or replace function tagd.grams(p_scope_id bigint, p_folded text, p_words text[])
returns bigint[]
language plpgsql immutable parallel safe
-- dear in the planner's eyes: no plan that would call it for many rows is taken, whatever the statistics say
cost 10000
as $$
declare
  v_scope  constant bigint := p_scope_id << 32;
  v_length constant integer := length(p_folded);
  v_start  integer := 1;
  v_behind integer;
  v_word   text;
  v_grams  bigint[] := '{}';
begin
  -- piece by piece, each a word with the separator behind it: every gram of three starts in one of them
  foreach v_word in array string_to_array(regexp_replace(p_folded collate "C", '[^a-z0-9]', ' ', 'g'), ' ') loop
    v_behind := v_start + length(v_word);
    for v_at in v_start + case when v_word = any (p_words) then greatest(length(v_word) - 2, 0) else 0 end
             .. least(v_behind, v_length - 2) loop
      v_grams := v_grams || (v_scope | (hashtext(substr(p_folded, v_at, 3))::bigint & 4294967295));
    end loop;
    -- the longer ones of the separator, as far as there are characters for them
    if v_behind between 3 and v_length - 2 then
      v_grams := v_grams || (v_scope | (hashtext(substr(p_folded, v_behind - 2, 5))::bigint & 4294967295));
    end if;
    if v_behind <= v_length - 3 then
      v_grams := v_grams || (v_scope | (hashtext(substr(p_folded, v_behind, 4))::bigint & 4294967295));
    end if;
    v_start := v_behind + 1;
  end loop;
  return v_grams;
end
$$;
comment on function tagd.grams(bigint, text, text[]) is 'What a folded name is found by in name_gram_idx, each as its hash below the scope: every three characters that follow one another, those within words that are labels aside; every five with a separator in the middle; every four that begin with a separator. Two grams may share a hash: whoever finds a name compares it.';

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

-- Holds up writers of tagd.name while it is made: for a million names half a minute.
create index name_gram_new_idx on tagd.name using gin (tagd.grams(scope_id, folded, words));
alter index tagd.name_gram_new_idx alter column 1 set statistics 0;
comment on index tagd.name_gram_new_idx is 'Names by runs of characters and scope: tagd.grams.';
