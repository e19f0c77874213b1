//! The requests that the services' own documents print.

use crate::support::{Wire, World, in_all_dialects};

#[test]
fn every_request_that_a_document_prints_is_accepted_as_it_stands() {
    let world = World::empty();
    let ims = r#"
        {
           "action": "filter",
           "limit": "1",
           "offset": "0",
           "matches": [{
              "key": "resource_name",
              "value": "test100"
           }],
           "tags": [
           {
              "key": "key3",
              "values": ["valueXX"]
           }],
           "tags_any": [
           {
              "key": "key0",
              "values": ["valueXX"]
           }],
           "not_tags": [
           {
              "key": "key9",
              "values": ["value9"]
           }],
           "not_tags_any": [{
              "key": "key7",
              "values": ["value7"]
           }]
        }
        "#;
    let ims_count =
        ims.replace("\"filter\"", "\"count\"").replace("\"limit\": \"1\",", "").replace("\"offset\": \"0\",", "");
    let dns = r#"
{
  "offset" : "100",
  "limit" : "100",
  "action" : "filter",
  "matches" : [ {
    "key" : "resource_name",
    "value" : "resource1"
  } ],
  "not_tags" : [ {
    "key" : "key1",
    "values" : [ "*value1", "value2" ]
  } ],
  "tags" : [ {
    "key" : "key1",
    "values" : [ "*value1", "value2" ]
  } ],
  "tags_any" : [ {
    "key" : "key1",
    "values" : [ "value1", "value2" ]
  } ],
  "not_tags_any" : [ {
    "key" : "key1",
    "values" : [ "value1", "value2" ]
  } ]
}
"#;
    let tms = r#"
{
  "project_id" : "e1eb7c40cbeaxxxxxxcde527594a306d",
  "resource_types" : [ "disk", "ecs" ],
  "tags" : [ {
    "key" : "env",
    "values" : [ "dev", "prod" ]
  }, {
    "key" : "test",
    "values" : [ "test" ]
  } ],

  "without_any_tag" : true,
  "offset" : 0,
  "limit" : 10
}
"#;
    let cts = r#"
{
  "offset" : "100",
  "limit" : "100",
  "action" : "filter",
  "without_any_tag" : true,
  "tags" : [ {
    "key" : "key1",
    "values" : [ "*value1", "value2" ]
  } ],
  "tags_any" : [ {
    "key" : "key1",
    "values" : [ "*value1", "value2" ]
  } ],
  "not_tags" : [ {
    "key" : "key1",
    "values" : [ "*value1", "value2" ]
  } ],
  "not_tags_any" : [ {
    "key" : "key1",
    "values" : [ "*value1", "value2" ]
  } ],
  "sys_tags" : [ {
    "key" : "key1",
    "values" : [ "*value1", "value2" ]
  } ],
  "matches" : [ {
    "key" : "resource_name",
    "value" : "resource1"
  } ]
}
"#;
    for (wire, body) in
        [(Wire::Ims, ims), (Wire::Ims, &ims_count), (Wire::Dns, dns), (Wire::Tms, tms), (Wire::Cts, cts)]
    {
        for world in [&world, &in_all_dialects(&[("r", "resource1", &[("key1", "value2")])])] {
            let answer = world.post(wire.path(), body);
            assert_eq!(answer.status, 200, "{wire:?}: {}", answer.body);
        }
    }
}
