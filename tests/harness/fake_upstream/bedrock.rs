//! AWS Bedrock: signatures, invoke and converse, whole and as event streams.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};

use super::answer::decide;
use super::anthropic::check::{Host, check};
use super::anthropic::messages;
use super::eventstream::{Frame, encode_frame};
use super::reply::{Body, Reply};
use super::script::Refusal;
use super::seen::Seen;
use super::sigv4::{Credentials, age, verify};
use super::state::Shared;
use super::vendor::Vendor;

mod converse;

use converse::converse;

/// The access key id the fake knows.
pub const ACCESS_KEY: &str = "AKFAKEBEDROCK";
/// Its secret key.
pub const SECRET_KEY: &str = "fake/bedrock+secret";
/// A Bedrock API key.
pub const BEARER_KEY: &str = "ABSKfakebedrock";

pub(super) fn answer(seen: &Seen, shared: &Shared) -> Reply {
    if let Some(refused) = check_credentials(seen, shared) {
        return refused;
    }
    let pieces = seen.pieces();
    let path: Vec<&str> = pieces.iter().map(String::as_str).collect();
    let body = seen.json();
    let reply = match (seen.method.as_str(), &path[..]) {
        // An ARN in the path has its slash encoded, so it is one piece here too.
        ("POST", ["model", model, "invoke"]) => invoke(&body, model, shared, false),
        ("POST", ["model", model, "invoke-with-response-stream"]) => invoke(&body, model, shared, true),
        ("POST", ["model", _, "converse"]) => converse(&body, shared, false),
        ("POST", ["model", _, "converse-stream"]) => converse(&body, shared, true),
        ("POST", ["model", _, "count-tokens"]) => {
            let bytes = body["input"].to_string().len() as u64;
            Reply::json(200, &json!({ "inputTokens": (bytes / 4).max(1) }))
        }
        ("GET", ["foundation-models"]) => {
            let model = json!({
                "modelId": "anthropic.claude-sonnet-4-5-20250929-v1:0", "modelName": "Claude Sonnet 4.5",
                "providerName": "Anthropic", "responseStreamingSupported": true
            });
            Reply::json(200, &json!({ "modelSummaries": [model] }))
        }
        ("GET", ["inference-profiles"]) => {
            let profile = json!({
                "inferenceProfileId": "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "status": "ACTIVE",
                "inferenceProfileName": "US Claude Sonnet 4.5", "type": "SYSTEM_DEFINED"
            });
            Reply::json(200, &json!({ "inferenceProfileSummaries": [profile] }))
        }
        _ => exception(404, "UnknownOperationException", "Unknown operation"),
    };
    reply.with("x-amzn-requestid", shared.id("amzn-"))
}

fn check_credentials(seen: &Seen, shared: &Shared) -> Option<Reply> {
    if let Some(key) = seen.bearer() {
        let good = shared.accepts(Vendor::Bedrock, key, &[]);
        return (!good).then(|| exception(403, "AccessDeniedException", "Authentication failed: API Key is invalid"));
    }
    let credentials = Credentials { access_key: ACCESS_KEY, secret_key: SECRET_KEY, service: "bedrock" };
    let checked = verify(&credentials, &seen.method, &seen.wire_path, &seen.query, &seen.headers, &seen.wire_body);
    if let Err(message) = checked {
        let kind = match message.as_str() {
            text if text.starts_with("The request signature") => "InvalidSignatureException",
            text if text.starts_with("The security token") => "UnrecognizedClientException",
            text if text.starts_with("Missing Authentication") => "MissingAuthenticationTokenException",
            _ => "IncompleteSignatureException",
        };
        return Some(exception(403, kind, &message));
    }
    if age(&seen.headers, super::anthropic::now()).is_none_or(|seconds| seconds > 900) {
        return Some(exception(403, "InvalidSignatureException", "Signature expired"));
    }
    let session = seen.header("x-amz-security-token");
    if session.is_some_and(|token| token.starts_with("expired")) {
        let message = "The security token included in the request is expired";
        return Some(exception(403, "ExpiredTokenException", message));
    }
    None
}

fn exception(status: u16, kind: &str, message: &str) -> Reply {
    Reply::json(status, &json!({ "message": message }))
        .with("x-amzn-errortype", format!("{kind}:http://internal.amazon.com/"))
}

fn invoke(body: &Value, model: &str, shared: &Shared, stream: bool) -> Reply {
    if !model.contains("anthropic.") && !model.starts_with("arn:aws") {
        return exception(400, "ValidationException", "The provided model identifier is invalid.");
    }
    if let Some(refused) = check(body, Host::Bedrock) {
        let Body::Whole(refused) = &refused.body else {
            return refused;
        };
        let refused: Value = serde_json::from_slice(refused).unwrap_or(Value::Null);
        let reason = refused["error"]["message"].as_str().unwrap_or_default();
        let field = reason.split(": Extra inputs").next().filter(|field| *field != reason);
        let message = match field {
            Some(field) => format!(
                "Malformed input request: #: extraneous key [{field}] is not permitted, please reformat your input and try again."
            ),
            None => format!("Malformed input request: {reason}"),
        };
        return exception(400, "ValidationException", &message);
    }
    let version = body["anthropic_version"].as_str().unwrap_or_default();
    if !["bedrock-2023-05-31", "2026-10-21"].contains(&version) {
        return exception(400, "ValidationException", "anthropic_version: Input should be 'bedrock-2023-05-31'");
    }
    if !body["anthropic_beta"].is_null() && !body["anthropic_beta"].is_array() {
        return exception(400, "ValidationException", "anthropic_beta: Input should be a valid list");
    }
    let answer = decide(&messages::ask(body), shared);
    let id = shared.id("msg_bdrk_");
    let name = model.rsplit("anthropic.").next().unwrap_or(model).split("-v1:").next().unwrap_or(model);
    if !stream {
        let usage = &answer.usage;
        return Reply::json(200, &messages::message(&answer, &id, name))
            .with("x-amzn-bedrock-input-token-count", usage.input.to_string())
            .with("x-amzn-bedrock-output-token-count", usage.output.to_string())
            .with("x-amzn-bedrock-cache-read-input-token-count", usage.cache_read.to_string())
            .with(
                "x-amzn-bedrock-cache-write-input-token-count",
                (usage.cache_write_5m + usage.cache_write_1h).to_string(),
            )
            .with("x-amzn-bedrock-invocation-latency", "420");
    }
    let mut frames = Vec::new();
    for mut event in messages::events(&answer, &id, name) {
        if event["type"] == "ping" {
            continue;
        }
        if event["type"] == "message_stop" {
            event["amazon-bedrock-invocationMetrics"] = json!({
                "inputTokenCount": answer.usage.input, "outputTokenCount": answer.usage.output,
                "cacheReadInputTokenCount": answer.usage.cache_read,
                "cacheWriteInputTokenCount": answer.usage.cache_write_5m + answer.usage.cache_write_1h,
                "invocationLatency": 420, "firstByteLatency": 42
            });
        }
        // The padding hides the length of what is inside.
        let padding = &"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"[..frames.len() % 40 + 1];
        let payload = json!({ "bytes": STANDARD.encode(event.to_string()), "p": padding });
        frames.push(encode_frame(&Frame::event("chunk", payload.to_string())));
    }
    Reply::stream("application/vnd.amazon.eventstream", frames).with("x-amzn-bedrock-content-type", "application/json")
}

pub(super) fn refuse(refusal: &Refusal) -> Reply {
    let (kind, message) = match (refusal.status, refusal.code.as_deref()) {
        (400, _) => ("ValidationException", "Malformed input request, please reformat your input and try again."),
        (401 | 403, Some("expired")) => {
            ("ExpiredTokenException", "The security token included in the request is expired")
        }
        (401, _) => ("UnrecognizedClientException", "The security token included in the request is invalid."),
        (403, _) => ("AccessDeniedException", "You don't have access to the model with the specified model ID."),
        (404, _) => {
            ("ResourceNotFoundException", "Could not resolve the foundation model from the provided model identifier.")
        }
        (408, _) => ("ModelTimeoutException", "The model timed out."),
        (424, _) => ("ModelErrorException", "The model returned an error."),
        (429, Some("not_ready")) => ("ModelNotReadyException", "The model is not ready for inference."),
        (429, _) => ("ThrottlingException", "Too many requests, please wait before trying again."),
        (503, _) => ("ServiceUnavailableException", "Bedrock is unable to process your request."),
        (status, _) if status < 500 => ("ValidationException", "The request was refused."),
        _ => ("InternalServerException", "The system encountered an unexpected error during processing."),
    };
    // AWS knows no 401 here: what is wrong with credentials is a 403.
    let status = if refusal.status == 401 {
        403
    } else if refusal.status == 529 {
        503
    } else {
        refusal.status
    };
    exception(status, kind, message)
}

pub(super) fn error_in_stream() -> Bytes {
    let message = "Too many requests, please wait before trying again.";
    encode_frame(&Frame::exception("throttlingException", json!({ "message": message }).to_string()))
}
