create or replace function tagd.begin_import()
returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  create temporary table import_line (
    line          bigint not null,
    project_id    text collate "C" not null,
    project_name  text collate "C",
    domain_id     text collate "C",
    resource_type text collate "C" not null,
    resource_id   text collate "C" not null,
    resource_name text collate "C" not null,
    name_folded   text collate "C" not null,
    detail        json,
    tags          text[] collate "C" not null
  );
  grant insert on pg_temp.import_line to tagd_service;
end
$$;
comment on function tagd.begin_import() is 'Creates the temporary table of the lines of an import. Call it once per connection.';
revoke execute on function tagd.begin_import() from public;
grant execute on function tagd.begin_import() to tagd_service;
