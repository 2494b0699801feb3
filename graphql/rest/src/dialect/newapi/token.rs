//! Tokens: keys of the signed-in person, in this system's words.

use axum::extract::State;
use http::Uri;
use schema::model::api_key::{ApiKey, KeyFilter, KeyOrder, KeyState, KeyStatus};
use schema::model::joined::Joined;
use schema::page::Direction;
use schema::service::api_key::{self, Expiry, KeyChange, KeyPrefix, LimitsChange, NewKey, RulesChange};
use schema::{App, Error, Micros, Time};
use serde::Deserialize;
use serde_json::{Value, json};

use super::page::Paging;
use super::playground;
use super::shape::Shape;
use super::{Body, Caller, Path, Query, Reply, data, message, said};

/// A key as this system has it, its secret masked: that is told at its making, and by [`listed`] soon after.
pub fn shown(key: &ApiKey, now: Time) -> Value {
    let status = match key.state(now) {
        KeyState::Active => 1,
        KeyState::Disabled | KeyState::Deleted => 2,
        KeyState::Expired => 3,
        KeyState::Exhausted => 4,
    };
    let rules = &key.rules.0;
    json!({
        "id": key.id,
        "user_id": key.user_id,
        "key": key.hint.trim_start_matches("sk-"),
        "status": status,
        "name": key.name,
        "created_time": key.created_at.seconds(),
        "accessed_time": key.last_used_at.unwrap_or(key.created_at).seconds(),
        "expired_time": key.expires_at.map_or(-1, Time::seconds),
        "remain_quota": key.budget.map_or(0, |b| b.minus(key.spent).quota()),
        "unlimited_quota": key.budget.is_none(),
        "used_quota": key.spent.quota(),
        "model_limits_enabled": rules.limit_models,
        "model_limits": rules.allowed_models.join(","),
        "allow_ips": rules.ips.join("\n"),
        "group": key.group_name.as_deref().unwrap_or(""),
        "DeletedAt": null,
    })
}

#[derive(Deserialize)]
pub struct Search {
    keyword: Option<String>,
    token: Option<String>,
}

pub async fn list(
    State(app): State<App>,
    caller: Caller,
    shape: Shape,
    uri: Uri,
    paging: Query<Paging>,
    search: Query<Search>,
) -> Reply {
    let search = search.0;
    let secret = search.token.map(|t| t.trim().trim_start_matches("sk-").to_owned()).filter(|t| !t.is_empty());
    let filter = KeyFilter {
        user_id: Some(caller.signed_in()?),
        search: search.keyword.filter(|k| !k.is_empty()),
        joined: Joined {
            not: Some(Box::new(playgrounds())),
            or: secret.as_deref().map(of_secret).unwrap_or_default(),
            ..Joined::default()
        },
        ..KeyFilter::default()
    };
    // The deployed system's page searches without a word about pages, and is answered without one.
    let whole = shape == Shape::Deployed && uri.path().ends_with("/search") && !paging.0.asked();
    let paging = if whole { Paging::longest() } else { paging.0 };
    let window = paging.window()?;
    let page = api_key::pages(&app, &caller, &filter, (KeyOrder::CreatedAt, Direction::Desc), window).await?;
    if shape == Shape::Documented {
        let now = app.clock.now();
        return Ok(data(page.rows.iter().map(|k| shown(k, now)).collect::<Vec<Value>>()));
    }
    let mut rows = Vec::with_capacity(page.rows.len());
    for key in &page.rows {
        rows.push(listed(&app, &caller, key).await?);
    }
    Ok(if whole { data(rows) } else { data(paging.envelope(window, page.total, rows)) })
}

/// The key with this secret, or those with this in the part of theirs that is shown.
fn of_secret(text: &str) -> Vec<KeyFilter> {
    let digest = schema::id::digest(&format!("sk-{text}"));
    vec![
        KeyFilter { digest: Some(digest), ..KeyFilter::default() },
        KeyFilter { hint: Some(text.to_owned()), ..KeyFilter::default() },
    ]
}

/// The keys of the playground.
fn playgrounds() -> KeyFilter {
    KeyFilter { source: Some(playground::SOURCE.into()), ..KeyFilter::default() }
}

/// A key in the deployed system's list. Its page throws away what making a token answers and sends people here
/// for the secret, so its owner finds it here for as long as it is kept.
async fn listed(app: &App, caller: &Caller, key: &ApiKey) -> Result<Value, Error> {
    let mut row = shown(key, app.clock.now());
    if let Some(secret) = api_key::kept_secret(app, caller, key).await? {
        row["key"] = secret.reveal().trim_start_matches("sk-").into();
    }
    Ok(row)
}

pub async fn get(State(app): State<App>, caller: Caller, id: Path<i64>) -> Reply {
    let key = own(&app, &caller, id.0).await?;
    Ok(data(shown(&key, app.clock.now())))
}

/// A key of the caller's own; an administrator's page shows their own keys too, not everybody's.
async fn own(app: &App, caller: &Caller, id: i64) -> Result<ApiKey, Error> {
    let key = api_key::get(app, caller, id).await?;
    if Some(key.user_id) == caller.user_id { Ok(key) } else { Err(Error::NotFound { what: "token" }) }
}

/// A body that makes a token, or changes what it names of one.
#[derive(Deserialize)]
pub struct Form {
    id: Option<i64>,
    name: Option<String>,
    status: Option<i64>,
    remain_quota: Option<i64>,
    unlimited_quota: Option<bool>,
    expired_time: Option<i64>,
    group: Option<String>,
    model_limits_enabled: Option<bool>,
    model_limits: Option<String>,
    allow_ips: Option<String>,
}

impl Form {
    /// The deployed system's page leaves what was emptied out of its form. A body with all that the page never
    /// leaves out is the whole form, and what it lacks is empty.
    fn whole(mut self) -> Self {
        if self.name.is_some() && self.expired_time.is_some() && self.unlimited_quota.is_some() {
            self.allow_ips = self.allow_ips.or(Some(String::new()));
            self.group = self.group.or(Some(String::new()));
        }
        self
    }
    fn expiry(&self) -> Option<Expiry> {
        self.expired_time.map(|at| if at < 0 { Expiry::Never } else { Expiry::At(Time::from_seconds(at)) })
    }
    fn quota(&self) -> Result<Option<Micros>, Error> {
        let read = |q: i64| {
            Micros::from_quota(q)
                .filter(|m| m.0 >= 0)
                .ok_or_else(|| Error::invalid("remain_quota", "额度值超出有效范围"))
        };
        self.remain_quota.map(read).transpose()
    }
    fn models(&self) -> Option<Vec<String>> {
        let split =
            |line: &String| line.split(',').map(str::trim).filter(|m| !m.is_empty()).map(str::to_owned).collect();
        self.model_limits.as_ref().map(split)
    }
    fn ips(&self) -> Option<Vec<String>> {
        let split = |text: &String| {
            text.split(['\n', ',']).map(str::trim).filter(|l| !l.is_empty()).map(str::to_owned).collect()
        };
        self.allow_ips.as_ref().map(split)
    }
}

pub async fn create(State(app): State<App>, caller: Caller, shape: Shape, form: Body<Form>) -> Reply {
    let form = form.0;
    let mut new = NewKey {
        name: form.name.clone().unwrap_or_default(),
        prefix: KeyPrefix::Sk,
        group: form.group.clone().filter(|g| !g.is_empty()),
        // A missing end means none; the deployed system would make a key that ended in 1970.
        expiry: form.expiry().unwrap_or_default(),
        ..NewKey::default()
    };
    // Without a word about quota there is no limit of the key's own; the wallet still is one.
    let limited = !form.unlimited_quota.unwrap_or(form.remain_quota.is_none());
    new.budget = if limited { Some(form.quota()?.unwrap_or(Micros::ZERO)) } else { None };
    new.rules.limit_models = form.model_limits_enabled.unwrap_or(false);
    new.rules.allowed_models = form.models().unwrap_or_default();
    new.rules.ips = form.ips().unwrap_or_default();
    let issued = api_key::issue(&app, &caller, new).await?;
    if shape == Shape::Deployed {
        api_key::keep_secret(&app, &issued).await?;
    }
    let secret = issued.secret.reveal();
    Ok(said("Token创建成功", json!({ "id": issued.key.id, "key": secret, "name": issued.key.name })))
}

#[derive(Deserialize)]
pub struct ChangeQuery {
    status_only: Option<String>,
}

pub async fn change(
    State(app): State<App>,
    caller: Caller,
    shape: Shape,
    query: Query<ChangeQuery>,
    form: Body<Form>,
) -> Reply {
    let form = if shape == Shape::Deployed { form.0.whole() } else { form.0 };
    let id = form.id.ok_or_else(|| Error::invalid("id", "id 不能为空"))?;
    let old = own(&app, &caller, id).await?;
    let status = match form.status {
        None | Some(0 | 3 | 4) => None,
        Some(1) => Some(KeyStatus::Active),
        Some(2) => Some(KeyStatus::Disabled),
        Some(_) => return Err(Error::invalid("status", "status is 1 or 2").into()),
    };
    let mut change = KeyChange { status, ..KeyChange::default() };
    if query.0.status_only.is_none() {
        change.name = form.name.clone();
        change.group = form.group.clone().map(|g| Some(g).filter(|g| !g.is_empty()));
        change.expiry = form.expiry();
        change.remaining = match (form.unlimited_quota, form.quota()?) {
            (Some(true), _) => Some(None),
            (Some(false), quota) => {
                Some(Some(quota.unwrap_or_else(|| old.budget.unwrap_or_default().minus(old.spent))))
            }
            // A bare figure sets what is left of a limited token; it does not limit an unlimited one unasked.
            (None, Some(quota)) => Some(Some(quota)),
            (None, None) => None,
        };
        change.rules = RulesChange {
            limit_models: form.model_limits_enabled,
            allowed_models: form.models(),
            ips: form.ips(),
            ..RulesChange::default()
        };
        change.limits = LimitsChange::default();
    }
    let key = api_key::change(&app, &caller, id, change).await?;
    Ok(said("Token更新成功", shown(&key, app.clock.now())))
}

pub async fn delete(State(app): State<App>, caller: Caller, id: Path<i64>) -> Reply {
    own(&app, &caller, id.0).await?;
    api_key::delete(&app, &caller, id.0).await?;
    Ok(message("Token删除成功"))
}

#[derive(Deserialize)]
pub struct Batch {
    #[serde(default)]
    ids: Vec<i64>,
}

pub async fn delete_batch(State(app): State<App>, caller: Caller, form: Body<Batch>) -> Reply {
    let ids = form.0.ids;
    if ids.is_empty() {
        return Err(Error::invalid("ids", "参数错误").into());
    }
    for id in &ids {
        own(&app, &caller, *id).await?;
    }
    let outcomes = api_key::delete_many(&app, &caller, &ids).await?;
    let done = outcomes.iter().filter(|(_, outcome)| outcome.is_ok()).count();
    Ok(said(&format!("成功删除 {done} 个Token"), done))
}
