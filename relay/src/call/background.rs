//! Responses that a vendor makes in the background: the client has the id at once and may go. The vendor is asked
//! how far it is until it knows what it came to, and only then is the call booked.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use serde::Deserialize;
use tokio::time::{Instant, sleep, timeout};

use super::{Call, Content, Life, Place};
use crate::convert::usage::{self, Form, Usage};
use crate::provider::{Ask, Dialect, Operation, Payload, provider};

/// The wait before the first question; each further one is twice as long, up to the longest.
const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(20);
/// How long a vendor may take for one response.
const PATIENCE: Duration = Duration::from_secs(6 * 3_600);
/// Longest wait for one answer, and the most of it.
const TIME: Duration = Duration::from_secs(30);
const SIZE: usize = 64 << 20;

/// Whether a call asks its vendor to work on without its client.
pub fn is_wanted(call: &Call) -> bool {
    let Content::Json(body) = &call.content else { return false };
    call.dialect == Dialect::Responses
        && call.operation == Operation::Generate
        && body.bool("background").ok().flatten() == Some(true)
}

#[derive(Deserialize)]
struct Response {
    #[serde(default)]
    id: String,
    #[serde(default)]
    status: String,
}

impl Response {
    fn is_open(&self) -> bool {
        matches!(self.status.as_str(), "queued" | "in_progress")
    }
}

/// The id of a response that its vendor is still making.
pub fn pending(call: &Call, answer: &[u8]) -> Option<String> {
    if !is_wanted(call) {
        return None;
    }
    let response: Response = serde_json::from_slice(answer).ok()?;
    (response.is_open() && !response.id.is_empty()).then_some(response.id)
}

/// What came of a response.
#[derive(Debug, PartialEq)]
pub(super) enum Outcome {
    /// It has ended, and its vendor says what it came to; nothing where it came to nothing.
    Ended(Option<Usage>),
    /// Its vendor could not be asked to the end.
    Unknown,
}

impl Life {
    /// Asks after a response until it has ended.
    pub(super) async fn outcome(&self, place: &Place, key: usize, id: &str) -> Outcome {
        let until = Instant::now() + PATIENCE;
        let mut wait = FIRST;
        while Instant::now() < until {
            tokio::select! {
                () = sleep(wait) => {}
                // A process that ends asks no more.
                () = self.app.stop.cancelled() => return Outcome::Unknown,
            }
            wait = (wait * 2).min(LONGEST);
            let Ok(Some((status, body))) = timeout(TIME, self.ask_after(place, key, id)).await else { continue };
            if status == StatusCode::NOT_FOUND {
                // Its client has removed it.
                return Outcome::Unknown;
            }
            match serde_json::from_slice::<Response>(&body) {
                Ok(response) if status.is_success() && !response.is_open() => {
                    return Outcome::Ended(usage::of_body(Form::OpenAi, &body));
                }
                _ => {}
            }
        }
        Outcome::Unknown
    }

    async fn ask_after(&self, place: &Place, key: usize, id: &str) -> Option<(StatusCode, Bytes)> {
        let (path, headers) = (format!("/responses/{id}"), HeaderMap::new());
        let ask = Ask {
            operation: Operation::Stored,
            dialect: Dialect::Responses,
            model: "",
            stream: false,
            method: &Method::GET,
            path: &path,
            query: "",
            headers: &headers,
            translated: true,
            body: Payload::Empty,
            now: self.app.clock.now().0,
        };
        let upstream = place.ready.upstream(key, place.bought.as_deref());
        let outgoing = provider(place.ready.kind()).request(&upstream, &ask).ok()?;
        let sent = self.engine.upstreams.send(place.ready.proxy.as_deref(), outgoing.request).await;
        let mut answer = sent.ok()?;
        let body = answer.whole(SIZE).await.ok()?;
        Some((answer.status, body))
    }
}
