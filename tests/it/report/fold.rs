//! `tagd.fold`, which folds the text of a search as the program folds names: made from the program, compared with it.

use std::fmt::Write;

use sqlx::Connection;
use tagd::domain::matching::fold;

use crate::support::{TestDb, block_on, is_update, repository};

const FILE: &str = "migrations/functions/text/fold.sql";

/// Every character that Postgres can store.
fn characters() -> impl Iterator<Item = char> {
    ('\u{1}'..=char::MAX).filter(|c| *c != '\0')
}

/// The text of the file: characters that fold to one character in two long strings, the others one by one.
fn text_of_file() -> String {
    let (mut from, mut to, mut longer) = (Vec::new(), Vec::new(), Vec::new());
    for c in characters() {
        let folded = fold(&c.to_string());
        let mut chars = folded.chars();
        match (chars.next(), chars.next()) {
            (Some(one), None) if one == c => {}
            (Some(one), None) => {
                from.push(c);
                to.push(one);
            }
            _ => longer.push((c, folded)),
        }
    }
    let literal = |characters: &[char]| {
        let lines: Vec<String> =
            characters.chunks(64).map(|line| format!("'{}'", line.iter().collect::<String>())).collect();
        lines.join("\n    || ")
    };
    let mut body = format!("translate(p_text,\n       {},\n       {})", literal(&from), literal(&to));
    for (c, folded) in longer {
        body = format!("replace({body}, '{c}', '{folded}')");
    }
    let mut text = String::new();
    writeln!(
        text,
        "-- Made from domain::matching::fold by the test report::fold (docs/adr/0003): do not edit.
create or replace function tagd.fold(p_text text)
returns text
language sql immutable strict parallel safe
as $$
  select {body}
$$;
comment on function tagd.fold(text) is 'The text as names are folded for search, by the mapping of the program that has this file.';
revoke execute on function tagd.fold(text) from public;
grant execute on function tagd.fold(text) to tagd_service;"
    )
    .unwrap();
    text
}

#[test]
fn the_file_is_what_the_program_would_make() {
    let text = text_of_file();
    if is_update() {
        std::fs::write(repository(FILE), &text).unwrap();
    }
    let file = std::fs::read_to_string(repository(FILE)).unwrap();
    assert!(file == text, "{FILE} is not made from this program's folding: TAGD_UPDATE=1 makes it anew");
}

#[test]
fn every_character_is_folded_in_the_database_as_in_the_program() {
    let db = TestDb::new();
    // No character beyond the first two planes has another case. There the function could only be wrong by a character in its
    // table, so a part of them is asked for, and the table is searched for all: each takes it 7 microseconds.
    let is_beyond = |c: char| c >= '\u{20000}';
    let file = std::fs::read_to_string(repository(FILE)).unwrap();
    assert!(characters().filter(|c| is_beyond(*c)).all(|c| fold(&c.to_string()) == c.to_string()));
    assert!(!file.contains(is_beyond));
    let asked = characters().filter(|c| !is_beyond(*c) || u32::from(*c) % 97 == 0);
    let text: Vec<String> = asked.map(|c| c.to_string()).collect();
    let folded: Vec<String> = block_on(async {
        let mut owner = db.connect().await;
        let folded = sqlx::query_scalar(
            "select tagd.fold(t.c) from unnest($1::text[]) with ordinality as t (c, n) order by t.n",
        )
        .bind(&text)
        .fetch_all(&mut owner)
        .await
        .unwrap();
        owner.close().await.unwrap();
        folded
    });
    let wrong: Vec<(&String, &String)> = text.iter().zip(&folded).filter(|(c, folded)| fold(c) != **folded).collect();
    assert_eq!(wrong, []);
    assert!(folded.len() > 135_000);
}
