//! Google's Generative Language API and, for OAuth accounts, Code Assist.

use bytes::Bytes;
use serde_json::{Value, json};

use super::oauth;
use super::reply::Reply;
use super::script::Refusal;
use super::seen::Seen;
use super::state::Shared;
use super::vendor::Vendor;

pub(super) mod generate;

const MODELS: [&str; 4] = ["gemini-2.5-pro", "gemini-2.5-flash", "gemini-3-pro-preview", "gemini-embedding-001"];

pub(super) fn answer(seen: &Seen, shared: &Shared) -> Reply {
    let pieces = seen.pieces();
    let path: Vec<&str> = pieces.iter().map(String::as_str).collect();
    if let ["token"] | ["o", "oauth2", "v2", "auth"] = path[..] {
        return oauth::google(seen, shared);
    }
    if let [method] = path[..]
        && let Some(method) = method.strip_prefix("v1internal:")
    {
        return code_assist(seen, shared, method);
    }
    if let Some(refused) = check_key(seen, shared) {
        return refused;
    }
    let [version @ ("v1" | "v1beta" | "v1alpha"), rest @ ..] = &path[..] else {
        return missing(&seen.path);
    };
    match (seen.method.as_str(), rest) {
        ("GET", ["models"]) => Reply::json(200, &json!({ "models": MODELS.map(model) })),
        ("GET", ["models", id]) if MODELS.contains(id) => Reply::json(200, &model(id)),
        ("POST", ["models", call]) => match call.rsplit_once(':') {
            Some((model, action)) => act(seen, shared, model, action, &seen.json()),
            None => missing(&seen.path),
        },
        (_, ["cachedContents", rest @ ..]) if *version != "v1" => cached_contents(seen, shared, rest),
        _ => missing(&seen.path),
    }
}

fn model(id: &str) -> Value {
    json!({
        "name": format!("models/{id}"), "version": "001", "displayName": id, "description": "A fake",
        "inputTokenLimit": 1_048_576, "outputTokenLimit": 65_536,
        "supportedGenerationMethods": ["generateContent", "countTokens", "createCachedContent"],
        "temperature": 1, "topP": 0.95, "topK": 64
    })
}

/// A method on a model; Vertex has the same under longer paths.
pub(super) fn act(seen: &Seen, shared: &Shared, model: &str, action: &str, body: &Value) -> Reply {
    let sse = seen.query_param("alt").as_deref() == Some("sse");
    match action {
        "generateContent" => generate::generate(body, model, shared),
        "streamGenerateContent" => generate::stream(body, model, shared, sse, false),
        "countTokens" => generate::count_tokens(body),
        "embedContent" => generate::embed(body),
        "batchEmbedContents" => generate::embed_batch(body),
        "predict" => generate::predict(body),
        _ => missing(&seen.path),
    }
}

fn check_key(seen: &Seen, shared: &Shared) -> Option<Reply> {
    if let Some(token) = seen.bearer() {
        return (!shared.accepts(Vendor::Gemini, token, &["ya29.fake-gemini"])).then(bad_token);
    }
    let Some(key) = seen.header("x-goog-api-key") else {
        return Some(error(
            403,
            "PERMISSION_DENIED",
            "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or \
             other form of API consumer identity to call this API.",
            json!([]),
        ));
    };
    let good = shared.accepts(Vendor::Gemini, key, &[]);
    (!good).then(|| refuse(&Refusal { status: 401, retry_after: None, code: None }))
}

pub(super) fn bad_token() -> Reply {
    error(
        401,
        "UNAUTHENTICATED",
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid \
         authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.",
        json!([{
            "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "ACCESS_TOKEN_EXPIRED",
            "domain": "googleapis.com"
        }]),
    )
}

/// The same methods in an envelope, for accounts that signed in.
fn code_assist(seen: &Seen, shared: &Shared, method: &str) -> Reply {
    let token = seen.bearer().unwrap_or_default();
    if seen.header("x-goog-api-key").is_some() || !shared.accepts(Vendor::Gemini, token, &["ya29.fake-gemini"]) {
        return bad_token();
    }
    let body = seen.json();
    let inner = &body["request"];
    match method {
        "loadCodeAssist" => Reply::json(
            200,
            &json!({
                "currentTier": { "id": "standard-tier", "name": "Gemini Code Assist" },
                "allowedTiers": [{ "id": "standard-tier", "isDefault": true }], "cloudaicompanionProject": "fake-project"
            }),
        ),
        "onboardUser" => Reply::json(
            200,
            &json!({
                "name": "operations/fake", "done": true,
                "response": { "cloudaicompanionProject": { "id": "fake-project", "name": "fake-project" } }
            }),
        ),
        "retrieveUserQuota" => Reply::json(
            200,
            &json!({ "buckets": [{ "modelId": "gemini-2.5-pro", "remainingFraction": 0.9, "tokenType": "REQUESTS" }] }),
        ),
        "listExperiments" => Reply::json(200, &json!({ "experimentIds": [], "flags": [] })),
        "recordCodeAssistMetrics" => Reply::json(200, &json!({})),
        "countTokens" => generate::count_tokens(inner),
        "generateContent" | "streamGenerateContent" => {
            let known = ["model", "project", "user_prompt_id", "request", "enabled_credit_types"];
            if let Some(unknown) = unknown_field(&body, &known) {
                return unknown;
            }
            let Some(model) = body["model"].as_str() else {
                return invalid("model is required");
            };
            let mut inner = inner.clone();
            if let Some(fields) = inner.as_object_mut() {
                fields.remove("session_id");
            }
            if method == "generateContent" {
                generate::enveloped(generate::generate(&inner, model, shared))
            } else {
                let sse = seen.query_param("alt").as_deref() == Some("sse");
                generate::stream(&inner, model, shared, sse, true)
            }
        }
        _ => missing(&seen.path),
    }
}

fn cached_contents(seen: &Seen, shared: &Shared, rest: &[&str]) -> Reply {
    let body = seen.json();
    match (seen.method.as_str(), rest) {
        ("POST", []) => {
            if !body["model"].is_string() {
                return invalid("* CreateCachedContentRequest.cached_content.model: model is required");
            }
            let name = format!("cachedContents/{}", shared.id("cc"));
            let stored = json!({
                "name": name, "model": body["model"], "createTime": "2026-01-01T00:00:00Z",
                "updateTime": "2026-01-01T00:00:00Z", "expireTime": "2030-01-01T00:00:00Z",
                "usageMetadata": { "totalTokenCount": body["contents"].to_string().len() / 4 }
            });
            shared.memory().cached_contents.insert(name, stored.clone());
            Reply::json(200, &stored)
        }
        ("GET", []) => {
            let all: Vec<Value> = shared.memory().cached_contents.values().cloned().collect();
            Reply::json(200, &json!({ "cachedContents": all }))
        }
        (method, [id]) => {
            let name = format!("cachedContents/{id}");
            let mut memory = shared.memory();
            let stored = match method {
                "DELETE" => memory.cached_contents.remove(&name).map(|_| json!({})),
                _ => memory.cached_contents.get(&name).cloned(),
            };
            drop(memory);
            match stored {
                Some(stored) => Reply::json(200, &stored),
                None => error(403, "PERMISSION_DENIED", "CachedContent not found (or permission denied)", json!([])),
            }
        }
        _ => missing(&seen.path),
    }
}

pub(super) fn error(code: u16, status: &str, message: &str, details: Value) -> Reply {
    let mut error = json!({ "code": code, "message": message, "status": status });
    if details.as_array().is_some_and(|details| !details.is_empty()) {
        error["details"] = details;
    }
    Reply::json(code, &json!({ "error": error }))
}

pub(super) fn invalid(message: &str) -> Reply {
    error(400, "INVALID_ARGUMENT", message, json!([]))
}

fn missing(path: &str) -> Reply {
    error(
        404,
        "NOT_FOUND",
        &format!("models/{path} is not found for API version v1beta, or is not supported."),
        json!([]),
    )
}

/// Google's refusal of a field it does not know. Names come in camel case or snake case.
pub(super) fn unknown_field(body: &Value, known: &[&str]) -> Option<Reply> {
    let Some(fields) = body.as_object() else {
        return Some(invalid("Invalid JSON payload received. Expected an object."));
    };
    let plain = |name: &str| name.replace('_', "").to_ascii_lowercase();
    let unknown = fields.keys().find(|field| !known.iter().any(|name| plain(name) == plain(field)))?;
    let message = format!("Invalid JSON payload received. Unknown name \"{unknown}\": Cannot find field.");
    let violation = json!({ "description": message });
    let details = json!([{ "@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation] }]);
    Some(error(400, "INVALID_ARGUMENT", &message, details))
}

pub(super) fn refuse(refusal: &Refusal) -> Reply {
    let info = |reason: &str| json!([{ "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com" }]);
    match (refusal.status, refusal.code.as_deref()) {
        // A bad key is a 400 here.
        (401, None) => {
            error(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", info("API_KEY_INVALID"))
        }
        (401, Some(_)) => bad_token(),
        (400, _) => invalid("Request contains an invalid argument."),
        (403, _) => error(403, "PERMISSION_DENIED", "The caller does not have permission", json!([])),
        (404, _) => error(404, "NOT_FOUND", "Requested entity was not found.", json!([])),
        (429, code) => {
            let id = match code {
                Some("per_day") => "GenerateRequestsPerDayPerProjectPerModel-FreeTier",
                _ => "GenerateRequestsPerMinutePerProjectPerModel-FreeTier",
            };
            let violation = json!({
                "quotaMetric": "generativelanguage.googleapis.com/generate_content_free_tier_requests", "quotaId": id
            });
            let mut details =
                vec![json!({ "@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [violation] })];
            if let Some(seconds) = refusal.retry_after {
                details.push(json!({
                    "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": format!("{seconds}s")
                }));
            }
            let message = "You exceeded your current quota, please check your plan and billing details.";
            error(429, "RESOURCE_EXHAUSTED", message, json!(details))
        }
        (500, _) => error(500, "INTERNAL", "An internal error has occurred. Please retry.", json!([])),
        (504, _) => error(504, "DEADLINE_EXCEEDED", "The request timed out.", json!([])),
        (status, _) if status < 500 => error(status, "FAILED_PRECONDITION", "The request was refused.", json!([])),
        _ => error(503, "UNAVAILABLE", "The model is overloaded. Please try again later.", json!([])),
    }
}

pub(super) fn error_in_stream() -> Bytes {
    let error =
        json!({ "code": 503, "message": "The model is overloaded. Please try again later.", "status": "UNAVAILABLE" });
    Bytes::from(format!("data: {}\r\n\r\n", json!({ "error": error })))
}
