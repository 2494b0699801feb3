//! Access tokens: renewed before they die and when a vendor refuses one, by one process at a time, stored
//! before they are used.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use schema::clock::{MINUTE, SECOND};
use schema::model::account::{AccountKind, Health};
use schema::service::account::{self, AccountChange, Credentials, Mark, OauthTokens};
use schema::service::directory;
use schema::{Actor, App, Error, Time};
use tokio::time::sleep;

use super::engine::Engine;
use super::ready::Ready;
use crate::connect::login;
use crate::provider::{Refusal, provider};
use crate::wire::oauth::{Flow, Tokens as Got};

/// How long before its end a token is renewed.
const EARLY: i64 = MINUTE;
/// How long one process may take to renew.
const LEASE: i64 = 30 * SECOND;
/// How often, and how many times, the others look whether it has.
const LOOK: Duration = Duration::from_millis(100);
const LOOKS: u32 = 200;
/// The longest answer of a token endpoint.
const ANSWER: usize = 1 << 20;
/// Longest wait for it.
const TIME: Duration = Duration::from_secs(20);

/// Why there is no token.
#[derive(Debug)]
pub enum NoToken {
    /// A person has to log in anew.
    ForGood(String),
    /// It may work later.
    Later(String),
}

impl From<Error> for NoToken {
    fn from(error: Error) -> Self {
        Self::Later(error.to_string())
    }
}

/// The tokens of one process.
#[derive(Default)]
pub struct Tokens {
    /// Bought with a service account's key; they live here only.
    bought: Mutex<HashMap<i64, (String, i64)>>,
    /// One renewal of an account at a time.
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
            None => renew(app, engine, ready).await,
        },
        Credentials::Oauth(tokens) if tokens.refresh_token.is_some() && dies(tokens, now + EARLY) => {
            renew(app, engine, ready).await
        }
        _ => Ok(Armed { ready, bought: None }),
    }
}

fn dies(tokens: &OauthTokens, before: i64) -> bool {
    tokens.access_token.is_empty() || tokens.expires_at.is_some_and(|end| end.0 <= before)
}

/// A new token for an account whose own is refused or about to die.
pub async fn renew(app: &App, engine: &Engine, ready: Arc<Ready>) -> Result<Armed, NoToken> {
    let account = ready.id();
    let gate = engine.tokens.gate(account);
    let _turn = gate.lock().await;
    let lease = format!("token:{account}");
    let mut looks = 0;
    loop {
        let now = app.clock.now();
        // Somebody may have renewed it while this call waited for its turn.
        if let Some(armed) = changed(app, engine, &ready, now) {
            return Ok(armed);
        }
        if app.kv.lease(&lease, &app.instance, LEASE, now).await? {
            break;
        }
        looks += 1;
        if looks > LOOKS {
            return Err(NoToken::Later("another process did not renew the access token in time".into()));
        }
        sleep(LOOK).await;
        catch_up(app, &ready).await?;
    }
    let stored = under_lease(app, engine, &ready).await;
    release(app, &lease, account).await;
    stored
}

async fn under_lease(app: &App, engine: &Engine, ready: &Arc<Ready>) -> Result<Armed, NoToken> {
    // Another process may have had the lease a moment ago; then the refresh token known here is spent.
    if catch_up(app, ready).await?
        && let Some(armed) = changed(app, engine, ready, app.clock.now())
    {
        return Ok(armed);
    }
    match ask(app, engine, ready).await {
        Ok(got) => store(app, engine, ready, got).await,
        Err(no) => {
            if let NoToken::ForGood(why) = &no {
                ready.view.live.set_health(Health::Expired, None);
                let mark = Mark { health: Health::Expired, cool_until: None, note: why, status: 401 };
                if let Err(error) = account::mark(app, ready.id(), mark).await {
                    let (account, cause) = (ready.id(), error.cause());
                    tracing::warn!(account, cause, "an account's health could not be noted");
                }
            }
            Err(no)
        }
    }
}

/// Takes tokens that another process has stored into this one's picture, whose event may be under way still;
/// true when there were any.
async fn catch_up(app: &App, ready: &Ready) -> Result<bool, NoToken> {
    if ready.view.opened.as_ref().is_none_or(|opened| opened.credentials.oauth().is_none()) {
        return Ok(false);
    }
    let row = account::get(app, &Actor::system(), ready.id()).await?;
    let behind = directory::account(app, ready.id()).is_some_and(|known| known.account.credentials != row.credentials);
    if behind {
        directory::load(app).await?;
    }
    Ok(behind)
}

async fn release(app: &App, lease: &str, account: i64) {
    if let Err(error) = app.kv.release(lease, &app.instance).await {
        tracing::debug!(account, cause = error.cause(), "a lease runs out by itself");
    }
}

/// The account as it is now, where its token is another one than `ready` has.
fn changed(app: &App, engine: &Engine, ready: &Arc<Ready>, now: Time) -> Option<Armed> {
    if let Some(token) = engine.tokens.bought(ready.id(), now.0 + EARLY) {
        return Some(Armed { ready: ready.clone(), bought: Some(token) });
    }
    let view = directory::account(app, ready.id())?;
    let token = |opened: Option<&account::Opened>| {
        opened.and_then(|opened| opened.credentials.oauth()).map(|tokens| tokens.access_token.clone())
    };
    let fresh = token(view.opened.as_ref())?;
    if fresh.is_empty() || Some(&fresh) == token(ready.view.opened.as_ref()).as_ref() {
        return None;
    }
    Some(Armed { ready: engine.ready(&view)?, bought: None })
}

async fn ask(app: &App, engine: &Engine, ready: &Ready) -> Result<Got, NoToken> {
    let vendor = provider(ready.kind());
    let now = app.clock.now().0;
    let endpoints = flow(ready).map(|flow| login::endpoints(app, flow));
    let request = match vendor.token(&ready.upstream(0, None), endpoints.as_ref(), now) {
        None => return Err(NoToken::ForGood("the login has ended and cannot be renewed; log in again".into())),
        Some(Err(refusal)) => {
            return Err(match refusal {
                Refusal::Account(why) => NoToken::ForGood(why),
                other => NoToken::Later(other.to_string()),
            });
        }
        Some(Ok(request)) => request,
    };
    let asking = async {
        let mut answer = engine.upstreams.send(ready.proxy.as_deref(), request).await?;
        let body = answer.whole(ANSWER).await?;
        Ok((answer.status, body))
    };
    let (status, body) = match tokio::time::timeout(TIME, asking).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(broken)) => {
            let broken: crate::upstream::Broken = broken;
            return Err(NoToken::Later(format!("the token endpoint: {broken}")));
        }
        Err(_) => return Err(NoToken::Later("the token endpoint did not answer in time".into())),
    };
    vendor
        .read_token(status, &body, now)
        .map_err(|dead| if dead.for_good { NoToken::ForGood(dead.reason) } else { NoToken::Later(dead.reason) })
}

/// The login by which an account's tokens are renewed.
fn flow(ready: &Ready) -> Option<Flow> {
    match ready.kind() {
        AccountKind::ClaudeOauth if ready.options().setup_token => Some(Flow::ClaudeSetup),
        AccountKind::ClaudeOauth => Some(Flow::Claude),
        AccountKind::OpenaiOauth => Some(Flow::Codex),
        AccountKind::GeminiOauth => Some(Flow::Gemini),
        _ => None,
    }
}

/// Keeps a new token; a rotated refresh token is in the database before the access token is used.
async fn store(app: &App, engine: &Engine, ready: &Arc<Ready>, got: Got) -> Result<Armed, NoToken> {
    let now = app.clock.now().0;
    let Some(old) = ready.view.opened.as_ref().and_then(|opened| opened.credentials.oauth()) else {
        let end = got.expires_at.unwrap_or(now + 50 * MINUTE);
        let mut bought = engine.tokens.bought.lock().unwrap_or_else(PoisonError::into_inner);
        bought.insert(ready.id(), (got.access_token.clone(), end));
        return Ok(Armed { ready: ready.clone(), bought: Some(got.access_token) });
    };
    let tokens = OauthTokens {
        access_token: got.access_token,
        refresh_token: got.refresh_token.or_else(|| old.refresh_token.clone()),
        id_token: got.id_token.or_else(|| old.id_token.clone()),
        expires_at: got.expires_at.map(Time),
        scopes: if got.scopes.is_empty() { old.scopes.clone() } else { got.scopes },
    };
    let change = AccountChange { credentials: Some(Credentials::Oauth(tokens)), ..AccountChange::default() };
    account::change(app, &Actor::system(), ready.id(), change).await?;
    let view = directory::account(app, ready.id()).ok_or_else(|| NoToken::Later("the account is gone".into()))?;
    let ready = engine.ready(&view).ok_or_else(|| NoToken::Later("the account does not open".into()))?;
    Ok(Armed { ready, bought: None })
}
