//! Signing users in, and registering them.
//!
//! Whoever signs in is not asked for a token: clients send the one that has ended along.

use axum::extract::State;
use relay::edge::Origin;
use schema::service::session::{self, SignedIn};
use schema::service::user::{self as people, NewPerson};
use schema::{App, Face, Role};
use serde::Deserialize;
use serde_json::json;

use super::{Body, Reply, flat};

#[derive(Deserialize)]
pub struct Login {
    /// A name or an e-mail address.
    #[serde(default, alias = "email")]
    username: String,
    #[serde(default)]
    password: String,
}

fn signed_in(done: SignedIn, ttl: i64) -> axum::response::Response {
    let user = done.user;
    flat(json!({
        "token": done.token.token,
        "expiresIn": ttl,
        "user": {
            "id": format!("user_{}", user.id),
            "username": user.username,
            "email": user.email,
            "displayName": user.display_name,
            "role": user.role,
        },
    }))
}

pub async fn login(State(app): State<App>, origin: Origin, form: Body<Login>) -> Reply {
    let (caller, form) = (origin.anonymous(Face::Commercial), form.0);
    let done = session::sign_in(&app, &caller, &form.username, &form.password, Role::User).await?;
    Ok(signed_in(done, session::token_ttl(caller.face)))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Register {
    username: String,
    password: String,
    email: Option<String>,
    display_name: Option<String>,
}

pub async fn register(State(app): State<App>, origin: Origin, form: Body<Register>) -> Reply {
    let (caller, form) = (origin.anonymous(Face::Commercial), form.0);
    // People of this face sign in with their address, so a name that is one counts as one.
    let email = form.email.or_else(|| form.username.contains('@').then(|| form.username.clone()));
    let person = NewPerson {
        username: form.username,
        password: Some(form.password),
        email,
        display_name: form.display_name,
        ..NewPerson::default()
    };
    let user = people::register(&app, &caller, person).await?;
    let done = session::sign_in_as(&app, &caller, user).await?;
    Ok(signed_in(done, session::token_ttl(caller.face)))
}
