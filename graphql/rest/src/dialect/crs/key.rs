//! API keys: listing, making, changing and deleting them.

pub mod batch;
pub mod deleted;
mod shown;
pub mod usage;
mod wire;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use schema::model::account::AccountFilter;
use schema::model::api_key::{ApiKey, Deleted, KeyFilter, KeyOrder, KeyState};
use schema::page::{Direction, Window};
use schema::service::api_key::{self, Expiry, IssuedKey};
use schema::service::report::{Dimension, Sums};
use schema::service::setting;
use schema::{Actor, App, Error};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::form::{Told, told};
use super::shape::{Span, sums as shown_sums};
use super::{Admin, Body, Path, Query, Reply, data, flat, message, refuse, sums};

pub use shown::{Names, shown, shown_bindings, shown_permissions, shown_rates};
pub use wire::{CHARGED_AS, RATES, name, no_rates, rates};

/// Most keys in one unpaged answer.
const ALL: i64 = 100_000;

/// How the list is asked for; with any of the paging fields it comes in pages.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Listing {
    page: Option<i64>,
    page_size: Option<i64>,
    search_mode: Option<String>,
    search: Option<String>,
    tag: Option<String>,
    is_active: Option<String>,
    models: Option<String>,
    sort_by: Option<String>,
    sort_order: Option<String>,
    cost_time_range: Option<String>,
    cost_start_date: Option<String>,
    cost_end_date: Option<String>,
    time_range: Option<String>,
    start_date: Option<String>,
    end_date: Option<String>,
}

impl Listing {
    fn paged(&self) -> bool {
        self.page.is_some()
            || self.page_size.is_some()
            || self.search_mode.is_some()
            || self.search.is_some()
            || self.sort_by.is_some()
    }
    fn span(&self, app: &App, word: Option<&str>, dates: (Option<&str>, Option<&str>)) -> Result<Span, Error> {
        let settings = setting::current(app);
        let zone = settings.zone();
        match word {
            None | Some("") => Ok(Span::ALL),
            Some("custom") => Span::between(zone, dates.0.unwrap_or(""), dates.1.unwrap_or("")),
            Some(word) => Span::named(zone, app.clock.now(), word)
                .ok_or_else(|| Error::invalid("timeRange", "Invalid time range")),
        }
    }
    fn order(&self, app: &App) -> Result<(KeyOrder, Direction), Error> {
        let direction = if self.sort_order.as_deref() == Some("asc") { Direction::Asc } else { Direction::Desc };
        let order = match self.sort_by.as_deref() {
            None | Some("createdAt") => KeyOrder::CreatedAt,
            Some("name") => KeyOrder::Name,
            Some("expiresAt") => KeyOrder::ExpiresAt,
            Some("lastUsedAt") => KeyOrder::LastUsedAt,
            Some("isActive" | "status") => KeyOrder::Status,
            Some("cost") => {
                let dates = (self.cost_start_date.as_deref(), self.cost_end_date.as_deref());
                let span = self.span(app, self.cost_time_range.as_deref(), dates)?;
                if span == Span::ALL { KeyOrder::Spent } else { KeyOrder::Cost { from: span.from, until: span.until } }
            }
            Some(_) => return Err(Error::invalid("sortBy", "Invalid sort field")),
        };
        Ok((order, direction))
    }
    async fn filter(&self, app: &App, actor: &Actor) -> Result<KeyFilter, Error> {
        let now = app.clock.now();
        let state = match self.is_active.as_deref() {
            Some("true") => Some((KeyState::Active, now)),
            Some("false") => Some((KeyState::Disabled, now)),
            _ => None,
        };
        let list = |text: &Option<String>| -> Vec<String> {
            text.iter().flat_map(|t| t.split(',')).map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned).collect()
        };
        let mut filter = KeyFilter {
            search: self.search.clone().filter(|s| !s.trim().is_empty()),
            tags: list(&self.tag),
            used_models: list(&self.models),
            state,
            ..KeyFilter::default()
        };
        if self.search_mode.as_deref() == Some("bindingAccount")
            && let Some(text) = filter.search.take()
        {
            filter.ids = bound_to_accounts_named(app, actor, text).await?;
        }
        Ok(filter)
    }
}

/// The keys bound to accounts whose names hold a text.
async fn bound_to_accounts_named(app: &App, actor: &Actor, text: String) -> Result<Vec<i64>, Error> {
    let filter = AccountFilter { search: Some(text), ..AccountFilter::default() };
    let order = (schema::model::account::AccountOrder::Name, Direction::Asc);
    let window = Window { limit: 100, offset: 0 };
    let accounts = schema::service::account::pages(app, actor, &filter, order, window).await?;
    // An id nobody has, so that no account finds no key.
    let mut ids = vec![0];
    for account in accounts.rows {
        let filter = KeyFilter { bound_account: Some(account.id), ..KeyFilter::default() };
        let window = Window { limit: 1_000, offset: 0 };
        let keys = api_key::pages(app, actor, &filter, (KeyOrder::CreatedAt, Direction::Desc), window).await?;
        ids.extend(keys.rows.iter().map(|k| k.id));
    }
    Ok(ids)
}

/// Keys with their usage: all of it, today's, this month's, and that of the span asked for.
pub async fn rows(app: &App, actor: &Actor, keys: &[ApiKey], span: Span) -> Result<Vec<Map<String, Value>>, Error> {
    let names = Names::of(app, actor, keys).await?;
    let ids: Vec<i64> = keys.iter().map(|k| k.id).collect();
    let now = app.clock.now();
    let settings = setting::current(app);
    let zone = settings.zone();
    let spans = [span, Span::today(zone, now), Span::month(zone, now)];
    let used = sums::Used::of(app, actor, Dimension::Key, &ids, &spans).await?;
    let open = schema::service::admission::open_calls_each(app, &ids).await?;
    let mut out = Vec::with_capacity(keys.len());
    for (key, open) in keys.iter().zip(open) {
        let mut row = shown(key, &names);
        let [all, day, month] = [0, 1, 2].map(|n| used.in_span(key.id, n));
        // Whoever is signed in is called so in the list of possible owners.
        if actor.user_id == Some(key.user_id) {
            row.insert("userId".into(), "admin".into());
        }
        row.insert("currentConcurrency".into(), open.into());
        row.insert("dailyCost".into(), schema::Micros(day.cost).dollars().into());
        row.insert(
            "usage".into(),
            json!({
                "total": shown_sums(&all), "daily": shown_sums(&day), "monthly": shown_sums(&month),
                "averages": averages(&all, key.created_at, now),
            }),
        );
        out.push(row);
    }
    Ok(out)
}

/// Requests and tokens a minute and a day since something was made.
pub fn averages(sum: &Sums, since: schema::Time, now: schema::Time) -> Value {
    let minutes = ((now.0 - since.0).max(1) as f64 / 60_000.0).max(1.0);
    let days = (minutes / 1_440.0).max(1.0);
    let round = |n: f64| (n * 100.0).round() / 100.0;
    json!({
        "rpm": round(sum.requests as f64 / minutes), "tpm": round(sum.tokens() as f64 / minutes),
        "dailyRequests": round(sum.requests as f64 / days), "dailyTokens": round(sum.tokens() as f64 / days),
    })
}

pub async fn list(State(app): State<App>, admin: Admin, query: Query<Listing>) -> Reply {
    let query = query.0;
    let dates = (query.start_date.as_deref(), query.end_date.as_deref());
    let span = query.span(&app, query.time_range.as_deref(), dates)?;
    let filter = query.filter(&app, &admin).await?;
    let order = query.order(&app)?;
    if !query.paged() {
        let window = Window { limit: ALL, offset: 0 };
        let keys = api_key::pages(&app, &admin, &filter, order, window).await?;
        return Ok(data(rows(&app, &admin, &keys.rows, span).await?));
    }
    let (page, size) = (query.page.unwrap_or(1), query.page_size.unwrap_or(20));
    let keys = api_key::pages(&app, &admin, &filter, order, Window::page(page, size, 1_000)?).await?;
    let items = rows(&app, &admin, &keys.rows, span).await?;
    let tags: Vec<String> = api_key::tags(&app, &admin).await?.into_keys().collect();
    let pages = (keys.total + size - 1) / size;
    Ok(flat(json!({
        "data": {
            "items": items,
            "pagination": { "page": page, "pageSize": size, "total": keys.total, "totalPages": pages.max(1) },
            "availableTags": tags,
        },
        "timeRange": query.time_range.as_deref().unwrap_or("all"),
    })))
}

pub async fn create(State(app): State<App>, admin: Admin, form: Body<Told<told::Key>>) -> Reply {
    let form = form.0;
    let new = wire::new_key(&app, &admin, &form, name(&form)?).await?;
    let unheard = wire::no_key_rates(&form)?;
    let issued = api_key::issue(&app, &admin, new).await?;
    let made = with_secret(&app, &admin, &issued).await?;
    Ok(match unheard {
        Some(why) => flat(json!({ "data": made, "message": why })),
        None => data(made),
    })
}

/// A fresh key, with its secret for the one time it is told.
pub async fn with_secret(app: &App, actor: &Actor, issued: &IssuedKey) -> Result<Map<String, Value>, Error> {
    let names = Names::of(app, actor, std::slice::from_ref(&issued.key)).await?;
    let mut row = shown(&issued.key, &names);
    row.insert("apiKey".into(), issued.secret.reveal().as_str().into());
    Ok(row)
}

/// The key of a public id.
pub async fn found(app: &App, actor: &Actor, uid: &str) -> Result<ApiKey, Error> {
    let key = api_key::get_by_uid(app, actor, uid).await?;
    if key.deleted_at.is_some() {
        return Err(Error::NotFound { what: "API key" });
    }
    Ok(key)
}

pub async fn update(State(app): State<App>, admin: Admin, uid: Path<String>, form: Body<Told<told::Key>>) -> Reply {
    let key = found(&app, &admin, &uid.0).await?;
    let change = wire::change(&app, &admin, &form.0).await?;
    let unheard = wire::no_key_rates(&form.0)?;
    api_key::change(&app, &admin, key.id, change).await?;
    Ok(message(unheard.as_deref().unwrap_or("API key updated successfully")))
}

pub async fn expiration(
    State(app): State<App>,
    admin: Admin,
    uid: Path<String>,
    form: Body<Told<told::Expiration>>,
) -> Reply {
    let form = form.0;
    let key = found(&app, &admin, &uid.0).await?;
    if form.switch("activateNow")? == Some(true) {
        return match api_key::activate_now(&app, &admin, key.id).await {
            Ok(key) => Ok(expiry_set(&key)),
            Err(Error::Conflict { code: "CANNOT_ACTIVATE", why }) => {
                Ok(refuse(StatusCode::BAD_REQUEST, "Cannot activate", &why))
            }
            Err(e) => Err(e.into()),
        };
    }
    if !form.has("expiresAt") {
        return Ok(refuse(StatusCode::BAD_REQUEST, "No valid updates provided", "expiresAt or activateNow is needed"));
    }
    let expiry = form.time("expiresAt")?.map_or(Expiry::Never, Expiry::At);
    Ok(expiry_set(&api_key::set_expiry(&app, &admin, key.id, expiry).await?))
}

fn expiry_set(key: &ApiKey) -> axum::response::Response {
    let mut updates = json!({ "expiresAt": super::shape::when(key.expires_at) });
    if key.activated_at.is_some() {
        updates["isActivated"] = true.into();
        updates["activatedAt"] = super::shape::when(key.activated_at);
    }
    flat(json!({ "message": "API key expiration updated successfully", "updates": updates }))
}

pub async fn delete(State(app): State<App>, admin: Admin, uid: Path<String>) -> Reply {
    let key = found(&app, &admin, &uid.0).await?;
    api_key::delete(&app, &admin, key.id).await?;
    Ok(message("API key deleted successfully"))
}

pub async fn tags(State(app): State<App>, admin: Admin) -> Reply {
    Ok(data(api_key::tags(&app, &admin).await?.into_keys().collect::<Vec<_>>()))
}

pub async fn tag_details(State(app): State<App>, admin: Admin) -> Reply {
    let tags = api_key::tags(&app, &admin).await?;
    Ok(data(tags.into_iter().map(|(name, count)| json!({ "name": name, "count": count })).collect::<Vec<_>>()))
}

/// A tag that no key carries yet.
pub async fn create_tag(State(app): State<App>, admin: Admin, form: Body<Told<told::NewTag>>) -> Reply {
    let name = form.0.required("name", "标签名称不能为空")?;
    api_key::create_tag(&app, &admin, &name).await?;
    Ok(flat(json!({ "message": "标签创建成功" })))
}

pub async fn rename_tag(
    State(app): State<App>,
    admin: Admin,
    tag: Path<String>,
    form: Body<Told<told::NewName>>,
) -> Reply {
    let to = form.0.required("newName", "New tag name is required")?;
    let affected = api_key::rename_tag(&app, &admin, &tag.0, &to).await?;
    Ok(flat(json!({ "message": "Tag renamed", "data": { "affectedCount": affected } })))
}

pub async fn remove_tag(State(app): State<App>, admin: Admin, tag: Path<String>) -> Reply {
    let affected = api_key::remove_tag(&app, &admin, &tag.0).await?;
    Ok(flat(json!({ "message": "Tag removed", "data": { "affectedCount": affected } })))
}

/// The programs whose requests keys can be restricted to.
const CLIENTS: &[(&str, &str, &str, &str)] = &[
    ("claude_code", "Claude Code", "Claude Code CLI", "🤖"),
    ("gemini_cli", "Gemini CLI", "Gemini command line", "💎"),
    ("codex_cli", "Codex CLI", "Codex command line", "🔷"),
    ("droid_cli", "Droid CLI", "Factory Droid command line", "🤖"),
];

pub async fn supported_clients(_: Admin) -> Reply {
    let rows: Vec<Value> = CLIENTS
        .iter()
        .map(|(id, name, text, icon)| json!({ "id": id, "name": name, "description": text, "icon": icon }))
        .collect();
    Ok(data(rows))
}

/// Deleted and living keys under an id.
pub async fn any(app: &App, actor: &Actor, uid: &str) -> Result<ApiKey, Error> {
    api_key::get_by_uid(app, actor, uid).await
}

/// A refusal in this system's older form.
pub fn failed(status: StatusCode, error: &str) -> axum::response::Response {
    (status, Json(json!({ "success": false, "error": error, "message": error }))).into_response()
}

/// The filter of the recycle bin.
pub fn bin() -> KeyFilter {
    KeyFilter { deleted: Deleted::Only, ..KeyFilter::default() }
}
