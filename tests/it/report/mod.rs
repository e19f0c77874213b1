//! The schema `report`: its shape, its answers, who may read what, and `report.matching` against the oracle.

mod fold;
mod matching;
mod page;
mod readers;
mod views;

use sqlx::{AssertSqlSafe, PgConnection};

use crate::support::{Program, TestDb};

/// Policies of the demo fleet: arguments of `tagd policy put`.
const POLICIES: [&[&str]; 3] = [
    &["env", "--key", "env", "--required", "--exact", "--value", "prod", "--value", "stage", "--value", "dev"],
    &[
        "expires",
        "--key",
        "expires",
        "--pattern",
        r"20\d\d-(0[1-9]|1[0-2])-[0-3]\d",
        "--project",
        "fd73a4a14a4a4dfb9771a8475e5198ea",
    ],
    &["owner", "--key", "owner", "--required", "--type", "ecs", "--type", "disk"],
];

/// A database with the demo fleet and policies.
fn demo() -> TestDb {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    program.expect(&["demo"]);
    for policy in POLICIES {
        program.expect(&[&["policy", "put"], policy].concat());
    }
    db
}

/// The first column of each row, as text.
async fn texts(connection: &mut PgConnection, query: &str) -> Vec<String> {
    sqlx::query_scalar(AssertSqlSafe(query.to_owned())).fetch_all(connection).await.unwrap()
}
