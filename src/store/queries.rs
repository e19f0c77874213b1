//! Counts and pages of compiled queries.

use std::sync::Arc;

use super::{
    Store,
    forms::Form,
    retry::Retry,
    rows::{Found, bind, page_of, read_found},
};
use crate::{
    compiler::{Compiled, Cost},
    domain::{Page, RequestError, Scope},
};

impl Store {
    /// Runs a compiled count.
    pub async fn count(&self, compiled: &Compiled) -> Result<u64, RequestError> {
        Ok(page_of(self.fetch_found(compiled, &[]).await?)?.total)
    }

    /// Runs a compiled page; `scopes` are those it was compiled for. The request keeps what is read until it ends.
    pub async fn list(&self, compiled: &Compiled, scopes: &[Arc<Scope>]) -> Result<Page, RequestError> {
        Ok(page_of(self.fetch_found(compiled, scopes).await?)?)
    }

    async fn fetch_found(&self, compiled: &Compiled, scopes: &[Arc<Scope>]) -> Result<Vec<Found>, RequestError> {
        match compiled.cost {
            Cost::Cheap => {
                let (reads, needed) = self.read_queue();
                reads.fetch(self.share, needed, compiled, scopes).await
            }
            Cost::Expensive => Ok(self
                .expensive(Form::of_query(compiled.shape))
                .fetch_large(Retry::Read, || bind(compiled), |row| read_found(&row, scopes))
                .await?),
        }
    }
}
