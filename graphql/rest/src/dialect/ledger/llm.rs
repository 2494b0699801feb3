//! The model service: how it is set up, and whether it answers.

pub mod call;
pub mod stats;

use std::time::{Duration, Instant};

use axum::extract::State;
use schema::model::account::AccountKind;
use schema::secret::Secret;
use schema::service::account::check;
use schema::service::llm::{self, Setup, SetupChange};
use schema::{App, Error, Role};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Body, Caller, Reply, data};

/// What stands for a key that is set.
const MASK: &str = "sk-***";
/// Longest a test waits.
const PATIENCE: Duration = Duration::from_secs(20);

fn shown(setup: &Setup) -> Value {
    json!({
        "enabled": setup.enabled,
        "config": {
            "provider": setup.provider(),
            "apiKey": if setup.has_key() { MASK } else { "" },
            "model": setup.model(),
            "baseURL": setup.base_url(),
        },
    })
}

pub async fn get(State(app): State<App>, caller: Caller) -> Reply {
    caller.require(Role::Admin)?;
    Ok(data(shown(&llm::get(&app, &caller).await?)))
}

#[derive(Default, Deserialize)]
pub struct Config {
    provider: Option<String>,
    #[serde(rename = "apiKey")]
    api_key: Option<String>,
    model: Option<String>,
    #[serde(rename = "baseURL")]
    base_url: Option<String>,
}

impl Config {
    /// A key that was really given: neither empty nor masked.
    fn key(&self) -> Option<Secret<String>> {
        self.api_key.as_ref().filter(|k| !k.is_empty() && !k.contains("***")).map(|k| Secret::new(k.clone()))
    }
}

#[derive(Deserialize)]
pub struct Form {
    enabled: Option<bool>,
    config: Option<Config>,
}

pub async fn change(State(app): State<App>, caller: Caller, form: Body<Form>) -> Reply {
    caller.require(Role::Admin)?;
    let config = form.0.config.unwrap_or_default();
    let change = SetupChange {
        enabled: form.0.enabled,
        key: config.key(),
        provider: config.provider,
        model: config.model.filter(|m| !m.is_empty()),
        base_url: config.base_url,
    };
    Ok(data(shown(&llm::change(&app, &caller, change).await?)))
}

#[derive(Deserialize)]
pub struct Test {
    config: Option<Config>,
}

/// A question of a few words in the vendor's own protocol: address, headers, body.
fn question(kind: AccountKind, base: &str, model: &str, key: &str) -> (String, Vec<(&'static str, String)>, Value) {
    let base = base.trim_end_matches('/');
    let rooted = base.strip_suffix("/v1").unwrap_or(base);
    let hello = json!([{ "role": "user", "content": "Hello" }]);
    match kind {
        AccountKind::ClaudeConsole => (
            format!("{rooted}/v1/messages"),
            vec![("x-api-key", key.to_owned()), ("anthropic-version", "2023-06-01".to_owned())],
            json!({ "model": model, "max_tokens": 16, "messages": hello }),
        ),
        AccountKind::GeminiKey => (
            format!("{}/v1beta/models/{model}:generateContent", base.strip_suffix("/v1beta").unwrap_or(base)),
            vec![("x-goog-api-key", key.to_owned())],
            json!({ "contents": [{ "role": "user", "parts": [{ "text": "Hello" }] }] }),
        ),
        _ => {
            let version = if base.rsplit('/').next().is_some_and(|s| s.starts_with('v')) { "" } else { "/v1" };
            (
                format!("{base}{version}/chat/completions"),
                vec![("authorization", format!("Bearer {key}"))],
                json!({ "model": model, "max_tokens": 16, "messages": hello }),
            )
        }
    }
}

/// The words of an answer, or what its refusal says.
fn words(body: &Value) -> String {
    ["/choices/0/message/content", "/content/0/text", "/candidates/0/content/parts/0/text", "/error/message", "/error"]
        .iter()
        .find_map(|place| body.pointer(place).and_then(Value::as_str))
        .unwrap_or("")
        .chars()
        .take(2_000)
        .collect()
}

/// Really asks the service that is described; what is left out is taken from the setup.
pub async fn test(State(app): State<App>, caller: Caller, form: Body<Test>) -> Reply {
    caller.require(Role::Admin)?;
    let config = form.0.config.unwrap_or_default();
    let setup = llm::get(&app, &caller).await?;
    let key = match config.key() {
        Some(key) => Some(key),
        None => llm::key(&app, &caller).await?,
    };
    let key = key.ok_or_else(|| Error::invalid("config.apiKey", "apiKey is needed"))?;
    let provider = config.provider.unwrap_or_else(|| setup.provider().to_owned());
    let kind = llm::kind_of(&provider);
    let model = config.model.filter(|m| !m.is_empty()).unwrap_or_else(|| setup.model().to_owned());
    if model.is_empty() || model.contains(['/', '?', '#']) && kind == AccountKind::GeminiKey {
        return Err(Error::invalid("config.model", "model is needed").into());
    }
    let base = match config.base_url.filter(|u| !u.is_empty()) {
        Some(url) => check::base_url(&url)?,
        None if kind == llm::kind_of(setup.provider()) => setup.base_url(),
        None => llm::usual_address(kind).to_owned(),
    };
    if base.is_empty() {
        return Err(Error::invalid("config.baseURL", "baseURL is needed").into());
    }
    let (url, headers, body) = question(kind, &base, &model, key.reveal());
    let mut request = app.http.post(url).json(&body).timeout(PATIENCE);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let begun = Instant::now();
    let (connected, response) = match request.send().await {
        Err(e) if e.is_timeout() => (false, "the service did not answer in time".to_owned()),
        Err(_) => (false, "the service cannot be reached".to_owned()),
        Ok(answer) => {
            let status = answer.status();
            let said = answer.json::<Value>().await.map(|body| words(&body)).unwrap_or_default();
            match (status.is_success(), said.is_empty()) {
                (true, _) => (true, said),
                (false, true) => (false, format!("the service answered {status}")),
                (false, false) => (false, format!("{status}: {said}")),
            }
        }
    };
    let latency = i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX);
    // A vendor's refusal may quote the key it was given.
    let response = response.replace(key.reveal().as_str(), MASK);
    Ok(data(json!({ "connected": connected, "response": response, "latency": latency })))
}
