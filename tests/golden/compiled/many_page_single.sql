-- $1 Scopes: int8[]
-- $2 LabelKind: int2
-- $3 LabelKey: text
-- $4 LabelValue: text
-- $5 Offset: int8
-- $6 Limit: int8
select p.total, p.rank, p.resource_id, p.resource_name, p.detail, p.tags, p.project_name
  from tagd.page_of_label($1::int8[], $2::int2, $3::text, $4::text, $5::int8, $6::int8) p
