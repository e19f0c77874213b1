create or replace function tagd.make_import_tables()
returns void
language plpgsql
as $$
begin
  -- not in begin_import: a session may have called that of an earlier version
  if to_regclass('pg_temp.import_name') is not null then
    return;
  end if;
  create temporary table if not exists import_work (
    scope_id bigint not null,
    slot     integer,
    line     bigint not null,
    is_new   boolean not null,
    old_name text collate "C",
    old_tags text[] collate "C"
  );
  create temporary table import_scope (
    scope_id      bigint not null,
    project_id    text collate "C" not null,
    resource_type text collate "C" not null
  );
  create temporary table import_old (
    scope_id      bigint not null,
    slot          integer not null,
    resource_id   text collate "C" not null,
    resource_name text collate "C" not null,
    tags          text[] collate "C" not null,
    detail        json
  );
  create temporary table import_old_name (
    scope_id bigint not null,
    slot     integer not null,
    folded   text collate "C" not null,
    words    text[] collate "C" not null
  );
  create temporary table import_name (
    scope_id  bigint not null,
    slot      integer not null,
    is_new    boolean not null,
    folded    text collate "C" not null,
    old_words text[] collate "C" not null,
    new_words text[] collate "C" not null
  );
end
$$;
comment on function tagd.make_import_tables() is 'Creates the temporary tables in which tagd.import_batch keeps what it reads of the tables of the scopes: it joins them with one another only, since a distributed table cannot be joined with a temporary one in every way.';
revoke execute on function tagd.make_import_tables() from public;
