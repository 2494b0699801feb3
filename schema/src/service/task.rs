//! Tasks: made before anybody is told of them, moved on by whoever asks the vendor, refunded exactly once.
//!
//! Asking vendors is the relay's; here is what may happen to a task and what follows from it.

use crate::App;
use crate::actor::Actor;
use crate::bus::Event;
use crate::clock::{DAY, MINUTE, Time};
use crate::error::{Error, Result};
use crate::model::ledger::EntryKind;
use crate::model::task::{NewTask, Task, TaskChange, TaskDoc, TaskFilter, TaskStatus};
use crate::model::usage::UsageRow;
use crate::money::Micros;
use crate::page::{Counted, Page, Seek, Window};
use crate::service::setting::{self, names};
use crate::service::wallet::{self, Movement};

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

/// Those tasks of a user on a platform that have one of these public ids, newest first.
pub async fn many_of_user(app: &App, user_id: i64, platform: &str, uids: Vec<String>) -> Result<Vec<Task>> {
    let filter = TaskFilter {
        user_id: Some(user_id),
        platform: Some(platform.to_owned()),
        uids: Some(uids),
        ..TaskFilter::default()
    };
    let mut conn = app.db.conn().await?;
    Ok(Task::window(&mut conn, &filter, Window { limit: ROUND, offset: 0 }).await?)
}

/// A task by its public id, whoever asks: for what may be seen by everybody who knows the id.
pub async fn by_uid(app: &App, uid: &str) -> Result<Task> {
    let mut conn = app.db.conn().await?;
    Task::by_uid(&mut conn, uid).await?.ok_or(NOT_FOUND)
}

/// One task by its public id: one's own, or anybody's for administrators.
pub async fn get(app: &App, actor: &Actor, uid: &str) -> Result<Task> {
    let mut conn = app.db.conn().await?;
    let task = Task::by_uid(&mut conn, uid).await?.ok_or(NOT_FOUND)?;
    actor.owns_or_admin(task.user_id, "task")?;
    Ok(task)
}

/// One task by its row: one's own, or anybody's for administrators.
pub async fn get_by_id(app: &App, actor: &Actor, task_id: i64) -> Result<Task> {
    let mut conn = app.db.conn().await?;
    let task = Task::find(&mut conn, task_id).await?.ok_or(NOT_FOUND)?;
    actor.owns_or_admin(task.user_id, "task")?;
    Ok(task)
}

/// One task of a user, for the relay: nobody learns of another's tasks.
pub async fn of_user(app: &App, user_id: i64, uid: &str) -> Result<Task> {
    let mut conn = app.db.conn().await?;
    Task::by_uid(&mut conn, uid).await?.filter(|task| task.user_id == user_id).ok_or(NOT_FOUND)
}

/// Tasks by keyset, newest first.
pub async fn list(app: &App, actor: &Actor, filter: &TaskFilter, seek: &Seek) -> Result<Page<Task>> {
    let filter = seen(actor, filter)?;
    let mut conn = app.db.conn().await?;
    Ok(Page::cut(Task::seek(&mut conn, &filter, seek).await?, seek))
}

/// Tasks by numbered page, newest first.
pub async fn pages(app: &App, actor: &Actor, filter: &TaskFilter, window: Window) -> Result<Counted<Task>> {
    let filter = seen(actor, filter)?;
    let mut conn = app.db.conn().await?;
    let rows = Task::window(&mut conn, &filter, window).await?;
    Ok(Counted { rows, total: Task::count(&mut conn, &filter).await? })
}

/// How many there are.
pub async fn count(app: &App, actor: &Actor, filter: &TaskFilter) -> Result<i64> {
    let filter = seen(actor, filter)?;
    let mut conn = app.db.conn().await?;
    Ok(Task::count(&mut conn, &filter).await?)
}

fn seen(actor: &Actor, filter: &TaskFilter) -> Result<TaskFilter> {
    let mut filter = filter.clone();
    if !actor.is_admin() {
        let me = actor.signed_in()?;
        if filter.user_id.is_some_and(|id| id != me) {
            return Err(Error::NotFound { what: "user" });
        }
        filter.user_id = Some(me);
    }
    Ok(filter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::rollup::Slice;
    use crate::service::settle::tests::{a_call, a_key};
    use crate::service::{report, settle};
    use crate::testing::TestApp;

    fn a_begun(t: &TestApp, user_id: i64) -> Begun {
        Begun {
            uid: String::new(),
            call_id: String::new(),
            user_id,
            key_id: 1,
            account_id: 1,
            platform: "midjourney".into(),
            action: "imagine".into(),
            model: "mj_imagine".into(),
            request: serde_json::Map::new(),
            cost: Micros::ZERO,
            from_wallet: true,
            notify_url: None,
            poll_at: t.clock.now(),
        }
    }

    async fn a_task(t: &TestApp, user_id: i64, key_id: i64, cost: i64) -> (Task, settle::Settlement) {
        let call = a_call(user_id, key_id, t.clock.now(), cost);
        let begun = Begun { call_id: call.call_id.clone(), key_id, cost: Micros(cost), ..a_begun(t, user_id) };
        (begin(t, begun).await.expect("a task"), call)
    }

    fn in_a_minute(_: &Task, now: Time) -> Time {
        now.plus(60_000)
    }

    fn failed() -> News {
        News { status: Some(TaskStatus::Failed), fail_reason: Some("no".into()), ..News::default() }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_failed_task_is_refunded_exactly_once() {
        let t = TestApp::new().await;
        let admin = t.admin().await;
        let ann = t.user("ann").await.user_id.expect("an id");
        let key = a_key(&t, ann, "k").await;
        wallet::adjust(&t, &admin, ann, Micros(1_000), "start", None).await.expect("money");
        settle::start(&t).await.expect("started");
        let (task, call) = a_task(&t, ann, key, 300).await;
        let running = News { status: Some(TaskStatus::Running), progress: Some(140), ..News::default() };
        let task = advance(&t, &task, running).await.expect("an answer").expect("moved");
        assert_eq!((task.progress, task.started_at.is_some()), (100, true));

        // It fails before the call is in the books: there is nothing to give back yet.
        let racers: Vec<_> = (0..8)
            .map(|_| {
                let (app, task) = (t.app.clone(), task.clone());
                tokio::spawn(async move { advance(&app, &task, failed()).await.expect("an answer").is_some() })
            })
            .collect();
        let mut winners = 0;
        for racer in racers {
            winners += i32::from(racer.await.expect("a task"));
        }
        assert_eq!(winners, 1, "one of many who saw it fail");
        assert_eq!(refund_due(&t).await.expect("a round"), 0);
        settle::record(&t, call, None).await.expect("durable");
        settle::flush(&t).await.expect("carried");
        let rounds: Vec<_> = (0..4)
            .map(|_| {
                let app = t.app.clone();
                tokio::spawn(async move { refund_due(&app).await.expect("a round") })
            })
            .collect();
        let mut given = 0;
        for round in rounds {
            given += round.await.expect("a task");
        }
        assert_eq!(given, 1, "refunded once");

        let mut conn = t.db.conn().await.expect("a connection");
        let user = crate::model::user::User::find(&mut conn, ann).await.expect("a query").expect("a user");
        assert_eq!((user.balance, user.spent), (Micros(1_000), Micros(0)));
        let spent = crate::model::rollup::key_spent(&mut conn, key).await.expect("a query");
        assert_eq!(spent, Some(0), "the key's budget too");
        let sums = report::totals(&t, &admin, &Slice::default()).await.expect("sums");
        assert_eq!((sums.requests, sums.cost), (1, 0));
        let by_key = Slice { keys: Some(vec![key]), ..Slice::default() };
        assert_eq!(report::totals(&t, &admin, &by_key).await.expect("sums").cost, 0);
        assert!(wallet::check_ledger(&t).await.expect("a check").is_empty());
        let task = get(&t, &admin, &task.uid).await.expect("a task");
        assert!(task.refunded_at.is_some());
        assert!(advance(&t, &task, News::default()).await.expect("an answer").is_none(), "it has ended");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn due_tasks_are_claimed_by_one_and_old_ones_fail() {
        let t = TestApp::new().await;
        let ann = t.user("ann").await;
        let bob = t.user("bob").await;
        let id = ann.user_id.expect("an id");
        let (task, _) = a_task(&t, id, 1, 0).await;
        assert_eq!(claim_due(&t, 10, in_a_minute).await.expect("tasks").len(), 1);
        assert!(claim_due(&t, 10, in_a_minute).await.expect("tasks").is_empty(), "held");
        t.advance(61_000);
        let again = claim_due(&t, 10, in_a_minute).await.expect("tasks");
        assert_eq!(again[0].polls, 2);

        assert_eq!(get(&t, &bob, &task.uid).await.map(|_| ()).map_err(|e| e.code()), Err("NOT_FOUND"));
        assert!(of_user(&t, bob.user_id.expect("an id"), &task.uid).await.is_err());
        assert_eq!(of_user(&t, id, &task.uid).await.expect("a task").id, task.id);
        let seek = Seek::default();
        assert_eq!(list(&t, &ann, &TaskFilter::default(), &seek).await.expect("a page").rows.len(), 1);
        assert!(list(&t, &bob, &TaskFilter::default(), &seek).await.expect("a page").rows.is_empty());

        postpone(&t, &task, t.clock.now()).await.expect("a moment");
        assert_eq!(claim_due(&t, 10, in_a_minute).await.expect("tasks").len(), 1, "due again at once");

        assert_eq!(expire_due(&t).await.expect("a round"), 0);
        t.advance(2 * DAY);
        assert_eq!(expire_due(&t).await.expect("a round"), 1);
        assert_eq!(get(&t, &ann, &task.uid).await.expect("a task").status, TaskStatus::Failed);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn news_are_told_until_they_arrive_and_newer_news_again() {
        let t = TestApp::new().await;
        let ann = t.user("ann").await.user_id.expect("an id");
        let begun = Begun {
            notify_url: Some("http://example.com/hook".into()),
            uid: "u1".into(),
            call_id: "c1".into(),
            ..a_begun(&t, ann)
        };
        let task = begin(&t, begun).await.expect("a task");
        let silent = begin(&t, Begun { call_id: "c2".into(), ..a_begun(&t, ann) }).await.expect("a task");
        assert!(claim_tellings(&t, 10, 60_000).await.expect("tasks").is_empty(), "nothing has happened yet");
        let running = || News { status: Some(TaskStatus::Running), ..News::default() };
        advance(&t, &silent, running()).await.expect("an answer");
        let task = advance(&t, &task, running()).await.expect("an answer").expect("moved");
        let first = claim_tellings(&t, 10, 60_000).await.expect("tasks");
        assert_eq!((first.len(), first[0].id), (1, task.id));
        assert!(claim_tellings(&t, 10, 60_000).await.expect("tasks").is_empty(), "held");
        told(&t, &first[0], false).await.expect("noted");
        assert!(claim_tellings(&t, 10, 60_000).await.expect("tasks").is_empty(), "not at once");
        t.advance(TELL_AGAIN_MS + 1);
        let again = claim_tellings(&t, 10, 60_000).await.expect("tasks");
        assert_eq!(again[0].notify_tries, 2);
        // It ends while the last news are on their way.
        advance(&t, &task, failed()).await.expect("an answer").expect("moved");
        told(&t, &again[0], true).await.expect("noted");
        let newest = claim_tellings(&t, 10, 60_000).await.expect("tasks");
        assert_eq!((newest[0].status, newest[0].notify_tries), (TaskStatus::Failed, 1));
        told(&t, &newest[0], true).await.expect("noted");
        t.advance(DAY);
        assert!(claim_tellings(&t, 10, 60_000).await.expect("tasks").is_empty(), "all is told");
        let mine = many_of_user(&t, ann, "midjourney", vec!["u1".into(), "x".into()]).await.expect("tasks");
        assert_eq!(mine.len(), 1);
        assert!(many_of_user(&t, ann, "suno", vec!["u1".into()]).await.expect("tasks").is_empty());
    }
}
