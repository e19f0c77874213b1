create or replace view report.policies with (security_barrier = true) as
select s.domain_id, s.project_id, s.project_name, s.resource_type, (p.policy).policy_name, (p.policy).key, (p.policy).is_required,
       (p.policy).is_exact as is_exact_spelling, (p.policy).allowed_values, (p.policy).pattern, (p.policy).is_enforced, (p.policy).description,
       c.resources, c.violating, c.missing, c.wrong_value, c.misspelled,
       round(100.0 * (c.resources - c.violating) / nullif(c.resources, 0), 2) as compliant_percent
  from tagd.readable_scope s
  join tagd.policy_scope p on p.scope_id = s.scope_id
 cross join lateral tagd.count_violations(p.scope_id, p.policy) c;
comment on view report.policies is 'A row for each policy and each type in a project that it concerns: how many resources comply with it. Counted from the index; a pattern is compared with each value in use.';
comment on column report.policies.domain_id is 'Domain of the project; empty if it has none.';
comment on column report.policies.project_id is 'Project.';
comment on column report.policies.project_name is 'Display name of the project; empty if it has none.';
comment on column report.policies.resource_type is 'Resource type.';
comment on column report.policies.policy_name is 'Name of the policy.';
comment on column report.policies.key is 'Key that the policy is about.';
comment on column report.policies.is_required is 'Whether a resource must have the key.';
comment on column report.policies.is_exact_spelling is 'Whether keys that differ from it only in upper and lower case are violations.';
comment on column report.policies.allowed_values is 'The values that the key may have; null for any.';
comment on column report.policies.pattern is 'The pattern that its values must match; null for none.';
comment on column report.policies.is_enforced is 'Whether writes that would add a violation are refused.';
comment on column report.policies.description is 'What the policy is for; may be empty.';
comment on column report.policies.resources is 'Number of resources.';
comment on column report.policies.violating is 'Number of resources that violate the policy.';
comment on column report.policies.missing is 'Those that lack a required key.';
comment on column report.policies.wrong_value is 'Those that have the key with a value that is not allowed.';
comment on column report.policies.misspelled is 'Those that have the key in another spelling; they may also be among the others.';
comment on column report.policies.compliant_percent is 'Resources that comply in percent of resources, with two decimals; null if there are no resources.';
grant select on report.policies to tagd_reader, tagd_domain_reader;
