create or replace function tagd.begin_prune()
returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  create temporary table import_listed (
    project_id    text collate "C" not null,
    resource_type text collate "C" not null,
    resource_id   text collate "C" not null
  );
  create temporary table import_unlisted (
    place    bigint primary key,
    scope_id bigint not null,
    slot     integer not null
  );
  grant insert on pg_temp.import_listed to tagd_service;
end
$$;
comment on function tagd.begin_prune() is 'Creates the temporary tables of an import that also removes resources: those that its lines list, which the service inserts, and those of the same scopes that they do not, which tagd.find_unlisted inserts. Call it once per connection.';
revoke execute on function tagd.begin_prune() from public;
grant execute on function tagd.begin_prune() to tagd_service;
