//! Import and export over HTTP: NDJSON of any length, a few batches in memory at a time.

use std::{io::Read, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Bytes, BytesMut, Data, Payload},
};
use futures_util::{StreamExt, stream};
use tokio::sync::mpsc;

use super::{
    refusal::Refusal,
    wire::{self, ImportReply, Parameters, RejectedReply},
};
use crate::{
    domain::Fault,
    http::{
        body::{self, PATIENCE, Refused},
        server::Shared,
    },
    store::{Exporter, StoreError},
    transfer::{self, Keep, LoadError, Step, batches, line},
};

/// Lines that are reported one by one; of more only the number is told.
const REPORTED: usize = 1000;
/// Bytes that go out in one piece.
const PIECE: usize = 64 * 1024;
/// How long a client may take to send or take a piece.
const STALL: Duration = PATIENCE;
/// How long the rest of a refused input is still read, so that the client gets to read the answer.
const DRAIN: Duration = Duration::from_secs(5);

/// Content type of lines of JSON.
pub(super) const NDJSON: &str = "application/x-ndjson";
/// Content types that an import may have.
pub(super) const TYPES: &[&str] = &[NDJSON, "application/json"];
/// Content codings that an import may have.
pub(super) const CODINGS: &[&str] = &["gzip"];

/// Imports what the body states, a resource a line.
pub(super) async fn import(
    request: HttpRequest,
    shared: Data<Shared>,
    mut payload: Payload,
) -> Result<HttpResponse, Refusal> {
    let strict = Parameters::read(&request, &["strict"])?.flag("strict")?;
    body::check_type_of(&request, TYPES).map_err(Refusal::Type)?;
    let keep = if strict { Keep::Nothing } else { Keep::Batches };
    let aliases = shared.work.aliases().await.map_err(Fault::from)?;
    let (sender, receiver) = mpsc::channel(4);
    let input = Input { pieces: receiver, piece: Bytes::new() };
    let mut rejected = Vec::new();
    let outcome = {
        let tell = |step: Step<'_>| match step {
            Step::Rejected(bad) if rejected.len() < REPORTED => {
                rejected.push(RejectedReply { line: bad.line, reason: bad.reason.clone() });
            }
            Step::Rejected(_) | Step::Read { .. } | Step::Taken { .. } => {}
        };
        let mut load =
            std::pin::pin!(transfer::load(&shared.work, batches::of_ndjson(Box::new(input), aliases), keep, tell));
        tokio::select! {
            outcome = &mut load => outcome,
            () = feed(&mut payload, sender) => load.await,
        }
    };
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(error) => {
            let _ = tokio::time::timeout(DRAIN, async { while let Some(Ok(_)) = payload.next().await {} }).await;
            return Err(refusal_of(error, strict, rejected));
        }
    };
    let reply = ImportReply {
        created: outcome.created,
        changed: outcome.changed,
        unchanged: outcome.unchanged,
        rejected,
        rejected_count: outcome.rejected,
    };
    Ok(HttpResponse::Ok().json(reply))
}

fn refusal_of(error: LoadError, strict: bool, rejected: Vec<RejectedReply>) -> Refusal {
    let kept = if strict { "nothing was imported" } else { "whole batches before that are imported" };
    match error {
        LoadError::Store(source) | LoadError::Refused { source, .. } => Fault::from(source).into(),
        LoadError::Strict => match rejected.into_iter().next() {
            Some(RejectedReply { line, reason }) => Refusal::Line { line, reason },
            None => Refusal::Fault(Fault::internal("a strict import ended without a bad line").into()),
        },
        LoadError::Broken(source) if source.kind() == std::io::ErrorKind::TimedOut => Refusal::Body(Refused::TooSlow),
        LoadError::Broken(source) => Refusal::Input(format!("the input broke off: {source}; {kept}")),
    }
}

type Piece = std::io::Result<Bytes>;

/// Hands on what comes in; ends when all is in, when it broke off, or when nobody takes it any more.
async fn feed(payload: &mut Payload, sender: mpsc::Sender<Piece>) {
    loop {
        let piece = match tokio::time::timeout(STALL, payload.next()).await {
            Ok(None) => return,
            Ok(Some(Ok(piece))) => Ok(piece),
            Ok(Some(Err(error))) => Err(std::io::Error::other(error.to_string())),
            Err(_) => Err(std::io::ErrorKind::TimedOut.into()),
        };
        let is_last = piece.is_err();
        if sender.send(piece).await.is_err() || is_last {
            return;
        }
    }
}

/// The pieces as the thread that cuts batches reads them.
struct Input {
    pieces: mpsc::Receiver<Piece>,
    piece: Bytes,
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.piece.is_empty() {
            match self.pieces.blocking_recv() {
                None => return Ok(0),
                Some(piece) => self.piece = piece?,
            }
        }
        let part = self.piece.split_to(buffer.len().min(self.piece.len()));
        let (front, _) = buffer.split_at_mut(part.len());
        front.copy_from_slice(&part);
        Ok(part.len())
    }
}

/// Every resource, of one snapshot, in order.
pub(super) async fn export(request: HttpRequest, shared: Data<Shared>) -> Result<HttpResponse, Refusal> {
    wire::Parameters::read(&request, &[])?;
    let exporter = shared.work.export().await.map_err(Fault::from)?;
    let (sender, receiver) = mpsc::channel(2);
    actix_web::rt::spawn(run_export(exporter, sender));
    let pieces = stream::unfold(receiver, async |mut receiver| receiver.recv().await.map(|piece| (piece, receiver)));
    Ok(HttpResponse::Ok().content_type(NDJSON).streaming(Box::pin(pieces)))
}

/// Why an export stopped.
enum Stopped {
    Store(StoreError),
    Line(std::io::Error),
    /// The client is gone, or takes nothing.
    Gone,
}

impl From<StoreError> for Stopped {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

async fn run_export(exporter: Exporter, sender: mpsc::Sender<Piece>) {
    let mut piece = Vec::with_capacity(PIECE + PIECE / 4);
    let outcome = exporter
        .run(async |registration| {
            line::encode(&mut piece, &registration).map_err(Stopped::Line)?;
            if piece.len() >= PIECE {
                send(&sender, Ok(BytesMut::from(piece.as_slice()).freeze())).await?;
                piece.clear();
            }
            Ok(())
        })
        .await;
    let last = match outcome {
        Ok(()) => Ok(Bytes::from(piece)),
        Err(Stopped::Gone) => {
            tracing::info!("an export ended early: the client takes no more");
            return;
        }
        Err(Stopped::Line(error)) => Err(error),
        Err(Stopped::Store(error)) => Err(std::io::Error::other(error.to_string())),
    };
    if let Err(error) = &last {
        // the answer is broken off, so that the client does not take it for whole
        tracing::error!(%error, "an export failed");
    }
    let _ = send(&sender, last).await;
}

async fn send(sender: &mpsc::Sender<Piece>, piece: Piece) -> Result<(), Stopped> {
    match tokio::time::timeout(STALL, sender.send(piece)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(Stopped::Gone),
    }
}
