//! The history of changes and the audit log over HTTP.

use actix_web::{
    HttpRequest,
    http::StatusCode,
    web::{self, Payload, ServiceConfig},
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use time::OffsetDateTime;

use super::{
    respond::{Handled, READ, RegistryAccess, only, read, reply_read, reply_with},
    wire::{self, Parameters, TagList, TagsReply},
};
use crate::{
    domain::{
        FieldKind, RequestError, Tag,
        history::{Act, ActFilter, Change, ChangeFilter, Gap},
        is_storable,
        moment::read_time,
        reason::{self, quote},
    },
    http::path::get_or_head,
    service::FeedStart,
};

pub(super) fn configure(config: &mut ServiceConfig) {
    let one = "/projects/{project_id}/types/{resource_type}/resources/{resource_id}";
    config
        .service(only("/history", READ).route(get_or_head().to(feed)))
        .service(only("/projects/{project_id}/history", READ).route(get_or_head().to(of_project)))
        .service(only(&format!("{one}/history"), READ).route(get_or_head().to(of_resource)))
        .service(only(&format!("{one}/restore"), "OPTIONS, POST").route(web::post().to(restore)))
        .service(only("/audit", READ).route(get_or_head().to(acts)));
}

#[derive(Serialize)]
struct ChangesReply<'a> {
    changes: Vec<ChangeReply<'a>>,
    /// Null after the last page.
    next_marker: Option<String>,
}

#[derive(Serialize)]
struct FeedReply<'a> {
    changes: Vec<ChangeReply<'a>>,
    /// Times without history since the marker of the request.
    gaps: Vec<GapReply<'a>>,
    next_marker: String,
}

#[derive(Serialize)]
struct GapReply<'a> {
    from: &'a str,
    to: &'a str,
}

#[derive(Serialize)]
struct ChangeReply<'a> {
    changed_at: &'a str,
    project_id: &'a str,
    resource_type: &'a str,
    resource_id: &'a str,
    operation: &'a str,
    principal: &'a str,
    /// Null for a command, if tagd requires no credentials, and for readers of one domain.
    credential_id: Option<&'a str>,
    /// Null for a command.
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    old_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_name: Option<&'a str>,
    /// Null if the resource was registered.
    old_tags: Option<TagList<'a>>,
    /// Null if it was removed.
    new_tags: Option<TagList<'a>>,
}

impl<'a> ChangeReply<'a> {
    fn of(change: &'a Change) -> Self {
        let list = |tags: &'a Option<Vec<Tag>>| tags.as_deref().map(TagList);
        Self {
            changed_at: &change.changed_at,
            project_id: &change.project_id,
            resource_type: &change.resource_type,
            resource_id: &change.resource_id,
            operation: &change.operation,
            principal: &change.principal,
            credential_id: change.credential_id.as_deref(),
            request_id: Some(&*change.request_id).filter(|id| !id.is_empty()),
            old_name: change.old_name.as_deref(),
            new_name: change.new_name.as_deref(),
            old_tags: list(&change.old_tags),
            new_tags: list(&change.new_tags),
        }
    }
}

impl<'a> GapReply<'a> {
    fn of(gap: &'a Gap) -> Self {
        Self { from: &gap.from, to: &gap.to }
    }
}

#[derive(Serialize)]
struct ActsReply<'a> {
    entries: Vec<ActReply<'a>>,
    /// Null after the last page.
    next_marker: Option<String>,
}

#[derive(Serialize)]
struct ActReply<'a> {
    recorded_at: &'a str,
    operation: &'a str,
    object: &'a str,
    domain_id: Option<&'a str>,
    /// Null for failed authentications.
    principal: Option<&'a str>,
    /// Null for a command, and if tagd requires no credentials.
    credential_id: Option<&'a str>,
    /// Null for a command.
    request_id: Option<&'a str>,
    address: Option<&'a str>,
    detail: Box<RawValue>,
}

impl<'a> ActReply<'a> {
    fn of(act: &'a Act) -> Result<Self, RequestError> {
        let given = |text: &'a String| Some(text.as_str()).filter(|text| !text.is_empty());
        Ok(Self {
            recorded_at: &act.recorded_at,
            operation: &act.operation,
            object: &act.object,
            domain_id: act.domain_id.as_deref(),
            principal: given(&act.principal),
            credential_id: act.credential_id.as_deref(),
            request_id: given(&act.request_id),
            address: act.address.as_deref(),
            detail: RawValue::from_string(act.detail.clone()).map_err(RequestError::internal)?,
        })
    }
}

/// A time to which a resource is put back.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RestoreBody {
    at: String,
}

/// A time that has come.
pub(super) fn read_past(field: &str, text: &str) -> Result<i64, RequestError> {
    let time = read_time(field, text)?;
    if i128::from(time) * 1000 > OffsetDateTime::now_utc().unix_timestamp_nanos() {
        let reason = format!("must not be in the future, got {}", quote(text));
        return Err(RequestError::invalid(FieldKind::General, field, reason));
    }
    Ok(time)
}

impl Parameters<'_> {
    fn time(&self, name: &str) -> Result<Option<i64>, RequestError> {
        self.get(name).map(|text| read_time(name, text)).transpose()
    }

    /// A text to compare with.
    fn text(&self, name: &str) -> Result<Option<String>, RequestError> {
        match self.get(name) {
            Some(text) if !is_storable(text) => Err(RequestError::invalid(FieldKind::General, name, reason::NUL)),
            text => Ok(text.map(ToOwned::to_owned)),
        }
    }

    fn change_filter(&self) -> Result<ChangeFilter, RequestError> {
        Ok(ChangeFilter {
            principal: self.text("principal")?,
            key: self.text("key")?,
            since: self.time("since")?,
            until: self.time("until")?,
        })
    }
}

const FILTERS: [&str; 6] = ["key", "limit", "marker", "principal", "since", "until"];

async fn of_resource(request: HttpRequest, access: RegistryAccess) -> Handled {
    let parameters = Parameters::read(&request, &FILTERS)?;
    let resource = wire::resource_ref(&wire::path(&request)?);
    let (filter, limit) = (parameters.change_filter()?, parameters.limit()?);
    let page =
        access.state.history.of_resource(&access.principal, &resource, &filter, parameters.marker()?, limit).await?;
    let changes = page.entries.iter().map(ChangeReply::of).collect();
    reply_read(&request, None, &ChangesReply { changes, next_marker: page.next_marker })
}

async fn of_project(request: HttpRequest, access: RegistryAccess) -> Handled {
    let parameters = Parameters::read(&request, &FILTERS)?;
    let path = wire::path(&request)?;
    let (filter, limit) = (parameters.change_filter()?, parameters.limit()?);
    let page = access
        .state
        .history
        .of_project(&access.principal, path.get("project_id"), &filter, parameters.marker()?, limit)
        .await?;
    let changes = page.entries.iter().map(ChangeReply::of).collect();
    reply_read(&request, None, &ChangesReply { changes, next_marker: page.next_marker })
}

async fn feed(request: HttpRequest, access: RegistryAccess) -> Handled {
    let parameters = Parameters::read(&request, &["limit", "marker", "start"])?;
    let invalid = |field: &str, reason: String| RequestError::invalid(FieldKind::General, field, reason);
    let start = match (parameters.marker()?, parameters.get("start")) {
        (Some(_), Some(_)) => return Err(invalid("marker", "must not be combined with \"start\"".to_owned()).into()),
        (Some(marker), None) => FeedStart::Marker(marker),
        (None, None | Some("beginning")) => FeedStart::Beginning,
        (None, Some("end")) => FeedStart::End,
        (None, Some(other)) => {
            return Err(invalid("start", format!("must be beginning or end, got {}", quote(other))).into());
        }
    };
    let page = access.state.history.feed(&access.principal, start, parameters.limit()?).await?;
    let reply = FeedReply {
        changes: page.changes.iter().map(ChangeReply::of).collect(),
        gaps: page.gaps.iter().map(GapReply::of).collect(),
        next_marker: page.next_marker,
    };
    reply_read(&request, None, &reply)
}

async fn restore(request: HttpRequest, access: RegistryAccess, payload: Payload) -> Handled {
    Parameters::read(&request, &[])?;
    let condition = wire::condition(&request, false)?;
    let RestoreBody { at } = read(&request, payload).await?;
    let at = read_past("at", &at)?;
    let resource = wire::resource_ref(&wire::path(&request)?);
    let (etag, tags) = access.state.history.restore(&access.principal, &resource, at, &condition).await?;
    Ok(reply_with(StatusCode::OK, &etag, &TagsReply { tags: TagList(&tags) }))
}

async fn acts(request: HttpRequest, access: RegistryAccess) -> Handled {
    let parameters = Parameters::read(&request, &["limit", "marker", "operation", "principal", "since", "until"])?;
    let filter = ActFilter {
        principal: parameters.text("principal")?,
        operation: parameters.text("operation")?,
        since: parameters.time("since")?,
        until: parameters.time("until")?,
    };
    let page = access.state.history.acts(&access.principal, &filter, parameters.marker()?, parameters.limit()?).await?;
    let entries = page.entries.iter().map(ActReply::of).collect::<Result<_, _>>()?;
    reply_read(&request, None, &ActsReply { entries, next_marker: page.next_marker })
}
