//! An Azure OpenAI resource: deployments, versions, content filter annotations, and the newer `/openai/v1`.

use bytes::Bytes;
use serde_json::{Value, json};

use super::openai;
use super::reply::{Body, Reply, data_event};
use super::script::Refusal;
use super::seen::Seen;
use super::state::Shared;
use super::vendor::Vendor;

/// Deployments that exist; others are not found.
const DEPLOYMENTS: [&str; 7] =
    ["gpt-4o", "gpt-4o-mini", "gpt-5.1", "text-embedding-3-small", "whisper-1", "gpt-image-1", "prod-chat"];

pub(super) fn answer(seen: &Seen, shared: &Shared) -> Reply {
    let key = seen.header("api-key").or_else(|| seen.bearer()).unwrap_or_default();
    if !shared.accepts(Vendor::Azure, key, &["entra-fake-token"]) {
        return refuse(&Refusal { status: 401, retry_after: None, code: None });
    }
    let pieces = seen.pieces();
    let path: Vec<&str> = pieces.iter().map(String::as_str).collect();
    let ["openai", rest @ ..] = &path[..] else {
        return not_found();
    };
    let version = seen.query_param("api-version");
    let reply = match rest {
        ["v1", rest @ ..] => openai::route(seen, shared, rest),
        _ if !version.as_deref().is_some_and(good_version) => return not_found(),
        ["deployments", deployment, rest @ ..] => {
            if !DEPLOYMENTS.contains(deployment) {
                return error(
                    404,
                    "DeploymentNotFound",
                    "The API deployment for this resource does not exist. If you created the deployment within the last \
                     5 minutes, please wait a moment and try again.",
                );
            }
            let mut named = seen.clone();
            named.body = with_model(&seen.body, deployment);
            openai::route(&named, shared, rest)
        }
        ["responses", ..] | ["realtime"] | ["models", ..] => openai::route(seen, shared, rest),
        _ => return not_found(),
    };
    let reply = if openai::is_good(&reply) { annotate(reply, rest) } else { reply };
    reply
        .with("apim-request-id", shared.id("apim-"))
        .with("x-ms-region", "West Europe")
        .with("x-ratelimit-remaining-requests", "99")
        .with("x-ratelimit-remaining-tokens", "99000")
}

/// The deployment decides; whatever model the body names is ignored. Multipart bodies are left as they are.
fn with_model(body: &Bytes, deployment: &str) -> Bytes {
    match serde_json::from_slice::<Value>(body) {
        Ok(Value::Object(mut fields)) => {
            fields.insert("model".to_owned(), json!(deployment));
            Bytes::from(Value::Object(fields).to_string())
        }
        _ => body.clone(),
    }
}

fn good_version(version: &str) -> bool {
    let day = version.strip_suffix("-preview").unwrap_or(version);
    day.len() == 10 && day.char_indices().all(|(at, c)| if at == 4 || at == 7 { c == '-' } else { c.is_ascii_digit() })
}

fn filter_results() -> Value {
    let safe = json!({ "filtered": false, "severity": "safe" });
    json!({ "hate": safe, "self_harm": safe, "sexual": safe, "violence": safe })
}

/// Chat answers carry the verdicts of the content filter; streams open with those on the prompt.
fn annotate(reply: Reply, rest: &[&str]) -> Reply {
    if !rest.ends_with(&["chat", "completions"]) {
        return reply;
    }
    let prompt = json!([{ "prompt_index": 0, "content_filter_results": filter_results() }]);
    let annotate = |value: &mut Value| {
        for choice in value["choices"].as_array_mut().into_iter().flatten() {
            choice["content_filter_results"] = filter_results();
        }
    };
    let body = match reply.body {
        Body::Whole(body) => {
            let mut value: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
            annotate(&mut value);
            value["prompt_filter_results"] = prompt;
            Body::Whole(Bytes::from(value.to_string()))
        }
        Body::Stream(events) => {
            let opening = json!({
                "choices": [], "created": 0, "id": "", "model": "", "object": "", "prompt_filter_results": prompt
            });
            let rest = events.iter().map(|event| {
                let data = event.strip_prefix(b"data: ").and_then(|data| serde_json::from_slice::<Value>(data).ok());
                match data {
                    Some(mut value) => {
                        annotate(&mut value);
                        data_event(&value)
                    }
                    None => event.clone(),
                }
            });
            Body::Stream([data_event(&opening)].into_iter().chain(rest).collect())
        }
        socket @ Body::Socket(_) => socket,
    };
    Reply { status: reply.status, headers: reply.headers, body }
}

fn not_found() -> Reply {
    error(404, "404", "Resource not found")
}

fn error(status: u16, code: &str, message: &str) -> Reply {
    Reply::json(status, &json!({ "error": { "code": code, "message": message } }))
}

pub(super) fn refuse(refusal: &Refusal) -> Reply {
    match (refusal.status, refusal.code.as_deref()) {
        (400, Some("content_filter")) => {
            let mut results = filter_results();
            results["violence"] = json!({ "filtered": true, "severity": "high" });
            let message = "The response was filtered due to the prompt triggering Azure OpenAI's content management \
                           policy. Please modify your prompt and retry.";
            let inner = json!({ "code": "ResponsibleAIPolicyViolation", "content_filter_result": results });
            Reply::json(
                400,
                &json!({ "error": {
                    "message": message, "type": null, "param": "prompt", "code": "content_filter", "status": 400,
                    "innererror": inner
                } }),
            )
        }
        (401, _) => error(
            401,
            "401",
            "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an \
             active subscription and use a correct regional API endpoint for your resource.",
        ),
        (429, _) => {
            let seconds = refusal.retry_after.unwrap_or(10);
            let message = format!(
                "Requests to the ChatCompletions_Create Operation under Azure OpenAI API version 2024-10-21 have exceeded \
                 token rate limit of your current OpenAI S0 pricing tier. Please retry after {seconds} seconds."
            );
            error(429, "429", &message)
                .with("retry-after", seconds.to_string())
                .with("retry-after-ms", (seconds * 1000).to_string())
                .with("x-ratelimit-remaining-tokens", "0")
        }
        (404, _) => error(404, "DeploymentNotFound", "The API deployment for this resource does not exist."),
        (503, _) => error(503, "ServiceUnavailable", "The service is temporarily unable to process your request."),
        (status, _) => error(status, &status.to_string(), "The request could not be processed."),
    }
}
