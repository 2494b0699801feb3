//! Tables of what each vendor is sent and what its refusals mean.

mod blames;
mod choices;
mod clouds;
mod events;
mod probes;
mod requests;
mod tasks;
mod tokens;

use super::*;
use http::HeaderValue;
use schema::model::account::{AccountKind as Kind, AccountOptions};

/// 2026-11-21T03:04:05Z.
const NOW: i64 = 1_795_230_245_000;

/// Headers of a client, with everything that must not go on.
const CLIENT: &[(&str, &str)] = &[
    ("authorization", "Bearer client-key"),
    ("x-api-key", "client-key"),
    ("x-goog-api-key", "client-key"),
    ("api-key", "client-key"),
    ("mj-api-secret", "client-key"),
    ("cookie", "client-key"),
    ("chatgpt-account-id", "client-key"),
    ("x-forwarded-for", "10.0.0.9"),
    ("user-agent", "client/1"),
    ("content-type", "application/json"),
    ("anthropic-version", "2026-10-21"),
    ("anthropic-beta", "interleaved-thinking-2025-05-14,other-2026-01-01"),
    ("openai-beta", "b"),
    ("originator", "codex_exec"),
    ("session-id", "s"),
];

fn key() -> Credentials<'static> {
    Credentials::Key("k-secret")
}

fn login() -> Credentials<'static> {
    Credentials::Oauth { access_token: Some("at-secret"), refresh_token: Some("rt-secret") }
}

fn aws() -> Credentials<'static> {
    Credentials::Aws {
        access_key_id: "AKIDEXAMPLE",
        secret_access_key: "wJalr-secret",
        session_token: Some("st-secret"),
    }
}

fn google() -> Credentials<'static> {
    Credentials::ServiceAccount {
        key_file: include_str!("../wire/vertex/key_file.json"),
        access_token: Some("at-secret"),
    }
}

fn pair() -> Credentials<'static> {
    Credentials::Pair { access_key: "ak-secret", secret_key: "sk-secret" }
}

/// Credentials that fit the kind.
fn fitting(kind: Kind) -> Credentials<'static> {
    match kind {
        Kind::ClaudeOauth | Kind::GeminiOauth | Kind::OpenaiOauth => login(),
        Kind::Bedrock => aws(),
        Kind::Vertex => google(),
        Kind::Kling => pair(),
        _ => key(),
    }
}

fn header_map(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        map.append(*name, HeaderValue::from_str(value).unwrap());
    }
    map
}

/// One attempt, described by what differs from a plain chat call.
struct Attempt {
    kind: Kind,
    base: Option<&'static str>,
    credentials: Credentials<'static>,
    options: AccountOptions,
    account_id: Option<&'static str>,
    operation: Operation,
    dialect: Dialect,
    model: &'static str,
    stream: bool,
    method: Method,
    path: &'static str,
    query: &'static str,
    headers: HeaderMap,
    translated: bool,
    body: Option<&'static str>,
    raw: Option<&'static str>,
}

fn attempt(kind: Kind, operation: Operation, dialect: Dialect) -> Attempt {
    Attempt {
        kind,
        base: None,
        credentials: fitting(kind),
        options: AccountOptions::default(),
        account_id: None,
        operation,
        dialect,
        model: "m-1",
        stream: false,
        method: Method::POST,
        path: "",
        query: "",
        headers: HeaderMap::new(),
        translated: false,
        body: Some(r#"{"model":"asked","odd":{"a": 1}}"#),
        raw: None,
    }
}

struct Sent {
    method: Method,
    url: String,
    headers: HeaderMap,
    body: String,
    dropped: Vec<String>,
}

impl Sent {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

impl Attempt {
    fn try_send(&self) -> Result<Sent, Refusal> {
        let body = self.body.map(|text| Body::scan(Bytes::from_static(text.as_bytes())).unwrap());
        let raw = self.raw.map(|text| Bytes::from_static(text.as_bytes()));
        let ask = Ask {
            operation: self.operation,
            dialect: self.dialect,
            model: self.model,
            stream: self.stream,
            method: &self.method,
            path: self.path,
            query: self.query,
            headers: &self.headers,
            translated: self.translated,
            body: match (&body, &raw) {
                (_, Some(raw)) => Payload::Raw(raw),
                (Some(body), None) => Payload::Json(body),
                (None, None) => Payload::Empty,
            },
            now: NOW,
        };
        let account = Upstream {
            kind: self.kind,
            base_url: self.base,
            credentials: self.credentials,
            options: &self.options,
            account_id: self.account_id,
        };
        let Outgoing { request, dropped } = provider(self.kind).request(&account, &ask)?;
        let (parts, body) = request.into_parts();
        Ok(Sent {
            method: parts.method,
            url: parts.uri.to_string(),
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
            dropped,
        })
    }

    fn send(&self) -> Sent {
        self.try_send().unwrap()
    }
}
