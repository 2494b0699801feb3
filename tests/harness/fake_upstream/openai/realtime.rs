//! The websocket surfaces: realtime (general and beta) and Responses over a websocket.

use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::{bad, responses};
use crate::fake_upstream::answer::{Ask, decide, pieces};
use crate::fake_upstream::reply::{Body, Reply, Talk, TalkKind};
use crate::fake_upstream::seen::Seen;
use crate::fake_upstream::state::Shared;

type Socket = WebSocketStream<TokioIo<Upgraded>>;

pub(super) fn open(seen: &Seen) -> Reply {
    let model = seen.query_param("model").or_else(|| seen.query_param("deployment"));
    let Some(model) = model else {
        return bad("You must provide a model parameter.", "model", Some("missing_model"));
    };
    let offered = seen.header("sec-websocket-protocol").unwrap_or_default().to_owned();
    let protocols: Vec<&str> = offered.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    if protocols.iter().any(|protocol| protocol.starts_with("openai-insecure-api-key.")) {
        return bad("the key comes in a header here, not in a sub-protocol", "sec-websocket-protocol", None);
    }
    let beta = seen.header("openai-beta").is_some_and(|beta| beta.contains("realtime=v1"))
        || protocols.contains(&"openai-beta.realtime-v1");
    let protocol = protocols.contains(&"realtime").then(|| "realtime".to_owned());
    let kind = if beta { TalkKind::RealtimeBeta } else { TalkKind::Realtime };
    socket(Talk { protocol, kind, model })
}

pub(super) fn open_responses(seen: &Seen) -> Reply {
    if !seen.is_upgrade() {
        return super::error(405, "Method not allowed.", "invalid_request_error", None, None);
    }
    socket(Talk { protocol: None, kind: TalkKind::Responses, model: String::new() })
}

fn socket(talk: Talk) -> Reply {
    Reply { status: 101, headers: Vec::new(), body: Body::Socket(talk) }
}

/// Speaks until the other side closes. A client event `{"type":"fake.close","code":4000}` makes the server close.
pub(in crate::fake_upstream) async fn converse(mut socket: Socket, talk: &Talk, shared: &Shared) {
    if talk.kind != TalkKind::Responses {
        let beta = talk.kind == TalkKind::RealtimeBeta;
        let mut session = json!({ "id": shared.id("sess_"), "object": "realtime.session", "model": talk.model });
        if !beta {
            session["type"] = json!("realtime");
        }
        let hello = json!({ "type": "session.created", "event_id": shared.id("event_"), "session": session });
        if send(&mut socket, &hello).await.is_none() {
            return;
        }
    }
    while let Some(Ok(message)) = socket.next().await {
        let text = match message {
            Message::Text(text) => text.to_string(),
            Message::Close(_) => return,
            Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_) => {
                continue;
            }
        };
        let Ok(event) = serde_json::from_str::<Value>(&text) else {
            let error = json!({ "type": "invalid_request_error", "code": "invalid_json", "message": "not JSON" });
            let _ = send(&mut socket, &json!({ "type": "error", "error": error })).await;
            continue;
        };
        if event["type"] == "fake.close" {
            let code = event["code"].as_u64().and_then(|code| u16::try_from(code).ok()).unwrap_or(1000);
            let frame = CloseFrame { code: CloseCode::from(code), reason: "as asked".into() };
            let _ = socket.close(Some(frame)).await;
            return;
        }
        let replies = match talk.kind {
            TalkKind::Responses => over_websocket(&event, shared),
            TalkKind::Realtime | TalkKind::RealtimeBeta => realtime(&event, talk, shared),
        };
        for reply in replies {
            if send(&mut socket, &reply).await.is_none() {
                return;
            }
        }
    }
}

async fn send(socket: &mut Socket, event: &Value) -> Option<()> {
    socket.send(Message::text(event.to_string())).await.ok()
}

fn over_websocket(event: &Value, shared: &Shared) -> Vec<Value> {
    if event["type"] != "response.create" {
        return vec![json!({ "type": "error", "status": 400, "error": { "message": "expected response.create" } })];
    }
    let (events, _) = responses::run(event, shared);
    events
        .iter()
        .filter_map(|frame| {
            let text = std::str::from_utf8(frame).ok()?;
            serde_json::from_str(text.split_once("\ndata: ")?.1.trim_end()).ok()
        })
        .collect()
}

fn realtime(event: &Value, talk: &Talk, shared: &Shared) -> Vec<Value> {
    let beta = talk.kind == TalkKind::RealtimeBeta;
    match event["type"].as_str().unwrap_or_default() {
        "session.update" => {
            vec![json!({ "type": "session.updated", "event_id": shared.id("event_"), "session": event["session"] })]
        }
        "conversation.item.create" => {
            let mut item = event["item"].clone();
            if item["id"].is_null() {
                item["id"] = json!(shared.id("item_"));
            }
            let kinds: &[&str] = if beta {
                &["conversation.item.created"]
            } else {
                &["conversation.item.added", "conversation.item.done"]
            };
            kinds.iter().map(|kind| json!({ "type": kind, "event_id": shared.id("event_"), "item": item })).collect()
        }
        "input_audio_buffer.append" => Vec::new(),
        "input_audio_buffer.commit" => {
            vec![json!({ "type": "input_audio_buffer.committed", "item_id": shared.id("item_") })]
        }
        "response.create" => respond(event, beta, shared),
        other => vec![json!({
            "type": "error", "event_id": shared.id("event_"),
            "error": {
                "type": "invalid_request_error", "code": "invalid_value", "param": "type", "event_id": event["event_id"],
                "message": format!("Invalid value: '{other}'.")
            }
        })],
    }
}

fn respond(event: &Value, beta: bool, shared: &Shared) -> Vec<Value> {
    let ask = Ask { prompt_bytes: event.to_string().len(), ..Ask::default() };
    let answer = decide(&ask, shared);
    let (id, item) = (shared.id("resp_"), shared.id("item_"));
    let text_kind = if beta { "text" } else { "output_text" };
    let mut events = vec![
        json!({ "type": "response.created", "response": { "id": id, "object": "realtime.response", "status": "in_progress" } }),
        json!({
            "type": "response.output_item.added", "response_id": id, "output_index": 0,
            "item": { "id": item, "type": "message", "role": "assistant", "content": [] }
        }),
    ];
    for piece in pieces(&answer.text) {
        events.push(json!({
            "type": format!("response.{text_kind}.delta"), "response_id": id, "item_id": item, "output_index": 0,
            "content_index": 0, "delta": piece
        }));
    }
    events.push(json!({
        "type": format!("response.{text_kind}.done"), "response_id": id, "item_id": item, "output_index": 0,
        "content_index": 0, "text": answer.text
    }));
    let usage = &answer.usage;
    let input = usage.all_input();
    let content = json!([{ "type": text_kind, "text": answer.text }]);
    events.push(json!({
        "type": "response.done",
        "response": {
            "id": id, "object": "realtime.response", "status": "completed",
            "output": [{ "id": item, "type": "message", "role": "assistant", "status": "completed", "content": content }],
            "usage": {
                "total_tokens": input + usage.output, "input_tokens": input, "output_tokens": usage.output,
                "input_token_details": {
                    "text_tokens": input.saturating_sub(usage.audio_input), "audio_tokens": usage.audio_input,
                    "cached_tokens": usage.cache_read
                },
                "output_token_details": {
                    "text_tokens": usage.output.saturating_sub(usage.audio_output), "audio_tokens": usage.audio_output
                }
            }
        }
    }));
    for event in &mut events {
        event["event_id"] = json!(shared.id("event_"));
    }
    events
}
