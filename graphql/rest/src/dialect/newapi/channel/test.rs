//! Testing channels: one at once, or all in the background.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use schema::model::account::{AccountFilter, AccountOrder};
use schema::page::Direction;
use schema::service::account;
use schema::{App, Error, Role};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::{Caller, Path, Query, Reply, data, message};

#[derive(Deserialize)]
pub struct TestQuery {
    model: Option<String>,
}

/// Really calls the channel's upstream, and says how long it took.
pub async fn test(State(app): State<App>, caller: Caller, id: Path<i64>, query: Query<TestQuery>) -> Reply {
    caller.require(Role::Admin)?;
    account::get(&app, &caller, id.0).await?;
    let report = relay::probe::test(&app, id.0, query.0.model.as_deref()).await?;
    note(&app, id.0, &report).await?;
    let seconds = report.latency_ms as f64 / 1000.0;
    let outcome = if report.ok { "success" } else { "error" };
    Ok(Json(json!({
        "success": report.ok,
        "message": if report.ok { "渠道测试成功".to_owned() } else { report.message },
        "time": seconds,
        "data": { "response_time": report.latency_ms, "status": outcome },
    }))
    .into_response())
}

async fn note(app: &App, id: i64, report: &relay::probe::Report) -> Result<(), Error> {
    let facts = json!({ "test_time": app.clock.now().seconds(), "response_time": report.latency_ms });
    let Value::Object(facts) = facts else { return Ok(()) };
    account::learn(app, id, &facts).await
}

/// The lease under which one run tests every channel.
const TEST_ALL: &str = "newapi:test-all";

/// Tests every enabled channel in the background, one run at a time.
pub async fn test_all(State(app): State<App>, caller: Caller) -> Reply {
    caller.require(Role::Admin)?;
    let now = app.clock.now();
    if !app.kv.put_new(TEST_ALL, "0", 30 * schema::clock::MINUTE, now).await? {
        return Err(Error::conflict("TEST_RUNNING", "测试已在运行中").into());
    }
    let worker = app.clone();
    let actor = caller.0.clone();
    app.spawn(async move {
        if let Err(e) = run_tests(&worker, &actor).await {
            tracing::warn!(%e, "the test of all channels ended early");
        }
        let _ = worker.kv.forget(TEST_ALL).await;
    });
    Ok(message("开始批量测试渠道"))
}

async fn run_tests(app: &App, actor: &schema::Actor) -> Result<(), Error> {
    let filter = AccountFilter { enabled: Some(true), ..AccountFilter::default() };
    let mut offset = 0;
    loop {
        let window = schema::page::Window { limit: 100, offset };
        let page = account::pages(app, actor, &filter, (AccountOrder::CreatedAt, Direction::Asc), window).await?;
        for found in &page.rows {
            if app.stop.is_cancelled() {
                return Ok(());
            }
            match relay::probe::test(app, found.id, None).await {
                Ok(report) => note(app, found.id, &report).await?,
                Err(e) => tracing::info!(account = found.id, %e, "a channel could not be tested"),
            }
            offset += 1;
            let progress = format!("{offset}/{}", page.total);
            app.kv.put(TEST_ALL, &progress, 30 * schema::clock::MINUTE, app.clock.now()).await?;
        }
        if offset >= page.total || page.rows.is_empty() {
            return Ok(());
        }
    }
}

/// How far the test of all channels is.
pub async fn test_progress(State(app): State<App>, caller: Caller) -> Reply {
    caller.require(Role::Admin)?;
    let progress = app.kv.get(TEST_ALL, app.clock.now()).await?;
    Ok(data(json!({ "running": progress.is_some(), "progress": progress })))
}
