//! newapi: `/api/*` and `/dashboard/billing/*`. Every answer is `{success, message, data}`.
//!
//! Two shapes of some answers: the documented one, and the deployed system's where the request carries
//! that system's fingerprint ([`shape`]).

mod auth;
mod channel;
mod fetch;
mod figures;
mod log;
mod model;
mod oauth;
mod option;
mod page;
mod panel;
mod playground;
mod preference;
mod price;
mod redemption;
mod shape;
mod sync;
mod system;
mod task;
mod token;
mod topup;
mod user;
mod words;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;
use schema::service::session;
use schema::{Actor, App, Error, Face};
use serde_json::json;

use super::{Dialect, bearer, cookie};
pub use shape::soften;
pub use system::begin;

/// The dialect.
#[derive(Clone, Copy)]
pub struct Newapi;

type Reply<T = Response> = super::Reply<Newapi, T>;
type Caller = super::Caller<Newapi>;
type Maybe = super::Maybe<Newapi>;
type Body<T> = super::Body<Newapi, T>;
type Query<T> = super::Query<Newapi, T>;
type Path<T> = super::Path<Newapi, T>;

/// The session cookie's name.
const COOKIE: &str = "session";

impl Dialect for Newapi {
    const FACE: Face = Face::Newapi;

    fn refuse(error: &Error) -> Response {
        let status = match error {
            // Business refusals are told in the body of a 200, as this system's clients expect.
            Error::Invalid { field, .. } if field == "method" => StatusCode::METHOD_NOT_ALLOWED,
            Error::Invalid { .. } => StatusCode::BAD_REQUEST,
            Error::Conflict { .. } | Error::QuotaExceeded { .. } | Error::Upstream { .. } => StatusCode::OK,
            other => StatusCode::from_u16(other.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        };
        let text = match error {
            Error::Conflict { code: "USERNAME_TAKEN", .. } => "用户名已存在".to_owned(),
            Error::Conflict { code: "EMAIL_TAKEN", .. } => "邮箱已被注册".to_owned(),
            Error::QuotaExceeded { .. } => "配额不足".to_owned(),
            Error::Forbidden { why } if why.contains("disabled") => "用户已被封禁".to_owned(),
            other => words::chinese(&other.to_string()).into_owned(),
        };
        (status, Json(json!({ "success": false, "message": text }))).into_response()
    }

    async fn caller(app: &App, parts: &Parts, anonymous: Actor) -> Result<Actor, Error> {
        let (actor, _) = match (cookie(parts, COOKIE), bearer(parts)) {
            (Some(value), None) => session::by_cookie(app, value, anonymous).await?,
            (Some(value), Some(token)) => match session::by_cookie(app, value, anonymous.clone()).await {
                Ok(found) => found,
                Err(_) => session::by_bearer(app, token, anonymous).await?,
            },
            (None, Some(token)) => session::by_bearer(app, token, anonymous).await?,
            (None, None) => return Err(Error::unauthenticated("无权进行此操作，未登录且未提供 access token")),
        };
        // A cookie alone proves nothing about who sent the request; the header does, and the two must agree.
        let named = parts.headers.get("new-api-user").and_then(|v| v.to_str().ok());
        let Some(named) = named else {
            return Err(Error::unauthenticated("无权进行此操作，未提供 New-Api-User"));
        };
        if named.parse::<i64>().ok() != actor.user_id {
            return Err(Error::unauthenticated("无权进行此操作，New-Api-User 与登录用户不匹配"));
        }
        Ok(actor)
    }

    fn has_credential(parts: &Parts) -> bool {
        bearer(parts).is_some() || cookie(parts, COOKIE).is_some()
    }

    fn is_ambient(parts: &Parts) -> bool {
        bearer(parts).is_none()
    }
}

/// `{success, message, data}`.
fn data(value: impl serde::Serialize) -> Response {
    said("", value)
}

/// The same with words.
fn said(text: &str, value: impl serde::Serialize) -> Response {
    Json(json!({ "success": true, "message": text, "data": value })).into_response()
}

/// `{success, message}`.
fn message(text: &str) -> Response {
    Json(json!({ "success": true, "message": text })).into_response()
}

crate::routes! { Newapi;
    GET "/api/status" => system::status;
    GET "/api/about" => system::about;
    GET "/api/notice" => system::notice;
    GET "/api/home_page_content" => system::home;
    GET "/api/setup" => system::setup;
    POST "/api/user/register" => auth::register;
    POST "/api/user/login" => auth::login;
    GET "/api/user/logout" => auth::logout;
    GET "/api/verification" => auth::verification;
    GET "/api/reset_password" => auth::forgotten;
    POST "/api/user/reset" => auth::reset;
    GET "/api/oauth/email/bind" => auth::bind_email;
    GET "/api/oauth/state" => oauth::state;
    GET "/api/oauth/github" => oauth::github;
    GET "/api/oauth/oidc" => oauth::oidc;
    GET "/api/oauth/linuxdo" => oauth::linuxdo;
    GET "/api/oauth/wechat" => oauth::wechat;
    GET "/api/oauth/wechat/bind" => oauth::bind_wechat;
    GET "/api/oauth/telegram/login" => oauth::telegram;
    GET "/api/oauth/telegram/bind" => oauth::bind_telegram, RedirectOrJson;
    GET "/api/user/token" => auth::access_token;
    GET "/api/user/self" => user::get_self;
    PUT "/api/user/self" => user::change_self;
    DELETE "/api/user/self" => user::delete_self;
    GET "/api/user/models" => model::of_user;
    GET "/api/models" => model::by_type;
    GET "/api/channel/models" => model::all;
    GET "/api/channel/models_enabled" => model::enabled;
    GET "/api/pricing" => price::pricing;
    GET "/api/ratio_config" => price::ratio_config;
    GET "/api/uptime/status" => panel::uptime;
    GET "/api/user/groups" => user::groups;
    GET "/api/user/self/groups" => user::self_groups;
    GET "/api/group" => user::group_names;
    GET "/api/group/" => user::group_names;
    GET "/api/user/aff" => user::aff;
    POST "/api/user/aff_transfer" => user::aff_transfer;
    PUT "/api/user/setting" => preference::put;
    POST "/api/user/topup" => user::top_up;
    GET "/api/user/topup/info" => topup::info;
    GET "/api/user/topup/self" => topup::orders;
    POST "/api/user/amount" => topup::amount;
    POST "/api/user/pay" => topup::pay;
    GET "/api/user/epay/notify" => topup::notify, Receipt;
    POST "/api/user/manage" => user::manage;
    GET "/api/user/search" => user::list;
    GET "/api/user" => user::list;
    GET "/api/user/" => user::list;
    POST "/api/user" => user::create;
    POST "/api/user/" => user::create;
    PUT "/api/user" => user::change;
    PUT "/api/user/" => user::change;
    GET "/api/user/{id}" => user::get;
    GET "/api/user/{id}/" => user::get;
    DELETE "/api/user/{id}" => user::delete;
    DELETE "/api/user/{id}/" => user::delete;
    GET "/api/token" => token::list;
    GET "/api/token/" => token::list;
    POST "/api/token" => token::create;
    POST "/api/token/" => token::create;
    PUT "/api/token" => token::change;
    PUT "/api/token/" => token::change;
    GET "/api/token/search" => token::list;
    POST "/api/token/batch" => token::delete_batch;
    GET "/api/token/{id}" => token::get;
    GET "/api/token/{id}/" => token::get;
    DELETE "/api/token/{id}" => token::delete;
    DELETE "/api/token/{id}/" => token::delete;
    GET "/api/channel" => channel::list;
    GET "/api/channel/" => channel::list;
    POST "/api/channel" => channel::create;
    POST "/api/channel/" => channel::create;
    PUT "/api/channel" => channel::change;
    PUT "/api/channel/" => channel::change;
    GET "/api/channel/search" => channel::list;
    GET "/api/channel/test" => channel::test::all;
    GET "/api/channel/test/" => channel::test::all;
    GET "/api/channel/test/progress" => channel::test::state;
    GET "/api/channel/test/{id}" => channel::test::one;
    GET "/api/channel/test/{id}/" => channel::test::one;
    GET "/api/channel/update_balance" => channel::test::balances;
    GET "/api/channel/update_balance/" => channel::test::balances;
    GET "/api/channel/update_balance/{id}" => channel::test::balance;
    GET "/api/channel/update_balance/{id}/" => channel::test::balance;
    GET "/api/channel/fetch_models/{id}" => channel::many::fetch_models;
    POST "/api/channel/fetch_models" => channel::many::fetch_offered;
    POST "/api/channel/copy/{id}" => channel::many::copy;
    POST "/api/channel/fix" => channel::many::fix;
    POST "/api/channel/batch" => channel::many::delete;
    POST "/api/channel/batch/tag" => channel::many::tag;
    DELETE "/api/channel/disabled" => channel::many::delete_disabled;
    PUT "/api/channel/tag" => channel::many::change_tag;
    GET "/api/channel/tag/models" => channel::many::models_of_tag;
    POST "/api/channel/tag/enabled" => channel::many::enable;
    POST "/api/channel/tag/disabled" => channel::many::disable;
    GET "/api/channel/{id}" => channel::get;
    GET "/api/channel/{id}/" => channel::get;
    DELETE "/api/channel/{id}" => channel::delete;
    DELETE "/api/channel/{id}/" => channel::delete;
    GET "/api/redemption" => redemption::list;
    GET "/api/redemption/" => redemption::list;
    POST "/api/redemption" => redemption::create;
    POST "/api/redemption/" => redemption::create;
    PUT "/api/redemption" => redemption::change;
    PUT "/api/redemption/" => redemption::change;
    GET "/api/redemption/search" => redemption::list;
    GET "/api/redemption/{id}" => redemption::get;
    GET "/api/redemption/{id}/" => redemption::get;
    DELETE "/api/redemption/invalid" => redemption::delete_invalid;
    DELETE "/api/redemption/{id}" => redemption::delete;
    DELETE "/api/redemption/{id}/" => redemption::delete;
    GET "/api/log" => log::list;
    GET "/api/log/" => log::list;
    DELETE "/api/log" => log::delete;
    DELETE "/api/log/" => log::delete;
    GET "/api/log/stat" => log::stat;
    GET "/api/log/search" => log::list;
    GET "/api/log/token" => log::of_token;
    GET "/api/log/self" => log::of_self;
    GET "/api/log/self/" => log::of_self;
    GET "/api/log/self/stat" => log::stat_of_self;
    GET "/api/log/self/search" => log::of_self;
    GET "/api/data" => figures::of_all;
    GET "/api/data/" => figures::of_all;
    GET "/api/data/self" => figures::of_self;
    GET "/api/data/self/" => figures::of_self;
    GET "/api/task" => task::all;
    GET "/api/task/" => task::all;
    GET "/api/task/self" => task::of_self;
    GET "/api/task/self/" => task::of_self;
    GET "/api/mj" => task::pictures;
    GET "/api/mj/" => task::pictures;
    GET "/api/mj/self" => task::own_pictures;
    GET "/api/mj/self/" => task::own_pictures;
    GET "/api/option" => option::list;
    GET "/api/option/" => option::list;
    PUT "/api/option" => option::change;
    PUT "/api/option/" => option::change;
    POST "/api/option/rest_model_ratio" => price::reset;
    POST "/pg/chat/completions" => playground::chat, EventsOrJson;
    GET "/api/ratio_sync/channels" => sync::channels;
    POST "/api/ratio_sync/fetch" => sync::fetch;
}
