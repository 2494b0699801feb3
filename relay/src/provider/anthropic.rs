//! Anthropic's messages API with a key, also of vendors that are compatible with it.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::blame;
use super::{
    Ask, Blame, Credentials, Dialect, Failure, Operation, Outgoing, Payload, Provider, Reason, Refusal, Scope,
    Upstream, Wish, address, outgoing,
};
use crate::wire::headers::{self, Family};
use crate::wire::percent;

/// The vendor's own address.
pub const BASE: &str = "https://api.anthropic.com";
/// The version for calls whose client names none.
pub const VERSION: &str = "2023-06-01";

/// Accounts with an Anthropic key.
pub struct Anthropic;

impl Provider for Anthropic {
    fn native(&self, _: &Upstream<'_>, wish: Wish<'_>) -> Option<Dialect> {
        speaks(wish)
    }

    fn request(&self, account: &Upstream<'_>, ask: &Ask<'_>) -> Result<Outgoing, Refusal> {
        let mut headers = describe(ask);
        authenticate(&mut headers, account.credentials)?;
        send(account, ask, account.base(BASE), headers)
    }

    fn in_band(&self, body: &[u8]) -> Option<StatusCode> {
        in_band(body)
    }

    fn blame(&self, failure: &Failure<'_>) -> Blame {
        blame(failure).unwrap_or_else(|| match blame::by_status(failure, false) {
            // A key's limits are counted per model.
            Blame::Account(super::Fault::Cooling { until, .. }) if failure.status == 429 => {
                Blame::cooling(until, Scope::Model)
            }
            other => other,
        })
    }

    fn probe(&self, account: &Upstream<'_>, model: Option<&str>, _: i64) -> Result<http::Request<Bytes>, Refusal> {
        probe(account, model, account.base(BASE))
    }
}

/// The dialect for a wish, of vendors that speak messages.
pub(super) fn speaks(wish: Wish<'_>) -> Option<Dialect> {
    match wish.operation {
        Operation::Generate => Some(Dialect::Messages),
        Operation::CountTokens | Operation::Stored => (wish.dialect == Dialect::Messages).then_some(Dialect::Messages),
        Operation::ListModels | Operation::GetModel => Some(Dialect::Models),
        _ => None,
    }
}

/// The client's headers that go on, with a version.
pub(super) fn describe(ask: &Ask<'_>) -> HeaderMap {
    let mut headers = headers::forward(ask.headers, Family::Anthropic, !ask.translated);
    headers.entry("anthropic-version").or_insert(HeaderValue::from_static(VERSION));
    headers
}

/// Anthropic's own keys go as `x-api-key`, a compatible vendor's as a bearer.
pub(super) fn authenticate(headers: &mut HeaderMap, credentials: Credentials<'_>) -> Result<(), Refusal> {
    if matches!(credentials, Credentials::None) {
        return Ok(());
    }
    let key = credentials.key()?;
    if key.starts_with("sk-ant-") {
        headers.insert("x-api-key", headers::secret(key)?);
    } else {
        headers.insert(header::AUTHORIZATION, headers::secret(&format!("Bearer {key}"))?);
    }
    Ok(())
}

/// The body with the vendor's name of the model.
pub(super) fn body(ask: &Ask<'_>) -> Bytes {
    match ask.body {
        Payload::Empty => Bytes::new(),
        Payload::Raw(bytes) => bytes.clone(),
        Payload::Json(body) => {
            let mut edit = body.edit();
            if !ask.model.is_empty() && !ask.follows_client() {
                edit.set_str("model", ask.model);
            }
            edit.finish()
        }
    }
}

/// Puts a request together.
pub(super) fn send(account: &Upstream<'_>, ask: &Ask<'_>, base: &str, headers: HeaderMap) -> Result<Outgoing, Refusal> {
    let base = base.strip_suffix("/messages").unwrap_or(base);
    let tail = match ask.operation {
        Operation::Generate => "/messages".to_owned(),
        Operation::CountTokens => "/messages/count_tokens".to_owned(),
        Operation::ListModels => "/models".to_owned(),
        Operation::GetModel => format!("/models/{}", percent::encode(ask.model)),
        Operation::Stored | Operation::Side => address::tail(ask.path)?.to_owned(),
        _ => return Err(Refusal::unsupported("Anthropic accounts cannot do this")),
    };
    let query = if ask.translated { String::new() } else { percent::query_without(ask.query, &["key"]) };
    let url = address::with_query(address::versioned(base, "/v1", &tail), &query);
    outgoing::finish(account, ask, &url, headers, body(ask))
}

/// What Anthropic's error texts say beyond their status.
pub(super) fn blame(failure: &Failure<'_>) -> Option<Blame> {
    let body = failure.json();
    let message = body.pointer("/error/message").and_then(Value::as_str).unwrap_or_default().to_lowercase();
    let code = body.pointer("/error/details/error_code").and_then(Value::as_str).unwrap_or_default();
    let status = failure.status.as_u16();
    if code == "enforced_spend_limit_reached" {
        return Some(Blame::blocked(Reason::SpendLimit));
    }
    if matches!(status, 400 | 402 | 403) && message.contains("credit balance is too low") {
        return Some(Blame::blocked(Reason::OutOfMoney));
    }
    if matches!(status, 400 | 401 | 403) && message.contains("organization has been disabled") {
        return Some(Blame::blocked(Reason::Disabled));
    }
    if status == 400 && message.contains("reached your specified api usage limits") {
        return Some(match regained(&message).filter(|until| *until > failure.now) {
            Some(until) => Blame::cooling(until, Scope::Account),
            None => Blame::blocked(Reason::SpendLimit),
        });
    }
    None
}

/// "… you will regain access on 2026-12-01 at 00:00 utc."
fn regained(message: &str) -> Option<i64> {
    let rest = message.split_once("regain access on ")?.1;
    let (day, rest) = rest.split_once(" at ")?;
    let moment: DateTime = format!("{day}T{}:00", rest.get(..5)?).parse().ok()?;
    Some(moment.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond())
}

/// The status that an `error` event stands for.
pub(super) fn in_band(body: &[u8]) -> Option<StatusCode> {
    let body: Value = serde_json::from_slice(body).ok()?;
    if body.get("type").and_then(Value::as_str) != Some("error") {
        return None;
    }
    let status = match body.pointer("/error/type").and_then(Value::as_str).unwrap_or_default() {
        "invalid_request_error" => 400,
        "authentication_error" => 401,
        "billing_error" => 402,
        "permission_error" => 403,
        "not_found_error" => 404,
        "conflict_error" => 409,
        "request_too_large" => 413,
        "rate_limit_error" => 429,
        "timeout_error" => 504,
        "overloaded_error" => 529,
        _ => 500,
    };
    StatusCode::from_u16(status).ok()
}

/// A question of one word to a model, or the list of models where none is named.
pub(super) fn probe(account: &Upstream<'_>, model: Option<&str>, base: &str) -> Result<http::Request<Bytes>, Refusal> {
    let base = base.strip_suffix("/messages").unwrap_or(base);
    let (method, tail, body) = match model {
        Some(model) => (Method::POST, "/messages", question(model).to_string()),
        None => (Method::GET, "/models", String::new()),
    };
    let mut request = super::probe::bare(method, &address::versioned(base, "/v1", tail), body)?;
    request.headers_mut().insert("anthropic-version", HeaderValue::from_static(VERSION));
    authenticate(request.headers_mut(), account.credentials)?;
    account.extra(request.headers_mut());
    Ok(request)
}

/// The smallest question.
pub(super) fn question(model: &str) -> Value {
    json!({"model": model, "max_tokens": 1, "messages": [{"role": "user", "content": "hi"}]})
}
