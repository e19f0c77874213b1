create or replace function tagd.remove_predefined(p_domain_id text, p_tags text[], p_caller tagd.caller)
returns void
language sql security definer
set search_path = pg_catalog, pg_temp
as $$
  delete from tagd.predefined_tag t
   using tagd.pairs_of(p_tags) p
   where t.domain_id = p_domain_id and t.key = p.key and t.value = p.value
$$;
comment on function tagd.remove_predefined(text, text[], tagd.caller) is 'Removes predefined tags; those that do not exist are ignored.';
revoke execute on function tagd.remove_predefined(text, text[], tagd.caller) from public;
grant execute on function tagd.remove_predefined(text, text[], tagd.caller) to tagd_service;
