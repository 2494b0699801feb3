//! The HTTP side: accepts connections, reads requests, plays scripts on replies. Vendors' rules are elsewhere.

use std::convert::Infallible;
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_util::sync::CancellationToken;

use super::openai;
use super::reply::{Body, Reply, Talk};
use super::script::{Split, Step, What, chunks};
use super::seen::{Outcome, Progress, Seen, fault};
use super::state::Shared;
use super::vendor::Vendor;

/// Why a connection is closed without a proper end: the script wants it, or the body cannot go on.
#[derive(Debug)]
struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the script cuts the connection")
    }
}

impl std::error::Error for Cut {}

static CONNECTIONS: AtomicU64 = AtomicU64::new(1);

pub(super) async fn accept(
    listener: TcpListener,
    vendor: Option<Vendor>,
    shared: Arc<Shared>,
    stop: CancellationToken,
) {
    loop {
        let stream = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                // Out of descriptors: give the test a moment to close some.
                Err(_) => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    continue;
                }
            },
        };
        tokio::spawn(connection(stream, vendor, shared.clone(), stop.clone()));
    }
}

async fn connection(stream: TcpStream, vendor: Option<Vendor>, shared: Arc<Shared>, stop: CancellationToken) {
    let _ = stream.set_nodelay(true);
    let number = CONNECTIONS.fetch_add(1, Ordering::Relaxed);
    let service = service_fn(|request| handle(request, vendor, shared.clone(), number, stop.clone()));
    let serving = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .max_buf_size(1 << 20)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::select! {
        () = stop.cancelled() => {}
        // A cut is an error here, and meant.
        _ = serving => {}
    }
}

async fn handle(
    mut request: Request<Incoming>,
    vendor: Option<Vendor>,
    shared: Arc<Shared>,
    connection: u64,
    stop: CancellationToken,
) -> Result<Response<UnsyncBoxBody<Bytes, Cut>>, Cut> {
    let at = Instant::now();
    let wire_path = request.uri().path().to_owned();
    let Some((vendor, path)) = locate(vendor, &wire_path) else {
        let body = json!({ "error": "no vendor of that name", "vendors": Vendor::ALL.map(Vendor::prefix) });
        return Ok(respond(&Reply::json(404, &body), Bytes::from(body.to_string())));
    };
    let upgrade = request.headers().contains_key("sec-websocket-key").then(|| hyper::upgrade::on(&mut request));
    let (head, body) = request.into_parts();
    let wire_body = body.collect().await.map_err(|_| Cut)?.to_bytes();
    let encoding = head.headers.get("content-encoding").and_then(|value| value.to_str().ok()).unwrap_or("identity");
    let decoded = decode(encoding, &wire_body);
    let seen = Seen {
        vendor,
        method: head.method.to_string(),
        path,
        wire_path,
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers.clone(),
        body: decoded.clone().unwrap_or_else(|| wire_body.clone()),
        wire_body,
        connection,
        at,
        status: Arc::new(AtomicUsize::new(0)),
        progress: Arc::new(Progress::default()),
    };
    shared.record(seen.clone());

    let fault = fault(&seen, shared.authority(), &shared.forbidden());
    let compressed = encoding != "identity" && vendor != Vendor::Codex;
    let wrong = fault.or_else(|| decoded.is_none().then(|| format!("the body is not {encoding}")));
    let wrong = wrong.or_else(|| compressed.then(|| format!("{vendor:?} does not take bodies in {encoding}")));
    if let Some(wrong) = wrong {
        shared.note_fault(format!("{} {}: {wrong}", seen.method, seen.path));
        seen.status.store(400, Ordering::SeqCst);
        seen.progress.end(Outcome::Sent);
        let body = json!({ "error": { "message": format!("fake upstream: {wrong}"), "type": "fake_upstream_fault" } });
        return Ok(respond(&Reply::json(400, &body), Bytes::from(body.to_string())));
    }

    let step = shared.step_for(&seen).unwrap_or_else(Step::answer);
    // Dropped with this future when the other side hangs up while we wait.
    let gone = GoneUnlessEnded(seen.progress.clone());
    tokio::time::sleep(step.before_head).await;
    let mut reply = match &step.what {
        What::Default => vendor.answer(&seen, &shared),
        What::Refuse(refusal) => vendor.refuse(&seen, refusal),
        What::Exactly(reply) => (**reply).clone(),
        What::EmptyStream => {
            let usual = vendor.answer(&seen, &shared);
            Reply { body: Body::Stream(Vec::new()), ..usual }
        }
        What::Cut => {
            gone.0.end(Outcome::Cut);
            return Err(Cut);
        }
        What::Hang => {
            stop.cancelled().await;
            return Err(Cut);
        }
    };
    for (name, value) in &step.headers {
        reply = reply.with(name, value.clone());
    }
    seen.status.store(usize::from(reply.status), Ordering::SeqCst);
    if let Body::Socket(talk) = &reply.body {
        let Some(upgrade) = upgrade else {
            let body = json!({ "error": { "message": "a websocket upgrade is needed here" } });
            return Ok(respond(&Reply::json(426, &body), Bytes::from(body.to_string())));
        };
        return Ok(converse(upgrade, &seen, talk.clone(), shared, stop, gone));
    }
    Ok(play(reply, &step, &seen, gone))
}

/// Marks the request as left by its client unless something else ended it first.
struct GoneUnlessEnded(Arc<Progress>);

impl Drop for GoneUnlessEnded {
    fn drop(&mut self) {
        self.0.end(Outcome::ClientGone);
    }
}

fn locate(vendor: Option<Vendor>, path: &str) -> Option<(Vendor, String)> {
    if let Some(vendor) = vendor {
        return Some((vendor, path.to_owned()));
    }
    let rest = path.strip_prefix('/')?;
    let (prefix, rest) = rest.split_once('/').unwrap_or((rest, ""));
    let vendor = Vendor::ALL.into_iter().find(|vendor| vendor.prefix() == prefix)?;
    Some((vendor, format!("/{rest}")))
}

fn decode(encoding: &str, body: &Bytes) -> Option<Bytes> {
    match encoding {
        "identity" => Some(body.clone()),
        "zstd" => zstd::decode_all(&body[..]).ok().map(Bytes::from),
        "gzip" => {
            let mut out = Vec::new();
            flate2::read::GzDecoder::new(&body[..]).read_to_end(&mut out).ok()?;
            Some(Bytes::from(out))
        }
        _ => None,
    }
}

/// Sends the reply the way the step says.
fn play(mut reply: Reply, step: &Step, seen: &Seen, gone: GoneUnlessEnded) -> Response<UnsyncBoxBody<Bytes, Cut>> {
    let (mut pieces, length) = match std::mem::replace(&mut reply.body, Body::Stream(Vec::new())) {
        Body::Whole(body) => {
            let length = body.len();
            (vec![body], Some(length))
        }
        Body::Stream(events) => (events, None),
        Body::Socket(_) => (Vec::new(), Some(0)),
    };
    if let Some(after) = step.error_after {
        pieces.truncate(after);
        pieces.push(seen.vendor.error_in_stream(seen));
    }
    let mut length = length;
    if step.gzip {
        let packed = gzip(&pieces);
        length = length.map(|_| packed.iter().map(Bytes::len).sum());
        pieces = packed;
        reply = reply.with("content-encoding", "gzip");
    }
    let paced = !step.before_body.is_zero() || !step.gap.is_zero() || step.stall.is_some();
    let plain = !paced && step.cut_after.is_none() && step.split == Split::Events;
    if let (Some(length), true) = (length, plain) {
        gone.0.add(length);
        gone.0.end(Outcome::Sent);
        let body = Bytes::from(pieces.concat());
        return respond(&reply, body);
    }
    let pieces = chunks(pieces, &step.split);
    let (sender, receiver) = mpsc::channel::<Result<Bytes, Cut>>(1);
    tokio::spawn(feed(sender, pieces, step.clone(), gone));
    let frames = stream::unfold(receiver, |mut receiver| async move {
        let item = receiver.recv().await?;
        Some((item.map(Frame::data), receiver))
    });
    let mut response = head(&reply);
    if let Some(length) = length {
        response = response.header("content-length", length);
    }
    build(response, UnsyncBoxBody::new(StreamBody::new(frames)))
}

async fn feed(sender: mpsc::Sender<Result<Bytes, Cut>>, pieces: Vec<Bytes>, step: Step, gone: GoneUnlessEnded) {
    let pause = async |wait: Duration| {
        tokio::select! {
            () = sender.closed() => false,
            () = tokio::time::sleep(wait) => true,
        }
    };
    if !pause(step.before_body).await {
        return;
    }
    let mut out = 0;
    let mut stall = step.stall;
    let mut first = true;
    for piece in pieces {
        if !first && !step.gap.is_zero() && !pause(step.gap).await {
            return;
        }
        first = false;
        let mut piece = piece;
        while !piece.is_empty() {
            let cut_at = step.cut_after.map_or(usize::MAX, |at| at.saturating_sub(out));
            let stall_at = stall.map_or(usize::MAX, |(at, _)| at.saturating_sub(out));
            let part = piece.split_to(piece.len().min(cut_at).min(stall_at));
            if !part.is_empty() {
                out += part.len();
                gone.0.add(part.len());
                if sender.send(Ok(part)).await.is_err() {
                    return;
                }
            }
            if let Some((at, wait)) = stall
                && out >= at
            {
                stall = None;
                if !pause(wait).await {
                    return;
                }
            }
            if step.cut_after.is_some_and(|at| out >= at) {
                break;
            }
        }
        if step.cut_after.is_some_and(|at| out >= at) {
            break;
        }
    }
    if let Some((_, wait)) = stall
        && !pause(wait).await
    {
        return;
    }
    if step.cut_after.is_some() {
        // Time for what is out to leave the buffers before the connection goes.
        pause(Duration::from_millis(15)).await;
        gone.0.end(Outcome::Cut);
        let _ = sender.send(Err(Cut)).await;
        return;
    }
    gone.0.end(Outcome::Sent);
}

fn gzip(pieces: &[Bytes]) -> Vec<Bytes> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut packed = Vec::new();
    for piece in pieces {
        // Writing to a vector cannot fail.
        let _ = encoder.write_all(piece);
        let _ = encoder.flush();
        packed.push(Bytes::from(std::mem::take(encoder.get_mut())));
    }
    packed.push(Bytes::from(encoder.finish().unwrap_or_default()));
    packed
}

fn respond(reply: &Reply, body: Bytes) -> Response<UnsyncBoxBody<Bytes, Cut>> {
    let body = Full::new(body).map_err(|never: Infallible| match never {});
    build(head(reply), UnsyncBoxBody::new(body))
}

fn head(reply: &Reply) -> http::response::Builder {
    let mut head = Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        head = head.header(name, value);
    }
    head
}

fn build(head: http::response::Builder, body: UnsyncBoxBody<Bytes, Cut>) -> Response<UnsyncBoxBody<Bytes, Cut>> {
    head.body(body).unwrap_or_else(|error| {
        // A script named a header that is none.
        let mut response = Response::new(UnsyncBoxBody::new(
            Full::new(Bytes::from(error.to_string())).map_err(|never: Infallible| match never {}),
        ));
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    })
}

fn converse(
    upgrade: hyper::upgrade::OnUpgrade,
    seen: &Seen,
    talk: Talk,
    shared: Arc<Shared>,
    stop: CancellationToken,
    gone: GoneUnlessEnded,
) -> Response<UnsyncBoxBody<Bytes, Cut>> {
    let key = seen.headers.get("sec-websocket-key").map(|key| key.as_bytes().to_vec()).unwrap_or_default();
    let mut response = Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-accept", derive_accept_key(&key));
    if let Some(protocol) = &talk.protocol {
        response = response.header("sec-websocket-protocol", protocol);
    }
    seen.status.store(101, Ordering::SeqCst);
    tokio::spawn(async move {
        let Ok(upgraded) = upgrade.await else { return };
        let mut config = WebSocketConfig::default();
        config.max_message_size = Some(64 << 20);
        config.max_frame_size = Some(64 << 20);
        let io = TokioIo::new(upgraded);
        let socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
        tokio::select! {
            () = stop.cancelled() => {}
            () = openai::converse(socket, &talk, &shared) => gone.0.end(Outcome::Sent),
        }
    });
    build(response, UnsyncBoxBody::new(Full::new(Bytes::new()).map_err(|never: Infallible| match never {})))
}
