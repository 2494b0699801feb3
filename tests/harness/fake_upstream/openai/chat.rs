//! Chat completions and the older completions.

use bytes::Bytes;
use serde_json::{Value, json};

use super::bad;
use crate::fake_upstream::answer::{Answer, Ask, Stop, Usage, decide, fragments, pieces};
use crate::fake_upstream::reply::{Reply, data_event};
use crate::fake_upstream::seen::Seen;
use crate::fake_upstream::state::Shared;

/// Top-level fields of other vendors' dialects: a translation that lets one through is wrong.
const FOREIGN: [&str; 12] = [
    "system",
    "stop_sequences",
    "thinking",
    "anthropic_version",
    "anthropic_beta",
    "thread",
    "contents",
    "systemInstruction",
    "system_instruction",
    "generationConfig",
    "input",
    "instructions",
];

pub(in crate::fake_upstream) fn chat(seen: &Seen, shared: &Shared) -> Reply {
    let body = seen.json();
    if let Some(refused) = check(&body) {
        return refused;
    }
    let answer = decide(&ask(&body), shared);
    let model = body["model"].as_str().unwrap_or("deployment").to_owned();
    let id = shared.id("chatcmpl-");
    let choices = body["n"].as_u64().unwrap_or(1).clamp(1, 8);
    if body["stream"] == json!(true) {
        return Reply::sse(stream(&body, &answer, &id, &model, choices));
    }
    let choices: Vec<Value> = (0..choices)
        .map(|index| {
            json!({
                "index": index, "message": message(&answer), "logprobs": null, "finish_reason": finish(answer.stop)
            })
        })
        .collect();
    Reply::json(
        200,
        &json!({
            "id": id, "object": "chat.completion", "created": 1_750_000_000, "model": model, "choices": choices,
            "usage": usage(&answer.usage), "service_tier": "default", "system_fingerprint": "fp_fake"
        }),
    )
}

/// The request checked as OpenAI checks it.
fn check(body: &Value) -> Option<Reply> {
    if !body.is_object() {
        return Some(super::error(
            400,
            "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP \
             library correctly.)",
            "invalid_request_error",
            None,
            None,
        ));
    }
    if let Some(foreign) = FOREIGN.iter().find(|field| body.get(**field).is_some()) {
        return Some(bad(&format!("Unrecognized request argument supplied: {foreign}"), foreign, None));
    }
    if !body["model"].is_string() {
        return Some(bad("you must provide a model parameter", "model", None));
    }
    let Some(messages) = body["messages"].as_array().filter(|messages| !messages.is_empty()) else {
        let message = "Invalid 'messages': empty array. Expected an array with minimum length 1.";
        return Some(bad(message, "messages", Some("empty_array")));
    };
    if body.get("stream_options").is_some_and(|options| !options.is_null()) && body["stream"] != json!(true) {
        let message = "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
        return Some(bad(message, "stream_options", None));
    }
    let tools_missing = body["tools"].as_array().is_none_or(Vec::is_empty);
    if body.get("tool_choice").is_some_and(|choice| !choice.is_null()) && tools_missing {
        return Some(bad("'tool_choice' is only allowed when 'tools' are specified.", "tool_choice", None));
    }
    for (at, tool) in body["tools"].as_array().into_iter().flatten().enumerate() {
        if tool["type"] == "function" && !tool["function"]["name"].is_string() {
            let param = format!("tools[{at}].function.name");
            let message = format!("Missing required parameter: '{param}'.");
            return Some(bad(&message, &param, Some("missing_required_parameter")));
        }
    }
    check_messages(messages)
}

fn check_messages(messages: &[Value]) -> Option<Reply> {
    let mut waiting: Vec<&str> = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        let role = message["role"].as_str().unwrap_or_default();
        let param = format!("messages[{at}].role");
        if !["system", "developer", "user", "assistant", "tool", "function"].contains(&role) {
            let text = format!(
                "Invalid value: '{role}'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', and \
                 'developer'."
            );
            return Some(bad(&text, &param, Some("invalid_value")));
        }
        if role == "tool" {
            let id = message["tool_call_id"].as_str().unwrap_or_default();
            let Some(place) = waiting.iter().position(|call| *call == id) else {
                let text = "Invalid parameter: messages with role 'tool' must be a response to a preceeding message \
                            with 'tool_calls'.";
                return Some(bad(text, &param, None));
            };
            waiting.remove(place);
            continue;
        }
        if !waiting.is_empty() {
            let text = format!(
                "An assistant message with 'tool_calls' must be followed by tool messages responding to each \
                 'tool_call_id'. The following tool_call_ids did not have response messages: {}",
                waiting.join(", ")
            );
            return Some(bad(&text, &param, None));
        }
        let calls = message["tool_calls"].as_array();
        waiting = calls.into_iter().flatten().filter_map(|call| call["id"].as_str()).collect();
        for call in calls.into_iter().flatten() {
            if call["type"] == "function" && !call["function"]["arguments"].is_string() {
                let param = format!("messages[{at}].tool_calls[0].function.arguments");
                let text = format!("Invalid type for '{param}': expected a string, but got an object instead.");
                return Some(bad(&text, &param, Some("invalid_type")));
            }
        }
        for (place, part) in message["content"].as_array().into_iter().flatten().enumerate() {
            let kind = part["type"].as_str().unwrap_or_default();
            if !["text", "image_url", "input_audio", "file", "refusal"].contains(&kind) {
                let param = format!("messages[{at}].content[{place}]");
                let text = format!(
                    "Invalid value: '{kind}'. Supported values are: 'text', 'image_url', 'input_audio', 'refusal', \
                     'audio', and 'file'."
                );
                return Some(bad(&text, &param, Some("invalid_value")));
            }
        }
    }
    None
}

fn ask(body: &Value) -> Ask {
    let messages = &body["messages"];
    let last = messages.as_array().and_then(|messages| messages.last());
    let tools = body["tools"].as_array().into_iter().flatten();
    let format = &body["response_format"];
    let limit = &body["max_completion_tokens"];
    Ask {
        tools: tools
            .filter_map(|tool| {
                let function = &tool["function"];
                Some((function["name"].as_str()?.to_owned(), function["parameters"].clone()))
            })
            .collect(),
        forced: match &body["tool_choice"] {
            Value::String(choice) if choice == "required" => {
                body["tools"][0]["function"]["name"].as_str().map(str::to_owned)
            }
            choice => choice["function"]["name"].as_str().map(str::to_owned),
        },
        no_tools: body["tool_choice"] == "none",
        one_tool: body["parallel_tool_calls"] == json!(false),
        tool_result: last.filter(|message| message["role"] == "tool").map(|message| content_text(&message["content"])),
        schema: format["json_schema"].get("schema").cloned(),
        any_json: format["type"] == "json_object",
        thinking: body.get("reasoning_effort").is_some_and(|effort| effort != "none"),
        limit: limit.as_u64().or_else(|| body["max_tokens"].as_u64()),
        prompt_bytes: messages.to_string().len() + body["tools"].to_string().len(),
        cache: None,
    }
}

/// Text of a message's content, whether a string or parts.
pub(in crate::fake_upstream) fn content_text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        _ => String::new(),
    }
}

fn finish(stop: Stop) -> &'static str {
    match stop {
        Stop::End => "stop",
        Stop::Length => "length",
        Stop::Tools => "tool_calls",
        Stop::Filter => "content_filter",
    }
}

/// Reasoning is not shown by OpenAI itself; compatible vendors show it as `reasoning_content`. It is only counted here.
fn message(answer: &Answer) -> Value {
    let mut message = json!({
        "role": "assistant",
        "content": if answer.text.is_empty() { Value::Null } else { json!(answer.text) },
        "refusal": null,
        "annotations": []
    });
    if !answer.calls.is_empty() {
        let calls: Vec<Value> = answer
            .calls
            .iter()
            .enumerate()
            .map(|(index, call)| {
                json!({
                    "id": call_id(index), "type": "function",
                    "function": { "name": call.name, "arguments": call.arguments.to_string() }
                })
            })
            .collect();
        message["tool_calls"] = json!(calls);
    }
    message
}

fn call_id(index: usize) -> String {
    format!("call_fake{index:02}")
}

pub(in crate::fake_upstream) fn usage(usage: &Usage) -> Value {
    let input = usage.all_input();
    json!({
        "prompt_tokens": input,
        "completion_tokens": usage.output,
        "total_tokens": input + usage.output,
        "prompt_tokens_details": {
            "cached_tokens": usage.cache_read, "audio_tokens": usage.audio_input,
            "cache_write_tokens": usage.cache_write_5m + usage.cache_write_1h
        },
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning, "audio_tokens": usage.audio_output,
            "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0
        }
    })
}

fn stream(body: &Value, answer: &Answer, id: &str, model: &str, choices: u64) -> Vec<Bytes> {
    let with_usage = body["stream_options"]["include_usage"] == json!(true);
    let chunk = |choices: Value, usage: Option<Value>| {
        let mut chunk = json!({
            "id": id, "object": "chat.completion.chunk", "created": 1_750_000_000, "model": model,
            "service_tier": "default", "system_fingerprint": "fp_fake", "choices": choices
        });
        if with_usage {
            chunk["usage"] = usage.unwrap_or(Value::Null);
        }
        data_event(&chunk)
    };
    let mut events = Vec::new();
    for index in 0..choices {
        let delta = |delta: Value| {
            chunk(json!([{ "index": index, "delta": delta, "logprobs": null, "finish_reason": null }]), None)
        };
        events.push(delta(json!({ "role": "assistant", "content": "", "refusal": null })));
        events.extend(pieces(&answer.text).into_iter().map(|piece| delta(json!({ "content": piece }))));
        for (place, call) in answer.calls.iter().enumerate() {
            events.push(delta(json!({ "tool_calls": [{
                "index": place, "id": call_id(place), "type": "function",
                "function": { "name": call.name, "arguments": "" }
            }] })));
            for fragment in fragments(&call.arguments.to_string()) {
                let function = json!({ "arguments": fragment });
                events.push(delta(json!({ "tool_calls": [{ "index": place, "function": function }] })));
            }
        }
        let end = json!([{ "index": index, "delta": {}, "logprobs": null, "finish_reason": finish(answer.stop) }]);
        events.push(chunk(end, None));
    }
    if with_usage {
        events.push(chunk(json!([]), Some(usage(&answer.usage))));
    }
    events.push(Bytes::from_static(b"data: [DONE]\n\n"));
    events
}

pub(super) fn completion(seen: &Seen, shared: &Shared) -> Reply {
    let body = seen.json();
    if !body["model"].is_string() {
        return bad("you must provide a model parameter", "model", None);
    }
    if body.get("messages").is_some() {
        return bad("Unrecognized request argument supplied: messages", "messages", None);
    }
    let ask =
        Ask { limit: body["max_tokens"].as_u64(), prompt_bytes: body["prompt"].to_string().len(), ..Ask::default() };
    let answer = decide(&ask, shared);
    let (id, model) = (shared.id("cmpl-"), body["model"].clone());
    let object = |text: &str, finish: Value| {
        json!({
            "id": id, "object": "text_completion", "created": 1_750_000_000, "model": model,
            "choices": [{ "text": text, "index": 0, "logprobs": null, "finish_reason": finish }]
        })
    };
    if body["stream"] != json!(true) {
        let mut whole = object(&answer.text, json!(finish(answer.stop)));
        whole["usage"] = usage(&answer.usage);
        return Reply::json(200, &whole);
    }
    let mut events: Vec<Bytes> =
        pieces(&answer.text).into_iter().map(|piece| data_event(&object(piece, Value::Null))).collect();
    events.push(data_event(&object("", json!(finish(answer.stop)))));
    if body["stream_options"]["include_usage"] == json!(true) {
        let mut last = object("", Value::Null);
        last["choices"] = json!([]);
        last["usage"] = usage(&answer.usage);
        events.push(data_event(&last));
    }
    events.push(Bytes::from_static(b"data: [DONE]\n\n"));
    Reply::sse(events)
}
