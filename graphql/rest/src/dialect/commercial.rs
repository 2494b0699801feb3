//! commercial: plans, subscriptions, credits, keys, card keys, revenue. Errors are `{error, message}`;
//! successes are flat.

mod auth;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;
use schema::{Actor, App, Error, Face};
use serde_json::{Value, json};

use super::{Dialect, bearer};

/// The dialect.
#[derive(Clone, Copy)]
pub struct Commercial;

type Reply<T = Response> = super::Reply<Commercial, T>;
type Maybe = super::Maybe<Commercial>;
type Body<T> = super::Body<Commercial, T>;

impl Dialect for Commercial {
    const FACE: Face = Face::Commercial;

    fn refuse(error: &Error) -> Response {
        // The document's table has no 402, 409 or 503 of its own; the nearest of its words stands in the body.
        let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let kind = match error {
            Error::Invalid { .. } => "Invalid request",
            Error::NotFound { .. } => "Not found",
            Error::Conflict { .. } => "Conflict",
            Error::Unauthenticated { .. } => "Unauthorized",
            Error::Forbidden { .. } => "Access denied",
            Error::QuotaExceeded { .. } => "Quota exceeded",
            Error::RateLimited { .. } => "Too many requests",
            Error::Upstream { .. } => "Payment failed",
            Error::Unavailable { .. } => "Service unavailable",
            Error::Internal(_) => "Internal server error",
        };
        (status, Json(json!({ "error": kind, "message": error.to_string() }))).into_response()
    }

    async fn caller(app: &App, parts: &Parts, anonymous: Actor) -> Result<Actor, Error> {
        let token = bearer(parts).ok_or_else(|| Error::unauthenticated("sign in first"))?;
        Ok(schema::service::session::by_bearer(app, token, anonymous).await?.0)
    }
}

/// `{success, …}` with the payload's keys at the top.
fn flat(mut value: Value) -> Response {
    if let Some(fields) = value.as_object_mut() {
        fields.shift_insert(0, "success".into(), true.into());
    }
    Json(value).into_response()
}

crate::routes! { Commercial;
    POST "/auth/login" => auth::login;
    POST "/auth/register" => auth::register;
}
