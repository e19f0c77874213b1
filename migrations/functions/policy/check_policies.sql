create or replace function tagd.check_policies(p_scope_id bigint, p_old text[], p_new text[])
returns void
language plpgsql
as $$
declare
  v_violation text;
begin
  if exists (select from tagd.policy p where p.is_enforced) then
    v_violation := tagd.new_violation(tagd.enforced_policies(p_scope_id), p_old, p_new);
    if v_violation is not null then
      raise exception using errcode = 'TG013', message = 'a policy forbids the tags', detail = v_violation;
    end if;
  end if;
end
$$;
comment on function tagd.check_policies(bigint, text[], text[]) is 'Raises TG013 if a change from old to new tags adds a violation of an enforced policy; the detail is the violation (see new_violation). With the resource locked.';
revoke execute on function tagd.check_policies(bigint, text[], text[]) from public;
