//! commercial: plans, subscriptions, credits, keys, card keys, revenue. Errors are `{error, message}`;
//! successes are flat.

mod auth;
mod cards;
mod credits;
mod keys;
mod orders;
mod plans;
mod revenue;
mod subscriptions;

use axum::Json;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;
use schema::{Actor, App, Error, Face, Role};
use serde_json::{Value, json};

use super::{Dialect, bearer};

/// The dialect.
#[derive(Clone, Copy)]
pub struct Commercial;

type Reply<T = Response> = super::Reply<Commercial, T>;
type Caller = super::Caller<Commercial>;
type Body<T> = super::Body<Commercial, T>;
type Query<T> = super::Query<Commercial, T>;
type Path<T> = super::Path<Commercial, T>;

/// The signed-in administrator; whoever is none is told before anything else is read.
pub struct Admin(Caller);

impl std::ops::Deref for Admin {
    type Target = Actor;
    fn deref(&self) -> &Actor {
        &self.0
    }
}

impl FromRequestParts<App> for Admin {
    type Rejection = super::Fault<Commercial>;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        let caller = Caller::from_request_parts(parts, app).await?;
        caller.require(Role::Admin)?;
        Ok(Self(caller))
    }
}

impl crate::openapi::Part for Admin {
    fn describe(asked: &mut crate::openapi::Asked) {
        <Caller as crate::openapi::Part>::describe(asked);
    }
}

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
        let (kind, text) = match error {
            Error::NotFound { what: "plan" } => ("Plan not found", "Plan not found or inactive".to_owned()),
            _ => (kind, error.to_string()),
        };
        (status, Json(json!({ "error": kind, "message": text }))).into_response()
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

/// This system's id of a person.
fn user_id(id: i64) -> String {
    format!("user_{id}")
}

/// Reads a switch from a query string: `true`, `1` and `yes` are on.
fn truthy<'de, D: serde::Deserializer<'de>>(input: D) -> Result<bool, D::Error> {
    let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(input)?;
    Ok(matches!(&*text, "true" | "1" | "yes"))
}

crate::routes! { Commercial;
    GET "/subscriptions/plans" => plans::offered;
    GET "/subscriptions" => subscriptions::current;
    GET "/subscriptions/" => subscriptions::current;
    GET "/subscriptions/orders" => orders::list;
    POST "/subscriptions/orders" => orders::create;
    POST "/subscriptions/upgrade" => orders::upgrade;
    POST "/subscriptions/cancel" => subscriptions::cancel;
    PUT "/subscriptions/auto-renew" => subscriptions::auto_renew;
    GET "/credits/balance" => credits::balance;
    GET "/credits/history" => credits::history;
    POST "/credits/redeem" => credits::redeem;
    GET "/users/apikeys" => keys::list;
    POST "/users/apikeys" => keys::create;
    DELETE "/users/apikeys/{id}" => keys::delete;
    GET "/admin/revenue/daily" => revenue::daily;
    GET "/admin/revenue/monthly" => revenue::monthly;
    GET "/admin/revenue/by-plan" => revenue::by_plan;
    GET "/admin/revenue/overview" => revenue::overview;
    GET "/admin/revenue/export" => revenue::export, TableOrJson;
    GET "/admin/subscription-plans" => plans::list;
    POST "/admin/subscription-plans" => plans::create;
    POST "/admin/subscription-plans/init-defaults" => plans::init_defaults;
    PUT "/admin/subscription-plans/{planId}" => plans::change;
    DELETE "/admin/subscription-plans/{planId}" => plans::delete;
    POST "/admin/cardkeys/generate" => cards::generate;
    GET "/admin/cardkeys" => cards::list;
    GET "/admin/cardkeys/stats" => cards::stats;
    POST "/admin/cardkeys/delete-batch" => cards::delete_batch;
    DELETE "/admin/cardkeys/{id}" => cards::delete;
    POST "/auth/login" => auth::login;
    POST "/auth/register" => auth::register;
}
