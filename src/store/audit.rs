//! The audit log, and what keeps the history and the log in order: partitions, retention, on and off.

use std::net::IpAddr;

use sqlx::Connection;

use super::{Store, StoreError, StoreSettings, caller::row_of, failure::outage_of, forms::Form, retry::Retry};
use crate::domain::{
    Caller, Outage, RequestError,
    history::{Act, ActFilter, HistoryStatus},
};

/// A table that is kept by the month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MonthlyTable {
    /// The history of changes.
    History,
    /// The audit log.
    Audit,
}

impl MonthlyTable {
    fn name(self) -> &'static str {
        match self {
            Self::History => "history",
            Self::Audit => "audit",
        }
    }
}

/// What pruning did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pruned {
    /// From when on entries are kept: RFC 3339, UTC.
    pub kept_from: String,
    /// Months that were dropped.
    pub months: u64,
    /// Entries that were dropped, of months that had no partition.
    pub entries: u64,
}

impl Store {
    /// A page of the audit log, newest first, before the entry with a number, and the number of its last entry.
    pub async fn list_acts(
        &self,
        filter: &ActFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<(Vec<Act>, Option<i64>), RequestError> {
        let rows = self
            .expensive(Form::ListActs)
            .fetch_all(Retry::Read, || {
                sqlx::query!(
                    r#"select a.entry_id,
                              to_char(a.recorded_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as "recorded_at!",
                              a.operation, a.object, a.domain_id, a.principal, a.credential_id, a.request_id, a.address, a.detail::text as "detail!"
                         from tagd.audit a
                        where ($1::text is null or a.principal = $1)
                          and ($2::text is null or a.operation = $2)
                          and a.recorded_at >= coalesce(to_timestamp($3::int8 / 1e6), '-infinity')
                          and a.recorded_at < coalesce(to_timestamp($4::int8 / 1e6), 'infinity')
                          and a.entry_id < coalesce($5::int8, 9223372036854775807)
                        order by a.entry_id desc
                        limit $6"#,
                    filter.principal,
                    filter.operation,
                    filter.since,
                    filter.until,
                    before,
                    i64::from(limit)
                )
            })
            .await?;
        let last = rows.last().map(|row| row.entry_id);
        let acts = rows.into_iter().map(|row| Act {
            recorded_at: row.recorded_at,
            operation: row.operation,
            object: row.object,
            domain_id: row.domain_id,
            principal: row.principal,
            credential_id: row.credential_id,
            request_id: row.request_id,
            address: row.address,
            detail: row.detail,
        });
        Ok((acts.collect(), last))
    }

    /// Writes to the audit log how often authentication failed from each address.
    pub async fn record_failures(&self, failures: &[(IpAddr, u32)]) -> Result<(), RequestError> {
        let (addresses, counts): (Vec<String>, Vec<i32>) = failures
            .iter()
            .map(|(address, count)| {
                // of IPv6 the network of a subscriber is counted
                let network = if address.is_ipv6() && !address.is_loopback() { "/64" } else { "" };
                (format!("{address}{network}"), i32::try_from(*count).unwrap_or(i32::MAX))
            })
            .unzip();
        self.writing(Form::RecordFailures)
            .execute(Retry::Write, || sqlx::query!("select tagd.record_failures($1, $2)", &addresses, &counts))
            .await?;
        Ok(())
    }

    /// Turns the history on if it was never on, begins a span if the database was restored from a backup, and makes the
    /// partitions of this month and the next two. Before the first write.
    ///
    /// If there is anything to do but partitions, it waits for running writes, however long they take.
    pub async fn prepare_history(&self) -> Result<(), StoreError> {
        self.writing(Form::PrepareHistory)
            .execute(Retry::Write, || sqlx::query!("select tagd.prepare_history()"))
            .await?;
        for table in [MonthlyTable::History, MonthlyTable::Audit] {
            let table = table.name();
            self.writing(Form::PrepareHistory)
                .execute(Retry::Begin, || sqlx::query!("select tagd.prepare_months($1)", table))
                .await?;
        }
        Ok(())
    }

    /// Drops the months of a table that its retention does not keep; `None` if there is no retention.
    pub async fn apply_retention(&self, table: MonthlyTable) -> Result<Option<Pruned>, StoreError> {
        let row = self
            .writing(Form::ApplyRetention)
            .fetch_one(Retry::Write, || {
                sqlx::query!(
                    r#"select to_char(p.kept_from at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as kept_from, p.months, p.entries
                         from tagd.apply_retention($1, $2::text::tagd.caller) p"#,
                    table.name(),
                    row_of(&self.caller)
                )
            })
            .await?;
        let number = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok()).unwrap_or_default();
        Ok(row.kept_from.map(|kept_from| Pruned {
            kept_from,
            months: number(row.months),
            entries: number(row.entries),
        }))
    }

    /// Turns the history on or off; true if it was the other way. Waits for running writes.
    pub async fn switch_history(&self, is_on: bool) -> Result<bool, StoreError> {
        let changed = self
            .writing(Form::SwitchHistory)
            .fetch_one(Retry::Write, || {
                sqlx::query_scalar!(
                    "select tagd.switch_history($1, $2::text::tagd.caller)",
                    is_on,
                    row_of(&self.caller)
                )
            })
            .await?;
        Ok(changed.unwrap_or_default())
    }

    /// How much history there is.
    pub async fn history_status(&self) -> Result<HistoryStatus, StoreError> {
        let row = self
            .expensive(Form::HistoryStatus)
            .fetch_one(Retry::Begin, || {
                sqlx::query!(
                    r#"select t.keep_days, t.audit_keep_days,
                              exists (select from tagd.history_span s where s.ended_at is null) as "is_on!",
                              (select to_char(greatest(t.kept_from, min(s.began_at)) at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
                                 from tagd.history_span s) as kept_from,
                              (select coalesce(sum(pg_total_relation_size(p.relid)), 0)::int8
                                 from pg_partition_tree('tagd.history') p) as "bytes!",
                              (select coalesce(sum(pg_total_relation_size(p.relid)), 0)::int8
                                 from pg_partition_tree('tagd.audit') p) as "audit_bytes!"
                         from tagd.history_state t"#
                )
            })
            .await?;
        let mut gaps = self.gaps(0, i32::MAX).await?;
        // times of one form, so their text is in their order
        gaps.retain(|gap| row.kept_from.as_ref().is_none_or(|kept_from| gap.to > *kept_from));
        let days = |days: Option<i32>| days.and_then(|days| u32::try_from(days).ok());
        Ok(HistoryStatus {
            is_on: row.is_on,
            kept_from: row.kept_from,
            gaps,
            keep_days: days(row.keep_days),
            audit_keep_days: days(row.audit_keep_days),
            bytes: u64::try_from(row.bytes).unwrap_or_default(),
            audit_bytes: u64::try_from(row.audit_bytes).unwrap_or_default(),
        })
    }
}

/// Drops the months of a table that end before a time, in seconds since 1970. Only the owner of the schema may, not the
/// service's role.
pub async fn prune_months(
    settings: &StoreSettings,
    table: MonthlyTable,
    before: i64,
    caller: &Caller,
) -> Result<Pruned, StoreError> {
    let mut login = settings.connect_as_login().await?;
    let (kept_from, months, entries): (String, i64, i64) = sqlx::query_as(
        "select to_char(p.kept_from at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), p.months, p.entries
           from tagd.prune_months($1, to_timestamp($2::int8), $3::text::tagd.caller) p",
    )
    .bind(table.name())
    .bind(before)
    .bind(row_of(caller))
    .fetch_one(&mut login)
    .await
    .map_err(refused_to_owner)?;
    login.close().await?;
    let number = |number: i64| u64::try_from(number).unwrap_or_default();
    Ok(Pruned { kept_from, months: number(months), entries: number(entries) })
}

/// Sets for how many days entries of a table are kept at least, `None` for ever. Only the owner of the schema may.
pub async fn set_retention(
    settings: &StoreSettings,
    table: MonthlyTable,
    keep_days: Option<u32>,
    caller: &Caller,
) -> Result<(), StoreError> {
    let mut login = settings.connect_as_login().await?;
    sqlx::query("select tagd.set_retention($1, $2, $3::text::tagd.caller)")
        .bind(table.name())
        .bind(keep_days.map(|days| i32::try_from(days).unwrap_or(i32::MAX)))
        .bind(row_of(caller))
        .execute(&mut login)
        .await
        .map_err(refused_to_owner)?;
    login.close().await?;
    Ok(())
}

/// The error of what only the owner of the schema may do.
fn refused_to_owner(error: sqlx::Error) -> StoreError {
    match outage_of(&error) {
        Some(Outage::Rights) => StoreError::NotOwner,
        Some(Outage::Busy) => StoreError::InUse,
        _ => StoreError::of(error),
    }
}
