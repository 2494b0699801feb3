//! Telling people's chat rooms and servers what an operator should know: accounts that stop serving, quotas that
//! are spent, alerts.
//!
//! What is told to whom is one sealed setting; [`message`] puts a notice into each platform's form and signs it,
//! [`deliver`] sends it past the guard, [`watch`] turns events into notices, once for all processes. What people
//! are told of their own money is [`own`].

pub mod deliver;
pub mod message;
pub mod own;
pub mod watch;

use std::collections::BTreeMap;

use schema::service::setting::{self, names};
use schema::service::user::check_email;
use schema::{Act, Actor, App, Error, Time};
use serde::{Deserialize, Serialize};

/// Everything that was set up.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Hooks {
    pub enabled: bool,
    pub platforms: Vec<Platform>,
    /// Which kinds of notices are sent; kinds that are not named are.
    pub notification_types: BTreeMap<String, bool>,
    pub retry_settings: Retries,
    pub created_at: Option<String>,
    pub updated_at: Option<String>,
}

/// Where notices go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Platform {
    pub id: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub name: String,
    pub url: String,
    pub enabled: bool,
    /// Whether messages are signed with the secret.
    pub enable_sign: bool,
    pub secret: String,
    /// Telegram's.
    pub bot_token: String,
    pub chat_id: String,
    pub api_base_url: String,
    /// Bark's.
    pub device_key: String,
    pub server_url: String,
    pub level: String,
    pub sound: String,
    pub group: String,
    /// A mail server's.
    pub host: String,
    pub port: Option<u16>,
    /// Encrypted from the first byte.
    pub secure: bool,
    /// Not encrypted at all.
    #[serde(rename = "ignoreTLS")]
    pub ignore_tls: bool,
    pub user: String,
    pub pass: String,
    pub from: String,
    /// Who is written to, separated by commas.
    pub to: String,
}

/// How often a message is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Retries {
    pub max_retries: u32,
    /// Milliseconds before the first repetition; each further one waits twice as long.
    pub retry_delay: u64,
    /// Milliseconds that one try may take.
    pub timeout: u64,
}

impl Default for Retries {
    fn default() -> Self {
        Self { max_retries: 3, retry_delay: 1_000, timeout: 10_000 }
    }
}

/// The platforms there are.
pub const KINDS: &[&str] =
    &["custom", "wechat_work", "feishu", "dingtalk", "slack", "discord", "telegram", "bark", "smtp"];

/// The kinds of notices there are.
pub const NOTICES: &[&str] =
    &["accountAnomaly", "quotaWarning", "systemError", "securityAlert", "rateLimitRecovery", "test"];

/// Something to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// One of [`NOTICES`].
    pub kind: &'static str,
    pub title: String,
    /// What and where, line by line.
    pub facts: Vec<(&'static str, String)>,
    pub at: Time,
}

/// What was set up.
pub fn read(app: &App) -> Hooks {
    setting::current(app).json(names::WEBHOOKS)
}

/// Keeps what is set up, after checking it.
pub async fn write(app: &App, actor: &Actor, mut hooks: Hooks) -> Result<Hooks, Error> {
    actor.may(Act::Configure)?;
    if hooks.platforms.len() > 50 {
        return Err(Error::invalid("platforms", "at most 50 platforms can be set up"));
    }
    for platform in &hooks.platforms {
        platform.check()?;
    }
    if let Some(unknown) = hooks.notification_types.keys().find(|k| !NOTICES.contains(&k.as_str())) {
        return Err(Error::invalid("notificationTypes", format!("{unknown} is no kind of notice")));
    }
    let retries = &hooks.retry_settings;
    if retries.max_retries > 10 || retries.retry_delay > 60_000 || !(100..=60_000).contains(&retries.timeout) {
        let text = "maxRetries may be up to 10, retryDelay up to 60000 and timeout 100 to 60000";
        return Err(Error::invalid("retrySettings", text));
    }
    let now = app.clock.now().rfc3339();
    hooks.created_at.get_or_insert_with(|| now.clone());
    hooks.updated_at = Some(now);
    let text = serde_json::to_string(&hooks).map_err(Error::internal)?;
    setting::put(app, actor, &BTreeMap::from([(names::WEBHOOKS.to_owned(), Some(text))])).await?;
    Ok(hooks)
}

impl Hooks {
    /// Whether notices of a kind are sent.
    pub fn wants(&self, kind: &str) -> bool {
        self.enabled && self.notification_types.get(kind).copied().unwrap_or(true)
    }
}

/// What stands in the place of a secret that is set.
const MASK: &str = "***";

impl Platform {
    /// Refuses what could never be delivered.
    pub fn check(&self) -> Result<(), Error> {
        if !KINDS.contains(&self.kind.as_str()) {
            return Err(Error::invalid(
                "type",
                format!("不支持的平台类型: {}; use one of {}", self.kind, KINDS.join(", ")),
            ));
        }
        let lengths = [
            [&self.name, &self.url, &self.secret, &self.bot_token, &self.chat_id, &self.device_key],
            [&self.host, &self.user, &self.pass, &self.from, &self.to, &self.group],
        ];
        if lengths.iter().flatten().any(|text| text.len() > 2_000) {
            return Err(Error::invalid("platform", "a field is too long"));
        }
        let needed = match self.kind.as_str() {
            "telegram" if self.bot_token.is_empty() || self.chat_id.is_empty() => "telegram needs botToken and chatId",
            "bark" if self.device_key.is_empty() => "bark needs deviceKey",
            "smtp" if self.host.is_empty() || self.user.is_empty() || self.pass.is_empty() || self.to.is_empty() => {
                "smtp needs host, user, pass and to"
            }
            "smtp" if self.host.contains(['/', ':', '@', ' ']) => "host is the name of a server alone",
            _ if self.enable_sign && self.secret.is_empty() => "signing needs a secret",
            _ => "",
        };
        if !needed.is_empty() {
            return Err(Error::invalid("platform", needed));
        }
        if self.kind == "smtp" {
            return self.check_addresses();
        }
        let address = self.address();
        let parsed = reqwest::Url::parse(&address).map_err(|_| Error::invalid("url", "请提供有效的webhook URL"))?;
        if matches!(parsed.scheme(), "http" | "https") {
            Ok(())
        } else {
            Err(Error::invalid("url", "a webhook's address begins with http:// or https://"))
        }
    }

    /// Refuses what is no mail address.
    fn check_addresses(&self) -> Result<(), Error> {
        if self.recipients().count() > 20 {
            return Err(Error::invalid("to", "at most 20 people can be written to"));
        }
        for address in self.recipients().chain([self.sender()]) {
            check_email(address).map_err(|_| Error::invalid("to", format!("{address} is no mail address")))?;
        }
        Ok(())
    }

    /// Who is written to.
    pub fn recipients(&self) -> impl Iterator<Item = &str> {
        self.to.split(',').map(str::trim).filter(|to| !to.is_empty())
    }

    /// Whom mail is from; `Name <address>` is understood.
    pub fn sender(&self) -> &str {
        let from = if self.from.trim().is_empty() { &self.user } else { &self.from };
        from.split_once('<')
            .and_then(|(_, rest)| rest.split_once('>'))
            .map_or(from.trim(), |(address, _)| address.trim())
    }

    /// Where its messages go.
    pub fn address(&self) -> String {
        let or = |given: &str, default: &str| {
            let base = if given.is_empty() { default } else { given };
            base.trim_end_matches('/').to_owned()
        };
        match self.kind.as_str() {
            "telegram" => {
                format!("{}/bot{}/sendMessage", or(&self.api_base_url, "https://api.telegram.org"), self.bot_token)
            }
            "bark" => format!("{}/push", or(&self.server_url, "https://api.day.app")),
            "smtp" => format!("smtp://{}", self.host),
            _ => self.url.clone(),
        }
    }

    /// As it is shown: secrets are covered, also those that platforms put into their addresses.
    pub fn shown(&self) -> Self {
        let covered = |secret: &str| if secret.is_empty() { String::new() } else { MASK.to_owned() };
        Self {
            url: covered_url(&self.kind, &self.url),
            secret: covered(&self.secret),
            bot_token: covered(&self.bot_token),
            device_key: covered(&self.device_key),
            pass: covered(&self.pass),
            ..self.clone()
        }
    }

    /// Takes the covered fields from what was there before.
    pub fn uncovered(self, before: Option<&Self>) -> Self {
        let Some(before) = before else { return self };
        let keep = |new: String, old: &str| if new == MASK { old.to_owned() } else { new };
        let url = if self.url == covered_url(&before.kind, &before.url) { before.url.clone() } else { self.url };
        Self {
            url,
            secret: keep(self.secret, &before.secret),
            bot_token: keep(self.bot_token, &before.bot_token),
            device_key: keep(self.device_key, &before.device_key),
            pass: keep(self.pass, &before.pass),
            ..self
        }
    }
}

/// Addresses of chat rooms are secrets: whoever has one may write there. A server of one's own is named in full.
fn covered_url(kind: &str, url: &str) -> String {
    if kind == "custom" || url.is_empty() {
        return url.to_owned();
    }
    match reqwest::Url::parse(url) {
        Ok(parsed) => format!("{}/{MASK}", parsed.origin().ascii_serialization()),
        Err(_) => MASK.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_covered_and_come_back() {
        let room = Platform {
            kind: "slack".into(),
            url: "https://hooks.slack.com/services/T0/B0/SECRET".into(),
            secret: "s3cret".into(),
            ..Platform::default()
        };
        let shown = room.shown();
        assert_eq!((shown.url.as_str(), shown.secret.as_str()), ("https://hooks.slack.com/***", "***"));
        assert_eq!(shown.uncovered(Some(&room)), room);
        let moved = Platform { url: "https://hooks.slack.com/services/x".into(), ..room.shown() };
        assert_eq!(moved.uncovered(Some(&room)).url, "https://hooks.slack.com/services/x");
    }

    fn post() -> Platform {
        Platform {
            kind: "smtp".into(),
            host: "mail.example".into(),
            user: "robot@example.com".into(),
            pass: "a password".into(),
            to: "a@example.com, b@example.com".into(),
            ..Platform::default()
        }
    }

    #[test]
    fn what_could_not_be_delivered_is_refused() {
        let good = Platform { kind: "custom".into(), url: "https://a.example/x".into(), ..Platform::default() };
        assert!(good.check().is_ok());
        for bad in [
            Platform { kind: "pigeon".into(), ..good.clone() },
            Platform { kind: "smtp".into(), ..good.clone() },
            Platform { to: "nobody".into(), ..post() },
            Platform { to: "a@b.c, d@e.f,\r\nRCPT".into(), ..post() },
            Platform { from: "nobody".into(), ..post() },
            Platform { host: "http://mail.example".into(), ..post() },
            Platform { url: "ftp://a.example".into(), ..good.clone() },
            Platform { url: String::new(), ..good.clone() },
            Platform { enable_sign: true, ..good.clone() },
            Platform { kind: "telegram".into(), ..good.clone() },
            Platform { kind: "bark".into(), ..good },
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
        let bot =
            Platform { kind: "telegram".into(), bot_token: "1:x".into(), chat_id: "2".into(), ..Platform::default() };
        bot.check().unwrap();
        let mail = Platform { from: "Tollgate <robot@example.com>".into(), ..post() };
        mail.check().unwrap();
        assert_eq!((mail.sender(), mail.recipients().count()), ("robot@example.com", 2));
        assert_eq!(mail.shown().pass, "***");
        assert_eq!(mail.shown().uncovered(Some(&mail)), mail);
        assert_eq!(bot.address(), "https://api.telegram.org/bot1:x/sendMessage");
    }
}
