//! The log of model calls. What was said is there only where recording was switched on.

use std::collections::HashMap;

use axum::extract::State;
use schema::model::catalog::{ModelFilter, ModelOrder};
use schema::model::usage::{CallContent, UsageFilter, UsageOrder, UsageRow};
use schema::model::user::User;
use schema::page::{Direction, Window};
use schema::service::{catalog, usage};
use schema::{App, Error, Micros, Role};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::log::{named, names};
use super::super::page::{MOST_LOGS, Paging, Span, pagination};
use super::super::user::direction;
use super::super::{Caller, Path, Query, Reply, data};
use super::stats::{rate, vendors};

#[derive(Deserialize)]
pub struct ListQuery {
    #[serde(rename = "userId")]
    user_id: Option<String>,
    #[serde(rename = "accountBookId")]
    book: Option<String>,
    provider: Option<String>,
    #[serde(rename = "isSuccess")]
    success: Option<String>,
    sort: Option<String>,
    order: Option<String>,
}

fn shown(call: &UsageRow, user: Option<&User>, provider: &str, said: Option<&CallContent>, whole: bool) -> Value {
    let attached = &call.meta.0;
    let text = |pick: fn(&CallContent) -> &String| said.map(|s| pick(s).clone());
    let mut log = json!({
        "id": call.call_id,
        "userId": user.map(|u| &u.uid),
        "userName": user.map(|u| &u.display_name),
        "accountBookId": attached.get("accountBookId"),
        "accountBookName": attached.get("accountBookName"),
        "provider": provider,
        "model": call.model,
        "promptTokens": call.tokens() - call.output,
        "completionTokens": call.output,
        "totalTokens": call.tokens(),
        "userMessage": text(|s| &s.user_message),
        "assistantMessage": text(|s| &s.assistant_message),
        "isSuccess": !call.failed(),
        "duration": call.duration_ms,
        "cost": call.cost.dollars(),
        "createdAt": call.at.rfc3339(),
    });
    if whole {
        let code = Some(call.error_code.clone()).filter(|c| !c.is_empty());
        log["systemPrompt"] = json!(text(|s| &s.system_prompt));
        log["errorMessage"] = json!(text(|s| &s.error_message).filter(|m| !m.is_empty()).or(code));
    }
    log
}

async fn filter(app: &App, caller: &Caller, span: &Span, query: &ListQuery) -> Result<UsageFilter, Error> {
    let failed = match query.success.as_deref() {
        None | Some("") => None,
        Some("true") => Some(false),
        Some("false") => Some(true),
        Some(_) => return Err(Error::invalid("isSuccess", "isSuccess must be true or false")),
    };
    let models = match query.provider.clone().filter(|p| !p.is_empty()) {
        None => None,
        Some(provider) => {
            let of = ModelFilter { provider: Some(provider), ..ModelFilter::default() };
            let all = Window { limit: 10_000, offset: 0 };
            let page = catalog::pages(app, caller, &of, (ModelOrder::Name, Direction::Asc), all).await?;
            Some(page.rows.into_iter().map(|m| m.name).collect())
        }
    };
    Ok(UsageFilter {
        user_id: named(app, caller, query.user_id.as_deref()).await?,
        models,
        failed,
        meta: query.book.clone().filter(|b| !b.is_empty()).map(|b| ("accountBookId".to_owned(), b)),
        from: span.from(app)?,
        until: span.until(app)?,
        ..UsageFilter::default()
    })
}

async fn page(
    app: &App,
    caller: &Caller,
    paging: Paging,
    span: &Span,
    query: &ListQuery,
    usual: i64,
) -> Result<Value, Error> {
    caller.require(Role::Admin)?;
    let sort = match query.sort.as_deref() {
        None | Some("" | "createdAt") => UsageOrder::At,
        Some("duration") => UsageOrder::Duration,
        Some("totalTokens") => UsageOrder::Tokens,
        Some(_) => return Err(Error::invalid("sort", "sort must be createdAt, duration or totalTokens")),
    };
    let order = (sort, direction(query.order.as_deref())?);
    let window = paging.window(usual, MOST_LOGS)?;
    let filter = filter(app, caller, span, query).await?;
    let found = usage::pages(app, caller, &filter, order, window).await?;
    let ids: Vec<String> = found.rows.iter().map(|r| r.call_id.clone()).collect();
    let said = usage::contents(app, caller, &ids).await?;
    let people = names(app, caller, found.rows.iter().map(|r| r.user_id)).await?;
    let vendors: HashMap<String, String> =
        vendors(app, caller, found.rows.iter().map(|r| r.model.clone()).collect()).await?;
    let logs = found.rows.iter().map(|row| {
        let vendor = vendors.get(&row.model).map_or("", String::as_str);
        shown(row, people.get(&row.user_id), vendor, said.get(&row.call_id), false)
    });
    let totals = usage::stat(app, caller, &filter).await?.sums;
    Ok(json!({
        "logs": logs.collect::<Vec<Value>>(),
        "pagination": pagination(window, found.total),
        "stats": {
            "totalCalls": totals.requests,
            "successRate": rate(totals.requests, totals.errors),
            "totalTokens": totals.tokens,
            "totalCost": Micros(totals.cost).dollars(),
            "avgDuration": if totals.requests == 0 { 0 } else { totals.duration_ms / totals.requests },
        },
    }))
}

pub async fn list(
    State(app): State<App>,
    caller: Caller,
    paging: Query<Paging>,
    span: Query<Span>,
    query: Query<ListQuery>,
) -> Reply {
    Ok(data(page(&app, &caller, paging.0, &span.0, &query.0, 20).await?))
}

/// The same among the other logs: without sums, and without what was said.
pub async fn brief(
    State(app): State<App>,
    caller: Caller,
    paging: Query<Paging>,
    span: Query<Span>,
    query: Query<ListQuery>,
) -> Reply {
    let mut page = page(&app, &caller, paging.0, &span.0, &query.0, 50).await?;
    if let Some(page) = page.as_object_mut() {
        page.remove("stats");
    }
    for log in page["logs"].as_array_mut().into_iter().flatten() {
        if let Some(log) = log.as_object_mut() {
            for field in ["promptTokens", "completionTokens", "userMessage", "assistantMessage"] {
                log.remove(field);
            }
        }
    }
    Ok(data(page))
}

pub async fn get(State(app): State<App>, caller: Caller, id: Path<String>) -> Reply {
    caller.require(Role::Admin)?;
    let call = usage::get(&app, &caller, &id.0).await?;
    let said = usage::contents(&app, &caller, std::slice::from_ref(&call.call_id)).await?;
    let people = names(&app, &caller, std::iter::once(call.user_id)).await?;
    let vendors = vendors(&app, &caller, vec![call.model.clone()]).await?;
    let vendor = vendors.get(&call.model).map_or("", String::as_str);
    let log = shown(&call, people.get(&call.user_id), vendor, said.get(&call.call_id), true);
    Ok(data(json!({ "log": log })))
}
