//! Import and export over HTTP: NDJSON of any length, a few batches in memory at a time.

use std::{
    io::{self, BufRead, BufReader, ErrorKind, Read, Write},
    time::{Duration, Instant},
};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        Version,
        header::{self, AcceptEncoding, ContentEncoding, Encoding, Header},
    },
    web::{Bytes, Payload},
};
use flate2::{Compression, bufread::GzDecoder, write::GzEncoder};
use futures_util::{StreamExt, stream};
use tokio::sync::mpsc;
use tracing::Instrument;

use super::{
    refusal::Refusal,
    respond::RegistryAccess,
    wire::{self, CountsReply, ImportReply, Parameters, RejectedReply},
};
use crate::{
    app,
    domain::RequestError,
    http::{counts::Counts, error_log},
    service::{ExportError, ImportError, Snapshot},
    transfer::{
        Atomicity, Gate, Progress, Strict,
        batches::{self, Reading},
        line,
    },
};

/// Maximum number of lines that are reported one by one; beyond that only the count is reported.
const REPORTED: usize = 1000;
/// Number of bytes of lines that are buffered before they are sent.
const FLUSH_SIZE: usize = 64 * 1024;
/// Bytes of an import a second that a client must send on average. It may be slower for as long as its patience is not used up,
/// which every byte renews. In lines, blanks do not count.
const RATE: u64 = 1024;
/// How long the rest of a refused body is still read, so that the client can read the response.
const DRAIN: Duration = Duration::from_secs(5);

/// Maximum number of consecutive bytes without a line that can be read in a gzip input. A kilobyte of gzip can expand to a megabyte
/// of blank lines, and a client could send them forever.
const UNPACKED_IDLE: u64 = 256 * 1024 * 1024;

/// Content type of NDJSON.
pub(super) const NDJSON: &str = "application/x-ndjson";
/// Content types that an import may have.
pub(super) const TYPES: &[&str] = &[NDJSON, "application/json"];
/// Content codings that an import may have.
pub(super) const CODINGS: &[&str] = &["gzip"];

/// Imports the body, line by line; `coding` is one of [`CODINGS`].
pub(super) async fn import(
    request: &HttpRequest,
    access: &RegistryAccess,
    mut payload: Payload,
    coding: Option<&'static str>,
) -> Result<HttpResponse, Refusal> {
    let atomicity = wire::atomicity(request)?;
    let is_packed = coding.is_some();
    let import = access.state.registry.import(&access.principal, app::definition_limits()).await?;
    let aliases = import.aliases().await?;
    let covered = import.covered().await?;
    let server = &access.state.server;
    let (sender, receiver) = mpsc::channel(4);
    let input = Input { pieces: receiver, piece: Bytes::new() };
    let idle = is_packed.then_some(UNPACKED_IDLE);
    let input: Box<dyn Read + Send> = if is_packed { Box::new(Unpacked::Fresh(Some(input))) } else { Box::new(input) };
    let imports = &server.counts.imports;
    let _running = imports.begin();
    let (mut rejected, mut accepted) = (Vec::new(), 0);
    let outcome = {
        let report = |step: Progress<'_>| match step {
            Progress::Rejected(bad) => {
                imports.rejected.increment();
                if rejected.len() < REPORTED {
                    rejected.push(RejectedReply { line: bad.line, reason: bad.reason.clone() });
                }
            }
            Progress::Read { resources, .. } => {
                imports.accepted.add(resources.saturating_sub(accepted));
                accepted = resources;
            }
            Progress::Moving(_) | Progress::Imported { .. } | Progress::Removed { .. } => {}
        };
        let reading = Reading { aliases, covered, most_idle: idle, limits: import.limits().clone() };
        let mut load = std::pin::pin!(import.load(batches::of_ndjson(input, reading), atomicity, report));
        tokio::select! {
            outcome = &mut load => outcome,
            () = feed(&mut payload, sender, Pace::new(server.limits.patience, is_packed), &server.counts) => load.await,
        }
    };
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(error) => {
            let _ = tokio::time::timeout(DRAIN, async { while let Some(Ok(_)) = payload.next().await {} }).await;
            return Err(refusal_of(error, atomicity, rejected));
        }
    };
    let reply = ImportReply {
        created: outcome.created,
        changed: outcome.changed,
        unchanged: outcome.unchanged,
        removed: outcome.removed,
        dry_run: matches!(atomicity, Atomicity::Nothing(Strict { is_dry_run: true, .. })),
        rejected,
        rejected_count: outcome.rejected,
        definitions: outcome.definitions.iter().map(|(kind, counts)| (kind.name(), CountsReply::of(*counts))).collect(),
    };
    Ok(HttpResponse::Ok().json(reply))
}

fn refusal_of(error: ImportError, atomicity: Atomicity, rejected: Vec<RejectedReply>) -> Refusal {
    let kept = if atomicity.is_strict() { "nothing was imported" } else { "the batches before it were imported" };
    match error {
        ImportError::Changed(reason) => Refusal::Changed(format!("{reason}; {kept}")),
        ImportError::Store(error) => error.into(),
        ImportError::Denied { line, source } => Refusal::Denied { line, kept, source },
        ImportError::Strict => match rejected.into_iter().next() {
            Some(RejectedReply { line, reason }) => Refusal::Line { line, reason },
            None => Refusal::RequestError(RequestError::internal("a strict import ended without a bad line").into()),
        },
        ImportError::PruneLimit { unlisted, limit } => Refusal::PruneLimit { unlisted, limit },
        ImportError::Encoding(wrong) => RequestError::Body { reason: format!("body: {wrong}") }.into(),
        ImportError::Broken(source) if source.kind() == ErrorKind::TimedOut => Refusal::Slow { rate: RATE, kept },
        ImportError::Broken(source) if source.kind() == ErrorKind::InvalidData => {
            Refusal::Input(format!("Content-Encoding: gzip: {source}; {kept}"))
        }
        ImportError::Broken(source) => Refusal::Input(format!("body: was cut off: {source}; {kept}")),
    }
}

type Piece = io::Result<Bytes>;

/// How much longer a client may take to send.
struct Pace {
    left: Duration,
    most: Duration,
    /// Blanks are bytes like others.
    is_packed: bool,
}

impl Pace {
    fn new(patience: Duration, is_packed: bool) -> Self {
        Self { left: patience, most: patience, is_packed }
    }

    /// Counts what arrived after some time.
    fn count(&mut self, waited: Duration, piece: &[u8]) {
        let counts = |byte: &&u8| self.is_packed || !byte.is_ascii_whitespace();
        let useful = u64::try_from(piece.iter().filter(counts).count()).unwrap_or(u64::MAX);
        let earned = Duration::from_millis(useful.saturating_mul(1000) / RATE);
        self.left = self.left.saturating_sub(waited).saturating_add(earned).min(self.most);
    }
}

/// Forwards the body; ends when it is complete, when the connection breaks, when the client is too slow, or when the receiver is
/// dropped. The time that the receiver takes is not the client's.
async fn feed(payload: &mut Payload, sender: mpsc::Sender<Piece>, mut pace: Pace, counts: &Counts) {
    loop {
        let begun = Instant::now();
        let piece = match tokio::time::timeout(pace.left, payload.next()).await {
            Ok(None) => return,
            Ok(Some(Ok(piece))) => {
                pace.count(begun.elapsed(), &piece);
                Ok(piece)
            }
            Ok(Some(Err(error))) => Err(io::Error::other(error.to_string())),
            Err(_) => {
                counts.shed.slow_client.increment();
                Err(ErrorKind::TimedOut.into())
            }
        };
        let is_last = piece.is_err();
        if sender.send(piece).await.is_err() || is_last {
            return;
        }
    }
}

/// The body as a reader, for the thread that builds batches.
struct Input {
    pieces: mpsc::Receiver<Piece>,
    piece: Bytes,
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
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

/// A gzip input of one or several members. Malformed gzip is an error of kind `InvalidData`.
enum Unpacked {
    /// Nothing has been read yet. The decoder reads when it is created, which must happen on the reading thread.
    Fresh(Option<Input>),
    Begun(Box<GzDecoder<BufReader<Input>>>),
    Ended,
}

/// The first byte of a gzip member.
const GZIP: u8 = 0x1f;

impl Read for Unpacked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let invalid = |reason: &str| io::Error::new(ErrorKind::InvalidData, reason);
        if let Self::Fresh(input) = self
            && let Some(input) = input.take()
        {
            *self = Self::Begun(Box::new(GzDecoder::new(BufReader::new(input))));
        }
        loop {
            let Self::Begun(decoder) = self else { return Ok(0) };
            let count = decoder.read(buffer).map_err(|error| match error.kind() {
                // errors of the decoder itself: those of the connection have other kinds
                ErrorKind::UnexpectedEof => invalid("ends too early"),
                ErrorKind::InvalidInput | ErrorKind::InvalidData => invalid(&format!("is damaged: {error}")),
                _ => error,
            })?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            // a member has ended: the input ends, or another member follows
            let Self::Begun(decoder) = std::mem::replace(self, Self::Ended) else { return Ok(0) };
            let mut rest = decoder.into_inner();
            match rest.fill_buf()?.first() {
                None => return Ok(0),
                Some(&GZIP) => *self = Self::Begun(Box::new(GzDecoder::new(rest))),
                Some(_) => return Err(invalid("is followed by other data")),
            }
        }
    }
}

/// Exports everything that the principal may see, or some kinds of it, in order, from one snapshot.
pub(super) async fn export(request: &HttpRequest, access: &RegistryAccess) -> Result<HttpResponse, Refusal> {
    let kinds = Parameters::read(request, &["only"])?.kinds()?;
    // HTTP/1.0 has no chunked coding, so a client could not distinguish a truncated response from a complete one
    if request.version() < Version::HTTP_11 {
        return Err(Refusal::Version);
    }
    let is_packed = takes_gzip(request);
    let export = access.state.registry.export(&access.principal).await?;
    let snapshot = export.begin(&kinds).await.map_err(RequestError::from)?;
    let (sender, receiver) = mpsc::channel(2);
    // the log says which request it belongs to, also when it is cut off
    let outgoing = Outgoing::new(is_packed, access.state.server.limits.patience);
    actix_web::rt::spawn(run_export(snapshot, outgoing, sender).in_current_span());
    let pieces = stream::unfold(receiver, async |mut receiver| receiver.recv().await.map(|piece| (piece, receiver)));
    let mut answer = HttpResponse::Ok();
    answer.content_type(NDJSON).insert_header((header::VARY, "Accept-Encoding"));
    if is_packed {
        answer.insert_header(ContentEncoding::Gzip);
    }
    Ok(answer.streaming(access.state.server.in_flight(Box::pin(pieces))))
}

/// Whether the client prefers gzip. If its header cannot be parsed, lines are sent uncompressed.
fn takes_gzip(request: &HttpRequest) -> bool {
    let (gzip, identity) = (Encoding::gzip(), Encoding::identity());
    AcceptEncoding::parse(request)
        .is_ok_and(|accepted| accepted.negotiate([&gzip, &identity].into_iter()).is_some_and(|chosen| chosen == gzip))
}

/// Buffers lines, compressed or not.
struct Outgoing {
    lines: Vec<u8>,
    encoder: Option<GzEncoder<Vec<u8>>>,
    /// How long a client may take to receive the next bytes.
    patience: Duration,
}

impl Outgoing {
    fn new(is_packed: bool, patience: Duration) -> Self {
        // the fastest level: it runs on a thread that also serves requests, and takes half a millisecond per flush
        let encoder = is_packed.then(|| GzEncoder::new(Vec::new(), Compression::fast()));
        Self { lines: Vec::with_capacity(FLUSH_SIZE + FLUSH_SIZE / 4), encoder, patience }
    }

    /// The bytes that can be sent now.
    fn take(&mut self) -> io::Result<Bytes> {
        let piece = match &mut self.encoder {
            None => Bytes::copy_from_slice(&self.lines),
            Some(encoder) => {
                encoder.write_all(&self.lines)?;
                Bytes::from(std::mem::take(encoder.get_mut()))
            }
        };
        self.lines.clear();
        Ok(piece)
    }

    /// The rest, with the end of the gzip stream.
    fn finish(mut self) -> io::Result<Bytes> {
        let rest = self.take()?;
        let Some(encoder) = self.encoder else { return Ok(rest) };
        let mut rest = Vec::from(rest);
        rest.extend(encoder.finish()?);
        Ok(Bytes::from(rest))
    }
}

/// Why an export stops.
enum Stopped {
    Line(io::Error),
    /// The client has disconnected, or does not read.
    Gone,
}

async fn run_export(snapshot: Snapshot, mut outgoing: Outgoing, sender: mpsc::Sender<Piece>) {
    let patience = outgoing.patience;
    let outcome = snapshot
        .run(async |entry| {
            line::encode(&mut outgoing.lines, &entry).map_err(Stopped::Line)?;
            if outgoing.lines.len() >= FLUSH_SIZE {
                let piece = outgoing.take().map_err(Stopped::Line)?;
                // gzip may have buffered everything
                if !piece.is_empty() {
                    send(&sender, Ok(piece), patience).await?;
                }
            }
            Ok(())
        })
        .await;
    let last = match outcome {
        Ok(()) => outgoing.finish(),
        Err(ExportError::Output(Stopped::Gone)) => {
            tracing::info!("an export stopped: the client disconnected or did not read");
            return;
        }
        Err(ExportError::Output(Stopped::Line(error))) => Err(error),
        // the connection is closed, so that the client does not take the response for complete
        Err(ExportError::Denied(error)) => {
            error_log::log_cut("an export", &error);
            let _ = send(&sender, Err(io::Error::other("access to the export has ended")), patience).await;
            return;
        }
        Err(ExportError::Store(error)) => Err(io::Error::other(error.to_string())),
    };
    if let Err(error) = &last {
        tracing::error!(%error, "an export failed");
    }
    let _ = send(&sender, last, patience).await;
}

async fn send(sender: &mpsc::Sender<Piece>, piece: Piece, patience: Duration) -> Result<(), Stopped> {
    match tokio::time::timeout(patience, sender.send(piece)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(Stopped::Gone),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_ends_with_blanks_and_is_renewed_by_all_else() {
        let second = Duration::from_secs(1);
        let mut lines = Pace::new(30 * second, false);
        lines.count(20 * second, b" \r\n\t");
        assert_eq!(lines.left, 10 * second);
        lines.count(5 * second, &[b'x'; 1024]);
        assert_eq!(lines.left, 6 * second);
        // what was sent fast does not make up for a longer stop afterwards
        lines.count(second, &vec![b'x'; 1024 * 1024]);
        assert_eq!(lines.left, 30 * second);
        lines.count(60 * second, b"x");
        assert_eq!(lines.left, Duration::ZERO);
        let mut packed = Pace::new(30 * second, true);
        packed.count(2 * second, &[b' '; 1024]);
        assert_eq!(packed.left, 29 * second);
    }
}
