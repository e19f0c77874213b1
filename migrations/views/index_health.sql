create or replace view report.index_health with (security_barrier = true) as
select s.domain_id, s.project_id, s.project_name, s.resource_type, coalesce(n.next_slot, 0) as registrations,
       l.labels, l.dense_labels, c.chunks, v.verified_at, v.differences
  from tagd.readable_scope s
  left join tagd.scope_counter n on n.scope_id = s.scope_id
  left join tagd.verification v on v.scope_id = s.scope_id
 cross join lateral (
  select count(*) as labels, count(*) filter (where i.slots is null) as dense_labels
    from tagd.label i
   where i.scope_id = s.scope_id) l
 cross join lateral (
  select count(*) as chunks from tagd.chunk i where i.scope_id = s.scope_id) c;
comment on view report.index_health is 'A row for each type in a project: the size of its index, and the last time it was compared with the tags (tagd index verify). Counts labels and chunks: some 10 milliseconds for a million resources.';
comment on column report.index_health.domain_id is 'Domain of the project; empty if it has none.';
comment on column report.index_health.project_id is 'Project.';
comment on column report.index_health.project_name is 'Display name of the project; empty if it has none.';
comment on column report.index_health.resource_type is 'Resource type.';
comment on column report.index_health.registrations is 'Number of resources that were ever registered, which is the length of a bitmap.';
comment on column report.index_health.labels is 'Number of labels: keys, pairs, words of names, and two for all and for the untagged resources.';
comment on column report.index_health.dense_labels is 'Labels that are on so many resources that they have bitmaps.';
comment on column report.index_health.chunks is 'Number of bitmaps, each of which is for 16,384 registrations.';
comment on column report.index_health.verified_at is 'When the index was last compared with the tags; null for never.';
comment on column report.index_health.differences is 'In how many places they differed then; null for never.';
grant select on report.index_health to tagd_reader, tagd_domain_reader;
