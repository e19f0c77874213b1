//! Which projects an operation covers that names none.

/// Some projects: those of a domain, or some of them, or all there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProjectFilter<'a> {
    /// The domain that the projects belong to; `None` for every domain.
    pub domain_id: Option<&'a str>,
    /// The only projects; `None` for all of the domain.
    pub projects: Option<&'a [String]>,
}

impl ProjectFilter<'_> {
    /// Whether a project is named, or none has to be.
    pub fn names(&self, project_id: &str) -> bool {
        self.projects.is_none_or(|projects| projects.iter().any(|known| known == project_id))
    }
}
