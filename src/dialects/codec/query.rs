//! The fields of a query's body: action, lists, matches, page.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error as _, MapAccess, Visitor},
};

use super::fields::{Fields, TooLong};
use crate::{
    domain::{
        FieldKind, NameMatch, QueryLimits, QueryOutput, RequestError, TagQuery, Term,
        limits::{ListLimit, RawTerm, check_length, check_number},
        reason,
    },
    json::{ListSeed, Object},
};

impl Fields<'_> {
    /// A list of tags, checked.
    pub(in crate::dialects) fn terms(
        &self,
        field: &'static str,
        limits: &QueryLimits,
    ) -> Result<Vec<Term>, RequestError> {
        let too_long = TooLong::default();
        let entry = TermSeed { values: limits.of_values(), too_long: &too_long };
        let entries = self.read_seed(field, too_long.list(entry, limits.of_keys()), &too_long)?;
        entries.map_or(Ok(Vec::new()), |entries| limits.check_list(field, entries))
    }

    /// The action, or `default` if it is absent; an error if there is no default either.
    pub(in crate::dialects) fn action(&self, default: Option<Action>) -> Result<Action, RequestError> {
        const ACTIONS: &[&str] = &["filter", "count"];
        let invalid = |reason: String| RequestError::invalid(FieldKind::Action, "action", reason);
        match self.read::<String>("action")?.as_deref() {
            Some("filter") => Ok(Action::Filter),
            Some("count") => Ok(Action::Count),
            Some(other) => Err(invalid(reason::not_one_of(ACTIONS, other))),
            None => default.ok_or_else(|| invalid(reason::required_one_of(ACTIONS))),
        }
    }

    /// The page, from the body.
    pub(in crate::dialects) fn page(&self, limits: &QueryLimits) -> Result<QueryOutput, RequestError> {
        self.page_or(&[], limits)
    }

    /// The page, from the query string or otherwise from the body.
    pub(in crate::dialects) fn page_or(
        &self,
        parameters: &[(Cow<'_, str>, Cow<'_, str>)],
        limits: &QueryLimits,
    ) -> Result<QueryOutput, RequestError> {
        let check = |kind, field, least, most| {
            let text = match parameters.iter().find(|(name, _)| name == field) {
                Some((_, value)) => Some(Cow::Borrowed(value.as_ref())),
                None => self.number(field)?,
            };
            text.map(|text| check_number(kind, field, &text, least, most)).transpose()
        };
        let limit = check(FieldKind::Limit, "limit", 1, limits.limit.into())?;
        let offset = check(FieldKind::Offset, "offset", 0, limits.offset)?;
        Ok(QueryOutput::Page {
            limit: limit.map_or(Ok(limits.default_limit), u32::try_from).map_err(RequestError::internal)?,
            offset: offset.unwrap_or(0),
        })
    }
}

/// The requested action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::dialects) enum Action {
    /// A page.
    Filter,
    /// The total only.
    Count,
}

/// Fills the four lists of a query. If it is only for untagged resources, the lists are ignored, whatever they contain.
pub(in crate::dialects) fn read_lists(
    fields: &Fields<'_>,
    limits: &QueryLimits,
    query: &mut TagQuery,
) -> Result<(), RequestError> {
    query.without_any_tag = fields.flag("without_any_tag")?;
    if !query.without_any_tag {
        query.tags = fields.terms("tags", limits)?;
        query.tags_any = fields.terms("tags_any", limits)?;
        query.not_tags = fields.terms("not_tags", limits)?;
        query.not_tags_any = fields.terms("not_tags_any", limits)?;
    }
    Ok(())
}

/// The rules of a dialect for the field `matches`.
#[derive(Debug, Clone, Copy)]
pub(in crate::dialects) struct MatchRules {
    /// Whether `resource_id` may be matched too.
    pub(in crate::dialects) by_id: bool,
    /// Whether the value may be absent, which means the empty name.
    pub(in crate::dialects) value_optional: bool,
    /// Characters that the value may not have.
    pub(in crate::dialects) forbidden: &'static [char],
}

/// Reads `matches` into a query.
pub(in crate::dialects) fn read_matches(
    fields: &Fields<'_>,
    limits: &QueryLimits,
    rules: MatchRules,
    query: &mut TagQuery,
) -> Result<(), RequestError> {
    let keys = if rules.by_id { 2 } else { 1 };
    let too_long = TooLong::default();
    let list = too_long
        .list(PhantomData::<Object<MatchBody>>, ListLimit { most: keys, entries: "entries", kind: FieldKind::General });
    // one more entry than allowed is read: if its key is unknown or repeated, that error says more than the limit
    let list = ListSeed { most: keys + 1, ..list };
    let Some(matches) = fields.read_seed("matches", list, &too_long)? else { return Ok(()) };
    if matches.is_empty() && limits.refuse_empty_list {
        return Err(RequestError::invalid(FieldKind::General, "matches", reason::EMPTY_LIST));
    }
    let allowed: &[&str] = if rules.by_id { &["resource_name", "resource_id"] } else { &["resource_name"] };
    for (i, Object(MatchBody { key, value })) in matches.into_iter().enumerate() {
        let key_field = format!("matches[{i}].key");
        let value_field = format!("matches[{i}].value");
        let Some(key) = key else {
            return Err(RequestError::invalid(FieldKind::General, key_field, reason::required_one_of(allowed)));
        };
        let value = match value {
            Some(value) => value,
            None if rules.value_optional => String::new(),
            None => return Err(RequestError::invalid(FieldKind::General, value_field, reason::REQUIRED)),
        };
        check_length(FieldKind::General, &value_field, &value, limits.match_length)?;
        if let Some(c) = value.chars().find(|c| rules.forbidden.contains(c)) {
            let reason = format!("must not contain {:?}", c.to_string());
            return Err(RequestError::invalid(FieldKind::General, value_field, reason));
        }
        let duplicate =
            || RequestError::invalid(FieldKind::General, key_field.as_str(), reason::duplicate("key", &key));
        match key.as_str() {
            "resource_name" if query.resource_name.is_some() => return Err(duplicate()),
            "resource_name" => {
                query.resource_name =
                    Some(if value.is_empty() { NameMatch::Empty } else { NameMatch::Contains(value) });
            }
            "resource_id" if rules.by_id && query.resource_id.is_some() => return Err(duplicate()),
            "resource_id" if rules.by_id => query.resource_id = Some(value),
            other => {
                return Err(RequestError::invalid(FieldKind::General, key_field, reason::not_one_of(allowed, other)));
            }
        }
    }
    Ok(())
}

/// Reads an entry of a list of tags, `{"key", "values"}`.
#[derive(Clone, Copy)]
struct TermSeed<'t> {
    values: ListLimit,
    too_long: &'t TooLong,
}

impl<'de> DeserializeSeed<'de> for TermSeed<'_> {
    type Value = RawTerm;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<RawTerm, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for TermSeed<'_> {
    type Value = RawTerm;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawTerm, A::Error> {
        let (mut key, mut values) = (None, None);
        while let Some(field) = map.next_key()? {
            match field {
                TermField::Key if key.is_some() => return Err(A::Error::duplicate_field("key")),
                TermField::Key => key = Some(map.next_value::<Option<String>>()?),
                TermField::Values if values.is_some() => return Err(A::Error::duplicate_field("values")),
                TermField::Values => {
                    let list = self.too_long.list(PhantomData::<String>, self.values);
                    // null means the empty list, that is, any value: Go clients send null for an empty list
                    values = Some(map.next_value_seed(OptionSeed(list))?.unwrap_or_default());
                }
            }
        }
        Ok(RawTerm { key: key.flatten(), values })
    }
}

/// The fields of an entry; any other name is an error.
#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum TermField {
    Key,
    Values,
}

/// Reads a value that may be null.
struct OptionSeed<S>(S);

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for OptionSeed<S> {
    type Value = Option<S::Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de, S: DeserializeSeed<'de>> Visitor<'de> for OptionSeed<S> {
    type Value = Option<S::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sequence or null")
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        self.0.deserialize(deserializer).map(Some)
    }
}

/// An entry of `matches`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MatchBody {
    key: Option<String>,
    value: Option<String>,
}
