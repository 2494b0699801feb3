//! Mail as the settings have it: whether it can be sent, and sending it.

use std::time::Duration;

use crate::App;
use crate::error::{Error, Result};
use crate::mail::{self, Letter, MailError, Security, Server};
use crate::secret::Secret;
use crate::service::setting::{self, Settings, names};

/// Longest a server may take for one letter.
const PATIENCE: Duration = Duration::from_secs(20);

/// Refuses what needs mail where no server is set up.
pub fn needed(settings: &Settings) -> Result<()> {
    if settings.text(names::SMTP_HOST).is_empty() || sender(settings).is_empty() {
        return Err(Error::conflict("NO_MAIL", "no mail server is set up here"));
    }
    Ok(())
}

/// The address letters are sent from.
fn sender(settings: &Settings) -> &str {
    match settings.text(names::SMTP_FROM) {
        "" => settings.text(names::SMTP_USER),
        from => from,
    }
}

/// How a word of the settings keeps the way to the server.
pub fn security(word: &str) -> Security {
    match word {
        "tls" => Security::Tls,
        "none" => Security::None,
        _ => Security::StartTls,
    }
}

fn server(settings: &Settings) -> Server {
    Server {
        host: settings.text(names::SMTP_HOST).to_owned(),
        port: u16::try_from(settings.int(names::SMTP_PORT)).unwrap_or_default(),
        addresses: Vec::new(),
        security: security(settings.text(names::SMTP_SECURITY)),
        user: settings.text(names::SMTP_USER).to_owned(),
        password: Secret::new(settings.text(names::SMTP_PASSWORD).to_owned()),
        trusted: settings.text(names::SMTP_CERTIFICATES).to_owned(),
        patience: PATIENCE,
    }
}

/// Sends a letter by the server of the settings.
pub async fn send(app: &App, to: &str, subject: &str, text: &str) -> Result<()> {
    let settings = setting::current(app);
    needed(&settings)?;
    let letter = Letter {
        from: sender(&settings).to_owned(),
        name: settings.text(names::SITE_NAME).to_owned(),
        to: vec![to.to_owned()],
        subject: subject.to_owned(),
        text: text.to_owned(),
        at: app.clock.now(),
    };
    mail::send(&server(&settings), &letter).await.map_err(|e| failed(&e))
}

/// Why, in words for whoever waits for the letter; what the server said is for the log.
fn failed(error: &MailError) -> Error {
    match error {
        MailError::Refused { step: "RCPT", .. } => {
            Error::invalid("email", "the mail server does not know this address")
        }
        _ => Error::unavailable("the letter could not be sent; try again later", error),
    }
}
