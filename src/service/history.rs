//! The history of changes, the tags of a resource as of a time, and the audit log.

use std::sync::Arc;

use tokio::sync::OnceCell;

use super::access::{AccessControl, Action, Grant, Target};
use crate::{
    auth::{MarkerKey, Principal},
    domain::{
        Outage, RequestError, Tag,
        command::ResourceRef,
        history::{Act, ActFilter, Change, ChangeFilter, Feed, FeedPosition, Gap},
        is_storable,
        registry::{Condition, RegistryError},
    },
};

/// The use cases of the history.
#[derive(Debug, Clone)]
pub struct History {
    access: AccessControl,
    /// Read from the database once.
    key: Arc<OnceCell<MarkerKey>>,
}

/// A page, newest first.
#[derive(Debug)]
pub struct HistoryPage<T> {
    /// The entries.
    pub entries: Vec<T>,
    /// Marker of the next page; `None` after the last.
    pub next_marker: Option<String>,
}

/// A part of the feed.
#[derive(Debug)]
pub struct FeedPage {
    /// Changes; those of a resource are in order.
    pub changes: Vec<Change>,
    /// Marker of what comes next, now or later.
    pub next_marker: String,
    /// Times without history since the marker before.
    pub gaps: Vec<Gap>,
}

/// Where the feed begins.
#[derive(Debug, Clone, Copy)]
pub enum FeedStart<'a> {
    /// With the oldest change that is kept.
    Beginning,
    /// After the newest one.
    End,
    /// After what has this marker.
    Marker(&'a str),
}

/// The list of the feed, for its markers.
const FEED: &str = "feed";
/// The list of the audit log.
const ACTS: &str = "audit";

impl History {
    pub(super) fn new(access: AccessControl) -> Self {
        Self { access, key: Arc::default() }
    }

    /// A page of the changes of a resource, which may have been removed.
    pub async fn of_resource(
        &self,
        principal: &Principal,
        resource: &ResourceRef,
        filter: &ChangeFilter,
        marker: Option<&str>,
        limit: u32,
    ) -> Result<HistoryPage<Change>, RegistryError> {
        let grant = self.access.may(principal, Action::Read, Target::of(resource)).await?;
        let scope_id = grant.find_registered_scope(resource).await?;
        let list = list_of(&["resource", &scope_id.to_string(), &resource.resource_id]);
        let before = self.before(&grant, &list, marker).await?;
        let domain_id = grant.covered().domain_id;
        let id = &resource.resource_id;
        let found = grant.store().changes_of_resource(scope_id, id, domain_id, filter, before, limit).await?;
        if found.0.is_empty() && grant.store().find_registered(scope_id, id).await?.is_none() {
            // a resource that was removed is known by its changes
            let any = ChangeFilter::default();
            if grant.store().changes_of_resource(scope_id, id, domain_id, &any, None, 1).await?.0.is_empty() {
                return Err(RequestError::unknown_resource(id).into());
            }
        }
        self.page(&grant, &list, found, limit).await
    }

    /// A page of the changes of all resources in a project.
    pub async fn of_project(
        &self,
        principal: &Principal,
        project_id: &str,
        filter: &ChangeFilter,
        marker: Option<&str>,
        limit: u32,
    ) -> Result<HistoryPage<Change>, RegistryError> {
        let grant = self.access.may(principal, Action::Read, Target::Project(project_id)).await?;
        if !is_storable(project_id) {
            return Err(RegistryError::unknown_project(project_id));
        }
        let list = list_of(&["project", project_id]);
        let before = self.before(&grant, &list, marker).await?;
        let scopes = grant.store().scopes_of_project(project_id).await?;
        if scopes.is_empty() {
            grant.find_project(project_id).await?;
        }
        let domain_id = grant.covered().domain_id;
        let found = grant.store().changes_of_scopes(&scopes, domain_id, filter, before, limit).await?;
        self.page(&grant, &list, found, limit).await
    }

    /// The changes of all resources that the principal may read, oldest first.
    pub async fn feed(
        &self,
        principal: &Principal,
        start: FeedStart<'_>,
        limit: u32,
    ) -> Result<FeedPage, RegistryError> {
        let grant = self.access.may(principal, Action::Read, Target::Everywhere).await?;
        let key = self.key(&grant).await?;
        // which changes are complete is only known there
        let store = grant.primary();
        let settled = grant.settled_feed();
        let (changes, next, gaps) = match start {
            FeedStart::End => {
                let end = store.feed_end().await?;
                let end = settled.end(end).filter(|_| end.is_settled);
                let busy = || RequestError::Unavailable {
                    outage: Outage::Busy,
                    source: "a writer takes long, so the end of the history is not known".into(),
                };
                (Vec::new(), end.ok_or_else(busy)?, Vec::new())
            }
            FeedStart::Beginning | FeedStart::Marker(_) => {
                let after = match start {
                    FeedStart::Marker(marker) => {
                        let [span_id, span_token, change_id, origin] =
                            key.open(FEED, marker).ok_or_else(|| RequestError::not_a_marker(marker))?;
                        let span_id = i32::try_from(span_id).unwrap_or(i32::MAX);
                        FeedPosition { span_id, span_token, change_id, origin }
                    }
                    _ => store.feed_beginning().await?,
                };
                store.check_position(after).await?;
                // nothing new is known to be complete while a writer takes long
                let end = settled.end(store.feed_end().await?).filter(|end| end.change_id >= after.change_id);
                let feed = match end {
                    None => Feed { next: after, ..Feed::default() },
                    Some(end) => store.feed(grant.covered(), after, end, limit).await?,
                };
                // again: entries may have been pruned while they were read, or another server may have taken over
                store.check_position(after).await?;
                (feed.changes, feed.next, feed.gaps)
            }
        };
        let next_marker = key.seal(FEED, &[next.span_id.into(), next.span_token, next.change_id, next.origin])?;
        Ok(FeedPage { changes, next_marker, gaps })
    }

    /// The tags that a resource had at a time, in microseconds since 1970.
    pub async fn tags_at(
        &self,
        principal: &Principal,
        resource: &ResourceRef,
        at: i64,
    ) -> Result<Vec<Tag>, RegistryError> {
        let grant = self.access.may(principal, Action::Read, Target::of(resource)).await?;
        let scope_id = grant.find_registered_scope(resource).await?;
        tags_at(&grant, scope_id, resource, at).await
    }

    /// Gives a resource the tags again that it had at a time. Returns its new etag and the tags.
    pub async fn restore(
        &self,
        principal: &Principal,
        resource: &ResourceRef,
        at: i64,
        condition: &Condition,
    ) -> Result<(String, Vec<Tag>), RegistryError> {
        let grant = self.access.may(principal, Action::Register, Target::of(resource)).await?;
        let scope_id = grant.find_registered_scope(resource).await?;
        let tags = tags_at(&grant, scope_id, resource, at).await?;
        let writer = grant.writer();
        let etag = writer.replace_tags_if(scope_id, &resource.resource_id, &tags, condition, "restore").await?;
        Ok((etag, tags))
    }

    /// A page of the audit log.
    pub async fn acts(
        &self,
        principal: &Principal,
        filter: &ActFilter,
        marker: Option<&str>,
        limit: u32,
    ) -> Result<HistoryPage<Act>, RegistryError> {
        let grant = self.access.may(principal, Action::ReadAudit, Target::Types).await?;
        let before = self.before(&grant, ACTS, marker).await?;
        let found = grant.store().list_acts(filter, before, limit).await?;
        self.page(&grant, ACTS, found, limit).await
    }

    async fn key(&self, grant: &Grant<'_>) -> Result<&MarkerKey, RequestError> {
        self.key.get_or_try_init(|| async { MarkerKey::new(&grant.primary().marker_secret().await?) }).await
    }

    /// The number of a marker of a list.
    async fn before(&self, grant: &Grant<'_>, list: &str, marker: Option<&str>) -> Result<Option<i64>, RequestError> {
        let Some(marker) = marker else { return Ok(None) };
        let [number] = self.key(grant).await?.open(list, marker).ok_or_else(|| RequestError::not_a_marker(marker))?;
        Ok(Some(number))
    }

    async fn page<T>(
        &self,
        grant: &Grant<'_>,
        list: &str,
        (entries, oldest): (Vec<T>, Option<i64>),
        limit: u32,
    ) -> Result<HistoryPage<T>, RegistryError> {
        let is_full = u32::try_from(entries.len()).is_ok_and(|count| count == limit);
        let next_marker = match oldest.filter(|_| is_full) {
            Some(number) => Some(self.key(grant).await?.seal(list, &[number])?),
            None => None,
        };
        Ok(HistoryPage { entries, next_marker })
    }
}

/// The name of a list; no name in it has a NUL.
fn list_of(parts: &[&str]) -> String {
    parts.join("\0")
}

async fn tags_at(grant: &Grant<'_>, scope_id: i64, resource: &ResourceRef, at: i64) -> Result<Vec<Tag>, RegistryError> {
    let domain_id = grant.covered().domain_id;
    let found = grant.store().tags_at(scope_id, &resource.resource_id, at, domain_id).await?;
    found.ok_or_else(|| RequestError::unknown_resource(&resource.resource_id).into())
}
