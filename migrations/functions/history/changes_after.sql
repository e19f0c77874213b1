create or replace function tagd.changes_after(
  p_after bigint, p_last bigint, p_domain_id text, p_projects text[], p_limit integer, p_window integer)
returns table (entry tagd.history, is_covered boolean, is_end boolean)
language plpgsql stable
set search_path = pg_catalog, pg_temp
-- along the index, also while a month has no statistics yet
set enable_seqscan = off
set enable_bitmapscan = off
set enable_sort = off
as $$
begin
  -- a window, since entries of others may be any number; where it ends, the next one begins, whoever the entry there belongs to
  return query
    select row(h.scope_id, h.change_id, h.changed_at, h.span_id, h.slot, h.resource_id, h.domain_id, h.operation, h.principal,
               h.credential_id, h.request_id, h.registered_at, h.old_name, h.new_name, h.old_tags, h.new_tags)::tagd.history,
           (p_domain_id is null or h.domain_id = p_domain_id) and (p_projects is null or s.project_id = any (p_projects)),
           h.place = p_window
      from (select e.*, row_number() over (order by e.change_id) as place
              from tagd.history e
             where e.change_id > p_after and e.change_id <= p_last
             order by e.change_id
             limit p_window) h
      join tagd.scope s on s.scope_id = h.scope_id
     where h.place = p_window
        or (p_domain_id is null or h.domain_id = p_domain_id) and (p_projects is null or s.project_id = any (p_projects))
     order by h.change_id
     limit p_limit;
end
$$;
comment on function tagd.changes_after(bigint, bigint, text, text[], integer, integer) is 'The first p_limit entries of the history after one number and up to another, in order; with a domain and projects only theirs. Of all entries, p_window are read: the last of these is returned in any case, with is_end, and the next call begins after it. Only an entry with is_covered may be shown.';
revoke execute on function tagd.changes_after(bigint, bigint, text, text[], integer, integer) from public;
grant execute on function tagd.changes_after(bigint, bigint, text, text[], integer, integer) to tagd_service;
