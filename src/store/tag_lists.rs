//! Lists of tags: of a resource, of a scope, or of everything an account has.

use super::{Store, forms::Form, retry::Retry, rows::tags_of};
use crate::{
    compiler::Cost,
    domain::{ProjectFilter, RequestError, Tag, tag::is_system_key},
};

impl Store {
    /// The tags of a resource; `None` if there is no such resource.
    pub async fn list_tags(&self, scope_id: i64, resource_id: &str) -> Result<Option<Vec<Tag>>, RequestError> {
        let parts = self
            .cheap(Form::ListTags)
            .fetch_optional(Retry::Read, || {
                sqlx::query_scalar!(
                    "select r.tags from tagd.resource r where r.scope_id = $1 and r.resource_id = $2",
                    scope_id,
                    resource_id
                )
            })
            .await?;
        Ok(parts.map(tags_of))
    }

    /// The scopes of a type that have a resource with this identifier, at most two: more than one is ambiguous.
    pub async fn find_resource(
        &self,
        resource_type: &str,
        resource_id: &str,
        covered: ProjectFilter<'_>,
    ) -> Result<Vec<i64>, RequestError> {
        // from the identifier to its scopes: the index on identifiers finds all resources with this one, which are read
        // one by one until there are two
        Ok(self
            .cheap(Form::FindResource)
            .fetch_all(Retry::Read, || {
                sqlx::query_scalar!(
                    "with found as materialized (
                       select r.scope_id from tagd.resource r where r.resource_id || '' = $2)
                     select s.scope_id
                       from found f
                       join tagd.scope s on s.scope_id = f.scope_id
                      where s.resource_type = $1 and s.domain_id is not null
                        and ($3::text is null or s.domain_id = $3)
                        and ($4::text[] is null or s.project_id = any($4))
                      limit 2",
                    resource_type,
                    resource_id,
                    covered.domain_id,
                    covered.projects
                )
            })
            .await?)
    }

    /// The scopes of an account, or all scopes.
    pub async fn covered_scopes(&self, covered: ProjectFilter<'_>) -> Result<Vec<i64>, RequestError> {
        Ok(self
            .expensive(Form::CoveredScopes)
            .fetch_all(Retry::Read, || {
                sqlx::query_scalar!(
                    "select s.scope_id
                       from tagd.scope s
                      where s.domain_id is not null
                        and ($1::text is null or s.domain_id = $1)
                        and ($2::text[] is null or s.project_id = any($2))",
                    covered.domain_id,
                    covered.projects
                )
            })
            .await?)
    }

    /// Keys in use in scopes, after a marker, sorted. System keys are included on request.
    pub async fn list_keys(
        &self,
        scopes: &[i64],
        marker: Option<&str>,
        limit: u32,
        with_system: bool,
    ) -> Result<Vec<String>, RequestError> {
        merge(scopes, limit, async |scopes, bound| {
            // A label is in use if it has slots or, if it is dense, a chunk: a chunk without a set bit is deleted. A
            // scalar subquery rather than `exists`, which Postgres would evaluate by hashing all chunks of the scope.
            Ok(self
                .reading(Cost::of_lookups(scopes.len()), Form::ListKeys)
                .fetch_all(Retry::Read, || {
                    sqlx::query_scalar!(
                        r#"select distinct k.key as "key!"
                             from unnest($1::bigint[]) as s (scope_id)
                            cross join lateral (
                              select l.key
                                from tagd.label l
                               where l.scope_id = s.scope_id and l.kind = 2
                                 and l.key > $2
                                 -- no key is as long as this text, and none has a larger character
                                 and l.key < coalesce($3, repeat(chr(1114111), 256))
                                 and ($5 or not starts_with(l.key, '_sys_'))
                                 and (cardinality(l.slots) > 0
                                      or l.slots is null
                                         and (select true from tagd.chunk c
                                               where c.scope_id = s.scope_id and c.label_id = l.label_id limit 1))
                               order by l.key
                               limit $4) k
                            order by 1
                            limit $4"#,
                        &scopes,
                        marker.unwrap_or_default(),
                        bound,
                        i64::from(limit),
                        with_system
                    )
                })
                .await?)
        })
        .await
    }

    /// Values in use with a key in scopes, after a marker, sorted.
    pub async fn list_values(
        &self,
        scopes: &[i64],
        key: &str,
        marker: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, RequestError> {
        // system tags are never visible here
        if is_system_key(key) {
            return Ok(Vec::new());
        }
        merge(scopes, limit, async |scopes, bound| {
            Ok(self
                .reading(Cost::of_lookups(scopes.len()), Form::ListValues)
                .fetch_all(Retry::Read, || {
                    sqlx::query_scalar!(
                        r#"select distinct v.value as "value!"
                             from unnest($1::bigint[]) as s (scope_id)
                            cross join lateral (
                              select l.value
                                from tagd.label l
                               where l.scope_id = s.scope_id and l.key = $2 and l.kind = 3
                                 and l.value >= coalesce($3, '')
                                 and l.value is distinct from $3
                                 and l.value < coalesce($4, repeat(chr(1114111), 256))
                                 and (cardinality(l.slots) > 0
                                      or l.slots is null
                                         and (select true from tagd.chunk c
                                               where c.scope_id = s.scope_id and c.label_id = l.label_id limit 1))
                               order by l.value
                               limit $5) v
                            order by 1
                            limit $5"#,
                        &scopes,
                        key,
                        marker,
                        bound,
                        i64::from(limit)
                    )
                })
                .await?)
        })
        .await
    }

    /// Distinct tags in use in scopes, sorted by key and value, after a tag; if the marker is only a key, from this key
    /// on. System tags are included on request.
    pub async fn list_tags_by_key(
        &self,
        scopes: &[i64],
        key: &str,
        value: Option<&str>,
        limit: u32,
        with_system: bool,
    ) -> Result<Vec<Tag>, RequestError> {
        // a key has a label of kind 2, followed by those of kind 3; a scope may have many labels without a key
        let kind: i16 = match value {
            Some(_) => 3,
            None if key.is_empty() => i16::MAX,
            None => 2,
        };
        Ok(self
            .reading(Cost::of_lookups(scopes.len()), Form::ListTagsByKey)
            .fetch_all(Retry::Read, || {
                sqlx::query_as!(
                    Tag,
                    r#"select distinct t.key as "key!", t.value as "value!"
                         from unnest($1::bigint[]) as s (scope_id)
                        cross join lateral (
                          select l.key, l.value
                            from tagd.label l
                           where l.scope_id = s.scope_id and (l.key, l.kind, l.value) > ($2, $3::smallint, $4)
                             and l.kind = 3
                             and ($6 or not starts_with(l.key, '_sys_'))
                             and (cardinality(l.slots) > 0
                                  or l.slots is null
                                     and (select true from tagd.chunk c
                                           where c.scope_id = s.scope_id and c.label_id = l.label_id limit 1))
                           order by l.key, l.kind, l.value
                           limit $5) t
                        order by 1, 2
                        limit $5"#,
                    scopes,
                    key,
                    kind,
                    value.unwrap_or_default(),
                    i64::from(limit),
                    with_system
                )
            })
            .await?)
    }

    /// Tags in use in scopes, sorted by their text, after a text; only one of those with the same text. Without system
    /// tags.
    pub async fn list_tags_by_text(
        &self,
        scopes: &[i64],
        text: Option<&str>,
        skip: u64,
        limit: u32,
    ) -> Result<Vec<Tag>, RequestError> {
        let skip = i64::try_from(skip).unwrap_or(i64::MAX);
        Ok(self.expensive(Form::ListTagsByText).fetch_all(Retry::Read, || { sqlx::query_as!(
                Tag,
                r#"select distinct on (t.text) t.key as "key!", t.value as "value!"
                     from (select l.key, l.value, case l.value when '' then l.key else l.key || '.' || l.value end as text
                             from tagd.label l
                            where l.scope_id = any($1)
                              and l.key > ''
                              and l.kind = 3
                              and not starts_with(l.key, '_sys_')
                              and (cardinality(l.slots) > 0
                                   or l.slots is null
                                      and (select true from tagd.chunk c
                                            where c.scope_id = l.scope_id and c.label_id = l.label_id limit 1))) t
                    where $2::text is null or t.text > $2
                    order by t.text, t.key
                    limit $3 offset $4"#,
                scopes,
                text,
                i64::from(limit),
                skip
            ) }).await?)
    }
}

/// Scopes that one statement merges, at first and at most: the first few give an upper bound of the page for the others.
const SCOPES: (usize, usize) = (8, 512);

/// The first distinct entries of scopes, sorted. `list` reads those of some of the scopes; with a bound, only the entries
/// before it.
async fn merge(
    scopes: &[i64],
    limit: u32,
    list: impl AsyncFn(&[i64], Option<&str>) -> Result<Vec<String>, RequestError>,
) -> Result<Vec<String>, RequestError> {
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let (mut size, largest) = SCOPES;
    let mut merged = Vec::new();
    let mut rest = scopes;
    while let Some((some, others)) = rest.split_at_checked(size.min(rest.len())).filter(|(some, _)| !some.is_empty()) {
        // nothing after the last entry of a full page is needed
        let bound = if merged.len() == most { merged.last().map(String::as_str) } else { None };
        let mut names = list(some, bound).await?;
        merged.append(&mut names);
        merged.sort_unstable();
        merged.dedup();
        merged.truncate(most);
        rest = others;
        size = largest.min(size * 8);
    }
    Ok(merged)
}
