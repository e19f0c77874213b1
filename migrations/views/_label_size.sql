-- The one place that counts a label: a label on few resources lists them, one on many has bitmaps with their hits.
create or replace view tagd.label_size as
select l.scope_id, l.label_id, l.kind, l.key, l.value,
       case when l.slots is null
            then (select sum(c.hits) from tagd.chunk c where c.scope_id = l.scope_id and c.label_id = l.label_id)
            else cardinality(l.slots) end::bigint as resources,
       -- the first bitmap answers, where the number takes all of them
       case when l.slots is null
            then exists (select from tagd.chunk c where c.scope_id = l.scope_id and c.label_id = l.label_id)
            else cardinality(l.slots) > 0 end as is_used
  from tagd.label l;
grant select on tagd.label_size to tagd_service;
comment on view tagd.label_size is 'How many resources each label is on. Counted from the index.';
comment on column tagd.label_size.scope_id is 'Scope.';
comment on column tagd.label_size.label_id is 'Label.';
comment on column tagd.label_size.kind is 'Its kind, as in tagd.label.';
comment on column tagd.label_size.key is 'Its key.';
comment on column tagd.label_size.value is 'Its value.';
comment on column tagd.label_size.resources is 'Number of resources that it is on; null or 0 if none.';
comment on column tagd.label_size.is_used is 'Whether it is on a resource.';
