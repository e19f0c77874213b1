-- Makes of a database of schema 20, the last before the baseline, one that has run V0021 to V0023. tagd then writes their rows
-- into schema_history, runs V0024 and applies the functions. The tables are the same; comments follow the wording of the
-- baseline, and a test compares an adopted schema with a fresh one object by object.
--
-- A tagd of schema 20 must not run meanwhile, nor afterwards: its functions are gone.

drop view tagd.bitmap;

-- all but those that indexes and the baseline files have; the set of functions makes the others anew
do $$
declare
  v_function regprocedure;
begin
  for v_function in
    select p.oid from pg_proc p
     where p.pronamespace = 'tagd'::regnamespace and p.proname not in ('grams', 'value_grams', 'bits_of')
  loop
    execute format('drop function %s', v_function);
  end loop;
end
$$;
drop type tagd.turn, tagd.tagged;

-- the rows of the 20 migrations before the baseline
delete from tagd.schema_history;

comment on table tagd.project is 'A tenant: the owner of resources. A deleted project has no row; its scopes remain and are empty.';
comment on column tagd.project.project_id is 'Identifier as it appears in request paths.';
comment on column tagd.resource_type.resource_type is 'Name as it appears in requests; case-sensitive.';
comment on column tagd.resource_type.alias_of is 'The type that this name is an alias of; null for a type. The other columns of an alias repeat those of its type.';
comment on index tagd.scope_project_id_idx is 'The scopes of a project, for its deletion.';
comment on table tagd.scope_counter is 'Hands out slots. Its row lock serializes the registrations of one scope.';
comment on table tagd.name is 'The names of the resources as they are searched: a narrow table beside the wide one, since a search may have to read every name of a scope.';
comment on table tagd.predefined_tag is 'Tags that an account keeps ready for its resources. They are not the tags of any resource.';
comment on table tagd.label is 'What the index can find: a label, and of a sparse one its slots.';
comment on column tagd.label.slots is 'Slots of the resources that have a sparse label, ascending, at most tagd.sparse_limit() of them; null for a dense label, whose slots are in tagd.chunk.';
comment on table tagd.chunk is 'The index of dense labels: which resources of a scope have a label, 16,384 slots a row. A row with no bit set is left out.';
comment on column tagd.chunk.bits is 'Bit i, counted from the left, is slot block * 16384 + i.';
comment on function tagd.grams(bigint, text, text[]) is 'What a folded name is found by in name_gram_idx, each as its hash below the scope: every three characters that follow one another, those within words that are labels aside; every five with a separator in the middle; every four that begin with a separator. Two grams may share a hash, so a name that is found must be compared.';
comment on function tagd.value_grams(bigint, text, text) is 'What a value of a key is found by in label_gram_idx: every two and every three characters that follow one another, and the key itself, each as its hash below the scope. Two grams may share a hash, so key and value of a label that is found must be compared.';
