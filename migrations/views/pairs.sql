create or replace view report.pairs with (security_barrier = true) as
select s.domain_id, s.project_id, s.project_name, s.resource_type, l.key, l.value, starts_with(l.key, '_sys_') as is_system, l.resources
  from tagd.readable_scope s
 cross join lateral (
  -- sparse and dense pairs apart, each with plain joins: a condition on the key reaches the index of labels, and without
  -- statistics of the tables, as right after an import, the dense ones are at worst looked up one by one
  select p.key, p.value, cardinality(p.slots)::bigint as resources
    from tagd.label p
   where p.scope_id = s.scope_id and p.kind = 3 and p.slots <> '{}'
   union all
  select p.key, p.value, sum(c.hits)
    from tagd.label p
    join tagd.chunk c on c.scope_id = p.scope_id and c.label_id = p.label_id
   where p.scope_id = s.scope_id and p.kind = 3 and p.slots is null
   group by p.key, p.value) l;
comment on view report.pairs is 'A row for each pair of key and value in use by a type in a project. Counted from the index.';
comment on column report.pairs.domain_id is 'Domain of the project; empty if it has none.';
comment on column report.pairs.project_id is 'Project.';
comment on column report.pairs.project_name is 'Display name of the project; empty if it has none.';
comment on column report.pairs.resource_type is 'Resource type.';
comment on column report.pairs.key is 'Key in use.';
comment on column report.pairs.value is 'Value in use with the key; may be empty.';
comment on column report.pairs.is_system is 'Whether it is a system tag: its key begins with _sys_.';
comment on column report.pairs.resources is 'Number of resources that have this value of the key.';
grant select on report.pairs to tagd_reader, tagd_domain_reader;
