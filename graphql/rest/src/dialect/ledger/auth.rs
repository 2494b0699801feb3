//! Signing administrators in and out.
//!
//! Whoever signs in is not asked for a token: clients send the one that has ended along.

use axum::extract::State;
use relay::edge::Origin;
use schema::model::user::User;
use schema::service::{session, user as people};
use schema::{App, Face, Role};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Body, Caller, Reply, data, message};

#[derive(Deserialize)]
pub struct Login {
    username: String,
    password: String,
}

/// This system's word for a role.
fn role(role: Role) -> &'static str {
    match role {
        Role::SuperAdmin => "SUPER_ADMIN",
        Role::Admin => "ADMIN",
        Role::User => "USER",
    }
}

fn shown(user: &User) -> Value {
    json!({
        "id": user.uid,
        "username": user.username,
        "email": user.email.as_deref().unwrap_or(""),
        "role": role(user.role),
        "lastLoginAt": user.last_login_at.unwrap_or(user.created_at).rfc3339(),
    })
}

pub async fn login(State(app): State<App>, origin: Origin, form: Body<Login>) -> Reply {
    let (caller, form) = (origin.anonymous(Face::Ledger), form.0);
    let done = session::sign_in(&app, &caller, &form.username, &form.password, Role::Admin).await?;
    Ok(data(json!({ "token": done.token.token, "admin": shown(&done.user) })))
}

pub async fn logout(State(app): State<App>, caller: Caller) -> Reply {
    caller.require(Role::Admin)?;
    session::sign_out(&app, &caller).await?;
    Ok(message("登出成功"))
}

pub async fn verify(State(app): State<App>, caller: Caller) -> Reply {
    caller.require(Role::Admin)?;
    let user = people::get(&app, &caller, caller.signed_in()?).await?;
    Ok(data(json!({ "admin": shown(&user) })))
}
