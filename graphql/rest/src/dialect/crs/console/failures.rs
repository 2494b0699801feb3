//! An account's failed calls, as the console's window of errors shows them.

use axum::extract::State;
use schema::model::usage::{UsageFilter, UsageOrder};
use schema::page::{Direction, Window};
use schema::service::account::{self as accounts, AccountChange};
use schema::service::usage;
use schema::{App, Time};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::{Admin, Path, Query, Reply, data, flat};
use super::calls::Names;

/// Which part of an account's failures is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Slice {
    offset: Option<i64>,
    limit: Option<i64>,
}

/// What an account knows of when its failures were last cleared from sight.
const CLEARED: &str = "errorsClearedAt";

/// An account's failed calls, newest first.
pub async fn list(State(app): State<App>, admin: Admin, place: Path<(String, String)>, query: Query<Slice>) -> Reply {
    let account = accounts::get_by_uid(&app, &admin, &place.0.1).await?;
    let from = account.info.get(CLEARED).and_then(Value::as_i64).map(Time);
    let filter = UsageFilter { account_id: Some(account.id), failed: Some(true), from, ..UsageFilter::default() };
    let window =
        Window { limit: query.0.limit.unwrap_or(50).clamp(1, 200), offset: query.0.offset.unwrap_or(0).max(0) };
    let rows = usage::pages(&app, &admin, &filter, (UsageOrder::At, Direction::Desc), window).await?.rows;
    let names = Names::of_calls(&app, &admin, &rows).await?;
    let calls: Vec<String> = rows.iter().map(|row| row.call_id.clone()).collect();
    let said = usage::contents(&app, &admin, &calls).await?;
    let shown = rows.iter().map(|row| {
        json!({
            "time": row.at.rfc3339(), "status": row.status, "errorType": row.error_code,
            "context": {
                "model": row.model, "path": row.operation, "requestId": row.call_id,
                "apiKeyName": names.keys.get(&row.key_id).map(|key| &key.name),
                "errorBody": said.get(&row.call_id).map(|said| said.error_message.as_str()).filter(|e| !e.is_empty()),
            },
        })
    });
    Ok(data(shown.collect::<Vec<Value>>()))
}

/// Puts an account's failures out of sight; the calls stay, as they are what was spent.
pub async fn clear(State(app): State<App>, admin: Admin, place: Path<(String, String)>) -> Reply {
    let account = accounts::get_by_uid(&app, &admin, &place.0.1).await?;
    let mut info = Map::new();
    info.insert(CLEARED.into(), app.clock.now().0.into());
    let change = AccountChange { info, ..AccountChange::default() };
    accounts::change(&app, &admin, account.id, change).await?;
    Ok(flat(json!({ "message": "Error history cleared" })))
}
