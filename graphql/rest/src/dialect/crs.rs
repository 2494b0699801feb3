//! crs: `/web/auth/*`, `/admin/*` and the public statistics.
//!
//! Errors are `{error, message}`; successes mostly `{success, data}`.

mod auth;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;
use schema::{Actor, App, Error, Face, Role};
use serde_json::{Value, json};

use super::{Dialect, bearer, cookie};

/// The dialect.
#[derive(Clone, Copy)]
pub struct Crs;

type Reply<T = Response> = super::Reply<Crs, T>;
type Caller = super::Caller<Crs>;
type Maybe = super::Maybe<Crs>;
type Body<T> = super::Body<Crs, T>;

impl Dialect for Crs {
    const FACE: Face = Face::Crs;

    fn refuse(error: &Error) -> Response {
        let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let kind = match error {
            Error::Invalid { .. } => "Invalid request",
            Error::NotFound { .. } => "Not Found",
            Error::Conflict { .. } => "Conflict",
            Error::Unauthenticated { .. } => "Invalid admin token",
            Error::Forbidden { .. } => "Forbidden",
            Error::QuotaExceeded { .. } => "Quota exceeded",
            Error::RateLimited { .. } => "Too Many Requests",
            Error::Upstream { .. } => "Upstream error",
            Error::Unavailable { .. } => "Service unavailable",
            Error::Internal(_) => "Internal server error",
        };
        (status, Json(json!({ "success": false, "error": kind, "message": error.to_string() }))).into_response()
    }

    async fn caller(app: &App, parts: &Parts, anonymous: Actor) -> Result<Actor, Error> {
        let header = parts.headers.get("x-admin-token").and_then(|v| v.to_str().ok());
        let token = bearer(parts).or(header).or_else(|| cookie(parts, "adminToken"));
        let Some(token) = token else { return Err(Error::unauthenticated("Missing admin token")) };
        Ok(schema::service::session::by_bearer(app, token, anonymous).await?.0)
    }

    fn has_credential(parts: &Parts) -> bool {
        bearer(parts).is_some() || parts.headers.contains_key("x-admin-token") || cookie(parts, "adminToken").is_some()
    }
}

/// `{success, data}`.
fn data(value: impl serde::Serialize) -> Response {
    Json(json!({ "success": true, "data": value })).into_response()
}

/// `{success, message}`.
fn message(text: &str) -> Response {
    Json(json!({ "success": true, "message": text })).into_response()
}

/// `{success, …}` with the payload's keys at the top.
fn flat(mut value: Value) -> Response {
    if let Some(fields) = value.as_object_mut() {
        fields.shift_insert(0, "success".into(), true.into());
    }
    Json(value).into_response()
}

/// Every `/admin` path is for administrators.
fn admin(caller: &Caller) -> Result<(), Error> {
    caller.require(Role::Admin)
}

crate::routes! { Crs;
    POST "/web/auth/login" => auth::login;
    POST "/web/auth/logout" => auth::logout;
    POST "/web/auth/change-password" => auth::change_password;
    GET "/web/auth/user" => auth::user;
    POST "/web/auth/refresh" => auth::refresh;
}
