//! The Messages request checked as Anthropic checks it, with its words.

use serde_json::Value;

use super::error;
use crate::fake_upstream::answer::hash;
use crate::fake_upstream::reply::Reply;

const TOP_LEVEL: [&str; 24] = [
    "model",
    "messages",
    "max_tokens",
    "system",
    "metadata",
    "stop_sequences",
    "stream",
    "temperature",
    "top_p",
    "top_k",
    "tools",
    "tool_choice",
    "thinking",
    "service_tier",
    "container",
    "mcp_servers",
    "context_management",
    "output_config",
    "output_format",
    "thread",
    "cache_control",
    "inference_geo",
    "fallbacks",
    "speed",
];

const BLOCKS: [&str; 14] = [
    "text",
    "image",
    "document",
    "search_result",
    "thinking",
    "redacted_thinking",
    "tool_use",
    "tool_result",
    "server_tool_use",
    "web_search_tool_result",
    "code_execution_tool_result",
    "mcp_tool_use",
    "mcp_tool_result",
    "container_upload",
];

/// Who asks: the API itself, or Bedrock and Vertex, which know some fields more and some fewer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::fake_upstream) enum Host {
    Anthropic,
    /// The version is in the body, model and stream are not.
    Bedrock,
    /// The version is in the body, the model is not.
    Vertex,
    /// Counting needs no limit of output.
    Counting,
}

fn bad(message: &str) -> Option<Reply> {
    Some(error(400, "invalid_request_error", message))
}

pub(in crate::fake_upstream) fn check(body: &Value, host: Host) -> Option<Reply> {
    let Some(fields) = body.as_object() else {
        return bad("The request body is not valid JSON: expected value at line 1 column 1");
    };
    let cloud = ["anthropic_version", "anthropic_beta"];
    let not_in_cloud =
        ["model", "thread", "service_tier", "mcp_servers", "container", "fallbacks", "context_management"];
    for field in fields.keys().map(String::as_str) {
        let known = match host {
            Host::Anthropic | Host::Counting => TOP_LEVEL.contains(&field),
            Host::Bedrock | Host::Vertex => {
                let streams = field != "stream" || host == Host::Vertex;
                cloud.contains(&field) || (TOP_LEVEL.contains(&field) && !not_in_cloud.contains(&field) && streams)
            }
        };
        if !known {
            return bad(&format!("{field}: Extra inputs are not permitted"));
        }
    }
    let mut needed = vec!["messages"];
    if host != Host::Counting {
        needed.push("max_tokens");
    }
    let in_body = [Host::Bedrock, Host::Vertex].contains(&host);
    needed.push(if in_body { "anthropic_version" } else { "model" });
    if let Some(missing) = needed.iter().find(|field| fields.get(**field).is_none_or(Value::is_null)) {
        return bad(&format!("{missing}: Field required"));
    }
    if host != Host::Counting && !body["max_tokens"].is_u64() {
        return bad("max_tokens: Input should be a valid integer");
    }
    if let Some(budget) = body["thinking"]["budget_tokens"].as_u64() {
        if budget < 1024 {
            return bad("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024");
        }
        if body["max_tokens"].as_u64().is_some_and(|limit| limit <= budget) {
            return bad("`max_tokens` must be greater than `thinking.budget_tokens`.");
        }
    }
    for (at, tool) in body["tools"].as_array().into_iter().flatten().enumerate() {
        let custom = tool["type"].is_null() || tool["type"] == "custom";
        if custom && !tool["input_schema"].is_object() {
            return bad(&format!("tools.{at}.custom.input_schema: Field required"));
        }
        if custom && !tool["name"].is_string() {
            return bad(&format!("tools.{at}.custom.name: Field required"));
        }
    }
    if let Some(choice) = body.get("tool_choice")
        && !["auto", "any", "tool", "none"].contains(&choice["type"].as_str().unwrap_or_default())
    {
        return bad("tool_choice: Input should be a valid dictionary or object to extract fields from");
    }
    let going_on = body["thread"]["type"] == "continue";
    if let Some(repeated) = ["system", "tools"].into_iter().find(|field| going_on && !body[*field].is_null()) {
        return bad(&format!("{repeated}: cannot be set when continuing a thread"));
    }
    check_messages(body["messages"].as_array(), going_on)
}

/// A thread that goes on begins behind what is known already, with the results of calls that were made there.
fn check_messages(messages: Option<&Vec<Value>>, going_on: bool) -> Option<Reply> {
    let Some(messages) = messages else {
        return bad("messages: Input should be a valid list");
    };
    if messages.is_empty() && !going_on {
        return bad("messages: at least one message is required");
    }
    let first = messages.first().filter(|_| going_on).and_then(|first| first["content"].as_array());
    let known = first.into_iter().flatten().filter_map(|block| block["tool_use_id"].as_str().map(str::to_owned));
    let mut calls: Vec<String> = known.collect();
    for (at, message) in messages.iter().enumerate() {
        let role = message["role"].as_str().unwrap_or_default();
        if !["user", "assistant", "system"].contains(&role) {
            let text = format!(
                "messages: Unexpected role \"{role}\". The Messages API accepts a top-level `system` \
                 parameter, not \"{role}\" as an input message role."
            );
            return bad(&text);
        }
        let blocks = match &message["content"] {
            Value::String(text) => {
                if text.is_empty() && at + 1 < messages.len() {
                    return bad(&format!("messages.{at}: all messages must have non-empty content"));
                }
                Vec::new()
            }
            Value::Array(blocks) => blocks.clone(),
            _ => return bad(&format!("messages.{at}.content: Field required")),
        };
        if let Some(refused) = check_blocks(at, role, &blocks, &calls) {
            return Some(refused);
        }
        let results: Vec<&str> = blocks
            .iter()
            .filter(|block| block["type"] == "tool_result")
            .filter_map(|block| block["tool_use_id"].as_str())
            .collect();
        if role == "user" {
            let missing: Vec<&String> = calls.iter().filter(|call| !results.contains(&call.as_str())).collect();
            if let Some(missing) = missing.first() {
                let text = format!(
                    "messages.{}: `tool_use` ids were found without `tool_result` blocks immediately after: {missing}. \
                     Each `tool_use` block must have a corresponding `tool_result` block in the next message.",
                    at - 1
                );
                return bad(&text);
            }
        }
        if role != "system" {
            calls = blocks
                .iter()
                .filter(|block| block["type"] == "tool_use")
                .filter_map(|block| block["id"].as_str().map(str::to_owned))
                .collect();
        }
    }
    None
}

fn check_blocks(at: usize, role: &str, blocks: &[Value], calls: &[String]) -> Option<Reply> {
    for (place, block) in blocks.iter().enumerate() {
        let kind = block["type"].as_str().unwrap_or_default();
        let path = format!("messages.{at}.content.{place}");
        if !BLOCKS.contains(&kind) {
            let known = BLOCKS.map(|kind| format!("'{kind}'")).join(", ");
            let text = format!(
                "{path}: Input tag '{kind}' found using 'type' does not match any of the expected tags: {known}"
            );
            return bad(&text);
        }
        match kind {
            "text" if block["text"].as_str().is_none_or(str::is_empty) => {
                return bad(&format!("{path}: text content blocks must be non-empty"));
            }
            "tool_use" if role != "assistant" => {
                return bad(&format!("{path}: `tool_use` blocks can only be in `assistant` messages"));
            }
            "tool_use" if !block["input"].is_object() => {
                return bad(&format!("{path}.tool_use.input: Input should be a valid dictionary"));
            }
            "tool_use" if !good_tool_id(&block["id"]) => {
                return bad(&format!("{path}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'"));
            }
            "tool_result" => {
                let id = block["tool_use_id"].as_str().unwrap_or_default();
                if !calls.iter().any(|call| call == id) {
                    let text = format!(
                        "{path}: unexpected `tool_use_id` found in `tool_result` blocks: {id}. Each `tool_result` block \
                         must have a corresponding `tool_use` block in the previous message."
                    );
                    return bad(&text);
                }
            }
            "thinking" => {
                let text = block["thinking"].as_str().unwrap_or_default();
                if block["signature"].as_str() != Some(sign(text).as_str()) {
                    return bad(&format!("{path}: Invalid `signature` in `thinking` block"));
                }
            }
            "image" | "document" => {
                let source = block["source"]["type"].as_str().unwrap_or_default();
                if !["base64", "url", "file", "text", "content"].contains(&source) {
                    return bad(&format!(
                        "{path}.{kind}.source: Input tag '{source}' found using 'type' does not match"
                    ));
                }
            }
            _ => {}
        }
    }
    None
}

fn good_tool_id(id: &Value) -> bool {
    id.as_str()
        .is_some_and(|id| !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-'))
}

/// The signature of a thinking block, which must come back unchanged with the text unchanged.
pub(in crate::fake_upstream) fn sign(thinking: &str) -> String {
    format!("fakeSig{:016x}==", hash(thinking.as_bytes()))
}
