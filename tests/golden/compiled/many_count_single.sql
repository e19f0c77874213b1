-- $1 Scopes: int8[]
-- $2 LabelKind: int2
-- $3 LabelKey: text
-- $4 LabelValue: text
select tagd.count_of_label($1::int8[], $2::int2, $3::text, $4::text) as total
