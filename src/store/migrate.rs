//! Applies migrations, with refinery over sqlx, and then the functions, in one transaction and under a lock.

use refinery::{Migration, Runner, Target};
use refinery_core::{
    AsyncMigrate,
    traits::r#async::{AsyncQuery, AsyncTransaction},
};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};

use super::{
    SessionProfile, Store, StoreError, StoreSettings,
    failure::outage_of,
    functions::{FunctionSet, applied_set},
    version::{SCHEMA_VERSION, SchemaVersion},
};
use crate::domain::Outage;

mod embedded {
    #![allow(missing_docs, clippy::pedantic, unreachable_pub, reason = "written by refinery")]
    refinery::embed_migrations!("migrations");
}

/// The last version before the baseline. A database of that version is adopted; an older one is not.
const ADOPTED_VERSION: i32 = 20;

/// The last migration of the baseline that an adopted database already has.
const ADOPTED_AS: i32 = 23;

/// MD5 of the versions, names and checksums in the history of a database of [`ADOPTED_VERSION`].
const ADOPTED_HISTORY: &str = "c0efb6c1f43156697616b57af3e13bec";

const ADOPTION: &str = include_str!("../../migrations/adopt/schema_20.sql");

/// The table of applied migrations.
const HISTORY: &str = "tagd.schema_history";

/// Runs after the migrations: the history is refinery's table, so no migration can refer to it.
const HISTORY_COMMENTS: [&str; 5] = [
    "comment on table tagd.schema_history is 'The migrations that were applied; kept by tagd migrate.'",
    "comment on column tagd.schema_history.version is 'Number of the migration.'",
    "comment on column tagd.schema_history.name is 'Purpose, from the name of its file.'",
    "comment on column tagd.schema_history.applied_on is 'When it was applied.'",
    "comment on column tagd.schema_history.checksum is 'Of its name, number and text: a file that was changed afterwards is refused.'",
];

/// The outcome of a run of the migrations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MigrateReport {
    /// Version before.
    pub from: SchemaVersion,
    /// Version now.
    pub to: SchemaVersion,
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
            // the SQL is from the migration files and refinery, never from users
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
    /// Opens the store with an up-to-date schema: applies what is missing, if the login has the privileges.
    pub async fn open_migrated(settings: &StoreSettings, profile: SessionProfile) -> Result<Self, StoreError> {
        let functions = FunctionSet::embedded();
        let mut login = settings.connect_as_login().await?;
        let (found, task) = inspect(&mut login, &functions).await.map_err(|error| match error {
            // the login is neither the owner nor a member of the service's role
            StoreError::Database(refusal) if outage_of(&refusal) == Some(Outage::Rights) => StoreError::Role,
            other => other,
        })?;
        login.close().await?;
        if task != Task::Nothing {
            migrate_with(settings, &functions).await.map_err(|error| match error {
                // the login of a service may not migrate; the error says who may
                StoreError::Database(refusal) if outage_of(&refusal) == Some(Outage::Rights) => {
                    StoreError::OlderSchema { found, known: SchemaVersion::KNOWN }
                }
                other => other,
            })?;
        }
        let store = Self::open(settings, profile).await?;
        if let Err(error) = store.prepare_history().await {
            tracing::warn!(%error, "the history was not prepared");
        }
        Ok(store)
    }
}

/// Applies the missing migrations and functions, all or none. Replicas that start at the same time wait for one another.
pub async fn migrate(settings: &StoreSettings) -> Result<MigrateReport, StoreError> {
    migrate_with(settings, &FunctionSet::embedded()).await
}

/// The same with another set of functions, for tests.
#[doc(hidden)]
pub async fn migrate_with(settings: &StoreSettings, functions: &FunctionSet) -> Result<MigrateReport, StoreError> {
    let mut login = settings.connect_as_login().await?;
    // released with the transaction, so a killed process leaves no lock
    let mut transaction = login.begin().await?;
    transaction.execute("select pg_advisory_xact_lock(8386658)").await?;
    let (from, task) = inspect(&mut transaction, functions).await?;
    if task == Task::Nothing {
        return Ok(MigrateReport { from, to: from });
    }
    let may_create: Option<bool> =
        sqlx::query_scalar("select has_schema_privilege(n.oid, 'create') from pg_namespace n where n.nspname = 'tagd'")
            .fetch_optional(&mut *transaction)
            .await?;
    match may_create {
        // checked here, since an error of a statement within a migration would be reported as refinery's
        Some(false) => return Err(StoreError::OlderSchema { found: from, known: SchemaVersion::KNOWN }),
        Some(true) => {}
        None => {
            transaction.execute("create schema tagd").await?;
        }
    }
    if task == Task::Adopt {
        adopt(&mut transaction).await?;
    }
    run(&mut transaction, false, Target::Latest).await?;
    for statement in HISTORY_COMMENTS {
        transaction.execute(statement).await?;
    }
    if from.functions < functions.number() {
        functions.apply(&mut transaction).await?;
    }
    transaction.commit().await?;
    // not in the transaction, since it waits for writers
    login.execute("select tagd.prepare_history()").await?;
    login.close().await?;
    Ok(MigrateReport { from, to: SchemaVersion { migration: SCHEMA_VERSION, functions: functions.number() } })
}

/// The migrations that a database needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Task {
    Nothing,
    /// Run what is missing.
    Migrate,
    /// Adopt a schema from before the baseline first.
    Adopt,
}

/// Version of the schema in the database and what is to be done. Refuses a schema that is not an earlier version of this
/// program's.
async fn inspect(connection: &mut PgConnection, functions: &FunctionSet) -> Result<(SchemaVersion, Task), StoreError> {
    let encoding: String =
        sqlx::query_scalar("select current_setting('server_encoding')").fetch_one(&mut *connection).await?;
    // others lack characters of tags, or count bytes as characters
    if encoding != "UTF8" {
        return Err(StoreError::Encoding(encoding));
    }
    let known = SchemaVersion { migration: SCHEMA_VERSION, functions: functions.number() };
    let found =
        SchemaVersion { migration: last_migration(connection).await?, functions: applied_set(connection).await? };
    if found.is_newer_than(known) {
        return Err(StoreError::NewerSchema { found, known });
    }
    if found.migration == ADOPTED_VERSION {
        return Ok((found, Task::Adopt));
    }
    if (1..ADOPTED_VERSION).contains(&found.migration) {
        return Err(StoreError::BeforeBaseline { found: found.migration, adopted: ADOPTED_VERSION });
    }
    if found.migration > 0 {
        check_history(connection).await?;
    }
    if found.functions == known.functions {
        functions.check(connection).await?;
    }
    Ok((found, if found == known { Task::Nothing } else { Task::Migrate }))
}

/// Converts a schema from before the baseline to one with the migrations of the baseline applied that it already
/// contains.
async fn adopt(transaction: &mut PgConnection) -> Result<(), StoreError> {
    let history: Option<String> = sqlx::query_scalar(
        "select md5(string_agg(concat_ws(' ', h.version, h.name, h.checksum), ',' order by h.version)) from tagd.schema_history h",
    )
    .fetch_one(&mut *transaction)
    .await?;
    if history.as_deref() != Some(ADOPTED_HISTORY) {
        let version = ADOPTED_VERSION;
        return Err(StoreError::OtherSchema(format!("its migrations up to {version} are not those of tagd")));
    }
    transaction.execute(ADOPTION).await?;
    run(transaction, true, Target::FakeVersion(ADOPTED_AS)).await
}

/// Runs refinery within a transaction. It accepts a target that only records migrations (fake) only if they are grouped.
async fn run(transaction: &mut PgConnection, grouped: bool, target: Target) -> Result<(), StoreError> {
    let mut runner: Runner = embedded::migrations::runner().set_abort_divergent(true).set_abort_missing(true);
    runner.set_migration_table_name(HISTORY);
    let migrations = runner.get_migrations().clone();
    Driver(transaction)
        .migrate(&migrations, true, true, grouped, target, HISTORY)
        .await
        .map_err(|error| StoreError::Migrate(innermost(&error).to_string()))?;
    Ok(())
}

/// The newest migration in the database; 0 for none.
async fn last_migration(connection: &mut PgConnection) -> Result<i32, StoreError> {
    let known: bool =
        sqlx::query_scalar("select to_regclass('tagd.schema_history') is not null").fetch_one(&mut *connection).await?;
    if !known {
        return Ok(0);
    }
    let version: Option<i32> =
        sqlx::query_scalar("select max(version) from tagd.schema_history").fetch_one(connection).await?;
    Ok(version.unwrap_or_default())
}

/// Refuses a database whose migrations differ from those of this program. Refinery checks this too, but only when it
/// migrates, which the login of a service may not do.
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
