create or replace function tagd.check_predefined_quota(p_domain_id text, p_quota integer)
returns void
language plpgsql
as $$
declare
  v_count constant bigint := (select count(*) from tagd.predefined_tag t where t.domain_id = p_domain_id);
begin
  if v_count > p_quota then
    raise exception using errcode = 'TG004', message = 'too many predefined tags', detail = v_count || ' ' || p_quota;
  end if;
end
$$;
comment on function tagd.check_predefined_quota(text, integer) is 'Raises TG004 if an account has more predefined tags than the quota. With the lock of put_predefined, after they were added.';
revoke execute on function tagd.check_predefined_quota(text, integer) from public;
