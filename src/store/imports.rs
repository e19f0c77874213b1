//! Import in bulk: batches of resources go in by COPY and become resources, tags and index in one call.

use std::fmt::Write;

use sqlx::{Executor, Postgres, pool::PoolConnection};

use super::{Store, StoreError};
use crate::domain::{change::Registration, matching::fold};

/// Bytes of COPY data that go out in one message.
const MESSAGE: usize = 256 * 1024;

/// What a batch did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BatchOutcome {
    /// Resources that were registered.
    pub created: u64,
    /// Known resources that are different now.
    pub changed: u64,
    /// Known resources that were just so.
    pub unchanged: u64,
    /// Resource types that nobody had registered.
    pub new_types: Vec<String>,
}

/// An import under way, on a connection of its own.
#[derive(Debug)]
pub struct Importer {
    connection: PoolConnection<Postgres>,
    whole: bool,
    buffer: String,
}

impl Store {
    /// Starts an import; `whole` makes it one transaction, which only [`Importer::finish`] commits and until
    /// whose end every other writer waits.
    pub async fn import(&self, whole: bool) -> Result<Importer, StoreError> {
        let mut connection = self.pool.acquire().await?;
        // what the import may take for sorting and hashing a batch
        connection.execute("select set_config('work_mem', '64MB', false)").await?;
        sqlx::query!("select tagd.begin_import()").execute(&mut *connection).await?;
        // the tables it made are the connection's: it must not serve another import after this one
        connection.close_on_drop();
        if whole {
            connection.execute("begin").await?;
            sqlx::query!("select tagd.enter_import(true)").execute(&mut *connection).await?;
        }
        Ok(Importer { connection, whole, buffer: String::new() })
    }
}

impl Importer {
    /// Imports a batch in the order given, all or nothing. Each resource may stand in it once.
    pub async fn run(&mut self, batch: &[Registration]) -> Result<BatchOutcome, StoreError> {
        if !self.whole {
            self.connection.execute("begin").await?;
        }
        let outcome = self.run_in_transaction(batch).await.map_err(StoreError::of);
        if !self.whole {
            self.connection
                .execute(if outcome.is_ok() { "commit" } else { "rollback" })
                .await
                .map_err(StoreError::of)?;
        }
        outcome
    }

    async fn run_in_transaction(&mut self, batch: &[Registration]) -> Result<BatchOutcome, sqlx::Error> {
        if !self.whole {
            sqlx::query!("select tagd.enter_import(false)").execute(&mut *self.connection).await?;
        }
        let mut copy = self
            .connection
            .copy_in_raw(
                "copy pg_temp.import_line
                   (line, project_id, project_name, domain_id, resource_type, resource_id, resource_name, name_folded, detail, tags)
                 from stdin",
            )
            .await?;
        self.buffer.clear();
        for (line, registration) in batch.iter().enumerate() {
            write_line(&mut self.buffer, line, registration);
            if self.buffer.len() >= MESSAGE {
                copy.send(self.buffer.as_bytes()).await?;
                self.buffer.clear();
            }
        }
        copy.send(self.buffer.as_bytes()).await?;
        copy.finish().await?;
        let row = sqlx::query!("select created, changed, unchanged, new_types from tagd.import_batch()")
            .fetch_one(&mut *self.connection)
            .await?;
        let count = |n: Option<i64>| u64::try_from(n.unwrap_or_default()).unwrap_or_default();
        Ok(BatchOutcome {
            created: count(row.created),
            changed: count(row.changed),
            unchanged: count(row.unchanged),
            new_types: row.new_types.unwrap_or_default(),
        })
    }

    /// Makes the import last.
    pub async fn finish(mut self) -> Result<(), StoreError> {
        if self.whole {
            self.connection.execute("commit").await.map_err(StoreError::of)?;
        }
        Ok(())
    }
}

/// One line in COPY's text format.
fn write_line(out: &mut String, line: usize, registration: &Registration) {
    let resource = &registration.resource;
    // writing to a String cannot fail
    let _ = write!(out, "{line}\t");
    write_column(out, Some(&registration.project_id));
    write_column(out, registration.project_name.as_deref());
    write_column(out, registration.domain_id.as_deref());
    write_column(out, Some(&registration.resource_type));
    write_column(out, Some(&resource.resource_id));
    write_column(out, Some(&resource.resource_name));
    write_column(out, Some(&fold(&resource.resource_name)));
    write_column(out, resource.detail.as_deref());
    out.push('{');
    for (i, part) in resource.tags.iter().flat_map(|tag| [&tag.key, &tag.value]).enumerate() {
        if i > 0 {
            out.push(',');
        }
        out.push('"');
        for c in part.chars() {
            match c {
                // once for the array, once for COPY
                '"' => out.push_str("\\\\\""),
                '\\' => out.push_str("\\\\\\\\"),
                c => write_char(out, c),
            }
        }
        out.push('"');
    }
    out.push_str("}\n");
}

fn write_column(out: &mut String, text: Option<&str>) {
    match text {
        None => out.push_str("\\N"),
        Some(text) => text.chars().for_each(|c| write_char(out, c)),
    }
    out.push('\t');
}

fn write_char(out: &mut String, c: char) {
    match c {
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        c => out.push(c),
    }
}
