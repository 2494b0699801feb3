//! Accounts while calls are open: their slots, what they have cost today, and which one a conversation stays with.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::App;
use crate::bus::UsedCall;
use crate::clock::Time;
use crate::error::Result;
use crate::model::rollup;

/// One of an account's slots, free again when this is dropped.
#[must_use = "the slot is free again when this is dropped"]
pub struct Slot {
    app: App,
    account_id: i64,
    id: Option<String>,
}

/// Takes one of an account's slots; `None` when all `max` are taken (no limit when `max` is 0 or less).
pub async fn take_slot(app: &App, account_id: i64, max: i64) -> Result<Option<Slot>> {
    let id = if app.config.redis_url.is_some() { crate::id::hex(&crate::id::random::<9>()) } else { String::new() };
    let taken = app.counters.take_slot(account_id, max, &id, app.clock.now()).await?;
    Ok(taken.then(|| Slot { app: app.clone(), account_id, id: Some(id) }))
}

/// How many of an account's slots are taken.
pub async fn slots_taken(app: &App, account_id: i64) -> Result<i64> {
    app.counters.slots_taken(account_id, app.clock.now()).await
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(id) = self.id.take() {
            self.app.counters.free_slot_now(self.account_id, id);
        }
    }
}

/// What accounts have cost since their quotas' days began: read from the books once, then moved by what
/// every process settles.
#[derive(Default)]
pub(crate) struct AccountDays(Mutex<HashMap<i64, (Time, i64)>>);

impl AccountDays {
    fn lock(&self) -> MutexGuard<'_, HashMap<i64, (Time, i64)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    pub(super) fn used(&self, call: &UsedCall) {
        if call.account_id != 0
            && let Some((since, cost)) = self.lock().get_mut(&call.account_id)
            && call.at >= since.0
        {
            *cost += call.cost;
        }
    }
    pub(super) fn forget(&self) {
        self.lock().clear();
    }
}

/// What each of these accounts has cost since its moment (the start of its quota's day), in micro-dollars
/// and the same order. Waits for the database only where another moment was asked about before.
pub async fn accounts_spent(app: &App, wanted: &[(i64, Time)]) -> Result<Vec<i64>> {
    let known = |(id, since): &(i64, Time)| {
        app.books.accounts.lock().get(id).filter(|(from, _)| from == since).map(|(_, cost)| *cost)
    };
    let mut costs = Vec::with_capacity(wanted.len());
    for one in wanted {
        if let Some(cost) = known(one) {
            costs.push(cost);
            continue;
        }
        let _gate = app.books.gate.read().await;
        let mut conn = app.db.conn().await?;
        let cost = rollup::account_cost(&mut conn, one.0, one.1).await?;
        app.books.accounts.lock().insert(one.0, (one.1, cost));
        costs.push(cost);
    }
    Ok(costs)
}

/// How long a conversation stays with its account after its last call.
const STICK_MS: i64 = 3_600_000;

fn name(key_id: i64, conversation: &str) -> String {
    format!("stick:{key_id}:{conversation}")
}

/// Notes which account serves a key's conversation. Keys never share one.
pub async fn stick(app: &App, key_id: i64, conversation: &str, account_id: i64) -> Result<()> {
    app.kv.put(&name(key_id, conversation), &account_id.to_string(), STICK_MS, app.clock.now()).await
}

/// The account that serves a key's conversation.
pub async fn stuck(app: &App, key_id: i64, conversation: &str) -> Result<Option<i64>> {
    let kept = app.kv.get(&name(key_id, conversation), app.clock.now()).await?;
    Ok(kept.and_then(|id| id.parse().ok()))
}

/// Forgets which account serves a key's conversation.
pub async fn unstick(app: &App, key_id: i64, conversation: &str) -> Result<()> {
    app.kv.forget(&name(key_id, conversation)).await
}
