//! Really asking accounts' vendors whether they work.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{self, HeaderMap};
use http::request::Parts;
use relay::connect::{self, Found};
use schema::clock::HOUR;
use schema::model::account::{Account, AccountFilter};
use schema::service::token;
use schema::{Actor, App, Error};
use serde_json::{Value, json};

use super::super::form::{Form, Told, told};
use super::super::{Admin, Body, Path, Reply, data, flat};
use super::{AZURE, BEDROCK, FAMILIES, RESPONSES, all, found, of_kind};
use crate::dialect::bearer;

/// What a healthy account's vendor is said to have answered.
fn sentence(found: &Found) -> Option<String> {
    match found.models {
        _ if !found.healthy => None,
        Some(n) => Some(format!("The vendor answers and lists {n} models ({} ms).", found.took_ms)),
        None => Some(format!("The vendor answers ({} ms).", found.took_ms)),
    }
}

fn shown(account: &Account, found: &Found) -> Value {
    let message = if found.healthy { "Account is healthy" } else { found.message.as_str() };
    json!({
        "id": account.uid, "accountId": account.uid, "name": account.name,
        "platform": of_kind(account.kind).platform,
        "status": if found.healthy { "healthy" } else { "error" }, "healthy": found.healthy, "message": message,
        "httpStatus": found.status, "latency": found.took_ms, "models": found.models,
        "responseText": sentence(found),
    })
}

/// Really asks, and notes in the account's history how that ended.
pub async fn asked(app: &App, actor: &Actor, account: &Account, form: &Form) -> Result<Found, Error> {
    let model = form.text("model")?.or_else(|| account.options.test_model.clone());
    let found = connect::test(app, actor, account.id, model.as_deref()).await?;
    super::checks::remember(app, account, &found, model.as_deref()).await?;
    Ok(found)
}

/// Whether a test of this family is answered as events: where they are asked for, and, as the console's page reads
/// nothing else of these accounts, where a page asks for whatever there is.
///
/// Browsers tell the origin of every page that posts; other programs do not, and those read JSON.
fn wants_events(family: usize, headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or("*/*");
    let from_page = headers.contains_key(header::ORIGIN);
    accepted.contains("text/event-stream") || (family == BEDROCK && from_page && accepted.trim() == "*/*")
}

/// One account asked; the answer as JSON or as events.
pub async fn test<const F: usize>(
    State(app): State<App>,
    admin: Admin,
    uid: Path<String>,
    headers: HeaderMap,
    form: Body<Told<told::Trial>>,
) -> Reply {
    let account = found::<F>(&app, &admin, &uid.0).await?;
    let found = asked(&app, &admin, &account, &form.0).await?;
    if wants_events(F, &headers) {
        return Ok(events(&found));
    }
    Ok(axum::Json(json!({ "success": found.healthy, "data": shown(&account, &found), "message": found.message }))
        .into_response())
}

/// As [`test`], always as events.
pub async fn test_events<const F: usize>(
    State(app): State<App>,
    admin: Admin,
    uid: Path<String>,
    form: Body<Told<told::Trial>>,
) -> Reply {
    let account = found::<F>(&app, &admin, &uid.0).await?;
    Ok(events(&asked(&app, &admin, &account, &form.0).await?))
}

/// The events of a finished test.
fn events(found: &Found) -> Response {
    let end = if found.healthy {
        json!({ "type": "test_complete", "success": true })
    } else {
        json!({ "type": "test_complete", "success": false, "error": found.message })
    };
    let mut all = vec![json!({ "type": "test_start" })];
    if let Some(text) = sentence(found) {
        all.push(json!({ "type": "content", "text": text }));
        all.push(json!({ "type": "message_stop" }));
    }
    all.push(end);
    stream(&all)
}

/// Events in one body.
pub fn stream(events: &[Value]) -> Response {
    let body: String = events.iter().map(|e| format!("data: {e}\n\n")).collect();
    ([(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-cache")], body).into_response()
}

pub async fn check(State(app): State<App>, admin: Admin, uid: Path<String>) -> Reply {
    let account = found::<AZURE>(&app, &admin, &uid.0).await?;
    let found = asked(&app, &admin, &account, &Form::default()).await?;
    Ok(data(shown(&account, &found)))
}

/// How many accounts are asked at the same time.
const TOGETHER: usize = 8;

pub async fn check_all(State(app): State<App>, admin: Admin) -> Reply {
    use futures_util::StreamExt;
    let filter = AccountFilter { kinds: vec![FAMILIES[AZURE].kind], ..AccountFilter::default() };
    let accounts = all(&app, &admin, filter).await?;
    let asking = accounts.into_iter().map(|account| {
        let (app, actor) = (app.clone(), Actor::clone(&admin));
        async move {
            let found = asked(&app, &actor, &account, &Form::default()).await?;
            Ok(shown(&account, &found))
        }
    });
    let rows: Vec<Result<Value, Error>> = futures_util::stream::iter(asking).buffered(TOGETHER).collect().await;
    Ok(data(rows.into_iter().collect::<Result<Vec<_>, _>>()?))
}

/// A token for one account's health check: an hour long, for a monitor that shall see nothing else.
pub async fn token(State(app): State<App>, admin: Admin, uid: Path<String>) -> Reply {
    let account = found::<RESPONSES>(&app, &admin, &uid.0).await?;
    let issued = token::issue_probe(&app, &admin, &account.uid, HOUR)?;
    let path = format!("/admin/openai-responses-accounts/{}/health", account.uid);
    let answer = json!({
        "token": issued.token, "tokenType": "Bearer", "expiresIn": HOUR / 1_000,
        "expiresAt": issued.expires_at.rfc3339(), "scope": "account-health", "url": path,
    });
    Ok(flat(json!({ "data": answer, "token": answer["token"] })))
}

/// The health check such a token opens; administrators' tokens do not, they have the other checks.
pub async fn watched(State(app): State<App>, uid: Path<String>, parts: Parts) -> Reply {
    let text = bearer(&parts).ok_or_else(|| Error::unauthenticated("Missing health check token"))?;
    if token::read_probe(&app, text)? != uid.0 {
        return Err(Error::forbidden("this token opens the health check of another account").into());
    }
    let actor = Actor::system();
    let account = found::<RESPONSES>(&app, &actor, &uid.0).await?;
    let found = asked(&app, &actor, &account, &Form::default()).await?;
    Ok(data(shown(&account, &found)))
}

pub async fn migrate_azure(State(app): State<App>, admin: Admin) -> Reply {
    // Every key has room for a binding to an Azure account from the start, so there is nothing to add to any.
    let keys = schema::service::api_key::count(&app, &admin, &schema::model::api_key::KeyFilter::default()).await?;
    let text = format!("Successfully migrated {keys} API keys to support Azure OpenAI");
    Ok(flat(json!({ "message": text, "data": { "migratedCount": keys } })))
}
