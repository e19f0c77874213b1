create or replace function tagd.is_distributed()
returns boolean
language sql stable
as $$
  select exists (select from pg_catalog.pg_extension e where e.extname = 'citus')
$$;
comment on function tagd.is_distributed() is 'Whether scopes may be distributed over several machines.';
revoke execute on function tagd.is_distributed() from public;
