//! Counts and pages of compiled queries.

use std::sync::Arc;

use sqlx::postgres::PgRow;

use super::{
    Store,
    forms::Form,
    retry::Retry,
    rows::{bind, page_of, total_of},
};
use crate::{
    compiler::{Compiled, Cost},
    domain::{Page, RequestError, Scope},
};

impl Store {
    /// Runs a compiled count.
    pub async fn count(&self, compiled: &Compiled) -> Result<u64, RequestError> {
        let rows = self.fetch_all(compiled).await?;
        let row = rows.first().ok_or(sqlx::Error::RowNotFound)?;
        Ok(total_of(row)?)
    }

    /// Runs a compiled page; `scopes` are those it was compiled for.
    pub async fn list(&self, compiled: &Compiled, scopes: &[Arc<Scope>]) -> Result<Page, RequestError> {
        let rows = self.fetch_all(compiled).await?;
        // an empty page has a row with the total too, so a result without rows is an error
        if rows.is_empty() {
            return Err(sqlx::Error::RowNotFound.into());
        }
        Ok(page_of(&rows, scopes)?)
    }

    async fn fetch_all(&self, compiled: &Compiled) -> Result<Vec<PgRow>, RequestError> {
        match compiled.cost {
            Cost::Cheap => self.connections.reads.fetch_all(self.share, compiled).await,
            Cost::Expensive => {
                Ok(self.expensive(Form::of_query(compiled.shape)).fetch_all(Retry::Read, || bind(compiled)).await?)
            }
        }
    }
}
