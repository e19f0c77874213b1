//! The views: their names and columns, which readers rely on, and their answers about the demo fleet.

use std::fmt::Write;

use sqlx::Connection;

use super::{demo, texts};
use crate::support::{TestDb, block_on, check_golden};

/// The names of the views.
const VIEWS: &str = "select c.relname::text from pg_class c
                      where c.relnamespace = 'report'::regnamespace order by c.relname";

#[test]
fn names_columns_and_comments_are_those_of_the_golden() {
    let db = TestDb::new();
    let shape = block_on(async {
        let mut owner = db.connect().await;
        let mut shape = String::new();
        for view in texts(&mut owner, VIEWS).await {
            let comment = format!("select obj_description('report.{view}'::regclass, 'pg_class')");
            writeln!(shape, "report.{view}: {}", texts(&mut owner, &comment).await[0]).unwrap();
            let columns = format!(
                "select format('  %s %s: %s', a.attname, format_type(a.atttypid, a.atttypmod), col_description(a.attrelid, a.attnum))
                   from pg_attribute a where a.attrelid = 'report.{view}'::regclass and a.attnum > 0 order by a.attnum"
            );
            for column in texts(&mut owner, &columns).await {
                writeln!(shape, "{column}").unwrap();
            }
        }
        owner.close().await.unwrap();
        shape
    });
    check_golden("schema/report.txt", &shape);
}

#[test]
fn a_condition_of_a_reader_is_applied_after_the_conditions_of_the_view() {
    let db = TestDb::new();
    block_on(async {
        let mut owner = db.connect().await;
        let open = "select c.oid::regclass::text from pg_class c
                     where (c.relnamespace = 'report'::regnamespace or c.relname like 'readable%')
                       and not coalesce(c.reloptions, '{}') @> array['security_barrier=true']";
        assert_eq!(texts(&mut owner, open).await, Vec::<String>::new());
        owner.close().await.unwrap();
    });
}

#[test]
fn each_view_on_the_demo_fleet_is_its_golden() {
    let db = demo();
    block_on(async {
        let mut owner = db.connect().await;
        // a change, and one that takes it back
        for (mode, value) in [(0, "'x'"), (1, "null")] {
            let changed = format!(
                "select tagd.write_tags(s.scope_id, '{{9570dde4-7130-49b8-9bd4-c687715a8ab8}}', '{{{mode}}}', '{{2}}', array['note', {value}], array['(ci,r-{mode},,,)'::tagd.caller])::text
                   from tagd.scope s where s.resource_type = 'images' order by s.scope_id"
            );
            assert!(texts(&mut owner, &changed).await.iter().any(|outcome| outcome.contains("changed")));
        }
        for view in texts(&mut owner, VIEWS).await {
            // sizes, which differ between versions of Postgres
            if view == "storage" {
                continue;
            }
            let row = "(to_jsonb(v) - '{registered_at,changed_at,recorded_at}'::text[])::text";
            let rows = format!("select {row} from report.{view} v order by {row} collate \"C\"");
            let rows = texts(&mut owner, &rows).await;
            check_golden(&format!("report/{view}.txt"), &(rows.join("\n") + "\n"));
        }
        owner.close().await.unwrap();
    });
}

/// What the index counts, counted from the tags.
#[test]
fn counts_are_those_of_the_tags() {
    let db = demo();
    block_on(async {
        let mut owner = db.connect().await;
        let same = [
            (
                "select format('%s %s %s %s', project_id, resource_type, key, resources) from report.keys",
                "select format('%s %s %s %s', project_id, resource_type, key, count(*)) from report.tags group by project_id, resource_type, key",
            ),
            (
                "select format('%s %s %s=%s %s', project_id, resource_type, key, value, resources) from report.pairs",
                "select format('%s %s %s=%s %s', project_id, resource_type, key, value, count(*)) from report.tags group by project_id, resource_type, key, value",
            ),
            (
                "select format('%s %s %s %s %s', project_id, resource_type, resources, tagged, untagged) from report.scopes where resources > 0",
                "select format('%s %s %s %s %s', project_id, resource_type, count(*), count(*) filter (where tags_count > 0),
                               count(*) filter (where tags_count = 0)) from report.resources group by project_id, resource_type",
            ),
            (
                "select format('%s %s %s %s', project_id, resource_type, policy_name, violating) from report.policies where violating > 0",
                "select format('%s %s %s %s', project_id, resource_type, policy_name, count(distinct resource_id)) from report.violations
                  group by project_id, resource_type, policy_name",
            ),
            (
                "select format('%s %s %s', project_id, resource_type, resource_id) from report.untagged",
                "select format('%s %s %s', project_id, resource_type, resource_id) from report.resources where tags_count = 0",
            ),
            (
                "select format('%s %s %s %s', project_id, resource_type, tags_count, resources) from report.tags_per_resource",
                "select format('%s %s %s %s', project_id, resource_type, tags_count, count(*)) from report.resources group by project_id, resource_type, tags_count",
            ),
            (
                "select format('%s %s %s %s %s', project_id, resource_type, key, with_key, without_key) from report.coverage",
                "select format('%s %s %s %s %s', r.project_id, r.resource_type, k.key, count(*) filter (where r.tags ? k.key),
                               count(*) filter (where not r.tags ? k.key))
                   from report.resources r join (select distinct project_id, key from report.tags) k on k.project_id = r.project_id
                  group by r.project_id, r.resource_type, k.key",
            ),
        ];
        for (index, tags) in same {
            let (mut index, mut tags) = (texts(&mut owner, index).await, texts(&mut owner, tags).await);
            index.sort();
            tags.sort();
            assert!(!tags.is_empty());
            assert_eq!(index, tags);
        }
        owner.close().await.unwrap();
    });
}
