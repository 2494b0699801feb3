//! Registering, the cookie session, and the 32-character access token.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use relay::edge::Origin;
use schema::model::user::{User, UserStatus};
use schema::service::setting::{self, names};
use schema::service::user::{self as people, NewPerson};
use schema::service::{address, session};
use schema::{Actor, App, Error, Face, Role};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Body, COOKIE, Caller, Maybe, Query, Reply, data, message, said};

#[derive(Deserialize)]
pub struct Register {
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
    email: Option<String>,
    verification_code: Option<String>,
    aff_code: Option<String>,
}

pub async fn register(State(app): State<App>, origin: Origin, form: Body<Register>) -> Reply {
    let (caller, form) = (origin.anonymous(Face::Newapi), form.0);
    if !(8..=20).contains(&form.password.chars().count()) {
        return Err(Error::invalid("password", "密码长度必须为 8-20 个字符").into());
    }
    let person = NewPerson {
        username: form.username,
        password: Some(form.password),
        email: form.email,
        email_code: form.verification_code,
        invited_by: form.aff_code,
        ..NewPerson::default()
    };
    people::register(&app, &caller, person).await?;
    Ok(message("注册成功"))
}

#[derive(Deserialize)]
pub struct Login {
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
}

/// This system's number for a role.
pub fn role_number(role: Role) -> i64 {
    match role {
        Role::User => 1,
        Role::Admin => 10,
        Role::SuperAdmin => 100,
    }
}

/// This system's number for a status.
pub fn status_number(status: UserStatus) -> i64 {
    if status == UserStatus::Active { 1 } else { 2 }
}

fn signed_in(user: &User) -> Value {
    json!({
        "id": user.id,
        "username": user.username,
        "display_name": user.display_name,
        "role": role_number(user.role),
        "status": status_number(user.status),
        "group": user.group_name,
    })
}

pub async fn login(State(app): State<App>, origin: Origin, form: Body<Login>) -> Reply {
    let (caller, form) = (origin.anonymous(Face::Newapi), form.0);
    let user = match session::check(&app, &caller, &form.username, &form.password, Role::User).await {
        Ok(user) => user,
        Err(Error::Unauthenticated { .. }) => return Err(Error::conflict("WRONG_PASSWORD", "密码错误").into()),
        Err(Error::Forbidden { .. }) => return Err(Error::conflict("USER_DISABLED", "用户已被封禁").into()),
        Err(e) => return Err(e.into()),
    };
    Ok(entered(&app, &caller, &origin, &user, "登录成功").await?)
}

/// Opens a session for somebody who has shown who they are.
pub async fn entered(app: &App, actor: &Actor, origin: &Origin, user: &User, text: &str) -> Result<Response, Error> {
    let value = session::open_cookie(app, actor, user, &origin.agent).await?;
    let mut response = said(text, signed_in(user));
    set_cookie(app, &mut response, &value, session::LONG_SESSION / 1000);
    Ok(response)
}

/// Goes on with a session of a browser whose sessions have all just been ended by itself.
pub async fn goes_on(app: &App, actor: &Actor, origin: &Origin, user: &User, mut response: Response) -> Reply {
    let value = session::open_cookie(app, actor, user, &origin.agent).await?;
    set_cookie(app, &mut response, &value, session::LONG_SESSION / 1000);
    Ok(response)
}

fn set_cookie(app: &App, response: &mut Response, value: &str, max_age: i64) {
    let domain = setting::current(app).text(names::COOKIE_DOMAIN).to_owned();
    let domain = if domain.is_empty() { String::new() } else { format!("; Domain={domain}") };
    let secure = if app.config.public_url().starts_with("https://") { "; Secure" } else { "" };
    let line = format!("{COOKIE}={value}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Strict{domain}{secure}");
    if let Ok(line) = HeaderValue::from_str(&line) {
        response.headers_mut().append(header::SET_COOKIE, line);
    }
}

pub async fn logout(State(app): State<App>, caller: Maybe) -> Reply {
    if caller.user_id.is_some() {
        session::sign_out(&app, &caller).await?;
    }
    let mut response = message("").into_response();
    set_cookie(&app, &mut response, "", 0);
    Ok(response)
}

pub async fn access_token(State(app): State<App>, caller: Caller) -> Reply {
    Ok(data(people::new_access_token(&app, &caller).await?))
}

#[derive(Deserialize)]
pub struct Address {
    #[serde(default)]
    email: String,
}

/// Sends a code to an address somebody wants to register with, or to take for theirs.
pub async fn verification(State(app): State<App>, caller: Maybe, query: Query<Address>) -> Reply {
    address::send_code(&app, &caller, &query.0.email).await?;
    Ok(message(""))
}

/// Sends a link for a new password, if somebody has the address.
pub async fn forgotten(State(app): State<App>, caller: Maybe, query: Query<Address>) -> Reply {
    address::send_link(&app, &caller, &query.0.email).await?;
    Ok(message(""))
}

#[derive(Deserialize)]
pub struct Reset {
    #[serde(default)]
    email: String,
    #[serde(default)]
    token: String,
}

/// The new password, for whoever came by the link.
pub async fn reset(State(app): State<App>, caller: Maybe, form: Body<Reset>) -> Reply {
    Ok(data(address::reset_password(&app, &caller, &form.0.email, &form.0.token).await?))
}

#[derive(Deserialize)]
pub struct Bind {
    #[serde(default)]
    email: String,
    #[serde(default)]
    code: String,
}

/// Takes an address for one's own by the code that was sent to it.
pub async fn bind_email(State(app): State<App>, caller: Caller, query: Query<Bind>) -> Reply {
    address::bind(&app, &caller, &query.0.email, &query.0.code).await?;
    Ok(message(""))
}
