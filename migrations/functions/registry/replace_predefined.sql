create or replace function tagd.replace_predefined(p_domain_id text, p_old_key text, p_old_value text, p_new_key text, p_new_value text, p_caller tagd.caller)
returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform pg_advisory_xact_lock(hashtextextended('tagd.predefined_tag ' || p_domain_id, 0));
  if not exists (select from tagd.predefined_tag t
                  where t.domain_id = p_domain_id and t.key = p_old_key and t.value = p_old_value) then
    raise exception using errcode = 'TG005', message = 'no such predefined tag';
  end if;
  if (p_old_key, p_old_value) <> (p_new_key, p_new_value)
     and exists (select from tagd.predefined_tag t
                  where t.domain_id = p_domain_id and t.key = p_new_key and t.value = p_new_value) then
    raise exception using errcode = 'TG006', message = 'the predefined tag exists';
  end if;
  update tagd.predefined_tag t
     set key = p_new_key, value = p_new_value, updated_at = clock_timestamp()
   where t.domain_id = p_domain_id and t.key = p_old_key and t.value = p_old_value;
end
$$;
comment on function tagd.replace_predefined(text, text, text, text, text, tagd.caller) is 'Replaces a predefined tag with another. Raises TG005 if the old tag does not exist, TG006 if the new one does.';
revoke execute on function tagd.replace_predefined(text, text, text, text, text, tagd.caller) from public;
grant execute on function tagd.replace_predefined(text, text, text, text, text, tagd.caller) to tagd_service;
