//! What a query costs besides the database: `decode`, `compile` and `encode` of each dialect, by `cargo bench`.
#![expect(clippy::panic, reason = "a benchmark that cannot run says why")]

use std::{hint::black_box, sync::Arc};

use criterion::{Criterion, criterion_group, criterion_main};
use tagd::{
    compiler::compile,
    dialects::{DIALECTS, Method, PathParameters, Route, WireRequest},
    domain::{Answer, Command, Item, Page, Scope},
};

/// A request as a client might send it: two lists, an or of values, where the dialect knows it a substring.
struct Case {
    dialect: &'static str,
    path: &'static str,
    parameters: &'static [(&'static str, &'static str)],
    query: &'static str,
    body: &'static str,
    scopes: &'static [i64],
}

const CASES: [Case; 4] = [
    Case {
        dialect: "ims",
        path: "/v2/{project_id}/images/resource_instances/action",
        parameters: &[("project_id", "fd73a4a14a4a4dfb9771a8475e5198ea")],
        query: "",
        body: r#"{"action":"filter","limit":"10","offset":"20","tags":[{"key":"env","values":["prod"]},
            {"key":"os","values":["debian-12","*ubuntu"]}],"not_tags_any":[{"key":"owner","values":[]}]}"#,
        scopes: &[1],
    },
    Case {
        dialect: "dns",
        path: "/v2/{project_id}/{resource_type}/resource_instances/action",
        parameters: &[("project_id", "fd73a4a14a4a4dfb9771a8475e5198ea"), ("resource_type", "DNS-public_zone")],
        query: "",
        body: r#"{"action":"filter","limit":10,"offset":20,"tags":[{"key":"env","values":["prod"]},
            {"key":"os","values":["debian-12","*ubuntu"]}],"not_tags_any":[{"key":"owner","values":[]}]}"#,
        scopes: &[1],
    },
    Case {
        dialect: "cts",
        path: "/v3/{project_id}/{resource_type}/resource-instances/filter",
        parameters: &[("project_id", "fd73a4a14a4a4dfb9771a8475e5198ea"), ("resource_type", "cts-tracker")],
        query: "limit=10&offset=20",
        body: r#"{"tags":[{"key":"env","values":["prod"]},{"key":"data-class","values":["pci","*erson"]}]}"#,
        scopes: &[1],
    },
    Case {
        dialect: "tms",
        path: "/v1.0/resource-instances/filter",
        parameters: &[],
        query: "",
        body: r#"{"project_id":"fd73a4a14a4a4dfb9771a8475e5198ea","resource_types":["ecs","disk","images"],
            "limit":10,"offset":20,"tags":[{"key":"env","values":["prod"]},{"key":"os","values":["debian-12","x"]}]}"#,
        scopes: &[1, 2, 3],
    },
];

fn route(case: &Case) -> &'static Route {
    let routes = DIALECTS.iter().filter(|dialect| dialect.service.name.eq_ignore_ascii_case(case.dialect));
    routes
        .flat_map(|dialect| dialect.routes)
        .find(|route| route.method == Method::Post && route.path == case.path)
        .unwrap_or_else(|| panic!("{} has no {}", case.dialect, case.path))
}

fn decode(case: &Case, route: &Route) -> Command {
    let parameters = case.parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let request = WireRequest {
        path: PathParameters::new(parameters.collect()),
        query: case.query,
        client_project: None,
        body: case.body.as_bytes(),
    };
    (route.operation.decode)(&request).unwrap_or_else(|fault| panic!("{}: {fault}", case.dialect))
}

/// A page of so many resources with five tags each.
fn page(resources: u32) -> Answer {
    let scope = Arc::new(Scope {
        scope_id: 1,
        project_id: "fd73a4a14a4a4dfb9771a8475e5198ea".to_owned(),
        project_name: "shop-prod".to_owned(),
        resource_type: "images".to_owned(),
    });
    let item = |i: u32| {
        let values = ["app", "cost", "env", "owner", "team"].map(|key| (key, format!("{key}-{i}")));
        let parts: Vec<&str> = values.iter().flat_map(|(key, value)| [*key, value.as_str()]).collect();
        let (id, name) = (format!("{i:032x}"), format!("gateway-{i}"));
        Item::new(Arc::clone(&scope), &id, &name, Some(r#"{"status": "active"}"#), &parts)
    };
    Answer::Page(Page { total: 449_579, items: (0..resources).map(item).collect() })
}

fn pure(criterion: &mut Criterion) {
    for case in &CASES {
        let route = route(case);
        let command = decode(case, route);
        let Command::Query(ask) = &command else { panic!("{} is no query", case.path) };
        let mut group = criterion.benchmark_group(case.dialect);
        group.bench_function("decode", |bencher| bencher.iter(|| decode(black_box(case), route)));
        group.bench_function("compile", |bencher| {
            bencher.iter(|| compile(black_box(&ask.query), case.scopes, ask.output));
        });
        for resources in [10, 100] {
            let answer = page(resources);
            group.bench_function(format!("encode {resources}"), |bencher| {
                bencher.iter(|| (route.operation.encode)(&command, black_box(&answer)));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, pure);
criterion_main!(benches);
