//! Signing in by a word that needs no round trip of ours: what Telegram's button signs with the bot's token, and the
//! code that a WeChat official account tells its followers and the operator's own server knows.

use std::collections::BTreeMap;

use ring::{digest, hmac};
use serde_json::Value;

use super::page::{Came, arrive};
use super::{PATIENCE, Profile, is_open};
use crate::App;
use crate::actor::Actor;
use crate::error::{Error, Result};
use crate::id;
use crate::service::setting::{self, Settings, names};

/// The two ways.
const TELEGRAM: &str = "telegram";
const WECHAT: &str = "wechat_account";
/// Longest answer of Telegram's, in its fields together.
const LONGEST: usize = 4_096;

fn off(what: &str) -> Error {
    Error::invalid("provider", format!("signing in with {what} is not set up, or switched off"))
}

/// The name of the bot behind Telegram's button, when people may sign in by it.
pub fn telegram_bot(app: &App) -> Option<String> {
    is_open(app, TELEGRAM).then(|| setting::current(app).text(names::SIGN_IN_TELEGRAM_BOT).to_owned())
}

/// Whether one of the two ways has all it needs.
pub(super) fn is_set_up(settings: &Settings, way: &str) -> bool {
    let needed = match way {
        TELEGRAM => [names::SIGN_IN_TELEGRAM_BOT, names::SIGN_IN_TELEGRAM_TOKEN],
        WECHAT => [names::SIGN_IN_WECHAT_ACCOUNT_SERVER, names::SIGN_IN_WECHAT_ACCOUNT_TOKEN],
        _ => return false,
    };
    needed.iter().all(|name| !settings.text(name).is_empty())
}

/// Signs in, or links, whom Telegram's button names.
pub async fn telegram(app: &App, actor: &Actor, fields: &BTreeMap<String, String>) -> Result<Came> {
    if telegram_bot(app).is_none() {
        return Err(off("Telegram"));
    }
    let bad = || Error::invalid("hash", "this is not what Telegram signed, or it is too long ago");
    let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
    if fields.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() > LONGEST {
        return Err(bad());
    }
    let lines: Vec<String> =
        fields.iter().filter(|(name, _)| *name != "hash").map(|(name, value)| format!("{name}={value}")).collect();
    let token = setting::current(app).text(names::SIGN_IN_TELEGRAM_TOKEN).to_owned();
    let key = hmac::Key::new(hmac::HMAC_SHA256, digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
    let hash = id::unhex(field("hash")).ok_or_else(bad)?;
    hmac::verify(&key, lines.join("\n").as_bytes(), &hash).map_err(|_| bad())?;
    let now = app.clock.now();
    let signed: i64 = field("auth_date").parse().map_err(|_| bad())?;
    let age = now.seconds().saturating_sub(signed).saturating_mul(1000);
    if field("id").is_empty() || !(-PATIENCE..=PATIENCE).contains(&age) {
        return Err(bad());
    }
    // It serves once, however often it is brought.
    if !app.kv.put_new(&format!("telegram:{}", id::hex(&hash)), "1", 2 * PATIENCE, now).await? {
        return Err(bad());
    }
    let name = [field("username"), field("first_name")].into_iter().find(|name| !name.is_empty());
    let profile =
        Profile { subject: field("id").to_owned(), name: name.unwrap_or("telegram").to_owned(), verified_email: None };
    arrive(app, actor, TELEGRAM, profile, None).await
}

/// The picture of the official account's code, when people may sign in by it.
pub fn wechat_picture(app: &App) -> Option<String> {
    is_open(app, WECHAT).then(|| setting::current(app).text(names::SIGN_IN_WECHAT_ACCOUNT_PICTURE).to_owned())
}

/// Signs in, or links, whoever the official account told this code.
pub async fn wechat_account(app: &App, actor: &Actor, code: &str) -> Result<Came> {
    if wechat_picture(app).is_none() {
        return Err(off("WeChat"));
    }
    let bad = || Error::invalid("code", "the code is wrong or over");
    if code.is_empty() || code.len() > 100 {
        return Err(bad());
    }
    let settings = setting::current(app);
    let server = settings.text(names::SIGN_IN_WECHAT_ACCOUNT_SERVER).trim_end_matches('/').to_owned();
    let token = settings.text(names::SIGN_IN_WECHAT_ACCOUNT_TOKEN).to_owned();
    drop(settings);
    let failed = |_| Error::upstream("WeChat", 502, "the official account's server cannot be reached");
    let request = app.http.get(format!("{server}/api/wechat/user")).query(&[("code", code)]);
    let request = request.header("authorization", token).timeout(std::time::Duration::from_secs(5));
    let answer: Value = request.send().await.map_err(failed)?.json().await.map_err(failed)?;
    let subject = answer["data"].as_str().filter(|subject| answer["success"] == true && !subject.is_empty());
    let subject = subject.ok_or_else(bad)?.to_owned();
    let profile = Profile { subject, name: "wechat".to_owned(), verified_email: None };
    arrive(app, actor, WECHAT, profile, None).await
}
