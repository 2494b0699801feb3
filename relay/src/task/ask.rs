//! One question to the vendor of an account, outside of any call.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use schema::App;
use schema::service::directory;
use serde_json::Value;

use super::studio::Question;
use crate::call::engine::Engine;
use crate::call::ready::Ready;
use crate::convert::edit::Body;
use crate::ingress::task_route::Platform;
use crate::provider::{Ask, Operation, Payload, provider};

/// Longest wait for the answer.
const TIME: Duration = Duration::from_secs(25);
/// The longest answer.
const ANSWER: usize = 16 << 20;

/// The account, if it can be asked.
pub fn account(app: &App, engine: &Engine, id: i64) -> Option<std::sync::Arc<Ready>> {
    engine.ready(&directory::account(app, id)?)
}

/// Asks with one of an account's keys; the status and the body, null where it is no JSON. `Err` says why no
/// answer came, without secrets.
pub async fn ask(
    app: &App,
    engine: &Engine,
    account: &Ready,
    key: usize,
    platform: Platform,
    question: &Question,
) -> Result<(StatusCode, Value), String> {
    let body = match &question.body {
        Some(body) => Some(Body::scan(body.to_string().into()).map_err(|error| error.to_string())?),
        None => None,
    };
    let none = HeaderMap::new();
    let ask = Ask {
        operation: Operation::Fetch,
        dialect: platform.dialect(),
        model: "",
        stream: false,
        method: &question.method,
        path: &question.path,
        query: "",
        headers: &none,
        translated: true,
        body: body.as_ref().map_or(Payload::Empty, Payload::Json),
        now: app.clock.now().0,
    };
    let vendor = provider(account.kind());
    let outgoing = vendor.request(&account.upstream(key, None), &ask).map_err(|refusal| refusal.to_string())?;
    let asking = async {
        let mut answer = engine.upstreams.send(account.proxy.as_deref(), outgoing.request).await?;
        let body: Bytes = answer.whole(ANSWER).await?;
        Ok::<_, crate::upstream::Broken>((answer.status, body))
    };
    match tokio::time::timeout(TIME, asking).await {
        Ok(Ok((status, body))) => Ok((status, serde_json::from_slice(&body).unwrap_or_default())),
        Ok(Err(broken)) => Err(broken.to_string()),
        Err(_) => Err("the vendor did not answer in time".to_owned()),
    }
}
