//! Tasks: pictures, music and films that a vendor makes in its own time.
//!
//! A task is handed in as any call is (admission, choice, booking), its row stands before its id is told, its
//! vendor is asked by whichever process claims it, and its client sees the row. What the four services say and
//! hear is in the [`Studio`]s; nothing else here knows their words.

mod ask;
mod download;
mod fetch;
mod films;
mod kling;
mod midjourney;
mod openai_video;
mod picture;
pub mod poll;
mod studio;
mod submit;
mod suno;
pub mod tell;
mod video;

use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use futures_util::FutureExt;
use http::{Response, StatusCode};
use schema::App;
use schema::service::directory::KeyView;
use schema::service::sweep::{self, Job};
use serde_json::Value;

pub use self::submit::Handing;

pub use self::fetch::view;
pub use self::studio::{View, word};
pub use self::video::film;

use self::studio::Studio;
use crate::call::Request;
use crate::call::engine::Engine;
use crate::ingress::task_route::{Platform, TaskAsk, TaskRoute};
use crate::provider::Dialect;

/// What asks vendors and tells clients, periodically, in every process that sweeps.
const JOBS: &[Job] = &[
    sweep::job("tasks.poll", 1, |app| async move { poll::round(&app).await }.boxed()),
    sweep::job("tasks.tell", 1, |app| async move { tell::round(&app).await }.boxed()),
];

/// Starts asking vendors after their tasks; ends when the process stops.
pub fn start(app: &App) {
    sweep::start_jobs(app, JOBS);
}

/// The words of a service.
fn studio(platform: Platform) -> &'static dyn Studio {
    match platform {
        Platform::Midjourney => &midjourney::Midjourney,
        Platform::Suno => &suno::Suno,
        Platform::Kling => &kling::Kling,
        Platform::Video => &video::Video,
        Platform::OpenaiVideo => &openai_video::OpenaiVideo,
    }
}

/// Answers a call of a key's holder about tasks.
pub async fn answer(
    app: &App,
    engine: &Arc<Engine>,
    route: &TaskRoute<'_>,
    request: Request,
    view: Arc<KeyView>,
) -> Response<Body> {
    match route.ask {
        TaskAsk::Submit { action } => submit::run(app, engine, route, action, None, request, view).await,
        TaskAsk::Follow { id, action } => submit::run(app, engine, route, action, Some(id), request, view).await,
        TaskAsk::Fetch { id } => fetch::one(app, route.platform, id, &request, &view).await,
        TaskAsk::FetchMany => fetch::many(app, route.platform, &request, &view).await,
        TaskAsk::List => films::list(app, &request, &view).await,
        TaskAsk::Content { id } => films::content(app, engine, id, &request, &view).await,
        TaskAsk::Remove { id } => films::remove(app, id, &request, &view).await,
        TaskAsk::Seed { id } => fetch::seed(app, engine, id, &request, &view).await,
        TaskAsk::Image { id } => picture::answer(app, engine, id, request.ear).await,
        TaskAsk::Notify => poll::told(app, &request).await,
    }
}

/// Whether a call is answered without a key: what proves itself otherwise, and pictures, whose unguessable
/// addresses are all that a browser has.
pub const fn is_open(ask: TaskAsk<'_>) -> bool {
    matches!(ask, TaskAsk::Image { .. } | TaskAsk::Notify)
}

/// Answers a call that needs no key.
pub async fn open(app: &App, engine: &Arc<Engine>, route: &TaskRoute<'_>, request: Request) -> Response<Body> {
    match route.ask {
        TaskAsk::Image { id } => picture::answer(app, engine, id, request.ear).await,
        _ => poll::told(app, &request).await,
    }
}

/// A vendor's refusal of a task as its client is shown it: Midjourney proxies refuse within a 200, and their
/// clients look for the code there; the documented envelope stands beside the vendor's own fields.
pub fn refused(dialect: Dialect, status: StatusCode, body: Bytes) -> (StatusCode, Bytes) {
    let Ok(Value::Object(mut fields)) = serde_json::from_slice(&body) else { return (status, body) };
    let within =
        dialect == Dialect::Midjourney && status.is_client_error() && fields.get("code").is_some_and(Value::is_i64);
    let said = ["message", "description"].into_iter().find_map(|name| fields.get(name)?.as_str().map(str::to_owned));
    fields.entry("success").or_insert(false.into());
    fields.entry("message").or_insert(said.unwrap_or_default().into());
    (if within { StatusCode::OK } else { status }, Value::Object(fields).to_string().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use schema::model::task::{Task, TaskDoc, TaskStatus};
    use schema::{Micros, Time};
    use serde_json::json;

    /// A task that its vendor has taken.
    pub fn a_task(platform: &str, upstream: &str) -> Task {
        Task {
            id: 1,
            uid: "mine".into(),
            call_id: "c".into(),
            user_id: 1,
            key_id: 1,
            account_id: 1,
            account_key: String::new(),
            platform: platform.into(),
            action: "x".into(),
            model: "m".into(),
            upstream_id: Some(upstream.into()),
            status: TaskStatus::Submitted,
            progress: 0,
            request: TaskDoc::default(),
            result: TaskDoc::default(),
            fail_reason: String::new(),
            cost: Micros(1),
            from_wallet: true,
            refunded_at: None,
            notify_url: None,
            submitted_at: None,
            started_at: None,
            finished_at: None,
            next_poll_at: Time(0),
            polls: 0,
            notify_at: None,
            notify_tries: 0,
            created_at: Time(0),
            updated_at: Time(0),
            version: 1,
        }
    }

    #[test]
    fn refusals_keep_the_vendors_words() {
        let body = Bytes::from_static(br#"{"code":24,"description":"x","result":null}"#);
        let (status, shown) = refused(Dialect::Midjourney, StatusCode::BAD_REQUEST, body.clone());
        let shown: Value = serde_json::from_slice(&shown).unwrap();
        assert_eq!(status, StatusCode::OK);
        let wanted = json!({"code": 24, "description": "x", "result": null, "success": false, "message": "x"});
        assert_eq!(shown, wanted);
        assert_eq!(refused(Dialect::Kling, StatusCode::BAD_REQUEST, body).0, StatusCode::BAD_REQUEST);
        let page = Bytes::from_static(b"<html>");
        let wanted = (StatusCode::BAD_REQUEST, page.clone());
        assert_eq!(refused(Dialect::Midjourney, StatusCode::BAD_REQUEST, page), wanted);
    }
}
