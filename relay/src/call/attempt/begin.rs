//! The beginning of a streamed answer: read until it is one, and judged as a refusal until then.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::{Begun, Miss, Trial, Tried};
use crate::call::bridge;
use crate::call::carry::Unpack;
use crate::call::said;
use crate::convert::{Fault, Words};
use crate::ingress::refuse::spoken;
use crate::provider::{Ask, Dialect, Framing, InBand, Operation, Payload, Provider, blame};
use crate::sse::tap::End;
use crate::sse::{self};
use crate::upstream::Answer;
use crate::wire::eventstream::Message;
use crate::wire::headers;

impl Trial<'_> {
    pub(super) async fn begin(&self, mut answer: Answer, framing: Framing, warnings: Vec<String>) -> Tried {
        let mut carry = match self.bridge.carry(self.unpack(framing)) {
            Ok(carry) => carry,
            Err(error) => return Tried::Unsaid(Fault::from(error)),
        };
        if self.means.record {
            carry.listen(self.bridge.vendors_dialect().and_then(|dialect| Words::new(dialect, said::LONGEST)));
        }
        let events = framing == Framing::Sse;
        let mut peek = Some(sse::Decoder::default()).filter(|_| events);
        let mut ready = Vec::new();
        let mut ended = false;
        loop {
            let chunk = match answer.chunk().await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => {
                    ended = true;
                    carry.finish(&mut ready);
                    break;
                }
                Err(broken) => return self.broken(broken),
            };
            // The first event may be an error that came with a success.
            if let Some(decoder) = &mut peek {
                decoder.push(chunk.clone());
                if let Some(first) = first_data(decoder) {
                    if let Some(status) = self.hidden_failure(&first) {
                        return self.judge(status, &answer.headers, first);
                    }
                    peek = None;
                }
            }
            carry.feed(chunk, &mut ready);
            if carry.end() == End::Failed && !carry.has_output() {
                break;
            }
            if carry.has_begun() && !ready.is_empty() {
                break;
            }
        }
        if let Some(fault) = carry.failure() {
            let status =
                StatusCode::from_u16(fault.status(spoken(self.ask.dialect))).unwrap_or(StatusCode::BAD_GATEWAY);
            let body = fault.body(spoken(self.ask.dialect));
            return self.judge(status, &answer.headers, body.into());
        }
        // The vendor's own error before any of the model's words is as good as a refusal.
        if carry.end() == End::Failed
            && !carry.has_output()
            && let Some((status, data)) = self.told_failure(&ready)
        {
            return self.judge(status, &answer.headers, data);
        }
        if ended && (!carry.has_begun() || ready.iter().all(Bytes::is_empty)) {
            return Tried::Missed(Miss {
                blame: blame::unreachable(self.means.now),
                status: answer.status.as_u16(),
                why: "the vendor's stream was empty".into(),
            });
        }
        let content_type = (!events && framing == Framing::Whole
            || matches!(self.ask.dialect, Dialect::Audio | Dialect::Images))
        .then(|| answer.headers.get(http::header::CONTENT_TYPE).cloned())
        .flatten();
        let headers = headers::answer(&answer.headers);
        Tried::Stream(Box::new(Begun { headers, answer, carry, ready, content_type, ended, warnings }))
    }

    /// The error event among the first events, where there is one.
    fn told_failure(&self, ready: &[Bytes]) -> Option<(StatusCode, Bytes)> {
        let mut decoder = sse::Decoder::default();
        decoder.push(ready.concat().into());
        while let Some(data) = first_data(&mut decoder) {
            if let Some(status) = self.hidden_failure(&data) {
                return Some((status, data));
            }
        }
        None
    }

    fn unpack(&self, framing: Framing) -> Unpack {
        if framing == Framing::EventStream {
            let (vendor, reading) = (self.vendor, Reading::of(self.ask));
            let dialect = bridge::hub_dialect(self.ask.dialect).unwrap_or_else(|| spoken(self.ask.dialect));
            return Unpack::messages(dialect, Box::new(move |message: &Message| reading.event(vendor, message)));
        }
        // A vendor that takes an envelope off this takes one off every event.
        let sample = Bytes::from_static(b"{\"response\":{}}");
        if self.vendor.unwrap(self.ask, sample.clone()) != sample {
            let (vendor, reading) = (self.vendor, Reading::of(self.ask));
            return Unpack::enveloped(Box::new(move |data| reading.unwrap(vendor, data)));
        }
        Unpack::Plain
    }
}

/// What of an [`Ask`] the reading of its answer needs, for as long as the stream lasts.
struct Reading {
    operation: Operation,
    dialect: Dialect,
    model: String,
    headers: HeaderMap,
    now: i64,
}

impl Reading {
    fn of(ask: &Ask<'_>) -> Self {
        Self {
            operation: ask.operation,
            dialect: ask.dialect,
            model: ask.model.to_owned(),
            headers: HeaderMap::new(),
            now: ask.now,
        }
    }

    fn ask(&self) -> Ask<'_> {
        Ask {
            operation: self.operation,
            dialect: self.dialect,
            model: &self.model,
            stream: true,
            method: &http::Method::POST,
            path: "",
            query: "",
            headers: &self.headers,
            translated: false,
            body: Payload::Empty,
            now: self.now,
        }
    }

    fn event(&self, vendor: &dyn Provider, message: &Message) -> Result<Option<Bytes>, InBand> {
        vendor.event(&self.ask(), message)
    }

    fn unwrap(&self, vendor: &dyn Provider, data: Bytes) -> Bytes {
        vendor.unwrap(&self.ask(), data)
    }
}

/// The data of the first event that has any.
fn first_data(decoder: &mut sse::Decoder) -> Option<Bytes> {
    while let Ok(Some(frame)) = decoder.next_frame() {
        if let Some(data) = frame.data() {
            return Some(Bytes::from(data.into_owned()));
        }
    }
    None
}
