//! ledger: `/api/admin/*` (also under `/api/v1/admin`) and the user side. Refusals are
//! `{success, error: {code, message, details}}` with `details` a sentence.

mod announcement;
mod auth;
mod config;
mod dashboard;
mod llm;
mod log;
mod page;
pub(super) mod user;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;
use schema::{Actor, App, Error, Face};
use serde_json::json;

use super::{Dialect, bearer};

/// The dialect.
#[derive(Clone, Copy)]
pub struct Ledger;

type Reply<T = Response> = super::Reply<Ledger, T>;
type Caller = super::Caller<Ledger>;
type Body<T> = super::Body<Ledger, T>;
type Query<T> = super::Query<Ledger, T>;
type Path<T> = super::Path<Ledger, T>;

impl Dialect for Ledger {
    const FACE: Face = Face::Ledger;

    fn refuse(error: &Error) -> Response {
        let status = match error {
            // A code of this system has one status; what the state of things forbids has no code of its own.
            Error::Conflict { .. } | Error::QuotaExceeded { .. } => StatusCode::BAD_REQUEST,
            _ => StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        };
        let (code, text) = match error {
            Error::Invalid { .. } | Error::Conflict { .. } | Error::QuotaExceeded { .. } => {
                ("VALIDATION_ERROR", "请求参数验证失败")
            }
            Error::NotFound { .. } => ("NOT_FOUND", "资源不存在"),
            Error::Unauthenticated { .. } => ("UNAUTHORIZED", "未授权访问"),
            Error::Forbidden { .. } => ("FORBIDDEN", "禁止访问"),
            Error::RateLimited { .. } => ("RATE_LIMIT_EXCEEDED", "请求频率超限"),
            Error::Upstream { .. } | Error::Unavailable { .. } | Error::Internal(_) => {
                ("INTERNAL_ERROR", "服务器内部错误")
            }
        };
        let error = json!({ "code": code, "message": text, "details": error.to_string() });
        (status, Json(json!({ "success": false, "error": error }))).into_response()
    }

    async fn caller(app: &App, parts: &Parts, anonymous: Actor) -> Result<Actor, Error> {
        let token = bearer(parts).ok_or_else(|| Error::unauthenticated("JWT token无效或已过期"))?;
        Ok(schema::service::session::by_bearer(app, token, anonymous).await?.0)
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

crate::routes! { Ledger;
    POST "/api/admin/auth/login" => auth::login;
    POST "/api/admin/auth/logout" => auth::logout;
    GET "/api/admin/auth/verify" => auth::verify;
    GET "/api/admin/dashboard/overview" => dashboard::overview;
    GET "/api/admin/dashboard/charts" => dashboard::charts;
    GET "/api/admin/users" => user::list;
    POST "/api/admin/users" => user::create;
    GET "/api/admin/users/{id}" => user::get;
    PUT "/api/admin/users/{id}" => user::change;
    DELETE "/api/admin/users/{id}" => user::delete;
    POST "/api/admin/users/{id}/reset-password" => user::reset_password;
    PATCH "/api/admin/users/{id}/status" => user::status;
    GET "/api/admin/configs" => config::list;
    POST "/api/admin/configs/batch" => config::batch;
    PUT "/api/admin/configs/{id}" => config::change;
    GET "/api/admin/announcements" => announcement::list;
    POST "/api/admin/announcements" => announcement::create;
    GET "/api/admin/announcements/{id}" => announcement::get;
    PUT "/api/admin/announcements/{id}" => announcement::change;
    DELETE "/api/admin/announcements/{id}" => announcement::delete;
    POST "/api/admin/announcements/{id}/publish" => announcement::publish;
    POST "/api/admin/announcements/{id}/unpublish" => announcement::unpublish;
    GET "/api/admin/announcements/{id}/stats" => announcement::stats;
    GET "/api/admin/llm/config" => llm::get;
    PUT "/api/admin/llm/config" => llm::change;
    POST "/api/admin/llm/test" => llm::test;
    GET "/api/admin/llm/logs" => llm::call::list;
    GET "/api/admin/llm/logs/{id}" => llm::call::get;
    GET "/api/admin/llm/stats" => llm::stats::stats;
    GET "/api/admin/logs/llm" => llm::call::brief;
    GET "/api/admin/logs/access" => log::access;
    GET "/api/admin/logs/api" => log::api;
    // The versioned alias; what massrouter shares of it stands in massrouter's table.
    POST "/api/v1/admin/auth/login" => auth::login;
    POST "/api/v1/admin/auth/logout" => auth::logout;
    GET "/api/v1/admin/auth/verify" => auth::verify;
    GET "/api/v1/admin/dashboard/overview" => dashboard::overview;
    GET "/api/v1/admin/dashboard/charts" => dashboard::charts;
    GET "/api/v1/admin/users/{id}" => user::get;
    PUT "/api/v1/admin/users/{id}" => user::change;
    DELETE "/api/v1/admin/users/{id}" => user::delete;
    POST "/api/v1/admin/users/{id}/reset-password" => user::reset_password;
    GET "/api/v1/admin/configs" => config::list;
    POST "/api/v1/admin/configs/batch" => config::batch;
    PUT "/api/v1/admin/configs/{id}" => config::change;
    GET "/api/v1/admin/announcements" => announcement::list;
    POST "/api/v1/admin/announcements" => announcement::create;
    GET "/api/v1/admin/announcements/{id}" => announcement::get;
    PUT "/api/v1/admin/announcements/{id}" => announcement::change;
    DELETE "/api/v1/admin/announcements/{id}" => announcement::delete;
    POST "/api/v1/admin/announcements/{id}/publish" => announcement::publish;
    POST "/api/v1/admin/announcements/{id}/unpublish" => announcement::unpublish;
    GET "/api/v1/admin/announcements/{id}/stats" => announcement::stats;
    GET "/api/v1/admin/llm/config" => llm::get;
    PUT "/api/v1/admin/llm/config" => llm::change;
    POST "/api/v1/admin/llm/test" => llm::test;
    GET "/api/v1/admin/llm/logs" => llm::call::list;
    GET "/api/v1/admin/llm/logs/{id}" => llm::call::get;
    GET "/api/v1/admin/llm/stats" => llm::stats::stats;
    GET "/api/v1/admin/logs/llm" => llm::call::brief;
    GET "/api/v1/admin/logs/access" => log::access;
    GET "/api/v1/admin/logs/api" => log::api;
    GET "/api/system/config" => config::public;
    GET "/api/announcements" => announcement::board;
    POST "/api/announcements/read-batch" => announcement::read_batch;
    POST "/api/announcements/{id}/read" => announcement::read;
}
