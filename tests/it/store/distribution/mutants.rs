//! Each rule finds what it is there for.

use super::rules::{Function, Schema};
use crate::support::statements_of;

/// What the rules say of a function, by its name, language and body.
fn said(schema: &mut Schema, name: &str, language: &str, body: &str) -> Vec<String> {
    let function = Function {
        name: name.to_owned(),
        language: language.to_owned(),
        first_argument: "p_scope_id".to_owned(),
        has_path: true,
        body: statements_of(body),
    };
    let before = schema.functions.insert(name.to_owned(), function);
    let faults = schema.faults_of(&schema.functions[name]);
    schema.functions.remove(name);
    if let Some(before) = before {
        schema.functions.insert(name.to_owned(), before);
    }
    faults
}

#[test]
fn each_rule_finds_what_it_is_there_for() {
    let mut schema = Schema::read();
    for (body, fault) in [
        (
            "perform tagd.labelled_words(p_scope_id, r.resource_name) from tagd.resource r where r.scope_id = p_scope_id;",
            "is called beside one",
        ),
        ("perform tagd.check_domain(s.scope_id, p_caller) from tagd.scope s;", "is called beside one"),
        (
            "perform from tagd.resource r where r.scope_id = any (v_scopes) order by r.slot for update;",
            "in several scopes",
        ),
        (
            "perform from tagd.scope_counter c where c.scope_id in (select s.scope_id from tagd.scope s where s.scope_id = p_scope_id) for no key update;",
            "in several scopes",
        ),
        (
            "perform from tagd.resource_type t where t.resource_type = p_type for key share;",
            "row locks on resource_type",
        ),
        ("select p.* into v_old from tagd.policy p where p.policy_name = p_name for update;", "row locks on policy"),
        ("v_new := array(select unnest(v_some) except select unnest(v_others));", "EXCEPT"),
        (
            "perform from unnest(v_slots) e left join lateral (select n.words from tagd.name n where n.scope_id = p_scope_id and n.slot = e) n on true;",
            "a lateral outer join",
        ),
        (
            "insert into pg_temp.import_work select r.slot from pg_temp.import_line i left join tagd.resource r on r.resource_id = i.resource_id;",
            "with a temporary one",
        ),
        (
            "perform from pg_temp.import_line i, tagd.resource r where r.scope_id = v_scope_id and i.resource_id = r.resource_id for update of r;",
            "with a temporary one",
        ),
        (
            "delete from tagd.tag t using pg_temp.import_work w left join tagd.resource r on r.slot = w.slot where t.scope_id = p_scope_id;",
            "with a temporary one",
        ),
        (
            "select p.domain_id into v_domain from tagd.project p join tagd.resource r on true;",
            "with one of the coordinator",
        ),
        (
            "select s.resources into v_count from tagd.label_size s join tagd.project p on true;",
            "with one of the coordinator",
        ),
        (
            "with gone as (delete from tagd.name n where n.scope_id = p_scope_id returning *) insert into tagd.tag select * from gone;",
            "beside another one",
        ),
        (
            "with a as (update tagd.name n set folded = '' where n.scope_id = p_scope_id), b as materialized (delete from tagd.tag t where t.scope_id = p_scope_id) select 1;",
            "beside another one",
        ),
        (
            "update tagd.policy p set updated_at = clock_timestamp() where p.policy_id = 1;",
            "clock_timestamp is volatile",
        ),
        (
            "insert into tagd.label (scope_id) values (1) on conflict (scope_id) do update set label_id = nextval('x');",
            "nextval is volatile",
        ),
        ("update tagd.history_span s set last_change_id = tagd.last_change_id();", "tagd.last_change_id is volatile"),
        ("update tagd.tag t set value = v_set[1] where t.scope_id = p_scope_id;", "an element of an array"),
        (
            "update tagd.tag t set key = 'k', value = v_row.part[v_at[2]] from unnest(v) where t.scope_id = p_scope_id;",
            "an element of an array",
        ),
        (
            "select tagd.policy_etag(p) into v_etag from tagd.policy p where p.policy_id = v_id;",
            "a whole row of policy",
        ),
        ("v_all := array(select p from tagd.policy p, tagd.scope s);", "a whole row of policy"),
        (
            "perform from unnest(v_scopes) as s (scope_id) cross join lateral (select from tagd.label l where l.scope_id = s.scope_id limit 1) l;",
            "several scopes of a list",
        ),
        ("get stacked diagnostics v_name = constraint_name;", "the name of a constraint"),
        (
            "insert into tagd.scope (project_id) values ('p') on conflict on constraint scope_name_key do nothing;",
            "the name of a constraint",
        ),
        ("perform tagd.lock_scope_shared(p_scope_id);", "not among those that are called where the scope is"),
        ("select tagd.empty_scope(v_scope_id, p_caller) into v_count;", "is not called alone"),
        ("perform tagd.import_changes(v_scope.scope_id, v_scope.changes);", "is not called alone"),
    ] {
        let found = said(&mut schema, "mutant", "plpgsql", body);
        assert!(found.iter().any(|said| said.contains(fault)), "{body}\nis said to be {found:?}, not {fault}");
    }
    let found = said(&mut schema, "mutant", "sql", "select count(*) from tagd.label l where l.scope_id = p_scope_id");
    assert!(found[0].contains("an SQL function"), "{found:?}");
    for (body, fault) in [
        ("select p.domain_id into v from tagd.scope s join tagd.project p using (project_id);", "needs project"),
        ("perform tagd.record_act(p_caller, 'x', 'x', null, '{}');", "needs audit"),
        ("perform tagd.enter_import(false);", "the lock of imports"),
    ] {
        let found = said(&mut schema, "write_tags", "plpgsql", body);
        assert!(found.iter().any(|said| said.contains(fault)), "{body}\nis said to be {found:?}, not {fault}");
    }
    // what is done instead
    for body in [
        "perform from tagd.resource r where r.scope_id = v_scope.scope_id and r.slot = any (v_slots) order by r.slot for update;",
        "select (select true from tagd.policy p limit 1) from tagd.resource r where r.scope_id = p_scope_id for update;",
        "insert into pg_temp.import_old select r.slot from tagd.resource r where r.scope_id = v_scope.scope_id for update;",
        "update tagd.resource r set tags = w.new_tags from pg_temp.import_work w where r.scope_id = w.scope_id and r.slot = w.slot;",
        "update tagd.label l set slots = l.slots[:1] || v_slot || l.slots[2:] where l.scope_id = p_scope_id;",
        "with gone as (delete from tagd.name n where n.scope_id = p_scope_id returning 1) select count(*) from gone;",
        "select e.removed into v_count from tagd.empty_scope(v_scope_id, p_caller) as e (removed);",
    ] {
        assert_eq!(said(&mut schema, "mutant", "plpgsql", body), Vec::<String>::new(), "{body}");
    }
}
