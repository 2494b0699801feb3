//! Carrying warnings of a low balance to people, by mail or to an address of theirs. When and whereto is
//! [`low_balance`]'s to say.

use ring::hmac;
use schema::service::low_balance::{self, Warning, Way, Wishes};
use schema::service::mail;
use schema::service::setting::{self, names};
use schema::{App, Error};
use serde_json::json;

use super::deliver;
use super::message::Message;

/// Begins to listen; ends when the process stops.
pub fn start(app: &App) {
    let mut listener = app.bus.listen();
    let watched = app.clone();
    app.spawn(async move {
        let mut wishes = Wishes::default();
        loop {
            let event = tokio::select! {
                () = watched.stop.cancelled() => return,
                event = listener.next() => event,
            };
            let Some(event) = event else { return };
            match low_balance::heard(&watched, &mut wishes, &event).await {
                Ok(Some(warning)) => {
                    let app = watched.clone();
                    watched.spawn(async move { carry(&app, &warning).await });
                }
                Ok(None) => {}
                Err(cause) => tracing::warn!(%cause, "a low balance could not be looked into"),
            }
        }
    });
}

async fn carry(app: &App, warning: &Warning) {
    let Err(cause) = tell(app, warning).await else { return };
    tracing::warn!(user = warning.user_id, %cause, "a warning of a low balance was not delivered");
    if let Err(cause) = low_balance::undelivered(app, warning).await {
        tracing::warn!(%cause, "a warning of a low balance is not repeated soon");
    }
}

async fn tell(app: &App, warning: &Warning) -> Result<(), Error> {
    let title = "您的额度即将用尽";
    let left = format!("${}", warning.balance.decimal());
    let link = format!("{}/topup", app.config.public_url());
    let text = format!("{title}，当前剩余额度为 {left}，为了不影响您的使用，请及时充值。\n充值链接：{link}");
    let (url, secret) = match &warning.way {
        Way::Mail { to } => {
            let site = setting::current(app).text(names::SITE_NAME).to_owned();
            return mail::send(app, to, &format!("{site}: {title}"), &text).await;
        }
        Way::Webhook { url, secret } => (url, secret),
    };
    let body = json!({
        "type": "quota_exceed",
        "title": title,
        "content": text,
        "values": [title, left, link],
        "timestamp": app.clock.now().seconds(),
    });
    let body = body.to_string();
    let mut headers = Vec::new();
    if let Some(secret) = secret {
        let sign = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.reveal()), body.as_bytes());
        headers.push(("x-webhook-signature", schema::id::hex(sign.as_ref())));
    }
    let message = Message { url: url.clone(), body, headers };
    let sending = tokio::time::timeout(std::time::Duration::from_secs(10), deliver::send(app, &message)).await;
    match sending {
        Ok(Ok(())) => Ok(()),
        Ok(Err(failure)) => Err(Error::unavailable("the address did not take it", failure.why)),
        Err(_) => Err(Error::unavailable("the address did not take it", "it did not answer in time")),
    }
}
