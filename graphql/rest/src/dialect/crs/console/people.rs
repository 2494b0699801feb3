//! People.

use axum::extract::State;
use http::StatusCode;
use schema::Role;
use schema::model::api_key::{Deleted, KeyFilter, KeyStatus};
use schema::model::user::{User, UserFilter, UserOrder, UserStatus};
use schema::page::{Direction, Window};
use schema::service::api_key;
use schema::service::report::{self, Dimension};
use schema::service::user::{self as people, PersonChange};
use schema::{App, Error, Micros};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::form::{Told, told};
use super::super::shape::Span;
use super::super::{Admin, Body, Path, Query, Reply, data, flat, refuse, sums};

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Listing {
    role: Option<String>,
    is_active: Option<String>,
    search: Option<String>,
    page: Option<i64>,
    limit: Option<i64>,
}

impl Listing {
    fn filter(&self, default: Option<UserStatus>) -> Result<UserFilter, Error> {
        let role = match self.role.as_deref() {
            None | Some("") => None,
            Some(word) => Some(Role::parse(word).ok_or_else(|| Error::invalid("role", "Invalid role"))?),
        };
        let status = match self.is_active.as_deref() {
            Some("true") => Some(UserStatus::Active),
            Some("false") => Some(UserStatus::Inactive),
            _ => default,
        };
        Ok(UserFilter { role, status, search: self.search.clone().filter(|s| !s.is_empty()), ..UserFilter::default() })
    }
}

fn shown(user: &User) -> Value {
    json!({
        "id": user.uid, "username": user.username,
        "displayName": if user.display_name.is_empty() { &user.username } else { &user.display_name },
        "email": user.email.as_deref().unwrap_or(""), "role": user.role,
        "isActive": user.is_active(), "status": user.status, "createdAt": user.created_at.rfc3339(),
        "lastLoginAt": user.last_login_at.map(|t| t.rfc3339()), "totalCost": user.spent.dollars(),
        "totalRequests": user.request_count,
    })
}

pub async fn owners(State(app): State<App>, admin: Admin, query: Query<Listing>) -> Reply {
    let filter = query.0.filter(Some(UserStatus::Active))?;
    let order = (UserOrder::CreatedAt, Direction::Asc);
    let users = people::pages(&app, &admin, &filter, order, Window { limit: 100_000, offset: 0 }).await?;
    // Whoever is signed in stands first, under the name its console expects.
    let first = json!({ "id": "admin", "username": "admin", "displayName": "Admin", "email": "", "role": "admin" });
    let others = users.rows.iter().filter(|user| admin.user_id != Some(user.id));
    let rows: Vec<Value> = std::iter::once(first).chain(others.map(shown)).collect();
    Ok(data(rows))
}

/// Its own door for people who are no administrators, who are asked of a directory (LDAP) there.
pub async fn sign_in(_: Body<Told<told::Credentials>>) -> Reply {
    let why = "There is no sign-in by a directory (LDAP) here: administrators sign in at /web/auth/login, and whoever \
               holds a key sees what it was used for on the page of statistics";
    Ok(refuse(StatusCode::FORBIDDEN, "User management is not enabled", why))
}

pub async fn list(State(app): State<App>, admin: Admin, query: Query<Listing>) -> Reply {
    let filter = query.0.filter(None)?;
    let (page, size) = (query.0.page.unwrap_or(1), query.0.limit.unwrap_or(20));
    let order = (UserOrder::CreatedAt, Direction::Desc);
    let users = people::pages(&app, &admin, &filter, order, Window::page(page, size, 1_000)?).await?;
    let mut rows = Vec::with_capacity(users.rows.len());
    for user in &users.rows {
        let mut row = shown(user);
        let keys = KeyFilter { user_id: Some(user.id), ..KeyFilter::default() };
        row["apiKeyCount"] = api_key::count(&app, &admin, &keys).await?.into();
        row["totalUsage"] = json!({ "requests": user.request_count, "totalCost": user.spent.dollars() });
        rows.push(row);
    }
    let pages = (users.total + size - 1) / size;
    Ok(flat(json!({
        "users": rows,
        "pagination": { "page": page, "limit": size, "total": users.total, "totalPages": pages.max(1) },
    })))
}

pub async fn stats(State(app): State<App>, admin: Admin) -> Reply {
    let all = people::count(&app, &admin, &UserFilter::default()).await?;
    let active = UserFilter { status: Some(UserStatus::Active), ..UserFilter::default() };
    let active = people::count(&app, &admin, &active).await?;
    let admins = UserFilter { role: Some(Role::Admin), ..UserFilter::default() };
    let chiefs = UserFilter { role: Some(Role::SuperAdmin), ..UserFilter::default() };
    let admins = people::count(&app, &admin, &admins).await? + people::count(&app, &admin, &chiefs).await?;
    let total = report::totals(&app, &admin, &report::Slice::default()).await?;
    Ok(flat(json!({ "stats": {
        "totalUsers": all, "activeUsers": active, "adminUsers": admins, "regularUsers": all - admins,
        "totalApiKeys": api_key::count(&app, &admin, &KeyFilter::default()).await?,
        "totalUsage": {
            "requests": total.requests, "inputTokens": total.counts.input, "outputTokens": total.counts.output,
            "totalCost": Micros(total.cost).dollars(),
        },
    } })))
}

/// One person with their keys, the deleted too, and what each was used for.
pub async fn one(State(app): State<App>, admin: Admin, uid: Path<String>) -> Reply {
    let user = people::get_by_uid(&app, &admin, &uid.0).await?;
    let keys = api_key::all_of(&app, &admin, user.id, Deleted::With, api_key::PAGE).await?;
    let ids: Vec<i64> = keys.iter().map(|key| key.id).collect();
    let used = sums::Used::of(&app, &admin, Dimension::Key, &ids, &[Span::ALL]).await?;
    let shown_keys = keys.iter().map(|key| {
        let total = used.in_span(key.id, 0);
        json!({
            "id": key.uid, "name": key.name, "description": key.description,
            "isActive": key.status == KeyStatus::Active && key.deleted_at.is_none(),
            "createdAt": key.created_at.rfc3339(), "lastUsedAt": key.last_used_at.map(|t| t.rfc3339()),
            "usage": {
                "requests": total.requests, "inputTokens": total.counts.input, "outputTokens": total.counts.output,
                "totalCost": Micros(total.cost).dollars(),
            },
            "keyPreview": key.hint,
        })
    });
    let keys: Vec<Value> = shown_keys.collect();
    let mut whole = shown(&user);
    whole["apiKeys"] = keys.into();
    Ok(flat(json!({ "user": whole })))
}

pub async fn switch(State(app): State<App>, admin: Admin, uid: Path<String>, form: Body<Told<told::Switch>>) -> Reply {
    let active = form.0.given("isActive").and_then(Value::as_bool);
    let active = active.ok_or_else(|| Error::invalid("isActive", "isActive must be a boolean value"))?;
    let user = people::get_by_uid(&app, &admin, &uid.0).await?;
    let status = if active { UserStatus::Active } else { UserStatus::Suspended };
    let change = PersonChange { status: Some(status), ..PersonChange::default() };
    let user = people::change(&app, &admin, user.id, change).await?;
    let word = if active { "enabled" } else { "disabled" };
    Ok(flat(json!({ "message": format!("User {word} successfully"), "user": shown(&user) })))
}

pub async fn raise(State(app): State<App>, admin: Admin, uid: Path<String>, form: Body<Told<told::Rank>>) -> Reply {
    let role = match form.0.given("role").and_then(Value::as_str) {
        Some("user") => Role::User,
        Some("admin") => Role::Admin,
        _ => return Err(Error::invalid("role", "Role must be one of: user, admin").into()),
    };
    let user = people::get_by_uid(&app, &admin, &uid.0).await?;
    let change = PersonChange { role: Some(role), ..PersonChange::default() };
    let user = people::change(&app, &admin, user.id, change).await?;
    Ok(flat(json!({ "message": format!("User role updated to {} successfully", user.role), "user": shown(&user) })))
}

/// Switches every key of a person off.
pub async fn disable_keys(State(app): State<App>, admin: Admin, uid: Path<String>) -> Reply {
    let user = people::get_by_uid(&app, &admin, &uid.0).await?;
    let done = api_key::disable_all_of(&app, &admin, user.id, api_key::PAGE).await?;
    let text = format!("Disabled {done} API keys for user {}", user.username);
    Ok(flat(json!({ "message": text, "disabledCount": done })))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    period: Option<String>,
    model: Option<String>,
}

/// What a person's calls came to in a day, a week, a month or a quarter; by day and by model.
pub async fn used(State(app): State<App>, admin: Admin, uid: Path<String>, query: Query<Asked>) -> Reply {
    let user = people::get_by_uid(&app, &admin, &uid.0).await?;
    let days = match query.0.period.as_deref() {
        Some("day") => 1,
        None | Some("" | "week") => 7,
        Some("month") => 30,
        Some("quarter") => 90,
        _ => return Err(Error::invalid("period", "period is day, week, month or quarter").into()),
    };
    let models = query.0.model.filter(|model| !model.is_empty()).map(|model| vec![model]);
    let slice = report::Slice { users: Some(vec![user.id]), models, ..report::Slice::default() };
    let slice = report::range(&app, report::Period::Days(days)).of(&slice);
    let whole = report::totals(&app, &admin, &slice).await?;
    let by_day = report::series(&app, &admin, &slice, report::Grain::Day).await?;
    let by_model = report::groups(&app, &admin, &slice, Dimension::Model, report::Measure::Requests, 200).await?;
    let line = |name: &str, word: &str, sums: &report::Sums| {
        json!({
            name: word, "requests": sums.requests, "inputTokens": sums.counts.input,
            "outputTokens": sums.counts.output, "cost": Micros(sums.cost).dollars(),
        })
    };
    Ok(flat(json!({
        "user": { "id": user.uid, "username": user.username, "displayName": user.display_name },
        "stats": {
            "totalRequests": whole.requests, "totalInputTokens": whole.counts.input,
            "totalOutputTokens": whole.counts.output, "totalCost": Micros(whole.cost).dollars(),
            "dailyStats": by_day.iter().map(|day| line("date", &day.label, &day.sums)).collect::<Vec<_>>(),
            "modelStats": by_model.iter().map(|of| line("model", of.key.word().unwrap_or(""), &of.sums)).collect::<Vec<_>>(),
        },
    })))
}
