//! `/ws`: what happens, told to whoever subscribed, as far as it is theirs to know.
//!
//! A caller is known by its header, by `?token=`, or by its first message, for which whoever comes without
//! either is asked; `{"action": "auth"}` with a fresh token takes the place of one that is about to end. Whoever
//! reads too slowly is let go.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{FromRequestParts, State};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use schema::bus::Event;
use schema::model::announcement::AnnouncementStatus;
use schema::model::ledger::EntryKind;
use schema::model::order::OrderStatus;
use schema::service::announcement;
use schema::service::setting::{self, names};
use schema::{Actor, App, Error, Face, Micros};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::{Fault, bearer};
use super::{Massrouter, Maybe, Query, believe, billing, told};
use crate::openapi::Later;

/// How long the first message may take.
const FIRST_WORD: Duration = Duration::from_secs(10);
/// How long one message may take to leave.
const SLOW: Duration = Duration::from_secs(5);
/// How often the connection and the credential behind it are looked after.
const BEAT: Duration = Duration::from_secs(30);
/// Largest message that is read.
const MOST: usize = 16 * 1024;

const AUTH: &str = "auth";
const BILLING: &str = "billing.updates";
const USAGE: &str = "model.usage";
const ALERTS: &str = "system.alerts";

#[derive(Default, Deserialize)]
pub struct Credentials {
    token: Option<String>,
}

/// Somebody listening, and the token by which they are believed.
struct Guest {
    actor: Actor,
    token: String,
}

async fn welcome(app: &App, token: &str, parts: &Parts) -> Result<Guest, Error> {
    let anonymous = relay::edge::origin::of(parts).anonymous(Face::Massrouter);
    Ok(Guest { actor: believe(app, token, false, anonymous).await?, token: token.to_owned() })
}

pub async fn open(State(app): State<App>, request: Later<(Maybe, Query<Credentials>)>) -> Response {
    let (mut parts, _) = request.0.into_parts();
    let query = axum::extract::Query::<Credentials>::try_from_uri(&parts.uri).map(|q| q.0).unwrap_or_default();
    let token = bearer(&parts).map(str::to_owned).or(query.token);
    let refuse = |error: Error| Fault::<Massrouter>::from(error).into_response();
    let guest = match token {
        Some(token) => match welcome(&app, &token, &parts).await {
            Ok(guest) => Some(guest),
            Err(error) => return refuse(error),
        },
        None => None,
    };
    let Ok(upgrade) = WebSocketUpgrade::from_request_parts(&mut parts, &app).await else {
        return refuse(match guest {
            Some(_) => Error::invalid("upgrade", "this address speaks WebSocket"),
            None => Error::unauthenticated("sign in first"),
        });
    };
    upgrade.max_message_size(MOST).on_upgrade(move |socket| async move {
        let mut line = Line { app, socket };
        let guest = match guest {
            Some(guest) => Some((guest, None)),
            None => line.first_word(&parts).await,
        };
        match guest {
            Some((guest, order)) => line.serve(guest, order, &parts).await,
            None => line.close().await,
        }
    })
}

/// What a message asks for.
#[derive(Deserialize)]
struct Order {
    action: String,
    topic: Option<String>,
    token: Option<String>,
}

/// One connection.
struct Line {
    app: App,
    socket: WebSocket,
}

impl Line {
    /// Sends one message; false when the reader is gone or too slow.
    async fn say(&mut self, message: Value) -> bool {
        let text = Message::Text(message.to_string().into());
        matches!(tokio::time::timeout(SLOW, self.socket.send(text)).await, Ok(Ok(())))
    }

    async fn acknowledge(&mut self, action: &str, topic: Option<&str>) -> bool {
        let at = self.app.clock.now().rfc3339();
        self.say(json!({ "type": "ack", "success": true, "action": action, "topic": topic, "timestamp": at })).await
    }

    async fn complain(&mut self, action: &str, topic: Option<&str>, error: &Error) -> bool {
        let at = self.app.clock.now().rfc3339();
        let what = told(error);
        self.say(json!({
            "type": "error", "success": false, "action": action, "topic": topic, "error": what, "timestamp": at,
        }))
        .await
    }

    /// Asks and waits for a message with a token. One that orders something as well is not answered yet: the order
    /// is to be obeyed.
    async fn first_word(&mut self, parts: &Parts) -> Option<(Guest, Option<Order>)> {
        let ask = Error::unauthenticated("send {\"action\": \"auth\", \"token\": …} first");
        if !self.complain(AUTH, None, &ask).await {
            return None;
        }
        let until = tokio::time::Instant::now() + FIRST_WORD;
        let text = loop {
            match tokio::time::timeout_at(until, self.socket.recv()).await {
                Ok(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => {}
                Ok(Some(Ok(Message::Text(text)))) => break Some(text),
                _ => break None,
            }
        };
        let mut order = text.and_then(|text| serde_json::from_str::<Order>(&text).ok());
        let guest = match order.as_mut().and_then(|order| order.token.take()) {
            Some(token) => welcome(&self.app, &token, parts).await,
            None => Err(Error::unauthenticated("the first message must carry a token")),
        };
        match (guest, order.filter(|order| order.action != AUTH)) {
            (Ok(guest), None) => self.acknowledge(AUTH, None).await.then_some((guest, None)),
            (Ok(guest), order) => Some((guest, order)),
            (Err(error), _) => {
                self.complain(AUTH, None, &error).await;
                None
            }
        }
    }

    async fn serve(&mut self, mut guest: Guest, first: Option<Order>, parts: &Parts) {
        let mut events = self.app.bus.listen();
        let mut topics = BTreeSet::new();
        if let Some(order) = first
            && !self.obey(&mut guest, &mut topics, parts, order).await
        {
            return self.close().await;
        }
        let mut beat = tokio::time::interval(BEAT);
        beat.tick().await;
        let stop = self.app.stop.clone();
        loop {
            let goes_on = tokio::select! {
                () = stop.cancelled() => false,
                _ = beat.tick() => self.still(&mut guest).await && self.ping().await,
                heard = self.socket.recv() => match heard {
                    Some(Ok(Message::Text(text))) => match serde_json::from_str::<Order>(&text) {
                        Ok(order) => self.obey(&mut guest, &mut topics, parts, order).await,
                        Err(_) => {
                            let error = Error::invalid("message", "a message is {\"action\": …, \"topic\": …}");
                            self.complain("", None, &error).await
                        }
                    },
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => true,
                    Some(Ok(Message::Binary(_))) => {
                        self.complain("", None, &Error::invalid("message", "messages are JSON text")).await
                    }
                    Some(Ok(Message::Close(_)) | Err(_)) | None => false,
                },
                event = events.next() => match event.as_deref() {
                    // It fell too far behind.
                    None | Some(Event::Resync) => false,
                    Some(Event::UserChanged { id }) if guest.actor.user_id == Some(*id) => self.still(&mut guest).await,
                    Some(Event::TokenRevoked { .. } | Event::KeyChanged { .. }) => self.still(&mut guest).await,
                    Some(Event::AnnouncementChanged { id }) => self.announce(&guest.actor, &topics, *id).await,
                    Some(event) => match self.news(&guest.actor, &topics, event) {
                        Some(news) => self.say(news).await,
                        None => true,
                    },
                },
            };
            if !goes_on {
                break;
            }
        }
        self.close().await;
    }

    async fn close(&mut self) {
        let _ = tokio::time::timeout(SLOW, self.socket.send(Message::Close(None))).await;
    }

    async fn ping(&mut self) -> bool {
        let ping = Message::Ping(Vec::new().into());
        matches!(tokio::time::timeout(SLOW, self.socket.send(ping)).await, Ok(Ok(())))
    }

    /// True while the credential still stands; the guest's role is read afresh.
    async fn still(&mut self, guest: &mut Guest) -> bool {
        let anonymous = Actor::anonymous(Face::Massrouter, guest.actor.ip.clone(), guest.actor.request_id.clone());
        match believe(&self.app, &guest.token, false, anonymous).await {
            Ok(actor) => {
                guest.actor = actor;
                true
            }
            Err(error) => error.is_ours(),
        }
    }

    async fn obey(
        &mut self,
        guest: &mut Guest,
        topics: &mut BTreeSet<&'static str>,
        parts: &Parts,
        order: Order,
    ) -> bool {
        let (action, named) = (order.action.as_str(), order.topic.as_deref());
        let topic = [BILLING, USAGE, ALERTS].into_iter().find(|t| Some(*t) == named);
        match (action, topic) {
            ("ping", _) => self.acknowledge(action, None).await,
            (AUTH, _) => {
                let fresh = match &order.token {
                    Some(token) => welcome(&self.app, token, parts).await,
                    None => Err(Error::unauthenticated("the message must carry a token")),
                };
                match fresh {
                    Ok(fresh) => {
                        *guest = fresh;
                        self.acknowledge(action, None).await
                    }
                    // What was believed before still is.
                    Err(error) => self.complain(action, None, &error).await,
                }
            }
            ("subscribe", Some(ALERTS)) if !guest.actor.is_admin() => {
                let error = Error::forbidden("system alerts are for administrators");
                self.complain(action, named, &error).await
            }
            ("subscribe", Some(topic)) => {
                topics.insert(topic);
                self.acknowledge(action, named).await
            }
            ("unsubscribe", Some(topic)) => {
                topics.remove(topic);
                self.acknowledge(action, named).await
            }
            ("subscribe" | "unsubscribe", None) => {
                let error = Error::invalid("topic", format!("topic must be {BILLING}, {USAGE} or {ALERTS}"));
                self.complain(action, named, &error).await
            }
            _ => {
                let error = Error::invalid("action", "action must be auth, subscribe, unsubscribe or ping");
                self.complain(action, named, &error).await
            }
        }
    }

    /// What an event is to this caller, if anything.
    fn news(&self, actor: &Actor, topics: &BTreeSet<&'static str>, event: &Event) -> Option<Value> {
        let mine = |id: i64| actor.user_id == Some(id);
        let (topic, data) = match event {
            Event::WalletChanged(change) if mine(change.user_id) => {
                let per_usd = setting::current(&self.app).number(names::CNY_PER_USD);
                let yuan = |micros: i64| (Micros(micros).dollars() * per_usd * 1e6).round() / 1e6;
                let data = json!({
                    "balance": yuan(change.balance), "amount": yuan(change.amount), "currency": "CNY",
                    "type": EntryKind::parse(&change.entry_kind).map(billing::kind), "sequence": change.seq,
                });
                (BILLING, data)
            }
            Event::OrderChanged { no, user_id, status } if mine(*user_id) => {
                let status = OrderStatus::parse(status).map(billing::status);
                (BILLING, json!({ "payment_id": no, "status": status, "type": "payment" }))
            }
            Event::Used(call) if mine(call.user_id) || actor.is_admin() => {
                let data = json!({
                    "call_id": call.call_id, "user_id": call.user_id.to_string(), "model": call.model,
                    "status": call.status, "input_tokens": call.input, "output_tokens": call.output,
                    "cost_usd": Micros(call.cost).dollars(), "duration_ms": call.duration_ms,
                });
                (USAGE, data)
            }
            Event::Alert { level, code, message, .. } if actor.is_admin() => {
                (ALERTS, json!({ "level": level, "code": code, "message": message }))
            }
            _ => return None,
        };
        topics.contains(topic).then(|| self.event(topic, &data))
    }

    fn event(&self, topic: &str, data: &Value) -> Value {
        json!({ "type": "event", "topic": topic, "data": data, "timestamp": self.app.clock.now().rfc3339() })
    }

    /// Tells administrators of an announcement that is before people now.
    async fn announce(&mut self, actor: &Actor, topics: &BTreeSet<&'static str>, id: i64) -> bool {
        if !topics.contains(ALERTS) || !actor.is_admin() {
            return true;
        }
        let Ok(found) = announcement::get(&self.app, actor, id).await else { return true };
        let over = found.expires_at.is_some_and(|end| end <= self.app.clock.now());
        if over || found.status != AnnouncementStatus::Published {
            return true;
        }
        let data = json!({
            "level": "info", "code": "ANNOUNCEMENT", "message": found.title, "announcement_id": found.uid,
            "type": found.kind, "priority": found.priority, "summary": found.summary,
        });
        let news = self.event(ALERTS, &data);
        self.say(news).await
    }
}
