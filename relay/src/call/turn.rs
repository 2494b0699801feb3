//! Taking turns: one message of a person's at a time for each account, with a pause between two, where the operator
//! wants it so. Answers of tools go by themselves.
//!
//! Within a process turns are taken in the order of asking; between processes whoever asks first after the pause.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use schema::App;
use schema::model::api_key::Service;
use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;

use super::attempt::Miss;
use super::{Answer, Call, Content, Life, Place, session};
use crate::provider::blame::Blame;
use crate::provider::{Dialect, Operation};

/// How often a waiting call asks whether the pause is over.
const ASKS: Duration = Duration::from_millis(20);
/// How long another process believes that a turn is still taken.
const HELD: i64 = 120_000;

/// How turns are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Between two turns, in milliseconds.
    pub pause: i64,
    /// The longest wait.
    pub wait: Duration,
}

/// Whose turn it is at the accounts of one process.
#[derive(Debug, Default)]
pub struct Turns(Mutex<HashMap<i64, Arc<tokio::sync::Mutex<()>>>>);

/// A turn, which ends when this is dropped.
#[must_use = "the turn ends when this is dropped"]
pub struct Turn {
    app: App,
    name: String,
    holder: String,
    pause: i64,
    _place: OwnedMutexGuard<()>,
}

impl Turns {
    /// Waits for a turn at an account; `None` when the wait was in vain.
    pub async fn take(&self, app: &App, account: i64, rule: Rule) -> Option<Turn> {
        let until = Instant::now() + rule.wait;
        let queue = self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(account).or_default().clone();
        let place = tokio::time::timeout_at(until, queue.lock_owned()).await.ok()?;
        let (name, holder) = (format!("turn:{account}"), schema::id::hex(&schema::id::random::<9>()));
        loop {
            match app.kv.lease(&name, &holder, HELD, app.clock.now()).await {
                Ok(false) if Instant::now() < until => tokio::time::sleep(ASKS).await,
                Ok(false) => return None,
                Ok(true) => break,
                Err(error) => {
                    tracing::warn!(cause = error.cause(), account, "turns are taken within this process only");
                    break;
                }
            }
        }
        Some(Turn { app: app.clone(), name, holder, pause: rule.pause, _place: place })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let (app, name, holder, pause) =
            (self.app.clone(), std::mem::take(&mut self.name), std::mem::take(&mut self.holder), self.pause);
        self.app.spawn(async move {
            // The pause is the rest of the lease.
            let left = if pause > 0 {
                app.kv.lease(&name, &holder, pause, app.clock.now()).await.map(|_| ())
            } else {
                app.kv.release(&name, &holder).await
            };
            if let Err(error) = left {
                tracing::warn!(cause = error.cause(), "a turn could not be given back and ends by itself");
            }
        });
    }
}

impl Life {
    /// A turn at the account, where people's messages take turns. `Err(None)` says that the client has gone.
    pub(super) async fn turn(&self, place: &Place, answer: &mut Answer) -> Result<Option<Turn>, Option<Miss>> {
        let account = &place.ready.view.account;
        let rule = self.rules.turns.filter(|_| account.kind.service() == Service::Claude && is_asked(&self.call));
        let Some(rule) = rule else { return Ok(None) };
        let turn = tokio::select! {
            turn = self.engine.turns.take(&self.app, account.id, rule) => turn,
            () = answer.closed() => return Err(None),
        };
        let late = || {
            let blame = Blame::Vendor { until: self.app.clock.now().0 };
            Some(Miss { blame, status: 0, why: "too many messages wait for their turn at this account".into() })
        };
        turn.map(Some).ok_or_else(late)
    }
}

/// Whether a call says something a person has said, and not what a tool has found.
pub fn is_asked(call: &Call) -> bool {
    #[derive(serde::Deserialize)]
    struct Said {
        role: String,
        #[serde(default)]
        content: serde_json::Value,
    }
    if call.dialect != Dialect::Messages || call.operation != Operation::Generate {
        return false;
    }
    let Content::Json(body) = &call.content else { return false };
    let last =
        body.raw("messages").filter(|turns| turns.first() == Some(&b'[')).and_then(|t| session::elements(t).last());
    let Some(Ok(said)) = last.map(serde_json::from_slice::<Said>) else { return false };
    let of_a_tool = |part: &serde_json::Value| part["type"] == "tool_result";
    said.role == "user" && !said.content.as_array().is_some_and(|parts| parts.iter().any(of_a_tool))
}
