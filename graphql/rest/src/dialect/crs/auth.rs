//! Signing administrators in and out.
//!
//! Whoever signs in is not asked for a token: consoles send the one that has ended along.

use axum::extract::State;
use http::StatusCode;
use relay::edge::Origin;
use schema::service::{session, user as people};
use schema::{App, Error, Face, Role};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Admin, Body, Reply, flat, message, refuse};

#[derive(Deserialize)]
pub struct Login {
    #[serde(default)]
    username: Value,
    #[serde(default)]
    password: Value,
}

pub async fn login(State(app): State<App>, origin: Origin, form: Body<Login>) -> Reply {
    let (caller, form) = (origin.anonymous(Face::Crs), form.0);
    let (Some(username), Some(password)) = (form.username.as_str(), form.password.as_str()) else {
        return Ok(refuse(StatusCode::BAD_REQUEST, "Missing credentials", "Username and password are required"));
    };
    if username.is_empty() || password.is_empty() {
        return Ok(refuse(StatusCode::BAD_REQUEST, "Missing credentials", "Username and password are required"));
    }
    match session::sign_in(&app, &caller, username, password, Role::Admin).await {
        Ok(done) => Ok(flat(json!({
            "token": done.token.token,
            "expiresIn": session::token_ttl(caller.face),
            "username": done.user.username,
        }))),
        Err(Error::Unauthenticated { .. }) => {
            Ok(refuse(StatusCode::UNAUTHORIZED, "Invalid credentials", "Invalid username or password"))
        }
        Err(e) => Err(e.into()),
    }
}

pub async fn logout(State(app): State<App>, caller: Admin) -> Reply {
    session::sign_out(&app, &caller).await?;
    Ok(message("Logout successful"))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangePassword {
    new_username: Option<String>,
    current_password: Option<String>,
    new_password: Option<String>,
}

pub async fn change_password(State(app): State<App>, caller: Admin, form: Body<ChangePassword>) -> Reply {
    let form = form.0;
    let (Some(current), Some(new)) = (form.current_password, form.new_password) else {
        let text = "Current password and new password are required";
        return Ok(refuse(StatusCode::BAD_REQUEST, "Missing required fields", text));
    };
    if new.chars().count() < 8 {
        let text = "New password must be at least 8 characters long";
        return Ok(refuse(StatusCode::BAD_REQUEST, "Password too short", text));
    }
    match people::change_own_password(&app, &caller, &current, &new, form.new_username.as_deref()).await {
        Ok(user) => Ok(flat(json!({ "message": "Password changed successfully", "newUsername": user.username }))),
        Err(Error::Invalid { field, .. }) if field == "currentPassword" => {
            Ok(refuse(StatusCode::UNAUTHORIZED, "Invalid current password", "Current password is incorrect"))
        }
        Err(e) => Err(e.into()),
    }
}

pub async fn user(State(app): State<App>, caller: Admin) -> Reply {
    let user = people::get(&app, &caller, caller.signed_in()?).await?;
    let login = user.last_login_at.unwrap_or(user.created_at).rfc3339();
    let now = app.clock.now().rfc3339();
    Ok(flat(json!({ "user": {
        "username": user.username, "loginTime": login, "lastActivity": now, "role": user.role,
    } })))
}

pub async fn refresh(State(app): State<App>, caller: Admin) -> Reply {
    let done = session::renew(&app, &caller).await?;
    Ok(flat(json!({ "token": done.token.token, "expiresIn": session::token_ttl(caller.face) })))
}
