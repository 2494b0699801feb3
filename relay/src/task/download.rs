//! What a task has come to, fetched from where its vendor keeps it and passed on as it comes.

use std::time::Duration;

use axum::body::Body;
use futures_util::StreamExt;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use reqwest::Url;
use schema::App;
use schema::model::task::Task;

use super::ask::account;
use crate::call::engine::Engine;
use crate::convert::Fault;
use crate::convert::fault::Kind;

/// Longest wait for it to begin.
const TIME: Duration = Duration::from_secs(30);

/// What is fetched, and what of it is passed on.
pub struct Wanted<'a> {
    /// Where it is.
    pub url: &'a str,
    /// In words: `picture`, `film`.
    pub what: &'static str,
    /// The most bytes.
    pub most: usize,
    /// Whether what has come is what is wanted.
    pub fits: fn(&HeaderMap) -> bool,
    /// The part that is asked for, where it is not all.
    pub range: Option<&'a HeaderValue>,
}

/// Of the vendor's headers these go on.
const PASSED: [HeaderName; 4] =
    [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::CONTENT_RANGE, header::ACCEPT_RANGES];

/// Fetches it: from the public network, or from the account's own vendor wherever that is.
pub async fn fetch(app: &App, engine: &Engine, task: &Task, wanted: Wanted<'_>) -> Result<Response<Body>, Fault> {
    let what = wanted.what;
    let bad = |why: &'static str| {
        tracing::warn!(task = task.id, why, "a {what} could not be fetched");
        Fault { status: Some(502), ..Fault::new(Kind::Server, format!("The {what} cannot be fetched right now.")) }
    };
    let url = Url::parse(wanted.url).map_err(|_| bad("it has no address"))?;
    let account = account(app, engine, task.account_id);
    let rules = engine.rules.current(app);
    // The vendor itself may live inside this network; the operator put it there.
    let own =
        account.as_ref().and_then(|account| authority(&Url::parse(account.view.account.base_url.as_deref()?).ok()?));
    let guard = match &own {
        Some(own) => rules.fetcher.guard().and(own),
        None => rules.fetcher.guard().clone(),
    };
    // What a vendor keeps behind its own door is asked for by the key that it was made with.
    let key = match &account {
        Some(account) if own.is_some() && own == authority(&url) && url.path().starts_with("/v1/videos/") => {
            let key = account.key_named(&task.account_key).unwrap_or(0);
            account.upstream(key, None).credentials.key().ok().map(str::to_owned)
        }
        _ => None,
    };
    let proxy = account.as_ref().and_then(|account| account.proxy.clone());
    let getting = async {
        let client = match proxy {
            // Where the account has a way of its own, what it has made comes by it, too.
            Some(proxy) if guard.may_ask_elsewhere(&url) => {
                let proxy = reqwest::Proxy::all(proxy.replacen("socks5://", "socks5h://", 1));
                let proxy = proxy.map_err(|_| "the account's proxy cannot be used")?;
                let builder = reqwest::Client::builder().proxy(proxy).redirect(reqwest::redirect::Policy::none());
                builder.build().map_err(|_| "the account's proxy cannot be used")?
            }
            _ => guard.client(&url).await?,
        };
        let mut request = client.get(url);
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        if let Some(range) = wanted.range {
            request = request.header(header::RANGE, range);
        }
        request.send().await.map_err(|_| "its host cannot be reached")
    };
    let answer = tokio::time::timeout(TIME, getting).await.map_err(|_| bad("it took too long"))?.map_err(bad)?;
    let status = answer.status();
    if status == StatusCode::RANGE_NOT_SATISFIABLE {
        return Err(Fault { status: Some(416), ..Fault::new(Kind::InvalidRequest, "There is no such part of it.") });
    }
    if !status.is_success() {
        return Err(bad("its server refused"));
    }
    if !(wanted.fits)(answer.headers()) {
        return Err(bad("it is something else"));
    }
    let headers = answer.headers().clone();
    let mut left = wanted.most;
    let pieces = answer.bytes_stream().map(move |piece| {
        let piece = piece.map_err(std::io::Error::other)?;
        left = left.checked_sub(piece.len()).ok_or_else(|| std::io::Error::other("it is too large"))?;
        Ok::<_, std::io::Error>(piece)
    });
    let mut response = Response::new(Body::from_stream(pieces));
    *response.status_mut() = status;
    for name in PASSED {
        if let Some(value) = headers.get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(response)
}

/// `host:port` of an address.
fn authority(url: &Url) -> Option<String> {
    Some(format!("{}:{}", url.host_str()?.trim_matches(['[', ']']), url.port_or_known_default()?))
}
