//! Rules of the documentation: links lead somewhere, names in it exist, the README stays short.

use std::collections::BTreeSet;

use tagd::domain::Outage;

use crate::support::{files_of, repository, sources_of};

/// The line of an ADR that lists what it names and a later decision removed.
const REMOVED: &str = "Names that no longer exist:";

/// Names that are not tagd's.
const NAMES_OF_OTHERS: [&str; 11] = [
    "ReadyForQuery",
    "Sort",
    "WindowAgg",
    "btree_gin",
    "checkpoint_timeout",
    "commit_delay",
    "lower",
    "pg_stat_replication",
    "pg_trgm",
    "pg_upgrade",
    "security_invoker",
];

fn read(path: &str) -> String {
    std::fs::read_to_string(repository(path)).unwrap()
}

/// The pages of the documentation, with those beside the code.
fn pages() -> Vec<String> {
    let mut pages: Vec<String> =
        ["CHANGELOG.md", "CONTRIBUTING.md", "README.md", "migrations/README.md", "tools/bench/peers/README.md"]
            .map(ToOwned::to_owned)
            .to_vec();
    pages.extend(files_of("docs").into_iter().filter(|path| path.ends_with(".md")));
    pages
}

/// A text without its blocks of code.
fn prose(text: &str) -> String {
    let mut is_code = false;
    let mut lines = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if !is_code {
            lines.push_str(line);
            lines.push('\n');
        }
    }
    lines
}

// ---- links

/// The fragments by which GitHub reaches the headings of a page.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    for line in prose(text).lines() {
        let title = line.trim_start_matches('#');
        if title.len() == line.len() || !title.starts_with(' ') {
            continue;
        }
        let kept = title.trim().chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
        let slug: String = kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect();
        let numbered = (1..).map(|number| format!("{slug}-{number}"));
        let anchor = std::iter::once(slug.clone()).chain(numbered).find(|anchor| !anchors.contains(anchor));
        anchors.insert(anchor.unwrap());
    }
    anchors
}

/// Where the links of a text lead: a path, which is empty for the page itself, and a fragment.
fn fragments_in(text: &str) -> Vec<(&str, &str)> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://")).filter_map(|target| target.split_once('#')).collect()
}

#[test]
fn headings_and_fragments_are_found_in_a_text() {
    let text = "# A `b`, c\n## Query\n```sh\n# no heading\n```\n### Query\n#no heading\n[x](#query) [y](D.md#e) [z](https://f#g)";
    assert_eq!(anchors(text).into_iter().collect::<Vec<_>>(), ["a-b-c", "query", "query-1"]);
    assert_eq!(fragments_in(text), [("", "query"), ("D.md", "e")]);
}

#[test]
fn every_link_to_a_heading_leads_to_one() {
    for page in pages() {
        let text = read(&page);
        for (target, fragment) in fragments_in(&text) {
            let path = repository(&page).parent().unwrap().join(target);
            let anchors = match target {
                "" => anchors(&text),
                _ => anchors(&std::fs::read_to_string(path).unwrap()),
            };
            assert!(anchors.contains(fragment), "{page} leads to {target}#{fragment}, which does not exist");
        }
    }
}

#[test]
fn every_page_is_in_the_table_of_contents() {
    let contents = read("docs/README.md");
    for page in files_of("docs").iter().filter_map(|path| path.strip_prefix("docs/")) {
        let is_page = page.ends_with(".md") && !page.contains('/') && page != "README.md";
        assert!(!is_page || contents.contains(&format!("({page})")), "docs/README.md does not list {page}");
    }
}

#[test]
fn the_readme_is_short_and_has_the_two_commands() {
    let readme = read("README.md");
    assert!(readme.lines().count() < 200);
    for command in ["./tools/up ", "./tools/test "] {
        assert!(readme.lines().any(|line| line.starts_with(command)), "README.md does not show {command}");
    }
}

#[test]
fn the_table_of_readiness_has_the_words_of_the_program() {
    let page = read("docs/OPERATIONS.md");
    let (_, section) = page.split_once("\n## Health\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    for outage in [
        Outage::Unreachable,
        Outage::Silent,
        Outage::Busy,
        Outage::ReadOnly,
        Outage::Login,
        Outage::Rights,
        Outage::Schema,
        Outage::Closed,
        Outage::Sessions,
        Outage::Failing,
    ] {
        assert!(section.contains(&format!("| `{outage}` | ")), "docs/OPERATIONS.md lacks: {outage}");
    }
}

// ---- names

/// What a span of code in a text names.
#[derive(Debug, PartialEq, Eq)]
enum Named<'a> {
    /// A file or folder.
    Path(&'a str),
    /// Something in the schema `tagd`.
    Relation(&'a str),
    /// Words of the sources: of a function, a type, a column, a setting.
    Words(Vec<&'a str>),
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// What a span of code names, if it is a name that could go out of date.
fn named(span: &str) -> Option<Named<'_>> {
    if let Some(rest) = span.strip_prefix("tagd.") {
        return Some(Named::Relation(rest.split(|c: char| !is_word(c.encode_utf8(&mut [0; 4]))).next().unwrap()));
    }
    let is_path = span.chars().all(|c| c.is_ascii_alphanumeric() || "_-./".contains(c));
    let has_extension = [".rs", ".sql", ".sh", ".md", ".toml", ".json"].iter().any(|ending| span.ends_with(ending));
    if is_path && !span.starts_with('/') && (has_extension || span.contains('/')) {
        return Some(Named::Path(span.trim_end_matches('/')));
    }
    let (name, is_call) = span.strip_suffix("()").map_or((span, false), |name| (name, true));
    let segments: Vec<&str> = name.split("::").collect();
    if !segments.iter().all(|segment| is_word(segment)) {
        return None;
    }
    let is_lower = !name.contains(|c: char| c.is_ascii_uppercase());
    let is_snake = is_lower && name.contains('_');
    let is_type = name.starts_with(|c: char| c.is_ascii_uppercase()) && name.contains(|c: char| c.is_ascii_lowercase());
    (is_call || segments.len() > 1 || is_snake || is_type).then_some(Named::Words(segments))
}

/// The spans of code of a text.
fn spans(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

#[test]
fn names_are_told_from_other_code() {
    let names = ["tagd.name.folded", "tagd.bits_at(16)", "src/a.rs", "b.rs", "cli/", "A::b()", "c()", "d_e", "Fg"];
    let found = [
        Named::Relation("name"),
        Named::Relation("bits_at"),
        Named::Path("src/a.rs"),
        Named::Path("b.rs"),
        Named::Path("cli"),
        Named::Words(vec!["A", "b"]),
        Named::Words(vec!["c"]),
        Named::Words(vec!["d_e"]),
        Named::Words(vec!["Fg"]),
    ];
    assert_eq!(names.map(|name| named(name).unwrap()), found);
    for other in ["env", "GET /v1", "/bin/sh", "kill -9", "_sys_...", "FATAL", "If-Match", "$1", "a & ~b", "*-1", ""] {
        assert_eq!(named(other), None, "{other}");
    }
    assert_eq!(spans("`a` b `c`"), ["a", "c"]);
}

/// What exists, to be named.
struct Names {
    paths: Vec<String>,
    relations: BTreeSet<String>,
    words: BTreeSet<String>,
}

impl Names {
    fn read() -> Self {
        let top = repository("").read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names = Self { paths: top.collect(), relations: BTreeSet::new(), words: BTreeSet::new() };
        for folder in ["benches", "deploy", "docs", "examples", "migrations", "src", "tests", "tools"] {
            for path in files_of(folder) {
                let parents = path.match_indices('/').map(|(at, _)| path[..at].to_owned());
                names.paths.extend(parents);
                names.paths.push(path);
            }
        }
        names.paths.sort();
        names.paths.dedup();
        let mut texts: Vec<String> = Vec::new();
        for source in sources_of("src") {
            texts.push(source.code);
            texts.extend(source.strings);
        }
        for path in files_of("migrations").iter().chain(&files_of("src")).filter(|path| path.ends_with(".sql")) {
            let text = read(path);
            let code = text.lines().map(|line| line.split("--").next().unwrap());
            for line in code {
                if let Some((_, rest)) = line.split_once("tagd.").filter(|_| line.trim_start().starts_with("create ")) {
                    names
                        .relations
                        .extend(rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().map(ToOwned::to_owned));
                }
                texts.push(line.to_owned());
            }
        }
        for text in &texts {
            let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty());
            names.words.extend(words.map(ToOwned::to_owned));
        }
        names
    }

    fn have(&self, named: &Named) -> bool {
        match named {
            // NAME is what the reader fills in
            Named::Path(path) if path.contains("NAME") => true,
            Named::Path(path) => {
                let end = format!("/{path}");
                self.paths.iter().any(|known| known == path || known.ends_with(&end))
            }
            Named::Relation(name) => self.relations.contains(*name),
            Named::Words(words) => words.iter().all(|word| self.words.contains(*word)),
        }
    }
}

#[test]
fn what_the_architecture_and_the_decisions_name_exists() {
    let names = Names::read();
    let decisions = files_of("docs/adr");
    let mut checked = 0;
    let mut wrong = Vec::new();
    for page in decisions.iter().map(String::as_str).chain(["docs/ARCHITECTURE.md"]) {
        let text = prose(&read(page));
        let removed = text.split_once(REMOVED).filter(|_| page.starts_with("docs/adr/")).map(|(_, rest)| spans(rest));
        let removed = removed.unwrap_or_default();
        for span in spans(&text) {
            let Some(name) = named(span) else { continue };
            checked += 1;
            let is_known = removed.contains(&span) || NAMES_OF_OTHERS.contains(&span.trim_end_matches("()"));
            if !is_known && !names.have(&name) {
                wrong.push(format!("{page} names {span}, which does not exist"));
            }
        }
    }
    assert!(checked > 200, "only {checked} names were found");
    assert_eq!(wrong, Vec::<String>::new());
}
