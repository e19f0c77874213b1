-- The one place that says what the index should have. Each branch has the scope, so that a condition on it reaches
-- every table.
create or replace view tagd.label_truth as
select r.scope_id, 0::smallint as kind, ''::text collate "C" as key, ''::text collate "C" as value, r.slot
  from tagd.resource r
 union all
select r.scope_id, 1::smallint, ''::text collate "C", ''::text collate "C", r.slot
  from tagd.resource r
 where not exists (select from tagd.tag t
                    where t.scope_id = r.scope_id and t.slot = r.slot and not starts_with(t.key, '_sys_'))
 union all
select t.scope_id, k.kind, t.key, case k.kind when 3 then t.value else '' end, t.slot
  from tagd.tag t, (values (2::smallint), (3::smallint)) as k (kind)
 union all
select n.scope_id, 4::smallint, ''::text collate "C", w.word collate "C", n.slot
  from tagd.name n, unnest(n.words) as w (word);
grant select on tagd.label_truth to tagd_service;
comment on view tagd.label_truth is 'The labels that resources should be in by their tags and names: a row for each label and each slot.';
comment on column tagd.label_truth.scope_id is 'Scope.';
comment on column tagd.label_truth.kind is 'Kind, as in tagd.label.';
comment on column tagd.label_truth.key is 'Key, as in tagd.label.';
comment on column tagd.label_truth.value is 'Value, as in tagd.label.';
comment on column tagd.label_truth.slot is 'Slot of a resource that should be in the label.';
