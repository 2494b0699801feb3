//! The Responses API: objects, event streams, stored responses.

use bytes::Bytes;
use serde_json::{Value, json};

use super::bad;
use super::chat::content_text;
use crate::fake_upstream::answer::{Answer, Ask, Stop, Usage, decide, fragments, pieces};
use crate::fake_upstream::reply::{Reply, named_event};
use crate::fake_upstream::seen::Seen;
use crate::fake_upstream::state::Shared;

pub(in crate::fake_upstream) fn answer(seen: &Seen, shared: &Shared, rest: &[&str]) -> Reply {
    match (seen.method.as_str(), rest) {
        ("POST", []) => create(seen, shared),
        ("POST", ["compact"]) => {
            let body = seen.json();
            let item = json!({ "type": "compaction", "id": shared.id("cmp_"), "encrypted_content": "ZmFrZQ==" });
            Reply::json(
                200,
                &json!({
                    "id": shared.id("resp_"), "object": "response.compaction", "created_at": 1_750_000_000,
                    "output": [item], "usage": usage(&decide(&ask(&body), shared).usage)
                }),
            )
        }
        ("POST", ["input_tokens"]) => {
            let tokens = seen.json()["input"].to_string().len() / 4;
            Reply::json(200, &json!({ "object": "response.input_tokens", "input_tokens": tokens }))
        }
        ("GET", [id]) if seen.query_param("stream").as_deref() == Some("true") => {
            let Some(stored) = shared.memory().responses.get(*id).cloned() else { return missing(id) };
            let opened = unfinished(stored.clone(), "in_progress");
            let events = [("response.created", opened), ("response.completed", stored)];
            let event = |(at, (kind, response)): (usize, (&str, Value))| {
                named_event(&json!({ "type": kind, "sequence_number": at, "response": response }))
            };
            Reply::sse(events.into_iter().enumerate().map(event).collect())
        }
        ("GET", [id]) => stored(id, shared),
        ("GET", [id, "input_items"]) => match shared.memory().responses.get(*id) {
            Some(_) => Reply::json(200, &json!({ "object": "list", "data": [], "has_more": false })),
            None => missing(id),
        },
        ("POST", [id, "cancel"]) if shared.memory().working.remove(*id).is_some() => {
            let mut memory = shared.memory();
            let Some(stored) = memory.responses.get_mut(*id) else { return missing(id) };
            stored["status"] = json!("cancelled");
            stored["usage"] = Value::Null;
            Reply::json(200, stored)
        }
        ("POST", [id, "cancel"]) => match shared.memory().responses.get(*id) {
            Some(_) => bad("Cannot cancel a synchronous response.", "response_id", None),
            None => missing(id),
        },
        ("DELETE", [id]) => match shared.memory().responses.remove(*id) {
            Some(_) => Reply::json(200, &json!({ "id": id, "object": "response", "deleted": true })),
            None => missing(id),
        },
        (method, _) => {
            super::error(404, &format!("Invalid URL ({method} {})", seen.path), "invalid_request_error", None, None)
        }
    }
}

/// Conversations, which like stored responses exist only where they were made.
pub(in crate::fake_upstream) fn conversations(seen: &Seen, shared: &Shared, rest: &[&str]) -> Reply {
    let missing = |id: &str| {
        let message = format!("Conversation with id '{id}' not found.");
        super::error(404, &message, "invalid_request_error", None, None)
    };
    match (seen.method.as_str(), rest) {
        ("POST", []) => {
            let id = shared.id("conv_");
            let made = json!({
                "id": id, "object": "conversation", "created_at": 1_750_000_000, "metadata": seen.json()["metadata"]
            });
            shared.memory().conversations.insert(id, made.clone());
            Reply::json(200, &made)
        }
        ("GET", [id]) => {
            shared.memory().conversations.get(*id).map_or_else(|| missing(id), |made| Reply::json(200, made))
        }
        ("GET", [id, "items"]) => match shared.memory().conversations.get(*id) {
            Some(_) => Reply::json(200, &json!({ "object": "list", "data": [], "has_more": false })),
            None => missing(id),
        },
        ("DELETE", [id]) => match shared.memory().conversations.remove(*id) {
            Some(_) => Reply::json(200, &json!({ "id": id, "object": "conversation.deleted", "deleted": true })),
            None => missing(id),
        },
        _ => missing(rest.first().unwrap_or(&"")),
    }
}

fn missing(id: &str) -> Reply {
    super::error(404, &format!("Response with id '{id}' not found."), "invalid_request_error", None, None)
}

/// A stored response; one that is made in the background is not ready at once.
fn stored(id: &str, shared: &Shared) -> Reply {
    let mut memory = shared.memory();
    let left = memory.working.get_mut(id).map(|left| {
        *left = left.saturating_sub(1);
        *left
    });
    let Some(stored) = memory.responses.get(id).cloned() else { return missing(id) };
    match left {
        Some(left) if left > 0 => Reply::json(200, &unfinished(stored, "in_progress")),
        _ => {
            memory.working.remove(id);
            Reply::json(200, &stored)
        }
    }
}

fn unfinished(mut response: Value, status: &str) -> Value {
    response["status"] = json!(status);
    response["output"] = json!([]);
    response["usage"] = Value::Null;
    response
}

fn create(seen: &Seen, shared: &Shared) -> Reply {
    let body = seen.json();
    if let Some(refused) = check(&body, shared) {
        return refused;
    }
    let (events, done) = run(&body, shared);
    if body["background"] == json!(true) {
        let id = done["id"].as_str().unwrap_or_default().to_owned();
        shared.memory().working.insert(id, 2);
        if body["stream"] != json!(true) {
            return Reply::json(200, &unfinished(done, "queued"));
        }
    }
    if body["stream"] == json!(true) {
        return Reply::sse(events);
    }
    Reply::json(200, &done)
}

/// What the model does with a request: the events, and the finished object, which is stored unless that was declined.
pub(in crate::fake_upstream) fn run(body: &Value, shared: &Shared) -> (Vec<Bytes>, Value) {
    let answer = decide(&ask(body), shared);
    let response = skeleton(body, &shared.id("resp_"));
    let items = items(&answer, shared);
    let mut done = response.clone();
    done["output"] = json!(items);
    done["usage"] = usage(&answer.usage);
    let terminal = match answer.stop {
        Stop::Length => {
            done["status"] = json!("incomplete");
            done["incomplete_details"] = json!({ "reason": "max_output_tokens" });
            "response.incomplete"
        }
        Stop::Filter => {
            done["status"] = json!("incomplete");
            done["incomplete_details"] = json!({ "reason": "content_filter" });
            "response.incomplete"
        }
        Stop::End | Stop::Tools => {
            done["status"] = json!("completed");
            done["completed_at"] = json!(1_750_000_001);
            "response.completed"
        }
    };
    if body["store"] != json!(false)
        && let Some(id) = done["id"].as_str()
    {
        shared.memory().responses.insert(id.to_owned(), done.clone());
    }
    let events = events(&response, &items, terminal, &done);
    (events, done)
}

fn check(body: &Value, shared: &Shared) -> Option<Reply> {
    if !body.is_object() {
        return Some(super::error(400, "Invalid JSON body.", "invalid_request_error", None, None));
    }
    let foreign = ["messages", "system", "stop_sequences", "contents", "max_tokens", "response_format", "n"];
    if let Some(field) = foreign.iter().find(|field| body.get(**field).is_some()) {
        return Some(bad(&format!("Unknown parameter: '{field}'."), field, Some("unknown_parameter")));
    }
    if !body["model"].is_string() {
        return Some(bad("Missing required parameter: 'model'.", "model", Some("missing_required_parameter")));
    }
    if let Some(previous) = body["previous_response_id"].as_str()
        && !shared.memory().responses.contains_key(previous)
    {
        let message = format!("Previous response with id '{previous}' not found.");
        return Some(bad(&message, "previous_response_id", Some("previous_response_not_found")));
    }
    let conversation = body["conversation"].as_str().or_else(|| body["conversation"]["id"].as_str());
    if let Some(id) = conversation
        && !shared.memory().conversations.contains_key(id)
    {
        let message = format!("Conversation with id '{id}' not found.");
        return Some(super::error(404, &message, "invalid_request_error", None, None));
    }
    for (at, tool) in body["tools"].as_array().into_iter().flatten().enumerate() {
        if tool["type"] == "function" && !tool["name"].is_string() {
            let param = format!("tools[{at}].name");
            let message = format!("Missing required parameter: '{param}'.");
            return Some(bad(&message, &param, Some("missing_required_parameter")));
        }
    }
    check_items(body)
}

fn check_items(body: &Value) -> Option<Reply> {
    let items = body["input"].as_array()?;
    let mut called: Vec<&str> = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let kind = item["type"].as_str().unwrap_or("message");
        let call = item["call_id"].as_str().unwrap_or_default();
        match kind {
            "function_call" | "custom_tool_call" => called.push(call),
            // The call itself may be in the stored response this one follows.
            "function_call_output" | "custom_tool_call_output"
                if !called.contains(&call) && body["previous_response_id"].is_null() =>
            {
                let message = format!("No tool call found for function call output with call_id {call}.");
                return Some(bad(&message, "input", None));
            }
            "message" => {
                let assistant = item["role"] == "assistant";
                for (place, part) in item["content"].as_array().into_iter().flatten().enumerate() {
                    let kind = part["type"].as_str().unwrap_or_default();
                    let known: &[&str] = if assistant {
                        &["output_text", "refusal"]
                    } else {
                        &["input_text", "input_image", "input_file", "input_audio"]
                    };
                    if !known.contains(&kind) {
                        let param = format!("input[{at}].content[{place}]");
                        let message =
                            format!("Invalid value: '{kind}'. Supported values are: '{}'.", known.join("', '"));
                        return Some(bad(&message, &param, Some("invalid_value")));
                    }
                }
            }
            _ => {}
        }
    }
    None
}

fn ask(body: &Value) -> Ask {
    let last = body["input"].as_array().and_then(|items| items.last());
    let format = &body["text"]["format"];
    Ask {
        tools: body["tools"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|tool| tool["type"] == "function")
            .filter_map(|tool| Some((tool["name"].as_str()?.to_owned(), tool["parameters"].clone())))
            .collect(),
        forced: match &body["tool_choice"] {
            Value::String(choice) if choice == "required" => body["tools"][0]["name"].as_str().map(str::to_owned),
            choice => choice["name"].as_str().map(str::to_owned),
        },
        no_tools: body["tool_choice"] == "none",
        one_tool: body["parallel_tool_calls"] == json!(false),
        tool_result: last
            .filter(|item| item["type"] == "function_call_output")
            .map(|item| content_text(&item["output"])),
        schema: (format["type"] == "json_schema").then(|| format["schema"].clone()),
        any_json: format["type"] == "json_object",
        thinking: body["reasoning"].is_object(),
        limit: body["max_output_tokens"].as_u64(),
        prompt_bytes: body["input"].to_string().len() + body["instructions"].to_string().len(),
        cache: None,
    }
}

fn skeleton(body: &Value, id: &str) -> Value {
    let or = |field: &str, default: Value| match &body[field] {
        Value::Null => default,
        value => value.clone(),
    };
    json!({
        "id": id, "object": "response", "created_at": 1_750_000_000, "status": "in_progress",
        "background": or("background", json!(false)),
        "error": null, "incomplete_details": null, "instructions": body["instructions"],
        "max_output_tokens": body["max_output_tokens"], "max_tool_calls": null, "model": body["model"], "output": [],
        "parallel_tool_calls": or("parallel_tool_calls", json!(true)),
        "previous_response_id": body["previous_response_id"],
        "reasoning": or("reasoning", json!({ "effort": null, "summary": null })),
        "service_tier": "default", "store": or("store", json!(true)), "temperature": or("temperature", json!(1.0)),
        "text": or("text", json!({ "format": { "type": "text" } })),
        "tool_choice": or("tool_choice", json!("auto")), "tools": or("tools", json!([])),
        "top_p": or("top_p", json!(1.0)), "truncation": "disabled", "usage": null, "user": null,
        "metadata": or("metadata", json!({}))
    })
}

fn items(answer: &Answer, shared: &Shared) -> Vec<Value> {
    let mut items = Vec::new();
    if let Some(thinking) = &answer.thinking {
        items.push(json!({
            "id": shared.id("rs_"), "type": "reasoning",
            "summary": [{ "type": "summary_text", "text": thinking }], "encrypted_content": "ZmFrZS1yZWFzb25pbmc="
        }));
    }
    if !answer.text.is_empty() {
        items.push(json!({
            "id": shared.id("msg_"), "type": "message", "status": "completed", "role": "assistant",
            "content": [{ "type": "output_text", "annotations": [], "logprobs": [], "text": answer.text }]
        }));
    }
    for call in &answer.calls {
        items.push(json!({
            "id": shared.id("fc_"), "type": "function_call", "status": "completed", "name": call.name,
            "arguments": call.arguments.to_string(), "call_id": shared.id("call_")
        }));
    }
    items
}

pub(in crate::fake_upstream) fn usage(usage: &Usage) -> Value {
    let input = usage.all_input();
    json!({
        "input_tokens": input,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read, "cache_write_tokens": usage.cache_write_5m + usage.cache_write_1h
        },
        "output_tokens": usage.output,
        "output_tokens_details": { "reasoning_tokens": usage.reasoning },
        "total_tokens": input + usage.output
    })
}

fn events(response: &Value, items: &[Value], terminal: &str, done: &Value) -> Vec<Bytes> {
    let mut events = Vec::new();
    let mut emit = |kind: &str, mut event: Value| {
        event["type"] = json!(kind);
        event["sequence_number"] = json!(events.len());
        events.push(named_event(&event));
    };
    emit("response.created", json!({ "response": response }));
    emit("response.in_progress", json!({ "response": response }));
    for (at, item) in items.iter().enumerate() {
        let id = &item["id"];
        let mut opened = item.clone();
        match item["type"].as_str() {
            Some("message") => {
                opened["status"] = json!("in_progress");
                opened["content"] = json!([]);
                emit("response.output_item.added", json!({ "output_index": at, "item": opened }));
                let part = &item["content"][0];
                let text = part["text"].as_str().unwrap_or_default();
                let mut empty = part.clone();
                empty["text"] = json!("");
                let place = json!({ "item_id": id, "output_index": at, "content_index": 0 });
                emit("response.content_part.added", with(&place, "part", empty));
                for piece in pieces(text) {
                    emit(
                        "response.output_text.delta",
                        with(&with(&place, "delta", json!(piece)), "logprobs", json!([])),
                    );
                }
                emit("response.output_text.done", with(&with(&place, "text", json!(text)), "logprobs", json!([])));
                emit("response.content_part.done", with(&place, "part", part.clone()));
            }
            Some("function_call") => {
                opened["status"] = json!("in_progress");
                opened["arguments"] = json!("");
                emit("response.output_item.added", json!({ "output_index": at, "item": opened }));
                let place = json!({ "item_id": id, "output_index": at });
                for fragment in fragments(item["arguments"].as_str().unwrap_or_default()) {
                    emit("response.function_call_arguments.delta", with(&place, "delta", json!(fragment)));
                }
                let whole = with(&place, "arguments", item["arguments"].clone());
                emit("response.function_call_arguments.done", with(&whole, "name", item["name"].clone()));
            }
            _ => {
                opened["summary"] = json!([]);
                emit("response.output_item.added", json!({ "output_index": at, "item": opened }));
                let part = &item["summary"][0];
                let text = part["text"].as_str().unwrap_or_default();
                let place = json!({ "item_id": id, "output_index": at, "summary_index": 0 });
                let empty = json!({ "type": "summary_text", "text": "" });
                emit("response.reasoning_summary_part.added", with(&place, "part", empty));
                for piece in pieces(text) {
                    emit("response.reasoning_summary_text.delta", with(&place, "delta", json!(piece)));
                }
                emit("response.reasoning_summary_text.done", with(&place, "text", json!(text)));
                emit("response.reasoning_summary_part.done", with(&place, "part", part.clone()));
            }
        }
        emit("response.output_item.done", json!({ "output_index": at, "item": item }));
    }
    emit(terminal, json!({ "response": done }));
    events
}

fn with(object: &Value, field: &str, value: Value) -> Value {
    let mut object = object.clone();
    object[field] = value;
    object
}
