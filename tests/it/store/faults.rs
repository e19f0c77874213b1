//! What clients notice when something happens to the database, under readers and writers of every dialect: the short form of `tools/faults`.
//!
//! `states.rs` has what each kind of request is answered meanwhile.

use crate::support::run_tool;

/// Faults whose names have one of these words are made; all must be over without a restart of tagd.
fn make(test: &str, words: &[&str]) {
    if let Some(table) = run_tool(test, "tools/faults", &[&["--hold", "1.5"], words].concat()) {
        println!("{table}");
        for word in words {
            assert!(table.lines().any(|line| !line.starts_with(' ') && line.contains(word)), "{word}: {table}");
        }
    }
}

#[test]
fn a_database_that_goes_and_comes_back_is_used_again() {
    make("a_database_that_goes_and_comes_back_is_used_again", &["restarted", "renamed", "password", "failed over"]);
}

#[test]
fn a_database_that_lacks_something_is_used_again_once_it_has_it() {
    make(
        "a_database_that_lacks_something_is_used_again_once_it_has_it",
        &["connections", "disk", "revoked", "read-only"],
    );
}

#[test]
fn a_database_that_says_nothing_is_used_again_once_it_does() {
    make("a_database_that_says_nothing_is_used_again_once_it_does", &["silent", "frozen"]);
}
