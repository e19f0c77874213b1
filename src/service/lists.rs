//! Lists of tags: of a resource, of a scope, of everything an account has.

use super::Service;
use crate::{
    auth::Principal,
    domain::{
        Answer, Fault, Tag,
        command::{Part, PredefinedAsk, Target},
    },
};

impl Service {
    pub(super) async fn list_tags(&self, principal: &Principal, target: &Target) -> Result<Answer, Fault> {
        let scope_id = self.find_target(principal, target).await?;
        let tags = self.store.list_tags(scope_id, &target.resource_id).await?;
        tags.map(Answer::Tags).ok_or_else(|| Fault::unknown_resource(&target.resource_id))
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
        let marker = part.and_then(|part| part.marker.as_deref()).map(before_nul);
        let keys = self.store.list_key_values(&scopes, marker, limit, true).await?;
        let (keys, next) = cut(keys, part.map(|part| part.limit), |(key, _)| key.clone());
        Ok(Answer::KeyValues { keys, next })
    }

    /// Different tags of a type's resources, or of one of them; no system tags.
    pub(super) async fn list_used_tags(
        &self,
        principal: &Principal,
        project_id: Option<&str>,
        resource_type: &str,
        resource_id: Option<&str>,
    ) -> Result<Answer, Fault> {
        if let Some(resource_id) = resource_id {
            let target = Target {
                project_id: project_id.map(ToOwned::to_owned),
                resource_type: resource_type.to_owned(),
                resource_id: resource_id.to_owned(),
            };
            let tags = match self.find_target(principal, &target).await {
                Ok(scope_id) => self.store.list_tags(scope_id, resource_id).await?,
                // a filter that nothing meets
                Err(Fault::UnknownResource { .. }) => None,
                Err(other) => return Err(other),
            };
            let mut tags = tags.unwrap_or_default();
            tags.retain(|tag| !tag.is_system());
            return Ok(Answer::Tags(tags));
        }
        let scopes = if let Some(project_id) = project_id {
            self.find_scope(project_id, resource_type).await?
        } else {
            // all projects, also of a type that a query may only ask for by project
            let domain = principal.domain_id.as_deref();
            self.store.find_scopes(&[resource_type.to_owned()], None, domain).await?.scopes
        };
        let scopes: Vec<i64> = scopes.iter().map(|scope| scope.scope_id).collect();
        let keys = self.store.list_key_values(&scopes, None, None, false).await?;
        let pairs =
            |(key, values): (String, Vec<String>)| values.into_iter().map(move |value| Tag { key: key.clone(), value });
        Ok(Answer::Tags(keys.into_iter().flat_map(pairs).collect()))
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

    pub(super) async fn list_keys(
        &self,
        principal: &Principal,
        region: Option<&str>,
        part: &Part,
    ) -> Result<Answer, Fault> {
        if !self.is_here(region) {
            return Ok(Answer::Names { names: Vec::new(), next: None });
        }
        let domain = principal.domain_id.as_deref();
        let names = self.store.list_keys(domain, part.marker.as_deref().map(before_nul), part.limit + 1).await?;
        let (names, next) = cut(names, Some(part.limit), Clone::clone);
        Ok(Answer::Names { names, next })
    }

    pub(super) async fn list_values(
        &self,
        principal: &Principal,
        region: Option<&str>,
        key: &str,
        part: &Part,
    ) -> Result<Answer, Fault> {
        // no tag has a NUL, so nobody has a value with such a key
        if !self.is_here(region) || key.contains('\0') {
            return Ok(Answer::Names { names: Vec::new(), next: None });
        }
        let domain = principal.domain_id.as_deref();
        let names = self.store.list_values(domain, key, part.marker.as_deref().map(before_nul), part.limit + 1).await?;
        let (names, next) = cut(names, Some(part.limit), Clone::clone);
        Ok(Answer::Names { names, next })
    }

    /// Whether what is asked of a region, or of all, is asked of this one.
    fn is_here(&self, region: Option<&str>) -> bool {
        region.is_none_or(|region| region == &*self.region)
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

/// The part of a marker before a NUL: as no name has one, the same names come after it.
fn before_nul(marker: &str) -> &str {
    marker.split('\0').next().unwrap_or_default()
}
