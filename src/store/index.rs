//! Proof and repair of the index, scope by scope.

use futures_util::TryStreamExt;

use super::{Store, StoreError};
use crate::domain::matching::fold;

/// A scope with its size, for work that goes scope by scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopeTotals {
    /// Number of the scope.
    pub scope_id: i64,
    /// Project.
    pub project_id: String,
    /// Resource type.
    pub resource_type: String,
    /// Slots handed out: at least as many as there are resources.
    pub slots: u64,
}

/// A label on which index and truth disagree, in one block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexMismatch {
    /// Kind of the label; -1: a resource's tag array, -2: tags without a resource, -3: counts of a dense label,
    /// -4: slots of a sparse label out of order, or chunks of a label that is not dense, -5: names with words that are not theirs.
    pub kind: i16,
    /// Key of the label.
    pub key: String,
    /// Value of the label.
    pub value: String,
    /// Block.
    pub block: i32,
    /// Bits that the index lacks.
    pub missing: i64,
    /// Bits that it has too many.
    pub surplus: i64,
}

impl Store {
    /// Every scope, in order.
    pub async fn list_scopes(&self) -> Result<Vec<ScopeTotals>, StoreError> {
        let mut loan = self.pool.borrow().await?;
        let rows = sqlx::query!(
            r#"select s.scope_id, s.project_id, s.resource_type, coalesce(c.next_slot, 0) as "slots!"
                 from tagd.scope s
                 left join tagd.scope_counter c on c.scope_id = s.scope_id
                order by s.scope_id"#
        )
        .fetch_all(&mut *loan)
        .await;
        Ok(loan
            .end(rows)?
            .into_iter()
            .map(|row| ScopeTotals {
                scope_id: row.scope_id,
                project_id: row.project_id,
                resource_type: row.resource_type,
                slots: u64::try_from(row.slots).unwrap_or_default(),
            })
            .collect())
    }

    /// Compares truth and index of a scope bit by bit. Empty: they agree.
    pub async fn verify_scope(&self, scope_id: i64) -> Result<Vec<IndexMismatch>, StoreError> {
        let mut loan = self.pool.borrow().await?;
        let rows = sqlx::query!(
            r#"select kind as "kind!", key as "key!", value as "value!", block as "block!", missing as "missing!", surplus as "surplus!"
                 from tagd.verify_scope($1)"#,
            scope_id
        )
        .fetch_all(&mut *loan)
        .await;
        Ok(loan
            .end(rows)?
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

    /// Makes the index of a scope anew. Rows made.
    pub async fn rebuild_scope(&self, scope_id: i64) -> Result<u64, StoreError> {
        let mut loan = self.pool.borrow().await?;
        let rows = sqlx::query_scalar!("select tagd.rebuild_scope($1)", scope_id).fetch_one(&mut *loan).await;
        let rows = loan.end(rows).map_err(StoreError::of)?;
        Ok(u64::try_from(rows.unwrap_or_default()).unwrap_or_default())
    }

    /// Slots of the scope whose name to search is missing, wrong or that of no resource, with what it should be.
    pub async fn verify_names(&self, scope_id: i64) -> Result<Vec<(i32, Option<String>)>, StoreError> {
        let mut loan = self.pool.borrow().await?;
        let mut rows = sqlx::query!(
            r#"select coalesce(r.slot, n.slot) as "slot!", r.resource_name as "resource_name?", n.folded as "folded?"
                 from (select q.slot, q.resource_name from tagd.resource q where q.scope_id = $1) r
                 full join (select m.slot, m.folded from tagd.name m where m.scope_id = $1) n on n.slot = r.slot"#,
            scope_id
        )
        .fetch(&mut *loan);
        let mut wrong = Vec::new();
        while let Some(row) = rows.try_next().await? {
            let right = row.resource_name.as_deref().map(fold);
            if right != row.folded {
                wrong.push((row.slot, right));
            }
        }
        drop(rows);
        loan.end(Ok(wrong)).map_err(StoreError::Database)
    }

    /// Mends names to search, as [`Store::verify_names`] found them.
    pub async fn mend_names(&self, scope_id: i64, wrong: &[(i32, Option<String>)]) -> Result<(), StoreError> {
        for part in wrong.chunks(10_000) {
            let slots: Vec<i32> = part.iter().map(|(slot, _)| *slot).collect();
            let folded: Vec<Option<String>> = part.iter().map(|(_, folded)| folded.clone()).collect();
            let mut loan = self.pool.borrow().await?;
            let mended =
                sqlx::query!("select tagd.put_names($1, $2, $3)", scope_id, &slots, &folded as &[Option<String>])
                    .execute(&mut *loan)
                    .await;
            loan.end(mended)?;
        }
        Ok(())
    }
}
