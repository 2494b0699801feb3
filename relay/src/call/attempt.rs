//! One attempt at one account: the request, the wait for the first byte, and what came of it.
//!
//! Nothing of an answer is given to the client here; until [`attempt`] says [`Tried::Stream`] or
//! [`Tried::Whole`], another account can still take the call.

mod begin;

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use memchr::memmem;

use super::bridge::{self, Bridge};
use super::carry::Carry;
use super::fetch::Fetcher;
use super::ready::Ready;
use super::{Call, Content};
use crate::convert::edit::Body;
use crate::convert::usage::Usage;
use crate::convert::{Fault, Limits};
use crate::ingress::refuse::spoken;
use crate::provider::blame::{self, Blame};
use crate::provider::probe::message;
use crate::provider::{Ask, Failure, Framing, Operation, Payload, Provider, Refusal, Upstream, provider};
use crate::upstream::{Answer, Broken, Upstreams};
use crate::wire::headers;

/// The longest whole answer.
const WHOLE: usize = 256 << 20;
/// The longest refusal that is read.
const REFUSAL: usize = 1 << 20;
/// Longest wait for the body of a refusal.
const REFUSAL_TIME: Duration = Duration::from_secs(10);

/// What an attempt may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Until a stream's first event.
    pub stream: Duration,
    /// Until the whole of an answer that is no stream.
    pub whole: Duration,
}

/// What an attempt stands on.
pub struct Means<'a> {
    /// Connections.
    pub upstreams: &'a Upstreams,
    /// For files that a translation needs.
    pub fetcher: &'a Fetcher,
    /// What a translation assumes.
    pub limits: Limits,
    /// How long it may take.
    pub patience: Patience,
    /// Now, in epoch milliseconds.
    pub now: i64,
    /// Whether the access token has just been refreshed for this call.
    pub refreshed: bool,
    /// Whether what is said is kept.
    pub record: bool,
}

/// What came of an attempt.
pub enum Tried {
    /// A whole answer.
    Whole {
        /// Its status.
        status: StatusCode,
        /// The vendor's headers that the client may see.
        headers: HeaderMap,
        /// The body in the client's dialect.
        body: Bytes,
        /// The vendor's own figures.
        usage: Option<Usage>,
        /// What could not be said in the request.
        warnings: Vec<String>,
    },
    /// A stream that has begun.
    Stream(Box<Begun>),
    /// The caller is at fault: the vendor's refusal in the client's dialect.
    Caller {
        /// Its status.
        status: StatusCode,
        /// The vendor's headers that the client may see.
        headers: HeaderMap,
        /// The body in the client's dialect; `None` where the fault says it.
        body: Option<Bytes>,
        /// What it says.
        fault: Fault,
    },
    /// The caller's request cannot be said to this vendor.
    Unsaid(Fault),
    /// The account cannot take the call, before anything was sent.
    Refused(Refusal),
    /// The account or the vendor failed.
    Missed(Miss),
}

/// A failure that another account may mend.
#[derive(Debug)]
pub struct Miss {
    /// Whose fault, and what follows.
    pub blame: Blame,
    /// The vendor's status; 0 where it gave none.
    pub status: u16,
    /// Why, in words that hold no secret.
    pub why: String,
}

/// A stream that has begun.
pub struct Begun {
    /// The vendor's headers that the client may see.
    pub headers: HeaderMap,
    /// The rest of the answer.
    pub answer: Answer,
    /// Its way to the client.
    pub carry: Carry,
    /// What the client gets first.
    pub ready: Vec<Bytes>,
    /// The answer's `content-type`, where it is the vendor's own.
    pub content_type: Option<http::HeaderValue>,
    /// Whether the vendor had ended already.
    pub ended: bool,
    /// What could not be said in the request.
    pub warnings: Vec<String>,
}

/// Makes one attempt. `model` is the vendor's name of the model.
pub async fn attempt(means: &Means<'_>, call: &Call, account: &Ready, upstream: Upstream<'_>, model: &str) -> Tried {
    let vendor = provider(account.kind());
    if let Err(refusal) = vendor.serves(call.client) {
        return Tried::Refused(refusal);
    }
    let Some((operation, native)) = bridge::native(vendor, &upstream, call, model) else {
        return Tried::Refused(Refusal::unsupported(format!(
            "the vendor of this account does not offer this kind of call for the model {model}"
        )));
    };
    let crossed = match Bridge::cross(call, (operation, native), model, &means.limits, means.fetcher).await {
        Ok(crossed) => crossed,
        Err(fault) => return Tried::Unsaid(fault),
    };
    let overridden = match overridden(account, call, crossed.body) {
        Ok(body) => body,
        Err(refusal) => return Tried::Refused(refusal),
    };
    let body = match (&overridden, &call.content) {
        (Some(body), _) | (None, Content::Json(body)) => Payload::Json(body),
        (None, Content::Raw(bytes)) => Payload::Raw(bytes),
        (None, Content::Empty) => Payload::Empty,
    };
    let ask = Ask {
        operation,
        dialect: native,
        model,
        stream: call.stream,
        method: &call.method,
        path: &call.tail,
        query: &call.query,
        headers: crossed.headers.as_ref().unwrap_or(&call.headers),
        translated: crossed.bridge.translates() && crossed.headers.is_none(),
        body,
        now: means.now,
    };
    let outgoing = match vendor.request(&upstream, &ask) {
        Ok(outgoing) => outgoing,
        Err(refusal) => return Tried::Refused(refusal),
    };
    let mut warnings = crossed.warnings;
    warnings.extend(outgoing.dropped.iter().map(|field| format!("{field}: not available here and was not sent")));
    let address = outgoing.request.uri().clone();
    let trial = Trial { means, call, account, upstream, vendor, ask: &ask, bridge: &crossed.bridge, address };
    trial.send(outgoing.request, warnings).await
}

/// The body with the account's own fields laid over it.
fn overridden(account: &Ready, call: &Call, crossed: Option<Body>) -> Result<Option<Body>, Refusal> {
    if account.options().body_overrides.is_empty() {
        return Ok(crossed);
    }
    let Some(body) = crossed.as_ref().or(match &call.content {
        Content::Json(body) => Some(body),
        Content::Raw(_) | Content::Empty => None,
    }) else {
        return Ok(crossed);
    };
    let mut edit = body.edit();
    for (field, value) in &account.options().body_overrides {
        edit.set_raw(field, value.to_string().into_bytes());
    }
    Ok(Some(Body::scan(edit.finish())?))
}

struct Trial<'a> {
    means: &'a Means<'a>,
    call: &'a Call,
    account: &'a Ready,
    upstream: Upstream<'a>,
    vendor: &'static dyn Provider,
    ask: &'a Ask<'a>,
    bridge: &'a Bridge,
    address: http::Uri,
}

impl Trial<'_> {
    async fn send(&self, request: http::Request<Bytes>, warnings: Vec<String>) -> Tried {
        let framing = self.vendor.framing(self.ask);
        let streams = matches!(framing, Framing::Sse | Framing::EventStream) || self.ask.operation == Operation::Speak;
        let patience = &self.means.patience;
        let time = if streams { self.account.first_byte().unwrap_or(patience.stream) } else { patience.whole };
        let work = async {
            let mut answer = match self.means.upstreams.send(self.account.proxy.as_deref(), request).await {
                Ok(answer) => answer,
                Err(broken) => return self.broken(broken),
            };
            if !answer.status.is_success() {
                return self.refused(&mut answer).await;
            }
            // A vendor may answer a wish for a stream with one body.
            if streams && !is_one_json(&answer, self.ask) {
                self.begin(answer, framing, warnings).await
            } else {
                self.whole(answer, warnings).await
            }
        };
        match tokio::time::timeout(time, work).await {
            Ok(tried) => tried,
            Err(_) => self.broken(Broken::Silent),
        }
    }

    fn broken(&self, broken: Broken) -> Tried {
        let blame = match broken {
            Broken::Address => Blame::cooling(self.means.now + blame::pause::WALL, blame::Scope::Account),
            _ => blame::unreachable(self.means.now),
        };
        Tried::Missed(Miss { blame, status: 0, why: broken.to_string() })
    }

    async fn refused(&self, answer: &mut Answer) -> Tried {
        let body = match tokio::time::timeout(REFUSAL_TIME, answer.whole(REFUSAL)).await {
            Ok(Ok(body)) => body,
            Ok(Err(_)) | Err(_) => Bytes::new(),
        };
        self.judge(answer.status, &answer.headers, body)
    }

    /// Decides what a refusal is: the caller's to see, or a reason to go elsewhere.
    fn judge(&self, status: StatusCode, headers: &HeaderMap, body: Bytes) -> Tried {
        let failure = Failure {
            status,
            headers,
            body: &body,
            model: self.ask.model,
            refreshed: self.means.refreshed,
            rest: self.account.rest_ms(),
            now: self.means.now,
        };
        let hidden = self.upstream.hidden(&self.address.to_string());
        match self.vendor.blame(&failure) {
            Blame::Caller => {
                let body = hidden.scrub(&body);
                let vendors = bridge::hub_dialect(self.ask.dialect).unwrap_or_else(|| spoken(self.ask.dialect));
                let fault = Fault::read(vendors, status.as_u16(), &body);
                let shown = StatusCode::from_u16(self.account.status(status.as_u16())).unwrap_or(status);
                // A refusal in the client's own dialect goes through as it is.
                let body = (!self.bridge.translates() && !body.is_empty()).then_some(body);
                let headers = headers::answer(headers);
                Tried::Caller { status: shown, headers, body, fault: Fault { status: Some(shown.as_u16()), ..fault } }
            }
            blame => {
                let text = message(&body).unwrap_or_default();
                let text = hidden.scrub_text(&text).unwrap_or(text);
                let why = if text.is_empty() {
                    format!("the vendor answered {}", status.as_u16())
                } else {
                    format!("{}: {text}", status.as_u16())
                };
                Tried::Missed(Miss { blame, status: status.as_u16(), why })
            }
        }
    }

    async fn whole(&self, mut answer: Answer, warnings: Vec<String>) -> Tried {
        let body = match answer.whole(WHOLE).await {
            Ok(body) => body,
            Err(broken) => return self.broken(broken),
        };
        let body = self.vendor.unwrap(self.ask, body);
        if let Some(status) = self.hidden_failure(&body) {
            return self.judge(status, &answer.headers, body);
        }
        let retold = if self.ask.stream { self.bridge.retold(&body, self.call) } else { None };
        let kind = match &retold {
            Some(_) if !self.call.json_array => Some("text/event-stream"),
            Some(_) => Some("application/json"),
            None => self.bridge.translates().then_some("application/json"),
        };
        match retold.unwrap_or_else(|| self.bridge.whole(body)) {
            Ok((body, usage)) => {
                let mut headers = headers::answer(&answer.headers);
                if let Some(kind) = kind {
                    headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(kind));
                }
                Tried::Whole { status: answer.status, headers, body, usage, warnings }
            }
            Err(fault) => Tried::Missed(Miss {
                blame: blame::unreachable(self.means.now),
                status: answer.status.as_u16(),
                why: fault.message,
            }),
        }
    }

    /// The failure that a success hides; only bodies that can hold one are looked through.
    fn hidden_failure(&self, body: &[u8]) -> Option<StatusCode> {
        let may = memmem::find(body.get(..512).unwrap_or(body), b"error").is_some() || self.ask.follows_client();
        may.then(|| self.vendor.in_band(body)).flatten()
    }
}

/// Whether a wish for events was answered with one JSON body.
fn is_one_json(answer: &Answer, ask: &Ask<'_>) -> bool {
    let kind = answer.headers.get(http::header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    ask.operation != Operation::Speak && kind.starts_with("application/json")
}
