//! What the dialects share in reading bodies and writing answers.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, Error as _, MapAccess, Visitor, value::MapAccessDeserializer},
    ser::SerializeSeq,
};
use serde_json::value::RawValue;

use super::dialect::WireReply;
use crate::domain::{
    Answer, Aspect, Command, Fault, NameMatch, Page, QueryLimits, Tag, TagQuery, Term, Want,
    fault::quote,
    limits::{RawTerm, check_length},
    write_limits::{RawTag, WriteLimits},
};

/// The fields of a body that is a JSON object, each still as it was sent.
///
/// Fields are read one by one, because what they must be depends on one another: beside
/// `without_any_tag` the lists may be anything, on a count `limit` and `offset`.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    entries: Vec<(&'static str, &'a RawValue)>,
    body: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Reads the outer object; a field that is not `known`, or stands twice, is an error.
    pub(super) fn parse(body: &'a [u8], known: &'static [&'static str]) -> Result<Self, Fault> {
        if body.is_empty() {
            return Err(Fault::Body { reason: "the body is empty, a JSON object is needed".into() });
        }
        let mut deserializer = serde_json::Deserializer::from_slice(body);
        let entries = deserializer
            .deserialize_map(FieldsVisitor { known })
            .and_then(|entries| deserializer.end().map(|()| entries))
            .map_err(|error| Fault::Body { reason: describe(&error, "body", body, body) })?;
        Ok(Self { entries, body })
    }

    fn raw(&self, field: &str) -> Option<&'a RawValue> {
        let (_, raw) = self.entries.iter().find(|(name, _)| *name == field)?;
        // null says nothing, like leaving the field out
        Some(*raw).filter(|raw| raw.get() != "null")
    }

    /// A field of a given type, if it is there.
    pub(super) fn read<T: DeserializeOwned>(&self, field: &'static str) -> Result<Option<T>, Fault> {
        let Some(raw) = self.raw(field) else { return Ok(None) };
        let mut deserializer = serde_json::Deserializer::from_str(raw.get());
        serde_path_to_error::deserialize(&mut deserializer).map(Some).map_err(|error| {
            let path = error.path().to_string();
            let path = if path == "." { field.to_owned() } else { format!("{field}{path}") };
            Fault::Body { reason: describe(error.inner(), &path, raw.get().as_bytes(), self.body) }
        })
    }

    /// A truth value; absent is false.
    pub(super) fn flag(&self, field: &'static str) -> Result<bool, Fault> {
        Ok(self.read(field)?.unwrap_or_default())
    }

    /// A list of tags, checked.
    pub(super) fn terms(&self, field: &'static str, limits: &QueryLimits) -> Result<Vec<Term>, Fault> {
        let Some(entries) = self.read::<Vec<Object<TermBody>>>(field)? else { return Ok(Vec::new()) };
        let entries = entries.into_iter().map(|Object(TermBody { key, values })| RawTerm { key, values });
        limits.check_list(field, entries.collect())
    }

    /// A list of tags to write, checked; mandatory.
    pub(super) fn put_tags(&self, field: &'static str, limits: &WriteLimits) -> Result<Vec<Tag>, Fault> {
        limits.check_put(field, self.raw_tags(field)?)
    }

    /// A list of tags to remove, checked; mandatory.
    pub(super) fn remove_tags(
        &self,
        field: &'static str,
        limits: &WriteLimits,
    ) -> Result<Vec<(String, Option<String>)>, Fault> {
        limits.check_remove(field, self.raw_tags(field)?)
    }

    /// One tag to write, checked; mandatory.
    pub(super) fn put_tag(&self, field: &'static str, limits: &WriteLimits) -> Result<Tag, Fault> {
        let Some(Object(TagBody { key, value })) = self.read(field)? else {
            return Err(Fault::invalid(Aspect::Tags, field, "missing, mandatory"));
        };
        limits.check_put_one(field, RawTag { key, value })
    }

    fn raw_tags(&self, field: &'static str) -> Result<Vec<RawTag>, Fault> {
        let Some(tags) = self.read::<Vec<Object<TagBody>>>(field)? else {
            return Err(Fault::invalid(Aspect::Tags, field, "missing, mandatory"));
        };
        Ok(tags.into_iter().map(|Object(TagBody { key, value })| RawTag { key, value }).collect())
    }

    /// The action; `default` where none is given, an error where that is none either.
    pub(super) fn action(&self, default: Option<Action>) -> Result<Action, Fault> {
        match self.read::<String>("action")?.as_deref() {
            Some("filter") => Ok(Action::Filter),
            Some("count") => Ok(Action::Count),
            Some(other) => Err(Fault::invalid(
                Aspect::Action,
                "action",
                format!("{} is neither \"filter\" nor \"count\"", quote(other)),
            )),
            None => default.ok_or_else(|| {
                Fault::invalid(Aspect::Action, "action", "missing, either \"filter\" or \"count\" is mandatory")
            }),
        }
    }

    /// A whole number that may also be sent as a string of digits.
    fn number(&self, aspect: Aspect, field: &'static str) -> Result<Option<Digits<'_>>, Fault> {
        let Some(raw) = self.raw(field) else { return Ok(None) };
        let text = if raw.get().starts_with('"') {
            let text: String =
                serde_json::from_str(raw.get()).map_err(|error| Fault::Body { reason: format!("{field}: {error}") })?;
            Cow::Owned(text)
        } else {
            Cow::Borrowed(raw.get())
        };
        Digits::parse(aspect, field, text).map(Some)
    }

    /// The page, from the body.
    pub(super) fn page(&self, limits: &QueryLimits) -> Result<Want, Fault> {
        let limit = self.number(Aspect::Limit, "limit")?;
        let offset = self.number(Aspect::Offset, "offset")?;
        page(limit, offset, limits)
    }

    /// The page, from the query string or else from the body.
    pub(super) fn page_or(&self, parameters: &Parameters<'_>, limits: &QueryLimits) -> Result<Want, Fault> {
        let number = |aspect, field| match parameters.iter().find(|(name, _)| name == field) {
            Some((_, value)) => Digits::parse(aspect, field, Cow::Borrowed(value.as_ref())).map(Some),
            None => self.number(aspect, field),
        };
        page(number(Aspect::Limit, "limit")?, number(Aspect::Offset, "offset")?, limits)
    }
}

/// What `action` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// A page.
    Filter,
    /// The total alone.
    Count,
}

/// An unsigned number of any size.
#[derive(Debug)]
pub(super) struct Digits<'a>(Cow<'a, str>);

impl<'a> Digits<'a> {
    pub(super) fn parse(aspect: Aspect, field: &str, text: Cow<'a, str>) -> Result<Self, Fault> {
        if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
            Ok(Self(text))
        } else {
            let reason = match text.strip_prefix('-') {
                Some(rest) if !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()) => {
                    format!("{} is negative", quote(&text))
                }
                _ => format!("{} is not a whole number", quote(&text)),
            };
            Err(Fault::invalid(aspect, field, reason))
        }
    }

    /// The number; the largest there is where it is larger.
    fn saturate(&self) -> u64 {
        self.0.parse().unwrap_or(u64::MAX)
    }
}

/// Checks limit and offset and fills in what was left out.
pub(super) fn page(limit: Option<Digits<'_>>, offset: Option<Digits<'_>>, limits: &QueryLimits) -> Result<Want, Fault> {
    let limit = match limit {
        None => limits.default_limit,
        Some(digits) => match u32::try_from(digits.saturate()) {
            Ok(limit) if (1..=limits.limit).contains(&limit) => limit,
            _ => {
                let reason = format!("{} is out of range, 1 to {}", digits.0, limits.limit);
                return Err(Fault::invalid(Aspect::Limit, "limit", reason));
            }
        },
    };
    let offset = match offset {
        None => 0,
        Some(digits) if digits.saturate() <= limits.offset => digits.saturate(),
        Some(digits) => {
            let reason = format!("{} is out of range, 0 to {}", digits.0, limits.offset);
            return Err(Fault::invalid(Aspect::Offset, "offset", reason));
        }
    };
    Ok(Want::Page { limit, offset })
}

/// Fills the four lists of a query, or notes that only untagged resources are wanted:
/// then the lists are passed over, whatever they hold.
pub(super) fn read_lists(fields: &Fields<'_>, limits: &QueryLimits, query: &mut TagQuery) -> Result<(), Fault> {
    query.without_any_tag = fields.flag("without_any_tag")?;
    if !query.without_any_tag {
        query.tags = fields.terms("tags", limits)?;
        query.tags_any = fields.terms("tags_any", limits)?;
        query.not_tags = fields.terms("not_tags", limits)?;
        query.not_tags_any = fields.terms("not_tags_any", limits)?;
    }
    Ok(())
}

/// What a dialect says of the field `matches`.
#[derive(Debug, Clone, Copy)]
pub(super) struct MatchRules {
    /// Whether `resource_id` may be matched too.
    pub(super) by_id: bool,
    /// Whether the value may be left out, meaning the empty name.
    pub(super) value_optional: bool,
    /// Characters that the value may not have.
    pub(super) forbidden: &'static [char],
}

/// Reads `matches` into a query.
pub(super) fn read_matches(
    fields: &Fields<'_>,
    limits: &QueryLimits,
    rules: MatchRules,
    query: &mut TagQuery,
) -> Result<(), Fault> {
    let Some(matches) = fields.read::<Vec<Object<MatchBody>>>("matches")? else { return Ok(()) };
    if matches.is_empty() && limits.refuse_empty_list {
        return Err(Fault::invalid(Aspect::General, "matches", "an empty list; leave the field out for no condition"));
    }
    let allowed = if rules.by_id { "\"resource_name\" or \"resource_id\"" } else { "\"resource_name\"" };
    for (i, Object(MatchBody { key, value })) in matches.into_iter().enumerate() {
        let key_field = format!("matches[{i}].key");
        let value_field = format!("matches[{i}].value");
        let Some(key) = key else {
            return Err(Fault::invalid(Aspect::General, key_field, format!("missing, must be {allowed}")));
        };
        let value = match value {
            Some(value) => value,
            None if rules.value_optional => String::new(),
            None => return Err(Fault::invalid(Aspect::General, value_field, "missing, mandatory")),
        };
        check_length(Aspect::General, &value_field, &value, limits.match_length)?;
        if let Some(c) = value.chars().find(|c| rules.forbidden.contains(c)) {
            let reason = format!("{} has {}, which may not stand here", quote(&value), quote(&c.to_string()));
            return Err(Fault::invalid(Aspect::General, value_field, reason));
        }
        let twice = || {
            Fault::invalid(
                Aspect::General,
                key_field.as_str(),
                format!("{} stands twice, keys must be unique", quote(&key)),
            )
        };
        match key.as_str() {
            "resource_name" if query.resource_name.is_some() => return Err(twice()),
            "resource_name" => {
                query.resource_name =
                    Some(if value.is_empty() { NameMatch::Empty } else { NameMatch::Contains(value) });
            }
            "resource_id" if rules.by_id && query.resource_id.is_some() => return Err(twice()),
            "resource_id" if rules.by_id => query.resource_id = Some(value),
            other => {
                return Err(Fault::invalid(Aspect::General, key_field, format!("{} is not {allowed}", quote(other))));
            }
        }
    }
    Ok(())
}

/// Parameters of a query string, names and values decoded.
pub(super) type Parameters<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// Reads a query string in which only some parameters may stand, each once.
pub(super) fn read_parameters<'a>(query: &'a str, known: &[&str]) -> Result<Parameters<'a>, Fault> {
    let mut parameters = Parameters::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if !known.contains(&name.as_ref()) {
            let reason = match known {
                [] => "no such query parameter, there are none here".to_owned(),
                known => format!("no such query parameter, there are {}", known.join(", ")),
            };
            return Err(Fault::invalid(Aspect::General, quote(&name), reason));
        }
        if parameters.iter().any(|(other, _)| *other == name) {
            return Err(Fault::invalid(Aspect::General, name, "stands twice in the query string"));
        }
        parameters.push((name, value));
    }
    Ok(parameters)
}

/// An entry of a list of tags.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TermBody {
    key: Option<String>,
    values: Option<Vec<String>>,
}

/// A tag.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TagBody {
    key: Option<String>,
    value: Option<String>,
}

/// An entry of `matches`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MatchBody {
    key: Option<String>,
    value: Option<String>,
}

/// What must be a JSON object. Serde alone also takes an array, of the fields' values in order.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData)).map(Self)
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

struct FieldsVisitor {
    known: &'static [&'static str],
}

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Vec<(&'static str, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries: Self::Value = Vec::new();
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            let Some(known) = self.known.iter().find(|known| **known == name) else {
                return Err(A::Error::custom(format!(
                    "unknown field {}, there are {}",
                    quote(&name),
                    self.known.join(", ")
                )));
            };
            if entries.iter().any(|(other, _)| other == known) {
                return Err(A::Error::custom(format!("the field {} stands twice", quote(&name))));
            }
            entries.push((known, map.next_value()?));
        }
        Ok(entries)
    }
}

/// A decoding error with the path of the field and its place in the whole body.
///
/// `part` is what was decoded, a piece of `body`.
fn describe(error: &serde_json::Error, path: &str, part: &[u8], body: &[u8]) -> String {
    let text = error.to_string();
    // serde_json puts its own idea of the place, which is the place in the part, at the end
    let reason = text.rsplit_once(" at line ").map_or(text.as_str(), |(reason, _)| reason);
    let start = (part.as_ptr() as usize).saturating_sub(body.as_ptr() as usize);
    let before = body.get(..start).unwrap_or_default();
    let (mut lines_before, mut column_before) = (0, 0);
    for byte in before {
        if *byte == b'\n' {
            lines_before += 1;
            column_before = 0;
        } else {
            column_before += 1;
        }
    }
    let line = lines_before + error.line();
    let column = if error.line() <= 1 { column_before + error.column() } else { error.column() };
    format!("{path}: {reason} (line {line}, column {column})")
}

/// A resource's detail as the answer holds it: its JSON, or what the dialect says where there is none.
pub(super) fn detail_of(detail: Option<&str>, absent: &'static str) -> Result<Box<RawValue>, Fault> {
    RawValue::from_string(detail.unwrap_or(absent).to_owned()).map_err(Fault::internal)
}

/// Tags of an answer, `[{"key", "value"}]`; system tags only where the dialect shows them.
#[derive(Debug)]
pub(super) struct TagsReply<'a> {
    pub(super) tags: &'a [Tag],
    pub(super) show_system: bool,
}

#[derive(Serialize)]
struct TagReply<'a> {
    key: &'a str,
    value: &'a str,
}

impl Serialize for TagsReply<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for tag in self.tags.iter().filter(|tag| self.show_system || !tag.is_system()) {
            list.serialize_element(&TagReply { key: &tag.key, value: &tag.value })?;
        }
        list.end()
    }
}

/// The answer to a list of a resource's tags, the same in every dialect but for system tags.
#[derive(Serialize)]
struct ListReply<'a> {
    tags: TagsReply<'a>,
}

/// Writes the tags of a resource.
pub(super) fn encode_tags(answer: &Answer, show_system: bool) -> Result<WireReply, Fault> {
    match answer {
        Answer::Tags(tags) => encode(&ListReply { tags: TagsReply { tags, show_system } }),
        other => Err(mismatch(other)),
    }
}

/// Writes the answer to a change: a status without a body.
pub(super) fn encode_done(answer: &Answer, status: u16) -> Result<WireReply, Fault> {
    match answer {
        Answer::Done => Ok(WireReply::empty(status)),
        other => Err(mismatch(other)),
    }
}

/// The answer to a count, the same in every dialect.
#[derive(Serialize)]
struct CountReply {
    total_count: u64,
}

/// Writes the answer to a count.
pub(super) fn encode_count(total_count: u64) -> Result<WireReply, Fault> {
    encode(&CountReply { total_count })
}

/// Writes an answer as JSON, with status 200.
pub(super) fn encode(reply: &impl Serialize) -> Result<WireReply, Fault> {
    serde_json::to_vec(reply).map(WireReply::ok).map_err(Fault::internal)
}

/// Whether a query wants the total alone.
pub(super) fn is_count(command: &Command) -> bool {
    matches!(command, Command::Query(ask) if ask.want == Want::Count)
}

/// The page that answers a query.
pub(super) fn page_of(answer: &Answer) -> Result<&Page, Fault> {
    match answer {
        Answer::Page(page) => Ok(page),
        other => Err(mismatch(other)),
    }
}

/// The service answered something else than the command asks for: a fault of tagd's own.
pub(super) fn mismatch(answer: &Answer) -> Fault {
    Fault::internal(format!("an answer of the wrong kind: {answer:?}"))
}

// ---- lists of objects, pairs

impl Fields<'_> {
    /// A list of objects, if it is there.
    pub(super) fn objects<T: DeserializeOwned>(&self, field: &'static str) -> Result<Option<Vec<T>>, Fault> {
        let entries = self.read::<Vec<Object<T>>>(field)?;
        Ok(entries.map(|entries| entries.into_iter().map(|Object(entry)| entry).collect()))
    }

    /// A list of tags to write that key and value together tell apart, checked; mandatory.
    pub(super) fn put_pairs(&self, field: &'static str, limits: &WriteLimits) -> Result<Vec<Tag>, Fault> {
        limits.check_put_pairs(field, self.raw_tags(field)?)
    }

    /// The same to remove.
    pub(super) fn remove_pairs(&self, field: &'static str, limits: &WriteLimits) -> Result<Vec<Tag>, Fault> {
        limits.check_remove_pairs(field, self.raw_tags(field)?)
    }
}
