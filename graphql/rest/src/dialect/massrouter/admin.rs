//! For administrators: people and their status. What the ledger shares of these paths is told apart here.

use axum::extract::{FromRequestParts, State};
use axum::response::{IntoResponse, Response};
use schema::model::user::{User, UserFilter, UserOrder, UserStatus};
use schema::page::Direction;
use schema::service::user::{self as people, PersonChange};
use schema::{App, Error, Role};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::{home, ledger};
use super::page::{Paging, paged};
use super::{Body, Caller, Path, Query, Reply, data};
use crate::openapi::Later;

/// A person as administrators see them.
fn shown(user: &User) -> Value {
    json!({
        "id": user.id.to_string(),
        "user_id": user.id.to_string(),
        "email": user.email,
        "username": user.username,
        "display_name": user.display_name,
        "role": user.role,
        "status": user.status,
        "balance": user.balance.dollars(),
        "request_count": user.request_count,
        "created_at": user.created_at.rfc3339(),
        "last_login_at": user.last_login_at.map(|t| t.rfc3339()),
    })
}

#[derive(Deserialize)]
pub struct ListQuery {
    search: Option<String>,
    status: Option<String>,
    role: Option<String>,
}

/// Everybody: in the ledger's shape for whoever comes from there, in this system's otherwise.
pub async fn users(State(app): State<App>, request: Later<(Caller, Query<Paging>, Query<ListQuery>)>) -> Response {
    let (mut parts, _) = request.0.into_parts();
    if home::means_ledger(&app, &parts) {
        return ledger::user::listed(&app, &mut parts).await;
    }
    let caller = match Caller::from_request_parts(&mut parts, &app).await {
        Ok(caller) => caller,
        Err(refusal) => return refusal.into_response(),
    };
    let paging = match Query::<Paging>::from_request_parts(&mut parts, &app).await {
        Ok(paging) => paging,
        Err(refusal) => return refusal.into_response(),
    };
    let query = match Query::<ListQuery>::from_request_parts(&mut parts, &app).await {
        Ok(query) => query,
        Err(refusal) => return refusal.into_response(),
    };
    list(app, caller, paging.0, query.0).await.into_response()
}

fn status(word: &str) -> Result<UserStatus, Error> {
    UserStatus::parse(word).ok_or_else(|| Error::invalid("status", "status must be active, inactive or suspended"))
}

async fn list(app: App, caller: Caller, paging: Paging, query: ListQuery) -> Reply {
    caller.require(Role::Admin)?;
    let some = |text: &Option<String>| text.clone().filter(|t| !t.is_empty());
    let role = |word: String| Role::parse(&word).ok_or_else(|| Error::invalid("role", "this is no role"));
    let filter = UserFilter {
        search: some(&query.search),
        status: some(&query.status).as_deref().map(status).transpose()?,
        role: some(&query.role).map(role).transpose()?,
        ..UserFilter::default()
    };
    let window = paging.window(20, 100)?;
    let order = (UserOrder::CreatedAt, Direction::Desc);
    let page = people::pages(&app, &caller, &filter, order, window).await?;
    let users: Vec<Value> = page.rows.iter().map(shown).collect();
    Ok(data(&app, paged("users", users, window, page.total)))
}

#[derive(Deserialize)]
pub struct Status {
    status: String,
}

pub async fn set_status(State(app): State<App>, caller: Caller, id: Path<String>, form: Body<Status>) -> Reply {
    caller.require(Role::Admin)?;
    let status = status(&form.0.status)?;
    let id = id.0.parse::<i64>().map_err(|_| Error::NotFound { what: "user" })?;
    let change = PersonChange { status: Some(status), ..PersonChange::default() };
    let user = people::change(&app, &caller, id, change).await?;
    Ok(data(&app, json!({ "user": shown(&user) })))
}
