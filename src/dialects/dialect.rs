//! The data and functions that define a dialect.

use crate::domain::{Answer, Command, RequestError, Tag, services::CloudService};

/// A wire dialect.
#[derive(Debug)]
pub struct Dialect {
    /// The service whose API it is, with its resource types.
    pub service: CloudService,
    /// Its operations.
    pub routes: &'static [Route],
    /// Status and code of an error, which may depend on the command that failed; the command is `None` if the request
    /// could not be decoded.
    pub wire_error: fn(&RequestError, Option<&Command>) -> WireError,
    /// Body of an error, from code and message.
    pub encode_error: fn(&str, &str) -> Vec<u8>,
}

/// An operation with its method and path.
#[derive(Debug)]
pub struct Route {
    /// Method.
    pub method: Method,
    /// Path, with `{name}` for a segment that varies.
    pub path: &'static str,
    /// The operation.
    pub operation: Operation,
}

/// The methods that dialects use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// GET
    Get,
    /// POST
    Post,
    /// PUT
    Put,
    /// DELETE
    Delete,
}

impl Method {
    /// The method's name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// An operation: how its request is decoded and its answer encoded.
#[derive(Debug, Clone, Copy)]
pub struct Operation {
    /// Decodes the request.
    pub decode: fn(&WireRequest<'_>) -> Result<Command, RequestError>,
    /// Encodes the answer to the command that was decoded.
    pub encode: fn(&Command, &Answer) -> Result<WireReply, RequestError>,
    /// Whether the request has a body, which must have the content type JSON. Otherwise a body is ignored; for a
    /// change, it must still have a content type.
    pub body: bool,
}

/// A response.
#[derive(Debug)]
pub struct WireReply {
    /// HTTP status.
    pub status: u16,
    /// JSON; empty for an answer without a body.
    pub body: Vec<u8>,
    /// Writes the rest of a [list](Answer::TagList) that is longer than the body; `None` if the body is complete.
    pub rest: Option<Box<dyn ListWriter>>,
}

/// Writes a list of tags piece by piece.
pub trait ListWriter: std::fmt::Debug {
    /// Writes everything before the first tag.
    fn begin(&mut self, json: &mut Vec<u8>);
    /// Writes some tags.
    fn each(&mut self, tags: &[Tag], json: &mut Vec<u8>);
    /// Writes everything after the last tag; `next` is the [marker](crate::domain::TagList::next) of the list.
    fn end(&mut self, next: Option<&str>, json: &mut Vec<u8>);
}

impl WireReply {
    /// 200 with a body.
    pub fn ok(body: Vec<u8>) -> Self {
        Self { status: 200, body, rest: None }
    }

    /// A status without a body.
    pub fn empty(status: u16) -> Self {
        Self { status, body: Vec::new(), rest: None }
    }
}

/// A request as a dialect sees it.
#[derive(Debug)]
pub struct WireRequest<'a> {
    /// The varying segments of the path, percent-decoded.
    pub path: PathParameters,
    /// The query string, as it was sent.
    pub query: &'a str,
    /// The project that the client names in `X-Project-Id`, for routes without a project in the path.
    pub client_project: Option<&'a str>,
    /// The body, as it was sent.
    pub body: &'a [u8],
}

/// The varying segments of a path by name.
#[derive(Debug, Default)]
pub struct PathParameters(Vec<(String, String)>);

impl PathParameters {
    /// Parameters from names and values.
    pub fn new(parameters: Vec<(String, String)>) -> Self {
        Self(parameters)
    }

    /// The value of a parameter; empty if the route has no parameter of this name.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

/// How an error is sent on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WireError {
    /// HTTP status.
    pub status: u16,
    /// Code of the service.
    pub code: &'static str,
}
