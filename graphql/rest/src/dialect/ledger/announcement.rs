//! Announcements: their life for administrators, the board for everybody.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use schema::model::announcement::{Announcement, AnnouncementFilter, AnnouncementKind, AnnouncementStatus};
use schema::model::user::UserFilter;
use schema::service::announcement::{self, Change, Draft};
use schema::service::user as people;
use schema::{App, Error, Role, Time};
use serde::Deserialize;
use serde_json::{Value, json};

use super::page::{Paging, pagination, word};
use super::{Body, Caller, Path, Query, Reply, data, message};

fn upper(word: &str) -> String {
    word.to_ascii_uppercase()
}

#[derive(Deserialize)]
pub struct ListQuery {
    status: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    search: Option<String>,
}

pub async fn list(State(app): State<App>, caller: Caller, paging: Query<Paging>, query: Query<ListQuery>) -> Reply {
    caller.require(Role::Admin)?;
    let query = query.0;
    let filter = AnnouncementFilter {
        status: word("status", query.status.as_deref(), AnnouncementStatus::parse)?,
        kind: word("type", query.kind.as_deref(), AnnouncementKind::parse)?,
        search: query.search.filter(|s| !s.is_empty()),
        ..AnnouncementFilter::default()
    };
    let window = paging.0.window(20, 100)?;
    let page = announcement::pages(&app, &caller, &filter, window).await?;
    let ids: Vec<i64> = page.rows.iter().map(|a| a.id).collect();
    let reads: HashMap<i64, i64> = announcement::read_counts(&app, &caller, &ids).await?;
    let people = people::count(&app, &caller, &UserFilter::default()).await?;
    let rows: Vec<Value> = page
        .rows
        .iter()
        .map(|a| {
            json!({
                "id": a.uid,
                "title": a.title,
                "summary": a.summary,
                "type": upper(a.kind.as_str()),
                "status": upper(a.status.as_str()),
                "priority": a.priority,
                "publishedAt": a.published_at.map(Time::rfc3339),
                "expiresAt": a.expires_at.map(Time::rfc3339),
                "readCount": reads.get(&a.id).copied().unwrap_or(0),
                "totalUsers": people,
            })
        })
        .collect();
    Ok(data(json!({ "announcements": rows, "pagination": pagination(window, page.total) })))
}

fn shown(a: &Announcement) -> Value {
    json!({
        "id": a.uid,
        "title": a.title,
        "content": a.content,
        "summary": a.summary,
        "type": upper(a.kind.as_str()),
        "status": upper(a.status.as_str()),
        "priority": a.priority,
        "publishedAt": a.published_at.map(Time::rfc3339),
        "expiresAt": a.expires_at.map(Time::rfc3339),
        "createdAt": a.created_at.rfc3339(),
        "updatedAt": a.updated_at.rfc3339(),
    })
}

async fn found(app: &App, caller: &Caller, uid: &str) -> Result<Announcement, Error> {
    caller.require(Role::Admin)?;
    announcement::get_by_uid(app, caller, uid).await
}

pub async fn get(State(app): State<App>, caller: Caller, id: Path<String>) -> Reply {
    let a = found(&app, &caller, &id.0).await?;
    let stats = announcement::stats(&app, &caller, a.id).await?;
    let mut whole = shown(&a);
    whole["stats"] = json!({ "readCount": stats.reads, "totalUsers": stats.people, "readRate": stats.rate() });
    Ok(data(json!({ "announcement": whole })))
}

/// Keeps "absent" and "null" apart.
fn present<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(input: D) -> Result<Option<T>, D::Error> {
    T::deserialize(input).map(Some)
}

#[derive(Deserialize)]
pub struct Form {
    title: Option<String>,
    content: Option<String>,
    summary: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    priority: Option<i64>,
    #[serde(default, rename = "expiresAt", deserialize_with = "present")]
    expires_at: Option<Option<String>>,
}

impl Form {
    fn kind(&self) -> Result<Option<AnnouncementKind>, Error> {
        word("type", self.kind.as_deref(), AnnouncementKind::parse)
    }
    fn end(&self) -> Result<Option<Option<Time>>, Error> {
        let parse =
            |text: &String| Time::parse(text).ok_or_else(|| Error::invalid("expiresAt", "expiresAt must be a date"));
        let end = self.expires_at.as_ref().map(|e| e.as_ref().filter(|t| !t.is_empty()));
        end.map(|e| e.map(parse).transpose()).transpose()
    }
}

pub async fn create(State(app): State<App>, caller: Caller, form: Body<Form>) -> Reply {
    let form = form.0;
    let draft = Draft {
        kind: form.kind()?.unwrap_or(AnnouncementKind::General),
        expires_at: form.end()?.flatten(),
        title: form.title.unwrap_or_default(),
        content: form.content.unwrap_or_default(),
        summary: form.summary.unwrap_or_default(),
        priority: form.priority.unwrap_or(0),
    };
    let made = announcement::create(&app, &caller, draft).await?;
    Ok(data(json!({ "announcement": shown(&made) })))
}

pub async fn change(State(app): State<App>, caller: Caller, id: Path<String>, form: Body<Form>) -> Reply {
    let form = form.0;
    let a = found(&app, &caller, &id.0).await?;
    let change = Change {
        kind: form.kind()?,
        expires_at: form.end()?,
        title: form.title,
        content: form.content,
        summary: form.summary,
        priority: form.priority,
        expected_version: None,
    };
    let after = announcement::change(&app, &caller, a.id, change).await?;
    Ok(data(json!({ "announcement": shown(&after) })))
}

pub async fn publish(State(app): State<App>, caller: Caller, id: Path<String>) -> Reply {
    let a = found(&app, &caller, &id.0).await?;
    let after = announcement::publish(&app, &caller, a.id).await?;
    let at = after.published_at.unwrap_or(after.updated_at).rfc3339();
    let body = json!({ "success": true, "message": "公告发布成功", "data": { "publishedAt": at } });
    Ok(Json(body).into_response())
}

pub async fn unpublish(State(app): State<App>, caller: Caller, id: Path<String>) -> Reply {
    let a = found(&app, &caller, &id.0).await?;
    announcement::unpublish(&app, &caller, a.id).await?;
    Ok(message("公告撤回成功"))
}

pub async fn delete(State(app): State<App>, caller: Caller, id: Path<String>) -> Reply {
    let a = found(&app, &caller, &id.0).await?;
    announcement::delete(&app, &caller, a.id).await?;
    Ok(message("公告删除成功"))
}

pub async fn stats(State(app): State<App>, caller: Caller, id: Path<String>) -> Reply {
    let a = found(&app, &caller, &id.0).await?;
    let stats = announcement::stats(&app, &caller, a.id).await?;
    let trend: Vec<Value> = stats.trend.iter().map(|(date, count)| json!({ "date": date, "count": count })).collect();
    Ok(data(json!({
        "readCount": stats.reads,
        "totalUsers": stats.people,
        "readRate": stats.rate(),
        "readTrend": trend,
    })))
}

#[derive(Deserialize)]
pub struct BoardQuery {
    #[serde(rename = "unreadOnly")]
    unread_only: Option<String>,
}

/// What the signed-in person has before them.
pub async fn board(State(app): State<App>, caller: Caller, paging: Query<Paging>, query: Query<BoardQuery>) -> Reply {
    let unread = match query.0.unread_only.as_deref() {
        None | Some("" | "false" | "0") => false,
        Some("true" | "1") => true,
        Some(_) => return Err(Error::invalid("unreadOnly", "unreadOnly must be true or false").into()),
    };
    let board = announcement::board(&app, &caller, unread, paging.0.window(20, 100)?).await?;
    let rows: Vec<Value> = board
        .page
        .rows
        .iter()
        .map(|seen| {
            let a = &seen.announcement;
            json!({
                "id": a.uid,
                "title": a.title,
                "summary": a.summary,
                "content": a.content,
                "type": upper(a.kind.as_str()),
                "priority": a.priority,
                "publishedAt": a.published_at.map(Time::rfc3339),
                "isRead": seen.is_read,
            })
        })
        .collect();
    Ok(data(json!({ "announcements": rows, "unreadCount": board.unread })))
}

pub async fn read(State(app): State<App>, caller: Caller, id: Path<String>) -> Reply {
    announcement::mark_read(&app, &caller, &id.0).await?;
    Ok(message("已标记为已读"))
}

#[derive(Deserialize)]
pub struct ReadBatch {
    #[serde(rename = "announcementIds")]
    ids: Vec<String>,
}

pub async fn read_batch(State(app): State<App>, caller: Caller, form: Body<ReadBatch>) -> Reply {
    announcement::mark_many_read(&app, &caller, &form.0.ids).await?;
    Ok(message("批量标记已读成功"))
}
