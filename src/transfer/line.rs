//! One resource as a line of NDJSON.

use std::io::Write;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::detail;
use crate::{
    domain::{
        FieldKind, RequestError, Resource, Tag,
        change::Registration,
        command::ResourceType,
        error::{quote, shorten},
        limits::check_length,
        registry::Project,
        tag::{MOST_SYSTEM_TAGS, MOST_TAGS},
    },
    json::{List, Object, TagBody},
};

/// Characters of identifiers of projects and accounts.
const ID_LENGTH: usize = 128;
/// Characters of a resource's identifier, of names, keys and values: within what an index entry may hold.
const TEXT_LENGTH: usize = 255;
/// Characters of a resource type.
const TYPE_LENGTH: usize = 64;
/// Longest line: whatever may be stored is exported as a line that can be imported, even if every character of names,
/// keys and values is written as an escape.
pub(crate) const LINE_BYTES: u64 = 6 * 1024 * 1024;
/// Aliases of a resource type.
const ALIASES: usize = 20;
/// Services that may own a type.
const SERVICES: [&str; 4] = ["IMS", "DNS", "CTS", "TMS"];
/// Largest quota of a type; [`MOST_TAGS`] is the same.
const TAG_QUOTA: u32 = 1000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LineBody {
    project_id: String,
    project_name: Option<String>,
    domain_id: Option<String>,
    resource_type: String,
    resource_id: String,
    resource_name: Option<String>,
    resource_detail: Option<Box<RawValue>>,
    tags: TagsBody,
}

/// Aliases of a type as a feeder states them.
pub(crate) type AliasesBody = List<String, ALIASES>;

/// Tags as a feeder states them.
pub(crate) type TagsBody = List<Object<TagBody<String>>, { MOST_TAGS + MOST_SYSTEM_TAGS }>;

/// The tags of a list of them.
pub(crate) fn tags_of(List(list): TagsBody) -> Vec<Tag> {
    list.into_iter().map(|Object(TagBody { key, value })| Tag { key, value: value.unwrap_or_default() }).collect()
}

#[derive(Serialize)]
struct LineReply<'a> {
    project_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    project_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    domain_id: Option<&'a str>,
    resource_type: &'a str,
    resource_id: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    resource_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_detail: Option<Box<RawValue>>,
    tags: Vec<TagReply<'a>>,
}

#[derive(Serialize)]
struct TagReply<'a> {
    key: &'a str,
    value: &'a str,
}

/// Reads a line. The error says which field is wrong and how.
pub(crate) fn decode(line: &[u8]) -> Result<Registration, String> {
    let mut deserializer = serde_json::Deserializer::from_slice(line);
    let Object(body): Object<LineBody> = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let text = error.inner().to_string();
        let (reason, _) = text.rsplit_once(" at line ").unwrap_or((&text, ""));
        let column = error.inner().column();
        // the path ends in a question mark where the text breaks off inside of an object
        let (path, reason) = (shorten(path.trim_end_matches(['.', '?'])), shorten(reason));
        if path.is_empty() {
            format!("{reason} (column {column})")
        } else {
            format!("{path}: {reason} (column {column})")
        }
    })?;
    deserializer.end().map_err(|_| "more than one JSON value on the line".to_owned())?;
    let tags = tags_of(body.tags);
    check(Registration {
        project_id: body.project_id,
        project_name: body.project_name,
        domain_id: body.domain_id,
        resource_type: body.resource_type,
        resource: Resource {
            resource_id: body.resource_id,
            resource_name: body.resource_name.unwrap_or_default(),
            detail: body.resource_detail.map(|raw| raw.get().to_owned()),
            tags,
        },
    })
    .map_err(|fault| fault.to_string())
}

/// Holds a resource against the limits and sorts its tags.
pub(crate) fn check(mut registration: Registration) -> Result<Registration, RequestError> {
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
        resource.detail = detail::check(detail)?;
    }
    resource.tags = check_tags(std::mem::take(&mut resource.tags))?;
    Ok(registration)
}

/// Holds the tags of a resource against the limits and sorts them.
pub(crate) fn check_tags(mut tags: Vec<Tag>) -> Result<Vec<Tag>, RequestError> {
    let system = tags.iter().filter(|tag| tag.is_system()).count();
    check_tag_counts(tags.len() - system, system)?;
    for (i, tag) in tags.iter().enumerate() {
        check_text(&format!("tags[{i}].key"), &tag.key, 1, TEXT_LENGTH)?;
        check_text(&format!("tags[{i}].value"), &tag.value, 0, TEXT_LENGTH)?;
    }
    tags.sort_by(|a, b| a.key.cmp(&b.key));
    if let Some(pair) = tags.windows(2).find(|pair| matches!(pair, [a, b] if a.key == b.key)) {
        let key = pair.first().map_or("", |tag| tag.key.as_str());
        return Err(RequestError::invalid(FieldKind::General, "tags", format!("the key {} stands twice", quote(key))));
    }
    Ok(tags)
}

/// Holds the numbers of a resource's tags against the limits.
pub(crate) fn check_tag_counts(tags: usize, system: usize) -> Result<(), RequestError> {
    for (count, what, most) in [(tags, "tags", MOST_TAGS), (system, "system tags", MOST_SYSTEM_TAGS)] {
        if count > most {
            return Err(RequestError::invalid(FieldKind::General, "tags", format!("too many {what}, at most {most}")));
        }
    }
    Ok(())
}

fn check_type_name(field: &str, name: &str) -> Result<(), RequestError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    match name.chars().find(|c| !plain(*c)) {
        None => Ok(()),
        Some(c) => {
            let reason = format!("{} has {}, allowed are a-z, A-Z, 0-9 and -_.", quote(name), quote(&c.to_string()));
            Err(RequestError::invalid(FieldKind::General, field, reason))
        }
    }
}

/// Holds a project against the limits.
pub(crate) fn check_project(project: &Project) -> Result<(), RequestError> {
    check_text("project_id", &project.project_id, 1, ID_LENGTH)?;
    check_text("project_name", &project.project_name, 0, TEXT_LENGTH)?;
    check_text("domain_id", &project.domain_id, 0, ID_LENGTH)
}

/// Holds a resource type against the limits; the same stand as constraints in the database.
pub(crate) fn check_type(resource_type: &ResourceType) -> Result<(), RequestError> {
    check_text("resource_type", &resource_type.resource_type, 1, TYPE_LENGTH)?;
    check_type_name("resource_type", &resource_type.resource_type)?;
    if !SERVICES.contains(&resource_type.service.as_str()) {
        let reason = format!("{} is none of {}", quote(&resource_type.service), SERVICES.join(", "));
        return Err(RequestError::invalid(FieldKind::General, "service", reason));
    }
    if !(1..=TAG_QUOTA).contains(&resource_type.tag_quota) {
        let reason = format!("{} is out of range, 1 to {TAG_QUOTA}", resource_type.tag_quota);
        return Err(RequestError::invalid(FieldKind::General, "tag_quota", reason));
    }
    Ok(())
}

/// Holds the aliases of a resource type against the limits.
pub(crate) fn check_aliases(aliases: &[String]) -> Result<(), RequestError> {
    for (i, alias) in aliases.iter().enumerate() {
        let field = format!("aliases[{i}]");
        check_text(&field, alias, 1, TYPE_LENGTH)?;
        check_type_name(&field, alias)?;
        if aliases.iter().take(i).any(|other| other == alias) {
            let reason = format!("{} stands twice, aliases must be unique", quote(alias));
            return Err(RequestError::invalid(FieldKind::General, field, reason));
        }
    }
    Ok(())
}

fn check_text(field: &str, text: &str, least: usize, most: usize) -> Result<(), RequestError> {
    if text.len() < least {
        return Err(RequestError::invalid(FieldKind::General, field, "\"\" is empty, at least 1 character"));
    }
    if text.contains('\0') {
        return Err(RequestError::invalid(
            FieldKind::General,
            field,
            format!("{} has a NUL character, which cannot be stored", quote(text)),
        ));
    }
    check_length(FieldKind::General, field, text, most)
}

/// Writes a line.
pub(crate) fn encode(out: &mut impl Write, registration: &Registration) -> std::io::Result<()> {
    let resource = &registration.resource;
    let reply = LineReply {
        project_id: &registration.project_id,
        project_name: registration.project_name.as_deref(),
        domain_id: registration.domain_id.as_deref(),
        resource_type: &registration.resource_type,
        resource_id: &resource.resource_id,
        resource_name: &resource.resource_name,
        resource_detail: resource
            .detail
            .clone()
            .map(RawValue::from_string)
            .transpose()
            .map_err(std::io::Error::other)?,
        tags: resource.tags.iter().map(|tag| TagReply { key: &tag.key, value: &tag.value }).collect(),
    };
    serde_json::to_writer(&mut *out, &reply)?;
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(line: &str) -> String {
        decode(line.as_bytes()).unwrap_err()
    }

    #[test]
    fn a_line_that_is_written_is_read_the_same() {
        let line = r#"{"project_id":"p","resource_type":"images","resource_id":"r","resource_name":"Größe","resource_detail":{"a":[1,2.50]},"tags":[{"key":"a","value":""},{"key":"b","value":"x\ty"}]}"#;
        let registration = decode(line.as_bytes()).unwrap();
        let mut out = Vec::new();
        encode(&mut out, &registration).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), format!("{line}\n"));
    }

    #[test]
    fn a_bad_line_says_which_field_and_why() {
        assert!(reason("{").contains("column"));
        assert!(reason(r#"["p",null,null,"t","r",null,null,[]]"#).contains("a JSON object"));
        assert!(reason(r#"{"project_id":"p","resource_type":"t","resource_id":"r"}"#).contains("tags"));
        let with = |tags: &str| format!(r#"{{"project_id":"p","resource_type":"t","resource_id":"r","tags":{tags}}}"#);
        assert!(reason(&with(r#"[{"key":""}]"#)).starts_with("tags[0].key"));
        assert!(reason(&with(r#"[["a","b"]]"#)).starts_with("tags[0]"));
        assert!(reason(&with(r#"[{"key":"a"},{"key":"a"}]"#)).contains("stands twice"));
        assert!(reason(&with(r#"[{"key":"a","valu":"x"}]"#)).contains("valu"));
        assert!(reason(&with(r#"[{"key":"a","value":1}]"#)).starts_with("tags[0].value"));
        assert!(reason(&with(r#"[{"key":"a","value":"\u0000"}]"#)).contains("NUL"));
        assert!(reason(&format!("{} x", with("[]"))).contains("more than one"));
        let detail = r#"{"project_id":"p","resource_type":"t","resource_id":"r","resource_detail":01,"tags":[]}"#;
        assert!(reason(detail).starts_with("resource_detail: "));
    }

    #[test]
    fn the_largest_resource_is_a_line_that_is_read() {
        // a control character takes six bytes on a line, more than any other
        let text = |length: usize, i: usize| format!("{i:04}{}", "\u{1}".repeat(length - 4));
        let tags = |prefix: &str, count: usize| -> Vec<Tag> {
            let key = |i| format!("{prefix}{}", text(TEXT_LENGTH - prefix.len(), i));
            (0..count).map(|i| Tag { key: key(i), value: text(TEXT_LENGTH, i) }).collect()
        };
        let largest = Registration {
            project_id: text(ID_LENGTH, 0),
            project_name: Some(text(TEXT_LENGTH, 0)),
            domain_id: Some(text(ID_LENGTH, 0)),
            resource_type: "t".repeat(TYPE_LENGTH),
            resource: Resource {
                resource_id: text(TEXT_LENGTH, 0),
                resource_name: text(TEXT_LENGTH, 0),
                detail: Some(format!("\"{}\"", "x".repeat(detail::DETAIL_BYTES - 2))),
                tags: [tags("", MOST_TAGS), tags("_sys_", MOST_SYSTEM_TAGS)].concat(),
            },
        };
        let mut line = Vec::new();
        encode(&mut line, &largest).unwrap();
        assert!(u64::try_from(line.len()).unwrap() <= LINE_BYTES, "{} bytes", line.len());
        assert_eq!(decode(line.trim_ascii()).unwrap(), largest);
    }

    #[test]
    fn tags_and_system_tags_are_counted_apart() {
        let tags = |prefix: &str, count: usize| {
            (0..count).map(|i| Tag { key: format!("{prefix}{i}"), value: String::new() }).collect::<Vec<_>>()
        };
        assert_eq!(check_tags([tags("k", 1000), tags("_sys_", 256)].concat()).unwrap().len(), 1256);
        assert_eq!(check_tags(tags("k", 1001)).unwrap_err().to_string(), "tags: too many tags, at most 1000");
        assert_eq!(check_tags(tags("_sys_", 257)).unwrap_err().to_string(), "tags: too many system tags, at most 256");
    }
}
