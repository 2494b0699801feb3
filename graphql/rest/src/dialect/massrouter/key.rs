//! The signed-in person's keys.

use axum::extract::State;
use schema::model::api_key::{ApiKey, KeyFilter, KeyOrder};
use schema::page::Direction;
use schema::service::api_key::{self, Expiry, KeyPrefix, NewKey};
use schema::{App, Error, Time};
use serde::Deserialize;
use serde_json::{Value, json};

use super::page::{Paging, paged};
use super::{Body, Caller, Path, Query, Reply, data};

/// Under which name a key keeps what it may do here.
const PERMISSIONS: &str = "permissions";

/// True when a key may do more than look.
pub fn may_write(key: &ApiKey) -> bool {
    permissions(key).iter().any(|p| p == "write")
}

/// What a key may do here; keys of other faces may do everything.
fn permissions(key: &ApiKey) -> Vec<String> {
    let kept = key.extra.0.get(PERMISSIONS).and_then(Value::as_array);
    match kept {
        Some(words) => words.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        None => vec!["read".into(), "write".into()],
    }
}

fn shown(key: &ApiKey, now: Time) -> Value {
    json!({
        "id": key.id.to_string(),
        "key_id": key.id.to_string(),
        "name": key.name,
        "key": key.hint,
        "permissions": permissions(key),
        "status": key.state(now),
        "created_at": key.created_at.rfc3339(),
        "expires_at": key.expires_at.map(Time::rfc3339),
        "last_used_at": key.last_used_at.map(Time::rfc3339),
    })
}

pub async fn list(State(app): State<App>, caller: Caller, paging: Query<Paging>) -> Reply {
    let filter = KeyFilter { user_id: Some(caller.signed_in()?), ..KeyFilter::default() };
    let window = paging.0.window(20, 100)?;
    let page = api_key::pages(&app, &caller, &filter, (KeyOrder::CreatedAt, Direction::Desc), window).await?;
    let now = app.clock.now();
    let keys: Vec<Value> = page.rows.iter().map(|k| shown(k, now)).collect();
    Ok(data(&app, paged("api_keys", keys, window, page.total)))
}

#[derive(Deserialize)]
pub struct Form {
    name: String,
    permissions: Option<Vec<String>>,
    expires_at: Option<String>,
}

pub async fn create(State(app): State<App>, caller: Caller, form: Body<Form>) -> Reply {
    let form = form.0;
    let wanted = form.permissions.unwrap_or_else(|| vec!["read".into(), "write".into()]);
    if wanted.is_empty() || wanted.iter().any(|p| p != "read" && p != "write") {
        return Err(Error::invalid("permissions", "permissions are read and write").into());
    }
    let mut permissions: Vec<String> = Vec::new();
    for permission in wanted {
        if !permissions.contains(&permission) {
            permissions.push(permission);
        }
    }
    let expiry = match form.expires_at.filter(|t| !t.is_empty()) {
        None => Expiry::Never,
        Some(text) => {
            let at = Time::parse(&text).ok_or_else(|| Error::invalid("expires_at", "expires_at must be a date"))?;
            Expiry::At(at)
        }
    };
    let mut new = NewKey { name: form.name, prefix: KeyPrefix::Sk, expiry, ..NewKey::default() };
    new.extra.insert(PERMISSIONS.into(), json!(permissions));
    let issued = api_key::issue(&app, &caller, new).await?;
    let mut key = shown(&issued.key, app.clock.now());
    // The one time the whole key is told.
    key["key"] = json!(issued.secret.reveal());
    Ok(data(&app, json!({ "api_key": key })))
}

pub async fn delete(State(app): State<App>, caller: Caller, id: Path<String>) -> Reply {
    let missing = || Error::NotFound { what: "api key" };
    let id = id.0.parse::<i64>().map_err(|_| missing())?;
    let key = api_key::get(&app, &caller, id).await?;
    if Some(key.user_id) != caller.user_id {
        return Err(missing().into());
    }
    api_key::delete(&app, &caller, id).await?;
    Ok(data(&app, json!({ "id": id.to_string(), "deleted": true })))
}
