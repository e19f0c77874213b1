//! Lists of tags: of a resource, of a scope, or of everything an account has.

use std::sync::Arc;

use super::{
    Service,
    access::{Action, Grant, Target},
};
use crate::{
    auth::Principal,
    domain::{
        Answer, RequestError, Scope, Tag, TagList, TagOrder, TagWalk,
        command::{KeysetPage, PredefinedQuery, ResourceRef},
        is_storable,
    },
};

/// Number of tags of a list that are read at a time, as one piece: about 100 KB for typical tags, 4 MB at most.
const READ_SIZE: u32 = 2000;

/// The same for a list sorted by text. No index has this order, so each piece reads the whole list; pieces are larger to
/// have fewer of them.
const TEXT_READ_SIZE: u32 = 20_000;

impl Service {
    pub(super) async fn list_tags(
        &self,
        principal: &Principal,
        resource: &ResourceRef,
    ) -> Result<Answer, RequestError> {
        let types = self.access.may(principal, Action::Read, Target::Types).await?;
        let checked = types.check_types(std::slice::from_ref(resource), |_| "resource_type".to_owned()).await?;
        let resource = checked.first().unwrap_or(resource);
        let grant = self.access.may(principal, Action::Read, Target::of(resource)).await?;
        let scope_id = grant.find_resource_scope(resource).await?;
        let tags = grant.store().list_tags(scope_id, &resource.resource_id).await?;
        grant.check_read(&[scope_id]).await?;
        tags.map(Answer::Tags).ok_or_else(|| RequestError::unknown_resource(&resource.resource_id))
    }

    pub(super) async fn list_scope_tags(
        &self,
        principal: &Principal,
        project_id: &str,
        resource_type: &str,
        with_system: bool,
        page: Option<&KeysetPage>,
    ) -> Result<Answer, RequestError> {
        let grant = self.access.may(principal, Action::Read, Target::Project(project_id)).await?;
        let scopes = grant.find_scope(resource_type).await?.map(|scope| scope.scope_id).into_iter().collect();
        let Some(page) = page else {
            return begin_walk(&grant, TagWalk::by_key(scopes, with_system, None), None).await;
        };
        let marker = page.marker.as_deref().map(before_nul);
        let keys = grant.store().list_keys(&scopes, marker, page.limit, with_system).await?;
        let next = keys.last().cloned();
        begin_walk(&grant, TagWalk::by_key(scopes, with_system, Some(keys)), next).await
    }

    /// Distinct tags of a type's resources, or of one of them, sorted by text; without system tags.
    pub(super) async fn list_used_tags(
        &self,
        principal: &Principal,
        project_id: Option<&str>,
        resource_type: &str,
        resource_id: Option<&str>,
        (limit, offset): (u32, u64),
    ) -> Result<Answer, RequestError> {
        let grant = self.access.may(principal, Action::Read, Target::projects(project_id)).await?;
        if let Some(resource_id) = resource_id {
            let resource = ResourceRef {
                project_id: project_id.map(ToOwned::to_owned),
                resource_type: resource_type.to_owned(),
                resource_id: resource_id.to_owned(),
            };
            let tags = match grant.find_resource_scope(&resource).await {
                Ok(scope_id) => {
                    let tags = grant.store().list_tags(scope_id, resource_id).await?;
                    grant.check_read(&[scope_id]).await?;
                    tags
                }
                // a filter that matches nothing
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
        let scopes = if project_id.is_some() {
            grant.find_scope(resource_type).await?.into_iter().collect()
        } else {
            // all projects, even for a type whose queries must name one
            grant.store().find_scopes(&[resource_type.to_owned()], None, grant.covered()).await?.scopes
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
        begin_walk(&grant, walk, None).await
    }

    pub(super) async fn list_type_tags(
        &self,
        principal: &Principal,
        project_id: &str,
        resource_types: &[String],
    ) -> Result<Answer, RequestError> {
        let grant = self.access.may(principal, Action::Read, Target::Project(project_id)).await?;
        let scopes = numbers(&grant.find_scopes(resource_types).await?);
        begin_walk(&grant, TagWalk::by_key(scopes, false, None), None).await
    }

    /// The next piece of a list that has begun, and the rest if there is one. Access is checked for each piece, so a list ends
    /// when its credential is revoked, or when one of its projects gets another domain.
    pub async fn walk(
        &self,
        principal: &Principal,
        walk: TagWalk,
    ) -> Result<(Vec<Tag>, Option<TagWalk>), RequestError> {
        let grant = self.access.may(principal, Action::Read, Target::Everywhere).await?;
        grant.check_again().await?;
        if let Some(domain_id) = grant.confined_to()
            && grant.primary().any_foreign(&walk.scopes, domain_id).await?
        {
            return Err(RequestError::lost_project());
        }
        read_piece(&grant, walk).await
    }

    pub(super) async fn list_keys(
        &self,
        principal: &Principal,
        region: Option<&str>,
        page: &KeysetPage,
    ) -> Result<Answer, RequestError> {
        if !self.is_here(region) {
            return Ok(Answer::Names { names: Vec::new(), next: None });
        }
        let grant = self.access.may(principal, Action::Read, Target::Everywhere).await?;
        let scopes = grant.store().covered_scopes(grant.covered()).await?;
        let marker = page.marker.as_deref().map(before_nul);
        let names = grant.store().list_keys(&scopes, marker, page.limit, false).await?;
        grant.check_read(&scopes).await?;
        Ok(Answer::Names { next: names.last().cloned(), names })
    }

    pub(super) async fn list_values(
        &self,
        principal: &Principal,
        region: Option<&str>,
        key: &str,
        page: &KeysetPage,
    ) -> Result<Answer, RequestError> {
        // no tag has a key that cannot be stored
        if !self.is_here(region) || !is_storable(key) {
            return Ok(Answer::Names { names: Vec::new(), next: None });
        }
        let grant = self.access.may(principal, Action::Read, Target::Everywhere).await?;
        let scopes = grant.store().covered_scopes(grant.covered()).await?;
        let marker = page.marker.as_deref().map(before_nul);
        let names = grant.store().list_values(&scopes, key, marker, page.limit).await?;
        grant.check_read(&scopes).await?;
        Ok(Answer::Names { next: names.last().cloned(), names })
    }

    pub(super) async fn list_providers(&self, principal: &Principal) -> Result<Answer, RequestError> {
        let grant = self.access.may(principal, Action::Read, Target::Types).await?;
        let types = grant.store().list_types().await?;
        Ok(Answer::Providers { types, services: Arc::clone(&self.services), region: self.region.to_string() })
    }

    /// Whether a request for a region, or for all regions, includes this one.
    fn is_here(&self, region: Option<&str>) -> bool {
        region.is_none_or(|region| region == &*self.region)
    }

    pub(super) async fn list_predefined(
        &self,
        principal: &Principal,
        query: &PredefinedQuery,
    ) -> Result<Answer, RequestError> {
        let grant = self.access.may(principal, Action::Read, Target::Account).await?;
        let (tags, total) = grant.store().list_predefined(grant.account(), query).await?;
        Ok(Answer::Predefined { tags, total })
    }
}

async fn begin_walk(grant: &Grant<'_>, walk: TagWalk, next: Option<String>) -> Result<Answer, RequestError> {
    let scopes = walk.scopes.clone();
    let (tags, rest) = read_piece(grant, walk).await?;
    grant.check_read(&scopes).await?;
    Ok(Answer::TagList(TagList { tags, rest, next }))
}

/// The next piece of a list, and the rest if there is one.
async fn read_piece(grant: &Grant<'_>, mut walk: TagWalk) -> Result<(Vec<Tag>, Option<TagWalk>), RequestError> {
    let first_key = walk.keys.as_ref().map(|keys| keys.first().map(String::as_str));
    if walk.scopes.is_empty() || first_key == Some(None) {
        return Ok((Vec::new(), None));
    }
    let most = u32::try_from(walk.left).unwrap_or(u32::MAX);
    let (limit, tags) = match walk.order {
        TagOrder::Key => {
            let limit = most.min(READ_SIZE);
            let (key, value) = match &walk.behind {
                Some(tag) => (tag.key.as_str(), Some(tag.value.as_str())),
                None => (first_key.flatten().unwrap_or_default(), None),
            };
            let tags = grant.store().list_tags_by_key(&walk.scopes, key, value, limit + 1, walk.with_system).await?;
            (limit, tags)
        }
        TagOrder::Text => {
            let limit = most.min(TEXT_READ_SIZE);
            let text = walk.behind.as_ref().map(Tag::text);
            (limit, grant.store().list_tags_by_text(&walk.scopes, text.as_deref(), walk.skip, limit + 1).await?)
        }
    };
    // one tag more than needed was read, to know whether there are others
    let (mut tags, next) = cut(tags, limit, Clone::clone);
    let last_key = walk.keys.as_ref().and_then(|keys| keys.last());
    let is_behind = |tag: &Tag| last_key.is_some_and(|last| tag.key > *last);
    let is_last = next.is_none() || most == limit || tags.last().is_some_and(is_behind);
    if let Some(keys) = &walk.keys {
        // skip a key that was added after the page was selected
        tags.retain(|tag| keys.binary_search(&tag.key).is_ok());
    }
    walk.behind = next;
    walk.skip = 0;
    walk.left -= u64::from(limit);
    Ok((tags, (!is_last).then_some(walk)))
}

/// The requested page, and the marker of the next if there is one.
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

/// The part of a marker before a NUL: no name contains one, so the same names follow it.
fn before_nul(marker: &str) -> &str {
    marker.split('\0').next().unwrap_or_default()
}
