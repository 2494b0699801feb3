//! A realtime session from its admission to its last response. Each response is billed when it ends, and the
//! next one may only begin while the limits allow another.

use std::sync::Arc;

use axum::body::Body;
use http::{HeaderValue, Response};
use schema::App;
use schema::service::directory::KeyView;
use serde_json::json;

use super::attempt::Miss;
use super::choose::Nobody;
use super::engine::Engine;
use super::meter::{End, Meter};
use super::socket::{self, Dialled, Session, Step, Wish};
use super::tokens::{self, Armed};
use super::units;
use super::{Call, Life, Place, admit, forbidden};
use crate::provider::blame::{self, Blame};
use crate::provider::probe::message;
use crate::provider::{Ask, Dialect, Failure, Operation, Payload, Refusal, provider};
use crate::upstream::Answer;

/// The longest refusal that is read.
const REFUSAL: usize = 1 << 20;

/// Opens a session between a client that asks for one and an account that serves it.
pub async fn run(app: &App, engine: &Arc<Engine>, call: Call, view: Arc<KeyView>, wish: Wish) -> Response<Body> {
    let rules = engine.rules.current(app);
    let admitted = match admit::admit(app, &rules, &call, &view).await {
        Ok(admitted) => admitted,
        Err(no) => return *no,
    };
    let meter = Meter::start(app, &call, view.clone(), admitted.bill, admitted.ticket, rules.log_every);
    let life = Life::begin(app, engine, rules, call, admitted.size, meter, None);
    life.open(&view, wish).await
}

/// What came of asking one account.
enum Asked {
    Open(Box<socket::Socket>),
    Caller(Response<Body>),
    Refused(Refusal),
    Missed(Miss),
}

impl Life {
    async fn open(mut self, view: &Arc<KeyView>, wish: Wish) -> Response<Body> {
        let mut tried = Vec::new();
        let (mut refused, mut missed) = (None, None);
        for _ in 0..self.rules.tries {
            let place = match self.place(view, &mut tried, None).await {
                Ok(place) => place,
                Err(nobody) => return self.no_session(nobody, refused, missed),
            };
            tried.push(place.ready.id());
            let place = match tokens::arm(&self.app, &self.engine, place.ready.clone()).await {
                Ok(Armed { ready, bought }) => Place { ready, bought, ..place },
                Err(no) => {
                    missed = Some(self.tokenless(&place, no));
                    continue;
                }
            };
            let key = self.key(&place.ready);
            let model = place.ready.options().mapped(&self.call.model).into_owned();
            self.served_at(&place, &model);
            match self.dial(&place, key, &model).await {
                Asked::Open(vendor) => {
                    self.works(view, &place, None);
                    let consent = wish.consent();
                    let app = self.app.clone();
                    app.spawn(self.converse(wish, *vendor, place, view.clone()));
                    return consent;
                }
                Asked::Caller(response) => {
                    self.settle(End {
                        status: response.status().as_u16(),
                        error: "refused_by_vendor",
                        ..End::default()
                    });
                    return response;
                }
                Asked::Refused(refusal) => refused = Some(refusal),
                Asked::Missed(miss) => {
                    self.note(&place, &miss, &model, key);
                    missed = Some(miss);
                }
            }
        }
        self.no_session(Nobody::NotNow(None), refused, missed)
    }

    fn no_session(self, nobody: Nobody, refused: Option<Refusal>, missed: Option<Miss>) -> Response<Body> {
        let (answer, mut response) = tokio::sync::oneshot::channel();
        let ear = self.call.ear;
        self.give_up(answer, nobody, refused, missed);
        let lost = || {
            ear.refuse(
                &crate::convert::Fault::new(crate::convert::fault::Kind::Server, "The session was aborted."),
                None,
            )
        };
        response.try_recv().unwrap_or_else(|_| lost())
    }

    async fn dial(&self, place: &Place, key: usize, model: &str) -> Asked {
        let upstream = place.ready.upstream(key, place.bought.as_deref());
        let vendor = provider(place.ready.kind());
        let now = self.app.clock.now().0;
        let mut headers = self.call.headers.clone();
        if socket::wants_beta(&headers) {
            headers.insert("openai-beta", HeaderValue::from_static("realtime=v1"));
        }
        let ask = Ask {
            operation: Operation::Realtime,
            dialect: Dialect::Realtime,
            model,
            stream: true,
            method: &self.call.method,
            path: "",
            query: &self.call.query,
            headers: &headers,
            translated: false,
            body: Payload::Empty,
            now,
        };
        let outgoing = match vendor.request(&upstream, &ask) {
            Ok(outgoing) => outgoing,
            Err(refusal) => return Asked::Refused(refusal),
        };
        let address = outgoing.request.uri().to_string();
        let dialling = socket::dial(&self.engine.upstreams, place.ready.proxy.as_deref(), outgoing.request);
        let patience = place.ready.first_byte().unwrap_or(self.rules.patience.stream);
        let missed = |blame, status, why| Asked::Missed(Miss { blame, status, why });
        let mut answer = match tokio::time::timeout(patience, dialling).await {
            Ok(Ok(Dialled::Open(socket))) => return Asked::Open(socket),
            Ok(Ok(Dialled::Refused(answer))) => answer,
            Ok(Err(broken)) => return missed(blame::unreachable(now), 0, broken.to_string()),
            Err(_) => return missed(blame::unreachable(now), 0, "the vendor did not answer in time".into()),
        };
        let body = answer.whole(REFUSAL).await.unwrap_or_default();
        let failure = Failure {
            status: answer.status,
            headers: &answer.headers,
            body: &body,
            model,
            refreshed: true,
            rest: place.ready.rest_ms(),
            now,
        };
        let hidden = upstream.hidden(&address);
        match vendor.blame(&failure) {
            Blame::Caller => Asked::Caller(passed(&answer, hidden.scrub(&body))),
            blame => {
                let text = message(&body).unwrap_or_default();
                let text = hidden.scrub_text(&text).unwrap_or(text);
                missed(blame, answer.status.as_u16(), format!("{}: {text}", answer.status.as_u16()))
            }
        }
    }

    /// Carries a session; the account's place is held as long as it lasts.
    async fn converse(mut self, wish: Wish, vendor: socket::Socket, _place: Place, view: Arc<KeyView>) {
        let Some(client) = wish.open().await else {
            return self.settle(End { status: 499, error: "client_gone", ..End::default() });
        };
        let mut session = Session::new(client, vendor, self.rules.forbidden.clone());
        let mut responses = 0;
        loop {
            let step = tokio::select! {
                step = session.step() => step,
                () = self.app.stop.cancelled() => {
                    session.refuse(error_event("server_shutting_down", "The server is restarting; please connect again."), "restarting").await;
                    break;
                }
            };
            match step {
                Step::Nothing => {}
                Step::Over => break,
                Step::Forbidden(word) => {
                    session.tell(error_event("sensitive_words_detected", &forbidden::sentence(&word))).await
                }
                Step::Used(usage) => {
                    responses += 1;
                    let (units, _) = units::count(Operation::Realtime, &self.size, Some(usage), b"");
                    if let Some(meter) = &mut self.meter {
                        meter.part(responses, &units);
                        let ask = meter.next_demand(&view, &self.size);
                        if let Err(why) = meter.hold(&ask).await {
                            session.refuse(error_event("insufficient_quota", &why), "limit reached").await;
                            break;
                        }
                    }
                }
            }
        }
        match self.meter.take() {
            // Every response was booked on its own.
            Some(meter) if responses > 0 => meter.leave(),
            Some(meter) => meter.settle(End { status: 200, ..End::default() }),
            None => {}
        }
    }
}

fn error_event(code: &str, text: &str) -> String {
    let event = json!({"type": "error", "event_id": format!("event_{}", schema::id::hex(&schema::id::random::<8>())), "error": {"type": "invalid_request_error", "code": code, "message": text, "param": null}});
    event.to_string()
}

fn passed(answer: &Answer, body: bytes::Bytes) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = answer.status;
    *response.headers_mut() = crate::wire::headers::answer(&answer.headers);
    response
}
