//! What is counted to compare a copy of a server with the original.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, Executor, PgConnection};

use super::{StoreError, StoreSettings};

/// The user databases of a server.
pub async fn list_databases(settings: &StoreSettings) -> Result<Vec<String>, StoreError> {
    let mut login = settings.clone().database("postgres").connect_as_login().await?;
    let names =
        sqlx::query_scalar("select datname::text from pg_database where datallowconn and not datistemplate order by 1")
            .fetch_all(&mut login)
            .await?;
    Ok(names)
}

/// The number of rows of each table of a database, and the last value of each sequence, by name.
pub async fn count_rows(settings: &StoreSettings, database: &str) -> Result<BTreeMap<String, i64>, StoreError> {
    let mut login = settings.clone().database(database).connect_as_login().await?;
    // a login may have a limit that is meant for requests
    login.execute("set statement_timeout = 0").await?;
    let tables = "
        select format('%I.%I', n.nspname, c.relname), format('select count(*) from only %I.%I', n.nspname, c.relname)
          from pg_class c
          join pg_namespace n on n.oid = c.relnamespace
         where c.relkind in ('r', 'm') and c.relpersistence <> 't'
           and n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema'
        union all
        select format('sequence %I.%I', schemaname, sequencename),
               format('select case when is_called then last_value + 1 else last_value end from %I.%I', schemaname, sequencename)
          from pg_sequences";
    count_each(&mut login, tables).await
}

async fn count_each(login: &mut PgConnection, tables: &'static str) -> Result<BTreeMap<String, i64>, StoreError> {
    let tables: Vec<(String, String)> = sqlx::query_as(tables).fetch_all(&mut *login).await?;
    let mut counts = BTreeMap::new();
    for (name, statement) in tables {
        // the text is made of quoted names of the catalogue
        let count: i64 = sqlx::query_scalar(AssertSqlSafe(statement)).fetch_one(&mut *login).await?;
        counts.insert(name, count);
    }
    Ok(counts)
}

/// Collects the statistics of a database that was just filled, which its planner would lack until autovacuum has come by.
pub async fn analyze(settings: &StoreSettings, database: &str) -> Result<(), StoreError> {
    let mut login = settings.clone().database(database).connect_as_login().await?;
    login.execute("vacuum (analyze)").await?;
    Ok(())
}

/// Whether a server was built with the compression lz4.
pub async fn is_built_with_lz4(settings: &StoreSettings) -> Result<bool, StoreError> {
    let mut login = settings.connect_as_login().await?;
    let found = sqlx::query_scalar(
        "select coalesce(bool_or('lz4' = any(s.enumvals)), false) from pg_settings s where s.name = 'default_toast_compression'",
    )
    .fetch_one(&mut login)
    .await?;
    Ok(found)
}
