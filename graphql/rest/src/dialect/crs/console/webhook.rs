//! Setting up who is told of what, and trying it out.

use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use schema::{Act, Actor, App, Error};
use serde_json::{Value, json};

use super::super::form::{Form, Told, told};
use super::super::{Admin, Body, Path, Reply, flat, message};
use crate::webhook::deliver::{self, once};
use crate::webhook::{self, Hooks, NOTICES, Notice, Platform};

/// Where notices go and which are sent is a matter of settings.
fn may(actor: &Actor) -> Result<(), Error> {
    actor.may(Act::Configure)
}

fn shown(hooks: &Hooks) -> Result<Value, Error> {
    let platforms: Vec<Platform> = hooks.platforms.iter().map(Platform::shown).collect();
    let types: serde_json::Map<String, Value> = NOTICES
        .iter()
        .map(|kind| ((*kind).to_owned(), hooks.notification_types.get(*kind).copied().unwrap_or(true).into()))
        .collect();
    let hooks = Hooks { platforms, ..hooks.clone() };
    let mut shown = serde_json::to_value(&hooks).map_err(Error::internal)?;
    shown["notificationTypes"] = types.into();
    Ok(shown)
}

fn fits<T: serde::de::DeserializeOwned>(field: &str, value: Value) -> Result<T, Error> {
    serde_json::from_value(value).map_err(|e| Error::invalid(field, format!("{field} does not fit: {e}")))
}

/// A platform as a form gives it, over what it was.
fn platform(form: Form, before: Option<&Platform>) -> Result<Platform, Error> {
    let mut fields = match before {
        Some(before) => serde_json::to_value(before.shown()).map_err(Error::internal)?,
        None => json!({ "enabled": true }),
    };
    if let Some(all) = fields.as_object_mut() {
        all.extend(form.0.into_iter().filter(|(_, value)| !value.is_null()));
        all.remove("timeout");
    }
    let given: Platform = fits("platform", fields)?;
    let mut platform = given.uncovered(before);
    if let Some(before) = before {
        platform.id.clone_from(&before.id);
    } else if platform.id.is_empty() {
        platform.id = schema::id::uuid();
    }
    platform.check()?;
    Ok(platform)
}

pub async fn config(State(app): State<App>, admin: Admin) -> Reply {
    may(&admin)?;
    Ok(flat(json!({ "config": shown(&webhook::read(&app))? })))
}

pub async fn put_config(State(app): State<App>, admin: Admin, form: Body<Told<told::Webhook>>) -> Reply {
    may(&admin)?;
    let form = form.0;
    let before = webhook::read(&app);
    let mut hooks = before.clone();
    if let Some(on) = form.switch("enabled")? {
        hooks.enabled = on;
    }
    if let Some(given) = form.given("platforms") {
        let given: Vec<Form> = fits("platforms", given.clone())?;
        let mut platforms = Vec::with_capacity(given.len());
        for one in given {
            let id = one.text("id")?.unwrap_or_default();
            platforms.push(platform(one, before.platforms.iter().find(|p| p.id == id && !id.is_empty()))?);
        }
        hooks.platforms = platforms;
    }
    if let Some(types) = form.given("notificationTypes") {
        hooks.notification_types = fits("notificationTypes", types.clone())?;
    }
    if let Some(retries) = form.given("retrySettings") {
        hooks.retry_settings = fits("retrySettings", retries.clone())?;
    }
    let kept = webhook::write(&app, &admin, hooks).await?;
    Ok(flat(json!({ "message": "Webhook配置已保存", "config": shown(&kept)? })))
}

pub async fn add(State(app): State<App>, admin: Admin, form: Body<Form>) -> Reply {
    may(&admin)?;
    let mut hooks = webhook::read(&app);
    let new = platform(form.0, None)?;
    if hooks.platforms.iter().any(|p| p.id == new.id) {
        return Err(Error::invalid("id", "there is a platform of this id already").into());
    }
    let answer = new.shown();
    hooks.platforms.push(new);
    webhook::write(&app, &admin, hooks).await?;
    Ok(flat(json!({ "message": "Webhook平台已添加", "platform": answer })))
}

fn found<'a>(hooks: &'a mut Hooks, id: &str) -> Result<&'a mut Platform, Error> {
    hooks.platforms.iter_mut().find(|p| p.id == id).ok_or(Error::NotFound { what: "Webhook platform" })
}

pub async fn change(State(app): State<App>, admin: Admin, id: Path<String>, form: Body<Form>) -> Reply {
    may(&admin)?;
    let mut hooks = webhook::read(&app);
    let place = found(&mut hooks, &id.0)?;
    *place = platform(form.0, Some(place))?;
    let answer = place.shown();
    webhook::write(&app, &admin, hooks).await?;
    Ok(flat(json!({ "message": "Webhook平台已更新", "platform": answer })))
}

pub async fn remove(State(app): State<App>, admin: Admin, id: Path<String>) -> Reply {
    may(&admin)?;
    let mut hooks = webhook::read(&app);
    found(&mut hooks, &id.0)?;
    hooks.platforms.retain(|p| p.id != id.0);
    webhook::write(&app, &admin, hooks).await?;
    Ok(message("Webhook平台已删除"))
}

pub async fn toggle(State(app): State<App>, admin: Admin, id: Path<String>) -> Reply {
    may(&admin)?;
    let mut hooks = webhook::read(&app);
    let place = found(&mut hooks, &id.0)?;
    place.enabled = !place.enabled;
    let (on, answer) = (place.enabled, place.shown());
    webhook::write(&app, &admin, hooks).await?;
    let text = if on { "Webhook平台已启用" } else { "Webhook平台已禁用" };
    Ok(flat(json!({ "message": text, "platform": answer })))
}

fn notice(app: &App, admin: &Actor, kind: &'static str, text: &str) -> Notice {
    Notice {
        kind,
        title: "Tollgate: test notification".to_owned(),
        facts: vec![("message", text.to_owned()), ("sent by", admin.name.clone())],
        at: app.clock.now(),
    }
}

fn told(status: StatusCode, success: bool, text: &str, more: Value) -> Response {
    (status, axum::Json(json!({ "success": success, "message": text, "error": more["error"], "data": more })))
        .into_response()
}

/// Really sends one test message to what the form describes, or to a platform that is set up already.
pub async fn test(State(app): State<App>, admin: Admin, form: Body<Form>) -> Reply {
    may(&admin)?;
    let hooks = webhook::read(&app);
    let id = form.0.text("id")?.unwrap_or_default();
    let mut given = form.0;
    // Forms leave the type out for a server of one's own.
    given.0.entry("type").or_insert_with(|| "custom".into());
    let to = platform(given, hooks.platforms.iter().find(|p| p.id == id && !id.is_empty()))?;
    let limit = Duration::from_millis(hooks.retry_settings.timeout);
    let at = to.shown().url;
    match once(&app, &to, &notice(&app, &admin, "test", "This is a test."), limit).await {
        Ok(()) => Ok(told(StatusCode::OK, true, "Webhook测试成功", json!({ "url": at, "type": to.kind }))),
        Err(failure) => {
            let more = json!({ "url": at, "type": to.kind, "error": failure.why });
            Ok(told(StatusCode::BAD_REQUEST, false, "Webhook测试失败", more))
        }
    }
}

/// Sends a test notice of a kind to every platform that is switched on.
pub async fn test_notification(State(app): State<App>, admin: Admin, form: Body<Form>) -> Reply {
    may(&admin)?;
    let hooks = webhook::read(&app);
    let kind = form.0.text("type")?.unwrap_or_else(|| "test".into());
    let kind = NOTICES.iter().find(|k| **k == kind).ok_or_else(|| Error::invalid("type", "there is no such notice"))?;
    let text = form.0.text("message")?.unwrap_or_else(|| "This is a test.".into());
    let outcome = deliver::everywhere(&app, &hooks, &notice(&app, &admin, kind, &text)).await;
    let failed: Vec<Value> =
        outcome.failed.iter().map(|(name, why)| json!({ "platform": name, "error": why })).collect();
    let more = json!({ "succeeded": outcome.delivered, "failed": failed.len(), "failures": failed });
    if outcome.failed.is_empty() {
        return Ok(told(StatusCode::OK, true, "测试通知已发送", more));
    }
    Ok(told(StatusCode::BAD_REQUEST, false, "测试通知发送失败", more))
}
