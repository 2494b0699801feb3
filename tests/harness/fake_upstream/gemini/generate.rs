//! Generating, counting and embedding in Gemini's form.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};

use super::{error, invalid, unknown_field};
use crate::fake_upstream::answer::{Answer, Ask, Stop, Usage, decide, embedding, hash, pieces};
use crate::fake_upstream::reply::{Body, Reply};
use crate::fake_upstream::state::Shared;

const TOP_LEVEL: [&str; 9] = [
    "contents",
    "systemInstruction",
    "tools",
    "toolConfig",
    "safetySettings",
    "generationConfig",
    "cachedContent",
    "labels",
    "model",
];

const PARTS: [&str; 11] = [
    "text",
    "inlineData",
    "fileData",
    "functionCall",
    "functionResponse",
    "executableCode",
    "codeExecutionResult",
    "thought",
    "thoughtSignature",
    "videoMetadata",
    "mediaResolution",
];

/// A field in camel case or snake case.
fn field<'a>(object: &'a Value, name: &str) -> &'a Value {
    if !object[name].is_null() {
        return &object[name];
    }
    let snake: String = name
        .chars()
        .flat_map(|c| if c.is_ascii_uppercase() { vec!['_', c.to_ascii_lowercase()] } else { vec![c] })
        .collect();
    &object[snake.as_str()]
}

fn check(body: &Value, shared: &Shared) -> Option<Reply> {
    if let Some(unknown) = unknown_field(body, &TOP_LEVEL) {
        return Some(unknown);
    }
    let Some(contents) = body["contents"].as_array().filter(|contents| !contents.is_empty()) else {
        return Some(invalid("* GenerateContentRequest.contents: contents is not specified\n"));
    };
    for (at, content) in contents.iter().enumerate() {
        if !content["role"].is_null()
            && !["user", "model", "function"].contains(&content["role"].as_str().unwrap_or_default())
        {
            return Some(invalid("Please use a valid role: user, model."));
        }
        let Some(parts) = content["parts"].as_array().filter(|parts| !parts.is_empty()) else {
            let message = format!("* GenerateContentRequest.contents[{at}].parts: contents.parts must not be empty.\n");
            return Some(invalid(&message));
        };
        for part in parts {
            if let Some(unknown) = unknown_field(part, &PARTS) {
                return Some(unknown);
            }
            let signature = field(part, "thoughtSignature").as_str();
            if signature
                .is_some_and(|given| !given.starts_with("ZmFrZS") && given != "skip_thought_signature_validator")
            {
                return Some(invalid("Corrupted thought signature."));
            }
        }
    }
    if let Some(name) = field(body, "cachedContent").as_str()
        && !shared.memory().cached_contents.contains_key(name)
    {
        let message = "CachedContent not found (or permission denied)";
        return Some(error(403, "PERMISSION_DENIED", message, json!([])));
    }
    None
}

fn ask(body: &Value) -> Ask {
    let config = field(body, "generationConfig");
    let tools = body["tools"].as_array().into_iter().flatten();
    let functions = tools.flat_map(|tool| field(tool, "functionDeclarations").as_array().cloned().unwrap_or_default());
    let functions: Vec<(String, Value)> = functions
        .filter_map(|function| {
            let schema = match field(&function, "parametersJsonSchema") {
                Value::Null => &function["parameters"],
                schema => schema,
            };
            Some((function["name"].as_str()?.to_owned(), schema.clone()))
        })
        .collect();
    let calling = field(field(body, "toolConfig"), "functionCallingConfig");
    let forced = (calling["mode"] == "ANY").then(|| {
        let named = field(calling, "allowedFunctionNames")[0].as_str().map(str::to_owned);
        named.or_else(|| functions.first().map(|(name, _)| name.clone()))
    });
    let last = body["contents"].as_array().and_then(|contents| contents.last());
    let parts = last.and_then(|content| content["parts"].as_array()).into_iter().flatten();
    let response = parts.map(|part| field(part, "functionResponse")).find(|response| response.is_object());
    let schema = match field(config, "responseJsonSchema") {
        Value::Null => field(config, "responseSchema"),
        schema => schema,
    };
    let thinking = field(config, "thinkingConfig");
    Ask {
        tools: functions,
        forced: forced.flatten(),
        no_tools: calling["mode"] == "NONE",
        one_tool: false,
        tool_result: response.map(|response| response["response"].to_string()),
        schema: schema.is_object().then(|| schema.clone()),
        any_json: field(config, "responseMimeType") == "application/json",
        thinking: field(thinking, "includeThoughts") == &json!(true),
        limit: field(config, "maxOutputTokens").as_u64(),
        prompt_bytes: body["contents"].to_string().len() + field(body, "systemInstruction").to_string().len(),
        cache: field(body, "cachedContent").as_str().map(|name| (hash(name.as_bytes()), 4000, false)),
    }
}

/// What the context cache holds was written before, so here it is only read.
fn answer(body: &Value, shared: &Shared) -> Answer {
    let mut answer = decide(&ask(body), shared);
    let usage = &mut answer.usage;
    usage.cache_read += std::mem::take(&mut usage.cache_write_5m) + std::mem::take(&mut usage.cache_write_1h);
    answer
}

pub(in crate::fake_upstream) fn generate(body: &Value, model: &str, shared: &Shared) -> Reply {
    if let Some(refused) = check(body, shared) {
        return refused;
    }
    let answer = answer(body, shared);
    let mut parts = Vec::new();
    if let Some(thinking) = &answer.thinking {
        parts.push(json!({ "text": thinking, "thought": true }));
    }
    if !answer.text.is_empty() {
        parts.push(json!({ "text": answer.text }));
    }
    parts.extend(calls(&answer));
    Reply::json(200, &response(&parts, Some(answer.stop), &answer.usage, model, &shared.id("gm")))
}

/// The first call of a turn carries the signature of the thought that led to it.
fn calls(answer: &Answer) -> Vec<Value> {
    let call = |(index, call): (usize, &crate::fake_upstream::answer::ToolCall)| {
        let mut part = json!({ "functionCall": { "name": call.name, "args": call.arguments } });
        if index == 0 {
            part["thoughtSignature"] = json!(STANDARD.encode(format!("fake-thought-{}", call.name)));
        }
        part
    };
    answer.calls.iter().enumerate().map(call).collect()
}

fn response(parts: &[Value], stop: Option<Stop>, usage: &Usage, model: &str, id: &str) -> Value {
    let mut candidate = json!({ "content": { "parts": parts, "role": "model" }, "index": 0 });
    if let Some(stop) = stop {
        candidate["finishReason"] = json!(match stop {
            Stop::End | Stop::Tools => "STOP",
            Stop::Length => "MAX_TOKENS",
            Stop::Filter => "SAFETY",
        });
    }
    let prompt = usage.all_input();
    let mut metadata = json!({
        "promptTokenCount": prompt, "candidatesTokenCount": usage.output - usage.reasoning.min(usage.output),
        "totalTokenCount": prompt + usage.output,
        "promptTokensDetails": [{ "modality": "TEXT", "tokenCount": prompt }]
    });
    if usage.reasoning > 0 {
        metadata["thoughtsTokenCount"] = json!(usage.reasoning);
    }
    if usage.cache_read > 0 {
        metadata["cachedContentTokenCount"] = json!(usage.cache_read);
    }
    json!({ "candidates": [candidate], "usageMetadata": metadata, "modelVersion": model, "responseId": id })
}

pub(in crate::fake_upstream) fn stream(body: &Value, model: &str, shared: &Shared, sse: bool, wrapped: bool) -> Reply {
    if let Some(refused) = check(body, shared) {
        return if sse { refused } else { as_array(refused) };
    }
    let answer = answer(body, shared);
    let mut chunks: Vec<Value> = Vec::new();
    let thinking = answer.thinking.as_deref().unwrap_or_default();
    chunks.extend(pieces(thinking).iter().map(|piece| json!({ "text": piece, "thought": true })));
    chunks.extend(pieces(&answer.text).iter().map(|piece| json!({ "text": piece })));
    // A function call comes whole, never in pieces.
    chunks.extend(calls(&answer));
    if chunks.is_empty() {
        chunks.push(json!({ "text": "" }));
    }
    let (count, id) = (chunks.len() as u64, shared.id("gm"));
    let objects = chunks.iter().enumerate().map(|(at, part)| {
        let last = at as u64 + 1 == count;
        // Figures are cumulative and only those of the last chunk are final.
        let usage = Usage {
            output: answer.usage.output * (at as u64 + 1) / count,
            reasoning: answer.usage.reasoning * (at as u64 + 1) / count,
            ..answer.usage.clone()
        };
        let object = response(std::slice::from_ref(part), last.then_some(answer.stop), &usage, model, &id);
        if wrapped { json!({ "response": object, "traceId": "fake-trace" }) } else { object }
    });
    if sse {
        let events = objects.map(|object| Bytes::from(format!("data: {object}\r\n\r\n"))).collect();
        return Reply::stream("text/event-stream", events);
    }
    let mut frames: Vec<Bytes> = objects
        .enumerate()
        .map(|(at, object)| {
            let pretty = serde_json::to_string_pretty(&object).unwrap_or_default();
            Bytes::from(format!("{}{pretty}", if at == 0 { "[" } else { ",\r\n" }))
        })
        .collect();
    frames.push(Bytes::from_static(b"]"));
    Reply::stream("application/json; charset=UTF-8", frames)
}

/// Without SSE a refused stream is an array too.
fn as_array(mut reply: Reply) -> Reply {
    if let Body::Whole(body) = &reply.body {
        reply.body = Body::Whole(Bytes::from([b"[", &body[..], b"]"].concat()));
    }
    reply
}

/// Code Assist's envelope around a good reply.
pub(super) fn enveloped(reply: Reply) -> Reply {
    match &reply.body {
        Body::Whole(body) if reply.status == 200 => {
            let inner: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
            Reply::json(200, &json!({ "response": inner, "traceId": "fake-trace" }))
        }
        _ => reply,
    }
}

pub(in crate::fake_upstream) fn count_tokens(body: &Value) -> Reply {
    let known =
        ["contents", "generateContentRequest", "model", "systemInstruction", "tools", "generationConfig", "instances"];
    if let Some(unknown) = unknown_field(body, &known) {
        return unknown;
    }
    let inner = field(body, "generateContentRequest");
    let contents = if inner.is_object() { &inner["contents"] } else { &body["contents"] };
    if !contents.is_array() {
        return invalid("* CountTokensRequest.contents: contents is not specified");
    }
    let tokens = (contents.to_string().len() / 4).max(1);
    let details = json!([{ "modality": "TEXT", "tokenCount": tokens }]);
    Reply::json(200, &json!({ "totalTokens": tokens, "promptTokensDetails": details }))
}

fn values(body: &Value) -> Option<Value> {
    let parts = body["content"]["parts"].as_array()?;
    let text: String = parts.iter().filter_map(|part| part["text"].as_str()).collect();
    let dimensions = field(body, "outputDimensionality").as_u64().unwrap_or(16).clamp(1, 3072);
    Some(json!({ "values": embedding(&text, usize::try_from(dimensions).unwrap_or(16)) }))
}

pub(in crate::fake_upstream) fn embed(body: &Value) -> Reply {
    let known = ["content", "model", "taskType", "title", "outputDimensionality"];
    if let Some(unknown) = unknown_field(body, &known) {
        return unknown;
    }
    match values(body) {
        Some(values) => Reply::json(200, &json!({ "embedding": values })),
        None => invalid("* EmbedContentRequest.content: contents is not specified"),
    }
}

pub(in crate::fake_upstream) fn embed_batch(body: &Value) -> Reply {
    let requests = body["requests"].as_array().filter(|requests| !requests.is_empty());
    let Some(all) = requests.and_then(|requests| requests.iter().map(values).collect::<Option<Vec<_>>>()) else {
        return invalid("* BatchEmbedContentsRequest.requests: requests is not specified");
    };
    let unnamed = body["requests"].as_array().into_iter().flatten().any(|request| !request["model"].is_string());
    if unnamed {
        return invalid("* BatchEmbedContentsRequest.requests[0].model: model is not specified");
    }
    Reply::json(200, &json!({ "embeddings": all }))
}

/// Imagen, and at Vertex the embedding models that are no Gemini.
pub(in crate::fake_upstream) fn predict(body: &Value) -> Reply {
    let Some(instances) = body["instances"].as_array() else {
        return invalid("instances is required");
    };
    let dimensions = body["parameters"]["outputDimensionality"].as_u64().unwrap_or(16).clamp(1, 3072);
    let prediction = |instance: &Value| match instance["content"].as_str() {
        Some(text) => json!({ "embeddings": {
            "values": embedding(text, usize::try_from(dimensions).unwrap_or(16)),
            "statistics": { "token_count": text.split_whitespace().count(), "truncated": false }
        }}),
        None => json!({ "mimeType": "image/png", "bytesBase64Encoded": "iVBORw0KGgo=" }),
    };
    Reply::json(200, &json!({ "predictions": instances.iter().map(prediction).collect::<Vec<_>>() }))
}
