//! Errors of `report.matching`, and what it takes besides the queries of the property test.

use sqlx::{Connection, PgConnection};

use super::demo;
use crate::support::block_on;

/// The first project of the demo fleet.
const PROJECT: &str = "fd73a4a14a4a4dfb9771a8475e5198ea";

async fn count(connection: &mut PgConnection, resource_type: &str, query: Option<&str>) -> Result<i64, String> {
    sqlx::query_scalar("select count(*) from report.matching($1, $2, $3::text::jsonb)")
        .bind(PROJECT)
        .bind(resource_type)
        .bind(query)
        .fetch_one(connection)
        .await
        .map_err(|error| {
            let error = error.into_database_error().unwrap();
            assert_eq!(error.code().unwrap(), "22023");
            error.message().to_owned()
        })
}

#[test]
fn an_invalid_query_is_an_error_that_names_the_field() {
    let db = demo();
    block_on(async {
        let mut owner = db.connect().await;
        let fields = "tags, tags_any, not_tags, not_tags_any, sys_tags, without_any_tag and matches";
        let unknown = format!("query.limit: unknown field; the fields are {fields}");
        for (query, message) in [
            (None, "query: must be an object"),
            (Some("[]"), "query: must be an object"),
            (Some(r#"{"limit":1,"tags":[]}"#), unknown.as_str()),
            (Some(r#"{"without_any_tag":"yes"}"#), "query.without_any_tag: must be true or false"),
            (Some(r#"{"tags":{}}"#), "query.tags: must be a list"),
            (Some(r#"{"tags":["env"]}"#), "query.tags[0]: must be an object with key and values"),
            (
                Some(r#"{"tags_any":[{"keys":1}]}"#),
                "query.tags_any[0].keys: unknown field; the fields are key and values",
            ),
            (Some(r#"{"not_tags":[{"values":[]}]}"#), "query.not_tags[0].key: is required"),
            (Some(r#"{"not_tags_any":[{"key":"a"},{"key":7}]}"#), "query.not_tags_any[1].key: must be a string"),
            (Some(r#"{"sys_tags":[{"key":""}]}"#), "query.sys_tags[0].key: must not be empty"),
            (Some(r#"{"tags":[{"key":"a"},{"key":"a"}]}"#), "query.tags[1].key: duplicate key \"a\""),
            (Some(r#"{"tags":[{"key":"a","values":"b"}]}"#), "query.tags[0].values: must be a list"),
            (Some(r#"{"tags":[{"key":"a","values":["b",1]}]}"#), "query.tags[0].values[1]: must be a string"),
            (Some(r#"{"tags":[{"key":"a","values":["b","b"]}]}"#), "query.tags[0].values[1]: duplicate value \"b\""),
            (
                Some(r#"{"tags":[{"key":"a","values":["*"]}]}"#),
                "query.tags[0].values[0]: an asterisk must be followed by text",
            ),
            (Some(r#"{"matches":{}}"#), "query.matches: must be a list"),
            (Some(r#"{"matches":[1]}"#), "query.matches[0]: must be an object with key and value"),
            (
                Some(r#"{"matches":[{"key":"resource_name","values":[]}]}"#),
                "query.matches[0].values: unknown field; the fields are key and value",
            ),
            (Some(r#"{"matches":[{"value":"a"}]}"#), "query.matches[0].key: is required"),
            (
                Some(r#"{"matches":[{"key":"name"}]}"#),
                "query.matches[0].key: must be \"resource_name\" or \"resource_id\", got \"name\"",
            ),
            (Some(r#"{"matches":[{"key":"resource_name","value":1}]}"#), "query.matches[0].value: must be a string"),
            (Some(r#"{"matches":[{"key":"resource_id"}]}"#), "query.matches[0].value: must not be empty"),
            (
                Some(r#"{"matches":[{"key":"resource_id","value":"a"},{"key":"resource_id","value":"b"}]}"#),
                "query.matches[1].key: duplicate key \"resource_id\"",
            ),
        ] {
            assert_eq!(count(&mut owner, "images", query).await, Err(message.to_owned()), "{query:?}");
            // the same where the project has no such resources, so that a mistake is not an empty answer
            assert_eq!(count(&mut owner, "scaling_group", query).await, Err(message.to_owned()), "{query:?}");
        }
        let unknown = count(&mut owner, "image", Some("{}")).await;
        assert_eq!(unknown, Err("resource_type: there is no type \"image\"".to_owned()));
        owner.close().await.unwrap();
    });
}

#[test]
fn null_is_the_same_as_leaving_out_and_an_alias_is_its_type() {
    let db = demo();
    block_on(async {
        let mut owner = db.connect().await;
        let all = count(&mut owner, "images", Some("{}")).await.unwrap();
        assert!(all > 2);
        let nothing = r#"{"tags":null,"without_any_tag":null,"matches":null,"tags_any":[]}"#;
        assert_eq!(count(&mut owner, "images", Some(nothing)).await, Ok(all));
        assert_eq!(count(&mut owner, "private_image", Some("{}")).await, Ok(all));
        assert_eq!(count(&mut owner, "scaling_group", Some("{}")).await, Ok(0));
        let tagged = count(&mut owner, "images", Some(r#"{"tags":[{"key":"env","values":null}]}"#)).await;
        assert_eq!(tagged, count(&mut owner, "images", Some(r#"{"tags":[{"key":"env"}]}"#)).await);
        // ignored, as the dialects ignore them, even if they are malformed
        let untagged = count(&mut owner, "images", Some(r#"{"without_any_tag":true,"tags":7}"#)).await.unwrap();
        assert_eq!(Ok(untagged), count(&mut owner, "images", Some(r#"{"without_any_tag":true}"#)).await);
        owner.close().await.unwrap();
    });
}
