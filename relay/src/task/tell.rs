//! Telling clients of their tasks at the address that they gave.

use std::time::Duration;

use futures_util::StreamExt;
use reqwest::Url;
use schema::clock::MINUTE;
use schema::model::task::Task;
use schema::service::task;
use schema::{App, Result};

use super::fetch::view;
use crate::call::engine::Engine;
use crate::ingress::task_route::Platform;
use crate::upstream::guard::Guard;

/// How many tasks one round takes.
const ROUND: i64 = 100;
/// How many clients are told at a time.
const AT_ONCE: usize = 16;
/// How long nobody else tells what one process tells.
const HOLD: i64 = MINUTE;
/// Longest wait for a client's consent.
const TIME: Duration = Duration::from_secs(10);

/// Tells what is due; how much that was.
pub async fn round(app: &App) -> Result<usize> {
    let claimed = task::claim_tellings(app, ROUND, HOLD).await?;
    let count = claimed.len();
    let rules = Engine::of(app).rules.current(app);
    let guard = rules.fetcher.guard();
    let tellings = claimed.into_iter().map(|task| async move {
        let arrived = match tokio::time::timeout(TIME, tell(app, guard, &task)).await {
            Ok(Ok(())) => true,
            Ok(Err(why)) => {
                tracing::info!(task = task.id, why, "a client could not be told of its task");
                false
            }
            Err(_) => false,
        };
        if let Err(error) = task::told(app, &task, arrived).await {
            tracing::warn!(task = task.id, cause = error.cause(), "a telling could not be noted");
        }
    });
    futures_util::stream::iter(tellings).buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
    Ok(count)
}

async fn tell(app: &App, guard: &Guard, task: &Task) -> std::result::Result<(), &'static str> {
    let platform = Platform::parse(&task.platform).ok_or("its service is not known")?;
    let url = task.notify_url.as_deref().and_then(|url| Url::parse(url).ok()).ok_or("it gave no address")?;
    let body = super::studio(platform).shown(task, &view(app, None)).to_string();
    // Judged anew each time: what its name leads to may have changed.
    let request = guard.client(&url).await?.post(url).header(http::header::CONTENT_TYPE, "application/json");
    let answer = request.body(body).send().await.map_err(|_| "its host cannot be reached")?;
    if answer.status().is_success() { Ok(()) } else { Err("its server refused") }
}
