//! The routes of the server as metrics name them: a number for each, which is found once, when the router is built.

use std::sync::{PoisonError, RwLock};

use actix_web::{
    HttpRequest,
    dev::{ResourceDef, Url},
    http::Uri,
};

/// The most routes that are told apart. There are about 90.
pub(super) const MOST: usize = 160;

/// The number of a route; a resource of the router has it in its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RouteId(pub(super) usize);

impl RouteId {
    /// What no route matches.
    pub(super) const NONE: Self = Self(0);
}

/// A route as labels of metrics name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RouteName {
    /// The dialect, `registry`, `identity` or `tagd`; `none` for what no route matches.
    pub(super) dialect: String,
    /// The template of the path.
    pub(super) path: String,
}

/// All routes of the program by their numbers. Each worker builds the same router.
static NAMES: RwLock<Vec<RouteName>> = RwLock::new(Vec::new());

/// The number of a route, which is the same for all workers.
pub(super) fn number(dialect: &str, path: &str) -> RouteId {
    let name = RouteName { dialect: dialect.to_ascii_lowercase(), path: path.to_owned() };
    let mut names = NAMES.write().unwrap_or_else(PoisonError::into_inner);
    if names.is_empty() {
        names.push(RouteName::none());
    }
    if let Some(known) = names.iter().position(|known| *known == name) {
        return RouteId(known);
    }
    if names.len() >= MOST {
        return RouteId::NONE;
    }
    names.push(name);
    RouteId(names.len() - 1)
}

impl RouteName {
    /// What no route matches.
    pub(super) fn none() -> Self {
        Self { dialect: "none".to_owned(), path: "none".to_owned() }
    }
}

/// The name of a route.
pub(super) fn name(route: RouteId) -> RouteName {
    let names = NAMES.read().unwrap_or_else(PoisonError::into_inner);
    names.get(route.0).cloned().unwrap_or_else(RouteName::none)
}

/// The names of all routes, by their numbers.
pub(super) fn names() -> Vec<RouteName> {
    NAMES.read().unwrap_or_else(PoisonError::into_inner).clone()
}

/// The route that has handled a request, if one has.
pub(super) fn of(request: &HttpRequest) -> Option<RouteId> {
    request.app_data().copied()
}

/// The patterns of all routes, for requests that have not reached the router.
#[derive(Debug)]
pub(super) struct Patterns(Vec<(ResourceDef, RouteId)>);

impl Patterns {
    /// Those of the router of this worker, which has been built.
    pub(super) fn new() -> Self {
        let named = names().into_iter().enumerate().skip(1);
        Self(named.map(|(number, name)| (ResourceDef::new(name.path), RouteId(number))).collect())
    }

    /// The first route that a request could have, whatever its method.
    pub(super) fn find(&self, uri: &Uri) -> RouteId {
        // as the router reads it
        let url = Url::new(uri.clone());
        let found = self.0.iter().find(|(pattern, _)| pattern.is_match(url.path()));
        found.map_or(RouteId::NONE, |(_, route)| *route)
    }
}
