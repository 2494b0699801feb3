//! An Anthropic-compatible gateway (claude-code-router and its like): the same dialect with looser habits.
//!
//! Usage may be zero, pings are absent, errors are OpenAI-shaped, tokens are not counted.

use serde_json::json;

use super::anthropic;
use super::openai;
use super::reply::Reply;
use super::seen::Seen;
use super::state::Shared;
use super::vendor::Vendor;

pub(super) fn answer(seen: &Seen, shared: &Shared) -> Reply {
    let key = seen.header("x-api-key").or_else(|| seen.bearer()).unwrap_or_default();
    if !shared.accepts(Vendor::Ccr, key, &[]) {
        return openai::error(401, "Invalid API key", "authentication_error", None, Some("invalid_api_key"));
    }
    if seen.header("x-api-key").is_some() && !key.starts_with("sk-ant-") {
        return openai::error(401, "Use a bearer token", "authentication_error", None, None);
    }
    let pieces = seen.pieces();
    let path: Vec<&str> = pieces.iter().map(String::as_str).collect();
    match (seen.method.as_str(), &path[..]) {
        ("POST", ["v1", "messages"]) => anthropic::lax_messages(seen, shared),
        ("GET", ["v1", "models"]) => {
            let model = json!({ "id": "openrouter,claude-sonnet-4-5", "object": "model", "owned_by": "ccr" });
            Reply::json(200, &json!({ "object": "list", "data": [model] }))
        }
        _ => Reply::whole(404, "text/html", "<html><body><h1>404 Not Found</h1></body></html>"),
    }
}
