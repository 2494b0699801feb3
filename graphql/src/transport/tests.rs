//! Every rule of the transport over a real listener.

mod documents;
mod errors;
mod http;
mod socket;
mod spending;
mod stream;
mod world;

use std::{net::SocketAddr, sync::Arc};

use ::http::{HeaderMap, Method, Request, StatusCode};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{Settings, limits::Limits, router};
use world::Door;

/// A running transport and a client of it.
struct Site {
    at: SocketAddr,
    door: Door,
    settings: Settings,
    server: JoinHandle<()>,
    client: Client<HttpConnector, Full<Bytes>>,
    running: Arc<std::sync::atomic::AtomicU32>,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// An answer, read to its end.
struct Told {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Told {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    fn code(&self) -> String {
        self.json()["errors"][0]["extensions"]["code"].as_str().unwrap_or("none").to_owned()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
    }
}

async fn site(limits: Limits) -> Site {
    site_with(limits, Door::default()).await
}

async fn site_with(limits: Limits, door: Door) -> Site {
    let settings = Settings::from(limits);
    let (schema, running) = world::world();
    let app = router(schema, door.clone(), settings.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await.unwrap();
    });
    Site { at, door, settings, server, client: Client::builder(TokioExecutor::new()).build_http(), running }
}

impl Site {
    async fn send(&self, method: Method, target: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Told {
        let mut request = Request::builder().method(method).uri(format!("http://{}{target}", self.at));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).unwrap();
        let response = self.client.request(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Told { status: parts.status, headers: parts.headers, body: body.collect().await.unwrap().to_bytes() }
    }

    /// A POST of JSON as the admin, answered with telling statuses.
    async fn post(&self, body: Value) -> Told {
        self.post_as(Some("admin"), body).await
    }

    async fn post_as(&self, token: Option<&str>, body: Value) -> Told {
        let token = token.map(|token| format!("Bearer {token}"));
        let mut headers = vec![("content-type", "application/json"), ("accept", "application/graphql-response+json")];
        if let Some(token) = &token {
            headers.push(("authorization", token));
        }
        self.send(Method::POST, "/graphql", &headers, body.to_string()).await
    }

    async fn query(&self, query: &str) -> Told {
        self.post(json!({ "query": query })).await
    }
}

#[track_caller]
fn refused(told: &Told, status: u16, code: &str) {
    assert_eq!((told.status.as_u16(), told.code().as_str()), (status, code), "{:?}", told.body);
    let body = told.json();
    assert!(body.get("data").is_none(), "a refusal has no data: {body}");
    let id = body["errors"][0]["extensions"]["requestId"].as_str();
    assert_eq!(id, Some(told.header("x-request-id")));
}
