//! Testing channels: one at once, or all in the background.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use schema::clock::MINUTE;
use schema::model::account::{Account, AccountFilter, AccountKind, AccountOrder};
use schema::model::catalog::Category;
use schema::page::{Direction, Window};
use schema::service::{account, directory};
use schema::{Actor, App, Error, Role};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::{Caller, Path, Query, Reply, data, message, words};

#[derive(Deserialize)]
pub struct TestQuery {
    model: Option<String>,
}

/// What a channel's upstream is asked with: the model that was named, the channel's own for tests, or the first
/// that the channel lists and that can be talked to. Makers of pictures, songs and videos are asked without one.
fn model_of(app: &App, channel: &Account, named: Option<String>) -> Option<String> {
    let makes =
        matches!(channel.kind, AccountKind::Midjourney | AccountKind::Suno | AccountKind::Kling | AccountKind::Video);
    let known = directory::models(app);
    let talks = |name: &&String| {
        !name.ends_with('*') && known.find(name).is_none_or(|model| matches!(model.category, Category::Chat))
    };
    let first = || channel.models.0.iter().filter(|_| !makes).find(talks).cloned();
    let model = named.or_else(|| channel.options.test_model.clone()).or_else(first)?;
    Some(channel.options.mapped(&model).into_owned())
}

/// Asks a channel's upstream, and notes how that went.
async fn ask(app: &App, actor: &Actor, id: i64, model: Option<&str>) -> Result<relay::connect::Found, Error> {
    let found = relay::connect::test(app, actor, id, model).await?;
    let facts = json!({ "test_time": app.clock.now().seconds(), "response_time": found.took_ms });
    if let Value::Object(facts) = facts {
        account::learn(app, id, &facts).await?;
    }
    Ok(found)
}

/// Really calls the channel's upstream, with the named model or the channel's own, and says how long it took.
pub async fn one(State(app): State<App>, caller: Caller, id: Path<i64>, query: Query<TestQuery>) -> Reply {
    caller.require(Role::Admin)?;
    let channel = account::get(&app, &caller, id.0).await?;
    let model = model_of(&app, &channel, query.0.model.filter(|m| !m.is_empty()));
    let found = ask(&app, &caller, id.0, model.as_deref()).await?;
    let text = match (found.healthy, found.message.is_empty()) {
        (true, _) => "渠道测试成功".to_owned(),
        (false, false) => words::chinese(&found.message).into_owned(),
        (false, true) => "渠道不可用".to_owned(),
    };
    Ok(Json(json!({
        "success": found.healthy,
        "message": text,
        "time": found.took_ms as f64 / 1000.0,
        "data": {
            "response_time": found.took_ms,
            "status": if found.healthy { "success" } else { "error" },
        },
    }))
    .into_response())
}

/// How far the one run that tests every channel is; shared by every process.
const RUN: &str = "newapi:test-all";
/// A run that has not moved for so long is over.
const STALE: i64 = 5 * MINUTE;

/// Tests every enabled channel in the background, one run at a time.
pub async fn all(State(app): State<App>, caller: Caller) -> Reply {
    caller.require(Role::Admin)?;
    let now = app.clock.now();
    if !app.kv.put_new(RUN, &progress(0, 0, 0), STALE, now).await? {
        return Err(Error::conflict("TEST_RUNNING", "测试已在运行中").into());
    }
    let (worker, actor) = (app.clone(), caller.0.clone());
    app.spawn(async move {
        if let Err(error) = run(&worker, &actor).await {
            tracing::warn!(cause = error.cause(), "the test of all channels ended early: {error}");
        }
        if let Err(error) = worker.kv.forget(RUN).await {
            tracing::warn!(cause = error.cause(), "the end of the test of all channels was not noted");
        }
    });
    Ok(message("开始批量测试渠道"))
}

fn progress(done: i64, failed: i64, total: i64) -> String {
    json!({ "done": done, "failed": failed, "total": total }).to_string()
}

async fn run(app: &App, actor: &Actor) -> Result<(), Error> {
    let filter = AccountFilter { enabled: Some(true), ..AccountFilter::default() };
    let (mut done, mut failed) = (0, 0);
    loop {
        let window = Window { limit: 100, offset: done };
        let page = account::pages(app, actor, &filter, (AccountOrder::CreatedAt, Direction::Asc), window).await?;
        if page.rows.is_empty() {
            return Ok(());
        }
        for channel in &page.rows {
            if app.stop.is_cancelled() {
                return Ok(());
            }
            match ask(app, actor, channel.id, model_of(app, channel, None).as_deref()).await {
                Ok(found) => failed += i64::from(!found.healthy),
                Err(error) => {
                    failed += 1;
                    tracing::info!(account = channel.id, "a channel could not be tested: {error}");
                }
            }
            done += 1;
            app.kv.put(RUN, &progress(done, failed, page.total), STALE, app.clock.now()).await?;
        }
    }
}

/// How far the test of all channels is.
pub async fn state(State(app): State<App>, caller: Caller) -> Reply {
    caller.require(Role::Admin)?;
    let kept = app.kv.get(RUN, app.clock.now()).await?;
    let told: Value = kept.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    Ok(data(json!({ "running": kept.is_some(), "progress": told })))
}

/// What is left at the channel's upstream.
pub async fn balance(State(app): State<App>, caller: Caller, id: Path<i64>) -> Reply {
    caller.require(Role::Admin)?;
    let left = match relay::connect::balance::balance(&app, &caller, id.0).await {
        // A vendor that says no is no fault of the request's.
        Err(Error::Invalid { why, .. }) => return Err(Error::conflict("NO_BALANCE", why).into()),
        other => other?,
    };
    Ok(Json(json!({ "success": true, "message": "", "balance": left, "data": left })).into_response())
}

/// The same for every enabled channel, in the background; those whose vendors do not tell stay as they were.
pub async fn balances(State(app): State<App>, caller: Caller) -> Reply {
    caller.require(Role::Admin)?;
    let all = directory::accounts(&app);
    let ids: Vec<i64> = all.iter().map(|view| &view.account).filter(|a| a.enabled).map(|a| a.id).collect();
    let (worker, actor) = (app.clone(), caller.0.clone());
    app.spawn(async move {
        for id in ids {
            if worker.stop.is_cancelled() {
                return;
            }
            if let Err(error) = relay::connect::balance::balance(&worker, &actor, id).await {
                tracing::info!(account = id, "a channel's balance is not known: {error}");
            }
        }
    });
    Ok(message(""))
}
