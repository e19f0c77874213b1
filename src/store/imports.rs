//! Bulk import: batches of resources are sent by COPY, and one call turns each into resources, tags and index.

use std::{
    fmt::Write,
    ops::Range,
    time::{Duration, Instant},
};

use sqlx::Executor;

use super::{
    ChangedProjects, Store, StoreError,
    caller::row_of,
    copy_text::{copy_rows, write_array, write_column},
    forms::Form,
    policy_rows::against_policy,
    pool::PooledConnection,
};
use crate::domain::{Caller, change::Registration, matching::fold};

/// The outcome of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BatchOutcome {
    /// Resources that were registered.
    pub created: u64,
    /// Existing resources that were changed.
    pub changed: u64,
    /// Existing resources that were already the same as in the batch.
    pub unchanged: u64,
    /// Resource types that were not registered before.
    pub new_types: Vec<String>,
    /// Resources that were left out, because an enforced policy forbids their tags.
    pub refused: Vec<RefusedLine>,
}

/// A resource of a batch that an enforced policy forbids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedLine {
    /// Its position in the batch.
    pub position: usize,
    /// Why.
    pub reason: String,
}

/// Resources to import, as text for COPY. It needs a tenth of the memory that they need as values, and is written on
/// the thread that reads the input, not on the one that waits for the database.
#[derive(Debug, Default)]
pub struct ImportBatch {
    text: String,
    /// The end of each resource in the text.
    ends: Vec<usize>,
    moved: ChangedProjects,
}

impl ImportBatch {
    /// Adds a resource. A batch must not have the same resource twice.
    pub fn push(&mut self, registration: &Registration) {
        write_row(&mut self.text, self.ends.len(), registration);
        self.ends.push(self.text.len());
        if registration.domain_id.is_some() {
            self.moved.add(&registration.project_id);
        }
    }

    /// The projects that may get another domain.
    pub fn moved(&self) -> &ChangedProjects {
        &self.moved
    }

    /// The number of resources.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are no resources.
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

/// How long a batch waits for a connection while others import.
const TURN: Duration = Duration::from_secs(30);

/// An import in progress. While it imports batches it has a connection of its own, which is closed when the import rests or
/// is dropped.
#[derive(Debug)]
pub struct Importer {
    store: Store,
    connection: Option<PooledConnection>,
}

impl Store {
    /// Starts an import that imports each part of a batch in a separate transaction.
    pub async fn import(&self) -> Result<Importer, StoreError> {
        Ok(Importer { connection: Some(self.import_connection().await?), ..self.importer() })
    }

    /// The same, without a connection until the first batch.
    pub fn importer(&self) -> Importer {
        Importer { store: self.clone(), connection: None }
    }

    /// A connection with the temporary tables that `tagd.import_batch` uses.
    pub(super) async fn import_connection(&self) -> Result<PooledConnection, StoreError> {
        let begin = || async {
            let mut connection = self.cheap(Form::BeginImport).acquire().await?;
            // memory for sorting and hashing a batch
            connection.execute("select set_config('work_mem', '64MB', false)").await?;
            sqlx::query!("select tagd.begin_import()").execute(&mut *connection).await?;
            Ok(connection)
        };
        Ok(self.cheap(Form::BeginImport).begin(begin).await?)
    }
}

impl Importer {
    /// Imports a part of a batch: in order, all or nothing.
    pub async fn run(&mut self, batch: &ImportBatch, part: Range<usize>) -> Result<BatchOutcome, StoreError> {
        let (connection, caller) = self.connection_and_caller().await?;
        let watcher = connection.watcher();
        let imported = watcher.watch(async {
            begin(connection).await?;
            let outcome = Self::run_in_transaction(connection, caller, batch.slice(&part)).await;
            end(connection, outcome).await
        });
        imported.await
    }

    /// Its connection, which it gets if it has none.
    pub(super) async fn connection_and_caller(&mut self) -> Result<(&mut PooledConnection, &Caller), StoreError> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(in_turn(&self.store).await?),
        };
        Ok((connection, &self.store.caller))
    }

    /// Whether it has a connection, which nobody else can use.
    pub fn has_connection(&self) -> bool {
        self.connection.is_some()
    }

    /// Gives up its connection until the next batch.
    pub fn rest(&mut self) {
        self.connection = None;
    }

    /// The same if somebody waits for a connection.
    pub fn make_way(&mut self) {
        if self.has_connection() && self.store.connections.cheap.has_waiting() {
            self.rest();
        }
    }

    async fn run_in_transaction(
        connection: &mut PooledConnection,
        caller: &Caller,
        rows: &str,
    ) -> Result<BatchOutcome, sqlx::Error> {
        sqlx::query!("select tagd.enter_import(false)").execute(&mut **connection).await?;
        let statement = "copy pg_temp.import_line
                   (line, project_id, project_name, domain_id, resource_type, resource_id, resource_name, name_folded, detail, tags)
                 from stdin";
        copy_rows(connection, statement, rows).await?;
        import_rows(connection, caller).await
    }
}

/// A connection for the next batch of an import. Others may have them all for longer than the acquire timeout, but each only
/// for a batch.
async fn in_turn(store: &Store) -> Result<PooledConnection, StoreError> {
    let until = Instant::now() + TURN;
    loop {
        match store.import_connection().await {
            Err(StoreError::Database(sqlx::Error::PoolTimedOut)) if Instant::now() < until => {}
            outcome => return outcome,
        }
    }
}

/// Begins the transaction of a part of a batch. Between its statements is no wait: if the server hears nothing for a minute, the
/// network was cut, and it must not hold locks any longer.
pub(super) async fn begin(connection: &mut PooledConnection) -> Result<(), StoreError> {
    connection.execute("begin; set local idle_in_transaction_session_timeout = '60s'").await?;
    Ok(())
}

/// Ends the transaction: commits it if it succeeded, otherwise rolls it back.
pub(super) async fn end<T>(
    connection: &mut PooledConnection,
    outcome: Result<T, sqlx::Error>,
) -> Result<T, StoreError> {
    let outcome = outcome.map_err(StoreError::of);
    connection.execute(if outcome.is_ok() { "commit" } else { "rollback" }).await.map_err(StoreError::of)?;
    outcome
}

/// Turns the rows of `import_line` into resources, tags and index. The transaction must have called
/// `tagd.enter_import`.
///
/// Every kind of import uses this for its batches.
pub(super) async fn import_rows(
    connection: &mut PooledConnection,
    caller: &Caller,
) -> Result<BatchOutcome, sqlx::Error> {
    let caller = row_of(caller);
    sqlx::query!("select tagd.lock_import_projects_shared($1::text::tagd.caller)", caller)
        .execute(&mut **connection)
        .await?;
    let timed = connection.metrics().time(Form::ImportBatch);
    let row = sqlx::query!(
        "select created, changed, unchanged, new_types from tagd.import_batch($1::text::tagd.caller)",
        caller
    )
    .fetch_one(&mut **connection)
    .await?;
    drop(timed);
    connection.metrics().import_batches.increment();
    let refused: Vec<(i64, String)> =
        sqlx::query_as("select r.line, r.violation from pg_temp.import_refused r order by r.line")
            .fetch_all(&mut **connection)
            .await?;
    let count = |n: Option<i64>| u64::try_from(n.unwrap_or_default()).unwrap_or_default();
    Ok(BatchOutcome {
        created: count(row.created),
        changed: count(row.changed),
        unchanged: count(row.unchanged),
        new_types: row.new_types.unwrap_or_default(),
        refused: refused
            .into_iter()
            .map(|(position, violation)| RefusedLine {
                position: usize::try_from(position).unwrap_or_default(),
                reason: against_policy(&violation).to_string(),
            })
            .collect(),
    })
}

/// Writes a resource as a row of `import_line`.
fn write_row(out: &mut String, line: usize, registration: &Registration) {
    let resource = &registration.resource;
    let folded = fold(&resource.resource_name);
    // writing to a String cannot fail
    let _ = write!(out, "{line}\t");
    for column in [
        Some(registration.project_id.as_str()),
        registration.project_name.as_deref(),
        registration.domain_id.as_deref(),
        Some(&registration.resource_type),
        Some(&resource.resource_id),
        Some(&resource.resource_name),
        Some(&folded),
        resource.detail.as_deref(),
    ] {
        write_column(out, column);
        out.push('\t');
    }
    write_array(out, resource.tags.iter().flat_map(|tag| [tag.key.as_str(), tag.value.as_str()]));
    out.push('\n');
}
