//! Connection poolers: where sessions are kept tagd serves, elsewhere it says why not, however often it is tried.

use serde_json::json;
use sqlx::{Connection, Executor, PgConnection};
use tagd::{
    domain::Outage,
    store::{SessionProfile, Store, StoreError, StoreSettings},
};

use crate::support::{PgBouncer, Program, Said, TestDb, block_on, eventually, import_all, registration};

/// Opens a store through a pooler, as a new process does, several times. `busy` others use the pooler meanwhile.
async fn open_often(url: &str, times: usize, busy: usize) -> Vec<Result<(), StoreError>> {
    let others: Vec<_> = (0..busy)
        .map(|_| {
            let url = url.to_owned();
            tokio::spawn(async move {
                let mut connection = PgConnection::connect(&url).await.unwrap();
                loop {
                    connection.execute("select pg_sleep(0.001)").await.unwrap();
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let mut outcomes = Vec::new();
    for _ in 0..times {
        let settings = StoreSettings::of_url(url).unwrap();
        outcomes.push(match Store::open(&settings, SessionProfile::Serve).await {
            Ok(store) => {
                store.close().await;
                Ok(())
            }
            Err(error) => Err(error),
        });
    }
    for other in others {
        other.abort();
    }
    outcomes
}

#[test]
fn each_try_tells_transaction_mode_from_session_mode() {
    let Some(program) = PgBouncer::program("each_try_tells_transaction_mode_from_session_mode") else { return };
    let db = TestDb::new();
    let mut pooler = PgBouncer::to(program, &db);
    // a try takes two seconds where the only connection is in a transaction
    for (connections, times, busy) in [(1, 2, 0), (2, 20, 0), (8, 20, 0), (8, 20, 3)] {
        pooler.start("transaction", connections);
        for outcome in block_on(open_often(&pooler.url(), times, busy)) {
            assert!(matches!(outcome, Err(StoreError::Sessions { .. })), "{connections}, {busy}: {outcome:?}");
        }
    }
    for busy in [0, 3] {
        pooler.start("session", 8);
        for outcome in block_on(open_often(&pooler.url(), 20, busy)) {
            assert!(outcome.is_ok(), "{busy}: {outcome:?}");
        }
    }
}

#[test]
fn a_server_serves_behind_session_mode_and_not_behind_transaction_mode() {
    let Some(program) = PgBouncer::program("a_server_serves_behind_session_mode_and_not_behind_transaction_mode")
    else {
        return;
    };
    let db = TestDb::new();
    let fleet: Vec<_> = (0..8).map(|id| registration("images", &format!("i{id}"), "", &[("k", "v")])).collect();
    block_on(async {
        let store = db.store(SessionProfile::Bulk, 2).await;
        let mut import = store.import().await.unwrap();
        import_all(&mut import, &fleet).await.unwrap();
        drop(import);
        store.close().await;
    });
    let mut pooler = PgBouncer::to(program, &db);
    let tagd = Program::new().with("DATABASE_URL", &pooler.url());

    pooler.start("transaction", 8);
    for command in [&["serve", "--listen", "127.0.0.1:0"][..], &["export", "-"], &["migrate"], &["index", "verify"]] {
        let Said { code, out, err } = tagd.run(command);
        assert_eq!((code, out.as_str()), (Some(1), ""), "{command:?}: {err}");
        assert!(err.contains("is behind a connection pooler that does not keep sessions"), "{command:?}: {err}");
        assert_eq!(err.lines().count(), 1, "{command:?}: {err}");
    }

    pooler.start("session", 60);
    let server = tagd.serve(&["--listen", "127.0.0.1:0"]);
    let path = format!("/v2/{}/images/resource_instances/action", fleet[0].project_id);
    let count = |body: &str| {
        let answer = server.post(&path, body);
        (answer.status, answer.json())
    };
    let query = json!({"action": "count", "tags": [{"key": "k", "values": ["v"]}]}).to_string();
    let page =
        json!({"action": "filter", "limit": "3", "matches": [{"key": "resource_name", "value": ""}]}).to_string();
    for _ in 0..100 {
        assert_eq!(count(&query), (200, json!({"total_count": 8})));
        assert_eq!(count(&page).1["total_count"], 8);
    }

    // the connections break, and new ones do not keep their sessions
    pooler.start("transaction", 60);
    for _ in 0..10 {
        let answer = server.post(&path, &query);
        assert_eq!((answer.status, answer.headers.contains_key("retry-after")), (503, true), "{answer:?}");
        assert!(answer.body.contains(&Outage::Sessions.to_string()), "{answer:?}");
    }
    eventually("the server is not ready", || {
        let answer = server.get("/readyz");
        (answer.status, answer.json()["status"].clone()) == (503, json!(Outage::Sessions.to_string()))
    });

    pooler.start("session", 60);
    assert_eq!(count(&query), (200, json!({"total_count": 8})));
    eventually("the server is ready", || server.get("/readyz").status == 200);
    assert_eq!(server.stop().code, Some(0));
}
