//! Gemini with an API key. Images of OpenAI's form go to Google's own door for them.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use serde_json::{Value, json};

use super::blame;
use super::{
    Ask, Blame, Dialect, Failure, Operation, Outgoing, Payload, Provider, Reason, Refusal, Scope, Upstream, Wish,
    address, openai, outgoing,
};
use crate::wire::headers::{self, Family};
use crate::wire::{percent, ratelimit};

/// The vendor's own address.
pub const BASE: &str = "https://generativelanguage.googleapis.com";
const VERSION: &str = "/v1beta";

/// Accounts with a Gemini key.
pub struct Gemini;

impl Provider for Gemini {
    fn native(&self, _: &Upstream<'_>, wish: Wish<'_>) -> Option<Dialect> {
        let own = wish.dialect == Dialect::Gemini;
        match wish.operation {
            Operation::Generate => Some(Dialect::Gemini),
            Operation::ListModels | Operation::GetModel => Some(Dialect::Models),
            Operation::CountTokens | Operation::EmbedBatch | Operation::Stored => own.then_some(Dialect::Gemini),
            Operation::Embed | Operation::ImageGenerate if own => Some(Dialect::Gemini),
            Operation::ImageGenerate => (wish.dialect == Dialect::Images).then_some(Dialect::Images),
            _ => None,
        }
    }

    fn request(&self, account: &Upstream<'_>, ask: &Ask<'_>) -> Result<Outgoing, Refusal> {
        let base = account.base(BASE);
        if ask.dialect == Dialect::Images {
            let url = address::versioned(base, VERSION, &format!("/openai{}", openai::tail(ask)?));
            return openai::send(account, ask, url, openai::bearer(account, ask)?, openai::body(ask, false)?);
        }
        let mut headers = headers::forward(ask.headers, Family::Google, !ask.translated);
        authenticate(account, &mut headers)?;
        let tail = match ask.operation {
            Operation::ListModels => "/models".to_owned(),
            Operation::GetModel => format!("/models/{}", percent::encode(bare(ask.model))),
            Operation::Stored => address::tail(ask.path)?.to_owned(),
            _ => format!("/models/{}:{}", percent::encode(bare(ask.model)), action(ask)?),
        };
        let mut url = address::versioned(base, VERSION, &tail);
        if matches!(ask.operation, Operation::ListModels | Operation::Stored) && !ask.translated {
            url = address::with_query(url, &percent::query_without(ask.query, &["key"]));
        }
        outgoing::finish(account, ask, &url, headers, body(ask))
    }

    fn in_band(&self, body: &[u8]) -> Option<StatusCode> {
        in_band(body)
    }

    fn blame(&self, failure: &Failure<'_>) -> Blame {
        let body = failure.json();
        let error = error(&body);
        match failure.status.as_u16() {
            // Google calls a bad key a bad request.
            400 if reason(error) == Some("API_KEY_INVALID")
                || failure.mentions(&["api key not valid", "api key expired"]) =>
            {
                Blame::blocked(Reason::BadCredential)
            }
            400 if failure.mentions(&["user location is not supported"]) => Blame::blocked(Reason::Forbidden),
            400 | 403 if failure.mentions(&["enable billing", "billing account"]) => Blame::blocked(Reason::OutOfMoney),
            // Google says so of caches and files that are not there.
            403 if failure.mentions(&["cachedcontent not found", "or it may not exist"]) => Blame::Caller,
            403 if reason(error) == Some("CONSUMER_SUSPENDED") => Blame::blocked(Reason::Disabled),
            429 => limited(failure, error, Scope::Account),
            _ => blame::by_status(failure, false),
        }
    }

    fn probe(&self, account: &Upstream<'_>, model: Option<&str>, _: i64) -> Result<http::Request<Bytes>, Refusal> {
        let base = account.base(BASE);
        let (method, tail, body) = match model {
            Some(model) => {
                let question = json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}], "generationConfig": {"maxOutputTokens": 1}});
                (
                    Method::POST,
                    format!("/models/{}:generateContent", percent::encode(bare(model))),
                    question.to_string(),
                )
            }
            None => (Method::GET, "/models?pageSize=1".to_owned(), String::new()),
        };
        let mut request = super::probe::bare(method, &address::versioned(base, VERSION, &tail), body)?;
        authenticate(account, request.headers_mut())?;
        account.extra(request.headers_mut());
        Ok(request)
    }
}

fn authenticate(account: &Upstream<'_>, headers: &mut HeaderMap) -> Result<(), Refusal> {
    headers.remove(header::AUTHORIZATION);
    headers.insert("x-goog-api-key", headers::secret(account.credentials.key()?)?);
    Ok(())
}

/// A model's name without the collection that clients put before it.
pub(super) fn bare(model: &str) -> &str {
    model.strip_prefix("models/").unwrap_or(model)
}

/// The method behind the colon; streams are asked for as server-sent events.
pub(super) fn action(ask: &Ask<'_>) -> Result<&'static str, Refusal> {
    Ok(match (ask.operation, ask.stream) {
        (Operation::Generate, true) => "streamGenerateContent?alt=sse",
        (Operation::Generate, false) => "generateContent",
        (Operation::CountTokens, _) => "countTokens",
        (Operation::Embed, _) => "embedContent",
        (Operation::EmbedBatch, _) => "batchEmbedContents",
        (Operation::ImageGenerate, _) => "predict",
        _ => return Err(Refusal::unsupported("Gemini accounts cannot do this")),
    })
}

/// The body; the model stands in the address, and in the body only where the client put it there.
pub(super) fn body(ask: &Ask<'_>) -> Bytes {
    match ask.body {
        Payload::Empty => Bytes::new(),
        Payload::Raw(bytes) => bytes.clone(),
        Payload::Json(body) => {
            let mut edit = body.edit();
            if body.has("model") && ask.operation != Operation::Stored && ask.dialect != Dialect::Predict {
                edit.set_str("model", &format!("models/{}", bare(ask.model)));
            }
            edit.finish()
        }
    }
}

/// The error object; streams of JSON put it into a list.
pub(super) fn error(body: &Value) -> &Value {
    let body = body.get(0).unwrap_or(body);
    body.get("error").unwrap_or(body)
}

/// The first reason that an error's details name.
pub(super) fn reason(error: &Value) -> Option<&str> {
    error.get("details")?.as_array()?.iter().find_map(|detail| detail.get("reason")?.as_str())
}

/// A used-up quota: of one model where the vendor says so, else of what it usually counts.
pub(super) fn limited(failure: &Failure<'_>, error: &Value, usual: Scope) -> Blame {
    let scope = if ratelimit::google_is_per_model(error) { Scope::Model } else { usual };
    let message = error.get("message").and_then(Value::as_str).unwrap_or_default();
    let until = ratelimit::google_body(error, failure.now)
        .unwrap_or_else(|| failure.limited_until(ratelimit::sentence(message, failure.now)));
    Blame::cooling(until, scope)
}

/// The status that an error object stands for.
pub(super) fn in_band(body: &[u8]) -> Option<StatusCode> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let error = body.get(0).unwrap_or(&body).get("error").filter(|error| error.is_object())?;
    let code = error.get("code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
    Some(
        code.filter(|code| (400..600).contains(code))
            .and_then(|code| StatusCode::from_u16(code).ok())
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
    )
}
