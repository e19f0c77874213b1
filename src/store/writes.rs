//! Changes of the tags of a resource.
//!
//! A write is a single statement without `begin`, so a request that is dropped while it runs never leaves a transaction
//! open on its connection.

use std::sync::Arc;

use super::{
    Store,
    write_queue::{Mode, TagWrite, Written},
};
use crate::domain::{RequestError, Tag};

impl Store {
    /// Adds tags; an existing key gets the new value.
    pub async fn put_tags(&self, scope_id: i64, resource_id: &str, tags: &[Tag]) -> Result<(), RequestError> {
        self.write_tags(scope_id, resource_id, Mode::Put, tags.iter().flat_map(of_tag)).await.map(|_| ())
    }

    /// Removes tags by key and, if a value is given, only if the tag has this value. Absent tags are ignored.
    pub async fn remove_tags(
        &self,
        scope_id: i64,
        resource_id: &str,
        tags: &[(String, Option<String>)],
    ) -> Result<(), RequestError> {
        let parts = tags.iter().flat_map(|(key, value)| [Some(key.clone()), value.clone()]);
        self.write_tags(scope_id, resource_id, Mode::Remove, parts).await.map(|_| ())
    }

    /// Removes one tag by key. Returns false if the resource has no tag with this key.
    pub async fn remove_tag(&self, scope_id: i64, resource_id: &str, key: &str) -> Result<bool, RequestError> {
        let written = self.write_tags(scope_id, resource_id, Mode::Remove, [Some(key.to_owned()), None]).await?;
        Ok(written == Written::Changed)
    }

    async fn write_tags(
        &self,
        scope_id: i64,
        resource_id: &str,
        mode: Mode,
        parts: impl IntoIterator<Item = Option<String>>,
    ) -> Result<Written, RequestError> {
        let write = TagWrite {
            resource_id: resource_id.to_owned(),
            mode,
            parts: parts.into_iter().collect(),
            caller: Arc::clone(&self.caller),
            share: self.share,
            noting: self.shared_noting(),
        };
        self.connections.writes.write(scope_id, write).await
    }
}

fn of_tag(tag: &Tag) -> [Option<String>; 2] {
    [Some(tag.key.clone()), Some(tag.value.clone())]
}
