//! The fakes themselves: a fake that lets a mistake pass makes every test above it worthless.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use super::*;

mod accounts;
mod dialects;
mod playing;
mod signatures;

/// What came back.
struct Got {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
    /// The body as it was chunked.
    chunks: Vec<Bytes>,
    /// The connection ended before the body did.
    cut: bool,
}

impl Got {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    /// The JSON of every `data:` line.
    fn events(&self) -> Vec<Value> {
        let data = self.text().lines().filter_map(|line| line.strip_prefix("data: "));
        data.filter_map(|data| serde_json::from_str(data).ok()).collect()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// Sends a request; `None` when the connection ends without an answer.
async fn send(method: &str, url: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Option<Got> {
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(body.into())).expect("a good request");
    let (head, mut body) = client.request(request).await.ok()?.into_parts();
    let (mut chunks, mut cut) = (Vec::new(), false);
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => chunks.extend(frame.into_data()),
            Err(_) => cut = true,
        }
    }
    Some(Got { status: head.status.as_u16(), headers: head.headers, body: Bytes::from(chunks.concat()), chunks, cut })
}

async fn post(fake: &FakeUpstream, path: &str, headers: &[(&str, &str)], body: &Value) -> Got {
    let headers: Vec<_> = headers.iter().copied().chain([("content-type", "application/json")]).collect();
    let url = format!("{}{path}", fake.url());
    send("POST", &url, &headers, body.to_string()).await.expect("an answer")
}

async fn get(fake: &FakeUpstream, path: &str, headers: &[(&str, &str)]) -> Got {
    send("GET", &format!("{}{path}", fake.url()), headers, "").await.expect("an answer")
}

const OPENAI: (&str, &str) = ("authorization", "Bearer sk-fake-openai");

fn chat(stream: bool) -> Value {
    json!({ "model": "gpt-4o", "stream": stream, "messages": [{ "role": "user", "content": "Hi" }] })
}
