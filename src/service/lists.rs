//! Lists of tags: of a resource, of a scope, of everything an account has.

use super::Service;
use crate::{
    auth::Principal,
    domain::{
        Answer, Fault,
        command::{Part, PredefinedAsk, Target},
    },
};

impl Service {
    pub(super) async fn list_tags(&self, principal: &Principal, target: &Target) -> Result<Answer, Fault> {
        let scope_id = self.find_target(principal, target).await?;
        let tags = self.store.list_tags(scope_id, &target.resource_id).await?;
        tags.map(Answer::Tags).ok_or(Fault::UnknownResource)
    }

    pub(super) async fn list_scope_tags(
        &self,
        project_id: &str,
        resource_type: &str,
        part: Option<&Part>,
    ) -> Result<Answer, Fault> {
        let scopes = self.find_scope(project_id, resource_type).await?;
        let scopes: Vec<i64> = scopes.iter().map(|scope| scope.scope_id).collect();
        // one more than asked for tells whether there is a next part
        let limit = part.map(|part| part.limit + 1);
        let marker = part.and_then(|part| part.marker.as_deref());
        let keys = self.store.list_key_values(&scopes, marker, limit, true).await?;
        let (keys, next) = cut(keys, part.map(|part| part.limit), |(key, _)| key.clone());
        Ok(Answer::KeyValues { keys, next })
    }

    pub(super) async fn list_type_tags(
        &self,
        principal: &Principal,
        project_id: &str,
        resource_types: &[String],
    ) -> Result<Answer, Fault> {
        let scopes = self.find_scopes(principal, resource_types, Some(project_id)).await?;
        let scopes: Vec<i64> = scopes.iter().map(|scope| scope.scope_id).collect();
        let keys = self.store.list_key_values(&scopes, None, None, false).await?;
        Ok(Answer::KeyValues { keys, next: None })
    }

    pub(super) async fn list_keys(&self, principal: &Principal, part: &Part) -> Result<Answer, Fault> {
        let domain = principal.domain_id.as_deref();
        let names = self.store.list_keys(domain, part.marker.as_deref(), part.limit + 1).await?;
        let (names, next) = cut(names, Some(part.limit), Clone::clone);
        Ok(Answer::Names { names, next })
    }

    pub(super) async fn list_values(&self, principal: &Principal, key: &str, part: &Part) -> Result<Answer, Fault> {
        let domain = principal.domain_id.as_deref();
        let names = self.store.list_values(domain, key, part.marker.as_deref(), part.limit + 1).await?;
        let (names, next) = cut(names, Some(part.limit), Clone::clone);
        Ok(Answer::Names { names, next })
    }

    pub(super) async fn list_predefined(&self, principal: &Principal, ask: &PredefinedAsk) -> Result<Answer, Fault> {
        let (tags, total) = self.store.list_predefined(principal.account(), ask).await?;
        Ok(Answer::Predefined { tags, total })
    }
}

/// The part that was asked for, and the marker of the next where there is more.
pub(super) fn cut<T>(
    mut entries: Vec<T>,
    limit: Option<u32>,
    marker: impl Fn(&T) -> String,
) -> (Vec<T>, Option<String>) {
    let limit = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    if entries.len() <= limit {
        return (entries, None);
    }
    entries.truncate(limit);
    let next = entries.last().map(marker);
    (entries, next)
}
