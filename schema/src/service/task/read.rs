//! Finding tasks: for whoever holds a task's id, for the relay, and in lists.

use super::{NOT_FOUND, ROUND};
use crate::App;
use crate::actor::Actor;
use crate::error::Result;
use crate::model::task::{Task, TaskFilter};
use crate::page::{Counted, Page, Seek, Window};

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

/// Those of several tasks that the caller may see.
pub async fn several(app: &App, actor: &Actor, ids: &[i64]) -> Result<Vec<Task>> {
    let mut conn = app.db.conn().await?;
    let mut found = Task::by_ids(&mut conn, ids).await?;
    found.retain(|task| actor.owns_or_admin(task.user_id, "task").is_ok());
    Ok(found)
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
    Ok(TaskFilter { user_id: actor.whose(filter.user_id)?, ..filter.clone() })
}
