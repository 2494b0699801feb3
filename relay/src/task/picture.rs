//! A task's picture by way of this relay, which hides where the vendor keeps it.

use std::time::Duration;

use axum::body::Body;
use futures_util::StreamExt;
use http::{HeaderMap, HeaderValue, Response, header};
use reqwest::Url;
use schema::App;
use schema::service::task;

use super::ask::account;
use super::midjourney;
use crate::call::engine::Engine;
use crate::convert::Fault;
use crate::convert::fault::Kind;
use crate::ingress::refuse::Ear;

/// Longest wait for a picture to begin.
const TIME: Duration = Duration::from_secs(30);
/// The largest picture.
const SIZE: usize = 64 << 20;

/// Answers a picture. Whoever knows its task's id may see it: the id cannot be guessed, and a browser that
/// shows the picture has nothing else to present.
pub async fn answer(app: &App, engine: &Engine, id: &str, ear: Ear) -> Response<Body> {
    match find(app, engine, id).await {
        Ok(response) => response,
        Err(fault) => ear.refuse(&fault, None),
    }
}

async fn find(app: &App, engine: &Engine, id: &str) -> Result<Response<Body>, Fault> {
    let none = || Fault::new(Kind::NotFound, "There is no such picture.").with_code("task_not_exist");
    let known = (8..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    if !known {
        return Err(none());
    }
    let task = task::by_uid(app, id).await.map_err(|_| none())?;
    let url = midjourney::picture(&task).and_then(|url| Url::parse(url).ok()).ok_or_else(none)?;
    let bad = |why: &'static str| {
        tracing::warn!(task = task.id, why, "a picture could not be fetched");
        Fault { status: Some(502), ..Fault::new(Kind::Server, "The picture cannot be fetched right now.") }
    };
    let account = account(app, engine, task.account_id);
    let rules = engine.rules.current(app);
    // The vendor itself may live inside this network; the operator put it there.
    let own = account.as_ref().and_then(|account| authority(account.view.account.base_url.as_deref()?));
    let guard = match &own {
        Some(own) => rules.fetcher.guard().and(own),
        None => rules.fetcher.guard().clone(),
    };
    let proxy = account.as_ref().and_then(|account| account.proxy.clone());
    let getting = async {
        let client = match proxy {
            // Where the account has a way of its own, its pictures come by it, too.
            Some(proxy) if guard.may_ask_elsewhere(&url) => {
                let proxy = reqwest::Proxy::all(proxy.replacen("socks5://", "socks5h://", 1));
                let proxy = proxy.map_err(|_| "the account's proxy cannot be used")?;
                let builder = reqwest::Client::builder().proxy(proxy).redirect(reqwest::redirect::Policy::none());
                builder.build().map_err(|_| "the account's proxy cannot be used")?
            }
            _ => guard.client(&url).await?,
        };
        client.get(url).send().await.map_err(|_| "its host cannot be reached")
    };
    let answer = tokio::time::timeout(TIME, getting).await.map_err(|_| bad("it took too long"))?.map_err(bad)?;
    if !answer.status().is_success() {
        return Err(bad("its server refused"));
    }
    let kind = media(answer.headers()).ok_or_else(|| bad("it is no picture"))?;
    let mut left = SIZE;
    let pieces = answer.bytes_stream().map(move |piece| {
        let piece = piece.map_err(std::io::Error::other)?;
        left = left.checked_sub(piece.len()).ok_or_else(|| std::io::Error::other("the picture is too large"))?;
        Ok::<_, std::io::Error>(piece)
    });
    let mut response = Response::new(Body::from_stream(pieces));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=86400"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox"));
    Ok(response)
}

/// `host:port` of an address.
fn authority(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    Some(format!("{}:{}", url.host_str()?.trim_matches(['[', ']']), url.port_or_known_default()?))
}

/// The kind of a picture; drawings that can hold scripts are none.
fn media(headers: &HeaderMap) -> Option<HeaderValue> {
    let kind = headers.get(header::CONTENT_TYPE)?;
    let word = kind.to_str().ok()?.split(';').next()?.trim().to_ascii_lowercase();
    (word.starts_with("image/") && word != "image/svg+xml").then(|| kind.clone())
}
