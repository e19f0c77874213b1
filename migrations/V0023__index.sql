-- Baseline 3 of 4: the index. A label on few resources is sparse: its slots are in its own row, so that one look-up answers
-- it. A label on more is dense: bitmaps, a row for each block, with the number of bits that are set, so that counting reads
-- no bits (docs/adr/0008). A label becomes dense when it outgrows its row; a rebuild decides anew.

-- Found by name only (docs/adr/0012), so there is no primary key. Only functions write labels, and a check of kind would be a
-- tenth of what writing a label costs, so there is none: Postgres reads such a condition from its text at every write.
create table tagd.label (
  scope_id bigint not null,
  label_id bigint generated always as identity,
  kind     smallint not null,
  key      text collate "C" not null,
  value    text collate "C" not null,
  slots    integer[],
  constraint label_name_key unique (scope_id, key, kind, value)
) with (fillfactor = 90);
-- the key for replication of the table
alter table tagd.label replica identity using index label_name_key;
-- the keys of a scope, one entry each: label_name_key has all values of a key between it and the next
create index label_key_idx on tagd.label (scope_id, key) where kind = 2;
comment on table tagd.label is 'What the index can find: a label, and of a sparse one its slots.';
comment on column tagd.label.scope_id is 'Scope of the label.';
comment on column tagd.label.label_id is 'Number of the label, by which a dense one has its chunks. Postgres hands it out, so no two labels have the same; no index has it.';
comment on column tagd.label.kind is '0: every resource; 1: resources without a tag (system tags do not count); 2: resources with the key; 3: resources with key and value; 4: resources with the value as a word of their name.';
comment on column tagd.label.key is 'Key; empty for the kinds 0, 1 and 4.';
comment on column tagd.label.value is 'Value; empty for the kinds 0, 1 and 2; the word for kind 4.';
comment on column tagd.label.slots is 'Slots of the resources that have a sparse label, ascending, at most tagd.sparse_limit() of them; null for a dense label, whose slots are in tagd.chunk.';
comment on index tagd.label_key_idx is 'Keys of a scope, without their values.';

create table tagd.chunk (
  scope_id bigint not null,
  label_id bigint not null,
  block    integer not null,
  hits     integer not null,
  bits     bit(16384) not null,
  constraint chunk_pkey primary key (scope_id, label_id, block)
) with (fillfactor = 70);
-- 2 KB of bits are just enough that Postgres compresses the row: a few bits set take some 50 bytes.
-- A row that does not shrink stays in place (main), so reading never leaves the page.
alter table tagd.chunk alter column bits set storage main;
do $$
begin
  alter table tagd.chunk alter column bits set compression lz4;
exception
  -- built without lz4: the default does, somewhat slower
  when feature_not_supported then null;
end
$$;
comment on table tagd.chunk is 'The index of dense labels: which resources of a scope have a label, 16,384 slots a row. A row with no bit set is left out.';
comment on column tagd.chunk.scope_id is 'Scope of the label.';
comment on column tagd.chunk.label_id is 'Label, one whose slots are null.';
comment on column tagd.chunk.block is 'Slots block * 16384 to block * 16384 + 16383.';
comment on column tagd.chunk.hits is 'How many bits are set.';
comment on column tagd.chunk.bits is 'Bit i, counted from the left, is slot block * 16384 + i.';

-- 16,384 zeros to start from are too long to read: the literal is made here. An aggregate cannot be replaced while something
-- depends on it, and this one never changes, so it is here and not among the functions.
do $$
begin
  execute format('create aggregate tagd.bits_of(integer, integer) (sfunc = set_bit, stype = bit, initcond = %L)', repeat('0', 16384));
end
$$;
comment on aggregate tagd.bits_of(integer, integer) is 'The bitmap of a block from positions in it, each given with 1.';
revoke execute on function tagd.bits_of(integer, integer) from public;
grant execute on function tagd.bits_of(integer, integer) to tagd_service;

-- The two functions behind an index. An index keeps what they returned when a row was written, so another body would make
-- it wrong without a sign. They are in this file and not in functions/, where a body may be replaced: refinery refuses a
-- changed file. To find names or values by something else, add a function of another name and an index of it.
-- hashtext is safe here: docs/adr/0009.

create function tagd.grams(p_scope_id bigint, p_folded text, p_words text[])
returns bigint[]
language plpgsql immutable parallel safe
-- expensive to the planner: no plan that would call it for many rows is taken, whatever the statistics say
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
comment on function tagd.grams(bigint, text, text[]) is 'What a folded name is found by in name_gram_idx, each as its hash below the scope: every three characters that follow one another, those within words that are labels aside; every five with a separator in the middle; every four that begin with a separator. Two grams may share a hash, so a name that is found must be compared.';
revoke execute on function tagd.grams(bigint, text, text[]) from public;
grant execute on function tagd.grams(bigint, text, text[]) to tagd_service;

create function tagd.value_grams(p_scope_id bigint, p_key text, p_value text)
returns bigint[]
language plpgsql immutable parallel safe
-- expensive to the planner, as tagd.grams
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
comment on function tagd.value_grams(bigint, text, text) is 'What a value of a key is found by in label_gram_idx: every two and every three characters that follow one another, and the key itself, each as its hash below the scope. Two grams may share a hash, so key and value of a label that is found must be compared.';
revoke execute on function tagd.value_grams(bigint, text, text) from public;
grant execute on function tagd.value_grams(bigint, text, text) to tagd_service;

-- No statistics are made of the two: no plan is made by them. Every search reads the list of entries that are not in their
-- place yet, so it is kept short: for names by the functions that write them, an import empties it when it is done.
create index name_gram_idx on tagd.name using gin (tagd.grams(scope_id, folded, words));
alter index tagd.name_gram_idx alter column 1 set statistics 0;
comment on index tagd.name_gram_idx is 'Names by runs of characters and scope: tagd.grams.';
create index label_gram_idx on tagd.label using gin (tagd.value_grams(scope_id, key, value)) with (gin_pending_list_limit = 64)
  -- an expression, so that no plan reads the values of a scope by another index that has the kind
  where kind + 0 = 3;
alter index tagd.label_gram_idx alter column 1 set statistics 0;
comment on index tagd.label_gram_idx is 'Values by two and three characters, key and scope: tagd.value_grams.';
