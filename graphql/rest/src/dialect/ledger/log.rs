//! The logs of requests: pages asked for, and calls of an API.

use std::collections::HashMap;

use axum::extract::State;
use schema::model::request_log::{LogFilter, LogKind, RequestLog};
use schema::model::user::User;
use schema::service::{request_log, user as people};
use schema::{App, Error, Role};
use serde::Deserialize;
use serde_json::{Value, json};

use super::page::{MOST_LOGS, Paging, Span, pagination};
use super::{Caller, Query, Reply, data};

/// Who people are, by their numbers.
pub async fn names(app: &App, caller: &Caller, ids: impl Iterator<Item = i64>) -> Result<HashMap<i64, User>, Error> {
    let mut ids: Vec<i64> = ids.collect();
    ids.sort_unstable();
    ids.dedup();
    Ok(people::by_ids(app, caller, &ids).await?.into_iter().map(|u| (u.id, u)).collect())
}

/// The number of a person by their public id; one nobody has finds nothing.
pub async fn named(app: &App, caller: &Caller, uid: Option<&str>) -> Result<Option<i64>, Error> {
    let Some(uid) = uid.filter(|u| !u.is_empty()) else { return Ok(None) };
    match people::get_by_uid(app, caller, uid).await {
        Ok(user) => Ok(Some(user.id)),
        Err(Error::NotFound { .. }) => Ok(Some(-1)),
        Err(e) => Err(e),
    }
}

#[derive(Deserialize)]
pub struct ListQuery {
    #[serde(rename = "userId")]
    user_id: Option<String>,
    path: Option<String>,
    endpoint: Option<String>,
    #[serde(rename = "statusCode")]
    status_code: Option<i64>,
}

async fn rows(
    app: &App,
    caller: &Caller,
    kind: LogKind,
    (paging, span, query): (Paging, Span, ListQuery),
    shown: impl Fn(&RequestLog, Option<&User>) -> Value,
) -> Result<Value, Error> {
    caller.require(Role::Admin)?;
    let filter = LogFilter {
        kind: Some(kind),
        user_id: named(app, caller, query.user_id.as_deref()).await?,
        path: query.path.or(query.endpoint).filter(|p| !p.is_empty()),
        status: query.status_code,
        from: span.from(app)?,
        until: span.until(app)?,
        ..LogFilter::default()
    };
    let window = paging.window(50, MOST_LOGS)?;
    let page = request_log::pages(app, caller, &filter, window).await?;
    let people = names(app, caller, page.rows.iter().filter_map(|r| r.user_id)).await?;
    let who = |row: &RequestLog| row.user_id.and_then(|id| people.get(&id));
    let logs: Vec<Value> = page.rows.iter().map(|row| shown(row, who(row))).collect();
    Ok(json!({ "logs": logs, "pagination": pagination(window, page.total) }))
}

pub async fn access(
    State(app): State<App>,
    caller: Caller,
    paging: Query<Paging>,
    span: Query<Span>,
    query: Query<ListQuery>,
) -> Reply {
    let logs = rows(&app, &caller, LogKind::Access, (paging.0, span.0, query.0), |row, user| {
        json!({
            "id": row.id.to_string(),
            "userId": user.map(|u| &u.uid),
            "userName": user.map(|u| &u.display_name),
            "path": row.path,
            "method": row.method,
            "ip": row.ip,
            "userAgent": row.agent,
            "duration": row.duration_ms,
            "createdAt": row.at.rfc3339(),
        })
    });
    Ok(data(logs.await?))
}

pub async fn api(
    State(app): State<App>,
    caller: Caller,
    paging: Query<Paging>,
    span: Query<Span>,
    query: Query<ListQuery>,
) -> Reply {
    let logs = rows(&app, &caller, LogKind::Api, (paging.0, span.0, query.0), |row, user| {
        json!({
            "id": row.id.to_string(),
            "endpoint": row.path,
            "method": row.method,
            "userId": user.map(|u| &u.uid),
            "userName": user.map(|u| &u.display_name),
            "statusCode": row.status,
            "duration": row.duration_ms,
            "requestSize": row.request_size,
            "responseSize": row.response_size,
            "createdAt": row.at.rfc3339(),
        })
    });
    Ok(data(logs.await?))
}
