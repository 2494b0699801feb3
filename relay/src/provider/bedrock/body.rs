//! A messages body as Bedrock takes it: extraneous keys are refused there, so they are left out and named.

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Value, json};

use super::super::{Ask, Refusal};
use crate::convert::edit::Body;

/// The version that goes into the body instead of a header.
pub const VERSION: &str = "bedrock-2023-05-31";

/// Members that only address the vendor's own API; leaving them out changes nothing of the answer.
const ADDRESS: &[&str] = &["model", "stream"];
/// Members that Bedrock refuses.
const REFUSED: &[&str] = &[
    "context_management",
    "output_config",
    "thread",
    "service_tier",
    "mcp_servers",
    "container",
    "fallbacks",
    "workspace_id",
    "inference_geo",
    "speed",
    "user_profile_id",
    "cache_control",
];
/// Beta words that Bedrock knows; it refuses a call with any other.
const BETAS: &[&str] = &[
    "computer-use-2024-10-22",
    "computer-use-2025-01-24",
    "computer-use-2025-11-24",
    "token-efficient-tools-2025-02-19",
    "interleaved-thinking-2025-05-14",
    "output-128k-2025-02-19",
    "dev-full-thinking-2025-05-14",
    "context-1m-2025-08-07",
    "tool-search-tool-2025-10-19",
    "tool-examples-2025-10-29",
    "fine-grained-tool-streaming-2025-05-14",
];

/// The body for an invoke call, and the members and beta words that were left out.
pub fn messages(body: &Body, headers: &HeaderMap) -> Result<(Bytes, Vec<String>), Refusal> {
    refuse_thread(body)?;
    let mut edit = body.edit();
    let mut dropped = Vec::new();
    for name in ADDRESS {
        edit.remove(name);
    }
    for name in REFUSED {
        if body.has(name) {
            dropped.push((*name).to_owned());
        }
        edit.remove(name);
    }
    if !body.has("anthropic_version") {
        edit.set_str("anthropic_version", VERSION);
    }
    let mut betas: Vec<String> = body.get("anthropic_beta", "a list of strings")?.unwrap_or_default();
    for value in headers.get_all("anthropic-beta") {
        for word in value.to_str().unwrap_or_default().split(',').map(str::trim).filter(|word| !word.is_empty()) {
            if !BETAS.contains(&word) {
                dropped.push(format!("anthropic-beta: {word}"));
            } else if !betas.iter().any(|known| known == word) {
                betas.push(word.to_owned());
            }
        }
    }
    if !betas.is_empty() {
        edit.set_raw("anthropic_beta", Value::from(betas).to_string().into_bytes());
    }
    Ok((edit.finish(), dropped))
}

/// A conversation that Anthropic holds cannot go on elsewhere: what was said before would be missing.
pub fn refuse_thread(body: &Body) -> Result<(), Refusal> {
    match body.str_in("thread", "type")?.as_deref() {
        Some("continue") => Err(Refusal::Unsupported {
            message: "message threads are held by Anthropic's own API; send the whole conversation".into(),
            code: Some("thread_unsupported_request"),
        }),
        _ => Ok(()),
    }
}

/// The body for counting: the invoke body in base64 inside one of its own. A limit of output is asked for
/// there though nothing is put out.
pub fn counted(body: &Body, ask: &Ask<'_>) -> Result<(Bytes, Vec<String>), Refusal> {
    let (inner, dropped) = if body.has("max_tokens") {
        messages(body, ask.headers)?
    } else {
        let mut edit = body.edit();
        edit.set_raw("max_tokens", b"1".to_vec());
        messages(&Body::scan(edit.finish())?, ask.headers)?
    };
    let wrapped = json!({"input": {"invokeModel": {"body": BASE64_STANDARD.encode(&inner)}}});
    Ok((wrapped.to_string().into(), dropped))
}

/// Anthropic's answer to counting from Bedrock's.
pub fn count(body: &[u8]) -> Option<Bytes> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    Some(json!({"input_tokens": answer.get("inputTokens")?}).to_string().into())
}
