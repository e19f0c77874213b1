//! The migrations: refinery runs them over sqlx, under a lock, in one transaction.

use refinery::{Migration, Runner};
use refinery_core::{
    AsyncMigrate,
    traits::r#async::{AsyncQuery, AsyncTransaction},
};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};

use super::{SessionProfile, Store, StoreError, StoreSettings, failure::outage_of};
use crate::domain::Outage;

mod embedded {
    #![allow(missing_docs, clippy::pedantic, unreachable_pub, reason = "written by refinery")]
    refinery::embed_migrations!("migrations");
}

/// The newest schema version that this program knows.
pub const SCHEMA_VERSION: i32 = 20;

/// Table of the migrations that were applied.
const HISTORY: &str = "tagd.schema_history";

/// Before the migrations. Where the extensions are missing they go into `public`: left to the search path, they
/// would go into `tagd` where the login has that name.
const FOUNDATION: [&str; 3] = [
    "create schema if not exists tagd",
    "create extension if not exists pg_trgm schema public",
    "create extension if not exists btree_gin schema public",
];

/// After them: the history is refinery's table, so no migration can know it.
const HISTORY_COMMENTS: [&str; 5] = [
    "comment on table tagd.schema_history is 'The migrations that were applied; kept by tagd migrate.'",
    "comment on column tagd.schema_history.version is 'Number of the migration.'",
    "comment on column tagd.schema_history.name is 'SessionProfile, from the name of its file.'",
    "comment on column tagd.schema_history.applied_on is 'When it was applied.'",
    "comment on column tagd.schema_history.checksum is 'Of its name, number and text: a file that was changed afterwards is refused.'",
];

/// What a run of the migrations did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MigrateReport {
    /// Version before.
    pub from: i32,
    /// Version now.
    pub to: i32,
}

/// A connection as refinery sees it.
struct Driver<'c>(&'c mut PgConnection);

impl AsyncTransaction for Driver<'_> {
    type Error = sqlx::Error;

    async fn execute<'a, T: Iterator<Item = &'a str> + Send + 'a>(
        &'a mut self,
        queries: T,
    ) -> Result<usize, sqlx::Error> {
        let mut count = 0;
        for query in queries {
            // the texts are the migration files and refinery's own, no user's
            self.0.execute(AssertSqlSafe(query.to_owned())).await?;
            count += 1;
        }
        Ok(count)
    }
}

impl AsyncQuery<Vec<Migration>> for Driver<'_> {
    async fn query<'a>(&'a mut self, query: &'a str) -> Result<Vec<Migration>, sqlx::Error> {
        let rows = self.0.fetch_all(AssertSqlSafe(query.to_owned())).await?;
        rows.iter()
            .map(|row| {
                let applied_on: String = row.try_get(2)?;
                let checksum: String = row.try_get(3)?;
                Ok(Migration::applied(
                    row.try_get(0)?,
                    row.try_get(1)?,
                    time::OffsetDateTime::parse(&applied_on, &time::format_description::well_known::Rfc3339)
                        .map_err(|error| sqlx::Error::Decode(error.into()))?,
                    checksum.parse().map_err(|error: std::num::ParseIntError| sqlx::Error::Decode(error.into()))?,
                ))
            })
            .collect()
    }
}

impl AsyncMigrate for Driver<'_> {}

impl Store {
    /// Opens the store with its schema in place: applies what is missing, where the login may.
    pub async fn open_migrated(settings: &StoreSettings, profile: SessionProfile) -> Result<Self, StoreError> {
        let mut login = settings.connect_as_login().await?;
        let found = schema_version(&mut login).await.map_err(|error| match error {
            // neither the owner nor a member of the service's role
            StoreError::Database(refusal) if outage_of(&refusal) == Some(Outage::Rights) => StoreError::Role,
            other => other,
        })?;
        if found == SCHEMA_VERSION {
            check_history(&mut login).await?;
        }
        login.close().await?;
        if found < SCHEMA_VERSION {
            migrate(settings).await.map_err(|error| match error {
                // a service's login that may not migrate is told who may
                StoreError::Database(refusal) if outage_of(&refusal) == Some(Outage::Rights) => {
                    StoreError::OlderSchema { found, known: SCHEMA_VERSION }
                }
                other => other,
            })?;
        } else if found > SCHEMA_VERSION {
            return Err(StoreError::NewerSchema { found, known: SCHEMA_VERSION });
        }
        Self::open(settings, profile).await
    }
}

/// Applies the migrations that are missing, all or none. Replicas that start at once wait for one another.
pub async fn migrate(settings: &StoreSettings) -> Result<MigrateReport, StoreError> {
    let mut login = settings.connect_as_login().await?;
    // ends with the transaction, so a killed process leaves no lock
    let mut transaction = login.begin().await?;
    transaction.execute("select pg_advisory_xact_lock(8386658)").await?;
    let from = schema_version(&mut transaction).await?;
    if from > SCHEMA_VERSION {
        return Err(StoreError::NewerSchema { found: from, known: SCHEMA_VERSION });
    }
    if from > 0 {
        check_history(&mut transaction).await?;
    }
    if from == SCHEMA_VERSION {
        return Ok(MigrateReport { from, to: from });
    }
    for statement in FOUNDATION {
        transaction.execute(statement).await?;
    }
    let mut runner: Runner = embedded::migrations::runner().set_abort_divergent(true).set_abort_missing(true);
    runner.set_migration_table_name(HISTORY);
    let migrations = runner.get_migrations().clone();
    Driver(&mut transaction)
        .migrate(&migrations, true, true, false, refinery::Target::Latest, HISTORY)
        .await
        .map_err(|error| StoreError::Migrate(innermost(&error).to_string()))?;
    for statement in HISTORY_COMMENTS {
        transaction.execute(statement).await?;
    }
    transaction.commit().await?;
    login.close().await?;
    Ok(MigrateReport { from, to: SCHEMA_VERSION })
}

/// Version of the schema in the database; 0 for none.
async fn schema_version(connection: &mut PgConnection) -> Result<i32, StoreError> {
    let known: bool =
        sqlx::query_scalar("select to_regclass('tagd.schema_history') is not null").fetch_one(&mut *connection).await?;
    if !known {
        return Ok(0);
    }
    let version: Option<i32> =
        sqlx::query_scalar("select max(version) from tagd.schema_history").fetch_one(connection).await?;
    Ok(version.unwrap_or_default())
}

/// Refuses a database whose migrations are others than those of this program. Refinery would too, but only where it
/// migrates, which a service's login may not.
async fn check_history(connection: &mut PgConnection) -> Result<(), StoreError> {
    let applied = Driver(connection).query(&Driver::get_applied_migrations_query(HISTORY)).await?;
    let runner = embedded::migrations::runner();
    let known = runner.get_migrations();
    let newest = applied.iter().map(Migration::version).max().unwrap_or_default();
    if let Some(other) = applied.iter().find(|migration| !known.contains(migration)) {
        let is_known = known.iter().any(|migration| migration.version() == other.version());
        let what = if is_known { "was changed after it was applied" } else { "is none of this tagd's" };
        return Err(StoreError::OtherSchema(format!("migration {other} {what}")));
    }
    match known.iter().find(|migration| migration.version() <= newest && !applied.contains(migration)) {
        Some(missing) => Err(StoreError::OtherSchema(format!("migration {missing} was passed over"))),
        None => Ok(()),
    }
}

fn innermost<'e>(error: &'e (dyn std::error::Error + 'static)) -> &'e (dyn std::error::Error + 'static) {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_that_of_the_newest_file() {
        let newest = embedded::migrations::runner().get_migrations().iter().map(Migration::version).max();
        assert_eq!(newest, Some(SCHEMA_VERSION));
    }
}
