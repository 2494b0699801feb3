//! GraphQL over websockets: the `graphql-transport-ws` protocol, whole.
//!
//! One task reads and keeps the connection's rules; one task writes from a bounded queue; each operation
//! runs in a task of its own. A reader who lets the queue stand full is dropped.

mod line;
mod protocol;

use std::{net::SocketAddr, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use async_graphql::parser::types::OperationType;
use axum::{
    extract::{
        FromRequestParts, WebSocketUpgrade,
        ws::{Message, WebSocket},
    },
    response::Response,
};
use futures_util::{FutureExt, StreamExt, stream::SplitStream};
use http::{HeaderMap, request::Parts};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::{
    AuthError, Credentials, Gate, Plane, Road,
    admit::{self, Source},
    answer::{Answer, internal},
    code::{Code, Fault, HttpFault},
    intake::{self, Call},
    origin, run,
};
use line::{Line, Ticket};
use protocol::{Close, FromClient};

const PROTOCOL: &str = "graphql-transport-ws";

/// Turns a handshake into a socket.
pub async fn upgrade<G: Gate>(
    plane: &Arc<Plane<G>>,
    parts: &mut Parts,
    peer: Option<SocketAddr>,
    request_id: &Arc<str>,
) -> Result<Response, Fault> {
    if !origin::allowed(&parts.headers, &plane.settings.origins) {
        return Err(Fault::new(Code::Forbidden, "Pages of that origin may not open sockets here."));
    }
    let upgrade = WebSocketUpgrade::from_request_parts(parts, &())
        .await
        .map_err(|_| Fault::http(HttpFault::Method("GET, POST"), "Not a websocket handshake."))?;
    // Up to some multiple a message that is too big is read and told so; what the library itself refuses
    // can only be answered by breaking the connection.
    let most = plane.limits().body_bytes * 3;
    let visit = Visit { plane: plane.clone(), headers: parts.headers.clone(), peer, request_id: request_id.clone() };
    Ok(upgrade
        .protocols([PROTOCOL])
        .max_message_size(most)
        .max_frame_size(most)
        .on_upgrade(|socket| visit.serve(socket)))
}

struct Visit<G> {
    plane: Arc<Plane<G>>,
    headers: HeaderMap,
    peer: Option<SocketAddr>,
    request_id: Arc<str>,
}

impl<G: Gate> Visit<G> {
    async fn serve(self, socket: WebSocket) {
        let spoken = socket.protocol().is_some_and(|protocol| protocol.as_bytes() == PROTOCOL.as_bytes());
        let limits = self.plane.limits().clone();
        let (sink, mut inbox) = socket.split();
        let line = Line::open(sink, &limits);
        let close = if spoken {
            let attending = AssertUnwindSafe(self.attend(&mut inbox, &line));
            attending.catch_unwind().await.unwrap_or(Some(Close::INTERNAL))
        } else {
            Some(Close::SUBPROTOCOL)
        };
        line.operations.cancel();
        if let Some(close) = close {
            line.close(close).await;
            // The other end answers a close with its own; dropping the connection before would reset it.
            let rest = async { while let Some(Ok(_)) = inbox.next().await {} };
            drop(tokio::time::timeout(Duration::from_secs(2), rest).await);
        }
        line.hang_up().await;
    }

    /// Keeps the conversation until it ends; says how to close, or `None` when the other end is gone.
    async fn attend(&self, inbox: &mut SplitStream<WebSocket>, line: &Line) -> Option<Close> {
        let limits = self.plane.limits();
        let mut principal: Option<G::Principal> = None;
        let init_until = Instant::now() + limits.init_time;
        let mut pings = tokio::time::interval(limits.keepalive);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        pings.reset();
        let mut rechecks = tokio::time::interval(limits.recheck);
        rechecks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        loop {
            let message = tokio::select! {
                () = line.gone.cancelled() => return None,
                () = self.plane.settings.shutdown.cancelled() => return Some(Close::GOING_AWAY),
                close = line.verdict() => return Some(close),
                () = tokio::time::sleep_until(init_until), if principal.is_none() => {
                    return Some(Close::INIT_TIMEOUT);
                }
                _ = rechecks.tick(), if principal.is_some() => {
                    if let Some(known) = &principal
                        && !self.plane.gate.still_valid(known).await
                    {
                        return Some(Close::SESSION_ENDED);
                    }
                    continue;
                }
                _ = pings.tick() => {
                    if heard.elapsed() > limits.keepalive * 5 / 2 || !line.ping().await {
                        return None;
                    }
                    continue;
                }
                message = inbox.next() => message,
            };
            let text = match message {
                None => return None,
                Some(Ok(Message::Close(_))) => {
                    // Reading on sends the answering close, without which the other end takes this for a failure.
                    drop(tokio::time::timeout(Duration::from_secs(2), inbox.next()).await);
                    return None;
                }
                Some(Err(error)) => return Close::of_read_error(error),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {
                    heard = Instant::now();
                    continue;
                }
                Some(Ok(Message::Binary(_))) => return Some(Close::INVALID),
                Some(Ok(Message::Text(text))) => text,
            };
            heard = Instant::now();
            if text.len() > limits.body_bytes {
                return Some(Close::TOO_BIG);
            }
            let Some(message) = protocol::read(&text) else {
                return Some(Close::INVALID);
            };
            match message {
                FromClient::Init(_) if principal.is_some() => return Some(Close::SECOND_INIT),
                FromClient::Init(payload) => {
                    let credentials = Credentials { headers: &self.headers, peer: self.peer, init: payload.as_ref() };
                    let asking = self.plane.gate.authenticate(credentials);
                    match tokio::time::timeout_at(init_until, asking).await {
                        Ok(Ok(known)) => principal = Some(known),
                        Ok(Err(AuthError::Unavailable)) => return Some(Close::INTERNAL),
                        Ok(Err(_)) => return Some(Close::FORBIDDEN),
                        Err(_) => return Some(Close::INIT_TIMEOUT),
                    }
                    line.send(protocol::ACK.into()).await;
                }
                FromClient::Ping(payload) => line.send(protocol::pong(payload)).await,
                FromClient::Pong => {}
                FromClient::Subscribe { id, payload } => {
                    let Some(known) = &principal else {
                        return Some(Close::UNAUTHORIZED);
                    };
                    let Ok(call) = intake::from_json(payload) else {
                        return Some(Close::INVALID);
                    };
                    match line.start(&id, limits.socket_operations) {
                        line::Start::Ticket(ticket) => self.begin(line, known, id, ticket, call),
                        line::Start::Taken => return Some(Close::taken(&id)),
                        line::Start::Full => {
                            let fault = Fault::new(
                                Code::RateLimited,
                                format!("At most {} operations run at once on one socket.", limits.socket_operations),
                            );
                            let answer = Answer::refusal(&self.plane.gate, &self.request_id, fault);
                            line.send(protocol::error(&id, &answer)).await;
                        }
                    }
                }
                FromClient::Complete { id } => line.stop(&id),
            }
        }
    }

    fn begin(&self, line: &Line, principal: &G::Principal, id: String, ticket: Ticket, call: Call) {
        let operation = Operation {
            plane: self.plane.clone(),
            principal: principal.clone(),
            line: line.clone(),
            source: Source {
                request_id: self.operation_id(),
                road: Road::Socket,
                peer: self.peer,
                user_agent: Source::user_agent(&self.headers),
                writes: true,
                streams: true,
            },
            id,
            ticket,
        };
        tokio::spawn(operation.run(call));
    }

    /// Operations of one socket share the id of the handshake, told apart by a tail.
    fn operation_id(&self) -> Arc<str> {
        let tail = super::fresh_id();
        let tail = tail.get(..6).unwrap_or_default();
        format!("{}-{tail}", self.request_id).into()
    }
}

struct Operation<G: Gate> {
    plane: Arc<Plane<G>>,
    principal: G::Principal,
    line: Line,
    source: Source,
    id: String,
    ticket: Ticket,
}

impl<G: Gate> Operation<G> {
    async fn run(self, call: Call) {
        let stopped: CancellationToken = self.ticket.stopped.clone();
        let work = AssertUnwindSafe(self.work(call)).catch_unwind();
        let outcome = tokio::select! {
            () = stopped.cancelled() => return,
            outcome = work => outcome,
        };
        // Resolvers have their own wall; this one is for the gate.
        if outcome.is_err() {
            let answer = Answer::refusal(&self.plane.gate, &self.source.request_id, internal());
            self.last(protocol::error(&self.id, &answer)).await;
        }
    }

    async fn work(&self, call: Call) {
        let plane = &self.plane;
        if !plane.gate.still_valid(&self.principal).await {
            self.line.decide(Close::SESSION_ENDED);
            return;
        }
        let admitted = match admit::admit(plane, &self.principal, &self.source, call).await {
            Ok(admitted) => admitted,
            Err(refusal) => {
                let answer = Answer::refusal(&plane.gate, &self.source.request_id, refusal);
                self.last(protocol::error(&self.id, &answer)).await;
                return;
            }
        };
        if admitted.info.kind == OperationType::Subscription {
            let mut events = run::Events::open(plane.clone(), admitted);
            while let Some(event) = events.next().await {
                if event.refused().is_some() {
                    self.last(protocol::error(&self.id, &event)).await;
                    return;
                }
                if !self.emit(protocol::next(&self.id, &event)).await {
                    return;
                }
            }
        } else {
            let answer = run::once(plane.clone(), admitted).await;
            if answer.refused().is_some() {
                self.last(protocol::error(&self.id, &answer)).await;
                return;
            }
            if !self.emit(protocol::next(&self.id, &answer)).await {
                return;
            }
        }
        self.last(protocol::complete(&self.id)).await;
    }

    async fn emit(&self, text: String) -> bool {
        self.line.emit(&self.id, &self.ticket, text, false).await
    }

    async fn last(&self, text: String) {
        self.line.emit(&self.id, &self.ticket, text, true).await;
    }
}
