//! Warning people that their own balance is low: whom, when, once a crossing, and which way. Carrying the warning
//! there is the faces' work.
//!
//! A wish lies among somebody's preferences, under newapi's names. Its secret is sealed as it is put there and is
//! never shown again.

use std::collections::HashMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::App;
use crate::actor::Actor;
use crate::bus::{Event, WalletChange};
use crate::clock::{DAY, MINUTE};
use crate::error::{Error, Result};
use crate::money::Micros;
use crate::secret::Secret;
use crate::service::user as people;

/// What stands in the place of a secret that is set.
pub const COVER: &str = "***";
/// The preference that holds the secret.
const SECRET: &str = "webhook_secret";
/// Where it is sealed.
const PLACE: &str = "users.prefs.webhook_secret";
/// Longest secret.
const LONGEST_SECRET: usize = 255;
/// What somebody without a word about it is warned at: a dollar.
const USUAL_QUOTA: f64 = 500_000.0;

/// How somebody wants to be warned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Wish {
    /// `email` or `webhook`.
    pub notify_type: String,
    /// The balance, in quota, below which they are warned.
    pub quota_warning_threshold: f64,
    pub webhook_url: String,
    /// Sealed, as it is kept; in the clear or covered, as it is given.
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

    /// Below what balance they are warned.
    fn threshold(&self) -> i64 {
        // Checked when it was put there; what does not fit is cut.
        Micros::from_quota(self.quota_warning_threshold as i64).map_or(i64::MAX, |threshold| threshold.0)
    }
}

/// Somebody's preferences as they are shown, the secret covered.
pub fn shown(prefs: &Map<String, Value>) -> Map<String, Value> {
    let mut shown = prefs.clone();
    if let Some(secret) = shown.get_mut(SECRET).filter(|secret| **secret != "") {
        *secret = COVER.into();
    }
    shown
}

/// Somebody's preferences as they are kept: a new secret sealed, a covered one as it was before.
pub(super) fn kept(
    app: &App,
    before: &Map<String, Value>,
    mut given: Map<String, Value>,
) -> Result<Map<String, Value>> {
    let Some(secret) = given.get_mut(SECRET) else { return Ok(given) };
    let text = secret.as_str().ok_or_else(|| Error::invalid(SECRET, "must be text"))?;
    *secret = match text {
        "" => "".into(),
        COVER => before.get(SECRET).cloned().unwrap_or_else(|| "".into()),
        long if long.len() > LONGEST_SECRET => return Err(Error::invalid(SECRET, "密钥过长")),
        plain => BASE64_STANDARD.encode(app.seal.seal(PLACE, plain.as_bytes())?).into(),
    };
    Ok(given)
}

fn opened(app: &App, sealed: &str) -> Result<Secret<Vec<u8>>> {
    let sealed = BASE64_STANDARD.decode(sealed).map_err(Error::internal)?;
    Ok(Secret::new(app.seal.open(PLACE, &sealed)?))
}

/// A warning to be delivered.
#[derive(Debug)]
pub struct Warning {
    pub user_id: i64,
    pub balance: Micros,
    pub way: Way,
    mark: String,
}

/// Which way a warning goes.
#[derive(Debug)]
pub enum Way {
    Mail {
        to: String,
    },
    /// To an address of theirs, signed where there is a secret.
    Webhook {
        url: String,
        secret: Option<Secret<Vec<u8>>>,
    },
}

/// Most people whose wishes are remembered between two calls of theirs.
const REMEMBERED: usize = 100_000;
/// How long a balance that has been warned of is kept in mind; nothing more is said of it until it was above again.
const QUIET_MS: i64 = 30 * DAY;
/// How long nothing is said after a warning that could not be delivered.
const AGAIN_MS: i64 = 10 * MINUTE;

/// The wishes of those whose wallets moved lately.
#[derive(Debug, Default)]
pub struct Wishes(HashMap<i64, Option<Wish>>);

/// Hears what happens, and answers the warning it calls for, to one of all processes that hear it.
pub async fn heard(app: &App, wishes: &mut Wishes, event: &Event) -> Result<Option<Warning>> {
    match event {
        Event::WalletChanged(change) => moved(app, wishes, change).await,
        Event::UserChanged { id } => {
            wishes.0.remove(id);
            Ok(None)
        }
        Event::Resync => {
            wishes.0.clear();
            Ok(None)
        }
        _ => Ok(None),
    }
}

async fn moved(app: &App, Wishes(wishes): &mut Wishes, change: &WalletChange) -> Result<Option<Warning>> {
    let user_id = change.user_id;
    if !wishes.contains_key(&user_id) {
        if wishes.len() >= REMEMBERED {
            wishes.clear();
        }
        let user = people::get(app, &Actor::system(), user_id).await?;
        wishes.insert(user_id, Wish::of(&user.prefs.0));
    }
    let Some(Some(wish)) = wishes.get(&user_id) else { return Ok(None) };
    let threshold = wish.threshold();
    // Another threshold is another crossing.
    let mark = format!("low-balance:{user_id}:{threshold}");
    let low = change.balance < threshold;
    if !low && change.amount > 0 {
        app.kv.forget(&mark).await?;
        return Ok(None);
    }
    // Every process hears of it, and a busy person's every call says it again: once is enough.
    if !low || change.amount > 0 || !app.kv.put_new(&mark, "1", QUIET_MS, app.clock.now()).await? {
        return Ok(None);
    }
    let way = way(app, user_id, wish).await?;
    Ok(Some(Warning { user_id, balance: Micros(change.balance), way, mark }))
}

async fn way(app: &App, user_id: i64, wish: &Wish) -> Result<Way> {
    if wish.notify_type == "email" {
        let to = if wish.notification_email.is_empty() {
            people::get(app, &Actor::system(), user_id).await?.email.unwrap_or_default()
        } else {
            wish.notification_email.clone()
        };
        return Ok(Way::Mail { to });
    }
    let secret = Some(&wish.webhook_secret).filter(|secret| !secret.is_empty());
    let secret = secret.map(|sealed| opened(app, sealed)).transpose()?;
    Ok(Way::Webhook { url: wish.webhook_url.clone(), secret })
}

/// A warning did not arrive: it is tried again soon, but not at every call.
pub async fn undelivered(app: &App, warning: &Warning) -> Result<()> {
    app.kv.put(&warning.mark, "1", AGAIN_MS, app.clock.now()).await
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::service::user::PersonChange;
    use crate::testing::TestApp;

    fn prefs(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn preferences_of_others_are_no_wish() {
        assert_eq!(Wish::of(&prefs(json!({}))), None);
        assert_eq!(Wish::of(&prefs(json!({ "theme": "dark", "notify_type": "pigeon" }))), None);
        let wish = Wish::of(&prefs(json!({ "theme": "dark", "notify_type": "email" })));
        assert_eq!(wish.map(|wish| wish.threshold()), Some(1_000_000));
        let wish = Wish::of(&prefs(json!({ "notify_type": "webhook", "quota_warning_threshold": 250_000.0 })));
        assert_eq!(wish.map(|wish| wish.threshold()), Some(500_000));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_secret_is_sealed_covered_and_kept() {
        let t = TestApp::new().await;
        let ann = t.user("ann").await;
        let id = ann.user_id.unwrap();
        let put = async |value: Value| {
            let change = PersonChange { prefs: Some(prefs(value)), ..PersonChange::default() };
            people::change(&t, &ann, id, change).await.map(|user| user.prefs.0)
        };
        let first = put(json!({ "theme": "dark", "webhook_secret": "hush" })).await.unwrap();
        let sealed = first["webhook_secret"].as_str().unwrap();
        assert!(!sealed.contains("hush"));
        assert_eq!(opened(&t, sealed).unwrap().reveal(), b"hush");
        assert_eq!(Value::from(shown(&first)), json!({ "theme": "dark", "webhook_secret": "***" }));
        // What is written back as it was shown changes nothing.
        let again = put(shown(&first).into()).await.unwrap();
        assert_eq!(again, first);
        for bad in [json!({ "webhook_secret": 1 }), json!({ "webhook_secret": "x".repeat(256) })] {
            assert_eq!(put(bad).await.unwrap_err().code(), "BAD_USER_INPUT");
        }
        let gone = put(json!({ "webhook_secret": "" })).await.unwrap();
        assert_eq!(Value::from(shown(&gone)), json!({ "webhook_secret": "" }));
        assert_eq!(
            Value::from(put(json!({ "webhook_secret": "***" })).await.unwrap()),
            json!({ "webhook_secret": "" })
        );
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_crossing_is_told_once_to_one_and_again_after_money_came() {
        let t = TestApp::new().await;
        let ann = t.user("ann").await;
        let id = ann.user_id.unwrap();
        let wish = async |value: Value| {
            let change = PersonChange { prefs: Some(prefs(value)), ..PersonChange::default() };
            people::change(&t, &ann, id, change).await.unwrap();
        };
        let url = "https://example.com/hook";
        let webhook = json!({ "notify_type": "webhook", "webhook_url": url, "webhook_secret": "hush",
            "quota_warning_threshold": 500_000 });
        wish(webhook.clone()).await;
        let (mut here, mut there) = (Wishes::default(), Wishes::default());
        let change = |balance: i64, amount: i64| {
            let entry_kind = "usage".to_owned();
            Event::WalletChanged(WalletChange { user_id: id, balance, seq: 0, entry_kind, amount, at: 0 })
        };
        let mut told = async |balance: i64, amount: i64| {
            let first = heard(&t, &mut here, &change(balance, amount)).await.unwrap();
            let second = heard(&t, &mut there, &change(balance, amount)).await.unwrap();
            assert!(second.is_none(), "one process alone tells it");
            first
        };
        assert!(told(1_000_000, -5).await.is_none(), "not below");
        let warning = told(999_999, -1).await.expect("a warning");
        assert_eq!((warning.user_id, warning.balance), (id, Micros(999_999)));
        let Way::Webhook { url: to, secret } = &warning.way else { panic!("{warning:?}") };
        assert_eq!((to.as_str(), secret.as_ref().map(|s| s.reveal().as_slice())), (url, Some(&b"hush"[..])));
        assert!(!format!("{warning:?}").contains("hush"));
        assert!(told(900_000, -99_999).await.is_none(), "once a crossing");
        t.advance(2 * DAY);
        assert!(told(800_000, -100_000).await.is_none(), "however long it takes");
        assert!(told(950_000, 150_000).await.is_none(), "what comes in warns of nothing");
        assert!(told(940_000, -10_000).await.is_none(), "it was not above in between");
        assert!(told(1_000_000, 60_000).await.is_none());
        assert!(told(900_000, -100_000).await.is_some(), "a second crossing");
        // What could not be delivered is told again after a while.
        let lost = Warning { mark: format!("low-balance:{id}:1000000"), ..warning };
        undelivered(&t, &lost).await.unwrap();
        assert!(told(890_000, -10_000).await.is_none());
        t.advance(AGAIN_MS + 1);
        assert!(told(880_000, -10_000).await.is_some());
        // A lower threshold is crossed by itself, by mail to oneself.
        wish(json!({ "notify_type": "email", "notification_email": "a@example.com", "quota_warning_threshold": 250_000 }))
            .await;
        let changed = Event::UserChanged { id };
        let mut fresh = Wishes::default();
        assert!(heard(&t, &mut fresh, &changed).await.unwrap().is_none());
        let warning = heard(&t, &mut fresh, &change(499_999, -1)).await.unwrap().expect("a warning");
        assert!(matches!(&warning.way, Way::Mail { to } if to == "a@example.com"), "{warning:?}");
        wish(json!({})).await;
        assert!(heard(&t, &mut Wishes::default(), &change(1, -1)).await.unwrap().is_none(), "nobody asked for it");
    }
}
