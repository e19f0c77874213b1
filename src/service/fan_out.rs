//! Queries over several scopes that are on several machines, with a statement for each scope.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::{
    compiler::compile_each,
    domain::{Item, Page, QueryOutput, RequestError, Scope, TagQuery},
    store::Store,
};

/// Statements of one query that run at the same time. Others wait for the same connections.
const CONCURRENT: usize = 4;

/// The total over several scopes, and the page if the query is for one.
///
/// What is said of a scope is what one statement found in it, and the page follows from that; but each scope is read at a time of its
/// own.
pub(super) async fn fan_out(
    store: &Store,
    query: &TagQuery,
    scopes: &[Arc<Scope>],
    output: QueryOutput,
) -> Result<Page, RequestError> {
    let across = Across { store, query, scopes };
    match output {
        QueryOutput::Count => {
            let ranks = (0..scopes.len()).collect();
            let counts = across.ask(ranks, |_| QueryOutput::Count).await?;
            Ok(Page { total: counts.values().map(|page| page.total).sum(), items: Vec::new() })
        }
        QueryOutput::Page { offset, limit } => {
            let mut page = across.page(offset, limit).await?;
            across.name_projects(&mut page.items).await?;
            Ok(page)
        }
    }
}

/// A query and the scopes that it is asked in.
struct Across<'a> {
    store: &'a Store,
    query: &'a TagQuery,
    scopes: &'a [Arc<Scope>],
}

impl Across<'_> {
    /// Counts first, and then the pages of the scopes that the page overlaps. That of the first scope is read at once, because it
    /// also has the total and no other scope decides what it is.
    async fn page(&self, offset: u64, limit: u32) -> Result<Page, RequestError> {
        let ranks = (0..self.scopes.len()).collect();
        let first = |rank| match rank {
            0 => QueryOutput::Page { offset, limit },
            _ => QueryOutput::Count,
        };
        let mut found = self.ask(ranks, first).await?;
        let counts: Vec<u64> =
            (0..self.scopes.len()).map(|rank| found.get(&rank).map_or(0, |page| page.total)).collect();
        let begun = found.remove(&0).unwrap_or_default();
        let mut left = Left { skip: offset, take: limit };
        left.pass(&begun);
        let expected = left.in_scopes(&counts);
        let ranks = expected.keys().copied().collect();
        let part_of = |rank: usize| expected.get(&rank).map_or(QueryOutput::Count, Left::output);
        let mut pages = self.ask(ranks, part_of).await?;

        let Page { mut total, mut items } = begun;
        for (rank, count) in counts.into_iter().enumerate().skip(1) {
            if left.take == 0 || count <= left.skip {
                left.skip = left.skip.saturating_sub(count);
                total += count;
                continue;
            }
            let page = match pages.remove(&rank) {
                Some(page) if expected.get(&rank) == Some(&left) => page,
                // a write to a scope before it has moved the page
                _ => self.ask_one(rank, left.output()).await?,
            };
            left.pass(&page);
            total += page.total;
            items.extend(page.items);
        }
        Ok(Page { total, items })
    }

    /// What is found in scopes, given by their places.
    async fn ask(
        &self,
        ranks: Vec<usize>,
        output: impl Fn(usize) -> QueryOutput,
    ) -> Result<HashMap<usize, Page>, RequestError> {
        let asked = ranks.into_iter().map(|rank| (rank, output(rank)));
        stream::iter(asked)
            .map(async |(rank, output)| Ok((rank, self.ask_one(rank, output).await?)))
            .buffer_unordered(CONCURRENT)
            .try_collect()
            .await
    }

    async fn ask_one(&self, rank: usize, output: QueryOutput) -> Result<Page, RequestError> {
        let Some(scope) = self.scopes.get(rank) else { return Ok(Page::default()) };
        let compiled = compile_each(self.query, scope.scope_id, output, self.scopes.len());
        match output {
            QueryOutput::Count => Ok(Page { total: self.store.count(&compiled).await?, items: Vec::new() }),
            QueryOutput::Page { .. } => self.store.list(&compiled, std::slice::from_ref(scope)).await,
        }
    }

    /// Gives resources the current names of their projects, which a statement over one scope does not return.
    async fn name_projects(&self, items: &mut [Item]) -> Result<(), RequestError> {
        let projects: BTreeSet<&str> = items.iter().map(|item| item.scope.project_id.as_str()).collect();
        if projects.is_empty() {
            return Ok(());
        }
        let names = self.store.project_names(&projects.into_iter().map(str::to_owned).collect::<Vec<_>>()).await?;
        let mut last: Option<(Arc<Scope>, Arc<Scope>)> = None;
        for item in items {
            let renamed = match &last {
                Some((scope, renamed)) if Arc::ptr_eq(scope, &item.scope) => Arc::clone(renamed),
                _ => {
                    let project_name = names.get(&item.scope.project_id).cloned().unwrap_or_default();
                    let renamed = Arc::new(Scope { project_name, ..Scope::clone(&item.scope) });
                    last = Some((Arc::clone(&item.scope), Arc::clone(&renamed)));
                    renamed
                }
            };
            item.scope = renamed;
        }
        Ok(())
    }
}

/// How many matches come before the rest of a page, and how many it still needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Left {
    skip: u64,
    take: u32,
}

impl Left {
    fn output(&self) -> QueryOutput {
        QueryOutput::Page { offset: self.skip, limit: self.take }
    }

    /// Goes on behind a scope, of which this page was read.
    fn pass(&mut self, page: &Page) {
        self.skip = self.skip.saturating_sub(page.total);
        self.take = self.take.saturating_sub(u32::try_from(page.items.len()).unwrap_or(u32::MAX));
    }

    /// What will be left of the page at the beginning of each scope that it overlaps, the first apart, if they have so many matches.
    fn in_scopes(mut self, counts: &[u64]) -> HashMap<usize, Self> {
        let mut expected = HashMap::new();
        for (rank, count) in counts.iter().enumerate().skip(1) {
            if self.take == 0 {
                break;
            }
            let here = count.saturating_sub(self.skip);
            if here > 0 {
                expected.insert(rank, self);
                self.take = self.take.saturating_sub(u32::try_from(here).unwrap_or(u32::MAX));
            }
            self.skip = self.skip.saturating_sub(*count);
        }
        expected
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_expected_in_the_scopes_that_it_overlaps() {
        let expected = |skip, take, counts: &[u64]| {
            let mut parts: Vec<_> = Left { skip, take }
                .in_scopes(counts)
                .into_iter()
                .map(|(rank, left)| (rank, left.skip, left.take))
                .collect();
            parts.sort_unstable();
            parts
        };
        // the first scope is read before
        assert_eq!(expected(0, 10, &[5, 3, 0, 4, 9]), [(1, 0, 10), (3, 0, 7), (4, 0, 3)]);
        assert_eq!(expected(4, 2, &[5, 3, 0, 4, 9]), [(3, 1, 2)]);
        assert_eq!(expected(3, 10, &[5, 3]), []);
        assert_eq!(expected(0, 3, &[5, 3, 1]), [(1, 0, 3)]);
        assert_eq!(expected(0, 0, &[5, 3]), []);
        assert_eq!(expected(u64::MAX, u32::MAX, &[5, u64::MAX]), []);
    }
}
