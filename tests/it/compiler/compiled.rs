//! Every compiled statement: its text as a golden, and the plan that a serving session makes of it.

use std::collections::HashSet;

use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tagd::{
    compiler::{Argument, Form, Pick, Shape, Span, compile, join, shapes, text},
    domain::{NameMatch, QueryOutput, TagQuery, Term, ValueMatch, change::Registration},
};

use super::catalogue;
use crate::support::{TestDb, World, block_on, check_golden, registration};

/// Name of a shape, made of its fields: `one_page_mixed_fuzzy_name_by_scan`.
pub fn name(shape: Shape) -> String {
    let mut words = vec![format!("{:?}", shape.span)];
    words.push(if shape.page { "page" } else { "count" }.to_owned());
    words.push(format!("{:?}", shape.form));
    if shape.fuzzy {
        words.push("fuzzy".to_owned());
    }
    if shape.pick != Pick::Nothing {
        // NameByScan: name_by_scan
        for c in format!("{:?}", shape.pick).chars() {
            if c.is_uppercase() {
                words.push(String::new());
            }
            words.last_mut().unwrap().push(c);
        }
    }
    words.join("_").to_lowercase()
}

fn term(key: &str, values: Vec<ValueMatch>) -> Term {
    Term { key: key.into(), values }
}

/// A query that compiles to the shape.
fn query_of(shape: Shape) -> TagQuery {
    let exact = |value: &str| ValueMatch::Exact(value.into());
    let mut query = TagQuery::default();
    match shape.form {
        Form::Single | Form::Singles => query.tags = vec![term("a", vec![exact("1")])],
        // in one scope a text alone has a form of its own
        Form::Sum if shape.fuzzy && shape.span == Span::One => {
            query.not_tags = vec![term("a", vec![ValueMatch::Contains("1".into())])];
            return query;
        }
        Form::Sum => query.tags = if shape.fuzzy { vec![] } else { vec![term("a", vec![exact("1"), exact("2")])] },
        Form::Any => query.tags_any = vec![term("a", vec![exact("1")]), term("b", vec![])],
        Form::Every => query.tags = vec![term("a", vec![exact("1")]), term("b", vec![])],
        Form::Names | Form::Values => {}
        Form::Mixed => {
            query.tags = vec![term("a", vec![exact("1"), exact("2")])];
            query.not_tags = vec![term("b", vec![])];
        }
    }
    if shape.fuzzy {
        query.tags_any = vec![term("a", vec![ValueMatch::Contains("1".into())])];
    }
    match shape.pick {
        Pick::Nothing => {}
        Pick::Id => query.resource_id = Some("r1".into()),
        Pick::IdAndName => {
            query.resource_id = Some("r1".into());
            query.resource_name = Some(NameMatch::Contains("web".into()));
        }
        Pick::NameInWords => query.resource_name = Some(NameMatch::Contains("web".into())),
        Pick::NameAcross => query.resource_name = Some(NameMatch::Contains("web-".into())),
        Pick::NameByScan => query.resource_name = Some(NameMatch::Contains("w".into())),
        Pick::NoName => query.resource_name = Some(NameMatch::Empty),
    }
    query
}

#[test]
fn every_text_is_its_golden() {
    let mut names = HashSet::new();
    for shape in shapes() {
        let name = name(shape);
        check_golden(&format!("compiled/{name}.sql"), &format!("{}\n", text(shape).unwrap()));
        assert!(names.insert(name), "two shapes have one name");
    }
    assert_eq!(names.len(), 88);
}

#[test]
fn every_shape_is_compiled_from_some_query_with_arguments_of_the_types_it_declares() {
    for shape in shapes() {
        let scopes: &[i64] = if shape.span == Span::One { &[1] } else { &[1, 2] };
        let want = if shape.page { QueryOutput::Page { limit: 10, offset: 0 } } else { QueryOutput::Count };
        let mut compiled = compile(&query_of(shape), scopes, want).unwrap();
        if shape.form == Form::Singles {
            compiled = join(&[compiled]).unwrap();
        }
        assert!(compiled.text == text(shape).unwrap(), "{}: another shape was compiled", name(shape));
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
        assert_eq!(types, catalogue::parameters_of_compiled(&name(shape)), "{}", name(shape));
    }
}

/// Numbers that may stand in a text: of the layout of blocks and words, of kinds and groups, of how far to walk, of how many
/// resources make a page large.
const NUMBERS: [&str; 11] = ["0", "1", "2", "3", "4", "15", "31", "32", "64", "1024", "16384"];

#[test]
fn no_text_holds_a_value() {
    for shape in shapes() {
        let text = text(shape).unwrap();
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

#[test]
fn every_table_in_a_text_is_held_to_the_scope() {
    for shape in shapes() {
        let (name, text) = (name(shape), text(shape).unwrap());
        let words: Vec<&str> = text.split_whitespace().collect();
        let scopes = if shape.span == Span::One { &["$1"][..] } else { &["s.scope_id", "t.scope_id"] };
        let mut tables = 0;
        for (i, word) in words.iter().enumerate() {
            let Some(table) = word.strip_prefix("tagd.").filter(|table| !table.contains('(')) else { continue };
            // small tables that every machine has in full
            if ["scope", "project"].contains(&table) {
                assert_eq!((shape.span, shape.page), (Span::Many, true), "{name}: reads tagd.{table}");
                continue;
            }
            assert!(["resource", "name", "tag", "label", "chunk"].contains(&table), "{name}: reads tagd.{table}");
            tables += 1;
            // `tagd.label l where l.scope_id = $1`
            let alias = words[i + 1];
            let place = format!("{name}: tagd.{table} {alias}");
            assert_eq!(words[i + 2..i + 5], ["where", &format!("{alias}.scope_id"), "="], "{place}");
            assert!(scopes.contains(&words[i + 5]), "{place} is held to {}", words[i + 5]);
        }
        assert!(tables >= if shape.pick == Pick::NameAcross && !shape.page { 1 } else { 2 }, "{name}");
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
    let nulls = vec!["null"; catalogue::parameters_of_compiled(&name(shape)).len()].join(", ");
    for statement in ["deallocate all".to_owned(), format!("prepare compiled as {}", text(shape).unwrap())] {
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
    let by_grams = matches!(shape.pick, Pick::NameInWords | Pick::NameAcross);
    let by_label = shape.form != Form::Names || shape.pick == Pick::NameInWords;
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
                    (shape.span, shape.page, condition.matches('=').count()),
                    (Span::Many, true, 1),
                    "{}",
                    plan()
                );
            }
            // the newest resource
            "Index Only Scan" if on == "resource_pkey" && shape.form == Form::Values => {}
            "Index Scan" | "Index Only Scan" | "Bitmap Index Scan" => {
                assert!(condition.contains("scope_id = "), "{node} of {on} reads more than a scope: {}", plan());
                // a name is looked for in all of the scope where the index cannot help
                let by_name = matches!(shape.pick, Pick::NameByScan | Pick::NoName);
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
    assert_eq!(uses("label_gram_idx"), shape.fuzzy, "the index of values: {}", plan());
    assert_eq!(uses("name_gram_idx"), by_grams, "the index of grams: {}", plan());
    match shape.pick {
        Pick::Nothing | Pick::NameByScan => {}
        Pick::NoName => {
            assert!(statistics == Statistics::None || uses("name_empty_idx"), "the index of no names: {}", plan())
        }
        Pick::Id | Pick::IdAndName => assert!(uses("resource_id_key"), "{}", plan()),
        // no scope's names are read, however few the planner takes them for
        Pick::NameInWords | Pick::NameAcross => assert!(!uses("name_pkey"), "{}", plan()),
    }
}

fn check_plans(db: &TestDb, statistics: Statistics) {
    block_on(async {
        let mut connection = db.connect().await;
        catalogue::set_serving_session(&mut connection).await;
        for shape in shapes() {
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
            for shape in shapes().into_iter().filter(|s| matches!(s.pick, Pick::NameInWords | Pick::NameAcross)) {
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
