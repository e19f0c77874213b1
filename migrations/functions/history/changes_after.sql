create or replace function tagd.changes_after(p_after bigint, p_last bigint, p_domain_id text, p_projects text[], p_limit integer)
returns setof tagd.history
language plpgsql stable
set search_path = pg_catalog, pg_temp
-- along the index, also while a month has no statistics yet
set enable_seqscan = off
set enable_bitmapscan = off
set enable_sort = off
as $$
begin
  return query
    select h.*
      from tagd.history h
      join tagd.scope s on s.scope_id = h.scope_id
     where h.change_id > p_after
       and h.change_id <= p_last
       and (p_domain_id is null or h.domain_id = p_domain_id)
       and (p_projects is null or s.project_id = any (p_projects))
     order by h.change_id
     limit p_limit;
end
$$;
comment on function tagd.changes_after(bigint, bigint, text, text[], integer) is 'The entries of the history after one number and up to another, in order; with a domain and projects only theirs.';
revoke execute on function tagd.changes_after(bigint, bigint, text, text[], integer) from public;
grant execute on function tagd.changes_after(bigint, bigint, text, text[], integer) to tagd_service;
