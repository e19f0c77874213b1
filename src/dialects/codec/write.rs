//! The JSON of changes of tags, which is the same in every dialect except for limits.

use super::fields::Fields;
use crate::{
    dialects::dialect::WireRequest,
    domain::{
        Command, FieldKind, RequestError, Tag, WriteLimits,
        command::{ResourceRef, TagChange},
        reason,
        write_limits::{RawTag, check_not_system},
    },
    json::{Object, TagBody},
    parameters::read_parameters,
};

/// Reads `{"tag": {"key", "value"}}`: one tag to add.
pub(in crate::dialects) fn decode_add(
    request: &WireRequest<'_>,
    resource_ref: ResourceRef,
    limits: &WriteLimits,
) -> Result<Command, RequestError> {
    read_parameters(request.query, &[])?;
    let tag = Fields::parse(request.body, &["tag"])?.put_tag("tag", limits)?;
    Ok(Command::ChangeTags { target: resource_ref, change: TagChange::Put(vec![tag]) })
}

/// The values of `action` in a change of tags.
pub(in crate::dialects) const ACTIONS: &[&str] = &["create", "delete"];

/// Reads `{"action": "create" or "delete", "tags"}`: tags to add or to remove.
pub(in crate::dialects) fn decode_action(
    request: &WireRequest<'_>,
    resource_ref: ResourceRef,
    limits: &WriteLimits,
) -> Result<Command, RequestError> {
    read_parameters(request.query, &[])?;
    let fields = Fields::parse(request.body, &["action", "tags"])?;
    let change = match fields.read::<String>("action")?.as_deref() {
        Some("create") => TagChange::Put(fields.put_tags("tags", limits)?),
        Some("delete") => TagChange::Remove(fields.remove_tags("tags", limits)?),
        Some(other) => {
            return Err(RequestError::invalid(FieldKind::Action, "action", reason::not_one_of(ACTIONS, other)));
        }
        None => {
            return Err(RequestError::invalid(FieldKind::Action, "action", reason::required_one_of(ACTIONS)));
        }
    };
    Ok(Command::ChangeTags { target: resource_ref, change })
}

/// Reads `{"tags"}`: tags to add.
pub(in crate::dialects) fn decode_create(
    request: &WireRequest<'_>,
    resource_ref: ResourceRef,
    limits: &WriteLimits,
) -> Result<Command, RequestError> {
    read_parameters(request.query, &[])?;
    let tags = Fields::parse(request.body, &["tags"])?.put_tags("tags", limits)?;
    Ok(Command::ChangeTags { target: resource_ref, change: TagChange::Put(tags) })
}

/// Reads `{"tags"}`: tags to remove.
pub(in crate::dialects) fn decode_delete(
    request: &WireRequest<'_>,
    resource_ref: ResourceRef,
    limits: &WriteLimits,
) -> Result<Command, RequestError> {
    read_parameters(request.query, &[])?;
    let tags = Fields::parse(request.body, &["tags"])?.remove_tags("tags", limits)?;
    Ok(Command::ChangeTags { target: resource_ref, change: TagChange::Remove(tags) })
}

/// Reads a request to remove the tag whose key is in the path, as the parameter `name`.
pub(in crate::dialects) fn decode_remove_key(
    request: &WireRequest<'_>,
    resource_ref: ResourceRef,
    name: &str,
) -> Result<Command, RequestError> {
    read_parameters(request.query, &[])?;
    let key = request.path.get(name).to_owned();
    check_not_system(name, &key)?;
    Ok(Command::ChangeTags { target: resource_ref, change: TagChange::RemoveKey(key) })
}

impl Fields<'_> {
    /// A list of tags to write, checked; mandatory.
    pub(in crate::dialects) fn put_tags(
        &self,
        field: &'static str,
        limits: &WriteLimits,
    ) -> Result<Vec<Tag>, RequestError> {
        limits.check_put(field, self.raw_tags(field, limits)?)
    }

    /// A list of tags to remove, checked; mandatory.
    pub(in crate::dialects) fn remove_tags(
        &self,
        field: &'static str,
        limits: &WriteLimits,
    ) -> Result<Vec<(String, Option<String>)>, RequestError> {
        limits.check_remove(field, self.raw_tags(field, limits)?)
    }

    /// One tag to write, checked; mandatory.
    pub(in crate::dialects) fn put_tag(&self, field: &'static str, limits: &WriteLimits) -> Result<Tag, RequestError> {
        let Some(tag) = self.raw_tag(field)? else {
            return Err(RequestError::invalid(FieldKind::Tags, field, reason::REQUIRED));
        };
        limits.check_put_one(field, tag)
    }

    /// One tag as it was sent, if it is present.
    pub(in crate::dialects) fn raw_tag(&self, field: &'static str) -> Result<Option<RawTag>, RequestError> {
        let tag = self.read::<Object<TagBody<Option<String>>>>(field)?;
        Ok(tag.map(|Object(TagBody { key, value })| RawTag { key, value }))
    }

    /// A list of tags to write that are identified by key and value together, checked; mandatory.
    pub(in crate::dialects) fn put_pairs(
        &self,
        field: &'static str,
        limits: &WriteLimits,
    ) -> Result<Vec<Tag>, RequestError> {
        limits.check_put_pairs(field, self.raw_tags(field, limits)?)
    }

    /// The same for tags to remove.
    pub(in crate::dialects) fn remove_pairs(
        &self,
        field: &'static str,
        limits: &WriteLimits,
    ) -> Result<Vec<Tag>, RequestError> {
        limits.check_remove_pairs(field, self.raw_tags(field, limits)?)
    }

    fn raw_tags(&self, field: &'static str, limits: &WriteLimits) -> Result<Vec<RawTag>, RequestError> {
        let Some(tags) = self.objects::<TagBody<Option<String>>>(field, limits.of_tags())? else {
            return Err(RequestError::invalid(FieldKind::Tags, field, reason::REQUIRED));
        };
        Ok(tags.into_iter().map(|TagBody { key, value }| RawTag { key, value }).collect())
    }
}
