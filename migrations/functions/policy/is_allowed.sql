create or replace function tagd.is_allowed(p_value text, p_allowed_values text[], p_pattern_are text)
returns boolean
-- without settings, so that calls are inlined
language sql immutable parallel safe
as $$
  select (p_allowed_values is null or p_value collate "C" = any (p_allowed_values))
     and (p_pattern_are is null or p_value collate "C" ~ p_pattern_are)
$$;
comment on function tagd.is_allowed(text, text[], text) is 'Whether a policy with these values or this pattern allows a value; null for neither.';
revoke execute on function tagd.is_allowed(text, text[], text) from public;
grant execute on function tagd.is_allowed(text, text[], text) to tagd_service;
