//! How often a caller may ask: one middleware for every face, one counter a rule and caller, figures
//! from the settings.
//!
//! Counters are named by rule and subject, so that calls of one face never use up another's.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method};
use schema::clock::{HOUR, MINUTE};
use schema::service::setting::{self, names};
use schema::service::{api_key, session, token};
use schema::{App, Error, Face};

use super::ledger::Ledger;
use super::massrouter::Massrouter;
use super::newapi::Newapi;
use super::{Dialect, Fault, bearer, home};

/// One limit, of one caller.
struct Rule {
    name: &'static str,
    who: String,
    limit: i64,
    window: i64,
    refuse: fn(Error) -> Response,
}

fn refuse<D: Dialect>(error: Error) -> Response {
    Fault::<D>::from(error).into_response()
}

/// Who a request seems to come from; whether they may is decided later, by the face.
enum Subject {
    User(i64),
    /// A key, and the limit it carries itself.
    Key(i64, Option<(i64, i64)>),
    Address(String),
}

impl Subject {
    fn name(&self) -> String {
        match self {
            Self::User(id) => format!("user:{id}"),
            Self::Key(id, _) => format!("key:{id}"),
            Self::Address(ip) => format!("ip:{ip}"),
        }
    }
}

async fn subject(app: &App, parts: &Parts) -> Subject {
    let origin = relay::edge::origin::of(parts);
    let nobody = Subject::Address(origin.ip.clone());
    let Some(bearer) = bearer(parts) else { return nobody };
    if bearer.starts_with("eyJ") {
        let user = token::read(app, bearer).ok().and_then(|claims| claims.sub.parse().ok());
        return user.map_or(nobody, Subject::User);
    }
    if let Ok(Some(key)) = api_key::find_by_secret(app, bearer).await {
        let limits = &key.limits.0;
        let own = if limits.window_ms > 0 && limits.window_requests > 0 {
            Some((limits.window_requests, limits.window_ms))
        } else {
            (limits.rpm > 0).then_some((limits.rpm, MINUTE))
        };
        return Subject::Key(key.id, own);
    }
    let known = session::by_access_token(app, bearer, origin.anonymous(Face::System)).await;
    known.ok().and_then(|(actor, _)| actor.user_id).map_or(nobody, Subject::User)
}

async fn rule(app: &App, parts: &Parts) -> Option<Rule> {
    let path = parts.uri.path();
    let settings = setting::current(app);
    let address = || format!("ip:{}", relay::edge::origin::of(parts).ip);
    if path == "/api/user/login" && parts.method == Method::POST {
        let limit = settings.int(names::NEWAPI_LOGIN_LIMIT);
        let refuse = refuse::<Newapi>;
        return Some(Rule { name: "newapi:login", who: address(), limit, window: 20 * MINUTE, refuse });
    }
    // The codes of other systems' sign-ins, as often as passwords; the address's own code has limits of its own.
    if path.starts_with("/api/oauth/") && path != "/api/oauth/email/bind" {
        let limit = settings.int(names::NEWAPI_LOGIN_LIMIT);
        let refuse = refuse::<Newapi>;
        return Some(Rule { name: "newapi:oauth", who: address(), limit, window: 20 * MINUTE, refuse });
    }
    match home::face(app, parts) {
        Some(Face::Ledger) => {
            let refuse = refuse::<Ledger>;
            let (name, limit) = if path.ends_with("/admin/auth/login") {
                let limit = settings.int(names::LEDGER_LOGIN_LIMIT);
                return Some(Rule { name: "ledger:login", who: address(), limit, window: MINUTE, refuse });
            } else if path.ends_with("/configs/batch") || path.ends_with("/read-batch") {
                ("ledger:batch", settings.int(names::LEDGER_BATCH_LIMIT))
            } else if path.contains("/admin/") {
                ("ledger:admin", settings.int(names::LEDGER_ADMIN_LIMIT))
            } else {
                return None;
            };
            Some(Rule { name, who: subject(app, parts).await.name(), limit, window: MINUTE, refuse })
        }
        Some(Face::Massrouter) if path.starts_with("/api/v1/") => {
            let subject = subject(app, parts).await;
            let (limit, window) = match &subject {
                Subject::Key(_, Some(own)) => *own,
                Subject::Key(_, None) | Subject::User(_) => (settings.int(names::MASSROUTER_USER_LIMIT), HOUR),
                Subject::Address(_) => (settings.int(names::MASSROUTER_ANONYMOUS_LIMIT), HOUR),
            };
            Some(Rule { name: "massrouter", who: subject.name(), limit, window, refuse: refuse::<Massrouter> })
        }
        _ => None,
    }
}

const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// Counts a request and refuses it when its caller has asked too often.
pub async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let Some(rule) = rule(&app, &parts).await else {
        return next.run(Request::from_parts(parts, body)).await;
    };
    let now = app.clock.now();
    let counter = format!("limit:{}:{}", rule.name, rule.who);
    let hit = match app.kv.hit(&counter, 1, rule.limit, rule.window, now).await {
        Ok(hit) => hit,
        Err(error) => return (rule.refuse)(error),
    };
    let seconds = u64::try_from((hit.resets_at.0 - now.0).max(0)).unwrap_or(0).div_ceil(1000);
    let mut response = if hit.allowed {
        next.run(Request::from_parts(parts, body)).await
    } else {
        let why = format!("too many requests; try again in {seconds} seconds");
        (rule.refuse)(Error::RateLimited { retry_after: seconds.max(1), why })
    };
    let headers = response.headers_mut();
    headers.insert(LIMIT, HeaderValue::from(rule.limit));
    headers.insert(REMAINING, HeaderValue::from(hit.remaining.max(0)));
    headers.insert(RESET, HeaderValue::from(seconds));
    response
}
