create or replace function tagd.type_detail(p_resource_type text)
returns jsonb
language plpgsql stable
as $$
begin
  return (
  select jsonb_build_object(
           'service', t.service, 'regional', t.regional, 'tag_quota', t.tag_quota,
           'aliases', array(select a.resource_type from tagd.resource_type a where a.alias_of = t.resource_type order by a.resource_type))
    from tagd.resource_type t
   where t.resource_type = p_resource_type);
end
$$;
comment on function tagd.type_detail(text) is 'What the audit log says of a resource type; null if there is none.';
revoke execute on function tagd.type_detail(text) from public;
