//! The playground: a conversation of somebody who is signed in, without a key of theirs at hand.
//!
//! It goes through the relay's own door with a short-lived key of the person, so that it is limited, billed and
//! logged as any call.

use axum::body::Body as Bytes;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderValue, header};
use relay::edge::Origin;
use schema::clock::HOUR;
use schema::model::api_key::{Deleted, KeyFilter, KeyOrder};
use schema::page::{Direction, Window};
use schema::service::api_key::{self, Expiry, KeyPrefix, NewKey};
use schema::{App, Error};
use serde_json::{Map, Value};

use super::{Body, Caller, Reply};
use crate::dialect::relayed;

/// What its keys are called, and where they come from: they are nobody's to copy, so lists of tokens leave them out.
pub const SOURCE: &str = "playground";
/// How long such a key is good: longer than its secret is kept, so that no conversation is cut off.
const KEY_MS: i64 = HOUR;

/// Passes a conversation on; the answer comes as the relay gives it, piece by piece.
pub async fn chat(State(app): State<App>, caller: Caller, origin: Origin, form: Body<Map<String, Value>>) -> Reply {
    caller.signed_in()?;
    let mut form = form.0;
    let group = match form.remove("group") {
        Some(Value::String(group)) if !group.is_empty() => Some(group),
        _ => None,
    };
    let url = relayed(&app, "/v1/chat/completions")?;
    let secret = key(&app, &caller, group).await?;
    let asked = app.http.post(url).bearer_auth(secret).header("x-forwarded-for", origin.ip).json(&form).send();
    let answer =
        asked.await.map_err(|e| Error::unavailable("the relay cannot be reached from here", e.without_url()))?;
    let status = answer.status();
    let kind = answer.headers().get(header::CONTENT_TYPE).cloned();
    let pieces = futures_util::stream::unfold(answer, |mut answer| async move {
        let piece = answer.chunk().await.transpose()?;
        Some((piece, answer))
    });
    let mut response = Response::new(Bytes::from_stream(pieces));
    *response.status_mut() = status;
    let kind = kind.unwrap_or(HeaderValue::from_static("application/json"));
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}

/// The secret of a key for this person and group: the one of a moment ago, or a new one in the place of those that
/// have ended.
async fn key(app: &App, caller: &Caller, group: Option<String>) -> Result<String, Error> {
    let user_id = caller.signed_in()?;
    let now = app.clock.now();
    let own = KeyFilter {
        user_id: Some(user_id),
        source: Some(SOURCE.into()),
        deleted: Deleted::Without,
        ..KeyFilter::default()
    };
    let window = Window { limit: 100, offset: 0 };
    let all = api_key::pages(app, caller, &own, (KeyOrder::CreatedAt, Direction::Desc), window).await?.rows;
    for key in &all {
        if key.expires_at.is_some_and(|end| end <= now) {
            api_key::delete(app, caller, key.id).await?;
        } else if key.group_name == group
            && let Some(secret) = api_key::kept_secret(app, caller, key).await?
        {
            return Ok(secret.reveal().to_owned());
        }
    }
    let new = NewKey {
        name: SOURCE.into(),
        source: Some(SOURCE.into()),
        prefix: KeyPrefix::Sk,
        group,
        expiry: Expiry::At(now.plus(KEY_MS)),
        ..NewKey::default()
    };
    let issued = api_key::issue(app, caller, new).await?;
    api_key::keep_secret(app, &issued).await?;
    Ok(issued.secret.reveal().to_owned())
}
