//! Settings, typed, in this system's words.

use std::collections::BTreeMap;

use axum::extract::State;
use schema::service::setting::{self, Kind, Shown, names};
use schema::{App, Error, Role};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Body, Caller, Path, Query, Reply, data};

fn shown(setting: &Shown) -> Value {
    let kind = match setting.definition.kind {
        Kind::Bool => "BOOLEAN",
        Kind::Int(..) | Kind::Number(..) => "NUMBER",
        Kind::Json => "JSON",
        Kind::Text(_) | Kind::Choice(_) => "STRING",
    };
    json!({
        "id": setting.definition.name,
        "key": setting.definition.name,
        "value": setting.value,
        "type": kind,
        "category": setting.definition.category,
        "description": setting.definition.description,
        "isEditable": setting.definition.editable,
    })
}

#[derive(Deserialize)]
pub struct ListQuery {
    category: Option<String>,
}

pub async fn list(State(app): State<App>, caller: Caller, query: Query<ListQuery>) -> Reply {
    let category = query.0.category.filter(|c| !c.is_empty());
    let configs: Vec<Value> = setting::list(&app, &caller, category.as_deref())?.iter().map(shown).collect();
    Ok(data(json!({ "configs": configs })))
}

/// A value as it is sent: text, or the JSON it stands for.
fn text(value: Value) -> Result<String, Error> {
    match value {
        Value::String(text) => Ok(text),
        Value::Null => Err(Error::invalid("value", "value is needed")),
        other => Ok(other.to_string()),
    }
}

#[derive(Deserialize)]
pub struct Change {
    value: Value,
}

pub async fn change(State(app): State<App>, caller: Caller, id: Path<String>, form: Body<Change>) -> Reply {
    caller.require(Role::SuperAdmin)?;
    setting::get(&app, &caller, &id.0)?;
    let changes = BTreeMap::from([(id.0.clone(), Some(text(form.0.value)?))]);
    setting::put(&app, &caller, &changes).await?;
    Ok(data(json!({ "config": shown(&setting::get(&app, &caller, &id.0)?) })))
}

#[derive(Deserialize)]
pub struct Batch {
    configs: Vec<Entry>,
}

#[derive(Deserialize)]
pub struct Entry {
    key: String,
    value: Value,
}

/// All of them, or none.
pub async fn batch(State(app): State<App>, caller: Caller, form: Body<Batch>) -> Reply {
    caller.require(Role::SuperAdmin)?;
    let mut changes = BTreeMap::new();
    for entry in form.0.configs {
        if changes.insert(entry.key.clone(), Some(text(entry.value)?)).is_some() {
            return Err(Error::invalid("configs", format!("{} is named twice", entry.key)).into());
        }
    }
    if changes.is_empty() {
        return Err(Error::invalid("configs", "configs names no setting").into());
    }
    setting::put(&app, &caller, &changes).await?;
    let changed = changes.keys().map(|name| setting::get(&app, &caller, name).map(|s| shown(&s)));
    let configs = changed.collect::<Result<Vec<Value>, Error>>()?;
    Ok(data(json!({ "configs": configs })))
}

/// What anybody may know.
pub async fn public(State(app): State<App>) -> Reply {
    let settings = setting::current(&app);
    Ok(data(json!({
        "registrationEnabled": settings.bool(names::REGISTRATION_ENABLED),
        "llmEnabled": settings.bool(names::LLM_ENABLED),
    })))
}
