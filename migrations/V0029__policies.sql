-- Required tags: policies that say which keys resources must have, and with which values (docs/adr/0031).

create table tagd.policy (
  policy_id      bigint generated always as identity,
  policy_name    text collate "C" not null,
  domain_id      text collate "C",
  project_id     text collate "C",
  resource_types text[] collate "C",
  key            text collate "C" not null,
  folded_key     text collate "C" not null,
  is_required    boolean not null,
  is_exact       boolean not null,
  allowed_values text[] collate "C",
  pattern        text collate "C",
  pattern_are    text collate "C",
  is_enforced    boolean not null,
  description    text collate "C" not null,
  created_at     timestamptz not null,
  updated_at     timestamptz not null,
  constraint policy_pkey primary key (policy_id),
  constraint policy_rule_check check (is_required or is_exact or allowed_values is not null or pattern is not null),
  constraint policy_values_check check (allowed_values is null or pattern is null),
  constraint policy_pattern_check check ((pattern is null) = (pattern_are is null))
);
-- two indexes, since null is a domain of its own here and Postgres 14 cannot say so in one
create unique index policy_name_in_domain_key on tagd.policy (domain_id, policy_name) where domain_id is not null;
create unique index policy_name_key on tagd.policy (policy_name) where domain_id is null;
-- usually without an entry, so that every write can find out almost for nothing that no policy is enforced
create index policy_enforced_idx on tagd.policy (domain_id) where is_enforced;
comment on table tagd.policy is 'A rule about the tags of resources: a key that they must have, the values that it may have, how it is spelled.';
comment on column tagd.policy.policy_id is 'Number of the policy.';
comment on column tagd.policy.policy_name is 'Name, unique in its domain; no policy of a domain has the name of one for all domains.';
comment on column tagd.policy.domain_id is 'Domain whose projects it concerns, empty for the projects without one; null for the projects of all domains.';
comment on column tagd.policy.project_id is 'The only project that it concerns; null for all projects of the domain.';
comment on column tagd.policy.resource_types is 'The only resource types that it concerns, by their own names; null for all.';
comment on column tagd.policy.key is 'The key that it is about.';
comment on column tagd.policy.folded_key is 'The key in lower case, as domain::matching::fold makes it.';
comment on column tagd.policy.is_required is 'Whether a resource must have the key.';
comment on column tagd.policy.is_exact is 'Whether keys that differ from it only in upper and lower case are violations.';
comment on column tagd.policy.allowed_values is 'The values that the key may have; null for any.';
comment on column tagd.policy.pattern is 'The pattern that its values must match, as it was written; null for none.';
comment on column tagd.policy.pattern_are is 'The pattern as a regular expression of Postgres, made by domain::pattern.';
comment on column tagd.policy.is_enforced is 'Whether writes that would add a violation are refused. Otherwise violations are only reported.';
comment on column tagd.policy.description is 'What it is for, in words; may be empty.';
comment on column tagd.policy.created_at is 'When it was created.';
comment on column tagd.policy.updated_at is 'When it was last changed.';
comment on index tagd.policy_name_in_domain_key is 'Policies of a domain by name.';
comment on index tagd.policy_name_key is 'Policies for all domains by name.';
comment on index tagd.policy_enforced_idx is 'Policies that are enforced, for every write.';

create type tagd.violation as (policy_name text, key text, problem text, found text);
comment on type tagd.violation is 'What is wrong with the tags of a resource: the policy and its key; missing, value or spelling; and the value or the key that was found instead, null if the key is missing.';
