//! Keep-alives for a client that waits for a stream which has not begun, where the operator wants them.
//!
//! They commit the status before the vendor has said anything, so that whatever goes wrong later can only be
//! told inside the stream.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::BodyExt;
use schema::App;

use super::served::Served;
use crate::ingress::answer::{self, Sender};
use crate::ingress::refuse::spoken;
use crate::provider::Dialect;
use crate::{convert, sse};

/// The longest refusal that is carried into a stream.
const REFUSAL: usize = 1 << 20;

/// The answer when it comes in time, else a stream that has begun; `None` when there will be none.
pub(super) async fn answer(app: &App, mut served: Served, wait: Duration, dialect: Dialect) -> Option<Response<Body>> {
    // Google's own clients take a comment for a broken answer.
    let speaks_events = !matches!(
        dialect,
        Dialect::Invoke | Dialect::Converse | Dialect::Audio | Dialect::Gemini | Dialect::CodeAssist
    );
    if wait.is_zero() || !speaks_events {
        return served.await;
    }
    if let Ok(in_time) = tokio::time::timeout(wait, &mut served).await {
        return in_time;
    }
    let (sender, body) = answer::channel();
    app.spawn(carry(served, sender, wait, dialect));
    let mut begun = Response::new(Body::new(body));
    let headers = begun.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Some(begun)
}

async fn carry(mut served: Served, client: Sender, wait: Duration, dialect: Dialect) {
    let come = loop {
        if client.send(Ok(Bytes::from_static(b": keep-alive\n\n"))).await.is_err() {
            // Letting it go tells the call that its client has gone.
            return;
        }
        tokio::select! {
            come = &mut served => break come,
            () = client.closed() => return,
            () = tokio::time::sleep(wait) => {}
        }
    };
    let Some(come) = come else { return };
    let (head, mut body) = come.into_parts();
    if head.status != StatusCode::OK {
        let body = axum::body::to_bytes(body, REFUSAL).await.unwrap_or_default();
        let _gone = client.send(Ok(event(dialect, &body))).await;
        return;
    }
    while let Some(frame) = body.frame().await {
        let piece = match frame {
            Ok(frame) => frame.into_data().unwrap_or_default(),
            Err(_) => {
                let _gone = client.send(Err(answer::Aborted)).await;
                return;
            }
        };
        if client.send(Ok(piece)).await.is_err() {
            return;
        }
    }
}

/// A refusal as an event.
fn event(dialect: Dialect, body: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(body.len() + 32);
    match spoken(dialect) {
        convert::Dialect::Messages | convert::Dialect::Responses => sse::write_event(&mut out, "error", body),
        _ => sse::write_data(&mut out, body),
    }
    out.into()
}
