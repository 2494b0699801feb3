//! What the deployed system's personal page lets people set for themselves: how they are told that their quota runs
//! out ([`low_balance`]), and whether they take models without a price, at what such models then cost.

use axum::extract::State;
use reqwest::Url;
use schema::model::user::{TAKES_UNPRICED, User};
use schema::service::low_balance::{self, Wish};
use schema::service::mail;
use schema::service::setting;
use schema::service::user::{self as people, PersonChange, check_email};
use schema::{App, Error};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Body, Caller, Reply, message};

/// Most quota that can be a threshold.
const MOST: f64 = 1e12;

/// A person's settings as their page reads them, the secret covered.
pub fn told(prefs: &Map<String, Value>) -> Value {
    let mut shown = low_balance::shown(prefs);
    // The address a call came from is always kept with it.
    shown.insert("record_ip_log".into(), true.into());
    shown.into()
}

#[derive(Deserialize)]
pub struct Form {
    #[serde(default)]
    notify_type: String,
    quota_warning_threshold: Option<f64>,
    #[serde(default)]
    webhook_url: String,
    #[serde(default)]
    webhook_secret: String,
    #[serde(default)]
    notification_email: String,
    accept_unset_model_ratio_model: Option<bool>,
    record_ip_log: Option<bool>,
}

/// Keeps how somebody wants to be told.
pub async fn put(State(app): State<App>, caller: Caller, form: Body<Form>) -> Reply {
    let form = form.0;
    let me = people::get(&app, &caller, caller.signed_in()?).await?;
    let before = Wish::of(&me.prefs.0).unwrap_or_default();
    let threshold = form.quota_warning_threshold.unwrap_or(before.quota_warning_threshold);
    if !(threshold > 0.0 && threshold <= MOST) {
        return Err(Error::invalid("quota_warning_threshold", "预警阈值必须大于0").into());
    }
    if form.record_ip_log == Some(false) {
        let why = "record_ip_log 不能关闭：每次调用的来源地址都会随调用记录";
        return Err(Error::invalid("record_ip_log", why).into());
    }
    let accept = form.accept_unset_model_ratio_model;
    let wish = Wish {
        notify_type: form.notify_type,
        quota_warning_threshold: threshold,
        webhook_url: form.webhook_url,
        webhook_secret: form.webhook_secret,
        notification_email: form.notification_email,
    };
    // Who never chose how to be told sends what the page shows them until then, beside what they are about.
    let usual = Wish { notify_type: "email".into(), ..Wish::default() };
    if accept.is_some_and(|accept| accept != me.takes_unpriced())
        && Wish::of(&me.prefs.0).is_none()
        && wish == usual
        && (me.email.is_none() || mail::needed(&setting::current(&app)).is_err())
    {
        keep(&app, &caller, &me, None, accept).await?;
        return Ok(message("设置已更新"));
    }
    match wish.notify_type.as_str() {
        "email" => {
            if mail::needed(&setting::current(&app)).is_err() {
                return Err(
                    Error::conflict("NO_MAIL", "本站没有设置邮件服务器，无法发送邮件，请改用 Webhook 通知").into()
                );
            }
            if !wish.notification_email.is_empty() {
                let bad = |_| Error::invalid("notification_email", "无效的邮箱地址");
                check_email(&wish.notification_email).map_err(bad)?;
            } else if me.email.is_none() {
                return Err(Error::invalid("notification_email", "请填写通知邮箱，或先绑定邮箱").into());
            }
        }
        "webhook" => address(&wish.webhook_url)?,
        _ => return Err(Error::invalid("notify_type", "无效的预警类型").into()),
    }
    keep(&app, &caller, &me, Some(&wish), accept).await?;
    Ok(message("设置已更新"))
}

/// Keeps what was chosen among somebody's preferences.
async fn keep(app: &App, caller: &Caller, me: &User, wish: Option<&Wish>, accept: Option<bool>) -> Result<(), Error> {
    // Other faces keep preferences of their own beside these.
    let mut prefs = me.prefs.0.clone();
    if let Some(Value::Object(wish)) = wish.map(|wish| json!(wish)) {
        prefs.extend(wish);
    }
    if let Some(accept) = accept {
        prefs.insert(TAKES_UNPRICED.into(), accept.into());
    }
    let change = PersonChange { prefs: Some(prefs), ..PersonChange::default() };
    people::change(app, caller, me.id, change).await.map(|_| ())
}

fn address(url: &str) -> Result<(), Error> {
    let bad = || Error::invalid("webhook_url", "无效的Webhook地址");
    let parsed = Url::parse(url).map_err(|_| bad())?;
    let plain = parsed.username().is_empty() && parsed.password().is_none();
    if url.len() <= 2_000 && plain && matches!(parsed.scheme(), "http" | "https") { Ok(()) } else { Err(bad()) }
}
