//! [`Strategy::Union`](super::Strategy::Union) and [`Strategy::Intersection`](super::Strategy::Intersection) of labels.

use super::{
    fragments::{ScopeSql, chunks, labels_by_name},
    label::BLOCK_BITS,
    page::{COUNT, PageSql, TOTAL, block_offsets, expand_blocks, resources, slots_of_bits},
    shape::ScopeCount,
    statement::{Parameter, Placeholders, Statement},
};

pub(super) fn union(scopes: ScopeCount, page: bool) -> Statement {
    write(scopes, page, "bit_or", None)
}

pub(super) fn intersection(scopes: ScopeCount, page: bool) -> Statement {
    write(scopes, page, "bit_and", Some(Parameter::RequiredGroups))
}

/// Combines the bits of each block with an aggregate; only blocks that have `required` labels are included.
fn write(scopes: ScopeCount, page: bool, aggregate: &str, required: Option<Parameter>) -> Statement {
    let ScopeSql { each_scope, scope, scope_and_rank, label_scope, label_rank, rank, .. } = ScopeSql::of(scopes);
    let mut placeholders = Placeholders::new(scopes);
    let [kinds, keys, values] = placeholders.add([Parameter::LabelKinds, Parameter::LabelKeys, Parameter::LabelValues]);
    let having = required.map_or_else(String::new, |required| {
        let [required] = placeholders.add([required]);
        format!("\n  having count(*) = {required}")
    });
    let (bits, answer) = if page {
        let page = placeholders.add([Parameter::Offset, Parameter::Limit]).into();
        (format!(", {aggregate}(bits) as bits"), answer_page(scopes, &page))
    } else {
        (String::new(), COUNT.to_owned())
    };
    placeholders.into_statement(format!(
        "with query_label as materialized (
  -- The labels that exist. A sparse label has its slots here, a dense one has chunks.
  select t.ordinal, l.label_id, l.slots{scope_and_rank}
    from {each_scope}unnest({kinds}, {keys}, {values}) with ordinality as t (kind, key, value, ordinal)
    cross join {labels}),
block_match as materialized (
  -- The bits of all labels in a block, as one.
  select block{rank}{bits}, bit_count({aggregate}(bits))::int4 as match_count
    from (select c.block, c.bits{label_rank}
            from query_label ql
            cross join {chunks}
           where ql.slots is null
          union all
          select e.slot / {BLOCK_BITS}, tagd.bits_at(array_agg(e.slot % {BLOCK_BITS})){label_rank}
            from query_label ql
            cross join lateral unnest(ql.slots) as e (slot)
           group by e.slot / {BLOCK_BITS}, ql.ordinal{label_rank}) label_bits
   group by block{rank}{having}){answer}",
        labels = labels_by_name(scope),
        chunks = chunks(label_scope, "c.block, c.bits"),
    ))
}

fn answer_page(scopes: ScopeCount, page: &PageSql) -> String {
    let sql = ScopeSql::of(scopes);
    format!(
        ",{block_offsets}
page as (
  -- The bits of a block, taken apart.
  {blocks}){resources}",
        block_offsets = block_offsets(sql, ", bits"),
        blocks = expand_blocks(sql, page, &slots_of_bits("(select b.bits as bits)", "part")),
        resources = resources(scopes, TOTAL),
    )
}
