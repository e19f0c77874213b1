//! The history of changes: its pages, its feed, and the tags of a resource as of a time.

use std::time::{Duration, Instant};

use super::{
    Store,
    failure::{detail_of, refusal_of},
    forms::Form,
    retry::Retry,
    rows::tags_of,
    states::Refusal,
};
use crate::domain::{
    ProjectFilter, RequestError, Tag,
    history::{Change, ChangeFilter, Feed, FeedEnd, FeedPosition, Gap},
    registry::RegistryError,
};

/// A page of changes, newest first, with the number of the last one.
pub type ChangePage = (Vec<Change>, Option<i64>);

/// How long the feed waits for writers that are active.
const PATIENCE: Duration = Duration::from_millis(200);

/// How long it reads entries of others. It goes on from there next time.
const READING: Duration = Duration::from_secs(5);

/// Entries that one statement reads: a fraction of a second, if they are in memory.
const WINDOW: i32 = 50_000;

/// A row of the history.
#[derive(Debug)]
struct ChangeRow {
    change_id: i64,
    changed_at: String,
    project_id: String,
    resource_type: String,
    resource_id: String,
    operation: String,
    principal: String,
    credential_id: Option<String>,
    request_id: String,
    old_name: Option<String>,
    new_name: Option<String>,
    old_tags: Option<Vec<String>>,
    new_tags: Option<Vec<String>>,
}

impl ChangeRow {
    /// The change with its number, and its size.
    fn change(self) -> ((i64, Change), usize) {
        let change = Change {
            changed_at: self.changed_at,
            project_id: self.project_id,
            resource_type: self.resource_type,
            resource_id: self.resource_id,
            operation: self.operation,
            principal: self.principal,
            credential_id: self.credential_id,
            request_id: self.request_id,
            old_name: self.old_name,
            new_name: self.new_name,
            old_tags: self.old_tags.map(tags_of),
            new_tags: self.new_tags.map(tags_of),
        };
        let size = change.size();
        ((self.change_id, change), size)
    }
}

/// What a window of the feed has.
struct FeedPart {
    changes: Vec<Change>,
    /// The last entry that was read.
    last: Option<FeedPosition>,
    /// Whether the window reaches to the end of the feed, unless the page is full.
    is_last: bool,
}

fn page_of(rows: Vec<(i64, Change)>) -> ChangePage {
    let last = rows.last().map(|(change_id, _)| *change_id);
    (rows.into_iter().map(|(_, change)| change).collect(), last)
}

impl Store {
    /// The scopes that a project has or had.
    pub async fn scopes_of_project(&self, project_id: &str) -> Result<Vec<i64>, RequestError> {
        let scopes = self
            .cheap(Form::ScopesOfProject)
            .fetch_all(Retry::Read, || {
                sqlx::query_scalar!(
                    "select s.scope_id from tagd.scope s where s.project_id = $1 order by s.scope_id",
                    project_id
                )
            })
            .await?;
        Ok(scopes)
    }

    /// The changes of a resource, newest first, before the change with a number.
    ///
    /// With a domain, only those that were made while the project belonged to it.
    pub async fn changes_of_resource(
        &self,
        scope_id: i64,
        resource_id: &str,
        domain_id: Option<&str>,
        filter: &ChangeFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<ChangePage, RequestError> {
        let rows = self
            .cheap(Form::ChangesOfResource)
            .fetch_large(Retry::Read, || {
                sqlx::query_as!(
                    ChangeRow,
                    r#"select h.change_id,
                              to_char(h.changed_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as "changed_at!",
                              s.project_id, s.resource_type, h.resource_id, h.operation, h.principal,
                              case when $3::text is null then h.credential_id end as credential_id, h.request_id,
                              h.old_name, h.new_name, h.old_tags, h.new_tags
                         from tagd.history h
                         join tagd.scope s on s.scope_id = h.scope_id
                        where h.scope_id = $1
                          and h.resource_id = $2
                          and ($3::text is null or h.domain_id = $3)
                          and ($4::text is null or h.principal = $4)
                          and ($5::text is null or jsonb_object(coalesce(h.old_tags, '{}')) -> $5
                                                   is distinct from jsonb_object(coalesce(h.new_tags, '{}')) -> $5)
                          and h.changed_at >= coalesce(to_timestamp($6::int8 / 1e6), '-infinity')
                          and h.changed_at < coalesce(to_timestamp($7::int8 / 1e6), 'infinity')
                          and h.change_id < coalesce($8::int8, 9223372036854775807)
                        order by h.change_id desc
                        limit $9"#,
                    scope_id,
                    resource_id,
                    domain_id,
                    filter.principal,
                    filter.key,
                    filter.since,
                    filter.until,
                    before,
                    i64::from(limit)
                )
            }, |row| Ok(row.change()))
            .await?;
        Ok(page_of(rows))
    }

    /// The same of all resources in some scopes.
    pub async fn changes_of_scopes(
        &self,
        scopes: &[i64],
        domain_id: Option<&str>,
        filter: &ChangeFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<ChangePage, RequestError> {
        let rows = self
            .expensive(Form::ChangesOfScopes)
            .fetch_large(Retry::Read, || {
                // scope by scope, each along its key from the newest entry on
                sqlx::query_as!(
                    ChangeRow,
                    r#"select h.change_id,
                              to_char(h.changed_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as "changed_at!",
                              s.project_id, s.resource_type, h.resource_id, h.operation, h.principal,
                              case when $2::text is null then h.credential_id end as credential_id, h.request_id,
                              h.old_name, h.new_name, h.old_tags, h.new_tags
                         from unnest($1::int8[]) as w (scope_id)
                         join tagd.scope s on s.scope_id = w.scope_id
                        cross join lateral (
                          select e.change_id, e.changed_at, e.resource_id, e.operation, e.principal,
                                 e.credential_id, e.request_id, e.old_name, e.new_name, e.old_tags, e.new_tags
                            from tagd.history e
                           where e.scope_id = w.scope_id
                             and ($2::text is null or e.domain_id = $2)
                             and ($3::text is null or e.principal = $3)
                             and ($4::text is null or jsonb_object(coalesce(e.old_tags, '{}')) -> $4
                                                      is distinct from jsonb_object(coalesce(e.new_tags, '{}')) -> $4)
                             and e.changed_at >= coalesce(to_timestamp($5::int8 / 1e6), '-infinity')
                             and e.changed_at < coalesce(to_timestamp($6::int8 / 1e6), 'infinity')
                             and e.change_id < coalesce($7::int8, 9223372036854775807)
                           order by e.change_id desc
                           limit $8) h
                        order by h.change_id desc
                        limit $8"#,
                    scopes,
                    domain_id,
                    filter.principal,
                    filter.key,
                    filter.since,
                    filter.until,
                    before,
                    i64::from(limit)
                )
            }, |row| Ok(row.change()))
            .await?;
        Ok(page_of(rows))
    }

    /// The changes after a position of the feed and up to another, which no active writer may precede.
    ///
    /// Entries of others are read as well, for a few seconds at most: the next part may begin after them although this one is
    /// not full.
    pub async fn feed(
        &self,
        covered: ProjectFilter<'_>,
        after: FeedPosition,
        end: FeedPosition,
        limit: u32,
    ) -> Result<Feed, RequestError> {
        let until = Instant::now() + READING;
        let (mut changes, mut next) = (Vec::new(), after);
        while next.change_id < end.change_id {
            let left = usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(changes.len());
            let part = self.read_window(covered, next.change_id, end, left).await?;
            changes.extend(part.changes);
            let is_full = u32::try_from(changes.len()).is_ok_and(|count| count >= limit);
            // without a window behind it, also past what belongs to others, which would have to be read again each time
            next = part.last.filter(|_| is_full || !part.is_last).unwrap_or(end);
            if is_full || Instant::now() >= until {
                break;
            }
        }
        if next.change_id >= end.change_id {
            // perhaps in a newer span
            next = end;
        }
        let gaps = self.gaps(after.span_id, next.span_id).await?;
        Ok(Feed { changes, next, gaps })
    }

    /// The changes in a window of the feed.
    async fn read_window(
        &self,
        covered: ProjectFilter<'_>,
        after: i64,
        end: FeedPosition,
        limit: usize,
    ) -> Result<FeedPart, RequestError> {
        let rows = self
            .expensive(Form::ReadWindow)
            .fetch_large(Retry::Read, || {
                sqlx::query!(
                    r#"select r.is_covered as "is_covered!", r.is_end as "is_end!",
                              (r.entry).span_id as "span_id!", p.token as "span_token!", (r.entry).change_id as "change_id!",
                              to_char((r.entry).changed_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as "changed_at!",
                              s.project_id, s.resource_type, (r.entry).resource_id as "resource_id!", (r.entry).operation as "operation!",
                              (r.entry).principal as "principal!", case when $3::text is null then (r.entry).credential_id end as credential_id,
                              (r.entry).request_id as "request_id!", (r.entry).old_name, (r.entry).new_name,
                              (r.entry).old_tags, (r.entry).new_tags
                         from tagd.changes_after($1, $2, $3, $4, $5, $6) r
                         join tagd.scope s on s.scope_id = (r.entry).scope_id
                         join tagd.history_span p on p.span_id = (r.entry).span_id
                        order by (r.entry).change_id"#,
                    after,
                    end.change_id,
                    covered.domain_id,
                    covered.projects,
                    i32::try_from(limit).unwrap_or(i32::MAX),
                    WINDOW
                )
            }, |row| {
                // With the origin of the end: the entries are complete only there, while a standby may have been promoted since.
                let (span_id, span_token, origin) = (row.span_id, row.span_token, end.origin);
                let position = FeedPosition { span_id, span_token, change_id: row.change_id, origin };
                let change = row.is_covered.then(|| Change {
                    changed_at: row.changed_at,
                    project_id: row.project_id,
                    resource_type: row.resource_type,
                    resource_id: row.resource_id,
                    operation: row.operation,
                    principal: row.principal,
                    credential_id: row.credential_id,
                    request_id: row.request_id,
                    old_name: row.old_name,
                    new_name: row.new_name,
                    old_tags: row.old_tags.map(tags_of),
                    new_tags: row.new_tags.map(tags_of),
                });
                let size = change.as_ref().map_or(0, Change::size);
                Ok(((position, row.is_end, change), size))
            })
            .await?;
        let (last, is_end) = rows.last().map(|(position, is_end, _)| (*position, *is_end)).unzip();
        let changes = rows.into_iter().filter_map(|(.., change)| change).collect();
        Ok(FeedPart { changes, last, is_last: is_end != Some(true) })
    }

    /// The position before the oldest entry that is kept. It is of no span, and holds wherever entries are numbered.
    pub async fn feed_beginning(&self) -> Result<FeedPosition, RequestError> {
        let change_id = self
            .cheap(Form::FeedBeginning)
            .fetch_one(Retry::Read, || sqlx::query_scalar!("select t.pruned_change_id from tagd.history_state t"))
            .await?;
        Ok(FeedPosition { change_id, ..FeedPosition::default() })
    }

    /// Refuses a position after which entries were pruned, or from before the database was restored or moved.
    pub async fn check_position(&self, position: FeedPosition) -> Result<(), RegistryError> {
        let row = self
            .cheap(Form::CheckPosition)
            .fetch_one(Retry::Read, || {
                sqlx::query!(
                    r#"select $3::int8 < t.pruned_change_id as "is_pruned!",
                              $1 <> 0
                              and ($4 <> hashtextextended(tagd.history_origin(), 0)
                                   or not exists (select from tagd.history_span s
                                                   where s.span_id = $1 and s.token = $2
                                                     and $3::int8 <= coalesce(s.last_change_id, tagd.last_change_id()))) as "is_lost!"
                         from tagd.history_state t"#,
                    position.span_id,
                    position.span_token,
                    position.change_id,
                    position.origin
                )
            })
            .await
            .map_err(RequestError::from)?;
        let reason = match (row.is_pruned, row.is_lost) {
            (true, _) => "changes after it were pruned",
            (_, true) => "the database was restored from a backup or has moved to another server since",
            _ => return Ok(()),
        };
        let reason = format!("marker: {reason}; begin again with start=end and an export");
        Err(RegistryError::NotKept { reason })
    }

    /// The last position of the feed now, and whether the feed is complete up to it: not while a writer takes long.
    pub async fn feed_end(&self) -> Result<FeedEnd, RequestError> {
        let row = self
            .cheap(Form::FeedEnd)
            .fetch_one(Retry::Read, || {
                sqlx::query!(
                    r#"select w.last_change_id as "change_id!", w.writers as "writers!",
                              coalesce(w.span_id, 0) as "span_id!", coalesce(w.span_token, 0) as "span_token!",
                              hashtextextended(tagd.history_origin(), 0) as "origin!"
                         from tagd.active_writers() w"#
                )
            })
            .await?;
        let is_settled = self.have_ended(&row.writers, Some(Instant::now() + PATIENCE)).await?;
        let last = FeedPosition {
            span_id: row.span_id,
            span_token: row.span_token,
            change_id: row.change_id,
            origin: row.origin,
        };
        Ok(FeedEnd { last, is_settled })
    }

    /// The times without history between two spans.
    pub(super) async fn gaps(&self, from: i32, to: i32) -> Result<Vec<Gap>, sqlx::Error> {
        self
            .cheap(Form::Gaps)
            .fetch_all(Retry::Read, || {
                sqlx::query_as!(
                    Gap,
                    r#"select to_char(g.ended_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as "from!",
                              to_char(g.next_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as "to!"
                         from (select s.span_id, s.ended_at, lead(s.span_id) over w as next_id, lead(s.began_at) over w as next_at
                                 from tagd.history_span s
                               window w as (order by s.span_id)) g
                        where g.ended_at < g.next_at and g.span_id >= $1 and g.next_id <= $2
                        order by g.span_id"#,
                    from,
                    to
                )
            })
            .await
    }

    /// The tags that a resource had at a time, in microseconds since 1970; `None` if it was not there.
    ///
    /// With a domain, only from what was recorded while the project belonged to it.
    pub async fn tags_at(
        &self,
        scope_id: i64,
        resource_id: &str,
        at: i64,
        domain_id: Option<&str>,
    ) -> Result<Option<Vec<Tag>>, RegistryError> {
        let tags = self
            .cheap(Form::TagsAt)
            .fetch_one(Retry::Read, || {
                sqlx::query_scalar!(
                    "select tagd.tags_at($1, $2, to_timestamp($3::int8 / 1e6), $4)",
                    scope_id,
                    resource_id,
                    at,
                    domain_id
                )
            })
            .await
            .map_err(|error| match refusal_of(&error) {
                Some(Refusal::NotKept) => not_kept(detail_of(&error)),
                _ => RequestError::from(error).into(),
            })?;
        Ok(tags.map(tags_of))
    }

    /// The key by which markers are sealed.
    pub async fn marker_secret(&self) -> Result<Vec<u8>, RequestError> {
        let secret = self
            .cheap(Form::MarkerSecret)
            .fetch_one(Retry::Read, || sqlx::query_scalar!("select t.marker_secret from tagd.history_state t"))
            .await?;
        Ok(secret)
    }
}

/// The error for a time of which there is no history; the detail has when history had been turned off and when it begins
/// again, or a hyphen, or is empty.
fn not_kept(detail: &str) -> RegistryError {
    if detail.is_empty() {
        let reason =
            "at: the resource was removed while history was off, so it is not known when it had been registered";
        return RegistryError::NotKept { reason: reason.to_owned() };
    }
    let mut parts = detail.split(' ').map(|part| Some(part).filter(|part| *part != "-"));
    let (off, on) = (parts.next().flatten(), parts.next().flatten());
    let reason = match (off, on) {
        (Some(off), None) if detail.ends_with("unchanged") => {
            format!(
                "at: the resource did not change before {off}, when history was turned off, so its tags are not known"
            )
        }
        (Some(off), Some(on)) => format!("at: there is no history from {off} to {on}, when it was off"),
        (Some(off), None) => format!("at: there is no history since {off}, when it was turned off"),
        (None, Some(on)) => format!("at: history is kept since {on}"),
        (None, None) => "at: there is no history".to_owned(),
    };
    RegistryError::NotKept { reason }
}
