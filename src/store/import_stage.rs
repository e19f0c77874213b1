//! Import through a temporary table: all or nothing, or of resources whose tags are already in a table.

use std::{ops::Range, sync::Arc};

use sqlx::Executor;

use super::{
    BatchOutcome, ImportBatch, Store, StoreError,
    caller::row_of,
    copy_text::copy_rows,
    imports::{begin, end, import_rows},
    pool::PooledConnection,
    tag_stage::{TagError, TagStage, group, report_unused, use_tags},
};
use crate::domain::Caller;

/// Batches in a temporary table, with the connection that owns it. Other writers do not have to wait.
#[derive(Debug)]
pub struct StagedImport {
    connection: PooledConnection,
    caller: Arc<Caller>,
    tags: TagSource,
    /// The position of the last row of each batch.
    ends: Vec<i64>,
    /// Whether it is noted which resources the batches list.
    notes_listed: bool,
}

/// Where the tags of staged resources are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TagSource {
    /// In the rows themselves.
    Rows,
    /// In a separate table.
    Stage,
}

/// Staged batches that are being imported, in one transaction. Other writers wait until it ends.
#[derive(Debug)]
pub struct WholeImport {
    connection: PooledConnection,
    caller: Arc<Caller>,
    tags: TagSource,
    ends: std::vec::IntoIter<i64>,
    imported: i64,
}

impl Store {
    /// Starts an import that imports either everything or nothing.
    pub async fn stage_import(&self) -> Result<StagedImport, StoreError> {
        let connection = self.import_connection().await?;
        StagedImport::new(connection, Arc::clone(&self.caller), TagSource::Rows).await
    }
}

impl TagStage {
    /// Continues with the resources, after all tags have been added. Their batches have no tags.
    pub async fn stage_import(mut self) -> Result<StagedImport, StoreError> {
        group(&mut self.connection).await.map_err(StoreError::of)?;
        StagedImport::new(self.connection, self.caller, TagSource::Stage).await
    }
}

impl StagedImport {
    async fn new(mut connection: PooledConnection, caller: Arc<Caller>, tags: TagSource) -> Result<Self, StoreError> {
        // the rows are numbered by a sequence that only this session uses: without gaps, in the order of COPY
        connection
            .execute(
                r#"create temporary table staged_line (
                     place         bigint generated always as identity primary key,
                     line          bigint not null,
                     project_id    text collate "C" not null,
                     project_name  text,
                     domain_id     text,
                     resource_type text collate "C" not null,
                     resource_id   text collate "C" not null,
                     resource_name text not null,
                     name_folded   text not null,
                     detail        json,
                     tags          text[] not null)"#,
            )
            .await
            .map_err(StoreError::of)?;
        Ok(Self { connection, caller, tags, ends: Vec::new(), notes_listed: false })
    }

    /// Notes from now on which resources the batches list, so that the others of their scopes can be found and removed.
    /// The notes are in the database, and are made before other writers have to wait.
    pub async fn note_listed(&mut self) -> Result<(), StoreError> {
        sqlx::query!("select tagd.begin_prune()").execute(&mut *self.connection).await.map_err(StoreError::of)?;
        self.notes_listed = true;
        Ok(())
    }

    /// Adds a batch. The database checks its values; if it refuses one, the import cannot continue. If the tags are in
    /// a separate table, resources whose tags cannot be imported are left out; returns the errors of these.
    pub async fn add(&mut self, batch: &ImportBatch) -> Result<Vec<TagError>, StoreError> {
        self.connection.watcher().watch(self.add_part(batch, 0..batch.len())).await
    }

    async fn add_part(&mut self, batch: &ImportBatch, part: Range<usize>) -> Result<Vec<TagError>, StoreError> {
        let statement = "copy pg_temp.staged_line
               (line, project_id, project_name, domain_id, resource_type, resource_id, resource_name, name_folded, detail, tags)
             from stdin";
        copy_rows(&mut self.connection, statement, batch.slice(&part)).await.map_err(StoreError::of)?;
        let before = self.ends.last().copied().unwrap_or_default();
        let end = before.saturating_add(i64::try_from(part.len()).unwrap_or(i64::MAX));
        self.ends.push(end);
        if self.notes_listed {
            note_rows(&mut self.connection, before, end).await.map_err(StoreError::of)?;
        }
        match self.tags {
            TagSource::Rows => Ok(Vec::new()),
            TagSource::Stage => use_tags(&mut self.connection, before, end).await.map_err(StoreError::of),
        }
    }

    /// Imports a part of a batch immediately instead of keeping it until the end: in order, all or nothing.
    pub async fn run(
        &mut self,
        batch: &ImportBatch,
        part: Range<usize>,
    ) -> Result<(BatchOutcome, Vec<TagError>), StoreError> {
        let outcome = self.stage_and_run(batch, part).await;
        // a failed COPY has used the sequence too
        let cleared = self.connection.execute("truncate pg_temp.staged_line restart identity").await;
        self.ends.clear();
        let outcome = outcome?;
        cleared.map_err(StoreError::of)?;
        Ok(outcome)
    }

    async fn stage_and_run(
        &mut self,
        batch: &ImportBatch,
        part: Range<usize>,
    ) -> Result<(BatchOutcome, Vec<TagError>), StoreError> {
        let watcher = self.connection.watcher();
        let imported = watcher.watch(async {
            let errors = self.add_part(batch, part).await?;
            begin(&mut self.connection).await?;
            let outcome = self.run_in_transaction().await;
            Ok((end(&mut self.connection, outcome).await?, errors))
        });
        imported.await
    }

    async fn run_in_transaction(&mut self) -> Result<BatchOutcome, sqlx::Error> {
        sqlx::query!("select tagd.enter_import(false)").execute(&mut *self.connection).await?;
        let last = self.ends.last().copied().unwrap_or_default();
        insert_rows(&mut self.connection, self.tags, 0, last).await?;
        import_rows(&mut self.connection, &self.caller).await
    }

    /// Passes each line of a tag whose resource is in no batch to `each`, with the reason, ordered by line.
    pub async fn unused_tags(&mut self, each: impl FnMut(u64, String)) -> Result<(), StoreError> {
        match self.tags {
            TagSource::Rows => Ok(()),
            TagSource::Stage => report_unused(&mut self.connection, each).await,
        }
    }

    /// Waits for running writes to finish, and blocks later ones.
    pub async fn begin(mut self) -> Result<WholeImport, StoreError> {
        let watcher = self.connection.watcher();
        let begun = watcher.watch(async {
            begin(&mut self.connection).await?;
            sqlx::query!("select tagd.enter_import(true)").execute(&mut *self.connection).await?;
            Ok::<_, StoreError>(())
        });
        begun.await?;
        let Self { connection, caller, tags, ends, notes_listed: _ } = self;
        Ok(WholeImport { connection, caller, tags, ends: ends.into_iter(), imported: 0 })
    }
}

impl WholeImport {
    pub(super) fn connection_and_caller(&mut self) -> (&mut PooledConnection, &Caller) {
        (&mut self.connection, &self.caller)
    }

    /// Imports the next batch; `None` after the last.
    pub async fn import_next(&mut self) -> Result<Option<BatchOutcome>, StoreError> {
        let Some(end) = self.ends.next() else { return Ok(None) };
        let after = std::mem::replace(&mut self.imported, end);
        let watcher = self.connection.watcher();
        let imported = watcher.watch(async {
            insert_rows(&mut self.connection, self.tags, after, end).await?;
            import_rows(&mut self.connection, &self.caller).await
        });
        imported.await.map(Some).map_err(StoreError::of)
    }

    /// Finds the resources that the batches do not list, in the scopes of those that they list; returns their number.
    /// The import must have noted what its batches list.
    pub async fn find_unlisted(&mut self) -> Result<u64, StoreError> {
        let caller = row_of(&self.caller);
        let watcher = self.connection.watcher();
        let found = sqlx::query_scalar!("select tagd.find_unlisted($1::text::tagd.caller)", caller)
            .fetch_one(&mut *self.connection);
        let found = watcher.watch(found).await.map_err(StoreError::of)?;
        Ok(u64::try_from(found.unwrap_or_default()).unwrap_or_default())
    }

    /// Removes the next part of the resources that were found, after the first `done` of them. Returns how many are removed
    /// now; `None` if none were left.
    pub async fn remove_unlisted(&mut self, done: u64) -> Result<Option<u64>, StoreError> {
        let caller = row_of(&self.caller);
        let done = i64::try_from(done).unwrap_or(i64::MAX);
        let watcher = self.connection.watcher();
        let removed = sqlx::query_scalar!("select tagd.remove_unlisted($1::text::tagd.caller, $2)", caller, done)
            .fetch_one(&mut *self.connection);
        let removed = watcher.watch(removed).await.map_err(StoreError::of)?;
        Ok(removed.and_then(|removed| u64::try_from(removed).ok()))
    }

    /// Commits the import. Without this, it is rolled back.
    pub async fn finish(mut self) -> Result<(), StoreError> {
        let watcher = self.connection.watcher();
        watcher.watch(self.connection.execute("commit")).await.map_err(StoreError::of)?;
        Ok(())
    }

    /// Undoes the import, and returns when that is done.
    pub async fn undo(mut self) -> Result<(), StoreError> {
        let watcher = self.connection.watcher();
        watcher.watch(self.connection.execute("rollback")).await.map_err(StoreError::of)?;
        Ok(())
    }
}

/// Notes the resources of the staged rows after position `after` up to `last` as listed. They are copied to a table of the
/// schema's owner, since a function with the owner's rights reads no table that the service made.
async fn note_rows(connection: &mut PooledConnection, after: i64, last: i64) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into pg_temp.import_listed (project_id, resource_type, resource_id)
         select s.project_id, s.resource_type, s.resource_id
           from pg_temp.staged_line s
          where s.place > $1 and s.place <= $2",
    )
    .bind(after)
    .bind(last)
    .execute(&mut **connection)
    .await?;
    Ok(())
}

/// Copies the staged rows after position `after` up to `last` to `import_line`.
async fn insert_rows(
    connection: &mut PooledConnection,
    tags: TagSource,
    after: i64,
    last: i64,
) -> Result<(), sqlx::Error> {
    let statement = match tags {
        TagSource::Rows => {
            "insert into pg_temp.import_line
               (line, project_id, project_name, domain_id, resource_type, resource_id, resource_name, name_folded, detail, tags)
             select s.line, s.project_id, s.project_name, s.domain_id, s.resource_type, s.resource_id, s.resource_name,
                    s.name_folded, s.detail, s.tags
               from pg_temp.staged_line s
              where s.place > $1 and s.place <= $2"
        }
        TagSource::Stage => {
            "insert into pg_temp.import_line
               (line, project_id, project_name, domain_id, resource_type, resource_id, resource_name, name_folded, detail, tags)
             select s.line, s.project_id, s.project_name, s.domain_id, s.resource_type, s.resource_id, s.resource_name,
                    s.name_folded, s.detail, array(select unnest(g.tags))
               from pg_temp.staged_line s
               left join pg_temp.resource_tags g using (resource_id, resource_type, project_id)
              where s.place > $1 and s.place <= $2"
        }
    };
    sqlx::query(statement).bind(after).bind(last).execute(&mut **connection).await?;
    Ok(())
}
