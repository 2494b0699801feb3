//! Accounts while calls are open: their slots, what they have cost today, and which one a conversation stays with.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::App;
use crate::bus::UsedCall;
use crate::clock::Time;
use crate::error::Result;
use crate::kv::admission::Span;
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

/// What accounts have cost today: read from the rollups once, then moved by what every process settles.
#[derive(Default)]
pub(crate) struct AccountDays(Mutex<HashMap<i64, (Span, i64)>>);

impl AccountDays {
    fn lock(&self) -> MutexGuard<'_, HashMap<i64, (Span, i64)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    pub(super) fn used(&self, call: &UsedCall) {
        if call.account_id != 0
            && let Some((day, cost)) = self.lock().get_mut(&call.account_id)
            && day.holds(Time(call.at))
        {
            *cost += call.cost;
        }
    }
    pub(super) fn forget(&self) {
        self.lock().clear();
    }
}

/// What each of these accounts has cost today, in micro-dollars and the same order. Waits for the
/// database only for accounts that were not asked about today.
pub async fn accounts_today(app: &App, ids: &[i64]) -> Result<Vec<i64>> {
    let day = super::day_of(app, app.clock.now());
    let known = |id: &i64| app.books.accounts.lock().get(id).filter(|(of, _)| *of == day).map(|(_, cost)| *cost);
    let mut costs = Vec::with_capacity(ids.len());
    for id in ids {
        if let Some(cost) = known(id) {
            costs.push(cost);
            continue;
        }
        let _gate = app.books.gate.read().await;
        let mut conn = app.db.conn().await?;
        let cost = rollup::account_cost(&mut conn, *id, day.start).await?;
        let mut accounts = app.books.accounts.lock();
        let (_, kept) = accounts
            .entry(*id)
            .and_modify(|kept| {
                if kept.0 != day {
                    *kept = (day, cost);
                }
            })
            .or_insert((day, cost));
        costs.push(*kept);
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
