//! What was changed in the database that a tagd remembers.

use std::collections::HashSet;

use ring::digest::{SHA256, digest};

/// Maximum number of projects that are told apart.
const MOST: usize = 10_000;

/// What was changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changed {
    /// Whether credentials were revoked or have another secret.
    pub credentials: bool,
    /// Projects that were deleted or have another domain.
    pub projects: ChangedProjects,
    /// Whether scopes may have other numbers: an earlier state of the database may have been restored.
    pub scopes: bool,
}

/// Projects that were changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangedProjects {
    /// Those whose identifiers have these hashes: a notification has no names, since every login of the database may listen.
    Hashed(HashSet<u64>),
    /// It may be any.
    All,
}

impl Default for ChangedProjects {
    fn default() -> Self {
        Self::Hashed(HashSet::new())
    }
}

impl ChangedProjects {
    /// Adds a project.
    pub fn add(&mut self, project_id: &str) {
        self.add_hashes([hash_of(project_id)]);
    }

    /// Adds others.
    pub fn extend(&mut self, others: &Self) {
        match others {
            Self::Hashed(hashes) => self.add_hashes(hashes.iter().copied()),
            Self::All => *self = Self::All,
        }
    }

    fn add_hashes(&mut self, hashes: impl IntoIterator<Item = u64>) {
        if let Self::Hashed(known) = self {
            known.extend(hashes);
            if known.len() > MOST {
                *self = Self::All;
            }
        }
    }

    /// Whether it is none.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Hashed(hashes) if hashes.is_empty())
    }

    /// Whether a project may be one of them.
    pub fn may_have(&self, project_id: &str) -> bool {
        match self {
            Self::Hashed(hashes) => hashes.contains(&hash_of(project_id)),
            Self::All => true,
        }
    }
}

impl Changed {
    /// After notifications may have been lost.
    pub fn anything() -> Self {
        Self { credentials: true, projects: ChangedProjects::All, scopes: true }
    }

    /// Adds what a notification says.
    pub(super) fn add(&mut self, payload: &str) {
        match (payload.split_once(' '), &mut self.projects) {
            (None, _) if payload == "credentials" => self.credentials = true,
            (Some(("projects", "*")), projects) => *projects = ChangedProjects::All,
            (Some(("projects", hashes)), projects) => {
                match hashes.split(',').map(|hash| u64::from_str_radix(hash, 16)).collect::<Result<Vec<_>, _>>() {
                    Ok(hashes) => projects.add_hashes(hashes),
                    Err(_) => *self = Self::anything(),
                }
            }
            // a later version may have others
            _ => *self = Self::anything(),
        }
    }
}

/// The hash by which `tagd.notify_projects` names a project.
fn hash_of(project_id: &str) -> u64 {
    let hash = digest(&SHA256, project_id.as_bytes());
    hash.as_ref().iter().take(8).fold(0, |number: u64, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(payloads: &[&str]) -> Changed {
        let mut changed = Changed::default();
        for payload in payloads {
            changed.add(payload);
        }
        changed
    }

    #[test]
    fn notifications_add_up() {
        assert_eq!(after(&["credentials", "credentials"]), Changed { credentials: true, ..Changed::default() });
        let mut a_and_b = ChangedProjects::default();
        for project_id in ["a", "b"] {
            a_and_b.add(project_id);
        }
        // what sha256sum says of "a" and "b"
        let changed = after(&["projects ca978112ca1bbdca", "projects 3e23e8160039594a,ca978112ca1bbdca"]);
        assert_eq!(changed, Changed { projects: a_and_b, ..Changed::default() });
        assert!(changed.projects.may_have("b") && !changed.projects.may_have("c") && !changed.projects.is_empty());
        let all = Changed { projects: ChangedProjects::All, ..Changed::default() };
        assert_eq!(after(&["projects ca978112ca1bbdca", "projects *", "projects 3e23e8160039594a"]), all);
    }

    #[test]
    fn too_many_projects_are_all() {
        let mut projects = ChangedProjects::default();
        (0..MOST).for_each(|number| projects.add(&number.to_string()));
        assert!(!projects.may_have("other"));
        projects.add(&MOST.to_string());
        assert_eq!(projects, ChangedProjects::All);
        projects.add("other");
        let mut others = ChangedProjects::default();
        others.extend(&projects);
        assert_eq!((&projects, &others), (&ChangedProjects::All, &ChangedProjects::All));
    }

    #[test]
    fn what_is_not_understood_may_be_anything() {
        for payload in
            ["", "types", "projects", "projects ", "projects x", "projects ca978112ca1bbdca,", "credentials all"]
        {
            assert_eq!(after(&[payload]), Changed::anything(), "{payload}");
        }
    }
}
