//! How messages are worded: as clients of other APIs know it, by `domain/reason.rs` wherever it has a wording.

use crate::support::{files_of, repository, sources_of};

/// Wordings that messages had, and what takes their place.
const REPLACED: [(&str, &str); 20] = [
    ("stands twice", "duplicate key \"x\""),
    ("stands beside", "must not be combined with y"),
    ("may not stand", "must not contain \"x\""),
    ("may stand", "expected one of a, b"),
    ("must be unique", "duplicate value \"x\""),
    ("whole number", "must be an integer between 1 and 1000"),
    ("is out of range", "must be an integer between 1 and 1000, got 1001"),
    ("is empty, at least", "must not be empty"),
    ("an empty list", "must not be empty"),
    ("an empty entry", "must not be empty"),
    ("too many ", "must have at most 10 keys"),
    ("characters, at most", "must be at most 255 characters, got 300"),
    ("bytes, at most", "must be at most 8388608 bytes, got 8388609"),
    ("missing, mandatory", "is required"),
    ("is mandatory", "is required"),
    ("is neither", "must be \"a\" or \"b\", got \"c\""),
    ("no such ", "unknown column \"x\""),
    ("there are none", "none are supported here"),
    ("is not a resource type of this service", "unknown resource type \"x\""),
    ("whoever", "the user"),
];

#[test]
fn no_message_has_a_wording_that_was_replaced() {
    // SQL has its own words, and what it raises is never shown
    let is_sql = |text: &str| text.contains("select ") || text.contains("tagd.");
    let mut texts = Vec::new();
    for source in sources_of("src") {
        let messages = source.strings.iter().filter(|text| !is_sql(text));
        texts.extend(messages.map(|text| (source.path.clone(), text.clone())));
    }
    let goldens = files_of("tests/golden").into_iter().filter(|path| !path.starts_with("tests/golden/compiled/"));
    texts.extend(goldens.map(|path| (path.clone(), std::fs::read_to_string(repository(&path)).unwrap())));
    assert!(texts.len() > 1000, "only {} texts were found", texts.len());
    for (path, text) in texts {
        for (replaced, instead) in REPLACED {
            assert!(!text.contains(replaced), "{path}: {text:?} says {replaced:?}; write as in: {instead}");
        }
    }
}
