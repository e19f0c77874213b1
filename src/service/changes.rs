//! Changes of tags, each of one resource and one transaction.

use super::{
    Service,
    access::{Action, Target},
};
use crate::{
    auth::Principal,
    domain::{
        Answer, RequestError, Tag,
        command::{PredefinedOrder, PredefinedQuery, ResourceRef, TagChange},
        is_storable,
    },
};

/// Maximum number of predefined tags of an account.
pub const PREDEFINED_QUOTA: u32 = 500;

impl Service {
    pub(super) async fn change_tags(
        &self,
        principal: &Principal,
        resource: &ResourceRef,
        change: &TagChange,
    ) -> Result<Answer, RequestError> {
        let grant = self.access.may(principal, Action::Tag, Target::of(resource)).await?;
        let scope_id = grant.find_resource_scope(resource).await?;
        let resource_id = resource.resource_id.as_str();
        match change {
            TagChange::Put(tags) => grant.writer().put_tags(scope_id, resource_id, tags).await?,
            TagChange::Remove(tags) => {
                // no resource has a key that cannot be stored; still check that the resource exists
                let may_be_there = |(key, value): &&(String, Option<String>)| {
                    is_storable(key) && value.as_deref().is_none_or(is_storable)
                };
                let tags: Vec<_> = tags.iter().filter(may_be_there).cloned().collect();
                grant.writer().remove_tags(scope_id, resource_id, &tags).await?;
            }
            TagChange::RemoveKey(key) => {
                if !is_storable(key) || !grant.writer().remove_tag(scope_id, resource_id, key).await? {
                    return Err(RequestError::UnknownTag { key: key.clone() });
                }
            }
        }
        Ok(Answer::Done)
    }

    /// Changes several resources; a failure on one does not affect the others.
    pub(super) async fn change_many(
        &self,
        principal: &Principal,
        resources: &[ResourceRef],
        change: &TagChange,
    ) -> Result<Answer, RequestError> {
        // a role that may not change tags is refused as a whole, and not resource by resource
        let types = self.access.may(principal, Action::Tag, Target::Types).await?;
        let resources = types.check_types(resources, |i| format!("resources[{i}].resource_type")).await?;
        let mut failures = Vec::new();
        for (i, resource) in resources.iter().enumerate() {
            if i > 0 {
                types.check_again().await?;
            }
            match self.change_tags(principal, resource, change).await {
                Ok(_) => {}
                // an outage of the database is not the failure of one resource
                Err(error @ (RequestError::Unavailable { .. } | RequestError::Internal { .. })) => return Err(error),
                Err(error) => failures.push((i, error)),
            }
        }
        Ok(Answer::Failures(failures))
    }

    pub(super) async fn put_predefined(&self, principal: &Principal, tags: &[Tag]) -> Result<Answer, RequestError> {
        let grant = self.access.may(principal, Action::Tag, Target::Account).await?;
        grant.writer().put_predefined(grant.account(), tags, PREDEFINED_QUOTA).await?;
        Ok(Answer::Done)
    }

    pub(super) async fn remove_predefined(&self, principal: &Principal, tags: &[Tag]) -> Result<Answer, RequestError> {
        let grant = self.access.may(principal, Action::Tag, Target::Account).await?;
        // a tag that cannot be stored does not exist
        let may_be_there = |tag: &&Tag| is_storable(&tag.key) && is_storable(&tag.value);
        let tags: Vec<Tag> = tags.iter().filter(may_be_there).cloned().collect();
        grant.writer().remove_predefined(grant.account(), &tags).await?;
        Ok(Answer::Done)
    }

    pub(super) async fn replace_predefined(
        &self,
        principal: &Principal,
        old: &Tag,
        new: &Tag,
    ) -> Result<Answer, RequestError> {
        let grant = self.access.may(principal, Action::Tag, Target::Account).await?;
        grant.writer().replace_predefined(grant.account(), old, new).await?;
        Ok(Answer::Done)
    }

    pub(super) async fn count_predefined(&self, principal: &Principal) -> Result<Answer, RequestError> {
        let all = PredefinedQuery {
            key: None,
            value: None,
            limit: 1,
            offset: 0,
            order: PredefinedOrder::Key,
            descending: false,
        };
        let grant = self.access.may(principal, Action::Read, Target::Account).await?;
        let (_, used) = grant.store().list_predefined(grant.account(), &all).await?;
        Ok(Answer::Quota { used, limit: PREDEFINED_QUOTA.into() })
    }
}
