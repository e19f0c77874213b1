//! Patterns: Postgres and the crate `regex` judge every value alike.

use proptest::{
    collection::vec,
    prelude::*,
    strategy::ValueTree,
    string::string_regex,
    test_runner::{Config, TestRunner},
};
use sqlx::Connection;
use tagd::domain::Pattern;

use crate::support::{TestDb, block_on};

/// Patterns in the test command.
const CASES: usize = 600;

/// What patterns and values are made of: letters with and without another case, characters that mean something in one of the
/// two languages, controls, line breaks, marks, characters of all lengths in UTF-8.
const CHARACTERS: &str =
    "aAzZ019 _-.,:=+@/|()[]{}*?^$\\#&~'\"\u{1}\t\n\r\u{7f}\u{85}\u{a0}äÄßſıİK\u{301}\u{200d}\u{2028}日𐍈😀\u{10ffff}";

fn literal() -> impl Strategy<Value = String> {
    proptest::sample::select(CHARACTERS.chars().collect::<Vec<_>>()).prop_map(|c| regex::escape(&c.to_string()))
}

fn class() -> impl Strategy<Value = String> {
    let entry = prop_oneof![
        literal(),
        Just("a-f".to_owned()),
        Just("à-ý".to_owned()),
        Just(r"\d".to_owned()),
        Just("[:upper:]".to_owned()),
        Just(r"\p{Greek}".to_owned()),
        Just("[:^space:]".to_owned()),
    ];
    (any::<bool>(), vec(entry, 1..4))
        .prop_map(|(negated, entries)| format!("[{}{}]", if negated { "^" } else { "" }, entries.concat()))
}

fn pattern() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        6 => literal(),
        2 => class(),
        1 => Just(".".to_owned()),
        1 => Just("(?s:.)".to_owned()),
        1 => Just(r"\w".to_owned()),
        1 => Just(r"\S".to_owned()),
        1 => Just("(?i:k)".to_owned()),
        1 => Just("(?i:ßs)".to_owned()),
    ];
    part.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            3 => vec(inner.clone(), 1..4).prop_map(|parts| parts.concat()),
            2 => vec(inner.clone(), 1..4).prop_map(|parts| format!("({})", parts.join("|"))),
            2 => (inner.clone(), proptest::sample::select(vec!["*", "+", "?", "*?", "{2}", "{0,3}", "{1,}", "{2,5}?"]))
                .prop_map(|(part, times)| format!("(?:{part}){times}")),
        ]
    })
}

fn value() -> impl Strategy<Value = String> {
    vec(proptest::sample::select(CHARACTERS.chars().collect::<Vec<_>>()), 0..6)
        .prop_map(|chars| chars.into_iter().collect())
}

#[test]
fn postgres_judges_a_value_as_the_crate_does() {
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    let db = TestDb::new();
    let (mut accepted, mut matched, mut unmatched) = (0, 0, 0);
    block_on(async {
        let mut owner = db.connect().await;
        for _ in 0..CASES {
            let text = pattern().new_tree(&mut runner).unwrap().current();
            let Ok(parsed) = Pattern::parse(&text) else { continue };
            accepted += 1;
            let mut values: Vec<String> = (0..12).map(|_| value().new_tree(&mut runner).unwrap().current()).collect();
            // values that match, and what comes close to them
            if let Ok(matching) = string_regex(&format!("(?:{text})")) {
                for _ in 0..8 {
                    let hit = matching.new_tree(&mut runner).unwrap().current();
                    let near: String = hit.chars().skip(1).collect();
                    values.extend([hit.clone() + "\n", hit.to_uppercase(), hit, near]);
                }
            }
            // Postgres has no NUL
            values.retain(|value| !value.contains('\0') && value.chars().count() < 256);
            let judged: Vec<bool> =
                sqlx::query_scalar("select tagd.is_allowed(v.value, null, $2) from unnest($1::text[]) with ordinality as v (value, n) order by v.n")
                    .bind(&values)
                    .bind(parsed.are())
                    .fetch_all(&mut owner)
                    .await
                    .unwrap_or_else(|error| panic!("{text:?} {}: {error}", parsed.are()));
            // not by the parsed form, which both sides come from
            let whole = regex::Regex::new(&format!(r"\A(?:{text})\z")).unwrap();
            for (value, judged) in values.iter().zip(judged) {
                assert_eq!(judged, whole.is_match(value), "{text:?} {value:?} {}", parsed.are());
                assert_eq!(judged, parsed.matches(value), "{text:?} {value:?}");
                *if judged { &mut matched } else { &mut unmatched } += 1;
            }
        }
        owner.close().await.unwrap();
    });
    assert!(accepted > CASES / 2 && matched > CASES && unmatched > CASES, "{accepted} {matched} {unmatched}");
}

/// The most expensive ones that are accepted: each is prepared and matched within a statement's time on any machine.
#[test]
fn the_largest_patterns_are_judged() {
    let db = TestDb::new();
    let long = "a".repeat(255);
    block_on(async {
        let mut owner = db.connect().await;
        sqlx::query("set statement_timeout = '20s'").execute(&mut owner).await.unwrap();
        for (text, matches) in [
            ("(a{1,22}){0,22}", true),
            ("((a{1,7}){1,7}){0,10}", true),
            ("(((a{1,4}){1,5}){1,5}){1,5}", true),
            ("(a*b?a){1,160}", true),
            ("(a|aa|[a-c]{1,4}){1,60}x", false),
            (r"\w{1,255}", true),
            (r"(\w+-){0,100}\w+", true),
            ("([^a]|a){250}", false),
            ("(?i)(straße|ſtraße|a){1,35}", false),
            (".*a.{200}", true),
        ] {
            let parsed = Pattern::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            let judged: bool = sqlx::query_scalar("select tagd.is_allowed($1, null, $2)")
                .bind(&long)
                .bind(parsed.are())
                .fetch_one(&mut owner)
                .await
                .unwrap();
            assert_eq!((judged, parsed.matches(&long)), (matches, matches), "{text}");
        }
        owner.close().await.unwrap();
    });
}
