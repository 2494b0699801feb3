//! Many answers to one HTTP request: server-sent events (graphql-sse's "distinct connections" mode), or the
//! parts in which Apollo's clients hear subscriptions. One stream, one operation. The stream is fed by a task
//! through a bounded queue; a reader who does not keep up loses the stream.

use std::{convert::Infallible, sync::Arc};

use async_graphql::parser::types::OperationType;
use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::{
    Gate, Plane,
    admit::Admitted,
    answer::Answer,
    code::{Code, Fault},
    plain::common_headers,
    run,
};

/// How the answers of a stream are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `text/event-stream`.
    Events,
    /// `multipart/mixed` by the multipart subscription protocol: each part's JSON holds the answer as its
    /// `payload`. A part counts as whole when the boundary behind it has come, so it goes along with the part.
    Parts,
}

impl Form {
    fn content_type(self) -> &'static str {
        match self {
            Self::Events => "text/event-stream; charset=utf-8",
            Self::Parts => "multipart/mixed; boundary=\"graphql\"; subscriptionSpec=1.0",
        }
    }

    /// Some browsers hold the headers back until the first bytes of a body.
    fn opening(self) -> &'static [u8] {
        match self {
            Self::Events => b":\n\n",
            Self::Parts => b"\r\n--graphql",
        }
    }

    fn sign_of_life(self) -> &'static [u8] {
        match self {
            Self::Events => b":\n\n",
            Self::Parts => b"\r\ncontent-type: application/json\r\n\r\n{}\r\n--graphql",
        }
    }

    fn end(self) -> &'static [u8] {
        match self {
            Self::Events => b"event: complete\ndata:\n\n",
            Self::Parts => b"--\r\n",
        }
    }

    /// What is around an answer.
    fn around(self) -> (&'static [u8], &'static [u8]) {
        match self {
            Self::Events => (b"event: next\ndata: ", b"\n\n"),
            Self::Parts => (b"\r\ncontent-type: application/json\r\n\r\n{\"payload\":", b"}\r\n--graphql"),
        }
    }
}

/// Answers with a stream.
pub fn respond<G: Gate>(
    plane: Arc<Plane<G>>,
    principal: G::Principal,
    admitted: Admitted,
    request_id: &Arc<str>,
    form: Form,
) -> Response {
    let (queue, events) = mpsc::channel(plane.limits().send_queue);
    tokio::spawn(feed(plane, principal, admitted, queue, form));
    let events = tokio_stream::StreamExt::map(ReceiverStream::new(events), Ok::<_, Infallible>);
    let mut response = Response::new(Body::from_stream(events));
    let headers = response.headers_mut();
    common_headers(headers, request_id);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(form.content_type()));
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

async fn feed<G: Gate>(
    plane: Arc<Plane<G>>,
    principal: G::Principal,
    admitted: Admitted,
    queue: mpsc::Sender<Bytes>,
    form: Form,
) {
    let limits = plane.limits();
    let request_id = admitted.info.request_id.clone();
    let put = async |bytes: Bytes| queue.send_timeout(bytes, limits.slow_reader).await.is_ok();
    if !put(Bytes::from_static(form.opening())).await {
        return;
    }
    let mut comments = tokio::time::interval(limits.keepalive);
    comments.reset();
    let mut rechecks = tokio::time::interval(limits.recheck);
    rechecks.reset();

    let mut work = if admitted.info.kind == OperationType::Subscription {
        Work::Many(Box::new(run::Events::open(plane.clone(), admitted)))
    } else {
        Work::One(Box::pin(run::once(plane.clone(), admitted)))
    };
    loop {
        let event = tokio::select! {
            () = queue.closed() => return,
            () = plane.settings.shutdown.cancelled() => None,
            _ = comments.tick() => {
                if put(Bytes::from_static(form.sign_of_life())).await { continue } else { return }
            }
            _ = rechecks.tick() => {
                if plane.gate.still_valid(&principal).await { continue }
                let fault = Fault::new(Code::Unauthenticated, "The session has ended.");
                let told = Answer::refusal(&plane.gate, &request_id, fault);
                work = Work::Done;
                Some(told)
            }
            event = work.next() => event,
        };
        let Some(event) = event else { break };
        let Some(bytes) = written(form, &event) else { return };
        if !put(bytes).await {
            return;
        }
    }
    put(Bytes::from_static(form.end())).await;
}

enum Work<G: Gate> {
    One(futures_util::future::BoxFuture<'static, Answer>),
    Many(Box<run::Events<G>>),
    Done,
}

impl<G: Gate> Work<G> {
    async fn next(&mut self) -> Option<Answer> {
        match self {
            Self::One(answer) => {
                let answer = answer.await;
                *self = Self::Done;
                Some(answer)
            }
            Self::Many(events) => events.next().await,
            Self::Done => None,
        }
    }
}

fn written(form: Form, answer: &Answer) -> Option<Bytes> {
    let (before, behind) = form.around();
    let mut bytes = before.to_vec();
    if let Err(error) = serde_json::to_writer(&mut bytes, answer) {
        tracing::error!(%error, "an event could not be written");
        return None;
    }
    bytes.extend_from_slice(behind);
    Some(bytes.into())
}
