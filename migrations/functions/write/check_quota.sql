create or replace function tagd.check_quota(p_old text[], p_new text[], p_quota integer)
returns void
language plpgsql
as $$
declare
  v_count constant integer := tagd.count_over_quota(p_old, p_new, p_quota);
begin
  if v_count is not null then
    raise exception using errcode = 'TG002', message = 'too many tags', detail = v_count || ' ' || p_quota;
  end if;
end
$$;
comment on function tagd.check_quota(text[], text[], integer) is 'Raises TG002 if a change from old to new tags violates the quota (see count_over_quota).';
revoke execute on function tagd.check_quota(text[], text[], integer) from public;
