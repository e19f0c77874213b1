//! Changes of policies beside writes: what the answer to a PUT promises.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

use serde_json::json;
use sqlx::{Connection, Executor, PgConnection};
use tagd::{
    app::registry_of,
    auth::Principal,
    domain::{
        Policy, RequestError,
        registry::{Condition, RegistryError},
    },
    service::PolicyRef,
    store::{SessionProfile, Store},
};

use super::{put, required, send};
use crate::support::{Dice, World, block_on, eventually, registration, tag, waiting_for_locks};

const WRITERS: u64 = 6;
const RESOURCES: usize = 12;

async fn violations(owner: &mut PgConnection) -> BTreeSet<String> {
    let rows: Vec<String> = sqlx::query_scalar(
        "select concat_ws(' ', resource_id, problem, found) from report.violations where policy_name = 'env'",
    )
    .fetch_all(owner)
    .await
    .unwrap();
    rows.into_iter().collect()
}

/// Writes values that are allowed and others, until it is told to stop.
async fn write(store: &Store, scope_id: i64, mut dice: Dice, stop: &AtomicBool, done: &AtomicU64) {
    while !stop.load(Ordering::Relaxed) {
        let id = format!("r{}", dice.roll(RESOURCES));
        let outcome = match dice.roll(4) {
            0 => store.remove_tags(scope_id, &id, &[("env".into(), None)]).await,
            roll => store.put_tags(scope_id, &id, &[tag("env", ["prod", "bad", "worse"][roll % 3])]).await,
        };
        match outcome {
            Ok(()) | Err(RequestError::AgainstPolicy { .. }) => {}
            Err(error) => panic!("{error}"),
        }
        done.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn once_an_enforced_policy_is_answered_no_violation_is_added() {
    let fleet: Vec<_> = (0..RESOURCES).map(|i| registration("ecs", &format!("r{i}"), "n", &[])).collect();
    let world = World::with(&fleet);
    let (stop, done) = (AtomicBool::new(false), AtomicU64::new(0));
    let body = |enforced: bool| json!({ "key": "env", "required": true, "values": ["prod"], "enforced": enforced });
    put(&world, "env", &body(false));
    thread::scope(|scope| {
        for seed in 1..=WRITERS {
            let (world, stop, done) = (&world, &stop, &done);
            scope.spawn(move || {
                block_on(async {
                    // a connection of its own, as that of another server
                    let store = world.db.store(SessionProfile::Serve, 2).await;
                    let scope_id = store.find_scope("p", "ecs").await.unwrap().unwrap();
                    write(&store, scope_id, Dice(seed), stop, done).await;
                    store.close().await;
                });
            });
        }
        let more = |what: &str, writes: u64| {
            let before = done.load(Ordering::Relaxed);
            eventually(what, || done.load(Ordering::Relaxed) >= before + writes);
        };
        for _ in 0..8 {
            more("there were violations", 100);
            put(&world, "env", &body(true));
            let mut known = block_on(async {
                let mut owner = world.db.connect().await;
                let known = violations(&mut owner).await;
                owner.close().await.unwrap();
                known
            });
            for _ in 0..3 {
                more("writers went on under the policy", 40);
                let now = block_on(async {
                    let mut owner = world.db.connect().await;
                    let now = violations(&mut owner).await;
                    owner.close().await.unwrap();
                    now
                });
                assert!(now.is_subset(&known), "{now:?} {known:?}");
                known = now;
            }
            put(&world, "env", &body(false));
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn the_answer_waits_for_a_write_that_was_decided_before() {
    let world = World::with(&[registration("ecs", "r", "n", &[("env", "prod")])]);
    let write = "select outcome from tagd.write_tags(1, array['r'], array[0]::smallint[], array[2], array['env', 'bad'], array[null]::tagd.caller[])";
    let (mut writer, mut owner) = block_on(async { (world.db.connect().await, world.db.connect().await) });
    let outcome: String = block_on(async {
        writer.execute("begin").await.unwrap();
        sqlx::query_scalar(write).fetch_one(&mut writer).await.unwrap()
    });
    assert_eq!(outcome, "changed");
    let answered = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            put(&world, "env", &json!({ "key": "env", "values": ["prod"], "enforced": true }));
            answered.store(true, Ordering::Relaxed);
        });
        let is_stored = || {
            block_on(async {
                sqlx::query_scalar::<_, bool>("select exists (select from tagd.policy)")
                    .fetch_one(&mut owner)
                    .await
                    .unwrap()
            })
        };
        eventually("the policy is stored", is_stored);
        // other writers do not have to wait, and are held to the policy
        block_on(async {
            let store = world.db.store(SessionProfile::Serve, 1).await;
            let scope_id = store.find_scope("p", "ecs").await.unwrap().unwrap();
            let mut other = world.db.connect().await;
            other
                .execute("select tagd.register_resource('p', 'ecs', 's', '', '', null, '{}', null, false, null)")
                .await
                .unwrap();
            let refused = store.put_tags(scope_id, "s", &[tag("env", "bad")]).await;
            assert!(matches!(refused, Err(RequestError::AgainstPolicy { .. })), "{refused:?}");
            other.close().await.unwrap();
            store.close().await;
        });
        thread::sleep(Duration::from_millis(50));
        assert!(!answered.load(Ordering::Relaxed));
        block_on(async { writer.execute("commit").await.unwrap() });
        eventually("the policy is answered", || answered.load(Ordering::Relaxed));
    });
    block_on(async {
        // what was written before stays
        assert_eq!(violations(&mut owner).await.into_iter().collect::<Vec<_>>(), ["r value bad"]);
        writer.close().await.unwrap();
        owner.close().await.unwrap();
    });
}

#[test]
fn a_put_that_waits_longer_than_a_statement_may_is_refused_and_stored_and_can_be_repeated() {
    let world = World::with(&[registration("ecs", "r", "n", &[("env", "prod")])]);
    let policy = Policy { is_enforced: true, ..required("env", "env") };
    block_on(async {
        let mut writer = world.db.connect().await;
        writer.execute("begin").await.unwrap();
        writer.execute("select from tagd.resource for update").await.unwrap();
        let mut settings = world.db.settings();
        settings.statement_timeout = Duration::from_millis(300);
        let store = Store::open(&settings, SessionProfile::Serve).await.unwrap();
        let registry = registry_of(&store);
        let principal = Principal::command("test");
        let refused = registry.put_policy(&principal, policy.clone(), &Condition::None).await;
        assert!(matches!(refused, Err(RegistryError::Other(RequestError::Unavailable { .. }))), "{refused:?}");
        let name = PolicyRef { name: "env", domain_id: None };
        assert_eq!(registry.find_policy(&principal, name).await.unwrap().policy, policy);
        writer.execute("commit").await.unwrap();
        let (created, _) = registry.put_policy(&principal, policy, &Condition::None).await.unwrap();
        assert!(!created);
        store.close().await;
        writer.close().await.unwrap();
    });
}

#[test]
fn a_policy_that_is_deleted_with_its_project_meanwhile_is_created_anew() {
    let world = World::with(&[registration("ecs", "r", "n", &[])]);
    put(&world, "env", &json!({ "key": "env", "required": true, "project_id": "p" }));
    let (mut remover, mut looking) = block_on(async { (world.db.connect().await, world.db.connect().await) });
    block_on(async {
        remover.execute("begin; select tagd.remove_project('p', true, null)").await.unwrap();
    });
    thread::scope(|scope| {
        let put = scope.spawn(|| put(&world, "env", &json!({ "key": "env", "required": true })));
        eventually("the change waits", || !block_on(waiting_for_locks(&mut looking)).is_empty());
        block_on(async { remover.execute("commit").await.unwrap() });
        assert_eq!(put.join().unwrap().status, 201);
    });
    block_on(async {
        remover.close().await.unwrap();
        looking.close().await.unwrap();
    });
}

#[test]
fn a_type_is_removed_after_a_strict_import_that_puts_policies_in_the_end() {
    let world = World::new();
    let body = json!({ "service": "TMS", "regional": true, "tag_quota": 5 });
    assert_eq!(send(&world, "PUT", "/registry/v1/types/t", &body).status, 201);
    let (mut import, mut looking) = block_on(async { (world.db.connect().await, world.db.connect().await) });
    let begun = "begin;
        select tagd.enter_import(true);
        insert into tagd.project (project_id) values ('p');
        insert into tagd.scope (project_id, resource_type, domain_id) values ('p', 't', '')";
    block_on(import.execute(begun)).unwrap();
    thread::scope(|scope| {
        let removed = scope.spawn(|| send(&world, "DELETE", "/registry/v1/types/t", &json!(null)));
        eventually("the removal waits", || !block_on(waiting_for_locks(&mut looking)).is_empty());
        let policy = "select pg_advisory_xact_lock(hashtextextended('tagd.policy', 0)); commit";
        block_on(import.execute(policy)).expect("the removal has the lock of policies already");
        // in use by now
        assert_eq!(removed.join().unwrap().status, 409);
    });
    block_on(async {
        import.close().await.unwrap();
        looking.close().await.unwrap();
    });
}

#[test]
fn a_trial_keeps_its_connection() {
    let world = World::with(&[registration("ecs", "r", "n", &[])]);
    block_on(async {
        let store = world.db.store(SessionProfile::Serve, 1).await;
        let registry = registry_of(&store);
        let principal = Principal::command("test");
        let policy = Policy { pattern: Some("[a-z]+".into()), ..required("env", "env") };
        let mut owner = world.db.connect().await;
        let mut sessions = Vec::new();
        for _ in 0..2 {
            registry.try_policy(&principal, policy.clone(), None).await.unwrap();
            let pid: i32 = sqlx::query_scalar(
                "select pid from pg_stat_activity
                  where datname = current_database() and query like '%tagd.try_policy%' and pid <> pg_backend_pid()
                  order by backend_start desc limit 1",
            )
            .fetch_one(&mut owner)
            .await
            .unwrap();
            sessions.push(pid);
        }
        assert_eq!(sessions[0], sessions[1]);
        owner.close().await.unwrap();
        store.close().await;
    });
}

#[test]
fn types_that_are_deleted_at_once_leave_no_policy_for_no_type() {
    let world = World::new();
    for name in ["t1", "t2"] {
        let body = json!({ "service": "TMS", "regional": true, "tag_quota": 5 });
        assert_eq!(send(&world, "PUT", &format!("/registry/v1/types/{name}"), &body).status, 201);
    }
    put(&world, "both", &json!({ "key": "k", "required": true, "resource_types": ["t1", "t2"] }));
    let (mut remover, mut looking) = block_on(async { (world.db.connect().await, world.db.connect().await) });
    block_on(remover.execute("begin; select tagd.remove_type('t1', null)")).unwrap();
    thread::scope(|scope| {
        let removed = scope.spawn(|| send(&world, "DELETE", "/registry/v1/types/t2", &json!(null)));
        eventually("the other removal waits", || !block_on(waiting_for_locks(&mut looking)).is_empty());
        block_on(remover.execute("commit")).unwrap();
        assert_eq!(removed.join().unwrap().status, 204);
    });
    let page = send(&world, "GET", "/registry/v1/policies", &json!(null)).json();
    assert_eq!(page["policies"], json!([]));
    block_on(async {
        remover.close().await.unwrap();
        looking.close().await.unwrap();
    });
}
