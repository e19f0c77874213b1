//! Import of all or nothing: batches wait in a temporary table, so that others wait only while they are taken in.

use sqlx::Executor;

use super::{
    BatchOutcome, ImportBatch, Store, StoreError,
    imports::{copy_lines, take_lines},
    pool::PooledConnection,
};

/// Batches that wait, with the connection whose table they are in. Nobody waits for it.
#[derive(Debug)]
pub struct StagedImport {
    connection: PooledConnection,
    /// The last row of each batch.
    ends: Vec<i64>,
}

/// Batches on their way in, in one transaction. Until its end everyone else who writes waits.
#[derive(Debug)]
pub struct WholeImport {
    connection: PooledConnection,
    ends: std::vec::IntoIter<i64>,
    taken: i64,
}

impl Store {
    /// Starts an import of all or nothing.
    pub async fn stage_import(&self) -> Result<StagedImport, StoreError> {
        let mut connection = self.import_connection().await?;
        // rows are numbered by the sequence, which nobody else draws from: without gaps, in the order of COPY
        connection
            .execute(
                "create temporary table staged_line (
                   place         bigint generated always as identity primary key,
                   line          bigint not null,
                   project_id    text not null,
                   project_name  text,
                   domain_id     text,
                   resource_type text not null,
                   resource_id   text not null,
                   resource_name text not null,
                   name_folded   text not null,
                   detail        json,
                   tags          text[] not null)",
            )
            .await
            .map_err(StoreError::of)?;
        Ok(StagedImport { connection, ends: Vec::new() })
    }
}

impl StagedImport {
    /// Adds a batch. The database checks its values; after a refusal the import is of no more use.
    pub async fn add(&mut self, batch: &ImportBatch) -> Result<(), StoreError> {
        let statement = "copy pg_temp.staged_line
               (line, project_id, project_name, domain_id, resource_type, resource_id, resource_name, name_folded, detail, tags)
             from stdin";
        copy_lines(&mut self.connection, statement, batch.slice(&(0..batch.len()))).await.map_err(StoreError::of)?;
        let before = self.ends.last().copied().unwrap_or_default();
        self.ends.push(before.saturating_add(i64::try_from(batch.len()).unwrap_or(i64::MAX)));
        Ok(())
    }

    /// Waits for those who write, and keeps them out.
    pub async fn begin(mut self) -> Result<WholeImport, StoreError> {
        self.connection.execute("begin").await?;
        sqlx::query!("select tagd.enter_import(true)").execute(&mut *self.connection).await?;
        Ok(WholeImport { connection: self.connection, ends: self.ends.into_iter(), taken: 0 })
    }
}

impl WholeImport {
    /// Takes in the next batch; `None` if there is no more.
    pub async fn take(&mut self) -> Result<Option<BatchOutcome>, StoreError> {
        let Some(end) = self.ends.next() else { return Ok(None) };
        let first = std::mem::replace(&mut self.taken, end);
        sqlx::query(
            "insert into pg_temp.import_line
               (line, project_id, project_name, domain_id, resource_type, resource_id, resource_name, name_folded, detail, tags)
             select s.line, s.project_id, s.project_name, s.domain_id, s.resource_type, s.resource_id, s.resource_name, s.name_folded, s.detail, s.tags
               from pg_temp.staged_line s
              where s.place > $1 and s.place <= $2",
        )
        .bind(first)
        .bind(end)
        .execute(&mut *self.connection)
        .await
        .map_err(StoreError::of)?;
        take_lines(&mut self.connection).await.map(Some).map_err(StoreError::of)
    }

    /// Makes the import last. Without this, nothing of it stays.
    pub async fn finish(mut self) -> Result<(), StoreError> {
        self.connection.execute("commit").await.map_err(StoreError::of)?;
        Ok(())
    }
}
