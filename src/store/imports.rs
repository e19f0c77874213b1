//! Import in bulk: batches of resources go in by COPY and become resources, tags and index in one call.

use std::{fmt::Write, ops::Range};

use sqlx::Executor;

use super::{Store, StoreError, pool::PooledConnection};
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

/// Resources on their way into the database, already in the form in which COPY takes them: a tenth of the memory
/// that they take in pieces, and made where the input is read, not where the database is waited for.
#[derive(Debug, Default)]
pub struct ImportBatch {
    text: String,
    /// Where each resource ends in the text.
    ends: Vec<usize>,
}

impl ImportBatch {
    /// Adds a resource; each may stand in a batch once.
    pub fn push(&mut self, registration: &Registration) {
        write_line(&mut self.text, self.ends.len(), registration);
        self.ends.push(self.text.len());
    }

    /// How many resources there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub(super) fn slice(&self, range: &Range<usize>) -> &str {
        let end_of =
            |count: usize| count.checked_sub(1).and_then(|last| self.ends.get(last)).copied().unwrap_or_default();
        self.text.get(end_of(range.start)..end_of(range.end)).unwrap_or_default()
    }
}

impl<'a> FromIterator<&'a Registration> for ImportBatch {
    fn from_iter<I: IntoIterator<Item = &'a Registration>>(registrations: I) -> Self {
        let mut batch = Self::default();
        registrations.into_iter().for_each(|registration| batch.push(registration));
        batch
    }
}

/// An import by batches under way, on a connection of its own, which it lets go when it is dropped.
#[derive(Debug)]
pub struct Importer {
    connection: PooledConnection,
}

impl Store {
    /// Starts an import of which each part of a batch is a transaction of its own.
    pub async fn import(&self) -> Result<Importer, StoreError> {
        Ok(Importer { connection: self.import_connection().await? })
    }

    /// A connection with the tables that `tagd.import_batch` works in.
    pub(super) async fn import_connection(&self) -> Result<PooledConnection, StoreError> {
        let begin = || async {
            let mut connection = self.pool.acquire().await?;
            // what the import may take for sorting and hashing a batch
            connection.execute("select set_config('work_mem', '64MB', false)").await?;
            sqlx::query!("select tagd.begin_import()").execute(&mut *connection).await?;
            Ok(connection)
        };
        Ok(self.pool.begin(begin).await?)
    }
}

impl Importer {
    /// Imports a part of a batch, in order, all or nothing.
    pub async fn run(&mut self, batch: &ImportBatch, part: Range<usize>) -> Result<BatchOutcome, StoreError> {
        self.connection.execute("begin").await?;
        let outcome = self.run_in_transaction(batch.slice(&part)).await.map_err(StoreError::of);
        self.connection.execute(if outcome.is_ok() { "commit" } else { "rollback" }).await.map_err(StoreError::of)?;
        outcome
    }

    async fn run_in_transaction(&mut self, lines: &str) -> Result<BatchOutcome, sqlx::Error> {
        sqlx::query!("select tagd.enter_import(false)").execute(&mut *self.connection).await?;
        let statement = "copy pg_temp.import_line
                   (line, project_id, project_name, domain_id, resource_type, resource_id, resource_name, name_folded, detail, tags)
                 from stdin";
        copy_lines(&mut self.connection, statement, lines).await?;
        take_lines(&mut self.connection).await
    }
}

/// Puts lines into a temporary table by a COPY of the columns that [`write_line`] writes.
pub(super) async fn copy_lines(
    connection: &mut PooledConnection,
    statement: &'static str,
    lines: &str,
) -> Result<(), sqlx::Error> {
    let mut copy = connection.copy_in_raw(statement).await?;
    for message in lines.as_bytes().chunks(MESSAGE) {
        copy.send(message).await?;
    }
    copy.finish().await?;
    Ok(())
}

/// Makes resources, tags and index of what is in `import_line`, within a transaction that has entered the import.
pub(super) async fn take_lines(connection: &mut PooledConnection) -> Result<BatchOutcome, sqlx::Error> {
    sqlx::query!("select tagd.lock_import_projects_shared()").execute(&mut **connection).await?;
    let row = sqlx::query!("select created, changed, unchanged, new_types from tagd.import_batch()")
        .fetch_one(&mut **connection)
        .await?;
    let count = |n: Option<i64>| u64::try_from(n.unwrap_or_default()).unwrap_or_default();
    Ok(BatchOutcome {
        created: count(row.created),
        changed: count(row.changed),
        unchanged: count(row.unchanged),
        new_types: row.new_types.unwrap_or_default(),
    })
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
