//! A messages body as Bedrock takes it: extraneous keys are refused there, so they are left out and named.

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Map, Value, json};

use super::super::{Ask, Refusal};
use crate::convert::edit::{Body, Edit};
use crate::convert::fault::NO_THREADS;

/// The version that goes into the body instead of a header.
pub const VERSION: &str = "bedrock-2023-05-31";

/// Members that only address the vendor's own API; leaving them out changes nothing of the answer.
const ADDRESS: &[&str] = &["model", "stream"];
/// Members that Bedrock refuses.
const REFUSED: &[&str] = &[
    "context_management",
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
    format(body, &mut edit, &mut dropped)?;
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

/// The form of the answer is all of `output_config` that Bedrock knows; older clients say it in a member of its own.
fn format(body: &Body, edit: &mut Edit<'_>, dropped: &mut Vec<String>) -> Result<(), Refusal> {
    let config = body.object("output_config")?;
    let old = body.raw("output_format").filter(|form| *form != b"null");
    let form = config.as_ref().and_then(|config| config.raw("format")).filter(|form| *form != b"null").or(old);
    edit.remove("output_format");
    match form {
        Some(form) => edit.set_raw("output_config", [b"{\"format\":", form, b"}"].concat()),
        None => edit.remove("output_config"),
    };
    let others: Map<String, Value> = match &config {
        Some(config) => serde_json::from_slice(config.bytes()).unwrap_or_default(),
        None => Map::new(),
    };
    dropped.extend(others.keys().filter(|name| *name != "format").map(|name| format!("output_config.{name}")));
    Ok(())
}

/// A conversation that Anthropic holds cannot go on elsewhere, for what was said before would be missing; nor is
/// one begun that could not go on. Anthropic's SDKs send the whole conversation once they are told so.
pub fn refuse_thread(body: &Body) -> Result<(), Refusal> {
    if !body.has("thread") {
        return Ok(());
    }
    Err(Refusal::Unsupported {
        message: "message threads are held by Anthropic's own API; send the whole conversation".into(),
        code: Some(NO_THREADS),
    })
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
