//! The predefined tags of an account.

use super::{Store, caller::row_of, forms::Form, retry::Retry, rows::parts_of};
use crate::domain::{
    RequestError, Tag,
    command::{Predefined, PredefinedOrder, PredefinedQuery, ResourceType},
    matching::fold,
};

impl Store {
    /// Adds predefined tags, up to a quota.
    pub async fn put_predefined(&self, domain_id: &str, tags: &[Tag], quota: u32) -> Result<(), RequestError> {
        let parts = parts_of(tags);
        let quota = i32::try_from(quota).unwrap_or(i32::MAX);
        self.writing(Form::PutPredefined)
            .execute(Retry::Write, || {
                sqlx::query!(
                    "select tagd.put_predefined($1, $2, $3, $4::text::tagd.caller)",
                    domain_id,
                    &parts,
                    quota,
                    row_of(&self.caller)
                )
            })
            .await?;
        Ok(())
    }

    /// Removes predefined tags; absent ones are ignored.
    pub async fn remove_predefined(&self, domain_id: &str, tags: &[Tag]) -> Result<(), RequestError> {
        let parts = parts_of(tags);
        self.writing(Form::RemovePredefined)
            .execute(Retry::Write, || {
                sqlx::query!(
                    "select tagd.remove_predefined($1, $2, $3::text::tagd.caller)",
                    domain_id,
                    &parts,
                    row_of(&self.caller)
                )
            })
            .await?;
        Ok(())
    }

    /// Replaces a predefined tag with another.
    pub async fn replace_predefined(&self, domain_id: &str, old: &Tag, new: &Tag) -> Result<(), RequestError> {
        self.writing(Form::ReplacePredefined)
            .execute(Retry::Write, || {
                sqlx::query!(
                    "select tagd.replace_predefined($1, $2, $3, $4, $5, $6::text::tagd.caller)",
                    domain_id,
                    old.key,
                    old.value,
                    new.key,
                    new.value,
                    row_of(&self.caller)
                )
            })
            .await?;
        Ok(())
    }

    /// A page of the matching predefined tags, and their total number.
    pub async fn list_predefined(
        &self,
        domain_id: &str,
        query: &PredefinedQuery,
    ) -> Result<(Vec<Predefined>, u64), RequestError> {
        let rows = self
            .cheap(Form::ListPredefined)
            .fetch_all(Retry::Read, || {
                sqlx::query!(
                    r#"select t.key, t.value,
                              to_char(t.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as "updated_at!"
                         from tagd.predefined_tag t
                        where t.domain_id = $1"#,
                    domain_id
                )
            })
            .await?;
        // an account has a few hundred at most, so they are filtered and sorted here: names and texts are only folded
        // in Rust
        let holds =
            |text: &str, part: &Option<String>| part.as_ref().is_none_or(|part| fold(text).contains(&fold(part)));
        let mut tags: Vec<Predefined> = rows
            .into_iter()
            .filter(|row| holds(&row.key, &query.key) && holds(&row.value, &query.value))
            .map(|row| Predefined { tag: Tag { key: row.key, value: row.value }, updated_at: row.updated_at })
            .collect();
        let total = u64::try_from(tags.len()).unwrap_or_default();
        tags.sort_by(|a, b| {
            let key = a.tag.key.cmp(&b.tag.key);
            let value = a.tag.value.cmp(&b.tag.value);
            let newest = b.updated_at.cmp(&a.updated_at);
            let (order, ties) = match query.order {
                PredefinedOrder::UpdateTime => (newest.reverse(), key.then(value)),
                PredefinedOrder::Key => (key, newest.then(value)),
                PredefinedOrder::Value => (value, newest.then(key)),
            };
            if query.descending { order.reverse() } else { order }.then(ties)
        });
        let offset = usize::try_from(query.offset).unwrap_or(usize::MAX);
        let limit = if query.limit == 0 { usize::MAX } else { usize::try_from(query.limit).unwrap_or(usize::MAX) };
        Ok((tags.into_iter().skip(offset).take(limit).collect(), total))
    }

    /// Every resource type, by service and name.
    pub async fn list_types(&self) -> Result<Vec<ResourceType>, RequestError> {
        let rows = self
            .cheap(Form::ListTypes)
            .fetch_all(Retry::Read, || {
                sqlx::query!(
                    r#"select t.resource_type, t.service, t.regional, t.tag_quota,
                              array(select a.resource_type from tagd.resource_type a
                                     where a.alias_of = t.resource_type
                                     order by a.resource_type) as "aliases!"
                         from tagd.resource_type t
                        where t.alias_of is null
                        order by t.service, t.resource_type"#
                )
            })
            .await?;
        Ok(rows
            .into_iter()
            .map(|row| ResourceType {
                resource_type: row.resource_type,
                service: row.service,
                regional: row.regional,
                tag_quota: u32::try_from(row.tag_quota).unwrap_or_default(),
                aliases: row.aliases,
            })
            .collect())
    }
}
