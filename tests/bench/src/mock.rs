//! The mock upstream: answers any POST at once from bodies made beforehand. It checks nothing; that is what the suite's
//! fakes are for. `GET /_mock` tells how much it did; `POST /_mock?chunks=N&delay_ms=N` changes what streams are like.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::time::{Instant, Sleep};

use crate::arguments::Arguments;
use crate::bodies::{Dialect, answer, frames};
use crate::say;

struct Mock {
    requests: AtomicU64,
    streams: AtomicU64,
    finished: AtomicU64,
    openai: Bytes,
    anthropic: Bytes,
    streaming: Mutex<Streaming>,
}

/// What streams are like now.
#[derive(Clone)]
struct Streaming {
    delay: Duration,
    chunks: usize,
    openai: Arc<[Bytes]>,
    openai_with_usage: Arc<[Bytes]>,
    anthropic: Arc<[Bytes]>,
}

impl Streaming {
    fn new(chunks: usize, delay: Duration) -> Streaming {
        Streaming {
            delay,
            chunks,
            openai: frames(Dialect::OpenAi, chunks, false).into(),
            openai_with_usage: frames(Dialect::OpenAi, chunks, true).into(),
            anthropic: frames(Dialect::Anthropic, chunks, true).into(),
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), String> {
    let address = arguments.text("listen").unwrap_or("127.0.0.1:19080").to_owned();
    let delay = Duration::from_millis(arguments.or("chunk-delay-ms", 0)?);
    let mock = Arc::new(Mock {
        requests: AtomicU64::new(0),
        streams: AtomicU64::new(0),
        finished: AtomicU64::new(0),
        openai: answer(Dialect::OpenAi),
        anthropic: answer(Dialect::Anthropic),
        streaming: Mutex::new(Streaming::new(arguments.or("chunks", 20)?, delay)),
    });
    let threads = arguments.or("threads", 2)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    runtime.map_err(|error| error.to_string())?.block_on(async {
        let listener = TcpListener::bind(&address).await.map_err(|error| format!("{address}: {error}"))?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        say(&mut std::io::stdout(), &format!("mock listening on {address}"));
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(Duration::from_millis(5)).await;
                continue;
            };
            // Without it every chunk but the first waits for the other side's delayed acknowledgement.
            let _ = stream.set_nodelay(true);
            let mock = mock.clone();
            tokio::spawn(async move {
                let service = service_fn(|request| serve(request, &mock));
                let _ = hyper::server::conn::http1::Builder::new()
                    .pipeline_flush(true)
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    })
}

async fn serve(request: Request<Incoming>, mock: &Arc<Mock>) -> Result<Response<Answer>, Infallible> {
    if request.uri().path() == "/_mock" {
        return Ok(control(&request, mock));
    }
    let dialect = if request.uri().path().ends_with("/messages") { Dialect::Anthropic } else { Dialect::OpenAi };
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await else { return Ok(whole(Bytes::new())) };
    let body = body.to_bytes();
    mock.requests.fetch_add(1, Ordering::Relaxed);
    if head.method != Method::POST || !near_the_ends(&body, b"\"stream\":true") {
        return Ok(whole(match dialect {
            Dialect::OpenAi => mock.openai.clone(),
            Dialect::Anthropic => mock.anthropic.clone(),
        }));
    }
    mock.streams.fetch_add(1, Ordering::Relaxed);
    let mut streaming = mock.streaming.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
    let asked = |name: &str| head.headers.get(name)?.to_str().ok()?.parse::<u64>().ok();
    if let Some(delay) = asked("x-mock-chunk-delay-ms") {
        streaming.delay = Duration::from_millis(delay);
    }
    if let Some(chunks) = asked("x-mock-chunks") {
        streaming = Streaming::new(usize::try_from(chunks).unwrap_or(usize::MAX), streaming.delay);
    }
    let frames = match dialect {
        Dialect::Anthropic => streaming.anthropic,
        Dialect::OpenAi if near_the_ends(&body, b"\"include_usage\":true") => streaming.openai_with_usage,
        Dialect::OpenAi => streaming.openai,
    };
    let sleep = (!streaming.delay.is_zero()).then(|| Box::pin(tokio::time::sleep(Duration::ZERO)));
    let answer = Answer::Stream { frames, at: 0, delay: streaming.delay, sleep, mock: mock.clone() };
    let mut response = Response::new(answer);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    Ok(response)
}

fn control(request: &Request<Incoming>, mock: &Mock) -> Response<Answer> {
    let mut streaming = mock.streaming.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if request.method() == Method::POST {
        let query = request.uri().query().unwrap_or_default();
        let asked = |name: &str| {
            let pair = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
            pair.and_then(|value| value.parse::<u64>().ok())
        };
        let chunks = asked("chunks").and_then(|chunks| usize::try_from(chunks).ok());
        let delay = asked("delay_ms").map(Duration::from_millis);
        *streaming = Streaming::new(chunks.unwrap_or(streaming.chunks), delay.unwrap_or(streaming.delay));
        for counter in [&mock.requests, &mock.streams, &mock.finished] {
            counter.store(0, Ordering::Relaxed);
        }
    }
    whole(Bytes::from(
        json!({
            "requests": mock.requests.load(Ordering::Relaxed), "streams": mock.streams.load(Ordering::Relaxed),
            "streams_finished": mock.finished.load(Ordering::Relaxed), "chunks": streaming.chunks,
            "delay_ms": streaming.delay.as_millis() as u64
        })
        .to_string(),
    ))
}

fn whole(body: Bytes) -> Response<Answer> {
    let mut response = Response::new(Answer::Whole(Some(body)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Looks for a field where clients put the short ones: before or after the messages.
fn near_the_ends(body: &[u8], what: &[u8]) -> bool {
    const NEAR: usize = 2048;
    let found = |part: &[u8]| part.windows(what.len()).any(|window| window == what);
    if body.len() <= 2 * NEAR {
        return found(body);
    }
    found(&body[..NEAR]) || found(&body[body.len() - NEAR..])
}

/// A body that costs nothing to make.
enum Answer {
    Whole(Option<Bytes>),
    Stream { frames: Arc<[Bytes]>, at: usize, delay: Duration, sleep: Option<Pin<Box<Sleep>>>, mock: Arc<Mock> },
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Answer::Whole(body) => Poll::Ready(body.take().map(|body| Ok(Frame::data(body)))),
            Answer::Stream { frames, at, delay, sleep, mock } => {
                let Some(frame) = frames.get(*at) else { return Poll::Ready(None) };
                if let Some(sleep) = sleep {
                    ready!(sleep.as_mut().poll(context));
                    sleep.as_mut().reset(Instant::now() + *delay);
                }
                *at += 1;
                if *at == frames.len() {
                    mock.finished.fetch_add(1, Ordering::Relaxed);
                }
                Poll::Ready(Some(Ok(Frame::data(frame.clone()))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Answer::Whole(body) => body.is_none(),
            Answer::Stream { frames, at, .. } => *at >= frames.len(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Answer::Whole(body) => SizeHint::with_exact(body.as_ref().map_or(0, |body| body.len() as u64)),
            Answer::Stream { .. } => SizeHint::default(),
        }
    }
}
