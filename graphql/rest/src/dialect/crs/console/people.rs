//! People.

use axum::extract::State;
use schema::Role;
use schema::model::user::{User, UserFilter, UserOrder, UserStatus};
use schema::page::{Direction, Window};
use schema::service::{report, user as people};
use schema::{App, Error, Micros};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::{Admin, Query, Reply, data, flat};

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
    let rows: Vec<Value> = std::iter::once(first).chain(users.rows.iter().map(shown)).collect();
    Ok(data(rows))
}

pub async fn list(State(app): State<App>, admin: Admin, query: Query<Listing>) -> Reply {
    let filter = query.0.filter(None)?;
    let (page, size) = (query.0.page.unwrap_or(1), query.0.limit.unwrap_or(20));
    let order = (UserOrder::CreatedAt, Direction::Desc);
    let users = people::pages(&app, &admin, &filter, order, Window::page(page, size, 1_000)?).await?;
    let rows: Vec<Value> = users.rows.iter().map(shown).collect();
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
        "totalUsage": {
            "requests": total.requests, "inputTokens": total.counts.input, "outputTokens": total.counts.output,
            "totalCost": Micros(total.cost).dollars(),
        },
    } })))
}
