//! Lists of pictures, songs and videos that vendors work on, as this system's pages show them.

mod film;

use axum::extract::State;
use http::HeaderMap;
use relay::task::word;
use schema::model::joined::Joined;
use schema::model::task::{Task, TaskFilter, TaskStatus};
use schema::service::task;
use schema::{App, Error, Role, Time};
use serde::Deserialize;
use serde_json::{Value, json};

use super::page::{Paging, channel, number};
use super::shape::Shape;
use super::{Caller, Query, Reply, data, words};

/// The vendor whose tasks have a page of their own.
const PICTURES: &str = "midjourney";

/// A query about tasks; all text, because this system's pages send empty fields along.
#[derive(Deserialize)]
pub struct TaskQuery {
    task_id: Option<String>,
    mj_id: Option<String>,
    platform: Option<String>,
    action: Option<String>,
    status: Option<String>,
    channel_id: Option<String>,
    start_timestamp: Option<String>,
    end_timestamp: Option<String>,
}

fn status(text: &str) -> Result<TaskStatus, Error> {
    let found = TaskStatus::ALL.iter().copied().find(|s| word(*s) == text);
    found.ok_or_else(|| Error::invalid("status", "没有这种状态"))
}

fn some(text: &Option<String>) -> Option<String> {
    text.as_deref().map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned)
}

/// Which tasks, pictures or all others; the pages of pictures count milliseconds, the others seconds.
fn filter(caller: &Caller, shape: Shape, query: &TaskQuery, own: bool, pictures: bool) -> Result<TaskFilter, Error> {
    let me = caller.signed_in()?;
    let moment = |field: &str, text: &Option<String>| {
        let at = number(field, text)?.filter(|n| *n > 0);
        Ok::<_, Error>(at.map(|n| if pictures { Time(n) } else { Time::from_seconds(n) }))
    };
    let no_picture = || Box::new(TaskFilter { platform: Some(PICTURES.into()), ..TaskFilter::default() });
    let doing = match shape {
        Shape::Deployed => film::doing(some(&query.action)),
        Shape::Documented => TaskFilter { action: some(&query.action), ..TaskFilter::default() },
    };
    Ok(TaskFilter {
        user_id: own.then_some(me),
        account_id: channel("channel_id", &query.channel_id, shape)?,
        platform: if pictures { Some(PICTURES.into()) } else { some(&query.platform) },
        status: some(&query.status).as_deref().map(status).transpose()?,
        search: some(&query.task_id).or_else(|| some(&query.mj_id)),
        from: moment("start_timestamp", &query.start_timestamp)?,
        until: moment("end_timestamp", &query.end_timestamp)?,
        joined: Joined { and: vec![doing], not: (!pictures).then(no_picture), ..Joined::default() },
        ..TaskFilter::default()
    })
}

fn seconds(at: Option<Time>) -> i64 {
    at.map_or(0, Time::seconds)
}

fn shown(shape: Shape, task: &Task) -> Value {
    let (action, outcome) = match shape {
        Shape::Deployed => (film::action(task), film::outcome(task)),
        Shape::Documented => (task.action.as_str(), task.fail_reason.as_str()),
    };
    json!({
        "id": task.id,
        "created_at": task.created_at.seconds(),
        "updated_at": task.updated_at.seconds(),
        "task_id": task.uid,
        "platform": task.platform,
        "user_id": task.user_id,
        "channel_id": task.account_id,
        "quota": task.cost.quota(),
        "action": action,
        "status": word(task.status),
        "fail_reason": words::chinese(outcome),
        "submit_time": seconds(task.submitted_at),
        "start_time": seconds(task.started_at),
        "finish_time": seconds(task.finished_at),
        "progress": format!("{}%", task.progress),
        "properties": { "model": task.model },
        "data": task.result.0,
    })
}

/// A picture, in the words of the proxy that this system's pages of pictures know; where pictures are forwarded, at the
/// address at which the relay shows it, and not at the vendor's.
fn picture(task: &Task, forwarded: Option<&str>) -> Value {
    let told = |names: [&str; 2]| {
        let found = names.iter().find_map(|name| task.result.0.get(*name).or_else(|| task.request.0.get(*name)));
        found.and_then(Value::as_str).unwrap_or("").to_owned()
    };
    let ms = |at: Option<Time>| at.map_or(0, |t| t.0);
    let address = match (told(["imageUrl", "image_url"]), forwarded) {
        (address, None) => address,
        // The relay shows none of a task that failed.
        (address, Some(_)) if address.is_empty() || task.status == TaskStatus::Failed => String::new(),
        (_, Some(base)) => format!("{base}/mj/image/{}", task.uid),
    };
    json!({
        "id": task.id,
        "code": 1,
        "user_id": task.user_id,
        "action": task.action,
        "mj_id": task.uid,
        "prompt": told(["prompt", "prompt"]),
        "prompt_en": told(["promptEn", "prompt_en"]),
        "description": told(["description", "description"]),
        "state": told(["state", "state"]),
        "submit_time": ms(task.submitted_at),
        "start_time": ms(task.started_at),
        "finish_time": ms(task.finished_at),
        "image_url": address,
        "status": word(task.status),
        "progress": format!("{}%", task.progress),
        "fail_reason": words::chinese(&task.fail_reason),
        "channel_id": task.account_id,
        "quota": task.cost.quota(),
    })
}

/// A page of tasks: of whose, and which.
struct Listed {
    shape: Shape,
    paging: Paging,
    query: TaskQuery,
    own: bool,
}

impl Listed {
    async fn tasks(self, app: App, caller: Caller) -> Reply {
        let shape = self.shape;
        self.rows(app, caller, false, |task| shown(shape, task)).await
    }
    async fn pictures(self, app: App, caller: Caller, headers: &HeaderMap) -> Reply {
        let view = relay::task::view(&app, Some(headers));
        let forwarded = view.pictures.then_some(view.base.as_str());
        self.rows(app, caller, true, |task| picture(task, forwarded)).await
    }
    async fn rows(self, app: App, caller: Caller, pictures: bool, row: impl Fn(&Task) -> Value) -> Reply {
        if !self.own {
            caller.require(Role::Admin)?;
        }
        let window = self.paging.window()?;
        let filter = filter(&caller, self.shape, &self.query, self.own, pictures)?;
        let page = task::pages(&app, &caller, &filter, window).await?;
        Ok(data(self.paging.envelope(window, page.total, page.rows.iter().map(row).collect())))
    }
}

/// Everybody's tasks, for administrators.
pub async fn all(
    State(app): State<App>,
    caller: Caller,
    shape: Shape,
    paging: Query<Paging>,
    query: Query<TaskQuery>,
) -> Reply {
    Listed { shape, paging: paging.0, query: query.0, own: false }.tasks(app, caller).await
}

/// One's own tasks.
pub async fn of_self(
    State(app): State<App>,
    caller: Caller,
    shape: Shape,
    paging: Query<Paging>,
    query: Query<TaskQuery>,
) -> Reply {
    Listed { shape, paging: paging.0, query: query.0, own: true }.tasks(app, caller).await
}

/// Everybody's pictures, for administrators.
pub async fn pictures(
    State(app): State<App>,
    caller: Caller,
    shape: Shape,
    headers: HeaderMap,
    paging: Query<Paging>,
    query: Query<TaskQuery>,
) -> Reply {
    Listed { shape, paging: paging.0, query: query.0, own: false }.pictures(app, caller, &headers).await
}

/// One's own pictures.
pub async fn own_pictures(
    State(app): State<App>,
    caller: Caller,
    shape: Shape,
    headers: HeaderMap,
    paging: Query<Paging>,
    query: Query<TaskQuery>,
) -> Reply {
    Listed { shape, paging: paging.0, query: query.0, own: true }.pictures(app, caller, &headers).await
}
