//! OpenAI with an API key, and what everything compatible with it shares.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use serde_json::{Value, json};

use super::blame::{self, pause};
use super::{
    Ask, Blame, Dialect, Failure, Operation, Outgoing, Payload, Provider, Reason, Refusal, Scope, Upstream, Wish,
    address, outgoing,
};
use crate::wire::headers::{self, Family};
use crate::wire::{multipart, percent, ratelimit};

/// The vendor's own address.
pub const BASE: &str = "https://api.openai.com";

/// Accounts with an OpenAI key.
pub struct OpenAi;

impl Provider for OpenAi {
    fn native(&self, _: &Upstream<'_>, wish: Wish<'_>) -> Option<Dialect> {
        speaks(wish, true)
    }

    fn request(&self, account: &Upstream<'_>, ask: &Ask<'_>) -> Result<Outgoing, Refusal> {
        let url = address::endpoint(account.base(BASE), "/v1", &tail(ask)?);
        let mut headers = bearer(account, ask)?;
        for (name, value) in
            [("openai-organization", &account.options.organization), ("openai-project", &account.options.project)]
        {
            if let Some(value) = value {
                headers.insert(name, headers::secret(value)?);
            }
        }
        send(account, ask, url, headers, body(ask, true)?)
    }

    fn in_band(&self, body: &[u8]) -> Option<StatusCode> {
        in_band(body)
    }

    fn blame(&self, failure: &Failure<'_>) -> Blame {
        blame(failure, Scope::Model)
    }

    fn probe(&self, account: &Upstream<'_>, model: Option<&str>, _: i64) -> Result<http::Request<Bytes>, Refusal> {
        // Models that reason refuse `max_tokens` and want room for more than one token.
        probe(account, model, account.base(BASE), "/v1", "max_completion_tokens", 16)
    }
}

/// The dialect for a wish, of vendors that have OpenAI's whole surface; without `responses`, all but those.
pub(super) fn speaks(wish: Wish<'_>, responses: bool) -> Option<Dialect> {
    let only = |dialect: Dialect| (wish.dialect == dialect).then_some(dialect);
    match wish.operation {
        Operation::Generate if wish.dialect == Dialect::Responses && responses => Some(Dialect::Responses),
        Operation::Generate => Some(Dialect::Chat),
        Operation::CountTokens | Operation::Compact | Operation::Stored => {
            only(Dialect::Responses).filter(|_| responses)
        }
        Operation::Complete => only(Dialect::Completions),
        Operation::Embed => only(Dialect::Embeddings),
        Operation::ImageGenerate | Operation::ImageEdit | Operation::ImageVary => only(Dialect::Images),
        Operation::Transcribe | Operation::Translate | Operation::Speak => only(Dialect::Audio),
        Operation::Moderate => only(Dialect::Moderations),
        Operation::Rerank => only(Dialect::Rerank),
        Operation::Realtime => only(Dialect::Realtime),
        Operation::ListModels | Operation::GetModel => Some(Dialect::Models),
        Operation::EmbedBatch | Operation::Side | Operation::Submit | Operation::Fetch => None,
    }
}

/// The path of an operation behind the version.
pub(super) fn tail(ask: &Ask<'_>) -> Result<String, Refusal> {
    Ok(match ask.operation {
        Operation::Generate if ask.dialect == Dialect::Responses => "/responses".into(),
        Operation::Generate => "/chat/completions".into(),
        Operation::CountTokens => "/responses/input_tokens".into(),
        Operation::Compact => "/responses/compact".into(),
        Operation::Complete => "/completions".into(),
        Operation::Embed => "/embeddings".into(),
        Operation::ImageGenerate => "/images/generations".into(),
        Operation::ImageEdit => "/images/edits".into(),
        Operation::ImageVary => "/images/variations".into(),
        Operation::Transcribe => "/audio/transcriptions".into(),
        Operation::Translate => "/audio/translations".into(),
        Operation::Speak => "/audio/speech".into(),
        Operation::Moderate => "/moderations".into(),
        Operation::Rerank => "/rerank".into(),
        Operation::Realtime => format!("/realtime?model={}", percent::encode(ask.model)),
        Operation::ListModels => "/models".into(),
        Operation::GetModel => format!("/models/{}", percent::encode(ask.model)),
        Operation::Stored | Operation::Side | Operation::Submit | Operation::Fetch => {
            address::tail(ask.path)?.to_owned()
        }
        Operation::EmbedBatch => return Err(Refusal::unsupported("this vendor has no batches of embedding requests")),
    })
}

/// The body with the vendor's name of the model; streamed chat asks for its usage.
pub(super) fn body(ask: &Ask<'_>, stream_usage: bool) -> Result<Bytes, Refusal> {
    match ask.body {
        Payload::Empty => Ok(Bytes::new()),
        Payload::Raw(bytes) => Ok(named(ask, bytes)),
        Payload::Json(body) => {
            let mut edit = body.edit();
            if !ask.model.is_empty() && !ask.follows_client() {
                edit.set_str("model", ask.model);
            }
            if ask.stream && stream_usage && matches!(ask.dialect, Dialect::Chat | Dialect::Completions) {
                edit.set_in("stream_options", "include_usage", b"true".to_vec())?;
            }
            Ok(edit.finish())
        }
    }
}

/// A multipart body with the vendor's name of the model.
fn named(ask: &Ask<'_>, bytes: &Bytes) -> Bytes {
    let boundary =
        ask.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).and_then(multipart::boundary);
    match boundary {
        Some(boundary) if !ask.model.is_empty() => multipart::set_text(bytes, boundary, "model", ask.model),
        _ => bytes.clone(),
    }
}

/// The client's headers that go on, and the key as a bearer.
pub(super) fn bearer(account: &Upstream<'_>, ask: &Ask<'_>) -> Result<HeaderMap, Refusal> {
    let mut headers = headers::forward(ask.headers, Family::OpenAi, !ask.translated);
    if !matches!(account.credentials, super::Credentials::None) {
        headers.insert(header::AUTHORIZATION, headers::secret(&format!("Bearer {}", account.credentials.key()?))?);
    }
    Ok(headers)
}

/// Puts a request together; of the client's query goes on what belongs to a path or session of its own.
pub(super) fn send(
    account: &Upstream<'_>,
    ask: &Ask<'_>,
    url: String,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Outgoing, Refusal> {
    let url = match ask.operation {
        Operation::Realtime => address::socket(&address::with_query(
            url,
            &percent::query_without(ask.query, &["key", "model", "deployment", "api-version"]),
        )),
        _ if ask.follows_client() => address::with_query(url, &percent::query_without(ask.query, &["key"])),
        _ => url,
    };
    outgoing::finish(account, ask, &url, headers, body)
}

/// Whose fault a refusal in OpenAI's form is; `limits` says what a rate limit concerns.
pub(super) fn blame(failure: &Failure<'_>, limits: Scope) -> Blame {
    let body = failure.json();
    let error = body.get("error").unwrap_or(&body);
    let text = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
    let (code, kind) = (text("code"), text("type"));
    let is = |word: &str| code == word || kind == word;
    if ["insufficient_quota", "billing_hard_limit_reached", "billing_not_active"].iter().any(|word| is(word))
        || failure.status == 429 && failure.mentions(&["exceeded your current quota", "insufficient balance"])
    {
        return Blame::blocked(Reason::OutOfMoney);
    }
    if is("account_deactivated") || is("organization_deactivated") {
        return Blame::blocked(Reason::Disabled);
    }
    match failure.status.as_u16() {
        // A moderation in front of the model judged the caller's text.
        403 if error.pointer("/metadata/reasons").is_some() => Blame::Caller,
        403 if code == "model_not_found"
            || failure.mentions(&["access to model", "must be verified to use the model"]) =>
        {
            Blame::cooling(failure.until(pause::MODEL), Scope::Model)
        }
        429 => Blame::cooling(failure.limited_until(ratelimit::sentence(text("message"), failure.now)), limits),
        _ => blame::by_status(failure, false),
    }
}

/// The status that an error in OpenAI's form stands for when it came with a success or inside a stream.
pub(super) fn in_band(body: &[u8]) -> Option<StatusCode> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let failed =
        body.get("type").and_then(Value::as_str).is_some_and(|kind| kind == "error" || kind == "response.failed");
    let error = match failed {
        true => body.pointer("/response/error").or_else(|| body.get("error")).unwrap_or(&body),
        // A finished response carries `error: null`.
        false => body.get("error").filter(|error| !error.is_null() && body.get("object").is_none())?,
    };
    let text = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
    let number = error.get("code").and_then(Value::as_u64).or_else(|| error.get("status").and_then(Value::as_u64));
    if let Some(status) = number.and_then(|n| u16::try_from(n).ok()).filter(|n| (400..600).contains(n)) {
        return StatusCode::from_u16(status).ok();
    }
    Some(match (text("code"), text("type")) {
        ("rate_limit_exceeded" | "insufficient_quota", _)
        | (_, "rate_limit_error" | "insufficient_quota" | "usage_limit_reached" | "tokens" | "requests") => {
            StatusCode::TOO_MANY_REQUESTS
        }
        ("invalid_api_key", _) | (_, "authentication_error") => StatusCode::UNAUTHORIZED,
        ("invalid_prompt" | "context_length_exceeded", _) | (_, "invalid_request_error") => StatusCode::BAD_REQUEST,
        ("server_is_overloaded" | "slow_down", _) | (_, "overloaded_error") => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    })
}

/// The end of chat's address.
const CHAT: &str = "/chat/completions";

/// A question of one word to a model, or the list of models where none is named.
///
/// The address may be chat's whole one, as it may for calls; the list of models stands beside it.
pub(super) fn probe(
    account: &Upstream<'_>,
    model: Option<&str>,
    base: &str,
    version: &str,
    limit: &str,
    tokens: u32,
) -> Result<http::Request<Bytes>, Refusal> {
    let (method, url, body) = match model {
        Some(model) => (
            Method::POST,
            match base.contains("{model}") {
                true => base.replace("{model}", &percent::encode(model)),
                false => address::endpoint(base, version, CHAT),
            },
            json!({"model": model, "messages": [{"role": "user", "content": "hi"}], limit: tokens}).to_string(),
        ),
        None => {
            let root = base.trim_end_matches('/');
            let root = root.strip_suffix(CHAT).unwrap_or(root);
            (Method::GET, address::versioned(root, version, "/models"), String::new())
        }
    };
    let mut request = super::probe::bare(method, &url, body)?;
    if !matches!(account.credentials, super::Credentials::None) {
        let key = headers::secret(&format!("Bearer {}", account.credentials.key()?))?;
        request.headers_mut().insert(header::AUTHORIZATION, key);
    }
    account.extra(request.headers_mut());
    Ok(request)
}
