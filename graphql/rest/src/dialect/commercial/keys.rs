//! Keys of this system's users: always for Claude, within the plan.

use axum::extract::State;
use schema::model::api_key::{ApiKey, KeyFilter, KeyOrder, KeyState, Permissions, Service};
use schema::page::{Direction, Window};
use schema::service::api_key::{self, Expiry, KeyPrefix, NewKey};
use schema::{App, Error, Time};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Body, Caller, Path, Query, Reply, flat};

fn id(key: &ApiKey) -> String {
    format!("key_{}", key.id)
}

fn shown(key: &ApiKey, now: Time) -> Value {
    json!({
        "id": id(key),
        "name": key.name,
        "description": key.description,
        "maskedKey": key.hint,
        "permissions": key.permissions.render(),
        "source": key.source,
        "isActive": key.state(now) == KeyState::Active,
        "createdAt": key.created_at.rfc3339(),
        "expiresAt": key.expires_at.map(Time::rfc3339),
        "lastUsedAt": key.last_used_at.map(Time::rfc3339),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Create {
    #[serde(default)]
    name: String,
    #[serde(default)]
    description: Option<String>,
    expires_at: Option<String>,
}

pub async fn create(State(app): State<App>, caller: Caller, form: Body<Create>) -> Reply {
    let form = form.0;
    let expiry = match form.expires_at.filter(|t| !t.is_empty()) {
        None => Expiry::Never,
        Some(text) => Expiry::At(
            Time::parse(&text).ok_or_else(|| Error::invalid("expiresAt", "expiresAt must be an ISO 8601 date"))?,
        ),
    };
    let new = NewKey {
        name: form.name,
        description: form.description.unwrap_or_default(),
        prefix: KeyPrefix::ClaudeRelay,
        permissions: Permissions::Only(vec![Service::Claude]),
        expiry,
        ..NewKey::default()
    };
    let issued = api_key::issue(&app, &caller, new).await?;
    let mut key = shown(&issued.key, app.clock.now());
    key["key"] = issued.secret.reveal().as_str().into();
    Ok(flat(json!({ "apiKey": key })))
}

#[derive(Deserialize)]
pub struct Paging {
    limit: Option<i64>,
    offset: Option<i64>,
}

pub async fn list(State(app): State<App>, caller: Caller, query: Query<Paging>) -> Reply {
    let filter = KeyFilter { user_id: Some(caller.signed_in()?), ..KeyFilter::default() };
    let window = Window::skip(query.0.offset.unwrap_or(0), query.0.limit.unwrap_or(50), 200)?;
    let page = api_key::pages(&app, &caller, &filter, (KeyOrder::CreatedAt, Direction::Desc), window).await?;
    let now = app.clock.now();
    let keys: Vec<Value> = page.rows.iter().map(|k| shown(k, now)).collect();
    Ok(flat(json!({ "apiKeys": keys, "total": page.total })))
}

pub async fn delete(State(app): State<App>, caller: Caller, id: Path<String>) -> Reply {
    let row = id.0.strip_prefix("key_").unwrap_or(&id.0).parse().map_err(|_| Error::NotFound { what: "api key" })?;
    api_key::delete(&app, &caller, row).await?;
    Ok(flat(json!({ "message": "API key deleted successfully" })))
}
