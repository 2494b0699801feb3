//! Access tokens for calls: renewed before they die and when a vendor refuses one, or bought with a service
//! account's key. How a login is renewed is [`connect::renew`](crate::connect::renew)'s.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use schema::App;
use schema::clock::MINUTE;
use schema::service::account::{Credentials, OauthTokens, Opened};
use schema::service::directory;

use super::engine::Engine;
use super::ready::Ready;
use crate::connect::renew;
pub use crate::connect::renew::NoToken;

/// How long before its end a token is renewed by the call that needs it.
const EARLY: i64 = MINUTE;
/// How long a bought token lives where its vendor does not say.
const LIFE: i64 = 50 * MINUTE;

/// The tokens of one process.
#[derive(Default)]
pub struct Tokens {
    /// Bought with a service account's key; they live here only.
    bought: Mutex<HashMap<i64, (String, i64)>>,
    /// One purchase of an account at a time.
    gates: Mutex<HashMap<i64, Arc<tokio::sync::Mutex<()>>>>,
}

/// An account with a token that works, as far as is known.
pub struct Armed {
    /// The account, perhaps read anew.
    pub ready: Arc<Ready>,
    /// The token that was bought for it.
    pub bought: Option<String>,
}

impl Tokens {
    /// Forgets what was bought for an account.
    pub fn forget(&self, account: i64) {
        self.bought.lock().unwrap_or_else(PoisonError::into_inner).remove(&account);
    }

    fn bought(&self, account: i64, until: i64) -> Option<String> {
        let bought = self.bought.lock().unwrap_or_else(PoisonError::into_inner);
        bought.get(&account).filter(|(_, end)| *end > until).map(|(token, _)| token.clone())
    }

    fn keep(&self, account: i64, token: &str, end: i64) {
        self.bought.lock().unwrap_or_else(PoisonError::into_inner).insert(account, (token.to_owned(), end));
    }

    fn gate(&self, account: i64) -> Arc<tokio::sync::Mutex<()>> {
        self.gates.lock().unwrap_or_else(PoisonError::into_inner).entry(account).or_default().clone()
    }
}

/// An account with a token for a call, renewed if it is about to die.
pub async fn arm(app: &App, engine: &Engine, ready: Arc<Ready>) -> Result<Armed, NoToken> {
    let Some(opened) = &ready.view.opened else { return Ok(Armed { ready, bought: None }) };
    let now = app.clock.now().0;
    match &opened.credentials {
        Credentials::ServiceAccount { .. } => match engine.tokens.bought(ready.id(), now + EARLY) {
            Some(token) => Ok(Armed { ready, bought: Some(token) }),
            None => Box::pin(renew(app, engine, ready)).await,
        },
        Credentials::Oauth(tokens) if tokens.refresh_token.is_some() && dies(tokens, now + EARLY) => {
            Box::pin(renew(app, engine, ready)).await
        }
        _ => Ok(Armed { ready, bought: None }),
    }
}

fn dies(tokens: &OauthTokens, before: i64) -> bool {
    tokens.access_token.is_empty() || tokens.expires_at.is_some_and(|end| end.0 <= before)
}

/// A new token for an account whose own is refused or about to die.
pub async fn renew(app: &App, engine: &Engine, ready: Arc<Ready>) -> Result<Armed, NoToken> {
    let Some(opened) = &ready.view.opened else { return Ok(Armed { ready, bought: None }) };
    let Some(tokens) = opened.credentials.oauth() else { return buy(app, engine, &ready, opened).await };
    renew::renew(app, ready.id(), &tokens.access_token).await?;
    let gone = || NoToken::Later { status: 0, why: "the account is gone".to_owned() };
    let mut view = directory::account(app, ready.id()).ok_or_else(gone)?;
    if view.opened.as_ref().and_then(|opened| opened.credentials.oauth()) == Some(tokens) {
        // Another process stored it, and its event is still on the way.
        directory::reload_account(app, ready.id()).await?;
        view = directory::account(app, ready.id()).ok_or_else(gone)?;
    }
    let ready = engine.ready(&view).ok_or_else(gone)?;
    Ok(Armed { ready, bought: None })
}

/// Buys a token with a service account's key. Each process buys its own: nothing is used up by it.
async fn buy(app: &App, engine: &Engine, ready: &Arc<Ready>, opened: &Opened) -> Result<Armed, NoToken> {
    let gate = engine.tokens.gate(ready.id());
    let _turn = gate.lock().await;
    let now = app.clock.now().0;
    let armed = |token| Armed { ready: ready.clone(), bought: Some(token) };
    if let Some(token) = engine.tokens.bought(ready.id(), now + EARLY) {
        return Ok(armed(token));
    }
    let got = renew::exchange(app, &ready.view.account, opened).await?;
    engine.tokens.keep(ready.id(), &got.access_token, got.expires_at.unwrap_or(now + LIFE));
    Ok(armed(got.access_token))
}
