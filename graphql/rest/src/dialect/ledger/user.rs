//! People: administrators look, super administrators change.

use axum::extract::{FromRequestParts, State};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use schema::model::api_key::KeyFilter;
use schema::model::user::{User, UserFilter, UserOrder, UserStatus};
use schema::page::Direction;
use schema::service::api_key;
use schema::service::user::{self as people, NewPerson, PersonChange};
use schema::{App, Error, Role, id};
use serde::Deserialize;
use serde_json::{Value, json};

use super::page::{MOST_USERS, Paging, pagination};
use super::{Body, Caller, Path, Query, Reply, data};

fn brief(user: &User) -> Value {
    json!({
        "id": user.uid,
        "name": user.display_name,
        "email": user.email.as_deref().unwrap_or(""),
        "createdAt": user.created_at.rfc3339(),
    })
}

/// A person as they stand in the list.
fn row(user: &User) -> Value {
    json!({
        "id": user.uid,
        "name": user.display_name,
        "email": user.email.as_deref().unwrap_or(""),
        "createdAt": user.created_at.rfc3339(),
        "lastLoginAt": user.last_login_at.map(|t| t.rfc3339()),
        "transactionCount": user.request_count,
        "isActive": user.is_active(),
    })
}

#[derive(Deserialize)]
pub struct ListQuery {
    search: Option<String>,
    status: Option<String>,
    sort: Option<String>,
    order: Option<String>,
}

/// `asc` or `desc`, the latter when nothing is said.
pub fn direction(order: Option<&str>) -> Result<Direction, Error> {
    match order {
        None | Some("" | "desc") => Ok(Direction::Desc),
        Some("asc") => Ok(Direction::Asc),
        Some(_) => Err(Error::invalid("order", "order must be asc or desc")),
    }
}

pub async fn list(State(app): State<App>, caller: Caller, paging: Query<Paging>, query: Query<ListQuery>) -> Reply {
    caller.require(Role::Admin)?;
    let query = query.0;
    let mut filter = UserFilter { search: query.search.filter(|s| !s.is_empty()), ..UserFilter::default() };
    match query.status.as_deref() {
        None | Some("") => {}
        Some("active") => filter.status = Some(UserStatus::Active),
        Some("inactive") => filter.statuses = vec![UserStatus::Inactive, UserStatus::Suspended],
        Some(_) => return Err(Error::invalid("status", "status must be active or inactive").into()),
    }
    let order = match query.sort.as_deref() {
        None | Some("" | "createdAt") => UserOrder::CreatedAt,
        Some("name") => UserOrder::DisplayName,
        Some("email") => UserOrder::Email,
        Some(_) => return Err(Error::invalid("sort", "sort must be createdAt, name or email").into()),
    };
    let window = paging.0.window(20, MOST_USERS)?;
    let order = (order, direction(query.order.as_deref())?);
    let page = people::pages(&app, &caller, &filter, order, window).await?;
    let users: Vec<Value> = page.rows.iter().map(row).collect();
    Ok(data(json!({ "users": users, "pagination": pagination(window, page.total) })))
}

pub async fn get(State(app): State<App>, caller: Caller, id: Path<String>) -> Reply {
    caller.require(Role::Admin)?;
    let user = people::get_by_uid(&app, &caller, &id.0).await?;
    let keys = KeyFilter { user_id: Some(user.id), ..KeyFilter::default() };
    let books = api_key::count(&app, &caller, &keys).await?;
    let mut shown = brief(&user);
    shown["lastLoginAt"] = json!(user.last_login_at.map(|t| t.rfc3339()));
    shown["isActive"] = json!(user.is_active());
    shown["bio"] = json!(user.bio);
    shown["avatar"] = json!(user.avatar);
    // A person's books are their keys: each keeps an account of its own.
    shown["stats"] = json!({
        "transactionCount": user.request_count,
        "totalAmount": user.spent.dollars(),
        "accountBookCount": books,
    });
    Ok(data(json!({ "user": shown })))
}

#[derive(Deserialize)]
pub struct NewUser {
    name: String,
    email: String,
    password: String,
}

/// A name of one's own for an address that cannot be one: it is too long, or has odd letters.
fn made_up(email: &str) -> String {
    let plain = |c: &char| c.is_alphanumeric() || "-_.".contains(*c);
    let begins: String = email.split('@').next().unwrap_or_default().chars().filter(plain).take(40).collect();
    let begins = if begins.is_empty() { "user".to_owned() } else { begins };
    format!("{begins}-{}", id::code(id::CODE_ALPHABET, 6))
}

/// Here nobody chose a name, only an address.
fn taken(error: Error) -> Error {
    match error {
        Error::Conflict { code: "USERNAME_TAKEN", .. } => {
            Error::conflict("EMAIL_TAKEN", "this e-mail address is registered already")
        }
        other => other,
    }
}

pub async fn create(State(app): State<App>, caller: Caller, form: Body<NewUser>) -> Reply {
    caller.require(Role::SuperAdmin)?;
    let form = form.0;
    if form.name.trim().is_empty() {
        return Err(Error::invalid("name", "name is needed").into());
    }
    let email = people::check_email(&form.email)?;
    // Names are shown and may be shared here; people sign in with their address.
    let person = NewPerson {
        username: people::check_name(&email).unwrap_or_else(|_| made_up(&email)),
        display_name: Some(form.name.trim().to_owned()),
        email: Some(email),
        password: Some(form.password),
        ..NewPerson::default()
    };
    let user = people::create(&app, &caller, person).await.map_err(taken)?;
    Ok(data(json!({ "user": brief(&user) })))
}

#[derive(Deserialize)]
pub struct Change {
    name: Option<String>,
    email: Option<String>,
    bio: Option<String>,
    avatar: Option<String>,
}

async fn apply(app: &App, caller: &Caller, uid: &str, change: PersonChange) -> Result<User, Error> {
    caller.require(Role::SuperAdmin)?;
    let user = people::get_by_uid(app, caller, uid).await?;
    people::change(app, caller, user.id, change).await
}

/// The name of somebody whose address changes, where the old address was their name as well: it must become free for
/// others.
fn renamed(user: &User, email: Option<&str>) -> Option<String> {
    let email = email.map(str::trim).filter(|email| !email.is_empty())?;
    let goes = user.email.as_deref() == Some(user.username.as_str()) && user.username != email;
    goes.then(|| people::check_name(email).unwrap_or_else(|_| made_up(&user.username)))
}

pub async fn change(State(app): State<App>, caller: Caller, id: Path<String>, form: Body<Change>) -> Reply {
    caller.require(Role::SuperAdmin)?;
    let form = form.0;
    if form.name.as_deref().is_some_and(|n| n.trim().is_empty()) {
        return Err(Error::invalid("name", "name may not be empty").into());
    }
    let before = people::get_by_uid(&app, &caller, &id.0).await?;
    let change = PersonChange {
        username: renamed(&before, form.email.as_deref()),
        display_name: form.name,
        email: form.email.map(Some),
        bio: form.bio,
        avatar: form.avatar,
        ..PersonChange::default()
    };
    let user = people::change(&app, &caller, before.id, change).await.map_err(taken)?;
    let mut shown = brief(&user);
    shown["bio"] = json!(user.bio);
    shown["avatar"] = json!(user.avatar);
    Ok(data(json!({ "user": shown })))
}

#[derive(Deserialize)]
pub struct Reset {
    #[serde(rename = "newPassword")]
    new_password: String,
}

pub async fn reset_password(State(app): State<App>, caller: Caller, id: Path<String>, form: Body<Reset>) -> Reply {
    let change = PersonChange { password: Some(form.0.new_password), ..PersonChange::default() };
    apply(&app, &caller, &id.0, change).await?;
    Ok(super::message("密码重置成功"))
}

#[derive(Deserialize)]
pub struct Status {
    #[serde(rename = "isActive")]
    is_active: bool,
}

pub async fn status(State(app): State<App>, caller: Caller, id: Path<String>, form: Body<Status>) -> Reply {
    let status = if form.0.is_active { UserStatus::Active } else { UserStatus::Inactive };
    let user = apply(&app, &caller, &id.0, PersonChange { status: Some(status), ..PersonChange::default() }).await?;
    Ok(data(json!({ "user": row(&user) })))
}

pub async fn delete(State(app): State<App>, caller: Caller, id: Path<String>) -> Reply {
    caller.require(Role::SuperAdmin)?;
    let user = people::get_by_uid(&app, &caller, &id.0).await?;
    people::delete(&app, &caller, user.id).await?;
    Ok(super::message("用户删除成功"))
}

/// The list for a request that reached it under the path shared with massrouter.
pub async fn listed(app: &App, parts: &mut Parts) -> Response {
    let caller = match Caller::from_request_parts(parts, app).await {
        Ok(caller) => caller,
        Err(refusal) => return refusal.into_response(),
    };
    let paging = match Query::<Paging>::from_request_parts(parts, app).await {
        Ok(paging) => paging,
        Err(refusal) => return refusal.into_response(),
    };
    let query = match Query::<ListQuery>::from_request_parts(parts, app).await {
        Ok(query) => query,
        Err(refusal) => return refusal.into_response(),
    };
    list(State(app.clone()), caller, paging, query).await.into_response()
}
