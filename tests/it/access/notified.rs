//! What is notified to the servers of a database, and what is not.

use std::sync::mpsc;

use serde_json::json;
use sqlx::postgres::{PgListener, PgPoolOptions};
use tagd::domain::Role;

use super::{
    several::{id_of, put_project, put_resource, put_type, register, send, two},
    token,
};
use crate::support::{PATIENCE, block_on};

#[test]
fn only_what_ends_a_right_is_notified_and_no_notification_has_a_name() {
    let [world, other] = two();
    drop(other);
    let operator = token(&world, Role::Operator, "", &[]);
    put_type(&world, &operator);
    let (sender, received) = mpsc::channel();
    block_on(async {
        let pool = PgPoolOptions::new().max_connections(1).connect(&world.db.url()).await.unwrap();
        let mut listener = PgListener::connect_with(&pool).await.unwrap();
        listener.listen("tagd").await.unwrap();
        // it may only be dropped on the runtime
        tokio::spawn(async move {
            while let Ok(Some(notification)) = listener.try_recv().await {
                if sender.send(notification.payload().to_owned()).is_err() {
                    return;
                }
            }
        });
    });
    let next =
        |what: &str| received.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("nothing was notified after {what}"));
    // nothing of this is remembered by anyone
    let mut project = json!({ "domain_id": "d", "project_name": "n" });
    register(&world, "PUT", "projects/p", &operator, &project.to_string());
    project["project_name"] = "other".into();
    register(&world, "PUT", "projects/p", &operator, &project.to_string());
    put_resource(&world, &operator, "p", "i", "v");
    put_resource(&world, &operator, "unnamed", "i", "v");
    let line = json!({ "project_id": "p", "resource_type": "images", "resource_id": "j", "tags": [] });
    register(&world, "POST", "import", &operator, &line.to_string());
    for mut line in [
        json!({ "project_id": "p", "project_name": "renamed" }),
        json!({ "project_id": "new", "project_name": "n", "domain_id": "d" }),
        json!({ "project_id": "empty" }),
    ] {
        (line["resource_type"], line["resource_id"], line["tags"]) = ("images".into(), "k".into(), json!([]));
        register(&world, "POST", "import", &operator, &line.to_string());
    }
    let tag = send(&world, "POST", "/v2/p/images/i/tags", &operator, r#"{"tag":{"key":"a","value":"b"}}"#);
    assert_eq!(tag.status, 204, "{}", tag.body);
    register(&world, "PUT", "types/disk", &operator, r#"{"service":"TMS","regional":true,"tag_quota":10}"#);
    register(&world, "PUT", "policies/required", &operator, r#"{"key":"a","required":true}"#);
    register(&world, "DELETE", "projects/p/types/images/resources/j", &operator, "");
    let reader = token(&world, Role::Reader, "d", &[]);
    // what sha256sum says of "p"
    let of_p = "projects 148de9c5a7a44d19";
    put_project(&world, &operator, "p", "e");
    assert_eq!(next("a move"), of_p);
    // what sha256sum says of "new", "empty" and "unnamed"
    for (project, hash) in [("new", "11507a0e2f5e69d5"), ("empty", "2e1cfa82b035c26c"), ("unnamed", "e882bcaadb1e02e2")]
    {
        let line = json!({ "project_id": project, "domain_id": "f", "resource_type": "images", "resource_id": "k", "tags": [] });
        register(&world, "POST", "import", &operator, &line.to_string());
        assert_eq!(next("an import that moves a project"), format!("projects {hash}"));
    }
    register(&world, "DELETE", "projects/p?with_resources=true", &operator, "");
    assert_eq!(next("a deletion"), of_p);
    register(&world, "POST", &format!("tokens/{}/rotate", id_of(&reader)), &operator, "");
    assert_eq!(next("a rotation"), "credentials");
    register(&world, "DELETE", &format!("tokens/{}", id_of(&reader)), &operator, "");
    assert_eq!(next("a revocation"), "credentials");
}
