//! Scopes have the domain of their project, and their locks come in an order that no writer breaks.

use std::thread;

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tagd::store::SessionProfile;

use crate::support::{TestDb, World, block_on, eventually, import_all, registration, waiting_for_locks};

/// Scopes whose domain is not that of their project.
async fn astray(owner: &mut PgConnection) -> i64 {
    sqlx::query_scalar(
        "select count(*) from tagd.scope s left join tagd.project p on p.project_id = s.project_id
          where s.domain_id is distinct from p.domain_id",
    )
    .fetch_one(owner)
    .await
    .unwrap()
}

async fn domains(owner: &mut PgConnection) -> Vec<String> {
    assert_eq!(astray(owner).await, 0);
    sqlx::query_scalar("select concat_ws(' ', s.project_id, s.resource_type, s.domain_id) from tagd.scope s order by 1")
        .fetch_all(owner)
        .await
        .unwrap()
}

fn register(project: &str, resource_type: &str) -> String {
    format!(
        "select tagd.register_resource('{project}', '{resource_type}', 'r', '', '', null, '{{}}', null, false, '(t,r,,d,)')"
    )
}

#[test]
fn scopes_follow_the_domain_of_their_project_through_its_life() {
    let db = TestDb::new();
    block_on(async {
        let mut owner = db.connect().await;
        let step = async |owner: &mut PgConnection, statement: String, expected: &[&str]| {
            owner.execute(AssertSqlSafe(statement.clone())).await.unwrap();
            assert_eq!(domains(owner).await, expected, "{statement}");
        };
        step(&mut owner, register("p", "ecs"), &["p ecs d"]).await;
        step(&mut owner, register("p", "disk"), &["p disk d", "p ecs d"]).await;
        let put = |domain: &str| format!("select tagd.put_project('p', 'n', '{domain}', null)");
        step(&mut owner, put("e"), &["p disk e", "p ecs e"]).await;
        step(&mut owner, "select tagd.remove_project('p', true, null)".into(), &["p disk", "p ecs"]).await;
        // nothing may be written by anyone who is let in by a domain
        let foreign: bool =
            sqlx::query_scalar("select tagd.is_foreign(1, '(t,r,,e,)')").fetch_one(&mut owner).await.unwrap();
        assert!(foreign);
        step(&mut owner, put("f"), &["p disk f", "p ecs f"]).await;
        step(&mut owner, "select tagd.remove_project('p', true, null)".into(), &["p disk", "p ecs"]).await;
        // by a resource
        step(&mut owner, register("p", "eip"), &["p disk d", "p ecs d", "p eip d"]).await;
        step(&mut owner, "select tagd.remove_project('p', true, null)".into(), &["p disk", "p ecs", "p eip"]).await;
        step(&mut owner, "select tagd.put_scope('p', 'ecs')".into(), &["p disk ", "p ecs ", "p eip "]).await;
        // by an import, which also moves it
        let (mut first, mut other) = (registration("vpcs", "r", "", &[]), registration("ecs", "r", "", &[]));
        first.domain_id = Some("g".into());
        other.project_id = "q".into();
        let store = db.store(SessionProfile::Bulk, 1).await;
        import_all(&mut store.import().await.unwrap(), &[first, other]).await.unwrap();
        store.close().await;
        assert_eq!(domains(&mut owner).await, ["p disk g", "p ecs g", "p eip g", "p vpcs g", "q ecs "]);
        owner.close().await.unwrap();
    });
}

#[test]
fn a_project_that_moves_while_a_scope_of_it_is_added_takes_the_scope_along() {
    let line = "insert into pg_temp.import_line (line, project_id, resource_type, resource_id, resource_name, name_folded, tags)
                values (1, 'p', 'disk', 'r', '', '', '{}')";
    let importing = format!(
        "select tagd.begin_import(); {line}; select tagd.enter_import(false);
         select tagd.lock_import_projects_shared('(t,r,,d,)'); select tagd.import_batch('(t,r,,d,)')"
    );
    for adding in [register("p", "disk"), importing] {
        let world = World::new();
        let (mut adder, mut mover, mut looking) =
            block_on(async { (world.db.connect().await, world.db.connect().await, world.db.connect().await) });
        block_on(async {
            adder.execute(AssertSqlSafe(register("p", "ecs"))).await.unwrap();
            adder.execute("begin").await.unwrap();
            adder.execute(AssertSqlSafe(adding.clone())).await.unwrap();
        });
        thread::scope(|scope| {
            let moved =
                scope.spawn(|| block_on(mover.execute("select tagd.put_project('p', '', 'e', null)")).map(|_| ()));
            eventually("the move waits", || !block_on(waiting_for_locks(&mut looking)).is_empty());
            block_on(adder.execute("commit")).unwrap();
            moved.join().unwrap().unwrap();
        });
        block_on(async {
            assert_eq!(domains(&mut looking).await, ["p disk e", "p ecs e"], "{adding}");
            for connection in [adder, mover, looking] {
                connection.close().await.unwrap();
            }
        });
    }
}

#[test]
fn a_writer_a_deletion_and_a_strict_import_do_not_wait_for_one_another() {
    let world = World::with(&[registration("ecs", "r", "", &[])]);
    let mut connections: Vec<PgConnection> = block_on(async {
        vec![world.db.connect().await, world.db.connect().await, world.db.connect().await, world.db.connect().await]
    });
    let [writer, deleting, importing, looking] = &mut connections[..] else { unreachable!() };
    block_on(async {
        writer.execute("begin; select tagd.lock_scope_shared(s.scope_id) from tagd.scope s").await.unwrap();
    });
    thread::scope(|scope| {
        let waiting = |count: usize, looking: &mut PgConnection| block_on(waiting_for_locks(looking)).len() == count;
        let deleted =
            scope.spawn(|| block_on(deleting.execute("select tagd.remove_project('p', true, null)")).map(|_| ()));
        eventually("the deletion waits for the scope", || waiting(1, looking));
        let imported =
            scope.spawn(|| block_on(importing.execute("begin; select tagd.enter_import(true); commit")).map(|_| ()));
        eventually("the import waits for the deletion", || waiting(2, looking));
        // a table that the import waited for would be closed to the writer, for whom the deletion waits
        block_on(writer.execute("select from tagd.resource r for update; commit")).unwrap();
        deleted.join().unwrap().unwrap();
        imported.join().unwrap().unwrap();
    });
    assert_eq!(block_on(domains(looking)), ["p ecs"]);
    for connection in connections {
        block_on(connection.close()).unwrap();
    }
}
