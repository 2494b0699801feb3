//! Tasks: pictures, music and films that a vendor makes in its own time.
//!
//! A task is handed in as any call is (admission, choice, booking), its row stands before its id is told, its
//! vendor is asked by whichever process claims it, and its client sees the row. What the four services say and
//! hear is in the [`Studio`]s; nothing else here knows their words.

mod ask;
mod fetch;
mod kling;
mod midjourney;
mod picture;
pub mod poll;
mod studio;
mod submit;
mod suno;
mod tell;
mod video;

use std::sync::Arc;

use axum::body::Body;
use futures_util::FutureExt;
use http::{Response, StatusCode};
use schema::App;
use schema::service::directory::KeyView;
use schema::service::sweep::{self, Job};

pub use self::submit::Handing;

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
        TaskAsk::Submit { action } => submit::run(app, engine, route, action, request, view).await,
        TaskAsk::Fetch { id } => fetch::one(app, route.platform, id, &request, &view).await,
        TaskAsk::FetchMany => fetch::many(app, route.platform, &request, &view).await,
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

/// The status under which a vendor's refusal of a task is shown: Midjourney proxies refuse within a 200, and
/// their clients look for the code there.
pub fn refused_with(dialect: Dialect, status: StatusCode, body: &[u8]) -> StatusCode {
    let coded = || {
        let body: Option<serde_json::Value> = serde_json::from_slice(body).ok();
        body.is_some_and(|body| body.get("code").is_some_and(serde_json::Value::is_i64))
    };
    if dialect == Dialect::Midjourney && status.is_client_error() && coded() { StatusCode::OK } else { status }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schema::model::task::{Task, TaskDoc, TaskStatus};
    use schema::{Micros, Time};

    /// A task that its vendor has taken.
    pub fn a_task(platform: &str, upstream: &str) -> Task {
        Task {
            id: 1,
            uid: "mine".into(),
            call_id: "c".into(),
            user_id: 1,
            key_id: 1,
            account_id: 1,
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
    fn midjourneys_refusals_are_heard_within_a_success() {
        let body = br#"{"code":24,"description":"x"}"#;
        assert_eq!(refused_with(Dialect::Midjourney, StatusCode::BAD_REQUEST, body), StatusCode::OK);
        assert_eq!(refused_with(Dialect::Midjourney, StatusCode::BAD_REQUEST, b"<html>"), StatusCode::BAD_REQUEST);
        assert_eq!(refused_with(Dialect::Kling, StatusCode::BAD_REQUEST, body), StatusCode::BAD_REQUEST);
    }
}
