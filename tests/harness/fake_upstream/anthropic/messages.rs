//! Messages: the answer whole and as a stream, threads, the prompt cache, token counting.

use bytes::Bytes;
use serde_json::{Value, json};

use super::check::{Host, check, sign};
use crate::fake_upstream::answer::{Answer, Ask, Stop, Usage, decide, fragments, hash, pieces};
use crate::fake_upstream::openai::chat::content_text;
use crate::fake_upstream::reply::{Body, Reply, named_event};
use crate::fake_upstream::state::Shared;

pub(super) fn create(body: &Value, shared: &Shared) -> Reply {
    if let Some(refused) = check(body, Host::Anthropic) {
        return refused;
    }
    if let Some(refused) = continue_thread(body, shared) {
        return refused;
    }
    let model = body["model"].as_str().unwrap_or_default();
    let answer = decide(&ask(body), shared);
    let id = shared.id("msg_");
    if body["thread"].is_object() {
        shared.memory().threads.insert(id.clone(), false);
    }
    if body["stream"] == json!(true) {
        return Reply::sse(events(&answer, &id, model).iter().map(named_event).collect());
    }
    Reply::json(200, &message(&answer, &id, model))
}

/// A thread is continued once, from the id of the reply that it ended with, where that reply was made.
fn continue_thread(body: &Value, shared: &Shared) -> Option<Reply> {
    if body["thread"]["type"] != "continue" {
        return None;
    }
    let previous = body["thread"]["previous_message_id"].as_str().unwrap_or_default();
    let mut memory = shared.memory();
    let (status, kind, code) = match memory.threads.get_mut(previous) {
        None => (404, "not_found_error", "thread_not_found"),
        Some(true) => (400, "invalid_request_error", "thread_already_continued"),
        Some(continued) => {
            *continued = true;
            return None;
        }
    };
    let details = json!({ "error_code": code });
    let error = json!({ "type": kind, "message": format!("thread: {previous}"), "details": details });
    Some(Reply::json(status, &json!({ "type": "error", "error": error, "request_id": "req_fake" })))
}

pub(super) fn count_tokens(body: &Value) -> Reply {
    if let Some(refused) = check(body, Host::Counting) {
        return refused;
    }
    Reply::json(200, &json!({ "input_tokens": (ask(body).prompt_bytes as u64 / 4).max(1) }))
}

/// What the request wants, for whichever host it came to.
pub(in crate::fake_upstream) fn ask(body: &Value) -> Ask {
    let tools = body["tools"].as_array();
    let choice = &body["tool_choice"];
    let last = body["messages"].as_array().and_then(|messages| messages.last());
    let blocks = last.and_then(|message| message["content"].as_array());
    let result = blocks.into_iter().flatten().find(|block| block["type"] == "tool_result");
    let names = |tool: &Value| Some((tool["name"].as_str()?.to_owned(), tool["input_schema"].clone()));
    let format =
        if body["output_format"].is_object() { &body["output_format"] } else { &body["output_config"]["format"] };
    let prompt = [&body["system"], &body["tools"], &body["messages"]];
    Ask {
        tools: tools.into_iter().flatten().filter_map(names).collect(),
        forced: match choice["type"].as_str() {
            Some("tool") => choice["name"].as_str().map(str::to_owned),
            Some("any") => body["tools"][0]["name"].as_str().map(str::to_owned),
            _ => None,
        },
        no_tools: choice["type"] == "none",
        one_tool: choice["disable_parallel_tool_use"] == json!(true),
        tool_result: result.map(|block| content_text(&block["content"])),
        schema: format.get("schema").cloned(),
        any_json: false,
        thinking: ["enabled", "adaptive"].contains(&body["thinking"]["type"].as_str().unwrap_or_default()),
        limit: body["max_tokens"].as_u64().filter(|limit| *limit > 0),
        prompt_bytes: prompt.iter().filter(|part| !part.is_null()).map(|part| part.to_string().len()).sum(),
        cache: cached_prefix(body),
    }
}

/// Everything up to the first message goes into the cache when any of it (or of the messages) is marked.
fn cached_prefix(body: &Value) -> Option<(u64, usize, bool)> {
    let prefix = format!("{}{}{}", body["tools"], body["system"], body["messages"][0]);
    let marked = body.to_string();
    marked
        .contains("\"cache_control\":{")
        .then(|| (hash(prefix.as_bytes()), prefix.len(), marked.contains("\"ttl\":\"1h\"")))
}

pub(in crate::fake_upstream) fn message(answer: &Answer, id: &str, model: &str) -> Value {
    json!({
        "id": id, "type": "message", "role": "assistant", "model": model, "content": content(answer),
        "stop_reason": stop_reason(answer.stop), "stop_sequence": null, "usage": usage(&answer.usage)
    })
}

pub(in crate::fake_upstream) fn stop_reason(stop: Stop) -> &'static str {
    match stop {
        Stop::End => "end_turn",
        Stop::Length => "max_tokens",
        Stop::Tools => "tool_use",
        Stop::Filter => "refusal",
    }
}

fn content(answer: &Answer) -> Vec<Value> {
    let mut content = Vec::new();
    if let Some(thinking) = &answer.thinking {
        content.push(json!({ "type": "thinking", "thinking": thinking, "signature": sign(thinking) }));
    }
    if !answer.text.is_empty() {
        content.push(json!({ "type": "text", "text": answer.text }));
    }
    for (index, call) in answer.calls.iter().enumerate() {
        let id = format!("toolu_fake{index:02}");
        content.push(json!({ "type": "tool_use", "id": id, "name": call.name, "input": call.arguments }));
    }
    content
}

pub(in crate::fake_upstream) fn usage(usage: &Usage) -> Value {
    json!({
        "input_tokens": usage.input,
        "cache_creation_input_tokens": usage.cache_write_5m + usage.cache_write_1h,
        "cache_read_input_tokens": usage.cache_read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write_5m, "ephemeral_1h_input_tokens": usage.cache_write_1h
        },
        "output_tokens": usage.output,
        "service_tier": "standard"
    })
}

/// The events of a stream as JSON; Bedrock wraps the same ones.
pub(in crate::fake_upstream) fn events(answer: &Answer, id: &str, model: &str) -> Vec<Value> {
    let mut opening = message(answer, id, model);
    opening["content"] = json!([]);
    opening["stop_reason"] = Value::Null;
    opening["usage"]["output_tokens"] = json!(1);
    let mut events = vec![json!({ "type": "message_start", "message": opening })];
    for (index, block) in content(answer).into_iter().enumerate() {
        let mut empty = block.clone();
        let mut deltas = Vec::new();
        match block["type"].as_str() {
            Some("thinking") => {
                empty["thinking"] = json!("");
                empty["signature"] = json!("");
                let thinking = block["thinking"].as_str().unwrap_or_default();
                deltas.extend(
                    pieces(thinking).iter().map(|piece| json!({ "type": "thinking_delta", "thinking": piece })),
                );
                deltas.push(json!({ "type": "signature_delta", "signature": block["signature"] }));
            }
            Some("tool_use") => {
                empty["input"] = json!({});
                deltas.push(json!({ "type": "input_json_delta", "partial_json": "" }));
                let fragments = fragments(&block["input"].to_string());
                deltas.extend(fragments.iter().map(|part| json!({ "type": "input_json_delta", "partial_json": part })));
            }
            _ => {
                empty["text"] = json!("");
                let text = block["text"].as_str().unwrap_or_default();
                deltas.extend(pieces(text).iter().map(|piece| json!({ "type": "text_delta", "text": piece })));
            }
        }
        events.push(json!({ "type": "content_block_start", "index": index, "content_block": empty }));
        if index == 0 {
            events.push(json!({ "type": "ping" }));
        }
        let delta = |delta: Value| json!({ "type": "content_block_delta", "index": index, "delta": delta });
        events.extend(deltas.into_iter().map(delta));
        events.push(json!({ "type": "content_block_stop", "index": index }));
    }
    events.push(json!({
        "type": "message_delta",
        "delta": { "stop_reason": stop_reason(answer.stop), "stop_sequence": null },
        "usage": {
            "input_tokens": answer.usage.input,
            "cache_creation_input_tokens": answer.usage.cache_write_5m + answer.usage.cache_write_1h,
            "cache_read_input_tokens": answer.usage.cache_read,
            "output_tokens": answer.usage.output
        }
    }));
    events.push(json!({ "type": "message_stop" }));
    events
}

/// The same reply as a careless gateway gives it: no pings, and usage only as it pleases.
pub(super) fn without_extras(mut reply: Reply) -> Reply {
    let clean = |mut value: Value| {
        for usage in ["/usage", "/message/usage"] {
            if let Some(Value::Object(usage)) = value.pointer_mut(usage) {
                usage.remove("cache_creation");
                usage.remove("service_tier");
                usage.insert("input_tokens".to_owned(), json!(0));
            }
        }
        value
    };
    reply.body = match reply.body {
        Body::Whole(body) => {
            let value = serde_json::from_slice(&body).unwrap_or(Value::Null);
            Body::Whole(Bytes::from(clean(value).to_string()))
        }
        Body::Stream(events) => Body::Stream(
            events
                .iter()
                .filter_map(|frame| {
                    let (_, data) = std::str::from_utf8(frame).ok()?.split_once("\ndata: ")?;
                    let value: Value = serde_json::from_str(data.trim_end()).ok()?;
                    (value["type"] != "ping").then(|| named_event(&clean(value)))
                })
                .collect(),
        ),
        socket @ Body::Socket(_) => socket,
    };
    reply
}
