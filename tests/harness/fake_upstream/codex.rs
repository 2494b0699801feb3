//! The Codex backend of chatgpt.com, for accounts that signed in with ChatGPT.

use bytes::Bytes;
use serde_json::{Value, json};

use super::anthropic::now;
use super::oauth;
use super::openai::responses;
use super::reply::Reply;
use super::script::Refusal;
use super::seen::Seen;
use super::state::Shared;
use super::vendor::Vendor;

/// The account the fake knows.
pub const ACCOUNT_ID: &str = "acct-fake-codex";

/// What the backend refuses although the public API takes it.
const UNSUPPORTED: [&str; 7] =
    ["temperature", "top_p", "max_output_tokens", "metadata", "previous_response_id", "truncation", "user"];

pub(super) fn answer(seen: &Seen, shared: &Shared) -> Reply {
    let pieces = seen.pieces();
    let path: Vec<&str> = pieces.iter().map(String::as_str).collect();
    if let ["oauth", "authorize" | "token" | "revoke"] = path[..] {
        return oauth::openai(seen, shared);
    }
    let token = seen.bearer().unwrap_or_default();
    if !shared.accepts(Vendor::Codex, token, &[]) {
        return refuse(&Refusal { status: 401, retry_after: None, code: None });
    }
    if seen.header("chatgpt-account-id") != Some(ACCOUNT_ID) {
        return detail(403, "The chatgpt-account-id header does not name an account of this token");
    }
    let ["backend-api", rest @ ..] = &path[..] else {
        return detail(404, "Not Found");
    };
    let reply = match (seen.method.as_str(), rest) {
        ("POST", ["codex", "responses"]) => create(seen, shared),
        ("POST", ["codex", "responses", "compact"]) => responses::answer(seen, shared, &["compact"]),
        ("GET", ["codex", "models"]) => {
            let model = json!({ "slug": "gpt-5.1-codex", "display_name": "GPT-5.1 Codex", "visibility": "list" });
            Reply::json(200, &json!({ "models": [model] }))
        }
        ("GET", ["wham", "accounts", "check"]) => {
            let account = json!({
                "account_id": ACCOUNT_ID, "workspace_backend_origin": "https://chatgpt.com",
                "account_routing_override": "NO_CONSTRAINT", "plan_type": "plus"
            });
            Reply::json(200, &json!({ "accounts": [account] }))
        }
        ("GET", ["wham", "usage"]) => Reply::json(
            200,
            &json!({
                "plan_type": "plus",
                "rate_limit": {
                    "allowed": true, "limit_reached": false,
                    "primary_window": { "used_percent": 12, "limit_window_seconds": 18_000, "reset_after_seconds": 9_000 },
                    "secondary_window": { "used_percent": 34, "limit_window_seconds": 604_800, "reset_after_seconds": 300_000 }
                }
            }),
        ),
        ("GET", ["wham", "settings", "user"]) => Reply::json(200, &json!({})),
        _ => detail(404, "Not Found"),
    };
    limits(reply, 12)
}

fn create(seen: &Seen, shared: &Shared) -> Reply {
    let body = seen.json();
    if !body.is_object() {
        return detail(400, "Invalid JSON body");
    }
    if body["store"] != json!(false) {
        return detail(400, "Store must be set to false");
    }
    if body["stream"] != json!(true) {
        return detail(400, "Stream must be set to true");
    }
    if !body["input"].is_array() {
        return detail(400, "Input must be a list");
    }
    if let Some(unsupported) = UNSUPPORTED.iter().find(|field| !body[**field].is_null()) {
        return detail(400, &format!("Unsupported parameter: {unsupported}"));
    }
    let strange = ["messages", "system", "contents", "max_tokens"].into_iter().find(|field| !body[*field].is_null());
    if let Some(strange) = strange {
        return detail(400, &format!("Unsupported parameter: {strange}"));
    }
    let (events, _): (Vec<Bytes>, Value) = responses::run(&body, shared);
    Reply::sse(events)
}

fn limits(reply: Reply, used: u32) -> Reply {
    reply
        .with("x-codex-primary-used-percent", used.to_string())
        .with("x-codex-primary-window-minutes", "300")
        .with("x-codex-primary-reset-after-seconds", "9000")
        .with("x-codex-secondary-used-percent", "34")
        .with("x-codex-secondary-window-minutes", "10080")
        .with("x-codex-secondary-reset-after-seconds", "300000")
        .with("x-codex-primary-over-secondary-limit-percent", "0")
}

fn detail(status: u16, detail: &str) -> Reply {
    Reply::json(status, &json!({ "detail": detail }))
}

pub(super) fn refuse(refusal: &Refusal) -> Reply {
    match refusal.status {
        401 => Reply::json(
            401,
            &json!({ "error": {
                "message": "Provided authentication token is expired. Please try signing in again.", "type": null,
                "code": "token_expired", "param": null
            }, "status": 401 }),
        ),
        429 => {
            let seconds = refusal.retry_after.unwrap_or(3600);
            let kind = refusal.code.as_deref().unwrap_or("usage_limit_reached");
            let body = json!({ "error": {
                "type": kind, "message": "The usage limit has been reached", "plan_type": "plus",
                "resets_at": now() + seconds, "resets_in_seconds": seconds
            } });
            limits(Reply::json(429, &body), 100).with("x-codex-primary-reset-after-seconds", seconds.to_string())
        }
        403 => {
            Reply::whole(403, "text/html; charset=UTF-8", "<html><head><title>Just a moment...</title></head></html>")
        }
        400 => detail(400, "Unsupported parameter: temperature"),
        status if status < 500 => detail(status, "The request was refused."),
        status => Reply::json(
            status,
            &json!({ "error": { "message": "An error occurred while processing your request.", "code": "server_error" } }),
        ),
    }
}
