-- Not the whole row of the table: where tables are distributed, it would have the type of a part of the table.
create or replace view tagd.policy_row as
select p.policy_id, p.policy_name, p.domain_id, p.project_id, p.resource_types, p.key, p.folded_key, p.is_required, p.is_exact,
       p.allowed_values, p.pattern, p.pattern_are, p.is_enforced, p.description, p.created_at, p.updated_at,
       row(p.policy_id, p.policy_name, p.domain_id, p.project_id, p.resource_types, p.key, p.folded_key, p.is_required,
           p.is_exact, p.allowed_values, p.pattern, p.pattern_are, p.is_enforced, p.description, p.created_at, p.updated_at)::tagd.policy as policy
  from tagd.policy p;
grant select on tagd.policy_row to tagd_service;
comment on view tagd.policy_row is 'The policies, each also as one value.';
comment on column tagd.policy_row.policy_id is 'See tagd.policy.';
comment on column tagd.policy_row.policy_name is 'See tagd.policy.';
comment on column tagd.policy_row.domain_id is 'See tagd.policy.';
comment on column tagd.policy_row.project_id is 'See tagd.policy.';
comment on column tagd.policy_row.resource_types is 'See tagd.policy.';
comment on column tagd.policy_row.key is 'See tagd.policy.';
comment on column tagd.policy_row.folded_key is 'See tagd.policy.';
comment on column tagd.policy_row.is_required is 'See tagd.policy.';
comment on column tagd.policy_row.is_exact is 'See tagd.policy.';
comment on column tagd.policy_row.allowed_values is 'See tagd.policy.';
comment on column tagd.policy_row.pattern is 'See tagd.policy.';
comment on column tagd.policy_row.pattern_are is 'See tagd.policy.';
comment on column tagd.policy_row.is_enforced is 'See tagd.policy.';
comment on column tagd.policy_row.description is 'See tagd.policy.';
comment on column tagd.policy_row.created_at is 'See tagd.policy.';
comment on column tagd.policy_row.updated_at is 'See tagd.policy.';
comment on column tagd.policy_row.policy is 'The whole row.';
