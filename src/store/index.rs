//! Verification and rebuild of the index, scope by scope.

use futures_util::TryStreamExt;

use super::{Store, StoreError, forms::Form, retry::Retry};
use crate::domain::matching::fold;

/// A scope with its size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopeTotals {
    /// Number of the scope.
    pub scope_id: i64,
    /// Project.
    pub project_id: String,
    /// Resource type.
    pub resource_type: String,
    /// Slots assigned so far, which is at least the number of resources.
    pub slots: u64,
}

/// A label whose index differs from the data, in one block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexMismatch {
    /// Kind of the label. -1: a resource's tag array; -2: tags without a resource; -3: hits of a chunk; -4: slots of a
    /// sparse label that are out of order or too many, or chunks of a label that is not dense; -5: names with words
    /// that they do not have; -6: names and -7: values that their gram index does not find, or finds wrongly.
    pub kind: i16,
    /// Key of the label.
    pub key: String,
    /// Value of the label.
    pub value: String,
    /// Block.
    pub block: i32,
    /// Bits missing in the index.
    pub missing: i64,
    /// Extra bits in the index.
    pub surplus: i64,
}

impl Store {
    /// Every scope, in order.
    pub async fn list_scopes(&self) -> Result<Vec<ScopeTotals>, StoreError> {
        let rows = self
            .cheap(Form::ListScopes)
            .fetch_all(Retry::Never, || {
                sqlx::query!(
                    r#"select s.scope_id, s.project_id, s.resource_type, coalesce(c.next_slot, 0) as "slots!"
                         from tagd.scope s
                         left join tagd.scope_counter c on c.scope_id = s.scope_id
                        order by s.scope_id"#
                )
            })
            .await?;
        Ok(rows
            .into_iter()
            .map(|row| ScopeTotals {
                scope_id: row.scope_id,
                project_id: row.project_id,
                resource_type: row.resource_type,
                slots: u64::try_from(row.slots).unwrap_or_default(),
            })
            .collect())
    }

    /// Compares the index of a scope with the data, bit by bit. Empty if they agree.
    pub async fn verify_scope(&self, scope_id: i64) -> Result<Vec<IndexMismatch>, StoreError> {
        let rows = self.cheap(Form::VerifyScope).fetch_all(Retry::Never, || { sqlx::query!(
            r#"select kind as "kind!", key as "key!", value as "value!", block as "block!", missing as "missing!", surplus as "surplus!"
                 from tagd.verify_scope($1)"#,
            scope_id
        ) }).await?;
        Ok(rows
            .into_iter()
            .map(|row| IndexMismatch {
                kind: row.kind,
                key: row.key,
                value: row.value,
                block: row.block,
                missing: row.missing,
                surplus: row.surplus,
            })
            .collect())
    }

    /// Records that a scope was verified, and in how many places its index and its tags differed.
    pub async fn note_verification(&self, scope_id: i64, differences: usize) -> Result<(), StoreError> {
        let differences = i64::try_from(differences).unwrap_or(i64::MAX);
        let note = || sqlx::query!("select tagd.note_verification($1, $2)", scope_id, differences);
        self.writing(Form::NoteVerification).execute(Retry::Never, note).await?;
        Ok(())
    }

    /// Rebuilds the index of a scope. Returns the number of its rows.
    pub async fn rebuild_scope(&self, scope_id: i64) -> Result<u64, StoreError> {
        let rebuild = || sqlx::query_scalar!("select tagd.rebuild_scope($1)", scope_id);
        let rows = self.writing(Form::RebuildScope).fetch_one(Retry::Never, rebuild).await.map_err(StoreError::of)?;
        Ok(u64::try_from(rows.unwrap_or_default()).unwrap_or_default())
    }

    /// Slots of the scope whose searchable name is missing, wrong or without a resource, with the expected name.
    pub async fn verify_names(&self, scope_id: i64) -> Result<Vec<(i32, Option<String>)>, StoreError> {
        // streamed, since there may be as many rows as resources
        let mut connection = self.cheap(Form::VerifyNames).acquire().await?;
        let mut rows = sqlx::query!(
            r#"select coalesce(r.slot, n.slot) as "slot!", r.resource_name as "resource_name?", n.folded as "folded?"
                 from (select q.slot, q.resource_name from tagd.resource q where q.scope_id = $1) r
                 full join (select m.slot, m.folded from tagd.name m where m.scope_id = $1) n on n.slot = r.slot"#,
            scope_id
        )
        .fetch(&mut *connection);
        let mut wrong = Vec::new();
        while let Some(row) = rows.try_next().await? {
            let right = row.resource_name.as_deref().map(fold);
            if right != row.folded {
                wrong.push((row.slot, right));
            }
        }
        drop(rows);
        connection.release(Ok(wrong)).map_err(StoreError::Database)
    }

    /// Repairs searchable names that [`Store::verify_names`] found.
    pub async fn mend_names(&self, scope_id: i64, wrong: &[(i32, Option<String>)]) -> Result<(), StoreError> {
        for part in wrong.chunks(10_000) {
            let slots: Vec<i32> = part.iter().map(|(slot, _)| *slot).collect();
            let folded: Vec<Option<String>> = part.iter().map(|(_, folded)| folded.clone()).collect();
            let statement =
                || sqlx::query!("select tagd.put_names($1, $2, $3)", scope_id, &slots, &folded as &[Option<String>]);
            self.writing(Form::MendNames).execute(Retry::Never, statement).await?;
        }
        Ok(())
    }
}
