//! The catalog: the services of tagd, and the URL of each.

use serde_json::{Value, json};

/// Type, name, and path of each service's endpoint.
const SERVICES: [(&str, &str, &str); 5] = [
    ("image", "ims", "/v2"),
    ("dns", "dns", "/v2"),
    ("tms", "tms", "/v1.0"),
    ("cts", "cts", "/v3"),
    ("identity", "tagd", "/v3"),
];

/// The endpoint of a service, which has the same fields in the catalog and in the list of endpoints.
fn endpoint(kind: &str, path: &str, base: &str, region: &str) -> Value {
    json!({
        "id": format!("{kind}-public"),
        "interface": "public",
        "region": region,
        "region_id": region,
        "url": format!("{base}{path}"),
    })
}

/// The catalog, as it is in a token.
pub(super) fn catalog(base: &str, region: &str) -> Value {
    let entry = |(kind, name, path): &(&str, &str, &str)| json!({ "id": kind, "type": kind, "name": name, "endpoints": [endpoint(kind, path, base, region)] });
    SERVICES.iter().map(entry).collect()
}

/// The endpoints.
pub(super) fn endpoints(base: &str, region: &str) -> Vec<Value> {
    let entry = |(kind, _, path): &(&str, &str, &str)| {
        let mut endpoint = endpoint(kind, path, base, region);
        if let Some(fields) = endpoint.as_object_mut() {
            fields.insert("service_id".to_owned(), json!(kind));
            fields.insert("enabled".to_owned(), json!(true));
            fields.insert("links".to_owned(), json!({ "self": format!("{base}/v3/endpoints/{kind}-public") }));
        }
        endpoint
    };
    SERVICES.iter().map(entry).collect()
}

/// The services.
pub(super) fn services(base: &str) -> Vec<Value> {
    let entry = |(kind, name, _): &(&str, &str, &str)| {
        let links = json!({ "self": format!("{base}/v3/services/{kind}") });
        json!({ "id": kind, "type": kind, "name": name, "description": "", "enabled": true, "links": links })
    };
    SERVICES.iter().map(entry).collect()
}

/// The version of the identity API.
pub(super) fn version(base: &str) -> Value {
    let media = json!([{
        "base": "application/json",
        "type": "application/vnd.openstack.identity-v3+json",
    }]);
    json!({ "version": {
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{ "rel": "self", "href": format!("{base}/v3/") }],
        "media-types": media,
    } })
}
