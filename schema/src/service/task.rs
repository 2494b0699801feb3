//! Tasks: made before anybody is told of them, moved on by whoever asks the vendor, refunded exactly once.
//!
//! Asking vendors is the relay's; here is what may happen to a task and what follows from it.

mod read;
#[cfg(test)]
mod tests;

use crate::App;
use crate::actor::Actor;
use crate::bus::Event;
use crate::clock::{DAY, MINUTE, Time};
use crate::error::{Error, Result};
use crate::model::ledger::EntryKind;
use crate::model::task::{NewTask, Task, TaskChange, TaskDoc, TaskStatus};
use crate::model::usage::UsageRow;
use crate::money::Micros;
use crate::service::setting::{self, names};
use crate::service::wallet::{self, Movement};

pub use read::{by_uid, count, get, get_by_id, list, many_of_user, of_user, pages, several};

/// What a new task is.
#[derive(Clone, Debug)]
pub struct Begun {
    /// What the client is told; made up when empty.
    pub uid: String,
    pub call_id: String,
    pub user_id: i64,
    pub key_id: i64,
    pub account_id: i64,
    pub platform: String,
    pub action: String,
    pub model: String,
    pub request: serde_json::Map<String, serde_json::Value>,
    pub cost: Micros,
    pub from_wallet: bool,
    pub notify_url: Option<String>,
    /// When the vendor is to be asked first.
    pub poll_at: Time,
}

/// News of a task; `None` leaves a field as it is.
#[derive(Clone, Debug, Default)]
pub struct News {
    pub status: Option<TaskStatus>,
    pub progress: Option<i64>,
    pub account_id: Option<i64>,
    /// A short digest of the account's key that the vendor knows it by.
    pub account_key: Option<String>,
    pub upstream_id: Option<String>,
    pub result: Option<serde_json::Map<String, serde_json::Value>>,
    pub fail_reason: Option<String>,
    pub cost: Option<Micros>,
    pub poll_at: Option<Time>,
}

const ROUND: i64 = 200;
/// How long after its end a failed task may still be found in the books and refunded. A journal that a
/// dead machine left is carried when it comes back.
const BOOKS_MS: i64 = 60 * DAY;
/// How often the client's own address is tried for one piece of news.
const TELLINGS: i64 = 8;
/// The wait after the first try that failed; each further one is three times as long.
const TELL_AGAIN_MS: i64 = 10_000;
const NOT_FOUND: Error = Error::NotFound { what: "task" };

/// Makes the row, before its id is told to anybody.
pub async fn begin(app: &App, begun: Begun) -> Result<Task> {
    let now = app.clock.now();
    let new = NewTask {
        uid: if begun.uid.is_empty() { crate::id::uuid() } else { begun.uid },
        call_id: begun.call_id,
        user_id: begun.user_id,
        key_id: begun.key_id,
        account_id: begun.account_id,
        platform: begun.platform,
        action: begun.action,
        model: begun.model,
        upstream_id: None,
        status: TaskStatus::Created,
        request: TaskDoc::from(begun.request),
        cost: begun.cost,
        from_wallet: begun.from_wallet,
        notify_url: begun.notify_url,
        next_poll_at: begun.poll_at,
        created_at: now,
        updated_at: now,
    };
    let mut tx = app.db.begin().await?;
    let task = Task::insert(&mut tx, &new).await?;
    tx.commit().await?;
    announce(app, &task).await;
    Ok(task)
}

/// Forgets what an ended task was asked and what it came to, because its client wants nothing of it any more;
/// false when it has not ended, or somebody was faster.
pub async fn forget(app: &App, seen: &Task) -> Result<bool> {
    let (request, result) = seen.forgotten();
    let mut tx = app.db.begin().await?;
    let done = Task::rewrite(&mut tx, seen.id, seen.version, (&request, &result), app.clock.now()).await?;
    tx.commit().await?;
    Ok(done)
}

async fn announce(app: &App, task: &Task) {
    let event = Event::TaskChanged {
        id: task.id,
        user_id: task.user_id,
        status: task.status.as_str().to_owned(),
        progress: task.progress,
    };
    app.bus.publish(event).await;
}

/// Moves a task on, if it is still as `seen`; `None` when somebody was faster or it had ended. A task
/// that fails is refunded.
pub async fn advance(app: &App, seen: &Task, news: News) -> Result<Option<Task>> {
    let now = app.clock.now();
    let status = news.status.unwrap_or(seen.status);
    let mut progress = news.progress.map(|p| p.clamp(0, 100));
    if status == TaskStatus::Succeeded {
        progress = Some(100);
    }
    // Where the vendor is asked next is nobody's news.
    let told = seen.notify_url.is_some() && (news.status.is_some() || news.progress.is_some());
    let began = |wanted: bool, already: Option<Time>| (wanted && already.is_none()).then_some(Some(now));
    let change = TaskChange {
        account_id: news.account_id,
        account_key: news.account_key,
        upstream_id: news.upstream_id.map(Some),
        status: news.status,
        progress,
        result: news.result.map(TaskDoc::from),
        fail_reason: news.fail_reason.map(|text| text.chars().filter(|c| *c != '\0').take(2_000).collect()),
        cost: news.cost,
        submitted_at: began(status != TaskStatus::Created, seen.submitted_at),
        started_at: began(matches!(status, TaskStatus::Running | TaskStatus::Succeeded), seen.started_at),
        finished_at: began(status.is_final(), seen.finished_at),
        next_poll_at: news.poll_at,
        notify_at: told.then_some(Some(now)),
        notify_tries: told.then_some(0),
    };
    let mut tx = app.db.begin().await?;
    let moved = Task::update(&mut tx, seen.id, seen.version, &change, now).await?;
    tx.commit().await?;
    let Some(task) = moved else { return Ok(None) };
    announce(app, &task).await;
    if task.status == TaskStatus::Failed {
        refund(app, &task).await?;
    }
    Ok(Some(task))
}

/// Gives back what a failed task cost: to the wallet that paid, to the key's budget and to the day's
/// sums. False when there is nothing to give, it was given before, or the call is not in the books yet
/// (a later round finds it there).
pub async fn refund(app: &App, task: &Task) -> Result<bool> {
    if task.cost <= Micros::ZERO || task.status != TaskStatus::Failed || task.refunded_at.is_some() {
        return Ok(false);
    }
    let mut tx = app.db.begin().await?;
    if !Task::mark_refunded(&mut tx, task.id, app.clock.now()).await? {
        tx.rollback().await?;
        return Ok(false);
    }
    if !UsageRow::take_back(&mut tx, &task.call_id).await? {
        tx.rollback().await?;
        return Ok(false);
    }
    let mut moved = None;
    if task.from_wallet {
        let key = format!("task-refund:{}", task.id);
        let movement = Movement {
            user_id: task.user_id,
            kind: EntryKind::Refund,
            amount: task.cost,
            reference: &task.call_id,
            idem_key: Some(&key),
            note: "the task failed",
            may_overdraw: true,
        };
        moved = Some(wallet::move_in(app, &mut tx, &Actor::system(), movement).await?);
    }
    tx.commit().await?;
    if let Some(moved) = moved {
        wallet::announce(app, &moved).await;
    }
    app.counters.forget_key(task.key_id).await?;
    Ok(true)
}

/// Refunds what earlier rounds could not; periodic.
pub async fn refund_due(app: &App) -> Result<usize> {
    let ended = app.clock.now().plus(-BOOKS_MS);
    let (mut done, mut after) = (0, 0);
    loop {
        let owed = {
            let mut conn = app.db.conn().await?;
            Task::owed(&mut conn, ended, after, ROUND).await?
        };
        let Some(last) = owed.last() else { return Ok(done) };
        after = last.id;
        for task in owed {
            match refund(app, &task).await {
                Ok(given) => done += usize::from(given),
                // One person's trouble must not keep the others waiting.
                Err(error) => tracing::error!(task = task.id, cause = error.cause(), "a task could not be refunded"),
            }
        }
    }
}

/// Fails tasks that never ended; periodic.
pub async fn expire_due(app: &App) -> Result<usize> {
    let minutes = setting::current(app).int(names::TASK_PATIENCE_MINUTES).max(1);
    let before = app.clock.now().plus(-minutes * MINUTE);
    let stale = {
        let mut conn = app.db.conn().await?;
        Task::stale(&mut conn, before, ROUND).await?
    };
    let mut done = 0;
    for task in stale {
        let news = News {
            status: Some(TaskStatus::Failed),
            fail_reason: Some("the task did not end in time".to_owned()),
            ..News::default()
        };
        done += usize::from(advance(app, &task, news).await?.is_some());
    }
    Ok(done)
}

/// Claims open tasks whose vendor should be asked now; nobody else gets one before the moment `next` says.
pub async fn claim_due(app: &App, most: i64, next: impl Fn(&Task, Time) -> Time) -> Result<Vec<Task>> {
    let now = app.clock.now();
    let mut conn = app.db.conn().await?;
    let mut claimed = Vec::new();
    for mut task in Task::due(&mut conn, now, most.clamp(1, 1_000)).await? {
        let until = next(&task, now);
        if Task::claim(&mut conn, task.id, task.next_poll_at, until).await? {
            task.next_poll_at = until;
            task.polls += 1;
            claimed.push(task);
        }
    }
    Ok(claimed)
}

/// Sets when an open task's vendor is asked next.
pub async fn postpone(app: &App, task: &Task, until: Time) -> Result<()> {
    let mut conn = app.db.conn().await?;
    Ok(Task::postpone(&mut conn, task.id, until).await?)
}

/// Claims tasks whose clients wait to be told of them; nobody else gets them for `hold_ms`.
pub async fn claim_tellings(app: &App, most: i64, hold_ms: i64) -> Result<Vec<Task>> {
    let now = app.clock.now();
    let mut conn = app.db.conn().await?;
    let mut claimed = Vec::new();
    for mut task in Task::to_tell(&mut conn, now, most.clamp(1, 1_000)).await? {
        let (Some(due), until) = (task.notify_at, now.plus(hold_ms)) else { continue };
        let tries = task.notify_tries + 1;
        if Task::move_telling(&mut conn, task.id, due, Some(until), tries).await? {
            task.notify_at = Some(until);
            task.notify_tries = tries;
            claimed.push(task);
        }
    }
    Ok(claimed)
}

/// Notes whether a claimed telling arrived; one that did not is tried again later, some times.
pub async fn told(app: &App, task: &Task, arrived: bool) -> Result<()> {
    let Some(claimed) = task.notify_at else { return Ok(()) };
    let wait = TELL_AGAIN_MS * 3_i64.pow(u32::try_from(task.notify_tries.clamp(1, TELLINGS) - 1).unwrap_or(0));
    let again = !arrived && task.notify_tries < TELLINGS;
    let next = again.then(|| app.clock.now().plus(wait));
    let tries = if again { task.notify_tries } else { 0 };
    let mut conn = app.db.conn().await?;
    // Where there was newer news in between, that is told next.
    Task::move_telling(&mut conn, task.id, claimed, next, tries).await?;
    Ok(())
}
