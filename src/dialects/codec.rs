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
            return Err(Fault::Body { reason: "body: empty, a JSON object is needed (line 1, column 1)".into() });
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

    /// A number that may also be sent as a string, as its text.
    fn number(&self, field: &'static str) -> Result<Option<Cow<'a, str>>, Fault> {
        let Some(raw) = self.raw(field) else { return Ok(None) };
        if raw.get().starts_with('"') {
            self.read::<String>(field).map(|text| text.map(Cow::Owned))
        } else {
            Ok(Some(Cow::Borrowed(raw.get())))
        }
    }

    /// The page, from the body.
    pub(super) fn page(&self, limits: &QueryLimits) -> Result<Want, Fault> {
        self.page_or(&[], limits)
    }

    /// The page, from the query string or else from the body.
    pub(super) fn page_or(
        &self,
        parameters: &[(Cow<'_, str>, Cow<'_, str>)],
        limits: &QueryLimits,
    ) -> Result<Want, Fault> {
        let check = |aspect, field, least, most| {
            let text = match parameters.iter().find(|(name, _)| name == field) {
                Some((_, value)) => Some(Cow::Borrowed(value.as_ref())),
                None => self.number(field)?,
            };
            text.map(|text| check_number(aspect, field, &text, least, most)).transpose()
        };
        let limit = check(Aspect::Limit, "limit", 1, limits.limit.into())?;
        let offset = check(Aspect::Offset, "offset", 0, limits.offset)?;
        Ok(Want::Page {
            limit: limit.map_or(Ok(limits.default_limit), u32::try_from).map_err(Fault::internal)?,
            offset: offset.unwrap_or(0),
        })
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

/// Reads digits, however many, as a number within bounds; `u64::MAX` is no bound.
fn check_number(aspect: Aspect, field: &'static str, text: &str, least: u64, most: u64) -> Result<u64, Fault> {
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let range = if most == u64::MAX { format!("at least {least}") } else { format!("{least} to {most}") };
    if is_digits(text) {
        // what no number holds is larger than any
        let number = text.parse().unwrap_or(u64::MAX);
        if (least..=most).contains(&number) {
            return Ok(number);
        }
    } else if !text.strip_prefix('-').is_some_and(is_digits) {
        return Err(Fault::invalid(aspect, field, format!("{} is not a whole number, {range}", quote(text))));
    }
    Err(Fault::invalid(aspect, field, format!("{} is out of range, {range}", shorten(text))))
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
    // serde shows the offending text whole
    let (reason, path) = (shorten(reason), shorten(path));
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
    // an error at the first character has column 0
    let column = error.column().max(1);
    let column = if error.line() <= 1 { column_before + column } else { column };
    format!("{path}: {reason} (line {line}, column {column})")
}

/// A text for a message: one that is long without its middle.
fn shorten(text: &str) -> Cow<'_, str> {
    const SHOWN: usize = 96;
    match (text.char_indices().nth(SHOWN), text.char_indices().nth_back(SHOWN)) {
        (Some((head, _)), Some((tail, _))) if head < tail => {
            let (head, tail) = (text.get(..head).unwrap_or_default(), text.get(tail..).unwrap_or_default());
            Cow::Owned(format!("{head}…{tail}"))
        }
        _ => Cow::Borrowed(text),
    }
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
