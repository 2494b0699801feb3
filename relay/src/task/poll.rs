//! Asking vendors how their tasks stand, and hearing it from them.
//!
//! A task is claimed before it is asked about: until the next question is due no other process asks. What the
//! answer says moves the row only if it is still as it was, so nothing is refunded or told twice.

use std::collections::BTreeMap;

use axum::body::Body;
use futures_util::StreamExt;
use http::{Response, StatusCode};
use ring::hmac;
use schema::clock::{MINUTE, SECOND};
use schema::model::task::{Task, TaskStatus};
use schema::service::directory;
use schema::service::task::{self, News};
use schema::{App, Result, Time};
use serde_json::{Value, json};

use super::ask::{account, ask};
use super::studio::{Seen, Standing};
use crate::call::Request;
use crate::call::engine::Engine;
use crate::call::pins::{Held, Keeper, LIFE};
use crate::convert::Fault;
use crate::convert::fault::Kind;
use crate::ingress::refuse::plain;
use crate::ingress::task_route::Platform;
use crate::wire::percent;

/// How many tasks one round takes.
const ROUND: i64 = 500;
/// How many vendors are asked at a time.
const AT_ONCE: usize = 16;
/// How long a vendor may not know a task that it has taken.
const LOST: i64 = 5 * MINUTE;

/// When a task is asked after for the first time.
pub fn first(taken: Time) -> Time {
    taken.plus(2 * SECOND)
}

/// When it is asked after again: the older it is, the later.
fn next(task: &Task, now: Time) -> Time {
    let age = now.0 - task.submitted_at.unwrap_or(task.created_at).0;
    now.plus((age / 8).clamp(3 * SECOND, MINUTE))
}

/// Asks after everything that is due; how many tasks that was.
pub async fn round(app: &App) -> Result<usize> {
    let claimed = task::claim_due(app, ROUND, next).await?;
    let count = claimed.len();
    let mut groups: BTreeMap<(i64, String), Vec<Task>> = BTreeMap::new();
    for task in claimed {
        if task.upstream_id.is_none() {
            // Whoever was handing it in has gone.
            end(app, &task, "the task was not taken by its vendor").await;
            continue;
        }
        groups.entry((task.account_id, task.account_key.clone())).or_default().push(task);
    }
    let mut questions = Vec::new();
    for ((account_id, key), tasks) in groups {
        // A task speaks to its vendor as its account does, whatever its client speaks.
        let Some(platform) = vendor(app, account_id) else { continue };
        for batch in tasks.chunks(super::studio(platform).batch().max(1)) {
            questions.push(about(app, account_id, key.clone(), platform, batch.to_vec()));
        }
    }
    futures_util::stream::iter(questions).buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
    Ok(count)
}

/// The service of an account; an account that is gone may come back, else its tasks' time runs out.
fn vendor(app: &App, account_id: i64) -> Option<Platform> {
    Platform::of(directory::account(app, account_id)?.account.kind)
}

/// Asks by the key that handed the tasks in, where it is known, and by the account's others after it.
async fn about(app: &App, account_id: i64, key: String, platform: Platform, tasks: Vec<Task>) {
    let engine = Engine::of(app);
    let Some(account) = account(app, &engine, account_id) else { return };
    let studio = super::studio(platform);
    let mut open = tasks;
    let keys = account.keys().max(1);
    let first = account.key_named(&key).unwrap_or(0);
    for key in (0..keys).map(|step| (first + step) % keys) {
        let ids: Vec<&str> = open.iter().filter_map(|task| task.upstream_id.as_deref()).collect();
        if ids.is_empty() {
            return;
        }
        let question = studio.question(&open, &ids);
        let (status, answer) = match ask(app, &engine, &account, key, platform, &question).await {
            Ok(answer) => answer,
            Err(why) => {
                tracing::warn!(account = account_id, why, "tasks could not be asked after");
                return;
            }
        };
        let mut unknown = Vec::new();
        for task in open {
            match studio.read(task.upstream_id.as_deref().unwrap_or_default(), status, &answer) {
                Seen::Task(standing) => note(app, &engine, &task, *standing).await,
                Seen::Unknown => unknown.push(task),
                Seen::Unclear => {
                    let status = status.as_u16();
                    tracing::warn!(
                        account = account_id,
                        task = task.id,
                        status,
                        "a vendor's answer about a task is unclear"
                    );
                }
            }
        }
        // What one of an account's keys does not know may be another's.
        open = unknown;
    }
    let now = app.clock.now();
    for task in open {
        if now.0 - task.submitted_at.unwrap_or(task.created_at).0 > LOST {
            end(app, &task, "the vendor does not know the task any more").await;
        }
    }
}

/// Moves a task to where its vendor says it is.
async fn note(app: &App, engine: &Engine, task: &Task, standing: Standing) {
    let Standing { status, progress, result, fail_reason } = standing;
    // A vendor's queue never takes a task back that it works on.
    let status = if task.status == TaskStatus::Running && !status.is_final() { TaskStatus::Running } else { status };
    let progress = progress.filter(|told| *told > task.progress);
    if status == task.status && progress.is_none() && result == task.result.0 {
        return;
    }
    let failed = status == TaskStatus::Failed;
    let hidden = |text: &str| {
        let account = account(app, engine, task.account_id)?;
        let key = account.key_named(&task.account_key).unwrap_or(0);
        account.upstream(key, None).hidden("").scrub_text(text)
    };
    let reason = if fail_reason.is_empty() { "the vendor gave no reason".to_owned() } else { fail_reason };
    let moved = status != task.status;
    let news = News {
        status: moved.then_some(status),
        progress,
        fail_reason: failed.then(|| hidden(&reason).unwrap_or(reason)),
        result: Some(result),
        ..News::default()
    };
    match task::advance(app, task, news).await {
        Ok(Some(task)) => {
            let held = vendor(app, task.account_id).map(|platform| super::studio(platform).holds(&task));
            for (scope, name) in held.into_iter().flatten() {
                let held = Held { scope, name: name.chars().take(200).collect() };
                let keeper = Keeper { account: task.account_id, key: task.account_key.clone() };
                engine.pins.pin(app, task.key_id, held, keeper, LIFE);
            }
        }
        Ok(None) => {}
        Err(error) => tracing::warn!(task = task.id, cause = error.cause(), "a task could not be moved on"),
    }
}

async fn end(app: &App, task: &Task, why: &str) {
    let news = News { status: Some(TaskStatus::Failed), fail_reason: Some(why.to_owned()), ..News::default() };
    if let Err(error) = task::advance(app, task, news).await {
        tracing::warn!(task = task.id, cause = error.cause(), "a task could not be ended");
    }
}

/// Where a vendor may tell of a task, where this installation has a public address and the vendor tells.
pub fn callback(app: &App, platform: Platform, uid: &str) -> Option<String> {
    let base = app.config.public_url.as_deref()?;
    (platform == Platform::Midjourney).then(|| format!("{base}/mj/notify?task={uid}&token={}", token(app, uid)))
}

fn key(app: &App) -> hmac::Key {
    let secret = app.config.jwt_secret.as_ref().map(|secret| secret.reveal().clone()).unwrap_or_default();
    hmac::Key::new(hmac::HMAC_SHA256, format!("task callback:{secret}").as_bytes())
}

fn token(app: &App, uid: &str) -> String {
    schema::id::hex(hmac::sign(&key(app), uid.as_bytes()).as_ref())
}

/// Hears a vendor's news of a task, at the address that only that vendor was given.
pub async fn told(app: &App, request: &Request) -> Response<Body> {
    let value = |name: &str| percent::query_value(&request.query, name).unwrap_or_default();
    let (uid, given) = (value("task"), value("token"));
    let denied = || {
        let fault = Fault::new(Kind::Authentication, "This address takes news of tasks from their vendors only.");
        request.ear.refuse(&fault, None)
    };
    // A signature of another length, or of another task, is none.
    if uid.is_empty() || !same(token(app, &uid).as_bytes(), given.as_bytes()) {
        return denied();
    }
    let Ok(task) = task::by_uid(app, &uid).await else { return denied() };
    let (Some(id), Some(platform)) = (task.upstream_id.as_deref(), vendor(app, task.account_id)) else {
        return denied();
    };
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    match super::studio(platform).read(id, StatusCode::OK, &body) {
        Seen::Task(standing) => note(app, &Engine::of(app), &task, *standing).await,
        Seen::Unknown | Seen::Unclear => {
            let fault = Fault::new(Kind::InvalidRequest, "The news are not of this task.");
            return request.ear.refuse(&fault, None);
        }
    }
    let body = json!({"code": 1, "description": "success", "result": null});
    plain(StatusCode::OK, body.to_string().into_bytes())
}

/// Compares without telling by its time where two differ.
fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |found, (a, b)| found | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_older_a_task_is_the_later_it_is_asked_after() {
        let mut task = crate::task::tests::a_task("suno", "t");
        task.submitted_at = Some(Time(0));
        for (age, wait) in [(0, 3_000), (10_000, 3_000), (80_000, 10_000), (3_600_000, 60_000)] {
            assert_eq!(next(&task, Time(age)), Time(age + wait), "{age}");
        }
    }

    #[test]
    fn signatures_are_compared_whole() {
        assert!(same(b"abc", b"abc") && !same(b"abc", b"abd") && !same(b"abc", b"ab") && !same(b"", b"a"));
    }
}
