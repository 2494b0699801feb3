//! massrouter: `/api/v1/*` and `/ws`. Every answer is `{success, data, message, timestamp}`; every
//! refusal `{success, error: {code, message, details}, timestamp}`.

mod admin;
mod auth;
mod billing;
mod key;
mod model;
mod oauth;
mod page;
mod statistics;
mod user;
mod ws;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;
use schema::model::api_key::{ApiKey, KeyState};
use schema::model::order::Method;
use schema::service::{api_key, session, token, user as people};
use schema::{Actor, App, Clock, Error, Face, Role};
use serde_json::{Value, json};

use super::{Dialect, bearer, ledger};

/// The dialect.
#[derive(Clone, Copy)]
pub struct Massrouter;

type Reply<T = Response> = super::Reply<Massrouter, T>;
type Caller = super::Caller<Massrouter>;
type Maybe = super::Maybe<Massrouter>;
type Body<T> = super::Body<Massrouter, T>;
type Query<T> = super::Query<Massrouter, T>;
type Path<T> = super::Path<Massrouter, T>;

impl Dialect for Massrouter {
    const FACE: Face = Face::Massrouter;

    fn refuse(error: &Error) -> Response {
        let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = json!({
            "success": false,
            "error": told(error),
            "timestamp": Clock::System.now().rfc3339(),
        });
        (status, Json(body)).into_response()
    }

    async fn caller(app: &App, parts: &Parts, anonymous: Actor) -> Result<Actor, Error> {
        let token = bearer(parts).ok_or_else(|| Error::unauthenticated("sign in first"))?;
        believe(app, token, parts.method != http::Method::GET, anonymous).await
    }
}

/// A model that the catalogue knows but does not offer at the moment.
const SWITCHED_OFF: &str = "model offered at the moment";

/// `{code, message, details}` of an error.
fn told(error: &Error) -> Value {
    let code = match error {
        Error::Invalid { .. } | Error::Conflict { .. } => "ERR_001",
        Error::Unauthenticated { why } if why == KEY_EXPIRED => "APIKEY_001",
        Error::Unauthenticated { .. } => "ERR_002",
        Error::Forbidden { why } if why.contains("disabled") => "USER_001",
        Error::Forbidden { .. } | Error::RateLimited { .. } => "ERR_003",
        Error::NotFound { what } if *what == SWITCHED_OFF => "MODEL_001",
        Error::NotFound { .. } => "ERR_004",
        Error::QuotaExceeded { .. } => "BILL_001",
        Error::Upstream { vendor, .. } if Method::parse(vendor).is_some() => "BILL_002",
        Error::Upstream { .. } | Error::Unavailable { .. } | Error::Internal(_) => "ERR_005",
    };
    let mut details = serde_json::Map::new();
    if let Error::Invalid { field, .. } = error {
        details.insert("field".into(), field.as_str().into());
    }
    if let Some(detail) = error.detail_code() {
        details.insert("reason".into(), detail.into());
    }
    json!({ "code": code, "message": error.to_string(), "details": details })
}

/// Whom a token or key stands for.
async fn believe(app: &App, token: &str, writes: bool, anonymous: Actor) -> Result<Actor, Error> {
    match api_key::find_by_secret(app, token).await? {
        Some(key) => by_key(app, &key, writes, anonymous).await,
        None => Ok(session::by_bearer(app, token, anonymous).await?.0),
    }
}

/// Why a key is refused that has come to its end.
const KEY_EXPIRED: &str = "the api key has expired";

/// The owner of a key, with no more rights than a user's, and none to write unless the key may.
async fn by_key(app: &App, key: &ApiKey, writes: bool, anonymous: Actor) -> Result<Actor, Error> {
    match key.state(app.clock.now()) {
        KeyState::Active | KeyState::Exhausted => {}
        KeyState::Expired => return Err(Error::unauthenticated(KEY_EXPIRED)),
        KeyState::Disabled | KeyState::Deleted => return Err(Error::unauthenticated("the api key is disabled")),
    }
    if writes && !key::may_write(key) {
        return Err(Error::forbidden("this api key may only read"));
    }
    let owner = people::get(app, &Actor::system(), key.user_id).await?;
    if !owner.is_active() {
        return Err(Error::forbidden("this user is disabled"));
    }
    Ok(Actor { role: Some(Role::User), ..token::actor_of(&owner, anonymous, None) })
}

/// The unified answer.
fn data(app: &App, value: impl serde::Serialize) -> Response {
    let timestamp = app.clock.now().rfc3339();
    Json(json!({ "success": true, "data": value, "message": "操作成功", "timestamp": timestamp })).into_response()
}

crate::routes! { Massrouter;
    POST "/api/v1/auth/register" => auth::register;
    POST "/api/v1/auth/login" => auth::login;
    POST "/api/v1/auth/refresh" => auth::refresh;
    GET "/api/v1/auth/oauth/{provider}" => oauth::begin, RedirectOrJson;
    GET "/api/v1/auth/oauth/{provider}/callback" => oauth::finish;
    GET "/ws" => ws::open, Socket;
    GET "/api/v1/users/me" => user::get;
    PUT "/api/v1/users/me" => user::change;
    GET "/api/v1/users/me/api-keys" => key::list;
    POST "/api/v1/users/me/api-keys" => key::create;
    DELETE "/api/v1/users/me/api-keys/{key_id}" => key::delete;
    GET "/api/v1/models" => model::list;
    GET "/api/v1/models/search" => model::list;
    GET "/api/v1/models/{model_id}" => model::get;
    GET "/api/v1/statistics/leaderboard" => statistics::leaderboard;
    GET "/api/v1/statistics/models/{model_id}/usage" => statistics::of_model;
    GET "/api/v1/statistics/users/me/usage" => statistics::of_me;
    GET "/api/v1/admin/statistics/dashboard" => statistics::dashboard;
    PUT "/api/v1/admin/models/{model_id}/pricing" => model::set_pricing;
    GET "/api/v1/billing/balance" => billing::balance;
    GET "/api/v1/billing/transactions" => billing::transactions;
    POST "/api/v1/billing/payments" => billing::pay;
    GET "/api/v1/billing/payments/{payment_id}" => billing::payment;
    GET "/api/v1/admin/users" => admin::users;
    PUT "/api/v1/admin/users/{id}/status" => admin::set_status;
    // The ledger's, where the two share a path.
    POST "/api/v1/admin/users" => ledger::user::create;
    PATCH "/api/v1/admin/users/{id}/status" => ledger::user::status;
}
