//! Limits of the registry and of imports, on resources, their tags, projects and resource types.

use super::{
    change::Registration,
    command::ResourceType,
    detail::check_detail,
    error::{FieldKind, RequestError},
    limits::check_length,
    reason::{self, quote},
    registry::NewProject,
    storable::is_storable,
    tag::{MOST_QUOTA, MOST_SYSTEM_TAGS, MOST_TAGS, Tag},
};

/// Characters of identifiers of projects and accounts.
pub const ID_LENGTH: usize = 128;
/// Characters of a resource's identifier, of names, keys and values: within what an index entry may hold.
pub const TEXT_LENGTH: usize = 255;
/// Characters of a resource type.
pub const TYPE_LENGTH: usize = 64;
/// Aliases of a resource type.
pub const ALIASES: usize = 20;

/// Checks a resource, whose detail must be JSON, against the limits, and sorts its tags.
pub fn check_registration(mut registration: Registration) -> Result<Registration, RequestError> {
    let resource = &mut registration.resource;
    let texts: [(&str, Option<&str>, usize, usize); 6] = [
        ("project_id", Some(&registration.project_id), 1, ID_LENGTH),
        ("project_name", registration.project_name.as_deref(), 0, TEXT_LENGTH),
        ("domain_id", registration.domain_id.as_deref(), 0, ID_LENGTH),
        ("resource_type", Some(&registration.resource_type), 1, TYPE_LENGTH),
        ("resource_id", Some(&resource.resource_id), 1, TEXT_LENGTH),
        ("resource_name", Some(&resource.resource_name), 0, TEXT_LENGTH),
    ];
    for (field, text, least, most) in texts {
        check_text(field, text.unwrap_or("-"), least, most)?;
    }
    check_type_name("resource_type", &registration.resource_type)?;
    if let Some(detail) = &resource.detail {
        resource.detail = check_detail(detail)?;
    }
    resource.tags = check_tags(std::mem::take(&mut resource.tags))?;
    Ok(registration)
}

/// Checks the tags of a resource against the limits, and sorts them.
pub fn check_tags(mut tags: Vec<Tag>) -> Result<Vec<Tag>, RequestError> {
    let system = tags.iter().filter(|tag| tag.is_system()).count();
    check_tag_counts(tags.len() - system, system)?;
    for (i, tag) in tags.iter().enumerate() {
        check_text(&format!("tags[{i}].key"), &tag.key, 1, TEXT_LENGTH)?;
        check_text(&format!("tags[{i}].value"), &tag.value, 0, TEXT_LENGTH)?;
    }
    tags.sort_by(|a, b| a.key.cmp(&b.key));
    if let Some(pair) = tags.windows(2).find(|pair| matches!(pair, [a, b] if a.key == b.key)) {
        let key = pair.first().map_or("", |tag| tag.key.as_str());
        return Err(RequestError::invalid(FieldKind::General, "tags", reason::duplicate("key", key)));
    }
    Ok(tags)
}

/// Checks how many tags a resource has.
pub fn check_tag_counts(tags: usize, system_tags: usize) -> Result<(), RequestError> {
    for (count, what, most) in [(tags, "tags", MOST_TAGS), (system_tags, "system tags", MOST_SYSTEM_TAGS)] {
        if count > most {
            return Err(RequestError::invalid(FieldKind::General, "tags", reason::too_many(most, what)));
        }
    }
    Ok(())
}

/// Checks a project against the limits.
pub fn check_project(project: &NewProject) -> Result<(), RequestError> {
    check_text("project_id", &project.project_id, 1, ID_LENGTH)?;
    check_text("project_name", &project.project_name, 0, TEXT_LENGTH)?;
    check_text("domain_id", project.domain_id.as_deref().unwrap_or_default(), 0, ID_LENGTH)
}

/// Checks the identifier of a project.
pub fn check_project_id(field: &str, project_id: &str) -> Result<(), RequestError> {
    check_text(field, project_id, 1, ID_LENGTH)
}

/// Checks the identifier of a domain.
pub fn check_domain_id(domain_id: &str) -> Result<(), RequestError> {
    check_text("domain_id", domain_id, 1, ID_LENGTH)
}

/// Checks a resource type, which one of the services must own, against the limits. Constraints of the database repeat
/// the limits.
pub fn check_type(resource_type: &ResourceType, services: &[&str]) -> Result<(), RequestError> {
    let invalid = |field: &str, reason: String| Err(RequestError::invalid(FieldKind::General, field, reason));
    check_text("resource_type", &resource_type.resource_type, 1, TYPE_LENGTH)?;
    check_type_name("resource_type", &resource_type.resource_type)?;
    if !services.contains(&resource_type.service.as_str()) {
        return invalid("service", reason::not_one_of(services, &resource_type.service));
    }
    if !(1..=MOST_QUOTA).contains(&resource_type.tag_quota) {
        let quota = resource_type.tag_quota.to_string();
        return invalid("tag_quota", reason::not_between(1, MOST_QUOTA.into(), &quota));
    }
    Ok(())
}

/// Checks the aliases of a resource type against the limits.
pub fn check_aliases(aliases: &[String]) -> Result<(), RequestError> {
    for (i, alias) in aliases.iter().enumerate() {
        let field = format!("aliases[{i}]");
        check_text(&field, alias, 1, TYPE_LENGTH)?;
        check_type_name(&field, alias)?;
        if aliases.iter().take(i).any(|other| other == alias) {
            return Err(RequestError::invalid(FieldKind::General, field, reason::duplicate("alias", alias)));
        }
    }
    Ok(())
}

pub(super) fn check_type_name(field: &str, name: &str) -> Result<(), RequestError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    match name.chars().find(|c| !plain(*c)) {
        None => Ok(()),
        Some(c) => {
            let reason = format!("must contain only a-z, A-Z, 0-9 and -_., got {}", quote(&c.to_string()));
            Err(RequestError::invalid(FieldKind::General, field, reason))
        }
    }
}

pub(super) fn check_text(field: &str, text: &str, least: usize, most: usize) -> Result<(), RequestError> {
    if text.len() < least {
        return Err(RequestError::invalid(FieldKind::General, field, reason::EMPTY));
    }
    if !is_storable(text) {
        return Err(RequestError::invalid(FieldKind::General, field, reason::NUL));
    }
    check_length(FieldKind::General, field, text, most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_and_system_tags_are_counted_apart() {
        let tags = |prefix: &str, count: usize| {
            (0..count).map(|i| Tag { key: format!("{prefix}{i}"), value: String::new() }).collect::<Vec<_>>()
        };
        assert_eq!(check_tags([tags("k", 1000), tags("_sys_", 256)].concat()).unwrap().len(), 1256);
        assert_eq!(check_tags(tags("k", 1001)).unwrap_err().to_string(), "tags: must have at most 1000 tags");
        assert_eq!(check_tags(tags("_sys_", 257)).unwrap_err().to_string(), "tags: must have at most 256 system tags");
    }
}
