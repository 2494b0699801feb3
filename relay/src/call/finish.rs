//! How a call ends: what its client is told, and what is settled.

use axum::body::Body;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use schema::service::routing;
use serde_json::json;

use super::attempt::{Begun, Miss};
use super::background::{self, Outcome};
use super::choose::Nobody;
use super::meter::End;
use super::pump::{self, Ended};
use super::{Answer, Bound, Content, Life, Place, admit, pins, said, units};
use crate::convert::fault::{Kind, NO_SUCH_THREAD};
use crate::convert::usage::Usage;
use crate::convert::{Fault, rules as losses};
use crate::ingress::answer;
use crate::ingress::refuse::plain;
use crate::provider::blame::{Blame, Fault as AccountFault, pause};
use crate::provider::{Dialect, Operation, Refusal};

/// Names what could not be said to the vendor.
const WARNINGS: HeaderName = HeaderName::from_static("x-tollgate-warnings");

impl Life {
    pub(super) fn refuse(mut self, answer: Answer, no: Response<Body>, error: &'static str) {
        if let Some(meter) = &mut self.meter {
            meter.unserved();
        }
        self.settle(End { status: no.status().as_u16(), error, ..End::default() });
        let _gone = answer.send(no);
    }

    /// Nobody could serve the call: says so, and when to ask again.
    pub(super) fn give_up(self, answer: Answer, nobody: Nobody, refused: Option<Refusal>, missed: Option<Miss>) {
        if missed.is_none() && self.call.operation == Operation::CountTokens && nobody == Nobody::NoModel {
            return self.counted_here(answer);
        }
        let now = self.app.clock.now().0;
        let model = &self.call.model;
        let binding = self.rules.binding.as_ref().filter(|_| matches!(self.bound, Bound::Kept));
        if let (Some(binding), None, None) = (binding, &refused, &missed) {
            let fault = Fault::new(Kind::Permission, &binding.message).with_code("session_binding_error");
            let no = self.call.ear.refuse(&fault, None);
            return self.refuse(answer, no, "session_binding_error");
        }
        let held = self.keeper.is_some() && self.call.account.is_none() && !matches!(self.bound, Bound::Kept);
        if held && self.call.dialect == Dialect::Messages {
            // Anthropic's SDKs then send the whole conversation, which any account can go on with.
            let text = "The account that holds this thread cannot be asked right now; send the whole conversation.";
            let fault = Fault::new(Kind::NotFound, text).with_code(NO_SUCH_THREAD);
            let no = self.call.ear.refuse(&fault, None);
            return self.refuse(answer, no, "thread_not_held");
        }
        let (fault, wait) = match (nobody, refused, missed) {
            // What every account of this model says of the request is the caller's to change.
            (_, Some(Refusal::Unsupported { message, code }), None) => {
                let fault = Fault::new(Kind::InvalidRequest, admit::sentence(&message));
                (Fault { code: code.map(str::to_owned), ..fault }, None)
            }
            (_, Some(Refusal::Client(message)), None) => {
                (Fault::new(Kind::Permission, message).with_code("client_not_allowed"), None)
            }
            (Nobody::NoModel, _, None) => {
                let text = format!("The model '{model}' does not exist or is not available to this key.");
                (Fault::new(Kind::NotFound, text).with_code("model_not_found"), None)
            }
            (Nobody::OtherClient, _, None) => {
                let text = format!(
                    "The accounts that serve '{model}' are subscriptions, which carry their vendor's own client only."
                );
                (Fault::new(Kind::Permission, text).with_code("client_not_allowed"), None)
            }
            (Nobody::NotAllowed, _, None) => {
                let service = routing::family(model);
                let denied = service.filter(|service| {
                    self.meter.as_ref().is_some_and(|meter| !meter.view().key.permissions.allows(*service))
                });
                if let (Some(service), Some(meter)) = (denied, &self.meter) {
                    let no = self.call.ear.denied(&meter.view().key.permissions, service);
                    return self.refuse(answer, no, "permission_denied");
                }
                let text = format!("This API key may not use the accounts that serve '{model}'.");
                (Fault::new(Kind::Permission, text).with_code("permission_denied"), None)
            }
            (nobody, _, missed) => {
                let wake = match nobody {
                    Nobody::NotNow(wake) => wake,
                    _ => None,
                };
                let rest = missed.as_ref().and_then(|miss| until(&miss.blame)).filter(|until| *until > now);
                let wait = [wake, rest].into_iter().flatten().min().map_or(15_000, |until| (until - now).max(1_000));
                let text = format!("No account can serve '{model}' right now. Please try again later.");
                (
                    Fault::new(Kind::Unavailable, text).with_code("no_account_available"),
                    u64::try_from(wait.div_euclid(1_000) + 1).ok(),
                )
            }
        };
        let no = self.call.ear.refuse(&fault, wait);
        self.refuse(answer, no, "no_account");
    }

    /// Counts a prompt here where no vendor does.
    fn counted_here(mut self, answer: Answer) {
        let tokens = self.size.input.max(1);
        let body = match self.call.dialect {
            Dialect::Messages => json!({"input_tokens": tokens}),
            Dialect::Responses => json!({"object": "response.input_tokens", "input_tokens": tokens}),
            _ => json!({"totalTokens": tokens}),
        };
        let mut response = plain(StatusCode::OK, body.to_string().into_bytes());
        warn(&mut response, &["the count is an estimate: no vendor of this model counts tokens".to_owned()]);
        self.settle(End { status: 200, estimated: true, ..End::default() });
        let _gone = answer.send(response);
    }

    pub(super) fn callers_fault(
        mut self,
        answer: Answer,
        status: StatusCode,
        headers: HeaderMap,
        body: Option<bytes::Bytes>,
        fault: &Fault,
    ) {
        // A client in another service's words than its vendor's hears the reason in its own.
        let own = self.call.operation != Operation::Submit || self.call.ear.dialect == self.call.dialect;
        let response = match body.filter(|_| own) {
            Some(body) => {
                let (shown, body) = match self.call.operation {
                    Operation::Submit => crate::task::refused(self.call.dialect, status, body),
                    _ => (status, body),
                };
                let mut response = Response::new(Body::from(body));
                *response.status_mut() = shown;
                *response.headers_mut() = headers;
                response
            }
            None => self.call.ear.refuse(fault, None),
        };
        self.settle(End { status: status.as_u16(), error: "refused_by_vendor", ..End::default() });
        let _gone = answer.send(response);
    }

    pub(super) fn whole(
        mut self,
        answer: Answer,
        status: StatusCode,
        headers: HeaderMap,
        body: bytes::Bytes,
        usage: Option<Usage>,
        warnings: &[String],
    ) {
        if let Some(meter) = &mut self.meter {
            meter.first_byte();
        }
        let (units, estimated) = units::count(self.call.operation, &self.size, usage, &body);
        let said = self.rules.record.then(|| said::of(&self.call, &body));
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        warn(&mut response, warnings);
        let gone = answer.send(response).is_err();
        let error = if gone { "client_gone" } else { "" };
        self.settle(End {
            status: if gone { 499 } else { status.as_u16() },
            error,
            units: Some(units),
            estimated,
            said,
        });
    }

    /// The client has its answer, the vendor has only begun: what it comes to is booked when it is known.
    pub(super) async fn later(
        mut self,
        answer: Answer,
        (status, headers, body, warnings): (StatusCode, HeaderMap, bytes::Bytes, Vec<String>),
        place: &Place,
        key: usize,
        id: &str,
    ) {
        if let Some(meter) = &mut self.meter {
            meter.first_byte();
        }
        let said = self.rules.record.then(|| said::of(&self.call, &body));
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        warn(&mut response, &warnings);
        let _there = answer.send(response).is_ok();
        let counted = match self.outcome(place, key, id).await {
            Outcome::Ended(usage) => usage.map(|usage| units::count(self.call.operation, &self.size, Some(usage), b"")),
            Outcome::Unknown => Some(units::count(self.call.operation, &self.size, None, b"")),
        };
        let (units, estimated) = counted.map_or((None, false), |(units, estimated)| (Some(units), estimated));
        self.settle(End { status: status.as_u16(), error: "", units, estimated, said });
    }

    /// Carries a stream that has begun to its end, and holds no more of the call than its end needs.
    pub(super) async fn stream(mut self, answer: Answer, mut begun: Box<Begun>, place: Place, key: usize) {
        let working_on = begun.ready.first().filter(|_| background::is_wanted(&self.call));
        let working_on = working_on.and_then(|first| pins::made(&self.call, first)).map(|held| held.name);
        if let Some(meter) = &mut self.meter {
            meter.first_byte();
        }
        let (sender, body) = answer::channel();
        let mut response = Response::new(Body::new(body));
        *response.headers_mut() = std::mem::take(&mut begun.headers);
        let headers = response.headers_mut();
        let kind = begun.content_type.clone().unwrap_or_else(|| HeaderValue::from_static(begun.carry.content_type()));
        headers.insert(header::CONTENT_TYPE, kind);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        // Tells proxies such as nginx to pass events on as they come.
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        warn(&mut response, &begun.warnings);
        // Only the outcome is kept: a response that nobody took would hold the stream's other end open.
        let _there = answer.send(response).is_ok();
        let keeps_items = pins::keeps_items(&self.call);
        self.call.headers = HeaderMap::new();
        if !self.rules.record {
            self.call.content = Content::Empty;
        }
        let ended = pump::run(&mut begun, sender, self.rules.pace).await;
        if let Some(view) = self.meter.as_ref().map(|meter| meter.view().clone()).filter(|_| keeps_items) {
            pins::items(begun.carry.items()).for_each(|held| self.pin(&view, held, &place, key));
        }
        let (mut usage, has_output) = (begun.carry.usage(self.size.input), begun.carry.has_output());
        // The vendor works on although nobody listens; what it comes to is owed.
        if let Some(id) = working_on.filter(|_| matches!(ended, Ended::ClientGone | Ended::Cut))
            && let Outcome::Ended(whole) = Box::pin(self.outcome(&place, key, &id)).await
        {
            usage = whole.or(usage);
        }
        // No output, and the vendor says nothing of any cost: nothing is owed.
        let owed = has_output || usage.is_some_and(|usage| !usage.estimated);
        let counted = owed.then(|| units::count(self.call.operation, &self.size, usage, b""));
        let (units, estimated) = counted.map_or((None, false), |(units, estimated)| (Some(units), estimated));
        let (status, error) = match ended {
            Ended::Whole => (200, ""),
            Ended::Failed => (200, "upstream_error"),
            Ended::Cut => (200, "upstream_cut"),
            Ended::ClientGone => (499, "client_gone"),
        };
        if matches!(ended, Ended::Cut) {
            let blame = Blame::Vendor { until: self.app.clock.now().0 + pause::FAILURE };
            let miss = Miss { blame, status: 200, why: "the vendor broke a stream off".into() };
            self.note(&place, &miss, "", 0);
        }
        let said = self.rules.record.then(|| said::with(&self.call, begun.carry.said()));
        self.settle(End { status, error, units, estimated, said });
    }
}

fn until(blame: &Blame) -> Option<i64> {
    match blame {
        Blame::Account(AccountFault::Cooling { until, .. }) | Blame::Vendor { until } => Some(*until),
        _ => None,
    }
}

fn warn(response: &mut Response<Body>, warnings: &[String]) {
    if let Some(text) = losses::warning_header(warnings)
        && let Ok(value) = HeaderValue::from_str(&text)
    {
        response.headers_mut().insert(WARNINGS, value);
    }
}
