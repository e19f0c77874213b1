//! Every compiled statement: its text as a golden, and the plan that a serving session makes of it.

use std::{
    collections::{BTreeMap, HashSet},
    fmt::Write,
};

use serde_json::Value;
use sqlx::{AssertSqlSafe, Column, Connection, Executor, PgConnection, SqlSafeStr, Statement as _, TypeInfo};
use tagd::{
    compiler::{Argument, NameSearch, ResourceFilter, ScopeCount, Shape, Strategy, batch, compile, shapes, statement},
    domain::{NameMatch, QueryOutput, TagQuery, Term, ValueMatch, change::Registration},
};

use crate::store::catalogue;
use crate::support::{TestDb, World, block_on, check_golden, registration};

/// Name of a strategy, without its fields.
pub fn strategy_name(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::Single(_) => "single",
        Strategy::BatchedSingle => "batched_single",
        Strategy::DisjointSum { .. } => "disjoint_sum",
        Strategy::Values => "values",
        Strategy::Union(_) => "union",
        Strategy::Intersection(_) => "intersection",
        Strategy::Names { .. } => "names",
        Strategy::General { .. } => "general",
    }
}

/// Whether it looks for a text in values.
pub fn has_substring(shape: Shape) -> bool {
    match shape.strategy {
        Strategy::Values => true,
        Strategy::DisjointSum { substring, .. } | Strategy::General { substring, .. } => substring,
        _ => false,
    }
}

fn filter_of(shape: Shape) -> Option<ResourceFilter> {
    match shape.strategy {
        Strategy::Names { search, .. } => Some(ResourceFilter::Name(search)),
        Strategy::General { filter, .. } => filter,
        _ => None,
    }
}

/// Name of a shape, made of its fields: `one_page_general_substring_short_name`.
pub fn name(shape: Shape) -> String {
    let scopes = match shape.strategy.scopes() {
        ScopeCount::One => "one",
        ScopeCount::Many => "many",
    };
    let mut words = vec![scopes, if shape.page { "page" } else { "count" }, strategy_name(shape.strategy)];
    if has_substring(shape) && shape.strategy != Strategy::Values {
        words.push("substring");
    }
    words.extend(match filter_of(shape) {
        None => None,
        Some(ResourceFilter::Id) => Some("id"),
        Some(ResourceFilter::IdAndName) => Some("id_and_name"),
        Some(ResourceFilter::Name(NameSearch::WithinWord)) => Some("within_word"),
        Some(ResourceFilter::Name(NameSearch::AcrossWords)) => Some("across_words"),
        Some(ResourceFilter::ShortName) => Some("short_name"),
        Some(ResourceFilter::EmptyName) => Some("empty_name"),
    });
    words.join("_")
}

fn term(key: &str, values: Vec<ValueMatch>) -> Term {
    Term { key: key.into(), values }
}

/// A query that compiles to the shape.
fn query_of(shape: Shape) -> TagQuery {
    let exact = |value: &str| ValueMatch::Exact(value.into());
    let part = || vec![term("a", vec![ValueMatch::Contains("1".into())])];
    let mut query = TagQuery::default();
    match shape.strategy {
        Strategy::Single(_) | Strategy::BatchedSingle => query.tags = vec![term("a", vec![exact("1")])],
        Strategy::DisjointSum { substring: false, .. } => query.tags = vec![term("a", vec![exact("1"), exact("2")])],
        // in one scope, a text that is not taken away has a strategy of its own
        Strategy::DisjointSum { .. } => query.not_tags = part(),
        Strategy::Union(_) => query.tags_any = vec![term("a", vec![exact("1")]), term("b", vec![])],
        Strategy::Intersection(_) => query.tags = vec![term("a", vec![exact("1")]), term("b", vec![])],
        Strategy::Names { .. } => {}
        Strategy::Values => query.tags_any = part(),
        Strategy::General { substring, .. } => {
            query.tags = vec![term("a", vec![exact("1"), exact("2")])];
            query.not_tags = vec![term("b", vec![])];
            query.tags_any = if substring { part() } else { vec![] };
        }
    }
    match filter_of(shape) {
        None => {}
        Some(ResourceFilter::Id) => query.resource_id = Some("r1".into()),
        Some(ResourceFilter::IdAndName) => {
            query.resource_id = Some("r1".into());
            query.resource_name = Some(NameMatch::Contains("web".into()));
        }
        Some(ResourceFilter::Name(NameSearch::WithinWord)) => {
            query.resource_name = Some(NameMatch::Contains("web".into()));
        }
        Some(ResourceFilter::Name(NameSearch::AcrossWords)) => {
            query.resource_name = Some(NameMatch::Contains("web-".into()));
        }
        Some(ResourceFilter::ShortName) => query.resource_name = Some(NameMatch::Contains("w".into())),
        Some(ResourceFilter::EmptyName) => query.resource_name = Some(NameMatch::Empty),
    }
    query
}

/// The list of parameters as comments, and the statement.
#[test]
fn every_statement_is_its_golden() {
    let mut names = HashSet::new();
    for shape in shapes() {
        let statement = statement(shape);
        let mut golden = String::new();
        for (number, parameter) in (1..).zip(&statement.parameters) {
            let role = format!("{parameter:?}");
            let role = role.split('(').next().unwrap();
            writeln!(golden, "-- ${number} {role}: {}", parameter.sql_type()).unwrap();
        }
        let name = name(shape);
        check_golden(&format!("compiled/{name}.sql"), &format!("{golden}{}\n", statement.commented));
        assert!(names.insert(name), "two shapes have one name");
    }
    assert_eq!(names.len(), 88);
}

#[test]
fn every_cte_has_a_comment() {
    for shape in shapes() {
        let lines: Vec<&str> = statement(shape).commented.lines().collect();
        for pair in lines.windows(2) {
            let is_cte = pair[0].ends_with(" as (") || pair[0].ends_with(" as materialized (");
            assert!(!is_cte || pair[1].starts_with("  -- "), "{}: {}", name(shape), pair[0]);
        }
    }
}

#[test]
fn every_statement_is_prepared_with_its_parameters_and_the_columns_of_its_shape() {
    let db = TestDb::new();
    block_on(async {
        let mut connection = db.connect().await;
        catalogue::set_serving_session(&mut connection).await;
        let type_name = |info: &sqlx::postgres::PgTypeInfo| info.name().to_lowercase();
        for shape in shapes() {
            let name = name(shape);
            let statement = statement(shape);
            let prepared = connection.prepare(statement.text.as_str().into_sql_str()).await.unwrap();
            let found: Vec<String> = prepared.parameters().unwrap().left().unwrap().iter().map(type_name).collect();
            let parameters = statement.parameters.iter();
            assert_eq!(found, parameters.map(|p| p.sql_type()).collect::<Vec<_>>(), "parameters of {name}");
            let columns = prepared.columns().iter();
            let found: Vec<String> = columns.map(|c| format!("{} {}", c.name(), type_name(c.type_info()))).collect();
            let mut columns = vec!["total int8", "rank int8"];
            if shape.page {
                columns.extend(["resource_id text", "resource_name text", "detail text", "tags text[]"]);
                columns.extend((shape.strategy.scopes() == ScopeCount::Many).then_some("project_name text"));
            } else if shape.strategy != Strategy::BatchedSingle {
                columns.truncate(1);
            }
            assert_eq!(found, columns, "columns of {name}");
        }
        connection.close().await.unwrap();
    });
}

#[test]
fn every_shape_is_compiled_from_some_query_with_arguments_of_the_types_it_declares() {
    for shape in shapes() {
        let scopes: &[i64] = if shape.strategy.scopes() == ScopeCount::One { &[1] } else { &[1, 2] };
        let output = if shape.page { QueryOutput::Page { limit: 10, offset: 0 } } else { QueryOutput::Count };
        let mut compiled = compile(&query_of(shape), scopes, output);
        if shape.strategy == Strategy::BatchedSingle {
            compiled = batch(&[&compiled]).unwrap();
        }
        let statement = statement(shape);
        assert!(compiled.text == statement.text, "{}: another shape was compiled", name(shape));
        let types: Vec<&str> = compiled
            .arguments
            .iter()
            .map(|argument| match argument {
                Argument::Kind(_) => "int2",
                Argument::Integer(_) => "int8",
                Argument::Text(_) => "text",
                Argument::Integers(_) => "int8[]",
                Argument::Groups(_) => "int4[]",
                Argument::Kinds(_) => "int2[]",
                Argument::Texts(_) => "text[]",
            })
            .collect();
        let declared: Vec<&str> = statement.parameters.iter().map(|parameter| parameter.sql_type()).collect();
        assert_eq!(types, declared, "{}", name(shape));
    }
}

/// Numbers that may stand in a text: of the layout of blocks and words, of kinds and groups, of how far to walk, of how many
/// resources make a page large.
const NUMBERS: [&str; 11] = ["0", "1", "2", "3", "4", "15", "31", "32", "64", "1024", "16384"];

#[test]
fn no_text_holds_a_value() {
    for shape in shapes() {
        let text = &statement(shape).text;
        let name = name(shape);
        // the empty literal alone, which makes an expression of a column
        assert!(!text.replace("''", "").contains(['\'', '"', '\\']), "{name}: a literal");
        assert!(!text.contains("$$") && !text.contains("--") && !text.contains("/*") && !text.contains(';'), "{name}");
        let mut parameters = HashSet::new();
        let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$');
        for word in text.split(|c| !is_word(c)).filter(|word| !word.is_empty()) {
            if let Some(number) = word.strip_prefix('$') {
                parameters.insert(number.parse::<usize>().unwrap());
            } else if word.starts_with(|c: char| c.is_ascii_digit()) {
                assert!(NUMBERS.contains(&word), "{name}: the number {word}");
            }
        }
        assert_eq!(parameters, (1..=parameters.len()).collect(), "{name}: a parameter is left out");
    }
}

/// Whether a text only calls a function, which reads one scope after the other.
fn calls_a_function(shape: Shape) -> bool {
    shape.strategy == Strategy::Single(ScopeCount::Many)
}

#[test]
fn every_table_in_a_text_is_held_to_the_scope() {
    for shape in shapes().into_iter().filter(|shape| !calls_a_function(*shape)) {
        let (name, text) = (name(shape), &statement(shape).text);
        let words: Vec<&str> = text.split_whitespace().collect();
        let scopes = shape.strategy.scopes();
        let held = if scopes == ScopeCount::One { &["$1"][..] } else { &["s.scope_id", "ql.scope_id"] };
        let mut tables = 0;
        for (i, word) in words.iter().enumerate() {
            let Some(table) = word.strip_prefix("tagd.").filter(|table| !table.contains('(')) else { continue };
            // small tables that every machine has in full
            if ["scope", "project"].contains(&table) {
                assert_eq!((scopes, shape.page), (ScopeCount::Many, true), "{name}: reads tagd.{table}");
                continue;
            }
            assert!(["resource", "name", "tag", "label", "chunk"].contains(&table), "{name}: reads tagd.{table}");
            tables += 1;
            // `tagd.label l where l.scope_id = $1`
            let alias = words[i + 1];
            let place = format!("{name}: tagd.{table} {alias}");
            assert_eq!(words[i + 2..i + 5], ["where", &format!("{alias}.scope_id"), "="], "{place}");
            assert!(held.contains(&words[i + 5]), "{place} is held to {}", words[i + 5]);
        }
        let only_names =
            matches!(shape.strategy, Strategy::Names { search: NameSearch::AcrossWords, .. }) && !shape.page;
        assert!(tables >= if only_names { 1 } else { 2 }, "{name}");
    }
}

/// What the planner knows of the tables.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Statistics {
    None,
    Fresh,
}

/// Plan of a prepared statement, as serving sessions have them.
async fn plan_of(connection: &mut PgConnection, shape: Shape) -> Value {
    let nulls = vec!["null"; statement(shape).parameters.len()].join(", ");
    for statement in ["deallocate all".to_owned(), format!("prepare compiled as {}", statement(shape).text)] {
        connection.execute(AssertSqlSafe(statement)).await.unwrap();
    }
    let explain = format!("explain (costs off, format json) execute compiled({nulls})");
    sqlx::query_scalar(AssertSqlSafe(explain)).persistent(false).fetch_one(connection).await.unwrap()
}

/// What a plan reads: node, table or index, condition.
fn reads_of(plan: &Value, reads: &mut Vec<(String, String, String)>) {
    match plan {
        Value::Array(plans) => plans.iter().for_each(|plan| reads_of(plan, reads)),
        Value::Object(node) => {
            let field = |name| node.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            let table = if node.contains_key("Relation Name") { "Relation Name" } else { "Index Name" };
            if node.contains_key(table) {
                let on = if node.contains_key("Index Name") { "Index Name" } else { "Relation Name" };
                reads.push((field("Node Type"), field(on), field("Index Cond")));
            }
            node.values().for_each(|value| reads_of(value, reads));
        }
        _ => {}
    }
}

fn check_plan(shape: Shape, plan: &Value, statistics: Statistics) {
    let name = name(shape);
    let mut reads = Vec::new();
    reads_of(plan, &mut reads);
    let plan = || format!("{name} reads {reads:#?}");
    let filter = filter_of(shape);
    let by_grams = matches!(filter, Some(ResourceFilter::Name(_)));
    let by_label = !matches!(shape.strategy, Strategy::Names { search: NameSearch::AcrossWords, .. });
    assert_eq!(reads.iter().any(|(_, index, _)| index == "chunk_pkey"), by_label, "{}", plan());
    for (node, on, condition) in &reads {
        match node.as_str() {
            // the rows that the index scan below it found
            "Bitmap Heap Scan" => {}
            // the scope is in the grams
            "Bitmap Index Scan" if on == "name_gram_idx" => {
                assert_eq!(condition.matches("tagd.grams(scope_id, folded, words) @> ").count(), 3, "{}", plan());
            }
            "Bitmap Index Scan" if on == "label_gram_idx" => {
                assert_eq!(condition.matches("tagd.value_grams(scope_id, key, value) @> ").count(), 2, "{}", plan());
            }
            // what a resource's project is called
            "Index Scan" if ["scope_pkey", "project_pkey"].contains(&on.as_str()) => {
                assert_eq!(
                    (shape.strategy.scopes(), shape.page, condition.matches('=').count()),
                    (ScopeCount::Many, true, 1),
                    "{}",
                    plan()
                );
            }
            // the newest resource
            "Index Only Scan" if on == "resource_pkey" && shape.strategy == Strategy::Values => {}
            "Index Scan" | "Index Only Scan" | "Bitmap Index Scan" => {
                assert!(condition.contains("scope_id = "), "{node} of {on} reads more than a scope: {}", plan());
                // a name is looked for in all of the scope where the index cannot help
                let by_name = matches!(filter, Some(ResourceFilter::ShortName | ResourceFilter::EmptyName));
                let whole_scope = condition.matches('=').count() == 1 && !condition.contains("~~");
                assert!(
                    !whole_scope || (by_name && on.starts_with("name_")),
                    "{node} of {on} reads a whole scope: {}",
                    plan()
                );
            }
            other => panic!("{other} on {on}: {}", plan()),
        }
    }
    let uses = |index: &str| reads.iter().any(|(_, on, _)| on == index);
    assert_eq!(uses("label_gram_idx"), has_substring(shape), "the index of values: {}", plan());
    assert_eq!(uses("name_gram_idx"), by_grams, "the index of grams: {}", plan());
    match filter {
        None | Some(ResourceFilter::ShortName) => {}
        Some(ResourceFilter::EmptyName) => {
            assert!(statistics == Statistics::None || uses("name_empty_idx"), "the index of no names: {}", plan());
        }
        Some(ResourceFilter::Id | ResourceFilter::IdAndName) => assert!(uses("resource_id_key"), "{}", plan()),
        // no scope's names are read, however few the planner takes them for
        Some(ResourceFilter::Name(_)) => assert!(!uses("name_pkey"), "{}", plan()),
    }
}

/// What a statement that calls a function reads of each table: by index only, one label of each scope, its chunks, and the resources
/// of the page.
async fn check_function(connection: &mut PgConnection, shape: Shape) {
    let scopes: Vec<i64> = sqlx::query_scalar("select s.scope_id from tagd.scope s order by s.project_id")
        .fetch_all(&mut *connection)
        .await
        .unwrap();
    let arguments = [&format!("array{scopes:?}::int8[]"), "3::int2", "'env'", "'env-1'", "0", "10"];
    let arguments = arguments[..statement(shape).parameters.len()].join(", ");
    // what this session has counted and not yet told, of earlier statements too
    let counted = async |connection: &mut PgConnection| -> BTreeMap<String, (i64, i64)> {
        let rows: Vec<(String, i64, i64)> = sqlx::query_as(
            "select s.relname::text, s.seq_scan, s.idx_tup_fetch from pg_stat_xact_user_tables s where s.schemaname = 'tagd'",
        )
        .fetch_all(connection)
        .await
        .unwrap();
        rows.into_iter().map(|(table, scans, rows)| (table, (scans, rows))).collect()
    };
    connection.execute(AssertSqlSafe(format!("prepare called as {}; begin", statement(shape).text))).await.unwrap();
    let before = counted(connection).await;
    connection.execute(AssertSqlSafe(format!("execute called({arguments})"))).await.unwrap();
    let after = counted(connection).await;
    connection.execute("rollback; deallocate called").await.unwrap();
    let read: Vec<(String, i64, i64)> = after
        .into_iter()
        .map(|(table, (scans, rows))| {
            let (scans_before, rows_before) = before.get(&table).copied().unwrap_or_default();
            (table, scans - scans_before, rows - rows_before)
        })
        .filter(|(_, scans, rows)| scans + rows > 0)
        .collect();
    // the first scope has a dense label and fills the page, the others have sparse ones; the chunk is counted, and its bits are read
    let most: &[(&str, i64)] = match (scopes.is_empty(), shape.page) {
        (true, _) => &[],
        (false, false) => &[("chunk", 1), ("label", 3)],
        (false, true) => &[("chunk", 2), ("label", 3), ("project", 1), ("resource", 10), ("scope", 1)],
    };
    let most: Vec<_> = most.iter().map(|(table, rows)| ((*table).to_owned(), 0, *rows)).collect();
    assert_eq!(read, most, "{}", name(shape));
}

fn check_plans(db: &TestDb, statistics: Statistics) {
    block_on(async {
        let mut connection = db.connect().await;
        catalogue::set_serving_session(&mut connection).await;
        for shape in shapes() {
            if calls_a_function(shape) {
                check_function(&mut connection, shape).await;
                continue;
            }
            let plan = plan_of(&mut connection, shape).await;
            check_plan(shape, &plan, statistics);
        }
        connection.close().await.unwrap();
    });
}

/// Three scopes, a large, a small and a tiny one.
fn filled() -> World {
    let mut fleet: Vec<Registration> = Vec::new();
    for (project, size) in [("p1", 4000), ("p2", 300), ("p3", 5)] {
        for i in 0..size {
            let (env, owner) = (format!("env-{}", i % 3), format!("owner-{i}"));
            let name = format!("web-{i}");
            let mut resource = registration("images", &format!("r{i}"), &name, &[("env", &env), ("owner", &owner)]);
            resource.project_id = project.into();
            fleet.push(resource);
        }
    }
    World::with(&fleet)
}

#[test]
fn every_plan_reads_by_index_on_an_empty_database() {
    check_plans(&TestDb::new(), Statistics::None);
}

#[test]
fn every_plan_reads_by_index_on_a_database_just_filled() {
    check_plans(&filled().db, Statistics::None);
}

#[test]
fn every_plan_reads_by_index_on_a_database_with_statistics() {
    let world = filled();
    block_on(async {
        let mut owner = world.db.connect().await;
        owner.execute("vacuum analyze").await.unwrap();
        owner.close().await.unwrap();
    });
    check_plans(&world.db, Statistics::Fresh);
}

#[test]
fn names_are_found_by_grams_where_most_scopes_are_small_and_one_is_large() {
    // what the planner learns is the average: about six names a scope
    let mut fleet: Vec<Registration> = Vec::new();
    for project in 0..600 {
        let size = if project == 0 { 2000 } else { 3 };
        for i in 0..size {
            let mut resource = registration("images", &format!("r{i}"), &format!("web-{i}"), &[("n", &i.to_string())]);
            resource.project_id = format!("p{project}");
            fleet.push(resource);
        }
    }
    let world = World::with(&fleet);
    let check = |statistics| {
        block_on(async {
            let mut connection = world.db.connect().await;
            catalogue::set_serving_session(&mut connection).await;
            for shape in shapes().into_iter().filter(|s| matches!(filter_of(*s), Some(ResourceFilter::Name(_)))) {
                let plan = plan_of(&mut connection, shape).await;
                let mut reads = Vec::new();
                reads_of(&plan, &mut reads);
                let uses = |index: &str| reads.iter().any(|(_, on, _)| on == index);
                assert!(uses("name_gram_idx") && !uses("name_pkey"), "{} {statistics}: {reads:#?}", name(shape));
            }
            connection.close().await.unwrap();
        });
    };
    check("just filled");
    block_on(async {
        let mut owner = world.db.connect().await;
        owner.execute("vacuum analyze").await.unwrap();
        owner.close().await.unwrap();
    });
    check("analysed");
}
