//! Azure OpenAI: OpenAI's dialects behind deployments and an API version.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use serde_json::json;

use super::blame::{self, pause};
use super::{
    Ask, Blame, Credentials, Dialect, Failure, Operation, Outgoing, Payload, Provider, Refusal, Scope, Upstream, Wish,
    address, openai, outgoing,
};
use crate::wire::headers::{self, Family};
use crate::wire::percent;

/// The version of the API where the account names none.
const VERSION: &str = "2024-10-21";
/// The first version that knows responses.
const RESPONSES_VERSION: &str = "2025-04-01-preview";

/// Accounts at Azure.
pub struct Azure;

impl Provider for Azure {
    fn native(&self, _: &Upstream<'_>, wish: Wish<'_>) -> Option<Dialect> {
        match wish.operation {
            Operation::Moderate | Operation::Rerank | Operation::ImageVary | Operation::CountTokens => None,
            _ => openai::speaks(wish, true),
        }
    }

    fn request(&self, account: &Upstream<'_>, ask: &Ask<'_>) -> Result<Outgoing, Refusal> {
        let deployment = account.options.deployment.as_deref().filter(|name| !name.is_empty()).unwrap_or(ask.model);
        // Wherever Azure reads a model from a body it means the deployment.
        let ask = &Ask { model: deployment, ..*ask };
        let url = url(account, ask, deployment)?;
        let mut headers = headers::forward(ask.headers, Family::OpenAi, !ask.translated);
        authenticate(account, &mut headers)?;
        let body = match ask.body {
            // A deployment replaces the model, so a form needs no change.
            Payload::Raw(bytes) => bytes.clone(),
            _ => openai::body(ask, true)?,
        };
        outgoing::finish(account, ask, &url, headers, body)
    }

    fn in_band(&self, body: &[u8]) -> Option<StatusCode> {
        openai::in_band(body)
    }

    fn blame(&self, failure: &Failure<'_>) -> Blame {
        match failure.status.as_u16() {
            // Which deployment is asked is the account's setting, not the caller's words.
            404 if failure.mentions(&["deploymentnotfound"]) => {
                Blame::cooling(failure.until(pause::MODEL), Scope::Model)
            }
            401 => blame::by_status(failure, false),
            _ => openai::blame(failure, Scope::Model),
        }
    }

    fn probe(&self, account: &Upstream<'_>, model: Option<&str>, _: i64) -> Result<http::Request<Bytes>, Refusal> {
        let deployment = account.options.deployment.as_deref().filter(|name| !name.is_empty()).or(model);
        let (method, url, body) = match deployment {
            Some(name) => {
                let question = json!({"model": name, "messages": [{"role": "user", "content": "hi"}], "max_completion_tokens": 16});
                (Method::POST, deployed(account, name, "/chat/completions")?, question.to_string())
            }
            None => (
                Method::GET,
                address::with_query(format!("{}/openai/models", resource(account)?), &version(account, VERSION)),
                String::new(),
            ),
        };
        let mut request = super::probe::bare(method, &url, body)?;
        authenticate(account, request.headers_mut())?;
        account.extra(request.headers_mut());
        Ok(request)
    }
}

/// A key goes as `api-key`; Entra tokens (JWTs) as a bearer.
fn authenticate(account: &Upstream<'_>, headers: &mut HeaderMap) -> Result<(), Refusal> {
    match account.credentials {
        Credentials::Oauth { .. } => {
            headers.insert(
                header::AUTHORIZATION,
                headers::secret(&format!("Bearer {}", account.credentials.access_token()?))?,
            );
        }
        credentials => match credentials.key()? {
            token if token.starts_with("eyJ") => {
                headers.insert(header::AUTHORIZATION, headers::secret(&format!("Bearer {token}"))?);
            }
            key => {
                headers.insert("api-key", headers::secret(key)?);
            }
        },
    }
    Ok(())
}

/// The resource's address, whatever of the path was pasted with it.
fn resource<'a>(account: &Upstream<'a>) -> Result<&'a str, Refusal> {
    let base = account.required_base()?;
    Ok(base.split_once("/openai").map_or(base, |(resource, _)| resource))
}

/// Whether the account uses the newer surface without versions.
fn is_v1(account: &Upstream<'_>) -> bool {
    account.options.api_version.as_deref() == Some("v1")
        || account.base_url.is_some_and(|base| base.trim_end_matches('/').ends_with("/openai/v1"))
}

fn version(account: &Upstream<'_>, least: &str) -> String {
    let version = account.options.api_version.as_deref().filter(|version| !version.is_empty()).unwrap_or(least);
    format!("api-version={}", percent::encode(version))
}

fn deployed(account: &Upstream<'_>, deployment: &str, tail: &str) -> Result<String, Refusal> {
    let resource = resource(account)?;
    if is_v1(account) {
        return Ok(format!("{resource}/openai/v1{tail}"));
    }
    let address = format!("{resource}/openai/deployments/{}{tail}", percent::encode(deployment));
    Ok(address::with_query(address, &version(account, VERSION)))
}

fn url(account: &Upstream<'_>, ask: &Ask<'_>, deployment: &str) -> Result<String, Refusal> {
    let resource = resource(account)?;
    let tail = openai::tail(ask)?;
    let query = percent::query_without(ask.query, &["key", "api-version", "model", "deployment"]);
    match ask.operation {
        Operation::Realtime if is_v1(account) => {
            Ok(address::socket(&address::with_query(format!("{resource}/openai/v1{tail}"), &query)))
        }
        Operation::Realtime => {
            let place = format!(
                "{resource}/openai/realtime?{}&deployment={}",
                version(account, VERSION),
                percent::encode(deployment)
            );
            Ok(address::socket(&address::with_query(place, &query)))
        }
        _ if is_v1(account) => Ok(format!("{resource}/openai/v1{tail}")),
        Operation::Generate if ask.dialect == Dialect::Responses => {
            Ok(address::with_query(format!("{resource}/openai{tail}"), &responses_version(account)))
        }
        Operation::Compact | Operation::Stored => {
            let place = address::with_query(format!("{resource}/openai{tail}"), &responses_version(account));
            Ok(address::with_query(place, &query))
        }
        Operation::ListModels | Operation::GetModel => {
            Ok(address::with_query(format!("{resource}/openai{tail}"), &version(account, VERSION)))
        }
        _ => deployed(account, deployment, &tail),
    }
}

/// Responses need a version that knows them; versions are dates and order as such.
fn responses_version(account: &Upstream<'_>) -> String {
    let set = account.options.api_version.as_deref().unwrap_or_default();
    if set > RESPONSES_VERSION { version(account, VERSION) } else { format!("api-version={RESPONSES_VERSION}") }
}
