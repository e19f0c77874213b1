//! `docs/REPORTING.md`: each query on the page has the answer that stands below it.

use sqlx::{AssertSqlSafe, Connection, Executor, Row, postgres::PgRow};

use super::demo;
use crate::support::{block_on, repository};

/// The queries of the page that are followed by an answer, with it.
fn questions(page: &str) -> Vec<(String, Vec<Vec<String>>)> {
    let blocks: Vec<&str> = page.split("```").collect();
    let mut questions = Vec::new();
    for (at, block) in blocks.iter().enumerate() {
        let Some(query) = block.strip_prefix("sql\n").filter(|query| query.starts_with("select")) else { continue };
        // what is between two blocks that belong together is a line break
        assert_eq!(blocks[at + 1], "\n", "a query without an answer: {query}");
        let lines = blocks[at + 2].trim().lines().filter(|line| !line.contains("-+-") && !line.starts_with("---"));
        let cells = lines.map(|line| line.split('|').map(|cell| cell.trim().to_owned()).collect()).collect();
        questions.push((query.trim().trim_end_matches(';').to_owned(), cells));
    }
    questions
}

fn cells(row: &PgRow) -> Vec<String> {
    (0..row.len()).map(|at| row.get::<Option<String>, _>(at).unwrap_or_default()).collect()
}

#[test]
fn every_query_on_the_page_has_its_answer() {
    let page = std::fs::read_to_string(repository("docs/REPORTING.md")).unwrap();
    let questions = questions(&page);
    assert!(questions.len() >= 14);
    let db = demo();
    block_on(async {
        let mut owner = db.connect().await;
        for (query, answer) in questions {
            let names = answer[0].clone();
            let texts: Vec<String> = names.iter().map(|name| format!("q.\"{name}\"::text")).collect();
            let rows = owner
                .fetch_all(AssertSqlSafe(format!("select {} from ({query}) q", texts.join(", "))))
                .await
                .unwrap_or_else(|error| panic!("{query}: {error}"));
            let mut found = vec![names];
            found.extend(rows.iter().map(cells));
            assert_eq!(found, answer, "{query}");
        }
        owner.close().await.unwrap();
    });
}
