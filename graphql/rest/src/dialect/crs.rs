//! crs: `/web/auth/*`, `/admin/*` and the public statistics.
//!
//! Errors are `{error, message}`; successes mostly `{success, data}`.

mod auth;
mod console;
mod cost;
mod family;
mod form;
mod group;
mod key;
mod public;
mod report;
mod shape;
mod standing;
mod sums;
mod system;
mod upkeep;

use axum::Json;
use axum::extract::FromRequestParts;
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
type Body<T> = super::Body<Crs, T>;
type Query<T> = super::Query<Crs, T>;
type Path<T> = super::Path<Crs, T>;

/// The signed-in administrator; every `/admin` path is for them, and whoever is not is told before anything is read.
pub struct Admin(Caller);

impl std::ops::Deref for Admin {
    type Target = Actor;
    fn deref(&self) -> &Actor {
        &self.0
    }
}

impl crate::openapi::Part for Admin {
    fn describe(asked: &mut crate::openapi::Asked) {
        <Caller as crate::openapi::Part>::describe(asked);
    }
}

impl FromRequestParts<App> for Admin {
    type Rejection = super::Fault<Crs>;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        let caller = Caller::from_request_parts(parts, app).await?;
        caller.require(Role::Admin)?;
        Ok(Self(caller))
    }
}

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
        let text = error.to_string();
        // What was wrong with the request is told in both places: older clients read one, newer the other.
        let kind = if matches!(error, Error::Invalid { .. }) { text.as_str() } else { kind };
        (status, Json(json!({ "success": false, "error": kind, "message": text }))).into_response()
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

/// A refusal in words of its own.
fn refuse(status: StatusCode, error: &str, message: &str) -> Response {
    (status, Json(json!({ "success": false, "error": error, "message": message }))).into_response()
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

/// Starts this face's background work.
pub fn start(app: &App) {
    family::checks::start(app);
}

/// Tests the accounts whose moment has come; how many. The job that [`start`] begins asks every half minute.
pub async fn test_due(app: &App) -> Result<usize, Error> {
    family::checks::due(app).await
}

crate::routes! { Crs;
    POST "/web/auth/login" => auth::login;
    POST "/web/auth/logout" => auth::logout;
    POST "/web/auth/change-password" => auth::change_password;
    GET "/web/auth/user" => auth::user;
    POST "/web/auth/refresh" => auth::refresh;
    POST "/api/get-key-id" => public::key_id;
    POST "/api/user-stats" => public::stats;
    POST "/api/batch-stats" => public::batch;
    POST "/api/batch-model-stats" => public::batch_models;
    POST "/api/user-model-stats" => public::key_models;
    POST "/apiStats/api/get-key-id" => public::key_id;
    POST "/apiStats/api/user-stats" => public::stats;
    POST "/apiStats/api/batch-stats" => public::batch;
    POST "/apiStats/api/batch-model-stats" => public::batch_models;
    POST "/apiStats/api/user-model-stats" => public::key_models;
    GET "/apiStats/models" => console::pricing::catalogue;
    GET "/apiStats/service-rates" => console::pricing::service_rates;
    POST "/apiStats/api-key/test" => console::key::claude, Events;
    POST "/apiStats/api-key/test-gemini" => console::key::gemini, Events;
    POST "/apiStats/api-key/test-openai" => console::key::openai, Events;
    POST "/apiStats/api/redeem-card" => console::cards::redeem;
    GET "/apiStats/api/redemption-history" => console::cards::redemption_history;
    GET "/admin/users" => console::people::owners;
    POST "/users/login" => console::people::sign_in;
    GET "/users" => console::people::list;
    GET "/users/stats/overview" => console::people::stats;
    GET "/users/{userId}" => console::people::one;
    PATCH "/users/{userId}/status" => console::people::switch;
    PATCH "/users/{userId}/role" => console::people::raise;
    POST "/users/{userId}/disable-keys" => console::people::disable_keys;
    GET "/users/{userId}/usage-stats" => console::people::used;
    GET "/admin/api-keys" => key::list;
    POST "/admin/api-keys" => key::create;
    POST "/admin/api-keys/batch" => key::batch::create;
    PUT "/admin/api-keys/batch" => key::batch::update;
    DELETE "/admin/api-keys/batch" => key::batch::delete;
    GET "/admin/api-keys/tags" => key::tags;
    POST "/admin/api-keys/tags" => key::create_tag;
    GET "/admin/api-keys/tags/details" => key::tag_details;
    PUT "/admin/api-keys/tags/{name}" => key::rename_tag;
    DELETE "/admin/api-keys/tags/{name}" => key::remove_tag;
    GET "/admin/api-keys/used-models" => report::used_models;
    POST "/admin/api-keys/batch-stats" => key::usage::batch_stats;
    POST "/admin/api-keys/batch-last-usage" => console::served::last_usage;
    GET "/admin/api-keys/cost-sort-status" => key::usage::sort_status;
    GET "/admin/api-keys/index-status" => key::usage::index_status;
    GET "/admin/api-keys/deleted" => key::deleted::list;
    DELETE "/admin/api-keys/deleted/clear-all" => key::deleted::clear;
    PUT "/admin/api-keys/{keyId}" => key::update;
    DELETE "/admin/api-keys/{keyId}" => key::delete;
    PATCH "/admin/api-keys/{keyId}/expiration" => key::expiration;
    POST "/admin/api-keys/{keyId}/restore" => key::deleted::restore;
    DELETE "/admin/api-keys/{keyId}/permanent" => key::deleted::purge;
    GET "/admin/api-keys/{keyId}/cost-debug" => key::usage::cost_debug;
    GET "/admin/api-keys/{keyId}/model-stats" => key::usage::model_stats;
    GET "/admin/api-keys/{keyId}/usage-records" => console::calls::of_key;
    GET "/admin/supported-clients" => key::supported_clients;
    POST "/admin/account-groups" => group::create;
    GET "/admin/account-groups" => group::list;
    GET "/admin/account-groups/{groupId}" => group::get;
    PUT "/admin/account-groups/{groupId}" => group::update;
    DELETE "/admin/account-groups/{groupId}" => group::delete;
    GET "/admin/account-groups/{groupId}/members" => group::members;
    GET "/admin/claude-accounts" => family::list::<{ family::CLAUDE }>;
    POST "/admin/claude-accounts" => family::create::<{ family::CLAUDE }>;
    PUT "/admin/claude-accounts/{accountId}" => family::update::<{ family::CLAUDE }>;
    DELETE "/admin/claude-accounts/{accountId}" => family::delete::<{ family::CLAUDE }>;
    POST "/admin/claude-accounts/generate-auth-url" => family::login::claude_url;
    POST "/admin/claude-accounts/exchange-code" => family::login::claude_exchange;
    POST "/admin/claude-accounts/generate-setup-token-url" => family::login::setup_url;
    POST "/admin/claude-accounts/exchange-setup-token-code" => family::login::setup_exchange;
    POST "/admin/claude-accounts/oauth-with-cookie" => family::login::by_cookie;
    POST "/admin/claude-accounts/setup-token-with-cookie" => family::login::by_cookie;
    GET "/admin/claude-accounts/usage" => family::login::windows;
    POST "/admin/claude-accounts/update-all-profiles" => family::login::all_profiles;
    POST "/admin/claude-accounts/{accountId}/update-profile" => family::login::profile;
    POST "/admin/claude-accounts/{accountId}/refresh" => family::login::refresh::<{ family::CLAUDE }>;
    POST "/admin/claude-accounts/{accountId}/reset-status" => family::reset_status::<{ family::CLAUDE }>;
    PUT "/admin/claude-accounts/{accountId}/toggle" => family::toggle::<{ family::CLAUDE }>;
    PUT "/admin/claude-accounts/{accountId}/toggle-schedulable" => family::toggle_schedulable::<{ family::CLAUDE }>;
    POST "/admin/claude-accounts/{accountId}/test" => family::health::test_events::<{ family::CLAUDE }>, Events;
    POST "/admin/claude-accounts/batch-test-history" => family::checks::histories;
    GET "/admin/claude-accounts/{accountId}/test-config" => family::checks::config::<{ family::CLAUDE }>;
    PUT "/admin/claude-accounts/{accountId}/test-config" => family::checks::put_config::<{ family::CLAUDE }>;
    GET "/admin/claude-accounts/{accountId}/test-history" => family::checks::history::<{ family::CLAUDE }>;
    POST "/admin/claude-accounts/{accountId}/test-sync" => family::checks::test_now::<{ family::CLAUDE }>;
    GET "/admin/claude-console-accounts" => family::list::<{ family::CONSOLE }>;
    POST "/admin/claude-console-accounts" => family::create::<{ family::CONSOLE }>;
    PUT "/admin/claude-console-accounts/{accountId}" => family::update::<{ family::CONSOLE }>;
    DELETE "/admin/claude-console-accounts/{accountId}" => family::delete::<{ family::CONSOLE }>;
    POST "/admin/claude-console-accounts/reset-all-usage" => family::reset_all_usage::<{ family::CONSOLE }>;
    PUT "/admin/claude-console-accounts/{accountId}/toggle" => family::toggle::<{ family::CONSOLE }>;
    PUT "/admin/claude-console-accounts/{accountId}/toggle-schedulable" => family::toggle_schedulable::<{ family::CONSOLE }>;
    GET "/admin/claude-console-accounts/{accountId}/usage" => family::usage::<{ family::CONSOLE }>;
    POST "/admin/claude-console-accounts/{accountId}/reset-usage" => family::reset_usage::<{ family::CONSOLE }>;
    POST "/admin/claude-console-accounts/{accountId}/reset-status" => family::reset_status::<{ family::CONSOLE }>;
    POST "/admin/claude-console-accounts/{accountId}/test" => family::health::test_events::<{ family::CONSOLE }>, Events;
    GET "/admin/ccr-accounts" => family::list::<{ family::CCR }>;
    POST "/admin/ccr-accounts" => family::create::<{ family::CCR }>;
    PUT "/admin/ccr-accounts/{accountId}" => family::update::<{ family::CCR }>;
    DELETE "/admin/ccr-accounts/{accountId}" => family::delete::<{ family::CCR }>;
    POST "/admin/ccr-accounts/reset-all-usage" => family::reset_all_usage::<{ family::CCR }>;
    PUT "/admin/ccr-accounts/{accountId}/toggle" => family::toggle::<{ family::CCR }>;
    PUT "/admin/ccr-accounts/{accountId}/toggle-schedulable" => family::toggle_schedulable::<{ family::CCR }>;
    GET "/admin/ccr-accounts/{accountId}/usage" => family::usage::<{ family::CCR }>;
    POST "/admin/ccr-accounts/{accountId}/reset-usage" => family::reset_usage::<{ family::CCR }>;
    POST "/admin/ccr-accounts/{accountId}/reset-status" => family::reset_status::<{ family::CCR }>;
    POST "/admin/ccr-accounts/{accountId}/test" => family::health::test::<{ family::CCR }>, EventsOrJson;
    GET "/admin/bedrock-accounts" => family::list::<{ family::BEDROCK }>;
    POST "/admin/bedrock-accounts" => family::create::<{ family::BEDROCK }>;
    PUT "/admin/bedrock-accounts/{accountId}" => family::update::<{ family::BEDROCK }>;
    DELETE "/admin/bedrock-accounts/{accountId}" => family::delete::<{ family::BEDROCK }>;
    PUT "/admin/bedrock-accounts/{accountId}/toggle" => family::toggle::<{ family::BEDROCK }>;
    PUT "/admin/bedrock-accounts/{accountId}/toggle-schedulable" => family::toggle_schedulable::<{ family::BEDROCK }>;
    POST "/admin/bedrock-accounts/{accountId}/reset-status" => family::reset_status::<{ family::BEDROCK }>;
    POST "/admin/bedrock-accounts/{accountId}/test" => family::health::test::<{ family::BEDROCK }>, EventsOrJson;
    GET "/admin/gemini-accounts" => family::list::<{ family::GEMINI }>;
    POST "/admin/gemini-accounts" => family::create::<{ family::GEMINI }>;
    PUT "/admin/gemini-accounts/{accountId}" => family::update::<{ family::GEMINI }>;
    DELETE "/admin/gemini-accounts/{accountId}" => family::delete::<{ family::GEMINI }>;
    POST "/admin/gemini-accounts/generate-auth-url" => family::login::gemini_url;
    POST "/admin/gemini-accounts/poll-auth-status" => family::login::gemini_poll;
    POST "/admin/gemini-accounts/exchange-code" => family::login::gemini_exchange;
    POST "/admin/gemini-accounts/{accountId}/refresh" => family::login::refresh::<{ family::GEMINI }>;
    POST "/admin/gemini-accounts/{accountId}/reset-status" => family::reset_status::<{ family::GEMINI }>;
    POST "/admin/gemini-accounts/{accountId}/reset-rate-limit" => family::reset_status::<{ family::GEMINI }>;
    PUT "/admin/gemini-accounts/{accountId}/toggle" => family::toggle::<{ family::GEMINI }>;
    PUT "/admin/gemini-accounts/{accountId}/toggle-schedulable" => family::toggle_schedulable::<{ family::GEMINI }>;
    POST "/admin/gemini-accounts/{accountId}/test" => family::health::test::<{ family::GEMINI }>, EventsOrJson;
    GET "/admin/gemini-accounts/{accountId}/test-config" => family::checks::config::<{ family::GEMINI }>;
    PUT "/admin/gemini-accounts/{accountId}/test-config" => family::checks::put_config::<{ family::GEMINI }>;
    GET "/admin/gemini-accounts/{accountId}/test-history" => family::checks::history::<{ family::GEMINI }>;
    GET "/admin/openai-accounts" => family::list::<{ family::OPENAI }>;
    POST "/admin/openai-accounts" => family::create::<{ family::OPENAI }>;
    PUT "/admin/openai-accounts/{id}" => family::update::<{ family::OPENAI }>;
    DELETE "/admin/openai-accounts/{id}" => family::delete::<{ family::OPENAI }>;
    POST "/admin/openai-accounts/generate-auth-url" => family::login::openai_url;
    POST "/admin/openai-accounts/exchange-code" => family::login::openai_exchange;
    PUT "/admin/openai-accounts/{id}/toggle" => family::toggle::<{ family::OPENAI }>;
    POST "/admin/openai-accounts/{id}/reset-status" => family::reset_status::<{ family::OPENAI }>;
    PUT "/admin/openai-accounts/{id}/toggle-schedulable" => family::toggle_schedulable::<{ family::OPENAI }>;
    POST "/admin/openai-accounts/{id}/refresh" => family::login::refresh::<{ family::OPENAI }>;
    POST "/admin/openai-accounts/{id}/test" => family::health::test_events::<{ family::OPENAI }>, Events;
    GET "/admin/openai-accounts/{id}/test-config" => family::checks::config::<{ family::OPENAI }>;
    PUT "/admin/openai-accounts/{id}/test-config" => family::checks::put_config::<{ family::OPENAI }>;
    GET "/admin/openai-accounts/{id}/test-history" => family::checks::history::<{ family::OPENAI }>;
    GET "/admin/azure-openai-accounts" => family::list::<{ family::AZURE }>;
    POST "/admin/azure-openai-accounts" => family::create::<{ family::AZURE }>;
    PUT "/admin/azure-openai-accounts/{id}" => family::update::<{ family::AZURE }>;
    DELETE "/admin/azure-openai-accounts/{id}" => family::delete::<{ family::AZURE }>;
    POST "/admin/azure-openai-accounts/health-check-all" => family::health::check_all;
    PUT "/admin/azure-openai-accounts/{id}/toggle" => family::toggle::<{ family::AZURE }>;
    PUT "/admin/azure-openai-accounts/{id}/toggle-schedulable" => family::toggle_schedulable::<{ family::AZURE }>;
    POST "/admin/azure-openai-accounts/{id}/reset-status" => family::reset_status::<{ family::AZURE }>;
    POST "/admin/azure-openai-accounts/{id}/health-check" => family::health::check;
    POST "/admin/azure-openai-accounts/{id}/test" => family::health::test_events::<{ family::AZURE }>, Events;
    POST "/admin/migrate-api-keys-azure" => family::health::migrate_azure;
    GET "/admin/openai-responses-accounts" => family::list::<{ family::RESPONSES }>;
    POST "/admin/openai-responses-accounts" => family::create::<{ family::RESPONSES }>;
    PUT "/admin/openai-responses-accounts/{id}" => family::update::<{ family::RESPONSES }>;
    DELETE "/admin/openai-responses-accounts/{id}" => family::delete::<{ family::RESPONSES }>;
    PUT "/admin/openai-responses-accounts/{id}/toggle-schedulable" => family::toggle_schedulable::<{ family::RESPONSES }>;
    PUT "/admin/openai-responses-accounts/{id}/toggle" => family::toggle::<{ family::RESPONSES }>;
    POST "/admin/openai-responses-accounts/{id}/generate-jwt-token" => family::health::token;
    GET "/admin/openai-responses-accounts/{id}/health" => family::health::watched;
    POST "/admin/openai-responses-accounts/{id}/reset-status" => family::reset_status::<{ family::RESPONSES }>;
    POST "/admin/openai-responses-accounts/{id}/reset-usage" => family::reset_usage::<{ family::RESPONSES }>;
    POST "/admin/openai-responses-accounts/{id}/test" => family::health::test::<{ family::RESPONSES }>, EventsOrJson;
    GET "/admin/gemini-api-accounts" => family::list::<{ family::GEMINI_API }>;
    POST "/admin/gemini-api-accounts" => family::create::<{ family::GEMINI_API }>;
    PUT "/admin/gemini-api-accounts/{id}" => family::update::<{ family::GEMINI_API }>;
    DELETE "/admin/gemini-api-accounts/{id}" => family::delete::<{ family::GEMINI_API }>;
    PUT "/admin/gemini-api-accounts/{id}/toggle" => family::toggle::<{ family::GEMINI_API }>;
    PUT "/admin/gemini-api-accounts/{id}/toggle-schedulable" => family::toggle_schedulable::<{ family::GEMINI_API }>;
    POST "/admin/gemini-api-accounts/{id}/reset-status" => family::reset_status::<{ family::GEMINI_API }>;
    POST "/admin/gemini-api-accounts/{id}/test" => family::health::test_events::<{ family::GEMINI_API }>, Events;
    GET "/admin/droid-accounts" => family::none;
    POST "/admin/droid-accounts" => family::not_made;
    PUT "/admin/droid-accounts/{id}" => family::not_changed;
    DELETE "/admin/droid-accounts/{id}" => family::not_removed;
    GET "/admin/dashboard" => report::dashboard::show;
    POST "/admin/cleanup" => report::dashboard::cleanup;
    GET "/admin/usage-stats" => report::usage_stats;
    GET "/admin/model-stats" => report::model_stats;
    GET "/admin/usage-costs" => report::costs;
    GET "/admin/usage-trend" => report::trend::usage;
    GET "/admin/account-usage-trend" => report::trend::accounts;
    GET "/admin/api-keys-usage-trend" => report::trend::keys;
    GET "/admin/accounts/usage-stats" => report::account::all_stats;
    GET "/admin/accounts/{accountId}/usage-stats" => report::account::stats;
    GET "/admin/accounts/{accountId}/usage-history" => report::account::history;
    GET "/admin/accounts/binding-counts" => console::account::binding_counts;
    GET "/admin/accounts/balance/summary" => console::account::balance_summary;
    GET "/admin/accounts/balance/platform/{platform}" => console::account::balances;
    GET "/admin/accounts/{accountId}/balance" => console::account::balance;
    POST "/admin/accounts/{accountId}/balance/refresh" => console::account::refresh_balance;
    GET "/admin/accounts/{accountId}/balance/script" => console::account::script;
    PUT "/admin/accounts/{accountId}/balance/script" => console::account::put_script;
    GET "/admin/accounts/{accountType}/{accountId}/error-history" => console::failures::list;
    DELETE "/admin/accounts/{accountType}/{accountId}/error-history" => console::failures::clear;
    POST "/admin/request-details/body-preview-purge" => console::calls::forget_contents;
    GET "/admin/accounts/{accountId}/usage-records" => console::calls::of_account;
    GET "/admin/temp-unavailable" => console::account::resting;
    GET "/admin/error-history" => console::account::errors;
    GET "/admin/error-history/{accountId}" => console::account::errors_of;
    GET "/admin/claude-relay-config" => console::config::show;
    PUT "/admin/claude-relay-config" => console::config::put;
    GET "/admin/concurrency" => console::calls::open;
    GET "/admin/concurrency/{keyId}" => console::calls::open_of;
    GET "/admin/concurrency-queue/stats" => console::config::queue;
    GET "/admin/webhook/config" => console::webhook::config;
    POST "/admin/webhook/config" => console::webhook::put_config;
    POST "/admin/webhook/platforms" => console::webhook::add;
    PUT "/admin/webhook/platforms/{id}" => console::webhook::change;
    DELETE "/admin/webhook/platforms/{id}" => console::webhook::remove;
    POST "/admin/webhook/platforms/{id}/toggle" => console::webhook::toggle;
    POST "/admin/webhook/test" => console::webhook::test;
    POST "/admin/webhook/test-notification" => console::webhook::test_notification;
    GET "/admin/request-details" => console::calls::details;
    GET "/admin/request-details/{requestId}" => console::calls::detail;
    GET "/admin/sync/export-accounts" => console::account::export;
    GET "/admin/service-rates" => console::pricing::admin_rates;
    PUT "/admin/service-rates" => console::pricing::put_rates;
    GET "/admin/models/pricing" => console::pricing::list;
    GET "/admin/models/pricing/status" => console::pricing::show_status;
    POST "/admin/models/pricing/refresh" => console::pricing::refresh;
    POST "/admin/quota-cards" => console::cards::mint;
    GET "/admin/quota-cards" => console::cards::list;
    GET "/admin/quota-cards/stats" => console::cards::stats;
    GET "/admin/quota-cards/limits" => console::cards::limits;
    PUT "/admin/quota-cards/limits" => console::cards::put_limits;
    DELETE "/admin/quota-cards/{id}" => console::cards::delete;
    GET "/admin/redemptions" => console::cards::redemptions;
    POST "/admin/redemptions/{id}/revoke" => console::cards::revoke;
    GET "/admin/claude-code-headers" => system::headers;
    DELETE "/admin/claude-code-headers/{accountId}" => system::delete_headers;
    GET "/admin/check-updates" => system::check_updates;
    GET "/admin/oem-settings" => system::oem_settings;
    PUT "/admin/oem-settings" => system::put_oem;
    GET "/admin/claude-code-version" => system::client_version;
    POST "/admin/claude-code-version/clear" => system::clear_client_version;
    GET "/" => console::spa::home, Redirect;
    GET "/admin-next" => console::spa::without_slash, Redirect;
    GET "/admin-next/" => console::spa::index, Page;
    GET "/admin-next/{*path}" => console::spa::file, File;
}
