//! Sending messages: past the guard, within a time limit, again when it failed.

use std::time::Duration;

use relay::upstream::guard::Guard;
use reqwest::Url;
use schema::mail::{self, Letter, Security, Server};
use schema::secret::Secret;
use schema::service::setting::{self, names};
use schema::{App, Time};
use serde_json::Value;

use super::message::{Message, message};
use super::{Hooks, Notice, Platform, Retries};

/// How a notice fared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub delivered: usize,
    /// Platforms by name, each with why it was not reached.
    pub failed: Vec<(String, String)>,
}

/// Tells every platform that is switched on; repeats what fails.
pub async fn everywhere(app: &App, hooks: &Hooks, notice: &Notice) -> Outcome {
    let on = hooks.platforms.iter().filter(|p| p.enabled);
    let sending = on.map(|platform| async move {
        let done = patiently(app, platform, notice, hooks.retry_settings).await;
        (platform, done)
    });
    let mut outcome = Outcome::default();
    for (platform, done) in futures_util::future::join_all(sending).await {
        match done {
            Ok(()) => outcome.delivered += 1,
            Err(why) => {
                tracing::warn!(platform = platform.name, kind = platform.kind, why, "a webhook was not delivered");
                outcome.failed.push((platform.name.clone(), why));
            }
        }
    }
    outcome
}

async fn patiently(app: &App, platform: &Platform, notice: &Notice, retries: Retries) -> Result<(), String> {
    let mut wait = retries.retry_delay;
    let mut tried = 0;
    loop {
        let failure = match once(app, platform, notice, Duration::from_millis(retries.timeout)).await {
            Ok(()) => return Ok(()),
            Err(why) => why,
        };
        if tried >= retries.max_retries || !failure.may_pass {
            return Err(failure.why);
        }
        tried += 1;
        tokio::select! {
            () = app.stop.cancelled() => return Err(failure.why),
            () = tokio::time::sleep(Duration::from_millis(wait)) => {}
        }
        wait = wait.saturating_mul(2);
    }
}

/// Why a message did not arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub why: String,
    /// Whether trying again may help.
    pub may_pass: bool,
}

fn failure(why: impl Into<String>, may_pass: bool) -> Failure {
    Failure { why: why.into(), may_pass }
}

/// One try.
pub async fn once(app: &App, platform: &Platform, notice: &Notice, limit: Duration) -> Result<(), Failure> {
    if platform.kind == "smtp" {
        return post(app, platform, notice, limit).await;
    }
    let now: Time = app.clock.now();
    let message = message(platform, notice, now);
    tokio::time::timeout(limit, send(app, &message))
        .await
        .unwrap_or_else(|_| Err(failure("it did not answer in time", true)))
}

/// One try by mail.
async fn post(app: &App, platform: &Platform, notice: &Notice, limit: Duration) -> Result<(), Failure> {
    let settings = setting::current(app);
    let guard = Guard::new(settings.text(names::WEBHOOK_ALLOWED_HOSTS));
    let security = match (platform.secure, platform.ignore_tls) {
        (true, _) => Security::Tls,
        (false, true) => Security::None,
        (false, false) => Security::StartTls,
    };
    let port = platform.port.unwrap_or(if platform.secure { 465 } else { 587 });
    let addresses = guard.addresses(&platform.host, port).await;
    let server = Server {
        host: platform.host.clone(),
        port,
        addresses: addresses.map_err(|why| failure(why, why.contains("not known")))?,
        security,
        user: platform.user.clone(),
        password: Secret::new(platform.pass.clone()),
        trusted: settings.text(names::SMTP_CERTIFICATES).to_owned(),
        patience: limit,
    };
    let letter = Letter {
        from: platform.sender().to_owned(),
        name: settings.text(names::SITE_NAME).to_owned(),
        to: platform.recipients().map(str::to_owned).collect(),
        subject: notice.title.clone(),
        text: notice.text(),
        at: app.clock.now(),
    };
    mail::send(&server, &letter).await.map_err(|error| failure(error.to_string(), error.may_pass()))
}

/// Longest answer that is looked at.
const LONGEST: usize = 64 * 1024;

/// Sends a message to its address, if that may be reached.
pub(super) async fn send(app: &App, message: &Message) -> Result<(), Failure> {
    let url = Url::parse(&message.url).map_err(|_| failure("its address cannot be read", false))?;
    let guard = Guard::new(setting::current(app).text(names::WEBHOOK_ALLOWED_HOSTS));
    let client = guard.client(&url).await.map_err(|why| failure(why, why.contains("not known")))?;
    let mut request = client.post(url).header("content-type", "application/json").body(message.body.clone());
    for (name, value) in &message.headers {
        request = request.header(*name, value);
    }
    let mut answer = request.send().await.map_err(|_| failure("its host cannot be reached", true))?;
    let status = answer.status();
    if !status.is_success() {
        return Err(failure(format!("it answered {}", status.as_u16()), status.is_server_error() || status == 429));
    }
    let mut body = Vec::new();
    while let Ok(Some(piece)) = answer.chunk().await {
        body.extend_from_slice(&piece);
        if body.len() > LONGEST {
            break;
        }
    }
    refused(&body).map_or(Ok(()), |why| Err(failure(why, false)))
}

/// Chat platforms say no with a 200 and a code of their own.
fn refused(body: &[u8]) -> Option<String> {
    let said: Value = serde_json::from_slice(body).ok()?;
    let code = ["errcode", "code", "StatusCode"].iter().find_map(|name| said.get(*name)?.as_i64());
    let no = code.is_some_and(|code| code != 0 && code != 200) || said.get("ok") == Some(&Value::Bool(false));
    let words = ["errmsg", "msg", "message", "description"].iter().find_map(|name| said.get(*name)?.as_str());
    no.then(|| format!("it refused: {}", words.unwrap_or("without a reason").chars().take(200).collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::refused;

    #[test]
    fn a_polite_refusal_is_one() {
        for yes in ["", "ok", r#"{"errcode":0}"#, r#"{"code":0,"msg":"success"}"#, r#"{"ok":true}"#, r#"{"code":200}"#]
        {
            assert_eq!(refused(yes.as_bytes()), None, "{yes}");
        }
        let no = refused(br#"{"errcode":310000,"errmsg":"sign not match"}"#);
        assert_eq!(no.as_deref(), Some("it refused: sign not match"));
        assert!(refused(br#"{"ok":false,"description":"chat not found"}"#).is_some());
    }
}
