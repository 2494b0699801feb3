//! How tasks stand, for the people whose they are.

use axum::body::Body;
use http::{HeaderMap, Method, Response, StatusCode, header};
use schema::App;
use schema::service::directory::KeyView;
use schema::service::task;
use serde_json::Value;

use super::ask::{account, ask};
use super::midjourney;
use super::studio::{Question, View, bad};
use super::submit::own;
use crate::call::Request;
use crate::call::engine::Engine;
use crate::convert::Fault;
use crate::convert::fault::Kind;
use crate::ingress::refuse::plain;
use crate::ingress::task_route::Platform;

/// How many tasks may be asked after at once.
const MOST: usize = 200;

/// What of this installation clients are shown.
pub fn view(app: &App, headers: Option<&HeaderMap>) -> View {
    let host = headers.and_then(|headers| headers.get(header::HOST)?.to_str().ok());
    let base = match (&app.config.public_url, host) {
        (Some(url), _) => url.clone(),
        (None, Some(host)) => format!("http://{host}"),
        (None, None) => app.config.public_url(),
    };
    let settings = schema::service::setting::current(app);
    View { base, pictures: settings.bool(schema::service::setting::names::FORWARD_PICTURES) }
}

fn shown(value: &Value) -> Response<Body> {
    plain(StatusCode::OK, value.to_string().into_bytes())
}

/// One task.
pub async fn one(app: &App, platform: Platform, id: &str, request: &Request, key: &KeyView) -> Response<Body> {
    match own(app, key, platform, id).await {
        Ok(task) => shown(&super::studio(platform).shown(&task, &view(app, Some(&request.headers)))),
        Err(fault) => request.ear.refuse(&fault, None),
    }
}

/// Several tasks, in the order of the ids asked for; those that are not the caller's are left out.
pub async fn many(app: &App, platform: Platform, request: &Request, key: &KeyView) -> Response<Body> {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let Some(ids) = body.get("ids").and_then(Value::as_array) else {
        return request.ear.refuse(&bad("The field 'ids' must be a list of tasks' ids.", "ids"), None);
    };
    if ids.len() > MOST {
        return request.ear.refuse(&bad(format!("At most {MOST} tasks can be asked after at once."), "ids"), None);
    }
    let ids: Vec<String> = ids
        .iter()
        .filter_map(|id| id.as_str().map(str::to_owned).or_else(|| id.as_number().map(ToString::to_string)))
        .collect();
    match task::many_of_user(app, key.owner.id, platform.as_str(), ids.clone()).await {
        Ok(mut tasks) => {
            tasks.sort_by_key(|task| ids.iter().position(|id| *id == task.uid));
            shown(&super::studio(platform).listed(&tasks, &view(app, Some(&request.headers))))
        }
        Err(error) => {
            tracing::error!(cause = error.cause(), "tasks could not be read");
            request.ear.refuse(&Fault::new(Kind::Unavailable, "Tasks cannot be looked up right now."), Some(5))
        }
    }
}

/// The seed of a Midjourney picture, which its vendor is asked for.
pub async fn seed(app: &App, engine: &Engine, id: &str, request: &Request, key: &KeyView) -> Response<Body> {
    match sought(app, engine, id, key).await {
        Ok(found) => shown(&found),
        Err(fault) => request.ear.refuse(&fault, None),
    }
}

async fn sought(app: &App, engine: &Engine, id: &str, key: &KeyView) -> Result<Value, Fault> {
    let platform = Platform::Midjourney;
    let task = own(app, key, platform, id).await?;
    let gone = || Fault::new(Kind::Unavailable, "The account that made this picture cannot be asked right now.");
    let upstream = super::studio::upstream_of(Some(&task))?;
    let account = account(app, engine, task.account_id).ok_or_else(gone)?;
    let path = format!("/mj/task/{upstream}/image-seed");
    let question = Question { method: Method::GET, path, body: None };
    let key = account.key_named(&task.account_key).unwrap_or(0);
    let answer = ask(app, engine, &account, key, platform, &question).await;
    let (_, answer) = answer.map_err(|why| {
        tracing::warn!(account = task.account_id, why, "a seed could not be asked for");
        gone()
    })?;
    midjourney::seed(&answer).ok_or_else(|| {
        let said = answer.get("description").and_then(Value::as_str).unwrap_or("The vendor gave no seed.");
        let hidden = account.upstream(key, None).hidden("").scrub_text(said);
        Fault::new(Kind::InvalidRequest, hidden.unwrap_or_else(|| said.to_owned())).with_code("no_seed")
    })
}
