//! Many channels at once: by tag, by number, all that are switched off; and copies of one.

use axum::extract::State;
use schema::Actor;
use schema::model::account::{Account, AccountFilter, AccountOptions, AccountOrder, Health};
use schema::page::Direction;
use schema::service::account::{self, AccountChange, AccountDraft};
use schema::{App, Error, Role};
use serde::Deserialize;
use serde_json::json;

use super::super::{Body, Caller, Path, Query, Reply, data, message};
use super::{MIDDLE, document, kinds, split};

async fn every(app: &App, actor: &Actor, filter: &AccountFilter) -> Result<Vec<Account>, Error> {
    account::every(app, actor, filter, (AccountOrder::CreatedAt, Direction::Asc), account::PAGE).await
}

#[derive(Deserialize)]
pub struct Tagged {
    #[serde(default)]
    tag: String,
    new_tag: Option<String>,
    priority: Option<i64>,
    weight: Option<i64>,
    models: Option<String>,
    groups: Option<String>,
    model_mapping: Option<String>,
}

/// Switches every channel of a tag on.
pub async fn enable(State(app): State<App>, caller: Caller, form: Body<Tagged>) -> Reply {
    switch(app, caller, &form.0.tag, true).await
}

/// Switches every channel of a tag off.
pub async fn disable(State(app): State<App>, caller: Caller, form: Body<Tagged>) -> Reply {
    switch(app, caller, &form.0.tag, false).await
}

async fn switch(app: App, caller: Caller, tag: &str, enabled: bool) -> Reply {
    let change = AccountChange { enabled: Some(enabled), ..AccountChange::default() };
    account::for_tag(&app, &caller, tag, &change).await?;
    Ok(message(""))
}

/// Changes what is named of every channel of a tag.
pub async fn change_tag(State(app): State<App>, caller: Caller, form: Body<Tagged>) -> Reply {
    let form = form.0;
    let mut change = AccountChange {
        tag: form.new_tag,
        priority: form.priority.map(|p| p.saturating_add(MIDDLE)),
        weight: form.weight,
        models: form.models.filter(|m| !m.is_empty()).as_deref().map(split),
        groups: form.groups.filter(|g| !g.is_empty()).as_deref().map(split),
        ..AccountChange::default()
    };
    if let Some(text) = form.model_mapping.filter(|m| !m.is_empty()) {
        // Checked as the options' own field is.
        let mapping = AccountOptions { mapping: document("model_mapping", &text)?, ..AccountOptions::default() };
        change.options_patch.insert("mapping".into(), json!(mapping.mapping));
    }
    account::for_tag(&app, &caller, &form.tag, &change).await?;
    Ok(message(""))
}

#[derive(Deserialize)]
pub struct TagQuery {
    #[serde(default)]
    tag: String,
}

/// The models of the tag's channel that lists most of them.
pub async fn models_of_tag(State(app): State<App>, caller: Caller, query: Query<TagQuery>) -> Reply {
    caller.require(Role::Admin)?;
    if query.0.tag.is_empty() {
        return Err(Error::invalid("tag", "tag不能为空").into());
    }
    let filter = AccountFilter { tag: Some(query.0.tag), ..AccountFilter::default() };
    let found = every(&app, &caller, &filter).await?;
    let most = found.iter().map(|account| account.models.0.join(",")).max_by_key(String::len);
    Ok(data(most.unwrap_or_default()))
}

#[derive(Deserialize)]
pub struct Batch {
    #[serde(default)]
    ids: Vec<i64>,
    tag: Option<String>,
}

/// Removes channels; how many there were.
pub async fn delete(State(app): State<App>, caller: Caller, form: Body<Batch>) -> Reply {
    if form.0.ids.is_empty() {
        return Err(Error::invalid("ids", "参数错误").into());
    }
    let mut gone = 0;
    for id in form.0.ids {
        match account::delete(&app, &caller, id).await {
            Ok(_) => gone += 1,
            Err(Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(data(gone))
}

/// Gives channels a tag; how many there were.
pub async fn tag(State(app): State<App>, caller: Caller, form: Body<Batch>) -> Reply {
    let form = form.0;
    if form.ids.is_empty() {
        return Err(Error::invalid("ids", "参数错误").into());
    }
    let change = AccountChange { tag: Some(form.tag.unwrap_or_default()), ..AccountChange::default() };
    for id in &form.ids {
        account::change(&app, &caller, *id, change.clone()).await?;
    }
    Ok(data(form.ids.len()))
}

/// Removes every channel that is switched off, by hand or by its failures; how many there were.
pub async fn delete_disabled(State(app): State<App>, caller: Caller) -> Reply {
    caller.require(Role::Admin)?;
    let off = |account: &Account| !account.enabled || matches!(account.health, Health::Blocked | Health::Expired);
    let mut gone = 0;
    for account in every(&app, &caller, &AccountFilter::default()).await?.iter().filter(|a| off(a)) {
        account::delete(&app, &caller, account.id).await?;
        gone += 1;
    }
    Ok(data(gone))
}

/// The deployed system keeps a second table of what channels can do and mends it here; there is none to mend.
pub async fn fix(State(app): State<App>, caller: Caller) -> Reply {
    caller.require(Role::Admin)?;
    let all = account::count(&app, &caller, &AccountFilter::default()).await?;
    Ok(data(json!({ "success": all, "fails": 0 })))
}

#[derive(Deserialize)]
pub struct CopyQuery {
    suffix: Option<String>,
}

/// A second channel like this one, with its key.
pub async fn copy(State(app): State<App>, caller: Caller, id: Path<i64>, query: Query<CopyQuery>) -> Reply {
    caller.require(Role::Admin)?;
    let old = account::get(&app, &caller, id.0).await?;
    let opened = account::open(&app, &old)?;
    let suffix = query.0.suffix.unwrap_or_else(|| "_复制".into());
    let draft = AccountDraft {
        description: old.description.clone(),
        base_url: old.base_url.clone(),
        models: old.models.0.clone(),
        groups: old.groups.0.clone(),
        priority: old.priority,
        weight: old.weight,
        tag: old.tag.clone(),
        enabled: old.enabled,
        options: old.options.0.clone(),
        proxy: opened.proxy.clone(),
        ..AccountDraft::new(old.kind, format!("{}{suffix}", old.name), opened.credentials.clone())
    };
    let made = account::add(&app, &caller, draft).await?;
    Ok(data(json!({ "id": made.id })))
}

#[derive(Deserialize)]
pub struct Offer {
    #[serde(rename = "type")]
    kind: Option<i64>,
    #[serde(default)]
    key: String,
    #[serde(default)]
    base_url: String,
}

/// The models an upstream offers that is no channel yet.
pub async fn fetch_offered(State(app): State<App>, caller: Caller, form: Body<Offer>) -> Reply {
    caller.require(Role::Admin)?;
    let form = form.0;
    let number = form.kind.ok_or_else(|| Error::invalid("type", "type 不能为空"))?;
    let kind = kinds::kind(number);
    // Only the first of several keys is asked with.
    let key =
        if form.key.trim_start().starts_with('{') { form.key.as_str() } else { form.key.lines().next().unwrap_or("") };
    let (credentials, region) = kinds::credentials(kind, &[key.trim()])?;
    let base_url = Some(form.base_url).filter(|url| !url.is_empty()).or_else(|| kinds::base_url(number));
    let options = AccountOptions { region, ..AccountOptions::default() };
    Ok(data(relay::connect::models_of(&app, &caller, kind, base_url.as_deref(), &credentials, &options).await?))
}

/// The models a channel's upstream offers, asked there.
pub async fn fetch_models(State(app): State<App>, caller: Caller, id: Path<i64>) -> Reply {
    caller.require(Role::Admin)?;
    Ok(data(relay::connect::models(&app, &caller, id.0).await?))
}
