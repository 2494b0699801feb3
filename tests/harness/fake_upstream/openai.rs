//! OpenAI's API: routing, keys, errors and headers. The surfaces themselves are in the modules below.

use bytes::Bytes;
use serde_json::{Value, json};

use super::reply::{Body, Reply, data_event, named_event};
use super::script::Refusal;
use super::seen::Seen;
use super::state::Shared;
use super::vendor::Vendor;

pub(super) mod chat;
mod media;
mod realtime;
pub(super) mod responses;
mod small;

pub(super) use realtime::converse;

const MODELS: [&str; 8] = [
    "gpt-4o",
    "gpt-4o-mini",
    "gpt-5.1",
    "o4-mini",
    "text-embedding-3-small",
    "gpt-image-1",
    "whisper-1",
    "gpt-realtime",
];

pub(super) fn answer(seen: &Seen, shared: &Shared) -> Reply {
    let pieces = seen.pieces();
    let mut path: Vec<&str> = pieces.iter().map(String::as_str).collect();
    if path.first() == Some(&"v1") {
        path.remove(0);
    }
    if let Some(refused) = check_key(seen, shared) {
        return refused;
    }
    dress(route(seen, shared, &path), seen, shared)
}

/// The surfaces by path; Azure and gateways reuse this below their own prefixes.
pub(super) fn route(seen: &Seen, shared: &Shared, path: &[&str]) -> Reply {
    match (seen.method.as_str(), path) {
        ("GET", ["models"]) => Reply::json(200, &json!({ "object": "list", "data": MODELS.map(model) })),
        ("GET", ["models", id]) if MODELS.contains(id) => Reply::json(200, &model(id)),
        ("GET", ["models", id]) => error(
            404,
            &format!("The model '{id}' does not exist"),
            "invalid_request_error",
            Some("model"),
            Some("model_not_found"),
        ),
        ("POST", ["chat", "completions"]) => chat::chat(seen, shared),
        ("POST", ["completions"]) => chat::completion(seen, shared),
        ("POST", ["embeddings"]) => small::embeddings(seen),
        ("POST", ["moderations"]) => small::moderations(seen, shared),
        ("POST", ["rerank"]) => small::rerank(seen, shared),
        ("POST", ["images", kind @ ("generations" | "edits" | "variations")]) => media::images(seen, kind),
        ("POST", ["audio", kind @ ("transcriptions" | "translations")]) => media::transcribe(seen, kind),
        ("POST", ["audio", "speech"]) => media::speech(seen),
        ("GET", ["realtime"]) => realtime::open(seen),
        ("GET", ["responses"]) => realtime::open_responses(seen),
        (_, ["responses", rest @ ..]) => responses::answer(seen, shared, rest),
        (_, ["conversations", rest @ ..]) => responses::conversations(seen, shared, rest),
        (method, _) => {
            error(404, &format!("Invalid URL ({method} {})", seen.path), "invalid_request_error", None, None)
        }
    }
}

fn model(id: &str) -> Value {
    json!({ "id": id, "object": "model", "created": 1_700_000_000, "owned_by": "system" })
}

fn check_key(seen: &Seen, shared: &Shared) -> Option<Reply> {
    let Some(authorization) = seen.header("authorization") else {
        return Some(error(
            401,
            "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer \
             auth (i.e. Authorization: Bearer YOUR_KEY).",
            "invalid_request_error",
            None,
            None,
        ));
    };
    let key = authorization.strip_prefix("Bearer ").unwrap_or_default();
    if shared.accepts(Vendor::OpenAi, key, &[]) {
        return None;
    }
    Some(refuse(&Refusal { status: 401, retry_after: None, code: None }))
}

/// The headers every OpenAI answer carries.
fn dress(reply: Reply, seen: &Seen, shared: &Shared) -> Reply {
    let id = shared.id("req_");
    let reply = reply
        .with("x-request-id", id)
        .with("openai-version", "2020-10-01")
        .with("openai-processing-ms", "42")
        .with("x-ratelimit-limit-requests", "10000")
        .with("x-ratelimit-remaining-requests", "9999")
        .with("x-ratelimit-reset-requests", "6ms")
        .with("x-ratelimit-limit-tokens", "2000000")
        .with("x-ratelimit-remaining-tokens", "1999000")
        .with("x-ratelimit-reset-tokens", "1m12s");
    match seen.header("openai-organization") {
        Some(organization) => reply.with("openai-organization", organization),
        None => reply.with("openai-organization", "org-fake"),
    }
}

pub(super) fn error(status: u16, message: &str, kind: &str, param: Option<&str>, code: Option<&str>) -> Reply {
    Reply::json(status, &json!({ "error": { "message": message, "type": kind, "param": param, "code": code } }))
}

/// A 400 about a parameter.
pub(super) fn bad(message: &str, param: &str, code: Option<&str>) -> Reply {
    error(400, message, "invalid_request_error", Some(param), code)
}

pub(super) fn refuse(refusal: &Refusal) -> Reply {
    let code = refusal.code.as_deref();
    let (message, kind, code) = match (refusal.status, code) {
        (400, Some("context_length_exceeded")) => (
            "This model's maximum context length is 128000 tokens. However, your messages resulted in 250000 tokens. \
             Please reduce the length of the messages.",
            "invalid_request_error",
            Some("context_length_exceeded"),
        ),
        (400, code) => ("Invalid value for 'temperature': expected at most 2.", "invalid_request_error", code),
        (401, _) => (
            "Incorrect API key provided: sk-fake-********************fake. You can find your API key at \
             https://platform.openai.com/account/api-keys.",
            "invalid_request_error",
            Some("invalid_api_key"),
        ),
        (403, code) => (
            "Country, region, or territory not supported",
            "request_forbidden",
            code.or(Some("unsupported_country_region_territory")),
        ),
        (404, _) => (
            "The model `gone` does not exist or you do not have access to it.",
            "invalid_request_error",
            Some("model_not_found"),
        ),
        (429, Some("insufficient_quota")) => (
            "You exceeded your current quota, please check your plan and billing details. For more information on \
             this error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.",
            "insufficient_quota",
            Some("insufficient_quota"),
        ),
        (429, _) => (
            "Rate limit reached for gpt-4o in organization org-fake on tokens per min (TPM): Limit 30000, Used 29000, \
             Requested 2000. Please try again in 2s.",
            "tokens",
            Some("rate_limit_exceeded"),
        ),
        (503, _) => {
            ("The engine is currently overloaded, please try again later", "server_error", Some("service_unavailable"))
        }
        (status, code) if status < 500 => ("The request was refused.", "invalid_request_error", code),
        (_, code) => ("The server had an error while processing your request. Sorry about that!", "server_error", code),
    };
    let mut reply = error(refusal.status, message, kind, None, code).with("x-request-id", "req_refused");
    if let Some(seconds) = refusal.retry_after {
        reply = reply
            .with("retry-after", seconds.to_string())
            .with("retry-after-ms", (seconds * 1000).to_string())
            .with("x-ratelimit-remaining-requests", "0")
            .with("x-ratelimit-reset-requests", format!("{seconds}s"));
    }
    reply
}

pub(super) fn error_in_stream(seen: &Seen) -> Bytes {
    let message = "The server had an error while processing your request. Sorry about that!";
    if seen.path.contains("/responses") {
        return named_event(&json!({
            "type": "error", "code": "server_error", "message": message, "param": null, "sequence_number": 99
        }));
    }
    data_event(&json!({
        "error": { "message": message, "type": "server_error", "param": null, "code": null }
    }))
}

/// Whether a reply is an answer rather than a refusal.
pub(super) fn is_good(reply: &Reply) -> bool {
    reply.status < 400 || matches!(reply.body, Body::Socket(_))
}
