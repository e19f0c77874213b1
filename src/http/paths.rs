//! The paths of the dialects, for routing and for requests that are refused before they are routed or match no operation.

use std::sync::Arc;

use actix_web::{dev::ResourceDef, http::Method as HttpMethod};

use crate::dialects::{DIALECTS, Dialect, Method, Route};

/// The paths of all dialects.
#[derive(Debug, Clone)]
pub(super) struct Paths(pub(super) Arc<[Place]>);

impl Paths {
    pub(super) fn new() -> Self {
        Self(DIALECTS.iter().flat_map(|dialect| places(dialect)).collect())
    }

    /// The first dialect that has a path, whatever the method.
    pub(super) fn dialect_of(&self, path: &str) -> Option<&'static Dialect> {
        self.0.iter().find(|place| place.pattern.is_match(path)).map(|place| place.dialect)
    }
}

/// A path of a dialect.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) dialect: &'static Dialect,
    pub(super) pattern: ResourceDef,
    pub(super) methods: Vec<HttpMethod>,
}

fn places(dialect: &'static Dialect) -> impl Iterator<Item = Place> {
    paths(dialect).into_iter().map(move |path| Place {
        dialect,
        pattern: ResourceDef::new(path),
        methods: routes(dialect, path).flat_map(|route| methods(route.method)).collect(),
    })
}

/// The paths of a dialect, each once.
pub(super) fn paths(dialect: &'static Dialect) -> Vec<&'static str> {
    let mut paths: Vec<&'static str> = Vec::new();
    for route in dialect.routes {
        if !paths.contains(&route.path) {
            paths.push(route.path);
        }
    }
    paths
}

pub(super) fn routes(dialect: &'static Dialect, path: &'static str) -> impl Iterator<Item = &'static Route> {
    dialect.routes.iter().filter(move |route| route.path == path)
}

/// The methods that a dialect's method allows: GET includes HEAD, for which actix leaves the body out.
pub(super) fn methods(method: Method) -> Vec<HttpMethod> {
    match method {
        Method::Get => vec![HttpMethod::GET, HttpMethod::HEAD],
        Method::Post => vec![HttpMethod::POST],
        Method::Put => vec![HttpMethod::PUT],
        Method::Delete => vec![HttpMethod::DELETE],
    }
}
