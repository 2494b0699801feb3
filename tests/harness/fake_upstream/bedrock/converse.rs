//! Converse and converse-stream: Bedrock's own dialect.

use serde_json::{Value, json};

use super::exception;
use crate::fake_upstream::answer::{Answer, Ask, Stop, Usage, decide, fragments, pieces};
use crate::fake_upstream::anthropic::check::sign;
use crate::fake_upstream::eventstream::{Frame, encode_frame};
use crate::fake_upstream::openai::chat::content_text;
use crate::fake_upstream::reply::Reply;
use crate::fake_upstream::state::Shared;

pub(super) fn converse(body: &Value, shared: &Shared, stream: bool) -> Reply {
    if let Some(refused) = check_converse(body) {
        return refused;
    }
    let answer = decide(&converse_ask(body), shared);
    if stream {
        let events = converse_events(&answer);
        let frames = events.iter().map(|(kind, event)| encode_frame(&Frame::event(kind, event.to_string())));
        return Reply::stream("application/vnd.amazon.eventstream", frames.collect());
    }
    Reply::json(
        200,
        &json!({
            "output": { "message": { "role": "assistant", "content": converse_content(&answer) } },
            "stopReason": converse_stop(answer.stop), "usage": converse_usage(&answer.usage),
            "metrics": { "latencyMs": 420 }
        }),
    )
}

fn check_converse(body: &Value) -> Option<Reply> {
    let known = [
        "messages",
        "system",
        "inferenceConfig",
        "toolConfig",
        "guardrailConfig",
        "additionalModelRequestFields",
        "promptVariables",
        "additionalModelResponseFieldPaths",
        "requestMetadata",
        "performanceConfig",
        "serviceTier",
        "outputConfig",
    ];
    let refuse = |message: &str| Some(exception(400, "ValidationException", message));
    let Some(fields) = body.as_object() else {
        return refuse("The request body is not valid JSON");
    };
    if let Some(unknown) = fields.keys().find(|field| !known.contains(&field.as_str())) {
        return refuse(&format!("Unknown field {unknown} in the request"));
    }
    let Some(messages) = body["messages"].as_array().filter(|messages| !messages.is_empty()) else {
        return refuse("A conversation must start with a user message.");
    };
    for message in messages {
        if !["user", "assistant"].contains(&message["role"].as_str().unwrap_or_default()) {
            return refuse(
                "Value at 'messages.role' failed to satisfy constraint: Member must satisfy enum value set: [user, assistant]",
            );
        }
        let Some(blocks) = message["content"].as_array() else {
            return refuse("Unexpected type for messages.content");
        };
        let kinds = [
            "text",
            "image",
            "document",
            "video",
            "toolUse",
            "toolResult",
            "reasoningContent",
            "cachePoint",
            "guardContent",
            "citationsContent",
        ];
        let strange = blocks.iter().any(|block| {
            block
                .as_object()
                .is_none_or(|block| block.len() != 1 || !block.keys().all(|key| kinds.contains(&key.as_str())))
        });
        if strange {
            return refuse("The content field in the Message object is invalid: one known member is needed");
        }
    }
    None
}

fn converse_ask(body: &Value) -> Ask {
    let tools = body["toolConfig"]["tools"].as_array().into_iter().flatten();
    let choice = &body["toolConfig"]["toolChoice"];
    let last = body["messages"].as_array().and_then(|messages| messages.last());
    let result = last.and_then(|message| message["content"].as_array()).into_iter().flatten();
    let result = result.filter_map(|block| block.get("toolResult")).next();
    let specification = |tool: &Value| {
        let tool = &tool["toolSpec"];
        Some((tool["name"].as_str()?.to_owned(), tool["inputSchema"]["json"].clone()))
    };
    Ask {
        tools: tools.filter_map(specification).collect(),
        forced: choice["tool"]["name"]
            .as_str()
            .or_else(|| choice.get("any").and_then(|_| body["toolConfig"]["tools"][0]["toolSpec"]["name"].as_str()))
            .map(str::to_owned),
        tool_result: result.map(|result| content_text(&result["content"])),
        thinking: body["additionalModelRequestFields"]["thinking"]["type"] == "enabled",
        limit: body["inferenceConfig"]["maxTokens"].as_u64(),
        prompt_bytes: body["messages"].to_string().len() + body["system"].to_string().len(),
        ..Ask::default()
    }
}

fn converse_stop(stop: Stop) -> &'static str {
    match stop {
        Stop::End => "end_turn",
        Stop::Length => "max_tokens",
        Stop::Tools => "tool_use",
        Stop::Filter => "content_filtered",
    }
}

fn converse_usage(usage: &Usage) -> Value {
    let writes = usage.cache_write_5m + usage.cache_write_1h;
    json!({
        "inputTokens": usage.input, "outputTokens": usage.output, "totalTokens": usage.all_input() + usage.output,
        "cacheReadInputTokens": usage.cache_read, "cacheWriteInputTokens": writes
    })
}

fn tool_use_id(index: usize) -> String {
    format!("tooluse_fake{index:02}")
}

fn converse_content(answer: &Answer) -> Vec<Value> {
    let mut content = Vec::new();
    if let Some(thinking) = &answer.thinking {
        let signature = sign(thinking);
        content.push(json!({ "reasoningContent": { "reasoningText": { "text": thinking, "signature": signature } } }));
    }
    if !answer.text.is_empty() {
        content.push(json!({ "text": answer.text }));
    }
    for (index, call) in answer.calls.iter().enumerate() {
        let id = tool_use_id(index);
        content.push(json!({ "toolUse": { "toolUseId": id, "name": call.name, "input": call.arguments } }));
    }
    content
}

fn converse_events(answer: &Answer) -> Vec<(&'static str, Value)> {
    let mut events = vec![("messageStart", json!({ "role": "assistant" }))];
    let mut index = 0;
    if let Some(thinking) = &answer.thinking {
        for piece in pieces(thinking) {
            let delta = json!({ "reasoningContent": { "text": piece } });
            events.push(("contentBlockDelta", json!({ "contentBlockIndex": index, "delta": delta })));
        }
        let delta = json!({ "reasoningContent": { "signature": sign(thinking) } });
        events.push(("contentBlockDelta", json!({ "contentBlockIndex": index, "delta": delta })));
        events.push(("contentBlockStop", json!({ "contentBlockIndex": index })));
        index += 1;
    }
    if !answer.text.is_empty() {
        // A text block has no start event.
        for piece in pieces(&answer.text) {
            let delta = json!({ "text": piece });
            events.push(("contentBlockDelta", json!({ "contentBlockIndex": index, "delta": delta })));
        }
        events.push(("contentBlockStop", json!({ "contentBlockIndex": index })));
        index += 1;
    }
    for (number, call) in answer.calls.iter().enumerate() {
        let start = json!({ "toolUse": { "toolUseId": tool_use_id(number), "name": call.name } });
        events.push(("contentBlockStart", json!({ "contentBlockIndex": index, "start": start })));
        for fragment in fragments(&call.arguments.to_string()) {
            let delta = json!({ "toolUse": { "input": fragment } });
            events.push(("contentBlockDelta", json!({ "contentBlockIndex": index, "delta": delta })));
        }
        events.push(("contentBlockStop", json!({ "contentBlockIndex": index })));
        index += 1;
    }
    events.push(("messageStop", json!({ "stopReason": converse_stop(answer.stop) })));
    events.push(("metadata", json!({ "usage": converse_usage(&answer.usage), "metrics": { "latencyMs": 420 } })));
    events
}
