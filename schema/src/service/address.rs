//! E-mail addresses: proving that one is somebody's, and a new password for whoever has forgotten theirs.
//!
//! Codes and links are kept for minutes in the shared store, are used once, and are guessed at a few times at most.

use crate::App;
use crate::actor::Actor;
use crate::bus::Event;
use crate::clock::{MINUTE, Time};
use crate::error::{Error, Result};
use crate::id;
use crate::model::session::Session;
use crate::model::user::{User, UserChange, fold};
use crate::service::audit::{self, Target};
use crate::service::mail;
use crate::service::setting::{self, Settings, names};
use crate::service::user::check_email;

/// How long a code or a link is good for.
const GOOD_FOR: i64 = 10 * MINUTE;
/// Letters one address gets, and one caller causes, while a code is good.
const LETTERS: i64 = 5;
const LETTERS_OF_ONE: i64 = 20;
/// Wrong codes for one address while a code is good.
const GUESSES: i64 = 5;

/// Refuses addresses people may not register with.
pub fn check_allowed(settings: &Settings, email: &str) -> Result<()> {
    let (local, domain) = email.rsplit_once('@').unwrap_or((email, ""));
    if settings.bool(names::EMAIL_DOMAIN_RESTRICTION) {
        let mut allowed = settings.text(names::EMAIL_DOMAINS).split(',').map(str::trim);
        if !allowed.any(|known| known.eq_ignore_ascii_case(domain)) {
            return Err(Error::invalid("email", "addresses of this domain are not taken here"));
        }
    }
    if settings.bool(names::EMAIL_ALIAS_RESTRICTION) && local.contains(['+', '.']) {
        return Err(Error::invalid("email", "addresses with a + or a dot before the @ are not taken here"));
    }
    Ok(())
}

fn code_of(email: &str) -> String {
    format!("address-code:{}", id::digest(&fold(email)))
}

fn guesses_at(email: &str) -> String {
    format!("address-guesses:{}", id::digest(&fold(email)))
}

fn link_of(user_id: i64) -> String {
    format!("address-link:{user_id}")
}

/// Counts one more letter, and refuses when there have been enough.
async fn count_letter(app: &App, actor: &Actor, email: &str, now: Time) -> Result<()> {
    let of_address = format!("address-letters:{}", id::digest(&fold(email)));
    let of_caller = format!("address-letters-by:{}", actor.ip);
    for (name, most) in [(of_caller, LETTERS_OF_ONE), (of_address, LETTERS)] {
        let hit = app.kv.hit(&name, 1, most, GOOD_FOR, now).await?;
        if !hit.allowed {
            let seconds = u64::try_from((hit.resets_at.0 - now.0).max(0)).unwrap_or(0).div_ceil(1000).max(1);
            let why = format!("too many letters were asked for; try again in {seconds} seconds");
            return Err(Error::RateLimited { retry_after: seconds, why });
        }
    }
    Ok(())
}

/// Sends a code to an address nobody has yet, by which whoever reads it proves that it is theirs.
pub async fn send_code(app: &App, actor: &Actor, email: &str) -> Result<()> {
    let email = check_email(email)?;
    let settings = setting::current(app);
    check_allowed(&settings, &email)?;
    mail::needed(&settings)?;
    let now = app.clock.now();
    count_letter(app, actor, &email, now).await?;
    let mut conn = app.db.conn().await?;
    if User::by_email(&mut conn, &email).await?.is_some() {
        return Err(Error::conflict("EMAIL_TAKEN", "this e-mail address is registered already"));
    }
    drop(conn);
    let code = id::code(b"0123456789", 6);
    app.kv.put(&code_of(&email), &code, GOOD_FOR, now).await?;
    app.kv.reset(&guesses_at(&email)).await?;
    let site = settings.text(names::SITE_NAME);
    let text = format!(
        "您好，您正在进行 {site} 邮箱验证。\n您的验证码为：{code}\n验证码 10 分钟内有效，如果不是本人操作，请忽略。\n\n\
         Your {site} verification code is {code}. It is good for 10 minutes. If you did not ask for it, ignore this letter.\n"
    );
    mail::send(app, &email, &format!("{site} 邮箱验证 / verification code"), &text).await
}

/// Refuses a code that is not the one sent to an address.
pub async fn check_code(app: &App, email: &str, code: &str) -> Result<()> {
    let wrong = || Error::invalid("verificationCode", "验证码错误或已过期");
    let now = app.clock.now();
    let name = code_of(email);
    if !app.kv.hit(&guesses_at(email), 1, GUESSES, GOOD_FOR, now).await?.allowed {
        app.kv.forget(&name).await?;
        return Err(wrong());
    }
    match app.kv.get(&name, now).await? {
        Some(sent) if sent == code.trim() => Ok(()),
        _ => Err(wrong()),
    }
}

/// Forgets the code of an address, once it has served. An address is one person's, so whoever comes second with it
/// is refused anyway.
pub async fn use_up_code(app: &App, email: &str) -> Result<()> {
    app.kv.forget(&code_of(email)).await?;
    app.kv.reset(&guesses_at(email)).await
}

/// Somebody signed in takes an address for their own by the code that was sent to it.
pub async fn bind(app: &App, actor: &Actor, email: &str, code: &str) -> Result<User> {
    let user_id = actor.signed_in()?;
    let email = check_email(email)?;
    check_code(app, &email, code).await?;
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    let before = User::find(&mut tx, user_id).await?.filter(|u| u.deleted_at.is_none());
    let before = before.ok_or(Error::NotFound { what: "user" })?;
    let set = UserChange {
        email_key: Some(Some(fold(&email))),
        email: Some(Some(email.clone())),
        email_verified: Some(true),
        ..UserChange::default()
    };
    let after = User::update(&mut tx, user_id, before.version, &set, false, now).await.map_err(taken)?;
    let after = after.ok_or_else(stale)?;
    let target = Target { kind: "user", id: &user_id.to_string() };
    audit::record(app, &mut tx, actor, "user.email", target, before.email, after.email.clone()).await?;
    tx.commit().await?;
    app.bus.publish(Event::UserChanged { id: user_id }).await;
    use_up_code(app, &email).await?;
    Ok(after)
}

/// Sends a link for a new password to whoever has this address. Nobody learns whether somebody does.
pub async fn send_link(app: &App, actor: &Actor, email: &str) -> Result<()> {
    let email = check_email(email)?;
    let settings = setting::current(app);
    mail::needed(&settings)?;
    let now = app.clock.now();
    count_letter(app, actor, &email, now).await?;
    let mut conn = app.db.conn().await?;
    let user = User::by_email(&mut conn, &email).await?.filter(|u| u.deleted_at.is_none() && u.is_active());
    drop(conn);
    let Some(user) = user else { return Ok(()) };
    let token = id::code(id::TOKEN_ALPHABET, 32);
    app.kv.put(&link_of(user.id), &id::digest(&token), GOOD_FOR, now).await?;
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("email", &email)
        .append_pair("token", &token)
        .finish();
    let site = settings.text(names::SITE_NAME).to_owned();
    let text = format!(
        "您好，您正在进行 {site} 密码重置。\n请打开以下链接重置密码：\n{0}/user/reset?{query}\n重置链接 10 分钟内有效，如果不是本人操作，请忽略。\n\n\
         Open the link to get a new {site} password. It is good for 10 minutes. If you did not ask for it, ignore this letter.\n",
        app.config.public_url(),
    );
    // Sent behind the answer, which so takes as long for an address nobody has.
    let (app, tasks) = (app.clone(), app.clone());
    tasks.spawn(async move {
        if let Err(cause) = mail::send(&app, &email, &format!("{site} 密码重置 / new password"), &text).await {
            tracing::warn!(user = user.id, %cause, detail = cause.cause(), "a link for a new password was not sent");
        }
    });
    Ok(())
}

/// A new password, made up here and told this once, for whoever shows the token of the link.
pub async fn reset_password(app: &App, actor: &Actor, email: &str, token: &str) -> Result<String> {
    let wrong = || Error::invalid("token", "重置链接非法或已过期");
    let now = app.clock.now();
    let mut conn = app.db.conn().await?;
    let user = User::by_email(&mut conn, email.trim()).await?.filter(|u| u.deleted_at.is_none() && u.is_active());
    drop(conn);
    let user = user.ok_or_else(wrong)?;
    let (name, shown) = (link_of(user.id), id::digest(token));
    // A wrong token must not use the right one up.
    if app.kv.get(&name, now).await?.as_deref() != Some(&shown) {
        return Err(wrong());
    }
    if app.kv.take(&name, now).await?.as_deref() != Some(&shown) {
        return Err(wrong());
    }
    let password = id::code(id::TOKEN_ALPHABET, 16);
    let set = UserChange {
        password_hash: Some(Some(app.hasher.hash(&password).await?)),
        email_verified: Some(true),
        ..UserChange::default()
    };
    let mut tx = app.db.begin().await?;
    let before = User::find(&mut tx, user.id).await?.filter(|u| u.deleted_at.is_none()).ok_or_else(wrong)?;
    User::update(&mut tx, user.id, before.version, &set, true, now).await?.ok_or_else(stale)?;
    Session::revoke_user(&mut tx, user.id, now).await?;
    let target = Target { kind: "user", id: &user.id.to_string() };
    audit::record(app, &mut tx, actor, "user.password_reset", target, (), ()).await?;
    tx.commit().await?;
    app.bus.publish(Event::UserChanged { id: user.id }).await;
    Ok(password)
}

fn taken(e: impl Into<Error>) -> Error {
    match e.into() {
        Error::Conflict { code: "ALREADY_EXISTS", .. } => {
            Error::conflict("EMAIL_TAKEN", "this e-mail address is registered already")
        }
        other => other,
    }
}

fn stale() -> Error {
    Error::conflict("STALE_VERSION", "somebody changed this in the meantime; read it again")
}
