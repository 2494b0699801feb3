//! Deleted keys: seen, brought back, or removed for good.

use axum::extract::State;
use http::StatusCode;
use schema::model::api_key::KeyOrder;
use schema::page::{Direction, Window};
use schema::service::api_key;
use schema::{App, Error};
use serde_json::json;

use super::super::console::served::{MOST_SERVED, last_served};
use super::super::shape::Span;
use super::super::{Admin, Path, Reply, flat, message};
use super::{ALL, Names, any, bin, failed, rows, shown};

pub async fn list(State(app): State<App>, admin: Admin) -> Reply {
    let order = (KeyOrder::CreatedAt, Direction::Desc);
    let keys = api_key::pages(&app, &admin, &bin(), order, Window { limit: ALL, offset: 0 }).await?;
    let mut rows = rows(&app, &admin, &keys.rows, Span::ALL).await?;
    // The bin may be large; of the newest keys that were used at all it is told who served them.
    let used = keys.rows.iter().filter(|key| key.last_used_at.is_some()).take(MOST_SERVED);
    let used: Vec<i64> = used.map(|key| key.id).collect();
    let mut served = last_served(&app, &admin, &used).await?;
    for (key, row) in keys.rows.iter().zip(&mut rows) {
        row.insert("lastUsage".into(), served.remove(&key.id).unwrap_or_default());
    }
    Ok(flat(json!({ "apiKeys": rows, "total": keys.total, "data": rows })))
}

pub async fn restore(State(app): State<App>, admin: Admin, uid: Path<String>) -> Reply {
    let key = match any(&app, &admin, &uid.0).await {
        Ok(key) => key,
        Err(Error::NotFound { .. }) => return Ok(failed(StatusCode::NOT_FOUND, "API Key 不存在")),
        Err(e) => return Err(e.into()),
    };
    match api_key::restore(&app, &admin, key.id).await {
        Ok(key) => {
            let names = Names::of(&app, &admin, std::slice::from_ref(&key)).await?;
            Ok(flat(json!({ "message": "API Key 已成功恢复", "apiKey": shown(&key, &names) })))
        }
        Err(Error::Conflict { code: "NOT_DELETED", .. }) => {
            Ok(failed(StatusCode::BAD_REQUEST, "该 API Key 未被删除，无需恢复"))
        }
        Err(e) => Err(e.into()),
    }
}

pub async fn purge(State(app): State<App>, admin: Admin, uid: Path<String>) -> Reply {
    let key = match any(&app, &admin, &uid.0).await {
        Ok(key) => key,
        Err(Error::NotFound { .. }) => return Ok(failed(StatusCode::NOT_FOUND, "API Key 不存在")),
        Err(e) => return Err(e.into()),
    };
    match api_key::purge(&app, &admin, key.id).await {
        Ok(()) => Ok(message("API Key 已彻底删除")),
        Err(Error::Conflict { code: "NOT_DELETED", .. }) => {
            Ok(failed(StatusCode::BAD_REQUEST, "只能彻底删除已经删除的API Key"))
        }
        Err(e) => Err(e.into()),
    }
}

pub async fn clear(State(app): State<App>, admin: Admin) -> Reply {
    let purged = api_key::purge_all_deleted(&app, &admin).await?;
    let details = json!({ "total": purged, "successCount": purged, "failedCount": 0, "errors": [] });
    Ok(flat(json!({ "message": format!("已清空 {purged} 个已删除的 API Keys"), "details": details })))
}
