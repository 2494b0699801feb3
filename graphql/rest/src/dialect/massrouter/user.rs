//! Oneself.

use axum::extract::State;
use schema::App;
use schema::model::user::User;
use schema::service::user::{self as people, PersonChange};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Body, Caller, Reply, data};

fn shown(user: &User) -> Value {
    json!({
        "id": user.id.to_string(),
        "email": user.email,
        "username": user.username,
        "display_name": user.display_name,
        "avatar": user.avatar,
        "bio": user.bio,
        "role": user.role,
        "status": user.status,
        "email_verified": user.email_verified,
        "created_at": user.created_at.rfc3339(),
        "last_login_at": user.last_login_at.map(|t| t.rfc3339()),
    })
}

pub async fn get(State(app): State<App>, caller: Caller) -> Reply {
    let user = people::get(&app, &caller, caller.signed_in()?).await?;
    Ok(data(&app, json!({ "user": shown(&user) })))
}

#[derive(Deserialize)]
pub struct Change {
    username: Option<String>,
    email: Option<String>,
    display_name: Option<String>,
    avatar: Option<String>,
    bio: Option<String>,
    /// A new password, with the one it replaces.
    password: Option<String>,
    current_password: Option<String>,
}

pub async fn change(State(app): State<App>, caller: Caller, form: Body<Change>) -> Reply {
    let form = form.0;
    let id = caller.signed_in()?;
    let change = PersonChange {
        username: form.username,
        email: form.email.map(Some),
        display_name: form.display_name,
        avatar: form.avatar,
        bio: form.bio,
        current_password: form.password.is_some().then(|| form.current_password.unwrap_or_default()),
        password: form.password,
        ..PersonChange::default()
    };
    let user = people::change(&app, &caller, id, change).await?;
    Ok(data(&app, json!({ "user": shown(&user) })))
}
