//! Signing in through other systems.

use axum::extract::{FromRequestParts, Request, State};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use schema::service::{oauth_login, session};
use schema::{App, Error};
use serde::Deserialize;
use serde_json::json;

use super::super::cookie;
use super::auth::pair;
use super::{Maybe, Path, Query, Reply, data};

/// The cookie that ties a sign-in to the browser that began it.
const COOKIE: &str = "oauth_login";

fn set_cookie(app: &App, response: &mut Response, value: &str, seconds: i64) {
    let secure = if app.config.public_url().starts_with("https://") { "; Secure" } else { "" };
    let line = format!("{COOKIE}={value}; Path=/api/v1/auth/oauth; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
    if let Ok(line) = HeaderValue::from_str(&line) {
        response.headers_mut().append(header::SET_COOKIE, line);
    }
}

/// Sends a browser to the provider, or tells a program where to send one.
pub async fn begin(State(app): State<App>, provider: Path<String>, request: Request) -> Reply {
    let begun = oauth_login::begin(&app, &provider.0).await?;
    let accepts = request.headers().get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or("");
    let mut response = if accepts.contains("application/json") {
        data(&app, json!({ "provider": provider.0, "authorization_url": begun.url }))
    } else {
        let place = HeaderValue::from_str(&begun.url).map_err(Error::internal)?;
        (StatusCode::FOUND, [(header::LOCATION, place)]).into_response()
    };
    set_cookie(&app, &mut response, &begun.browser, 600);
    Ok(response)
}

#[derive(Deserialize)]
pub struct Back {
    code: Option<String>,
    state: Option<String>,
    error: Option<String>,
}

/// What the browser that began brings back.
pub struct Browser(Option<String>);

impl crate::openapi::Part for Browser {
    fn describe(_: &mut crate::openapi::Asked) {}
}

impl FromRequestParts<App> for Browser {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Self::Rejection> {
        Ok(Self(cookie(parts, COOKIE).map(str::to_owned)))
    }
}

/// Where the provider sends the browser back to.
pub async fn finish(
    State(app): State<App>,
    caller: Maybe,
    browser: Browser,
    provider: Path<String>,
    back: Query<Back>,
) -> Reply {
    let back = back.0;
    if back.error.is_some() {
        return Err(Error::unauthenticated("the sign-in was refused at the provider").into());
    }
    let (code, state) = (back.code.unwrap_or_default(), back.state.unwrap_or_default());
    let user = oauth_login::finish(&app, &caller, &provider.0, &code, &state, browser.0.as_deref()).await?;
    let opened = session::open_pair_as(&app, &caller, user).await?;
    let mut response = data(&app, pair(&opened));
    set_cookie(&app, &mut response, "", 0);
    Ok(response)
}
