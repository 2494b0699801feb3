//! Vertex AI with a service account: Gemini's models in Gemini's dialect, Anthropic's in Anthropic's.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use serde_json::json;

use super::blame::{self, pause};
use super::{
    Ask, Blame, Credentials, Dialect, Failure, Operation, Outgoing, Payload, Provider, Reason, Refusal, Scope,
    Upstream, Wish, address, anthropic, bedrock, gemini, outgoing,
};
use crate::wire::headers::{self, Family};
use crate::wire::oauth::{self, Dead, Endpoints, Flow, Tokens};
use crate::wire::vertex::ServiceAccount;
use crate::wire::{percent, ratelimit};

const LOCATION: &str = "us-central1";
const ANTHROPIC_VERSION: &str = "vertex-2023-10-16";

/// Accounts at Google Cloud.
pub struct Vertex;

impl Provider for Vertex {
    fn native(&self, _: &Upstream<'_>, wish: Wish<'_>) -> Option<Dialect> {
        match wish.operation {
            Operation::Generate if is_claude(wish.model) => Some(Dialect::Messages),
            Operation::CountTokens if is_claude(wish.model) => {
                (wish.dialect == Dialect::Messages).then_some(Dialect::Messages)
            }
            Operation::Generate => Some(Dialect::Gemini),
            // Gemini's models embed one content at a time; those before them are asked for predictions.
            Operation::Embed if is_gemini(wish.model) => (wish.dialect == Dialect::Gemini).then_some(Dialect::Gemini),
            Operation::Embed | Operation::EmbedBatch if !is_gemini(wish.model) => {
                matches!(wish.dialect, Dialect::Gemini | Dialect::Embeddings).then_some(Dialect::Predict)
            }
            Operation::CountTokens | Operation::ImageGenerate => {
                (wish.dialect == Dialect::Gemini).then_some(Dialect::Gemini)
            }
            _ => None,
        }
    }

    fn request(&self, account: &Upstream<'_>, ask: &Ask<'_>) -> Result<Outgoing, Refusal> {
        let claude = ask.dialect == Dialect::Messages;
        let family = if claude { Family::Anthropic } else { Family::Google };
        let mut headers = headers::forward(ask.headers, family, !ask.translated);
        // The version goes into the body.
        headers.remove("anthropic-version");
        authenticate(account, &mut headers)?;
        let root = root(account)?;
        if !claude {
            let action = if ask.dialect == Dialect::Predict { "predict" } else { gemini::action(ask)? };
            let url = format!("{root}/publishers/google/models/{}:{action}", percent::encode(gemini::bare(ask.model)));
            return outgoing::finish(account, ask, &url, headers, gemini::body(ask));
        }
        let counting = ask.operation == Operation::CountTokens;
        let (model, action) = match (counting, ask.stream) {
            (true, _) => ("count-tokens".to_owned(), "rawPredict"),
            (false, true) => (claude_id(ask.model), "streamRawPredict"),
            (false, false) => (claude_id(ask.model), "rawPredict"),
        };
        let Payload::Json(body) = ask.body else { return Err(Refusal::unsupported("this request needs a JSON body")) };
        bedrock::refuse_thread(body)?;
        let mut edit = body.edit();
        let mut dropped = Vec::new();
        if counting {
            edit.set_str("model", &claude_id(ask.model));
        } else {
            edit.remove("model");
            edit.set_str("anthropic_version", ANTHROPIC_VERSION);
        }
        for name in ["context_management", "service_tier", "mcp_servers", "container", "fallbacks", "workspace_id"] {
            if body.has(name) {
                dropped.push(name.to_owned());
            }
            edit.remove(name);
        }
        let url =
            format!("{root}/publishers/anthropic/models/{}:{action}", percent::encode_keeping(model.as_bytes(), b"@"));
        Ok(Outgoing { dropped, ..outgoing::finish(account, ask, &url, headers, edit.finish())? })
    }

    fn in_band(&self, body: &[u8]) -> Option<StatusCode> {
        anthropic::in_band(body).or_else(|| gemini::in_band(body))
    }

    fn blame(&self, failure: &Failure<'_>) -> Blame {
        let body = failure.json();
        let error = gemini::error(&body);
        match failure.status.as_u16() {
            // Google answers so for models that the project has not been granted, too.
            404 if failure.mentions(&["does not have access to it"]) => {
                Blame::cooling(failure.until(pause::MODEL), Scope::Model)
            }
            403 if failure.mentions(&["billing"]) => Blame::blocked(Reason::OutOfMoney),
            // Capacity is shared by all and counted per model.
            429 => Blame::cooling(
                ratelimit::google_body(error, failure.now).unwrap_or_else(|| failure.until(pause::OVERLOAD)),
                Scope::Model,
            ),
            _ => blame::by_status(failure, true),
        }
    }

    fn token(
        &self,
        account: &Upstream<'_>,
        endpoints: Option<&Endpoints>,
        now: i64,
    ) -> Option<Result<http::Request<Bytes>, Refusal>> {
        if matches!(account.credentials, Credentials::Key(_)) {
            return None;
        }
        let address = endpoints.map(|at| at.token.as_ref());
        Some(service_account(account).and_then(|own| own.token_request(address, now).map_err(Refusal::from)))
    }

    fn read_token(&self, status: StatusCode, body: &[u8], now: i64) -> Result<Tokens, Dead> {
        oauth::read_tokens(Flow::Gemini, status, body, now)
    }

    fn probe(&self, account: &Upstream<'_>, model: Option<&str>, _: i64) -> Result<http::Request<Bytes>, Refusal> {
        let model = model.unwrap_or("gemini-2.5-flash");
        let (publisher, id, action, body) = if is_claude(model) {
            let question = json!({"anthropic_version": ANTHROPIC_VERSION, "max_tokens": 1, "messages": [{"role": "user", "content": "hi"}]});
            ("anthropic", percent::encode_keeping(claude_id(model).as_bytes(), b"@"), "rawPredict", question)
        } else {
            (
                "google",
                percent::encode(gemini::bare(model)),
                "countTokens",
                json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}),
            )
        };
        let url = format!("{}/publishers/{publisher}/models/{id}:{action}", root(account)?);
        let mut request = super::probe::bare(Method::POST, &url, body.to_string())?;
        authenticate(account, request.headers_mut())?;
        account.extra(request.headers_mut());
        Ok(request)
    }
}

fn service_account(account: &Upstream<'_>) -> Result<ServiceAccount, Refusal> {
    match account.credentials {
        Credentials::ServiceAccount { key_file, .. } => Ok(ServiceAccount::parse(key_file)?),
        _ => Err(Refusal::Account("the account has no service account key file".into())),
    }
}

/// A service account goes with its access token, a key as Google's keys do.
fn authenticate(account: &Upstream<'_>, headers: &mut HeaderMap) -> Result<(), Refusal> {
    if let Credentials::Key(key) = account.credentials {
        headers.insert("x-goog-api-key", headers::secret(key)?);
    } else {
        let token = account.credentials.access_token()?;
        headers.insert(header::AUTHORIZATION, headers::secret(&format!("Bearer {token}"))?);
    }
    Ok(())
}

/// Address up to the location: `{host}/v1/projects/{project}/locations/{location}`; a key without a project
/// belongs to one, so that its address names none.
fn root(account: &Upstream<'_>) -> Result<String, Refusal> {
    let location = account.options.region.as_deref().filter(|region| !region.is_empty()).unwrap_or(LOCATION);
    let keyed = matches!(account.credentials, Credentials::Key(_));
    let project = match account.options.project.as_deref().filter(|project| !project.is_empty()) {
        Some(project) => project.to_owned(),
        None if keyed => return Ok(address::versioned(account.base("https://aiplatform.googleapis.com"), "/v1", "")),
        None => service_account(account)?
            .project_id
            .ok_or_else(|| Refusal::Account("neither the account's settings nor its key file name a project".into()))?,
    };
    let own = match location {
        "global" => "https://aiplatform.googleapis.com".to_owned(),
        _ => format!("https://{location}-aiplatform.googleapis.com"),
    };
    let tail = format!("/projects/{}/locations/{}", percent::encode(&project), percent::encode(location));
    Ok(address::versioned(account.base(&own), "/v1", &tail))
}

fn is_claude(model: &str) -> bool {
    model.starts_with("claude-")
}

fn is_gemini(model: &str) -> bool {
    gemini::bare(model).starts_with("gemini-")
}

/// Vertex puts `@` before the date of Anthropic's names.
fn claude_id(model: &str) -> String {
    match model.rsplit_once('-') {
        Some((name, date)) if date.len() == 8 && date.bytes().all(|b| b.is_ascii_digit()) => format!("{name}@{date}"),
        _ => model.to_owned(),
    }
}
