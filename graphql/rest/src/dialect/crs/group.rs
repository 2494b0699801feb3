//! Account groups and their members.

use std::collections::HashMap;

use axum::extract::State;
use http::StatusCode;
use schema::model::account::AccountFilter;
use schema::model::account_group::{AccountGroup, GroupFilter};
use schema::service::account_group::{self, GroupChange, GroupDraft};
use schema::{App, Error};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::family::{all, row};
use super::form::{Told, told};
use super::key::failed;
use super::{Admin, Body, Path, Query, Reply, data, message};

/// Platforms a group may be of.
const PLATFORMS: &[&str] = &["claude", "gemini", "openai", "droid"];

/// A group.
pub fn shown(group: &AccountGroup) -> Value {
    json!({
        "id": group.uid, "name": group.name, "platform": group.platform, "description": group.description,
        "createdAt": group.created_at.rfc3339(), "updatedAt": group.updated_at.rfc3339(),
    })
}

fn counted(group: &AccountGroup, members: &HashMap<i64, Vec<i64>>) -> Value {
    let mut row = shown(group);
    row["memberCount"] = members.get(&group.id).map_or(0, Vec::len).into();
    row
}

fn missing(error: Error) -> Error {
    match error {
        Error::NotFound { .. } => Error::NotFound { what: "Account group" },
        other => other,
    }
}

/// A name that is taken is the caller's mistake here, as everywhere in this system.
fn taken(error: Error) -> Error {
    match error {
        Error::Conflict { code: "ALREADY_EXISTS", why } => Error::invalid("name", why),
        other => other,
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Listing {
    platform: Option<String>,
}

pub async fn list(State(app): State<App>, admin: Admin, query: Query<Listing>) -> Reply {
    let filter = GroupFilter { platform: query.0.platform.filter(|p| !p.is_empty()), ..GroupFilter::default() };
    let groups = account_group::all(&app, &admin, &filter).await?;
    let members = account_group::members(&app, &admin, &[]).await?;
    Ok(data(groups.iter().map(|g| counted(g, &members)).collect::<Vec<_>>()))
}

pub async fn create(State(app): State<App>, admin: Admin, form: Body<Told<told::Group>>) -> Reply {
    let form = form.0;
    let sentence = "分组名称和平台类型为必填项";
    let (name, platform) = (form.required("name", sentence)?, form.required("platform", sentence)?);
    if !PLATFORMS.contains(&platform.as_str()) {
        return Err(Error::invalid("platform", "平台类型必须是 claude、gemini、openai 或 droid").into());
    }
    let description = form.text("description")?.unwrap_or_default();
    let group = account_group::create(&app, &admin, GroupDraft { name, platform, description }).await;
    Ok(data(shown(&group.map_err(taken)?)))
}

pub async fn get(State(app): State<App>, admin: Admin, uid: Path<String>) -> Reply {
    let group = account_group::get_by_uid(&app, &admin, &uid.0).await.map_err(missing)?;
    let members = account_group::members(&app, &admin, &[group.id]).await?;
    Ok(data(counted(&group, &members)))
}

pub async fn update(State(app): State<App>, admin: Admin, uid: Path<String>, form: Body<Told<told::Group>>) -> Reply {
    let form = form.0;
    let group = account_group::get_by_uid(&app, &admin, &uid.0).await.map_err(missing)?;
    if form.text("platform")?.is_some_and(|p| p != group.platform) {
        return Err(Error::invalid("platform", "不能修改分组的平台类型").into());
    }
    let name = if form.has("name") { Some(form.required("name", "分组名称不能为空")?) } else { None };
    let change = GroupChange { name, description: form.clearable("description")?, expected_version: None };
    Ok(data(shown(&account_group::change(&app, &admin, group.id, change).await.map_err(taken)?)))
}

pub async fn delete(State(app): State<App>, admin: Admin, uid: Path<String>) -> Reply {
    let group = account_group::get_by_uid(&app, &admin, &uid.0).await.map_err(missing)?;
    match account_group::delete(&app, &admin, group.id).await {
        Ok(()) => Ok(message("分组删除成功")),
        Err(Error::Conflict { code: "GROUP_HAS_MEMBERS", .. }) => {
            Ok(failed(StatusCode::BAD_REQUEST, "分组内还有账户，无法删除"))
        }
        Err(Error::Conflict { code: "GROUP_IN_USE", .. }) => {
            Ok(failed(StatusCode::BAD_REQUEST, "还有API Key使用此分组，无法删除"))
        }
        Err(e) => Err(e.into()),
    }
}

pub async fn members(State(app): State<App>, admin: Admin, uid: Path<String>) -> Reply {
    let group = account_group::get_by_uid(&app, &admin, &uid.0).await.map_err(missing)?;
    let filter = AccountFilter { account_group: Some(Some(group.id)), ..AccountFilter::default() };
    let accounts = all(&app, &admin, filter).await?;
    let rows: Vec<Map<String, Value>> = row::rows(&app, &admin, &accounts).await?;
    Ok(data(rows))
}
