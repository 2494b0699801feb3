//! A realtime session: two websockets and what goes between them, both ways, until either closes.
//!
//! Frames go on as they are. What is looked at is the end of each response, which carries its usage.

use std::sync::Arc;
use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use memchr::memmem;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::forbidden::Words;
use crate::convert::usage::{Form, Usage, Watch};
use crate::ingress::key::SUBPROTOCOL;
use crate::upstream::{Broken, Io, Upgrade, Upstreams};

/// Sound travels as base64 inside one message.
const LONGEST: usize = 64 << 20;
/// Longest silence on both sides.
const SILENCE: Duration = Duration::from_secs(15 * 60);
/// Longest wait for the other side's goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

const ACCEPT: HeaderName = HeaderName::from_static("sec-websocket-accept");
const KEY: HeaderName = HeaderName::from_static("sec-websocket-key");
const PROTOCOL: HeaderName = HeaderName::from_static("sec-websocket-protocol");
const VERSION: HeaderName = HeaderName::from_static("sec-websocket-version");

/// A client's wish for a websocket.
pub struct Wish {
    upgrade: hyper::upgrade::OnUpgrade,
    accept: String,
    protocol: Option<HeaderValue>,
}

impl Wish {
    /// The wish of a request, if it has one.
    pub fn of(parts: &mut http::request::Parts) -> Option<Self> {
        let headers = &parts.headers;
        let is = |name: HeaderName, wanted: &str| {
            let mut words =
                headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
            words.any(|word| word.trim().eq_ignore_ascii_case(wanted))
        };
        if !is(header::UPGRADE, "websocket") || !is(header::CONNECTION, "upgrade") || !is(VERSION, "13") {
            return None;
        }
        let accept = derive_accept_key(headers.get(KEY)?.as_bytes());
        let protocol = protocol(headers);
        let upgrade = parts.extensions.remove::<hyper::upgrade::OnUpgrade>()?;
        Some(Self { upgrade, accept, protocol })
    }

    /// The answer that opens the websocket.
    pub fn consent(&self) -> Response<axum::body::Body> {
        let mut response = Response::new(axum::body::Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        if let Ok(accept) = HeaderValue::from_str(&self.accept) {
            headers.insert(ACCEPT, accept);
        }
        if let Some(protocol) = &self.protocol {
            headers.insert(PROTOCOL, protocol.clone());
        }
        response
    }

    /// The client's end, once the consent is out.
    pub async fn open(self) -> Option<Socket> {
        let io = self.upgrade.await.ok()?;
        let io: Box<dyn Io> = Box::new(hyper_util::rt::TokioIo::new(io));
        Some(WebSocketStream::from_raw_socket(io, Role::Server, Some(config())).await)
    }
}

/// One end of a session.
pub type Socket = WebSocketStream<Box<dyn Io>>;

/// The sub-protocol to agree on: never the one that holds the key.
fn protocol(headers: &HeaderMap) -> Option<HeaderValue> {
    let offered =
        headers.get_all(PROTOCOL).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    let offered: Vec<&str> =
        offered.map(str::trim).filter(|word| !word.is_empty() && !word.starts_with(SUBPROTOCOL)).collect();
    let chosen = offered.iter().find(|word| **word == "realtime").or_else(|| offered.first())?;
    HeaderValue::from_str(chosen).ok()
}

/// Whether the client asked for the beta surface by a sub-protocol.
pub fn wants_beta(headers: &HeaderMap) -> bool {
    let mut offered =
        headers.get_all(PROTOCOL).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    offered.any(|word| word.trim() == "openai-beta.realtime-v1")
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default().max_message_size(Some(LONGEST)).max_frame_size(Some(LONGEST)).write_buffer_size(0)
}

/// What came of dialling a vendor.
pub enum Dialled {
    /// The vendor's end.
    Open(Box<Socket>),
    /// The vendor refused.
    Refused(Box<crate::upstream::Answer>),
}

/// Opens a vendor's websocket with a request that names it by a `ws` address.
pub async fn dial(upstreams: &Upstreams, proxy: Option<&str>, mut request: Request<Bytes>) -> Result<Dialled, Broken> {
    let address = request.uri().to_string();
    let http = match address.strip_prefix("ws") {
        Some(rest) => format!("http{rest}"),
        None => address,
    };
    *request.uri_mut() = http.parse().map_err(|_| Broken::Address)?;
    *request.version_mut() = http::Version::HTTP_11;
    let key = BASE64_STANDARD.encode(schema::id::random::<16>());
    let wanted = derive_accept_key(key.as_bytes());
    let headers = request.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(VERSION, HeaderValue::from_static("13"));
    headers.insert(KEY, HeaderValue::from_str(&key).map_err(|_| Broken::Address)?);
    match upstreams.upgrade(proxy, request).await? {
        Upgrade::Refused(answer) => Ok(Dialled::Refused(answer)),
        Upgrade::Open { headers, io } => {
            if headers.get(ACCEPT).is_none_or(|accept| accept.as_bytes() != wanted.as_bytes()) {
                return Err(Broken::NotUpgraded);
            }
            Ok(Dialled::Open(Box::new(WebSocketStream::from_raw_socket(io, Role::Client, Some(config())).await)))
        }
    }
}

/// What happened in a session.
pub enum Step {
    /// A response has ended, with this usage.
    Used(Usage),
    /// The client said a forbidden word, which was not passed on.
    Forbidden(String),
    /// Nothing of interest.
    Nothing,
    /// It is over.
    Over,
}

/// A session under way.
pub struct Session {
    client: Socket,
    vendor: Socket,
    forbidden: Option<Arc<Words>>,
}

impl Session {
    /// A session between these two, in which the client may not say some words.
    pub fn new(client: Socket, vendor: Socket, forbidden: Option<Arc<Words>>) -> Self {
        Self { client, vendor, forbidden }
    }

    /// Carries the next message.
    pub async fn step(&mut self) -> Step {
        let next = timeout(SILENCE, async {
            tokio::select! {
                message = self.client.next() => (true, message),
                message = self.vendor.next() => (false, message),
            }
        });
        let Ok((from_client, message)) = next.await else {
            self.close(CloseCode::Away, "nothing was said for too long").await;
            return Step::Over;
        };
        let Some(Ok(message)) = message else {
            // The other side is told that it was no goodbye.
            let end =
                Message::Close(Some(CloseFrame { code: CloseCode::Error, reason: "the other side is gone".into() }));
            self.last(from_client, end).await;
            return Step::Over;
        };
        if let Message::Close(frame) = message {
            self.last(from_client, Message::Close(frame)).await;
            return Step::Over;
        }
        // Both ends answer pings of their own.
        if matches!(message, Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) {
            return Step::Nothing;
        }
        if from_client
            && let Message::Text(text) = &message
            && let Some(word) = self.forbidden.as_ref().and_then(|words| words.within(text.as_bytes()))
        {
            return Step::Forbidden(word.to_owned());
        }
        let used = if from_client { None } else { used(&message) };
        let to = if from_client { &mut self.vendor } else { &mut self.client };
        // A side that takes nothing for that long holds the other up no more.
        if !matches!(timeout(SILENCE, to.send(message)).await, Ok(Ok(()))) {
            return used.map_or(Step::Over, Step::Used);
        }
        used.map_or(Step::Nothing, Step::Used)
    }

    /// Tells the client something of our own.
    pub async fn tell(&mut self, event: String) {
        let _gone = timeout(GOODBYE, self.client.send(Message::Text(event.into()))).await;
    }

    /// Tells the client why its session ends, and ends it.
    pub async fn refuse(&mut self, event: String, why: &'static str) {
        self.tell(event).await;
        self.close(CloseCode::Policy, why).await;
    }

    async fn close(&mut self, code: CloseCode, why: &'static str) {
        let frame = || Message::Close(Some(CloseFrame { code, reason: Utf8Bytes::from_static(why) }));
        let _gone = timeout(GOODBYE, self.client.send(frame())).await;
        let _gone = timeout(GOODBYE, self.vendor.send(frame())).await;
    }

    /// Passes the end on and waits shortly for the echo, so that no side sees a cut where there was a goodbye.
    async fn last(&mut self, from_client: bool, end: Message) {
        let (to, from) =
            if from_client { (&mut self.vendor, &mut self.client) } else { (&mut self.client, &mut self.vendor) };
        let _gone = timeout(GOODBYE, to.send(end)).await;
        let _gone = timeout(GOODBYE, from.flush()).await;
        let _gone = timeout(GOODBYE, to.next()).await;
    }
}

/// The usage of a response that has ended.
fn used(message: &Message) -> Option<Usage> {
    let Message::Text(text) = message else { return None };
    let bytes = text.as_bytes();
    // The type stands at the beginning or the end; a substring is enough to look closer.
    memmem::find(bytes, b"response.done").or_else(|| memmem::find(bytes, b"response.completed"))?;
    let mut watch = Watch::new(Form::OpenAi);
    watch.see(bytes);
    watch.usage()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(protocols: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(PROTOCOL, HeaderValue::from_static(protocols));
        headers
    }

    #[test]
    fn no_answer_holds_the_key() {
        let chosen = |text| protocol(&offered(text)).map(|value| value.to_str().unwrap_or_default().to_owned());
        assert_eq!(
            chosen("realtime, openai-insecure-api-key.sk-1, openai-beta.realtime-v1").as_deref(),
            Some("realtime")
        );
        assert_eq!(
            chosen("openai-insecure-api-key.sk-1, openai-beta.realtime-v1").as_deref(),
            Some("openai-beta.realtime-v1")
        );
        assert_eq!(chosen("openai-insecure-api-key.sk-1"), None);
        assert!(wants_beta(&offered("realtime, openai-beta.realtime-v1")) && !wants_beta(&offered("realtime")));
    }

    #[test]
    fn only_the_end_of_a_response_is_billed() {
        let done = r#"{"type":"response.done","response":{"id":"r","usage":{"total_tokens":30,"input_tokens":10,"output_tokens":20,"input_token_details":{"cached_tokens":4}}}}"#;
        let usage = used(&Message::Text(done.into()));
        assert_eq!(usage.map(|usage| (usage.total_input(), usage.cache_read, usage.output)), Some((10, 4, 20)));
        assert_eq!(used(&Message::Text(r#"{"type":"session.created"}"#.into())), None);
        assert_eq!(used(&Message::Binary(Bytes::from_static(b"response.done"))), None);
    }
}
