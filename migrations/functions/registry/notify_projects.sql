create or replace function tagd.notify_projects(p_project_ids text[])
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_count bigint := cardinality(p_project_ids);
begin
  if v_count > 100 then
    perform pg_notify('tagd', 'projects *');
  elsif v_count > 0 then
    -- every login may listen, also one that may not know of the project
    perform pg_notify('tagd', 'projects ' || string_agg(left(encode(sha256(convert_to(n.name, 'UTF8')), 'hex'), 16), ','))
       from unnest(p_project_ids) as n (name);
  end if;
end
$$;
comment on function tagd.notify_projects(text[]) is 'Tells every tagd that projects were deleted or may have another domain, once the transaction is committed: by hashes of their identifiers, or all projects if they are more than 100.';
revoke execute on function tagd.notify_projects(text[]) from public;
