//! Registering, signing in and refreshing.
//!
//! Whoever signs in is not asked for a token: clients send the one that has ended along.

use axum::extract::{FromRequestParts, State};
use http::request::Parts;
use relay::edge::Origin;
use schema::clock::SECOND;
use schema::service::session::{self, Pair};
use schema::service::user::{self as people, NewPerson};
use schema::{App, Error, Face, Role};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::bearer;
use super::{Body, Caller, Reply, data};

#[derive(Deserialize)]
pub struct Register {
    email: String,
    username: String,
    password: String,
    confirm_password: Option<String>,
}

/// A signed-in person and their tokens.
pub fn pair(pair: &Pair) -> Value {
    let user = &pair.user;
    json!({
        "user": {
            "id": user.id.to_string(),
            "email": user.email,
            "username": user.username,
            "display_name": user.display_name,
            "role": user.role,
        },
        "tokens": {
            "access_token": pair.access.token,
            "refresh_token": pair.refresh,
            "token_type": "Bearer",
            "expires_in": pair.access.life_ms / SECOND,
        },
    })
}

pub async fn register(State(app): State<App>, origin: Origin, form: Body<Register>) -> Reply {
    let (caller, form) = (origin.anonymous(Face::Massrouter), form.0);
    if form.confirm_password.as_ref().is_some_and(|again| again != &form.password) {
        return Err(Error::invalid("confirm_password", "the two passwords differ").into());
    }
    let person = NewPerson {
        username: form.username,
        password: Some(form.password),
        email: Some(form.email),
        ..NewPerson::default()
    };
    let user = people::register(&app, &caller, person).await?;
    let opened = session::open_pair(&app, &caller, user).await?;
    Ok(data(&app, pair(&opened)))
}

#[derive(Deserialize)]
pub struct Login {
    #[serde(alias = "username")]
    email: String,
    password: String,
}

pub async fn login(State(app): State<App>, origin: Origin, form: Body<Login>) -> Reply {
    let (caller, form) = (origin.anonymous(Face::Massrouter), form.0);
    let user = session::check(&app, &caller, &form.email, &form.password, Role::User).await?;
    let opened = session::open_pair(&app, &caller, user).await?;
    Ok(data(&app, pair(&opened)))
}

/// The refresh token stands where other requests have the access token.
pub struct Presented(String, schema::Actor);

impl crate::openapi::Part for Presented {
    fn describe(asked: &mut crate::openapi::Asked) {
        <Caller as crate::openapi::Part>::describe(asked);
    }
}

impl FromRequestParts<App> for Presented {
    type Rejection = super::super::Fault<super::Massrouter>;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Self::Rejection> {
        let token = bearer(parts).ok_or_else(|| Error::unauthenticated("the refresh token is missing"))?;
        Ok(Self(token.to_owned(), relay::edge::origin::of(parts).anonymous(Face::Massrouter)))
    }
}

pub async fn refresh(State(app): State<App>, Presented(token, caller): Presented) -> Reply {
    let opened = session::refresh(&app, &caller, &token).await?;
    Ok(data(&app, pair(&opened)))
}
