//! Roles, and the projects that they hold in.

use std::{fmt, str::FromStr, sync::Arc};

use super::ProjectFilter;

/// What a principal may do. Each role includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Sees resources, tags and projects of a domain.
    Reader,
    /// Changes tags, and predefined tags.
    Tagger,
    /// Registers and deletes projects and resources of a domain, sets system tags, and manages the domain's credentials.
    Administrator,
    /// Does everything in every domain.
    Operator,
}

impl Role {
    /// All roles, the lowest first.
    pub const ALL: [Self; 4] = [Self::Reader, Self::Tagger, Self::Administrator, Self::Operator];

    /// The name in settings, commands and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Tagger => "tagger",
            Self::Administrator => "administrator",
            Self::Operator => "operator",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|role| role.name() == name).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|role| role.name()).collect();
            format!("must be {}", names.join(" or "))
        })
    }
}

/// A role, and where it holds: for an operator everywhere, otherwise in one domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    role: Role,
    domain_id: Option<Arc<str>>,
    projects: Option<Vec<String>>,
}

impl Rights {
    /// An operator, who may have a domain of their own.
    pub fn operator(domain_id: Option<Arc<str>>) -> Self {
        Self { role: Role::Operator, domain_id, projects: None }
    }

    /// A role in a domain, in all of its projects or only in some. An operator's rights hold everywhere all the same.
    pub fn in_domain(role: Role, domain_id: Arc<str>, projects: Option<Vec<String>>) -> Self {
        let projects = projects.filter(|_| role < Role::Operator);
        Self { role, domain_id: Some(domain_id), projects }
    }

    /// The role.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The principal's own domain; only an operator may have none.
    pub fn domain_id(&self) -> Option<&Arc<str>> {
        self.domain_id.as_ref()
    }

    /// The domain that every project must belong to; `None` if the rights hold in every domain.
    pub fn confined_to(&self) -> Option<&Arc<str>> {
        self.domain_id.as_ref().filter(|_| self.role < Role::Operator)
    }

    /// Whether they allow everything that other rights allow.
    pub fn include(&self, other: &Self) -> bool {
        let has_domain = self.confined_to().is_none() || self.domain_id == other.domain_id;
        let has_projects = self.projects().is_none_or(|own| {
            other.projects().is_some_and(|projects| projects.iter().all(|project_id| own.contains(project_id)))
        });
        self.role >= other.role && has_domain && has_projects
    }

    /// The only projects that the rights cover; `None` for all projects of the domain.
    pub fn projects(&self) -> Option<&[String]> {
        self.projects.as_deref()
    }

    /// The projects in which they hold.
    pub fn covered(&self) -> ProjectFilter<'_> {
        ProjectFilter { domain_id: self.confined_to().map(|domain_id| &**domain_id), projects: self.projects() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_include_those_of_a_lower_role_and_of_fewer_projects() {
        let of = |role, domain: &str, projects: &[&str]| {
            let projects: Vec<String> = projects.iter().map(|&project| project.to_owned()).collect();
            Rights::in_domain(role, domain.into(), Some(projects).filter(|projects| !projects.is_empty()))
        };
        let all = of(Role::Tagger, "d", &[]);
        let some = of(Role::Tagger, "d", &["p", "q"]);
        for (more, less) in [
            (&all, &all),
            (&all, &some),
            (&all, &of(Role::Reader, "d", &[])),
            (&some, &some),
            (&some, &of(Role::Reader, "d", &["q"])),
            (&Rights::operator(None), &all),
            (&Rights::operator(None), &Rights::operator(Some("d".into()))),
        ] {
            assert!(more.include(less), "{more:?} {less:?}");
        }
        for (less, more) in [
            (&some, &all),
            (&all, &of(Role::Administrator, "d", &[])),
            (&all, &of(Role::Tagger, "e", &[])),
            (&some, &of(Role::Tagger, "d", &["p", "r"])),
            (&all, &Rights::operator(Some("d".into()))),
        ] {
            assert!(!less.include(more), "{less:?} {more:?}");
        }
    }
}
