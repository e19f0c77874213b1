//! Changes of tags, each of one resource and one transaction.

use std::borrow::Cow;

use super::Service;
use crate::{
    auth::Principal,
    domain::{
        Answer, RequestError, Tag,
        command::{PredefinedOrder, PredefinedQuery, ResourceRef, TagChange},
    },
};

/// Most predefined tags of an account.
pub const PREDEFINED_QUOTA: u32 = 500;

impl Service {
    /// The scope of a resource that a request names, which may leave the project out.
    pub(super) async fn find_target(&self, principal: &Principal, target: &ResourceRef) -> Result<i64, RequestError> {
        let unknown = || RequestError::unknown_resource(&target.resource_id);
        // no column can hold a NUL, so nothing is called that
        if target.resource_id.contains('\0') || target.resource_type.contains('\0') {
            return Err(unknown());
        }
        if let Some(project_id) = &target.project_id {
            let scopes = self.find_scope(project_id, &target.resource_type).await?;
            return scopes.first().map(|scope| scope.scope_id).ok_or_else(unknown);
        }
        let domain = principal.domain_id.as_deref();
        let scopes = self.store.find_resource(&target.resource_type, &target.resource_id, domain).await?;
        match scopes.as_slice() {
            [] => Err(unknown()),
            [scope_id] => Ok(*scope_id),
            _ => Err(RequestError::AmbiguousResource),
        }
    }

    pub(super) async fn change_tags(
        &self,
        principal: &Principal,
        target: &ResourceRef,
        change: &TagChange,
    ) -> Result<(), RequestError> {
        let scope_id = self.find_target(principal, target).await?;
        let resource_id = target.resource_id.as_str();
        match change {
            TagChange::Put(tags) => self.store.put_tags(scope_id, resource_id, tags).await,
            TagChange::Remove(tags) => {
                // no tag has a NUL, so there is nothing to remove; that the resource exists is still checked
                let is_storable = |(key, value): &&(String, Option<String>)| {
                    !key.contains('\0') && !value.as_ref().is_some_and(|value| value.contains('\0'))
                };
                let tags: Vec<_> = tags.iter().filter(is_storable).cloned().collect();
                self.store.remove_tags(scope_id, resource_id, &tags).await
            }
            TagChange::RemoveKey(key) => {
                let removed = !key.contains('\0') && self.store.remove_tag(scope_id, resource_id, key).await?;
                if removed { Ok(()) } else { Err(RequestError::UnknownTag { key: key.clone() }) }
            }
        }
    }

    /// The targets with their types, where aliases of these are named. Refuses targets of a type that is not registered, or
    /// that needs a project and has none.
    pub(super) async fn check_types<'t>(
        &self,
        targets: &'t [ResourceRef],
        field: impl Fn(usize) -> String,
    ) -> Result<Cow<'t, [ResourceRef]>, RequestError> {
        // a scope that is known is one of a known type
        let is_known = |target: &ResourceRef| {
            target.project_id.as_ref().is_some_and(|id| self.scopes.get(id, &target.resource_type).is_some())
        };
        if targets.iter().all(is_known) {
            return Ok(Cow::Borrowed(targets));
        }
        let types = self.store.list_types().await?;
        let mut checked = Cow::Borrowed(targets);
        for (i, target) in targets.iter().enumerate() {
            match types.iter().find(|known| known.is_called(&target.resource_type)) {
                None => {
                    let resource_type = target.resource_type.clone();
                    return Err(RequestError::UnknownType { field: field(i), resource_type });
                }
                Some(known) if known.regional && target.project_id.is_none() => {
                    return Err(RequestError::ProjectMissing { resource_type: target.resource_type.clone() });
                }
                Some(known) if known.resource_type != target.resource_type => {
                    if let Some(target) = checked.to_mut().get_mut(i) {
                        target.resource_type.clone_from(&known.resource_type);
                    }
                }
                Some(_) => {}
            }
        }
        Ok(checked)
    }

    /// Changes several resources; what fails on one does not keep the others from being changed.
    pub(super) async fn change_many(
        &self,
        principal: &Principal,
        targets: &[ResourceRef],
        change: &TagChange,
    ) -> Result<Answer, RequestError> {
        let targets = self.check_types(targets, |i| format!("resources[{i}].resource_type")).await?;
        let mut failures = Vec::new();
        for (i, target) in targets.iter().enumerate() {
            match self.change_tags(principal, target, change).await {
                Ok(()) => {}
                // a database that is away is not the fault of one resource
                Err(fault @ (RequestError::Unavailable { .. } | RequestError::Internal { .. })) => return Err(fault),
                Err(fault) => failures.push((i, fault)),
            }
        }
        Ok(Answer::Failures(failures))
    }

    pub(super) async fn put_predefined(&self, principal: &Principal, tags: &[Tag]) -> Result<Answer, RequestError> {
        self.store.put_predefined(principal.account(), tags, PREDEFINED_QUOTA).await?;
        Ok(Answer::Done)
    }

    pub(super) async fn remove_predefined(&self, principal: &Principal, tags: &[Tag]) -> Result<Answer, RequestError> {
        // no tag has a NUL, so there is nothing to remove
        let is_storable = |tag: &&Tag| !tag.key.contains('\0') && !tag.value.contains('\0');
        let tags: Vec<Tag> = tags.iter().filter(is_storable).cloned().collect();
        self.store.remove_predefined(principal.account(), &tags).await?;
        Ok(Answer::Done)
    }

    pub(super) async fn replace_predefined(
        &self,
        principal: &Principal,
        old: &Tag,
        new: &Tag,
    ) -> Result<Answer, RequestError> {
        self.store.replace_predefined(principal.account(), old, new).await?;
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
        let (_, used) = self.store.list_predefined(principal.account(), &all).await?;
        Ok(Answer::Quota { used, limit: PREDEFINED_QUOTA.into() })
    }
}
