//! Trying a key out from the public page: one short call through the relay, told as events.

use std::time::Duration;

use axum::extract::State;
use schema::{App, Error};
use serde_json::{Value, json};

use super::super::family::health::stream;
use super::super::form::{Form, Told, told};
use super::super::{Body, Crs, Reply};
use crate::dialect::{Maybe, relayed};

/// How a service is asked: path, body, and where its answer's text is.
type Question = (String, Value, &'static str);

/// Longest wait for the whole answer.
const PATIENCE: Duration = Duration::from_secs(60);

async fn trial(app: &App, form: &Form, default: &str, ask: fn(&str, &str, i64) -> Question) -> Reply {
    let key = form.required("apiKey", "API Key is required")?;
    if !(10..=512).contains(&key.len()) || !key.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Error::invalid("apiKey", "Invalid API key format").into());
    }
    let model = form.text("model")?.unwrap_or_else(|| default.to_owned());
    if !model.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:/".contains(&b)) {
        return Err(Error::invalid("model", "Invalid model name").into());
    }
    let prompt = form.text("prompt")?.unwrap_or_else(|| "hi".to_owned());
    if prompt.len() > 2_000 {
        return Err(Error::invalid("prompt", "The prompt may have at most 2000 characters").into());
    }
    let most = form.whole("maxTokens", 1, "maxTokens must be one of 100, 500, 1000, 2000, 4096")?.unwrap_or(1_000);
    if !matches!(most, 100 | 500 | 1_000 | 2_000 | 4_096) {
        return Err(Error::invalid("maxTokens", "maxTokens must be one of 100, 500, 1000, 2000, 4096").into());
    }
    let (path, body, place) = ask(&model, &prompt, most);
    // The relay's own door, so that the key's limits and the account's health count as in any call.
    let url = relayed(app, &path)?;
    let sent = app.http.post(url).timeout(PATIENCE).header("x-api-key", key.as_str()).json(&body).send().await;
    let mut events = vec![json!({ "type": "test_start" })];
    let failure = match sent {
        Err(_) => Some("the relay could not be reached from here".to_owned()),
        Ok(answer) => {
            let status = answer.status();
            let body: Value = answer.json().await.unwrap_or_default();
            if status.is_success() {
                let text = body.pointer(place).and_then(Value::as_str).unwrap_or("");
                events.push(json!({ "type": "content", "text": text }));
                events.push(json!({ "type": "message_stop" }));
                None
            } else {
                let said = ["/error/message", "/message", "/error"].iter().find_map(|p| body.pointer(p)?.as_str());
                Some(said.map_or_else(|| format!("API returned status {}", status.as_u16()), str::to_owned))
            }
        }
    };
    events.push(match failure {
        None => json!({ "type": "test_complete", "success": true }),
        Some(error) => json!({ "type": "test_complete", "success": false, "error": error }),
    });
    Ok(stream(&events))
}

pub async fn claude(State(app): State<App>, _: Maybe<Crs>, form: Body<Told<told::Question>>) -> Reply {
    trial(&app, &form.0, "claude-sonnet-4-5", |model, prompt, most| {
        let body = json!({ "model": model, "max_tokens": most, "messages": [{ "role": "user", "content": prompt }] });
        ("/api/v1/messages".to_owned(), body, "/content/0/text")
    })
    .await
}

pub async fn gemini(State(app): State<App>, _: Maybe<Crs>, form: Body<Told<told::Question>>) -> Reply {
    trial(&app, &form.0, "gemini-2.5-pro", |model, prompt, most| {
        let body = json!({
            "contents": [{ "role": "user", "parts": [{ "text": prompt }] }],
            "generationConfig": { "maxOutputTokens": most },
        });
        (format!("/gemini/v1beta/models/{model}:generateContent"), body, "/candidates/0/content/parts/0/text")
    })
    .await
}

pub async fn openai(State(app): State<App>, _: Maybe<Crs>, form: Body<Told<told::Question>>) -> Reply {
    trial(&app, &form.0, "gpt-5", |model, prompt, most| {
        let body =
            json!({ "model": model, "max_completion_tokens": most, "messages": [{ "role": "user", "content": prompt }] });
        ("/openai/v1/chat/completions".to_owned(), body, "/choices/0/message/content")
    })
    .await
}
