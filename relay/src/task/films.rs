//! OpenAI's videos once they have been handed in: the list of them, the films themselves, and their removal.

use axum::body::Body;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use schema::App;
use schema::actor::Actor;
use schema::model::task::{Task, TaskFilter, TaskStatus};
use schema::page::{Cursor, CursorKey, Seek};
use schema::service::directory::KeyView;
use schema::service::task;
use serde_json::{Value, json};

use super::download::{self, Wanted};
use super::openai_video::object;
use super::studio::bad;
use super::submit::own;
use super::video;
use crate::call::Request;
use crate::call::engine::Engine;
use crate::convert::Fault;
use crate::convert::fault::Kind;
use crate::ingress::refuse::plain;
use crate::ingress::task_route::Platform;
use crate::wire::percent;

const PLATFORM: Platform = Platform::OpenaiVideo;
/// The largest film.
const SIZE: usize = 4 << 30;
/// How many are listed where the client does not say, and at most.
const LISTED: (i64, i64) = (20, 100);

/// The caller's films.
pub async fn list(app: &App, request: &Request, key: &KeyView) -> Response<Body> {
    match listed(app, request, key).await {
        Ok(list) => plain(StatusCode::OK, list.to_string().into_bytes()),
        Err(fault) => request.ear.refuse(&fault, None),
    }
}

async fn listed(app: &App, request: &Request, key: &KeyView) -> Result<Value, Fault> {
    let told = |name: &str| percent::query_value(&request.query, name).filter(|text| !text.is_empty());
    let take = match told("limit") {
        Some(text) => text
            .parse()
            .ok()
            .filter(|limit| (1..=LISTED.1).contains(limit))
            .ok_or_else(|| bad(format!("The field 'limit' must be a number from 1 to {}.", LISTED.1), "limit"))?,
        None => LISTED.0,
    };
    let oldest_first = match told("order").as_deref() {
        None | Some("desc") => false,
        Some("asc") => true,
        Some(_) => return Err(bad("The field 'order' must be 'asc' or 'desc'.", "order")),
    };
    let after = match told("after") {
        Some(id) => {
            let task = own(app, key, PLATFORM, &id).await?;
            Some(Cursor { key: CursorKey::Number(task.id), id: task.id })
        }
        None => None,
    };
    let filter = TaskFilter {
        user_id: Some(key.owner.id),
        platform: Some(PLATFORM.as_str().to_owned()),
        ..TaskFilter::default()
    };
    let seek = Seek { take, after, backward: oldest_first };
    let page = task::list(app, &Actor::system(), &filter, &seek).await.map_err(|error| {
        tracing::error!(cause = error.cause(), "tasks could not be listed");
        Fault::new(Kind::Unavailable, "Tasks cannot be looked up right now.")
    })?;
    let more = if oldest_first { page.has_previous } else { page.has_next };
    let mut tasks = page.rows;
    if oldest_first {
        tasks.reverse();
    }
    let films: Vec<Value> = tasks.iter().filter(|task| !task.is_forgotten()).map(object).collect();
    let id = |film: Option<&Value>| film.and_then(|film| film.get("id")).cloned();
    Ok(json!({
        "object": "list", "first_id": id(films.first()), "last_id": id(films.last()), "has_more": more, "data": films,
    }))
}

/// A film.
pub async fn content(app: &App, engine: &Engine, id: &str, request: &Request, key: &KeyView) -> Response<Body> {
    match film(app, engine, id, request, key).await {
        Ok(response) => response,
        Err(fault) => request.ear.refuse(&fault, None),
    }
}

async fn film(app: &App, engine: &Engine, id: &str, request: &Request, key: &KeyView) -> Result<Response<Body>, Fault> {
    let task = own(app, key, PLATFORM, id).await?;
    let variant = percent::query_value(&request.query, "variant");
    if variant.is_some_and(|variant| variant != "video") {
        return Err(bad("The vendor of this film has no other form of it.", "variant"));
    }
    let url = finished(&task)?;
    let range = request.headers.get(header::RANGE);
    let wanted = Wanted { url, what: "film", most: SIZE, fits: is_film, range };
    let mut response = download::fetch(app, engine, &task, wanted).await?;
    let headers = response.headers_mut();
    let said = headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"video/"));
    if !said {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("video/mp4"));
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=3600"));
    Ok(response)
}

/// Where a film is that has been made.
fn finished(task: &Task) -> Result<&str, Fault> {
    if task.status != TaskStatus::Succeeded {
        let text = format!("The video '{}' is not ready.", task.uid);
        return Err(Fault { status: Some(409), ..Fault::new(Kind::Conflict, text).with_code("video_not_ready") });
    }
    video::film(&task.result.0)
        .ok_or_else(|| Fault::new(Kind::NotFound, "The vendor told of no film.").with_code("video_without_content"))
}

/// Whether it may be a film: what a browser would show or run is none.
fn is_film(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let word = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    word.starts_with("video/") || matches!(word.as_str(), "application/octet-stream" | "binary/octet-stream" | "")
}

/// Removes one that has ended, as far as its client is concerned.
pub async fn remove(app: &App, id: &str, request: &Request, key: &KeyView) -> Response<Body> {
    match removed(app, id, key).await {
        Ok(told) => plain(StatusCode::OK, told.to_string().into_bytes()),
        Err(fault) => request.ear.refuse(&fault, None),
    }
}

async fn removed(app: &App, id: &str, key: &KeyView) -> Result<Value, Fault> {
    let task = own(app, key, PLATFORM, id).await?;
    let open = || {
        let text = format!("The video '{}' is still being made.", task.uid);
        Fault::new(Kind::Conflict, text).with_code("video_not_ready")
    };
    if !task.status.is_final() {
        return Err(open());
    }
    match task::forget(app, &task).await {
        Ok(true) => Ok(json!({"id": task.uid, "object": "video.deleted", "deleted": true})),
        Ok(false) => Err(open()),
        Err(error) => {
            tracing::error!(cause = error.cause(), "a task could not be removed");
            Err(Fault::new(Kind::Unavailable, "Tasks cannot be changed right now."))
        }
    }
}
