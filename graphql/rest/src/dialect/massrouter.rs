//! massrouter: `/api/v1/*` and `/ws`. Every answer is `{success, data, message, timestamp}`; every
//! refusal `{success, error: {code, message, details}, timestamp}`.

mod auth;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;
use schema::{Actor, App, Clock, Error, Face};
use serde_json::json;

use super::{Dialect, bearer};

/// The dialect.
#[derive(Clone, Copy)]
pub struct Massrouter;

type Reply<T = Response> = super::Reply<Massrouter, T>;
type Maybe = super::Maybe<Massrouter>;
type Body<T> = super::Body<Massrouter, T>;

impl Dialect for Massrouter {
    const FACE: Face = Face::Massrouter;

    fn refuse(error: &Error) -> Response {
        let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let code = match error {
            Error::Invalid { .. } | Error::Conflict { .. } => "ERR_001",
            Error::Unauthenticated { .. } => "ERR_002",
            Error::Forbidden { why } if why.contains("disabled") => "USER_001",
            Error::Forbidden { .. } | Error::RateLimited { .. } => "ERR_003",
            Error::NotFound { .. } => "ERR_004",
            Error::QuotaExceeded { .. } => "BILL_001",
            Error::Upstream { .. } => "BILL_002",
            Error::Unavailable { .. } | Error::Internal(_) => "ERR_005",
        };
        let mut details = serde_json::Map::new();
        if let Error::Invalid { field, .. } = error {
            details.insert("field".into(), field.as_str().into());
        }
        if let Some(detail) = error.detail_code() {
            details.insert("reason".into(), detail.into());
        }
        let body = json!({
            "success": false,
            "error": { "code": code, "message": error.to_string(), "details": details },
            "timestamp": Clock::System.now().rfc3339(),
        });
        (status, Json(body)).into_response()
    }

    async fn caller(app: &App, parts: &Parts, anonymous: Actor) -> Result<Actor, Error> {
        let token = bearer(parts).ok_or_else(|| Error::unauthenticated("sign in first"))?;
        Ok(schema::service::session::by_bearer(app, token, anonymous).await?.0)
    }
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
}
