//! Notes what a request has written: see `positions.rs`.

use std::sync::Arc;

use super::{
    positions::{Keys, NotePosition},
    replicas::Replicas,
};
use crate::domain::{Position, RequestPositions};

/// Notes the writes of a request.
#[derive(Debug)]
pub(super) struct Noting {
    replicas: Arc<Replicas>,
    keys: Keys,
    request: Arc<RequestPositions>,
}

impl Noting {
    /// The writes of a principal in a project, or outside of any.
    pub(super) fn new(
        replicas: &Arc<Replicas>,
        request: &Arc<RequestPositions>,
        principal: &str,
        project_id: Option<&str>,
    ) -> Self {
        let keys = replicas.positions().keys_of_write(principal, project_id);
        Self { replicas: Arc::clone(replicas), keys, request: Arc::clone(request) }
    }
}

impl NotePosition for Noting {
    fn note(&self, position: Option<Position>) {
        if position.is_some() {
            self.replicas.note_reached();
        }
        self.replicas.positions().note(self.keys, position);
        self.request.note(position);
    }
}
