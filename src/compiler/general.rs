//! [`Strategy::General`](super::Strategy::General): any groups of labels.

use super::{
    fragments::{
        ScopeSql, chunks, labels_by_grams, labels_by_name, labels_by_word, slot_by_id, slot_by_id_and_name,
        slots_by_grams, slots_by_pattern, slots_without_name,
    },
    label::BLOCK_BITS,
    page::{COUNT, PageSql, TOTAL, block_offsets, expand_blocks, resources, slots_of_bits},
    shape::{NameSearch, ResourceFilter, ScopeCount},
    statement::{Parameter, Placeholders, Statement},
};

/// Each operation on the bits of a block takes Postgres as long as reading a chunk, so there are as few as possible: a
/// label that is alone in its group is not or-ed, the matches of a single required label are counted by its chunks, and
/// `include & ~exclude` is computed for the page only. With `offset 0`, an expression in a subquery is computed once,
/// however often the outer query uses it.
pub(super) fn general(scopes: ScopeCount, substring: bool, filter: Option<ResourceFilter>, page: bool) -> Statement {
    let ScopeSql { each_scope, scope, scope_and_rank, label_scope, label_rank, rank, .. } = ScopeSql::of(scopes);
    let mut placeholders = Placeholders::new(scopes);
    let [groups, singletons, kinds, keys, values] = placeholders.add([
        Parameter::LabelGroups,
        Parameter::LabelSingletons,
        Parameter::LabelKinds,
        Parameter::LabelKeys,
        Parameter::LabelValues,
    ]);
    let substring_labels = if substring { write_substring_labels(scopes, &mut placeholders) } else { String::new() };
    let filter = filter.map(|filter| FilterSql::new(filter, scope, &mut placeholders));
    let [required, excluded] = placeholders.add([Parameter::RequiredGroups, Parameter::ExcludedGroups]);
    let FilterGroup { word_labels, slots_in_group, group_of_slots } =
        filter.map_or_else(FilterGroup::default, |filter| filter.into_group(scopes, &required));
    let (sides, answer) = if page {
        let page = placeholders.add([Parameter::Offset, Parameter::Limit]).into();
        (", include, exclude", answer_page(scopes, &page))
    } else {
        ("", COUNT.to_owned())
    };
    placeholders.into_statement(format!(
        "with query_label as materialized (
  -- The labels that exist, by group. A sparse label has its slots here, a dense one has chunks.
  select t.group_no, t.singleton, l.label_id, l.slots{scope_and_rank}
    from {each_scope}unnest({groups}, {singletons}, {kinds}, {keys}, {values})
      as t (group_no, singleton, kind, key, value)
    cross join {labels}{substring_labels}{word_labels}),
group_bits as (
  -- The bits of each group in a block: those of a singleton as they are, those of other labels or-ed.
  select c.block, c.hits as chunk_count, ql.group_no, c.bits{label_rank}
    from query_label ql
    cross join {singleton_chunks}
   where ql.slots is null and ql.singleton = 1
   union all
  select block, null, group_no, bit_or(bits){rank}
    from (select c.block, ql.group_no, c.bits{label_rank}
            from query_label ql
            cross join {chunks}
           where ql.slots is null and ql.singleton = 0
          union all
          select e.slot / {BLOCK_BITS}, ql.group_no, tagd.bits_at(array_agg(e.slot % {BLOCK_BITS})){label_rank}
            from query_label ql
            cross join lateral unnest(ql.slots) as e (slot)
           group by e.slot / {BLOCK_BITS}, ql.group_no{label_rank}{slots_in_group}) label_bits
   group by block, group_no{rank}{group_of_slots}),
block_match as materialized (
  -- What a block includes, what is excluded from that, and how many are left.
  select block{rank}{sides},
         (coalesce(chunk_count, bit_count(include))
          - coalesce(bit_count(case when {required} = 0 then exclude else include & exclude end), 0))::int4 as match_count
    from (select block{rank}, chunk_count, include,
                 case when conjuncts = {excluded} and conjuncts > 0
                      then coalesce(any_excluded | all_excluded, all_excluded) else any_excluded end as exclude
            from (select block{rank}, sum(chunk_count) filter (where group_no > 0 and {required} in (0, 1)) as chunk_count,
                         bit_and(bits) filter (where group_no > 0) as include,
                         bit_or(bits) filter (where group_no = 0) as any_excluded,
                         bit_and(bits) filter (where group_no < 0) as all_excluded,
                         count(*) filter (where group_no < 0) as conjuncts
                    from group_bits
                   group by block{rank}
                  having count(*) filter (where group_no > 0) >= {required}
                  offset 0) combined
          offset 0) sides){answer}",
        labels = labels_by_name(scope),
        singleton_chunks = chunks(label_scope, "c.block, c.hits, c.bits"),
        chunks = chunks(label_scope, "c.block, c.bits"),
    ))
}

/// Rows of `query_label`: values that contain a text.
fn write_substring_labels(scopes: ScopeCount, placeholders: &mut Placeholders) -> String {
    let ScopeSql { each_scope, scope, scope_and_rank, .. } = ScopeSql::of(scopes);
    let [groups, keys, texts] =
        placeholders.add([Parameter::SubstringGroups, Parameter::SubstringKeys, Parameter::Substrings]);
    format!(
        "
   union all
  -- Values with a text in them.
  select t.group_no, 0, l.label_id, l.slots{scope_and_rank}
    from {each_scope}unnest({groups}, {keys}, {texts}) as t (group_no, key, text)
    cross join {labels}",
        labels = labels_by_grams(scope, "t.key", "t.text", ""),
    )
}

/// The slots that a [`ResourceFilter`] finds, and the labels if it also finds labels.
struct FilterSql {
    slots: String,
    labels: Option<String>,
}

impl FilterSql {
    fn new(filter: ResourceFilter, scope: &str, placeholders: &mut Placeholders) -> Self {
        match filter {
            ResourceFilter::Id => {
                let [id] = placeholders.add([Parameter::ResourceId]);
                Self { slots: slot_by_id(scope, &id), labels: None }
            }
            ResourceFilter::IdAndName => {
                let [id, pattern] = placeholders.add([Parameter::ResourceId, Parameter::NamePattern]);
                Self { slots: slot_by_id_and_name(scope, &id, &pattern), labels: None }
            }
            ResourceFilter::Name(search) => {
                let [text] = placeholders.add([Parameter::NameText]);
                let labels = match search {
                    NameSearch::WithinWord => Some(labels_by_word(scope, &text)),
                    NameSearch::AcrossWords => None,
                };
                Self { slots: slots_by_grams(scope, &text), labels }
            }
            ResourceFilter::ShortName => {
                let [pattern] = placeholders.add([Parameter::NamePattern]);
                Self { slots: slots_by_pattern(scope, &pattern), labels: None }
            }
            ResourceFilter::EmptyName => Self { slots: slots_without_name(scope), labels: None },
        }
    }

    /// The filter is the last of the required groups.
    fn into_group(self, scopes: ScopeCount, required: &str) -> FilterGroup {
        let ScopeSql { each_scope, scope_rank, scope_and_rank, .. } = ScopeSql::of(scopes);
        let slots = self.slots;
        match self.labels {
            None => FilterGroup {
                group_of_slots: format!(
                    "
   union all
  -- The resources by id or name.
  select r.slot / {BLOCK_BITS}, null::int4, {required}::int4, tagd.bits_of(r.slot % {BLOCK_BITS}, 1){scope_rank}
    from {each_scope}lateral (
      {slots} offset 0) r
   group by r.slot / {BLOCK_BITS}{scope_rank}"
                ),
                ..FilterGroup::default()
            },
            Some(labels) => FilterGroup {
                word_labels: format!(
                    "
   union all
  -- Words with the text of the name in them.
  select {required}::int4, 0, l.label_id, l.slots{scope_and_rank}
    from {each_scope}{labels}"
                ),
                slots_in_group: format!(
                    "
          union all
          -- Names with the text in a word that is not a label.
          select r.slot / {BLOCK_BITS}, {required}::int4, tagd.bits_of(r.slot % {BLOCK_BITS}, 1){scope_rank}
            from {each_scope}lateral (
      {slots} offset 0) r
           group by r.slot / {BLOCK_BITS}{scope_rank}"
                ),
                ..FilterGroup::default()
            },
        }
    }
}

/// What a [`ResourceFilter`] adds to the statement, and where.
#[derive(Default)]
struct FilterGroup {
    /// Rows of `query_label`.
    word_labels: String,
    /// Rows to combine with those of labels in one group.
    slots_in_group: String,
    /// Rows of `group_bits`: a group without labels.
    group_of_slots: String,
}

fn answer_page(scopes: ScopeCount, page: &PageSql) -> String {
    let sql = ScopeSql::of(scopes);
    format!(
        ",{block_offsets}
page as (
  -- The bits of a block, less what is excluded, taken apart.
  {blocks}){resources}",
        block_offsets = block_offsets(sql, ", include, exclude"),
        blocks = expand_blocks(
            sql,
            page,
            &slots_of_bits(
                "(select case when b.exclude is null then b.include else b.include & ~b.exclude end as bits)",
                "part"
            ),
        ),
        resources = resources(scopes, TOTAL),
    )
}
