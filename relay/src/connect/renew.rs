//! Renewing access tokens: one renewal of an account at a time among all processes, stored before it is used.
//!
//! A refresh token may be used up by using it. Whoever wants a new token takes the account's lease, reads the
//! row once more under it, and finds there what somebody else may have got in the meantime.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use schema::clock::{MINUTE, SECOND, Time};
use schema::model::account::{Account, AccountKind, Health};
use schema::service::account::{self, AccountChange, Credentials as Stored, Mark, OauthTokens, Opened};
use schema::service::setting::{self, names};
use schema::service::{directory, sweep};
use schema::{Actor, App, Error, Result};
use tokio::time::sleep;

use super::{facts, login, send, upstream};
use crate::provider::{Refusal, provider};
use crate::wire::oauth::{Flow, Tokens as Got};

/// How long one process may take to renew before another tries.
const LEASE: i64 = 60 * SECOND;
/// How often, and how many times, the others look whether it has.
const LOOK: Duration = Duration::from_millis(100);
const LOOKS: u32 = 300;
/// How often a new token is stored again when the account was changed under it.
const STORES: u32 = 5;
/// How many accounts are renewed at a time in the background.
const AT_ONCE: usize = 4;
/// How long an account whose token could not be renewed is left alone in the background.
const REST: i64 = 2 * MINUTE;

/// Renews in the background what will soon be needed.
pub const JOB: sweep::Job = sweep::job("tokens.renew", 20, |app| Box::pin(async move { due(&app).await }));

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoToken {
    /// A person has to log in anew.
    ForGood(String),
    /// It may work later.
    Later {
        /// The vendor's status; 0 where it gave none.
        status: u16,
        /// Why.
        why: String,
    },
}

impl NoToken {
    fn later(why: impl Into<String>) -> Self {
        Self::Later { status: 0, why: why.into() }
    }
}

impl From<Error> for NoToken {
    fn from(error: Error) -> Self {
        Self::later(error.to_string())
    }
}

/// The turns of one process's callers, so that only one of them goes for the lease.
#[derive(Default)]
struct Gates(Mutex<HashMap<i64, Arc<tokio::sync::Mutex<()>>>>);

impl Gates {
    fn of(&self, account: i64) -> Arc<tokio::sync::Mutex<()>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(account).or_default().clone()
    }
}

/// The login by which an account's tokens are renewed.
pub fn flow(kind: AccountKind, setup_token: bool) -> Option<Flow> {
    match kind {
        AccountKind::ClaudeOauth if setup_token => Some(Flow::ClaudeSetup),
        AccountKind::ClaudeOauth => Some(Flow::Claude),
        AccountKind::OpenaiOauth => Some(Flow::Codex),
        AccountKind::GeminiOauth => Some(Flow::Gemini),
        _ => None,
    }
}

/// The account with another access token than `seen`: a new one, or the one that somebody else has got.
pub async fn renew(app: &App, account_id: i64, seen: &str) -> std::result::Result<Account, NoToken> {
    let gate = app.extras.get(Gates::default).of(account_id);
    let _turn = gate.lock().await;
    // Whoever waited for its turn mostly finds that it is done.
    if let Some(view) = directory::account(app, account_id)
        && view.opened.as_ref().is_some_and(|opened| other_than(opened, seen))
    {
        return Ok(view.account.clone());
    }
    let (lease, holder) = (format!("token:{account_id}"), schema::id::uuid());
    for _ in 0..LOOKS {
        if app.kv.lease(&lease, &holder, LEASE, app.clock.now()).await? {
            let done = in_turn(app, account_id, seen).await;
            if let Err(error) = app.kv.release(&lease, &holder).await {
                tracing::debug!(account = account_id, cause = error.cause(), "a lease runs out by itself");
            }
            return done;
        }
        sleep(LOOK).await;
        let row = account::get(app, &Actor::system(), account_id).await?;
        if other_than(&account::open(app, &row)?, seen) {
            return Ok(row);
        }
        if row.health == Health::Expired {
            return Err(NoToken::ForGood(row.health_note));
        }
    }
    Err(NoToken::later("another process did not renew the access token in time"))
}

/// Whether an account has a token, and not that one.
fn other_than(opened: &Opened, seen: &str) -> bool {
    opened.credentials.oauth().is_some_and(|tokens| !tokens.access_token.is_empty() && tokens.access_token != seen)
}

async fn in_turn(app: &App, account_id: i64, seen: &str) -> std::result::Result<Account, NoToken> {
    let row = account::get(app, &Actor::system(), account_id).await?;
    let opened = account::open(app, &row)?;
    if other_than(&opened, seen) {
        return Ok(row);
    }
    let Some(old) = opened.credentials.oauth() else {
        return Err(NoToken::ForGood("the account has no login".into()));
    };
    match exchange(app, &row, &opened).await {
        Ok(got) => store(app, row, old, got).await,
        Err(no) => {
            if let NoToken::ForGood(why) = &no {
                expire(app, account_id, why).await;
            }
            Err(no)
        }
    }
}

/// Asks an account's token endpoint, at the address that the settings name.
pub async fn exchange(app: &App, row: &Account, opened: &Opened) -> std::result::Result<Got, NoToken> {
    let vendor = provider(row.kind);
    let now = app.clock.now().0;
    let endpoints = flow(row.kind, row.options.setup_token).map(|flow| login::endpoints(app, flow));
    let request = match vendor.token(&upstream(row, opened), endpoints.as_ref(), now) {
        None => return Err(NoToken::ForGood("the login has ended and cannot be renewed".into())),
        Some(Err(Refusal::Account(why))) => return Err(NoToken::ForGood(why)),
        Some(Err(other)) => return Err(NoToken::later(other.to_string())),
        Some(Ok(request)) => request,
    };
    let heard = send(app, opened.proxy.as_ref(), request).await?;
    let heard = heard.map_err(|why| NoToken::later(format!("the token endpoint: {why}")))?;
    let status = heard.status.as_u16();
    vendor.read_token(heard.status, &heard.body, now).map_err(|dead| {
        // The vendor's words may quote the token that was sent.
        let why = upstream(row, opened).hidden("").scrub_text(&dead.reason).unwrap_or(dead.reason);
        if dead.for_good { NoToken::ForGood(why) } else { NoToken::Later { status, why } }
    })
}

async fn expire(app: &App, account_id: i64, why: &str) {
    if let Some(view) = directory::account(app, account_id) {
        view.live.set_health(Health::Expired, None);
    }
    let mark = Mark { health: Health::Expired, cool_until: None, note: why, status: 401 };
    if let Err(error) = account::mark(app, account_id, mark).await {
        tracing::warn!(account = account_id, cause = error.cause(), "an account's health could not be noted");
    }
}

/// Keeps a new token. A person who logged in anew in the meantime has the last word.
async fn store(app: &App, row: Account, old: &OauthTokens, got: Got) -> std::result::Result<Account, NoToken> {
    let mut info = facts(&got.identity);
    info.insert("refreshed_at".into(), app.clock.now().rfc3339().into());
    let tokens = OauthTokens {
        access_token: got.access_token,
        refresh_token: got.refresh_token.or_else(|| old.refresh_token.clone()),
        id_token: got.id_token.or_else(|| old.id_token.clone()),
        expires_at: got.expires_at.map(Time),
        scopes: if got.scopes.is_empty() { old.scopes.clone() } else { got.scopes },
    };
    let mut row = row;
    for _ in 0..STORES {
        let change = AccountChange {
            credentials: Some(Stored::Oauth(tokens.clone())),
            info: info.clone(),
            expected_version: Some(row.version),
            ..AccountChange::default()
        };
        match account::change(app, &Actor::system(), row.id, change).await {
            Ok(account) => return Ok(account),
            Err(Error::Conflict { .. }) => {
                row = account::get(app, &Actor::system(), row.id).await?;
                if account::open(app, &row)?.credentials.oauth() != Some(old) {
                    return Ok(row);
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(NoToken::later("the account is being changed all the time"))
}

/// Renews what ends soon, before a call has to wait for it; how many that were.
pub async fn due(app: &App) -> Result<usize> {
    let now = app.clock.now();
    let until = now.plus(setting::current(app).int(names::TOKEN_RENEWAL_MINUTES).max(0) * MINUTE);
    let mut found = Vec::new();
    for view in directory::accounts(app).iter() {
        let account = &view.account;
        let tokens = view.opened.as_ref().and_then(|opened| opened.credentials.oauth());
        let Some(tokens) = tokens.filter(|tokens| tokens.refresh_token.is_some()) else { continue };
        let ends = tokens.expires_at.is_some_and(|end| end <= until);
        if account.enabled && ends && view.live.state(now).health != Health::Expired {
            found.push((account.id, tokens.access_token.clone()));
        }
    }
    let renewals = found.into_iter().map(|(id, seen)| async move {
        let rests = format!("token-rests:{id}");
        if app.kv.get(&rests, now).await?.is_some() {
            return Ok(0);
        }
        match renew(app, id, &seen).await {
            Ok(_) => Ok(1),
            Err(NoToken::ForGood(why)) => {
                tracing::warn!(account = id, why, "a login has ended");
                Ok(0)
            }
            Err(NoToken::Later { status, why }) => {
                tracing::warn!(account = id, status, why, "a token could not be renewed");
                app.kv.put(&rests, "1", REST, now).await?;
                Ok(0)
            }
        }
    });
    let done: Vec<Result<usize>> = futures_util::stream::iter(renewals).buffer_unordered(AT_ONCE).collect().await;
    done.into_iter().try_fold(0, |sum, one| Ok(sum + one?))
}
