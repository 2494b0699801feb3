//! Signing in by the word of other systems as the deployed pages go about it: they fetch a state, compose the other
//! system's address themselves, and bring back its code. Whoever is signed in binds; everybody else signs in.

use std::collections::BTreeMap;

use axum::extract::{FromRequestParts, State};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use relay::edge::Origin;
use schema::service::oauth_login::{self, Came};
use schema::service::session;
use schema::{Actor, App, Error, Face};
use serde::Deserialize;

use super::super::{Dialect, Fault, cookie};
use super::{Caller, Maybe, Newapi, Query, Reply, auth, data, message};
use crate::openapi::{Asked, Part};

/// The cookie that ties a round trip to the browser that began it.
const COOKIE: &str = "oauth_state";
/// How long it is kept, in seconds: as long as a round trip may take.
const PATIENCE: i64 = 600;

/// Whoever asks, and the round trip their browser began. A session that has ended keeps nobody from signing in.
pub struct Visitor {
    actor: Actor,
    browser: Option<String>,
}

impl Part for Visitor {
    fn describe(asked: &mut Asked) {
        Maybe::describe(asked);
    }
}

impl FromRequestParts<App> for Visitor {
    type Rejection = Fault<Newapi>;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        let browser = cookie(parts, COOKIE).map(str::to_owned);
        let anonymous = relay::edge::origin::of(parts).anonymous(Face::Newapi);
        if !Newapi::has_credential(parts) {
            return Ok(Self { actor: anonymous, browser });
        }
        match Newapi::caller(app, parts, anonymous.clone()).await {
            Ok(actor) => Ok(Self { actor, browser }),
            Err(Error::Unauthenticated { .. }) => Ok(Self { actor: anonymous, browser }),
            Err(error) => Err(error.into()),
        }
    }
}

fn set_cookie(app: &App, response: &mut Response, value: &str, seconds: i64) {
    let secure = if app.config.public_url().starts_with("https://") { "; Secure" } else { "" };
    let line = format!("{COOKIE}={value}; Path=/api/oauth; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
    if let Ok(line) = HeaderValue::from_str(&line) {
        response.headers_mut().append(header::SET_COOKIE, line);
    }
}

#[derive(Deserialize)]
pub struct Invited {
    aff: Option<String>,
}

/// A state for a round trip to any of the systems.
pub async fn state(State(app): State<App>, visitor: Visitor, query: Query<Invited>) -> Reply {
    let (state, browser) = oauth_login::begin_page(&app, &visitor.actor, query.0.aff).await?;
    let mut response = data(state);
    set_cookie(&app, &mut response, &browser, PATIENCE);
    Ok(response)
}

#[derive(Deserialize)]
pub struct Back {
    #[serde(default)]
    code: String,
    #[serde(default)]
    state: String,
    error: Option<String>,
}

pub async fn github(State(app): State<App>, visitor: Visitor, origin: Origin, back: Query<Back>) -> Reply {
    finish(&app, visitor, &origin, ("github", " GitHub "), back.0).await
}

pub async fn oidc(State(app): State<App>, visitor: Visitor, origin: Origin, back: Query<Back>) -> Reply {
    finish(&app, visitor, &origin, ("oidc", " OIDC "), back.0).await
}

pub async fn linuxdo(State(app): State<App>, visitor: Visitor, origin: Origin, back: Query<Back>) -> Reply {
    finish(&app, visitor, &origin, ("linuxdo", " Linux DO "), back.0).await
}

async fn finish(app: &App, visitor: Visitor, origin: &Origin, (name, label): (&str, &str), back: Back) -> Reply {
    if oauth_login::offer(app, name).is_none() {
        return Err(off(label).into());
    }
    if back.error.is_some() {
        return Err(Error::conflict("NOT_CONFIRMED", format!("{}未授权此次登录", label.trim_start())).into());
    }
    let browser = visitor.browser.as_deref();
    let came = oauth_login::finish_page(app, &visitor.actor, name, &back.code, &back.state, browser).await;
    let mut response = arrived(app, &visitor.actor, origin, came, label).await?;
    set_cookie(app, &mut response, "", 0);
    Ok(response)
}

fn off(label: &str) -> Error {
    Error::conflict("SIGN_IN_OFF", format!("管理员未开启通过{label}登录以及注册"))
}

/// Lets them in, or says that they are bound; refusals in this system's words.
async fn arrived(
    app: &App,
    actor: &Actor,
    origin: &Origin,
    came: Result<Came, Error>,
    label: &str,
) -> Result<Response, Error> {
    match came {
        Ok(Came::SignedIn(user)) => auth::entered(app, actor, origin, &user, "").await,
        Ok(Came::Linked) => Ok(message("bind")),
        Err(error) => Err(match error {
            Error::Invalid { field, .. } if field == "state" => Error::forbidden("state is empty or not same"),
            Error::Invalid { field, .. } if field == "hash" => Error::conflict("NOT_CONFIRMED", "无效的请求"),
            Error::Invalid { field, .. } if field == "code" => Error::conflict("NOT_CONFIRMED", "验证码错误或已过期"),
            Error::Conflict { code: code @ "IDENTITY_TAKEN", .. } => {
                Error::conflict(code, format!("该{label}账户已被绑定"))
            }
            Error::Upstream { .. } => {
                Error::conflict("NOT_CONFIRMED", format!("无法连接至{label}服务器，请稍后重试！"))
            }
            Error::Forbidden { why } if why.contains("registration") => {
                Error::conflict("REGISTRATION_OFF", "管理员关闭了新用户注册")
            }
            Error::Forbidden { .. } => Error::conflict("USER_DISABLED", "用户已被封禁"),
            Error::NotFound { .. } => Error::conflict("USER_GONE", "用户已注销"),
            other => other,
        }),
    }
}

#[derive(Deserialize)]
pub struct Code {
    #[serde(default)]
    code: String,
}

/// By the code that the operator's WeChat official account told.
pub async fn wechat(State(app): State<App>, visitor: Visitor, origin: Origin, query: Query<Code>) -> Reply {
    by_wechat(&app, &visitor.actor, &origin, &query.0.code).await
}

/// The same for whoever is signed in.
pub async fn bind_wechat(State(app): State<App>, caller: Caller, origin: Origin, query: Query<Code>) -> Reply {
    by_wechat(&app, &caller, &origin, &query.0.code).await
}

async fn by_wechat(app: &App, actor: &Actor, origin: &Origin, code: &str) -> Reply {
    if oauth_login::wechat_picture(app).is_none() {
        return Err(off("微信").into());
    }
    let came = oauth_login::wechat_account(app, actor, code).await;
    Ok(arrived(app, actor, origin, came, "微信").await?)
}

/// What Telegram's button signs.
#[derive(Deserialize)]
pub struct Signed {
    id: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    username: Option<String>,
    photo_url: Option<String>,
    auth_date: Option<String>,
    hash: Option<String>,
}

impl Signed {
    fn fields(self) -> BTreeMap<String, String> {
        let named = [
            ("id", self.id),
            ("first_name", self.first_name),
            ("last_name", self.last_name),
            ("username", self.username),
            ("photo_url", self.photo_url),
            ("auth_date", self.auth_date),
            ("hash", self.hash),
        ];
        named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}

/// By Telegram's button.
pub async fn telegram(State(app): State<App>, visitor: Visitor, origin: Origin, query: Query<Signed>) -> Reply {
    by_telegram(&app, &visitor.actor, &origin, query.0).await
}

async fn by_telegram(app: &App, actor: &Actor, origin: &Origin, signed: Signed) -> Reply {
    if oauth_login::telegram_bot(app).is_none() {
        return Err(off(" Telegram ").into());
    }
    let came = oauth_login::telegram(app, actor, &signed.fields()).await;
    Ok(arrived(app, actor, origin, came, " Telegram ").await?)
}

/// Whose browser this is, by its session alone: Telegram's button sends the browser itself, which names no user. The
/// session's cookie is `SameSite=Strict`, so that no other site can send it here.
pub struct Browser(Actor);

impl Part for Browser {
    fn describe(asked: &mut Asked) {
        Caller::describe(asked);
    }
}

impl FromRequestParts<App> for Browser {
    type Rejection = Fault<Newapi>;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        let anonymous = relay::edge::origin::of(parts).anonymous(Face::Newapi);
        let value = cookie(parts, super::COOKIE);
        let value = value.ok_or_else(|| Error::unauthenticated("无权进行此操作，未登录且未提供 access token"))?;
        Ok(Self(session::by_cookie(app, value, anonymous).await?.0))
    }
}

/// Binds by Telegram's button, and sends the browser back to the page it came from.
pub async fn bind_telegram(State(app): State<App>, browser: Browser, origin: Origin, query: Query<Signed>) -> Reply {
    by_telegram(&app, &browser.0, &origin, query.0).await?;
    let place = format!("{}/console/personal", app.config.public_url());
    let place = HeaderValue::from_str(&place).map_err(Error::internal)?;
    Ok((StatusCode::FOUND, [(header::LOCATION, place)]).into_response())
}
