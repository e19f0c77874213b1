//! One line of NDJSON: a resource, or a definition.

use std::io::Write;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::definition_line;
pub(crate) use super::definition_line::AliasesBody;
use crate::{
    domain::{
        FieldKind, RequestError, Resource, Tag,
        change::Registration,
        definition::{DefinitionLimits, Entry, Kind},
        reason,
        registration::check_registration,
        tag::{MOST_SYSTEM_TAGS, MOST_TAGS},
    },
    json::{self, List, Object, TagBody},
};

/// Maximum length of a line: every resource that can be stored fits in one, even if every character of names, keys and
/// values is escaped.
pub(crate) const LINE_BYTES: u64 = 6 * 1024 * 1024;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LineBody {
    kind: Option<String>,
    project_id: String,
    project_name: Option<String>,
    domain_id: Option<String>,
    resource_type: String,
    resource_id: String,
    resource_name: Option<String>,
    resource_detail: Option<Box<RawValue>>,
    tags: TagsBody,
}

/// Tags as the client sends them.
pub(crate) type TagsBody = List<Object<TagBody<String>>, { MOST_TAGS + MOST_SYSTEM_TAGS }>;

/// Converts a list of tags.
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

/// What a line says of its kind.
#[derive(Debug, Default, Deserialize)]
struct KindBody {
    kind: Option<String>,
}

/// A line that cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadLine {
    /// Its kind: that of a resource unless it says otherwise.
    pub(crate) kind: Kind,
    /// The field and the reason.
    pub(crate) reason: String,
}

/// Reads a line. The error names the field and the reason.
pub(crate) fn decode(line: &[u8], limits: &DefinitionLimits) -> Result<Entry, BadLine> {
    let reason = match decode_resource(line) {
        // as most lines are, which are read once
        Ok(registration) => return Ok(Entry::Resource(registration)),
        Err(reason) => reason,
    };
    let bad = |kind: Kind, reason: String| BadLine { kind, reason };
    // what is wrong with its kind is said already
    let body: KindBody = json::read_object(line, "").unwrap_or_default();
    let Some(name) = body.kind else { return Err(bad(Kind::Resource, reason)) };
    match Kind::from_name(&name) {
        Some(Kind::Resource) => Err(bad(Kind::Resource, reason)),
        Some(kind) => {
            let read = definition_line::decode(kind, line, limits);
            read.map(Entry::Definition).map_err(|reason| bad(kind, reason))
        }
        None => {
            let reason = reason::not_one_of(&Kind::ALL.map(Kind::name), &name);
            Err(bad(Kind::Resource, format!("kind: {reason}")))
        }
    }
}

/// Reads the line of a resource.
fn decode_resource(line: &[u8]) -> Result<Registration, String> {
    let body: LineBody = json::read_object(line, "").map_err(|error| error.on_its_line())?;
    if body.kind.as_deref().is_some_and(|kind| kind != Kind::Resource.name()) {
        return Err(format!("kind: {}", reason::one_of(&[Kind::Resource.name()])));
    }
    let tags = tags_of(body.tags);
    check_registration(Registration {
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
    .map_err(|error| error.to_string())
}

/// Checks a resource whose detail is not known to be JSON yet.
pub(crate) fn check(registration: Registration) -> Result<Registration, RequestError> {
    if let Some(detail) = &registration.resource.detail
        && let Err(error) = json::check(detail)
    {
        let reason = format!("must be valid JSON: {}", error.on_its_line());
        return Err(RequestError::invalid(FieldKind::General, "resource_detail", reason));
    }
    check_registration(registration)
}

/// Writes a line.
pub(crate) fn encode(out: &mut impl Write, entry: &Entry) -> std::io::Result<()> {
    match entry {
        Entry::Resource(registration) => encode_resource(out, registration)?,
        Entry::Definition(definition) => definition_line::encode(out, definition)?,
    }
    out.write_all(b"\n")
}

fn encode_resource(out: &mut impl Write, registration: &Registration) -> std::io::Result<()> {
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
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        detail::DETAIL_BYTES,
        registration::{ID_LENGTH, TEXT_LENGTH, TYPE_LENGTH},
    };

    fn reason(line: &str) -> String {
        decode_resource(line.as_bytes()).unwrap_err()
    }

    #[test]
    fn a_line_that_is_written_is_read_the_same() {
        let line = r#"{"project_id":"p","resource_type":"images","resource_id":"r","resource_name":"Größe","resource_detail":{"a":[1,2.50]},"tags":[{"key":"a","value":""},{"key":"b","value":"x\ty"}]}"#;
        let registration = decode_resource(line.as_bytes()).unwrap();
        let mut out = Vec::new();
        encode(&mut out, &Entry::Resource(registration)).unwrap();
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
        assert!(reason(&with(r#"[{"key":"a"},{"key":"a"}]"#)).contains("duplicate key \"a\""));
        assert!(reason(&with(r#"[{"key":"a","valu":"x"}]"#)).contains("valu"));
        assert!(reason(&with(r#"[{"key":"a","value":1}]"#)).starts_with("tags[0].value"));
        assert!(reason(&with(r#"[{"key":"a","value":"\u0000"}]"#)).contains("NUL"));
        assert!(reason(&format!("{} x", with("[]"))).contains("trailing characters"));
        let detail = r#"{"project_id":"p","resource_type":"t","resource_id":"r","resource_detail":01,"tags":[]}"#;
        assert!(reason(detail).starts_with("resource_detail: "));
    }

    #[test]
    fn the_largest_resource_is_a_line_that_is_read() {
        // a control character takes six bytes in a line, more than any other
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
                detail: Some(format!("\"{}\"", "x".repeat(DETAIL_BYTES - 2))),
                tags: [tags("", MOST_TAGS), tags("_sys_", MOST_SYSTEM_TAGS)].concat(),
            },
        };
        let mut line = Vec::new();
        encode(&mut line, &Entry::Resource(largest.clone())).unwrap();
        assert!(u64::try_from(line.len()).unwrap() <= LINE_BYTES, "{} bytes", line.len());
        assert_eq!(decode_resource(line.trim_ascii()).unwrap(), largest);
    }
}
