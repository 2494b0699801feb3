//! Telling people that their own balance is low, by mail or at an address of theirs, as they wish.

use std::collections::HashMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::hmac;
use schema::bus::{Event, WalletChange};
use schema::clock::{DAY, MINUTE};
use schema::service::setting::{self, names};
use schema::service::{mail, user as people};
use schema::{Actor, App, Error, Micros};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::deliver;
use super::message::Message;

/// Where the secret of a wish is sealed.
const PLACE: &str = "users.prefs.webhook_secret";
/// What somebody without a word about it is warned at: a dollar.
const USUAL_QUOTA: f64 = 500_000.0;

/// How somebody wants to be told, as it lies among their preferences (under newapi's names).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Wish {
    /// `email` or `webhook`.
    pub notify_type: String,
    /// The balance, in quota, below which they are told.
    pub quota_warning_threshold: f64,
    pub webhook_url: String,
    /// Sealed.
    pub webhook_secret: String,
    /// Instead of the person's own address.
    pub notification_email: String,
}

impl Default for Wish {
    fn default() -> Self {
        Self {
            notify_type: String::new(),
            quota_warning_threshold: USUAL_QUOTA,
            webhook_url: String::new(),
            webhook_secret: String::new(),
            notification_email: String::new(),
        }
    }
}

impl Wish {
    /// The wish among somebody's preferences, if there is one.
    pub fn of(prefs: &Map<String, Value>) -> Option<Self> {
        let wish: Self = serde_json::from_value(Value::Object(prefs.clone())).ok()?;
        Some(wish).filter(|wish| matches!(wish.notify_type.as_str(), "email" | "webhook"))
    }

    /// Below what balance they are told.
    fn threshold(&self) -> i64 {
        // Checked when it was put there; what does not fit is cut.
        Micros::from_quota(self.quota_warning_threshold as i64).map_or(i64::MAX, |threshold| threshold.0)
    }
}

/// A secret as it is kept among the preferences.
pub fn sealed(app: &App, secret: &str) -> Result<String, Error> {
    Ok(BASE64_STANDARD.encode(app.seal.seal(PLACE, secret.as_bytes())?))
}

fn opened(app: &App, sealed: &str) -> Result<Vec<u8>, Error> {
    app.seal.open(PLACE, &BASE64_STANDARD.decode(sealed).map_err(Error::internal)?)
}

/// Most people whose wishes are remembered between two calls of theirs.
const REMEMBERED: usize = 100_000;
/// How long after a warning nothing more is said, unless there was money in between.
const QUIET_MS: i64 = DAY;
/// The same after one that could not be delivered.
const AGAIN_MS: i64 = 10 * MINUTE;

/// Begins to watch wallets; ends when the process stops.
pub fn start(app: &App) {
    let mut listener = app.bus.listen();
    let watched = app.clone();
    app.spawn(async move {
        let mut wishes: HashMap<i64, Option<Wish>> = HashMap::new();
        loop {
            let event = tokio::select! {
                () = watched.stop.cancelled() => return,
                event = listener.next() => event,
            };
            let Some(event) = event else { return };
            match &*event {
                Event::WalletChanged(change) => {
                    if let Err(cause) = moved(&watched, &mut wishes, change).await {
                        tracing::warn!(%cause, "a low balance could not be looked into");
                    }
                }
                Event::UserChanged { id } => {
                    wishes.remove(id);
                }
                Event::Resync => wishes.clear(),
                _ => {}
            }
        }
    });
}

fn mark(user_id: i64) -> String {
    format!("low-balance:{user_id}")
}

async fn moved(app: &App, wishes: &mut HashMap<i64, Option<Wish>>, change: &WalletChange) -> Result<(), Error> {
    let id = change.user_id;
    if !wishes.contains_key(&id) {
        if wishes.len() >= REMEMBERED {
            wishes.clear();
        }
        let user = people::get(app, &Actor::system(), id).await?;
        wishes.insert(id, Wish::of(&user.prefs.0));
    }
    let Some(Some(wish)) = wishes.get(&id) else { return Ok(()) };
    let low = change.balance < wish.threshold();
    if !low && change.amount > 0 {
        return app.kv.forget(&mark(id)).await;
    }
    // Every process hears of it, and a busy person's every call says it again: once is enough.
    if !low || change.amount > 0 || !app.kv.put_new(&mark(id), "1", QUIET_MS, app.clock.now()).await? {
        return Ok(());
    }
    let (worker, wish, balance) = (app.clone(), wish.clone(), Micros(change.balance));
    app.spawn(async move {
        let Err(cause) = tell(&worker, id, &wish, balance).await else { return };
        tracing::warn!(user = id, %cause, "a warning of a low balance was not delivered");
        let now = worker.clock.now();
        if let Err(cause) = worker.kv.put(&mark(id), "1", AGAIN_MS, now).await {
            tracing::warn!(%cause, "a warning of a low balance is not repeated soon");
        }
    });
    Ok(())
}

async fn tell(app: &App, user_id: i64, wish: &Wish, balance: Micros) -> Result<(), Error> {
    let site = setting::current(app).text(names::SITE_NAME).to_owned();
    let title = "您的额度即将用尽";
    let link = format!("{}/topup", app.config.public_url());
    let text =
        format!("{title}，当前剩余额度为 ${}，为了不影响您的使用，请及时充值。\n充值链接：{link}", balance.decimal());
    if wish.notify_type == "email" {
        let user = people::get(app, &Actor::system(), user_id).await?;
        let own = user.email.unwrap_or_default();
        let to = if wish.notification_email.is_empty() { &own } else { &wish.notification_email };
        return mail::send(app, to, &format!("{site}: {title}"), &text).await;
    }
    let body = json!({
        "type": "quota_exceed",
        "title": title,
        "content": text,
        "values": [title, format!("${}", balance.decimal()), link],
        "timestamp": app.clock.now().seconds(),
    });
    let body = body.to_string();
    let mut headers = Vec::new();
    if !wish.webhook_secret.is_empty() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &opened(app, &wish.webhook_secret)?);
        let sign = hmac::sign(&key, body.as_bytes());
        headers.push(("x-webhook-signature", schema::id::hex(sign.as_ref())));
    }
    let message = Message { url: wish.webhook_url.clone(), body, headers };
    let sending = tokio::time::timeout(std::time::Duration::from_secs(10), deliver::send(app, &message)).await;
    match sending {
        Ok(Ok(())) => Ok(()),
        Ok(Err(failure)) => Err(Error::unavailable("the address did not take it", failure.why)),
        Err(_) => Err(Error::unavailable("the address did not take it", "it did not answer in time")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferences_of_others_are_no_wish() {
        let prefs = |value: Value| value.as_object().cloned().unwrap_or_default();
        assert_eq!(Wish::of(&prefs(json!({}))), None);
        assert_eq!(Wish::of(&prefs(json!({ "theme": "dark", "notify_type": "pigeon" }))), None);
        let wish = Wish::of(&prefs(json!({ "theme": "dark", "notify_type": "email" })));
        assert_eq!(wish.map(|wish| wish.threshold()), Some(1_000_000));
        let wish = Wish::of(&prefs(json!({ "notify_type": "webhook", "quota_warning_threshold": 250_000.0 })));
        assert_eq!(wish.map(|wish| wish.threshold()), Some(500_000));
    }
}
