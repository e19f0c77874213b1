//! The feed of all changes, which another system follows without missing one.

use std::{collections::BTreeMap, thread};

use sqlx::{Connection, Executor};
use tagd::domain::Role;

use super::{change, entries, follow, get, shown};
use crate::{
    access::{guarded, token},
    support::{World, block_on, eventually, registration, waiting_for_locks},
};

const RESOURCES: usize = 4;
const CHANGES: usize = 40;

fn marker_of(page: &serde_json::Value) -> String {
    page["next_marker"].as_str().unwrap().to_owned()
}

#[test]
fn a_follower_beside_writers_gets_every_change_once_and_those_of_a_resource_in_order() {
    let world = World::new();
    let lines: Vec<_> = (0..RESOURCES).map(|number| registration("images", &format!("r{number}"), "", &[])).collect();
    world.load(&lines);
    let begin = marker_of(&get(&world, "/registry/v1/history?start=end"));
    let followed = thread::scope(|scope| {
        let follower = scope.spawn(|| {
            let (mut marker, mut seen) = (begin, Vec::new());
            eventually("all changes are followed", || {
                let page = get(&world, &format!("/registry/v1/history?limit=7&marker={marker}"));
                let changes = page["changes"].as_array().unwrap();
                assert_eq!(page["gaps"].as_array().unwrap().len(), 0);
                seen.extend(changes.iter().cloned());
                marker = marker_of(&page);
                seen.len() >= RESOURCES * CHANGES
            });
            seen
        });
        thread::scope(|writers| {
            for number in 0..RESOURCES {
                let world = &world;
                writers.spawn(move || {
                    for step in 0..CHANGES {
                        let body = format!(r#"{{"tag":{{"key":"k{}","value":"{step}"}}}}"#, step % 3);
                        change(
                            world,
                            &format!("{number}-{step}"),
                            "POST",
                            &format!("/v2/p/images/r{number}/tags"),
                            &body,
                        );
                    }
                });
            }
        });
        follower.join().unwrap()
    });
    let mut by_resource: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for one in &followed {
        let id = one["resource_id"].as_str().unwrap().to_owned();
        by_resource.entry(id).or_default().push(one["request_id"].as_str().unwrap().to_owned());
    }
    for number in 0..RESOURCES {
        let expected: Vec<String> = (0..CHANGES).map(|step| format!("{number}-{step}")).collect();
        assert_eq!(by_resource[&format!("r{number}")], expected);
    }
    assert_eq!(followed.len(), RESOURCES * CHANGES);
}

/// Writers of one resource wait for one another, each in a transaction that has begun before.
#[test]
fn the_changes_of_one_resource_by_many_writers_are_in_order() {
    let world = World::new();
    world.load(&[registration("images", "r", "", &[])]);
    let one = "/registry/v1/projects/p/types/images/resources/r/tags";
    let begin = marker_of(&get(&world, "/registry/v1/history?start=end"));
    let followed = thread::scope(|scope| {
        let follower = scope.spawn(|| {
            let (mut marker, mut seen) = (begin, Vec::new());
            eventually("all changes are followed", || {
                let page = get(&world, &format!("/registry/v1/history?limit=5&marker={marker}"));
                seen.extend(page["changes"].as_array().unwrap().clone());
                marker = marker_of(&page);
                seen.len() >= 4 * CHANGES
            });
            seen
        });
        for number in 0..4 {
            let world = &world;
            scope.spawn(move || {
                for step in 0..CHANGES {
                    let body = format!(r#"{{"tags":[{{"key":"k","value":"{number}-{step}"}}]}}"#);
                    change(world, "w", "PUT", one, &body);
                }
            });
        }
        follower.join().unwrap()
    });
    let mut before = String::new();
    for one in &followed {
        assert_eq!(shown(&one["old_tags"]), before);
        before = shown(&one["new_tags"]);
    }
    assert_eq!(before, shown(&get(&world, one)["tags"]));
}

#[test]
fn a_change_waits_in_the_feed_for_a_transaction_that_began_before_it() {
    let world = World::new();
    // with a tag each, so that neither waits for the other's lock on the label of the untagged
    world.load(&["r", "s"].map(|id| registration("images", id, "", &[("a", "")])));
    block_on(async {
        let mut slow = world.db.connect().await;
        let begun = "
            begin;
            select tagd.write_tags(s.scope_id, '{s}', '{0}', '{2}', '{slow,1}', array['(slow,slow,,,)'::tagd.caller])
              from tagd.scope s where s.project_id = 'p' and s.resource_type = 'images'";
        slow.execute(begun).await.unwrap();
        change(&world, "quick", "POST", "/v2/p/images/r/tags", r#"{"tag":{"key":"quick","value":"1"}}"#);
        let page = get(&world, "/registry/v1/history");
        assert_eq!(entries(&page), Vec::<String>::new());
        // history itself shows it at once
        assert_eq!(entries(&get(&world, "/registry/v1/projects/p/history")).len(), 1);
        slow.execute("commit").await.unwrap();
        slow.close().await.unwrap();
        let (next, end) = follow(&world, Some(&marker_of(&page)), 2);
        assert_eq!(entries(&next), ["tag slow: a= -> a= slow=1", "tag quick: a= -> a= quick=1"]);
        // what was passed is not passed again
        assert_eq!(entries(&get(&world, &format!("/registry/v1/history?marker={end}"))), Vec::<String>::new());
        assert_eq!(shown(&next["changes"][0]["new_tags"]), "a= slow=1");
    });
    for (query, reason) in [
        ("start=now", "start: must be beginning or end"),
        ("start=end&marker=00", "marker: must not be combined"),
        ("marker=0011", "marker: must be a next_marker of this list"),
        ("limit=0", "limit: must be an integer between 1 and 1000"),
    ] {
        let refused = world.send("GET", &format!("/registry/v1/history?{query}"), &[], b"");
        assert_eq!(refused.status, 400, "{query}");
        assert!(refused.body.contains(reason), "{query}: {}", refused.body);
    }
}

#[test]
fn while_a_writer_takes_long_the_feed_goes_up_to_what_was_complete_before() {
    let world = World::new();
    world.load(&["r", "s"].map(|id| registration("images", id, "", &[("a", "")])));
    change(&world, "before", "POST", "/v2/p/images/r/tags", r#"{"tag":{"key":"k","value":"1"}}"#);
    follow(&world, None, 1);
    block_on(async {
        let mut slow = world.db.connect().await;
        slow.execute("begin; lock table tagd.history in row exclusive mode").await.unwrap();
        change(&world, "beside", "POST", "/v2/p/images/s/tags", r#"{"tag":{"key":"k","value":"2"}}"#);
        let page = get(&world, "/registry/v1/history");
        assert_eq!(entries(&page), ["tag before: a= -> a= k=1"]);
        let page = get(&world, &format!("/registry/v1/history?marker={}", marker_of(&page)));
        assert_eq!(entries(&page), Vec::<String>::new());
        assert_eq!(world.send("GET", "/registry/v1/history?start=end", &[], b"").status, 503);
        slow.execute("commit").await.unwrap();
        slow.close().await.unwrap();
        assert_eq!(entries(&follow(&world, Some(&marker_of(&page)), 1).0), ["tag beside: a= -> a= k=2"]);
    });
}

/// Entries of another domain: more than one statement reads.
const OTHERS: i64 = 120_000;

#[test]
fn a_reader_of_one_domain_gets_its_changes_from_between_many_of_others() {
    let world = guarded();
    let reader = token(&world, Role::Reader, "d", &[]);
    let mut own = registration("images", "r", "", &[("a", "")]);
    own.domain_id = Some("d".to_owned());
    world.load(&[own]);
    block_on(async {
        let mut owner = world.db.connect().await;
        let write = |domain: &str, id: &str, count: i64| {
            format!(
                "insert into tagd.history (scope_id, change_id, changed_at, span_id, slot, resource_id, domain_id, operation, principal,
                                           request_id, old_tags, new_tags)
                 select 1, nextval('tagd.change_id_seq'), now(), s.span_id, 0, 'r', '{domain}', 'tag', 'test', '{id}', '{{}}', '{{k,1}}'
                   from tagd.history_span s, generate_series(1, {count});"
            )
        };
        let entries = [write("d", "first", 1), write("other", "foreign", OTHERS), write("d", "last", 1)].concat();
        owner.execute(sqlx::AssertSqlSafe(entries)).await.unwrap();
        // what one statement reads of them is bounded, and it says from where to go on
        let read =
            "select concat_ws(' ', (r.entry).request_id, (r.entry).change_id - f.change_id, r.is_covered, r.is_end)
                      from (select min(h.change_id) as change_id from tagd.history h) f,
                           tagd.changes_after(f.change_id - 1 + $1, f.change_id + $2 + 1, 'd', null, 10, 1000) r";
        for (after, expected) in [
            (0, vec!["first 0 t f", "foreign 999 f t"]),
            (1000, vec!["foreign 1999 f t"]),
            (OTHERS - 500, vec!["last 120001 t f"]),
        ] {
            let rows: Vec<String> =
                sqlx::query_scalar(read).bind(after).bind(OTHERS).fetch_all(&mut owner).await.unwrap();
            assert_eq!(rows, expected, "{after}");
        }
        owner.close().await.unwrap();
    });
    let (mut marker, mut seen) = (String::new(), Vec::new());
    eventually("both changes are followed", || {
        let headers = [("X-Auth-Token", reader.as_str())];
        let answer = world.send("GET", &format!("/registry/v1/history?marker={marker}"), &headers, b"");
        assert_eq!(answer.status, 200, "{}", answer.body);
        let page = answer.json();
        seen.extend(entries(&page));
        marker = marker_of(&page);
        seen.len() >= 2
    });
    assert_eq!(seen, ["tag first:  -> k=1", "tag last:  -> k=1"]);
}

#[test]
fn after_a_restore_every_marker_of_before_is_refused_and_those_since_then_go_on() {
    let world = World::new();
    world.load(&[registration("images", "r", "", &[])]);
    let put = |id: &str| {
        let body = format!(r#"{{"tag":{{"key":"k","value":"{id}"}}}}"#);
        let headers = [("Content-Type", "application/json"), ("X-Request-Id", id)];
        // the first time after all connections have ended
        eventually("the tag is put", || {
            world.send("POST", "/v2/p/images/r/tags", &headers, body.as_bytes()).status == 204
        });
    };
    put("before");
    let (_, before) = follow(&world, None, 1);
    world.db.back_up();
    put("lost");
    let (_, ahead) = follow(&world, Some(&before), 1);
    world.db.restore();
    put("after");
    let refused = |marker: &str| {
        let refused = world.send("GET", &format!("/registry/v1/history?marker={marker}"), &[], b"");
        assert_eq!((refused.status, &refused.json()["error_code"]), (410, &"REGISTRY.0025".into()), "{}", refused.body);
        assert!(refused.body.contains("restored from a backup or has moved to another server"), "{}", refused.body);
    };
    // also the one of an entry that the backup has: others that it does not have may have had lower numbers
    refused(&before);
    refused(&ahead);
    let (all, since) = follow(&world, None, 2);
    assert_eq!(entries(&all), ["tag before:  -> k=before", "tag after: k=before -> k=after"]);
    let (mut marker, mut spans) = (since.clone(), Vec::new());
    block_on(async {
        let mut owner = world.db.connect().await;
        // a number that no entry has, as of a write that was rolled back
        owner.execute("select nextval('tagd.change_id_seq')").await.unwrap();
    });
    let end = marker_of(&get(&world, "/registry/v1/history?start=end"));
    block_on(async {
        let mut owner = world.db.connect().await;
        // as the next program does that opens the database
        owner.execute("select tagd.prepare_history(), tagd.prepare_history()").await.unwrap();
        let count = "select count(*) from tagd.history_span where ended_at is not null";
        spans.push(sqlx::query_scalar::<_, i64>(count).fetch_one(&mut owner).await.unwrap());
        owner.close().await.unwrap();
    });
    assert!(spans[0] >= 1, "{spans:?}");
    put("onward");
    for start in [&since, &end] {
        let (next, last) = follow(&world, Some(start), 1);
        assert_eq!(entries(&next), ["tag onward: k=after -> k=onward"]);
        let page = get(&world, &format!("/registry/v1/history?marker={last}"));
        assert_eq!((entries(&page).len(), page["gaps"].as_array().unwrap().len()), (0, 0));
        marker = last;
    }
    // the span that another restore of the backup begins has another token
    block_on(async {
        let mut owner = world.db.connect().await;
        owner.execute("update tagd.history_span set token = token + 1 where ended_at is null").await.unwrap();
        owner.close().await.unwrap();
    });
    refused(&marker);
}

#[test]
fn a_marker_is_refused_once_entries_are_numbered_elsewhere() {
    let world = World::new();
    world.load(&[registration("images", "r", "", &[])]);
    change(&world, "before", "POST", "/v2/p/images/r/tags", r#"{"tag":{"key":"k","value":"1"}}"#);
    let (_, marker) = follow(&world, None, 1);
    get(&world, &format!("/registry/v1/history?marker={marker}"));
    let origin = "
        select array[tagd.history_origin(), concat_ws(' ', c.system_identifier, left(pg_walfile_name(pg_current_wal_lsn()), 8), d.oid,
                                                      'tagd.history'::regclass::oid)]
          from pg_control_system() c, pg_database d where d.datname = current_database()";
    block_on(async {
        let mut owner = world.db.connect().await;
        let before: Vec<String> = sqlx::query_scalar(origin).fetch_one(&mut owner).await.unwrap();
        assert_eq!(before[0], before[1]);
        // a dump that is restored into the same database makes the table anew
        let restored = "
            begin;
            alter table tagd.history rename to history_before;
            create table tagd.history (like tagd.history_before including all) partition by range (changed_at)";
        owner.execute(restored).await.unwrap();
        let after: Vec<String> = sqlx::query_scalar(origin).fetch_one(&mut owner).await.unwrap();
        assert_eq!(after[0], after[1]);
        assert_ne!(after[0], before[0]);
        owner.execute("rollback").await.unwrap();
        // as on the timeline of a standby that was promoted
        let promoted =
            "create or replace function tagd.history_origin() returns text language sql as $$ select '00000002' $$";
        owner.execute(promoted).await.unwrap();
        owner.close().await.unwrap();
    });
    let refused = world.send("GET", &format!("/registry/v1/history?marker={marker}"), &[], b"");
    assert_eq!(refused.status, 410, "{}", refused.body);
    follow(&world, None, 1);
}

#[test]
fn what_is_pruned_while_the_feed_is_read_is_not_missed_silently() {
    let world = World::new();
    world.load(&[registration("images", "r", "", &[])]);
    let add = "
        insert into tagd.history (scope_id, change_id, changed_at, span_id, slot, resource_id, domain_id, operation, principal, request_id,
                                  old_tags, new_tags)
        select s.scope_id, nextval('tagd.change_id_seq'), now() - interval '40 days', h.span_id, 0, 'r', '', 'tag', 'test', 'old', '{}', '{k,1}'
          from tagd.scope s, tagd.history_span h, generate_series(1, 3)
         where s.resource_type = 'images' and h.ended_at is null";
    let (mut owner, mut holder) = block_on(async { (world.db.connect().await, world.db.connect().await) });
    block_on(owner.execute(add)).unwrap();
    let marker = marker_of(&get(&world, "/registry/v1/history?limit=1"));
    for (number, query) in [(0, format!("?marker={marker}")), (1, String::new())] {
        if number > 0 {
            block_on(owner.execute(add)).unwrap();
        }
        // entries are read with their scope; what was pruned is known without
        block_on(holder.execute("begin; lock table tagd.scope in access exclusive mode")).unwrap();
        let refused = thread::scope(|scope| {
            let reading = scope.spawn(|| world.send("GET", &format!("/registry/v1/history{query}"), &[], b""));
            eventually("the feed is being read", || !block_on(waiting_for_locks(&mut owner)).is_empty());
            block_on(owner.execute("select tagd.prune_months('history', now(), '(test,,,,)')")).unwrap();
            block_on(holder.execute("commit")).unwrap();
            reading.join().unwrap()
        });
        assert_eq!(refused.status, 410, "{query}: {}", refused.body);
        assert!(refused.body.contains("changes after it were pruned"), "{}", refused.body);
    }
    assert_eq!(entries(&get(&world, "/registry/v1/history")), Vec::<String>::new());
    block_on(async {
        owner.close().await.unwrap();
        holder.close().await.unwrap();
    });
}
