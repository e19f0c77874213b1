//! The statement that tagd runs for a request: what `tools/bench` gives to pgbench as the limit of the HTTP side.
//!
//! Each line of standard input is a JSON object with `path` and `body` of a query (POST) and with `scopes`, the numbers
//! of the scopes it runs over in the order of the answer. Each line of output has the `text` of the statement and its
//! `arguments` as Postgres reads them from text.

use std::{
    error::Error,
    io::{self, BufRead},
};

use serde::Deserialize;
use serde_json::json;
use tagd::{
    compiler::{Argument, compile},
    dialects::{DIALECTS, Method, PathParameters, Route, WireRequest},
    domain::Command,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    path: String,
    body: String,
    scopes: Vec<i64>,
}

fn main() -> Result<(), Box<dyn Error>> {
    for line in io::stdin().lock().lines() {
        let request: Request = serde_json::from_str(&line?)?;
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let (route, parameters) = DIALECTS
            .iter()
            .flat_map(|dialect| dialect.routes)
            .filter(|route| route.method == Method::Post)
            .find_map(|route| Some((route, parameters_of(route, path)?)))
            .ok_or_else(|| format!("no dialect has POST {path}"))?;
        let wire = WireRequest { path: parameters, query, client_project: None, body: request.body.as_bytes() };
        let Command::Query(ask) = (route.operation.decode)(&wire)? else {
            return Err(format!("{path} is no query").into());
        };
        let compiled = compile(&ask.query, &request.scopes, ask.output);
        let arguments: Vec<String> = compiled.arguments.iter().map(literal).collect();
        println!("{}", json!({ "text": compiled.text, "arguments": arguments }));
    }
    Ok(())
}

/// The varying segments of a path, if it is one of the route's.
fn parameters_of(route: &Route, path: &str) -> Option<PathParameters> {
    let (wanted, given): (Vec<&str>, Vec<&str>) = (route.path.split('/').collect(), path.split('/').collect());
    if wanted.len() != given.len() {
        return None;
    }
    let mut parameters = Vec::new();
    for (wanted, given) in wanted.into_iter().zip(given) {
        match wanted.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) => parameters.push((name.to_owned(), given.to_owned())),
            None if wanted == given => {}
            None => return None,
        }
    }
    Some(PathParameters::new(parameters))
}

fn literal(argument: &Argument) -> String {
    match argument {
        Argument::Kind(value) => value.to_string(),
        Argument::Integer(value) => value.to_string(),
        Argument::Text(value) => value.clone(),
        Argument::Integers(values) => array(values),
        Argument::Groups(values) => array(values),
        Argument::Kinds(values) => array(values),
        Argument::Texts(values) => {
            let quote = |value: &String| format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""));
            array(&values.iter().map(quote).collect::<Vec<_>>())
        }
    }
}

fn array<T: ToString>(values: &[T]) -> String {
    format!("{{{}}}", values.iter().map(ToString::to_string).collect::<Vec<_>>().join(","))
}
