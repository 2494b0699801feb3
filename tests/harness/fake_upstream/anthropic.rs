//! Anthropic's API: routing, keys and subscription tokens, errors, limit headers, side endpoints.

use bytes::Bytes;
use serde_json::{Value, json};

use super::reply::{Reply, named_event};
use super::script::Refusal;
use super::seen::Seen;
use super::state::Shared;
use super::vendor::{SUBSCRIPTION_TOKEN, Vendor};
use super::{oauth, openai};

pub(super) mod check;
pub(super) mod messages;

const MODELS: [(&str, &str); 4] = [
    ("claude-opus-4-5-20251101", "Claude Opus 4.5"),
    ("claude-sonnet-4-5-20250929", "Claude Sonnet 4.5"),
    ("claude-haiku-4-5-20251001", "Claude Haiku 4.5"),
    ("claude-3-5-haiku-20241022", "Claude Haiku 3.5"),
];

pub(super) fn answer(seen: &Seen, shared: &Shared) -> Reply {
    let pieces = seen.pieces();
    let path: Vec<&str> = pieces.iter().map(String::as_str).collect();
    if let ["v1", "oauth", "token"] | ["oauth", "authorize"] | ["cai", "oauth", "authorize"] = path[..] {
        return oauth::claude(seen, shared);
    }
    let subscription = match who(seen, shared) {
        Ok(subscription) => subscription,
        Err(refused) => return dress(refused, shared, false),
    };
    let reply = route(seen, shared, &path, subscription);
    dress(reply, shared, subscription)
}

fn route(seen: &Seen, shared: &Shared, path: &[&str], subscription: bool) -> Reply {
    if let ["api", "oauth", side @ ..] = path {
        return side_endpoint(side, subscription);
    }
    let version = seen.header("anthropic-version").unwrap_or_default();
    if version.is_empty() {
        return error(400, "invalid_request_error", "anthropic-version: header is required");
    }
    if !["2023-01-01", "2023-06-01", "2026-10-21"].contains(&version) {
        let message = format!("anthropic-version: \"{version}\" is not a valid version");
        return error(400, "invalid_request_error", &message);
    }
    match (seen.method.as_str(), path) {
        ("POST", ["v1", "messages"]) => {
            let body = seen.json();
            if subscription && let Some(refused) = wrong_client(&body) {
                return refused;
            }
            messages::create(&body, shared)
        }
        ("POST", ["v1", "messages", "count_tokens"]) => messages::count_tokens(&seen.json()),
        ("GET", ["v1", "models"]) => {
            let data: Vec<Value> = MODELS.iter().map(model).collect();
            Reply::json(
                200,
                &json!({
                    "data": data, "has_more": false, "first_id": MODELS[0].0, "last_id": MODELS[MODELS.len() - 1].0
                }),
            )
        }
        ("GET", ["v1", "models", id]) => match MODELS.iter().find(|(name, _)| name == id) {
            Some(found) => Reply::json(200, &model(found)),
            None => error(404, "not_found_error", &format!("model: {id}")),
        },
        _ => error(404, "not_found_error", "Not found"),
    }
}

fn model((id, name): &(&str, &str)) -> Value {
    json!({ "type": "model", "id": id, "display_name": name, "created_at": "2025-09-29T00:00:00Z" })
}

/// Whether the caller comes with a subscription token (and not with a key).
fn who(seen: &Seen, shared: &Shared) -> Result<bool, Reply> {
    if let Some(key) = seen.header("x-api-key") {
        return if shared.accepts(Vendor::Anthropic, key, &[]) {
            Ok(false)
        } else {
            Err(error(401, "authentication_error", "invalid x-api-key"))
        };
    }
    let Some(token) = seen.bearer() else {
        return Err(error(401, "authentication_error", "x-api-key header is required"));
    };
    let subscription = token.starts_with("sk-ant-oat01-");
    if !shared.accepts(Vendor::Anthropic, token, &[SUBSCRIPTION_TOKEN]) {
        let message = if subscription {
            "OAuth token has expired. Please obtain a new token or refresh your existing token."
        } else {
            "Invalid bearer token"
        };
        return Err(error(401, "authentication_error", message));
    }
    let betas = seen.header("anthropic-beta").unwrap_or_default();
    if subscription && !betas.split(',').any(|beta| beta.trim() == "oauth-2025-04-20") {
        return Err(error(401, "authentication_error", "OAuth authentication is currently not supported."));
    }
    Ok(subscription)
}

/// A subscription serves its vendor's own client: the first system blocks must be that client's.
fn wrong_client(body: &Value) -> Option<Reply> {
    let haiku = body["model"].as_str().unwrap_or_default().contains("haiku");
    let opens = |text: &str| {
        text.starts_with("You are Claude Code, Anthropic's official CLI for Claude.")
            || text.starts_with("You are a Claude agent, built on Anthropic's Claude Agent SDK.")
    };
    let own = match &body["system"] {
        Value::String(text) => opens(text),
        Value::Array(blocks) => blocks.iter().take(2).filter_map(|block| block["text"].as_str()).any(opens),
        _ => false,
    };
    (!haiku && !own).then(|| {
        error(
            400,
            "invalid_request_error",
            "This credential is only authorized for use with Claude Code and cannot be used for other API requests.",
        )
    })
}

fn side_endpoint(side: &[&str], subscription: bool) -> Reply {
    if !subscription {
        return error(403, "permission_error", "OAuth token required");
    }
    match side {
        ["profile"] => Reply::json(
            200,
            &json!({
                "account": { "uuid": "acc-fake", "email": "ann@example.com", "has_claude_max": true },
                "organization": {
                    "uuid": "org-fake", "name": "Fake", "organization_type": "claude_max",
                    "rate_limit_tier": "default_claude_max_5x"
                }
            }),
        ),
        ["usage"] => Reply::json(
            200,
            &json!({
                "five_hour": { "utilization": 12.0, "resets_at": "2030-01-01T05:00:00Z" },
                "seven_day": { "utilization": 34.0, "resets_at": "2030-01-07T00:00:00Z" },
                "seven_day_opus": { "utilization": 0.0, "resets_at": null }
            }),
        ),
        ["claude_cli", "roles"] => Reply::json(
            200,
            &json!({ "organization_role": "admin", "workspace_role": null, "organization_name": "Fake" }),
        ),
        _ => error(404, "not_found_error", "Not found"),
    }
}

/// The headers every answer carries.
fn dress(reply: Reply, shared: &Shared, subscription: bool) -> Reply {
    let reply = reply.with("request-id", shared.id("req_")).with("anthropic-organization-id", "org-fake");
    if subscription {
        return reply
            .with("anthropic-ratelimit-unified-status", "allowed")
            .with("anthropic-ratelimit-unified-reset", (now() + 18_000).to_string())
            .with("anthropic-ratelimit-unified-representative-claim", "five_hour")
            .with("anthropic-ratelimit-unified-5h-status", "allowed")
            .with("anthropic-ratelimit-unified-5h-reset", (now() + 18_000).to_string())
            .with("anthropic-ratelimit-unified-5h-utilization", "0.12")
            .with("anthropic-ratelimit-unified-7d-status", "allowed")
            .with("anthropic-ratelimit-unified-7d-reset", (now() + 600_000).to_string())
            .with("anthropic-ratelimit-unified-7d-utilization", "0.34");
    }
    let mut reply = reply;
    for kind in ["requests", "tokens", "input-tokens", "output-tokens"] {
        reply = reply
            .with(&format!("anthropic-ratelimit-{kind}-limit"), "4000")
            .with(&format!("anthropic-ratelimit-{kind}-remaining"), "3999")
            .with(&format!("anthropic-ratelimit-{kind}-reset"), "2030-01-01T00:00:00Z");
    }
    reply
}

pub(super) fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

pub(super) fn error(status: u16, kind: &str, message: &str) -> Reply {
    Reply::json(
        status,
        &json!({ "type": "error", "error": { "type": kind, "message": message }, "request_id": "req_fake" }),
    )
}

pub(super) fn refuse(seen: &Seen, refusal: &Refusal) -> Reply {
    let code = refusal.code.as_deref();
    let (kind, message) = match (refusal.status, code) {
        (400, Some("credit_balance")) => (
            "invalid_request_error",
            "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or \
             purchase credits.",
        ),
        (400, Some("organization_disabled")) => ("invalid_request_error", "This organization has been disabled."),
        (400, _) => ("invalid_request_error", "messages: at least one message is required"),
        (401, _) => ("authentication_error", "invalid x-api-key"),
        (402, _) => ("billing_error", "There is an issue with your billing."),
        (403, _) => ("permission_error", "Your API key does not have permission to use the specified resource."),
        (404, _) => ("not_found_error", "model: gone"),
        (413, _) => ("request_too_large", "Request exceeds the maximum size"),
        (429, Some("enforced_spend_limit_reached")) => ("rate_limit_error", "You have reached your spend limit."),
        (429, _) => {
            ("rate_limit_error", "This request would exceed your account's rate limit. Please try again later.")
        }
        (504, _) => ("timeout_error", "The request timed out"),
        (529, _) => ("overloaded_error", "Overloaded"),
        (status, _) if status < 500 => ("invalid_request_error", "The request was refused."),
        _ => ("api_error", "Internal server error"),
    };
    let mut reply = error(refusal.status, kind, message).with("request-id", "req_refused");
    if code == Some("enforced_spend_limit_reached") {
        let details = json!({ "error_code": "enforced_spend_limit_reached" });
        let body = json!({
            "type": "error", "error": { "type": kind, "message": message, "details": details }, "request_id": "req_fake"
        });
        return Reply::json(refusal.status, &body).with("x-should-retry", "false");
    }
    if [429, 529, 500, 503].contains(&refusal.status) {
        reply = reply.with("x-should-retry", "true");
    }
    if let Some(seconds) = refusal.retry_after {
        reply = reply.with("retry-after", seconds.to_string());
    }
    let subscription = seen.bearer().is_some_and(|token| token.starts_with("sk-ant-oat01-"));
    if refusal.status == 429 && subscription {
        let claim = code.unwrap_or("five_hour");
        let reset = now() + refusal.retry_after.unwrap_or(3600);
        reply = reply
            .with("anthropic-ratelimit-unified-status", "rejected")
            .with("anthropic-ratelimit-unified-reset", reset.to_string())
            .with("anthropic-ratelimit-unified-representative-claim", claim)
            .with("anthropic-ratelimit-unified-5h-status", "rejected")
            .with("anthropic-ratelimit-unified-5h-reset", reset.to_string());
    } else if refusal.status == 429 {
        reply =
            reply.with("anthropic-ratelimit-requests-limit", "50").with("anthropic-ratelimit-requests-remaining", "0");
    }
    reply
}

pub(super) fn error_in_stream() -> Bytes {
    named_event(&json!({ "type": "error", "error": { "type": "overloaded_error", "message": "Overloaded" } }))
}

/// Gateways reuse the surface with looser habits.
pub(super) fn lax_messages(seen: &Seen, shared: &Shared) -> Reply {
    let reply = messages::create(&seen.json(), shared);
    if openai::is_good(&reply) { messages::without_extras(reply) } else { reply }
}
