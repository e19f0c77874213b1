//! Handles a request: determines the principal, decodes the command, runs it and encodes the response.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Version, header::HeaderName},
    web::{Data, Payload},
};

use super::{
    body::{self, Held},
    conditions::{self, Outcome},
    outgoing::Read,
    path,
    pieces::Pieces,
    principal, refusal,
    room::Taken,
    state::AppState,
};
use crate::{
    auth::Principal,
    dialects::{Dialect, Route, WireReply, WireRequest},
    domain::{Answer, Command, FieldKind, RequestError},
    memory::SMALL,
};

const PROJECT: HeaderName = HeaderName::from_static("x-project-id");

/// A request to a route of a dialect.
struct Call {
    dialect: &'static Dialect,
    route: &'static Route,
    request: HttpRequest,
}

/// Runs a route of a dialect.
pub(super) async fn run(
    dialect: &'static Dialect,
    route: &'static Route,
    request: HttpRequest,
    payload: Payload,
) -> HttpResponse {
    let call = Call { dialect, route, request };
    call.run(payload).await.unwrap_or_else(|refused| refused)
}

impl Call {
    /// Runs all steps. An error is the response to send.
    async fn run(&self, payload: Payload) -> Result<HttpResponse, HttpResponse> {
        let state = AppState::of(&self.request).map_err(|error| self.refuse(&error))?;
        // authenticate
        let principal = principal::identify(&self.request).map_err(|error| self.refuse(&error))?;
        // decode
        // the room of the body is kept with the command, which was made of it
        let (command, _room) = self.decode(payload).await?;
        // run: each use case has `service/access.rs` authorize the principal, then compiles and runs
        let answer = state.service.run(&principal, &command).await.map_err(|error| self.refuse_as(&error, &command))?;
        // encode
        let encode = self.route.operation.encode;
        let reply = encode(&command, &answer).map_err(|error| self.refuse_as(&error, &command))?;
        self.reply(state, principal, &command, reply, answer).await
    }

    /// Reads the request as the dialect's command.
    async fn decode(&self, payload: Payload) -> Result<(Command, Taken), HttpResponse> {
        let Self { dialect, route, request } = self;
        // a path that is not UTF-8 once decoded names nothing
        let path = path::parameters(request).ok_or_else(|| refusal::not_found(request))?;
        if route.operation.body {
            body::check_type(request).map_err(|reason| refusal::wrong_type(dialect, &reason))?;
        }
        let Held { bytes, room } = body::read(request, payload)
            .await
            .map_err(|error| refusal::bad_body(dialect, &refusal::id_of(request), error))?;
        let client_project = client_project(request).map_err(|error| self.refuse(&error))?;
        let wire = WireRequest { path, query: request.query_string(), client_project, body: &bytes };
        let command = (route.operation.decode)(&wire).map_err(|error| self.refuse(&error))?;
        if command.is_write() {
            body::check_change(request).map_err(|reason| refusal::wrong_type(dialect, &reason))?;
            conditions::none(request, "is not supported here, only registered resources have an ETag")
                .map_err(|error| self.refuse(&error))?;
        }
        Ok((command, room))
    }

    /// The response to send, after the conditions of the request.
    async fn reply(
        &self,
        state: &Data<AppState>,
        principal: Principal,
        command: &Command,
        reply: WireReply,
        answer: Answer,
    ) -> Result<HttpResponse, HttpResponse> {
        match conditions::of_read(&self.request, None) {
            Ok(Outcome::Failed) => return Err(refusal::condition_failed(self.dialect)),
            Ok(_) => {}
            Err(error) => return Err(self.refuse(&error)),
        }
        let mut response = refusal::status(reply.status);
        if reply.body.is_empty() {
            return Ok(response.finish());
        }
        response.content_type("application/json");
        if reply.body.len() > SMALL && !command.is_write() {
            response.extensions_mut().insert(Read);
        }
        let (Some(writer), Answer::TagList(list)) = (reply.rest, answer) else { return Ok(response.body(reply.body)) };
        let pieces = Pieces::new(state.service.clone(), principal, reply.body, writer, list);
        // HTTP/1.0 has no chunked coding, so a client could not distinguish a truncated response from a complete one
        if self.request.version() < Version::HTTP_11 {
            let body = Box::pin(pieces.collect()).await.map_err(|error| self.refuse_as(&error, command))?;
            return Ok(response.body(body));
        }
        Ok(response.streaming(state.server.in_flight(pieces.stream())))
    }

    /// The response to an error before there is a command.
    fn refuse(&self, error: &RequestError) -> HttpResponse {
        refusal::error(self.dialect, error, None)
    }

    fn refuse_as(&self, error: &RequestError, command: &Command) -> HttpResponse {
        refusal::error(self.dialect, error, Some(command))
    }
}

/// The project that the client names in a header. If the header cannot be read, the request fails rather than run in
/// another project.
fn client_project(request: &HttpRequest) -> Result<Option<&str>, RequestError> {
    let refused = |reason: &str| RequestError::invalid(FieldKind::General, "X-Project-Id", reason);
    let mut values = request.headers().get_all(PROJECT);
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(refused("duplicate header"));
    }
    str::from_utf8(value.as_bytes()).map(Some).map_err(|_| refused("must be UTF-8"))
}
