//! The schema `report`: its shape, its answers, who may read what, and `report.matching` against the oracle.

mod fold;
mod matching;
mod page;
mod readers;
mod views;

use sqlx::{AssertSqlSafe, PgConnection};

use crate::support::{Program, TestDb};

/// A database with the demo fleet.
fn demo() -> TestDb {
    let db = TestDb::new();
    Program::new().on(&db).expect(&["demo"]);
    db
}

/// The first column of each row, as text.
async fn texts(connection: &mut PgConnection, query: &str) -> Vec<String> {
    sqlx::query_scalar(AssertSqlSafe(query.to_owned())).fetch_all(connection).await.unwrap()
}
