//! Lists of tags: of a resource, of a scope, of everything an account has.

use std::sync::Arc;

use super::Service;
use crate::{
    auth::Principal,
    domain::{
        Answer, RequestError, Scope, Tag, TagList, TagOrder, TagWalk,
        command::{KeysetPage, PredefinedQuery, ResourceRef},
    },
};

/// Tags of a list that are in memory at a time: some 100 KB as tags usually are, 4 MB at most.
const PIECE: u32 = 2000;

/// The same for a list by text. No index has this order: each piece looks at all that is listed, so there are fewer.
const TEXT_PIECE: u32 = 20_000;

impl Service {
    pub(super) async fn list_tags(&self, principal: &Principal, target: &ResourceRef) -> Result<Answer, RequestError> {
        let scope_id = self.find_target(principal, target).await?;
        let tags = self.store.list_tags(scope_id, &target.resource_id).await?;
        tags.map(Answer::Tags).ok_or_else(|| RequestError::unknown_resource(&target.resource_id))
    }

    pub(super) async fn list_scope_tags(
        &self,
        project_id: &str,
        resource_type: &str,
        with_system: bool,
        part: Option<&KeysetPage>,
    ) -> Result<Answer, RequestError> {
        let scopes = numbers(&self.find_scope(project_id, resource_type).await?);
        let Some(part) = part else {
            return self.begin_walk(TagWalk::by_key(scopes, with_system, None), None).await;
        };
        let marker = part.marker.as_deref().map(before_nul);
        let keys = self.store.list_keys(&scopes, marker, part.limit, with_system).await?;
        let next = keys.last().cloned();
        self.begin_walk(TagWalk::by_key(scopes, with_system, Some(keys)), next).await
    }

    /// Different tags of a type's resources, or of one of them, by text; no system tags.
    pub(super) async fn list_used_tags(
        &self,
        principal: &Principal,
        project_id: Option<&str>,
        resource_type: &str,
        resource_id: Option<&str>,
        (limit, offset): (u32, u64),
    ) -> Result<Answer, RequestError> {
        if let Some(resource_id) = resource_id {
            let target = ResourceRef {
                project_id: project_id.map(ToOwned::to_owned),
                resource_type: resource_type.to_owned(),
                resource_id: resource_id.to_owned(),
            };
            let tags = match self.find_target(principal, &target).await {
                Ok(scope_id) => self.store.list_tags(scope_id, resource_id).await?,
                // a filter that nothing meets
                Err(RequestError::UnknownResource { .. }) => None,
                Err(other) => return Err(other),
            };
            let mut tags = tags.unwrap_or_default();
            tags.retain(|tag| !tag.is_system());
            tags.sort_by_cached_key(Tag::text);
            tags.dedup_by_key(|tag| tag.text());
            let places = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
            let tags = tags.into_iter().skip(places(offset)).take(places(limit.into())).collect();
            return Ok(Answer::TagList(TagList { tags, rest: None, next: None }));
        }
        let scopes = if let Some(project_id) = project_id {
            self.find_scope(project_id, resource_type).await?
        } else {
            // all projects, also of a type that a query may only ask for by project
            let domain = principal.domain_id.as_deref();
            self.store.find_scopes(&[resource_type.to_owned()], None, domain).await?.scopes
        };
        let walk = TagWalk {
            scopes: numbers(&scopes),
            order: TagOrder::Text,
            with_system: false,
            keys: None,
            behind: None,
            skip: offset,
            left: limit.into(),
        };
        self.begin_walk(walk, None).await
    }

    pub(super) async fn list_type_tags(
        &self,
        principal: &Principal,
        project_id: &str,
        resource_types: &[String],
    ) -> Result<Answer, RequestError> {
        let scopes = numbers(&self.find_scopes(principal, resource_types, Some(project_id)).await?);
        self.begin_walk(TagWalk::by_key(scopes, false, None), None).await
    }

    async fn begin_walk(&self, walk: TagWalk, next: Option<String>) -> Result<Answer, RequestError> {
        let (tags, rest) = self.walk(walk).await?;
        Ok(Answer::TagList(TagList { tags, rest, next }))
    }

    /// The next piece of a list, and where it goes on.
    pub async fn walk(&self, mut walk: TagWalk) -> Result<(Vec<Tag>, Option<TagWalk>), RequestError> {
        let first_key = walk.keys.as_ref().map(|keys| keys.first().map(String::as_str));
        if walk.scopes.is_empty() || first_key == Some(None) {
            return Ok((Vec::new(), None));
        }
        let most = u32::try_from(walk.left).unwrap_or(u32::MAX);
        let (limit, tags) = match walk.order {
            TagOrder::Key => {
                let limit = most.min(PIECE);
                let (key, value) = match &walk.behind {
                    Some(tag) => (tag.key.as_str(), Some(tag.value.as_str())),
                    None => (first_key.flatten().unwrap_or_default(), None),
                };
                let tags = self.store.list_tags_by_key(&walk.scopes, key, value, limit + 1, walk.with_system).await?;
                (limit, tags)
            }
            TagOrder::Text => {
                let limit = most.min(TEXT_PIECE);
                let text = walk.behind.as_ref().map(Tag::text);
                (limit, self.store.list_tags_by_text(&walk.scopes, text.as_deref(), walk.skip, limit + 1).await?)
            }
        };
        // one more than is wanted tells whether there is a next piece
        let (mut tags, next) = cut(tags, limit, Clone::clone);
        let last_key = walk.keys.as_ref().and_then(|keys| keys.last());
        let is_behind = |tag: &Tag| last_key.is_some_and(|last| tag.key > *last);
        let is_last = next.is_none() || most == limit || tags.last().is_some_and(is_behind);
        if let Some(keys) = &walk.keys {
            // a key that has come since the part was chosen is not of it
            tags.retain(|tag| keys.binary_search(&tag.key).is_ok());
        }
        walk.behind = next;
        walk.skip = 0;
        walk.left -= u64::from(limit);
        Ok((tags, (!is_last).then_some(walk)))
    }

    pub(super) async fn list_keys(
        &self,
        principal: &Principal,
        region: Option<&str>,
        part: &KeysetPage,
    ) -> Result<Answer, RequestError> {
        if !self.is_here(region) {
            return Ok(Answer::Names { names: Vec::new(), next: None });
        }
        let scopes = self.store.domain_scopes(principal.domain_id.as_deref()).await?;
        let marker = part.marker.as_deref().map(before_nul);
        let names = self.store.list_keys(&scopes, marker, part.limit, false).await?;
        Ok(Answer::Names { next: names.last().cloned(), names })
    }

    pub(super) async fn list_values(
        &self,
        principal: &Principal,
        region: Option<&str>,
        key: &str,
        part: &KeysetPage,
    ) -> Result<Answer, RequestError> {
        // no tag has a NUL, so nobody has a value with such a key
        if !self.is_here(region) || key.contains('\0') {
            return Ok(Answer::Names { names: Vec::new(), next: None });
        }
        let scopes = self.store.domain_scopes(principal.domain_id.as_deref()).await?;
        let marker = part.marker.as_deref().map(before_nul);
        let names = self.store.list_values(&scopes, key, marker, part.limit).await?;
        Ok(Answer::Names { next: names.last().cloned(), names })
    }

    /// Whether what is asked of a region, or of all, is asked of this one.
    fn is_here(&self, region: Option<&str>) -> bool {
        region.is_none_or(|region| region == &*self.region)
    }

    pub(super) async fn list_predefined(
        &self,
        principal: &Principal,
        ask: &PredefinedQuery,
    ) -> Result<Answer, RequestError> {
        let (tags, total) = self.store.list_predefined(principal.account(), ask).await?;
        Ok(Answer::Predefined { tags, total })
    }
}

/// The part that was asked for, and the marker of the next where there is more.
pub(super) fn cut<T, M>(mut entries: Vec<T>, limit: u32, marker: impl Fn(&T) -> M) -> (Vec<T>, Option<M>) {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if entries.len() <= limit {
        return (entries, None);
    }
    entries.truncate(limit);
    let next = entries.last().map(marker);
    (entries, next)
}

fn numbers(scopes: &[Arc<Scope>]) -> Vec<i64> {
    scopes.iter().map(|scope| scope.scope_id).collect()
}

/// The part of a marker before a NUL: as no name has one, the same names come after it.
fn before_nul(marker: &str) -> &str {
    marker.split('\0').next().unwrap_or_default()
}
