//! Admission: every limit of a key, its owner's plan and wallet, checked together before a call begins.
//!
//! The counting itself is [`kv::admission`](crate::kv::admission)'s; this module knows where the numbers
//! come from, which day it is for the administrator, and who has to be told what. A warm admission waits
//! for no database.

mod account;
mod prime;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arc_swap::ArcSwapOption;

use super::setting::{self, Settings};
use super::settle;
use crate::App;
use crate::bus::Event;
use crate::clock::{DAY, HOUR, Time};
use crate::error::{Error, Result};
pub use crate::kv::admission::{Ask, KeyBooks, Limit, PersonLimits, Refusal, WindowLimits};
use crate::kv::admission::{Demand, Held, Span, Verdict};
use crate::model::ledger::EntryKind;
pub(crate) use account::AccountDays;
pub use account::{Slot, accounts_spent, slots_taken, stick, stuck, take_slot, unstick};

/// Why a call may not begin.
#[derive(Clone, Debug)]
pub enum Denied {
    /// A limit says no.
    Refused(Refusal),
    /// The limits cannot be read, or the call could not be recorded.
    Failed(Error),
}

impl From<Error> for Denied {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// What an admitted call holds: a slot of its key, and its estimate out of every budget. Dropping it lets
/// go of both, but the call stays counted.
#[must_use = "a call is open as long as its ticket"]
pub struct Ticket {
    app: App,
    held: Option<Held>,
}

impl Ticket {
    /// The held estimate, in micro-dollars.
    pub fn estimate(&self) -> i64 {
        self.held.as_ref().map_or(0, |held| held.estimate)
    }
    pub(super) fn into_held(mut self) -> Option<Held> {
        self.held.take()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(held) = self.held.take() {
            self.app.counters.release_now(held, false);
        }
    }
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Ticket").field(&self.held).finish()
    }
}

/// Checks every limit at once and, when all of them allow, opens the call.
pub async fn admit(app: &App, ask: &Ask) -> Result<Ticket, Denied> {
    settle::accepts(app)?;
    let sane;
    let ask = if ask.estimate < 0 || ask.estimate_tokens < 0 {
        sane = Ask { estimate: ask.estimate.max(0), estimate_tokens: ask.estimate_tokens.max(0), ..ask.clone() };
        &sane
    } else {
        ask
    };
    let settings = app.settings.load();
    let day = app.books.days.day(&settings, ask.now);
    let week = ask.weekly_cost.map(|_| week(&settings, ask.now, ask.week_begins));
    drop(settings);
    let demand = Demand { ask, day, week };
    // Of many first calls of a key, one reads the books and the others wait for it. More than one round
    // is needed only when somebody forgets in between what was just read.
    let mut turn = None;
    for _ in 0..6 {
        match app.counters.admit(&demand).await? {
            Verdict::Admitted(held) => return Ok(Ticket { app: app.clone(), held: Some(held) }),
            Verdict::Refused(refusal) => return Err(Denied::Refused(refusal)),
            Verdict::Unknown { .. } if turn.is_none() => turn = Some(app.books.turn(ask.key_id).await),
            // Rare and large: boxed, so that not every admission is as large.
            Verdict::Unknown { key, user } => Box::pin(prime::prime(app, &demand, key, user)).await?,
        }
    }
    Err(Denied::Failed(Error::unavailable("the limits of this key cannot be read", "counters stayed unknown")))
}

/// Lets a ticket go without anything to book; returns when the slot is free again.
pub async fn finish(app: &App, ticket: Ticket) -> Result<()> {
    match ticket.into_held() {
        Some(held) => app.counters.release(&held, false).await,
        None => Ok(()),
    }
}

/// Lets a ticket go as if the call had never been asked for, for a call nobody could serve.
pub async fn cancel(app: &App, ticket: Ticket) -> Result<()> {
    match ticket.into_held() {
        Some(held) => app.counters.release(&held, true).await,
        None => Ok(()),
    }
}

/// How many calls of a key are open.
pub async fn open_calls(app: &App, key_id: i64) -> Result<i64> {
    Ok(open_calls_each(app, &[key_id]).await?.into_iter().sum())
}

/// How many calls of each of several keys are open, in their order; asked all at once.
pub async fn open_calls_each(app: &App, key_ids: &[i64]) -> Result<Vec<i64>> {
    app.counters.open_calls(key_ids, app.clock.now()).await
}

/// What a key has been counted at: today, this week, its running window, its whole life. Answers from the
/// counters, which are read from the books when nothing was counted yet.
pub async fn standing(app: &App, ask: &Ask) -> Result<KeyBooks> {
    let settings = app.settings.load_full();
    let day = app.books.days.day(&settings, ask.now);
    let week = Some(week(&settings, ask.now, ask.week_begins));
    let demand = Demand { ask, day, week };
    prime::standing(app, &demand).await
}

/// Follows what happens elsewhere: edits of keys, wallets moved by other hands, calls of other processes.
pub(super) async fn heed(app: &App, event: &Event) {
    let heeded = match event {
        Event::KeyChanged { id, .. } => app.counters.forget_key(*id).await,
        // What calls cost is told to the counters by the writer that booked them.
        Event::WalletChanged(w) if w.entry_kind != EntryKind::Consumption.as_str() => {
            app.counters.wallet(w.user_id, w.balance, w.seq).await
        }
        Event::Used(call) => {
            app.books.accounts.used(call);
            app.books.ring.used(call, app.clock.now());
            Ok(())
        }
        Event::Resync => {
            app.counters.forget_all();
            app.books.accounts.forget();
            Ok(())
        }
        _ => Ok(()),
    };
    if let Err(error) = heeded {
        tracing::warn!(cause = error.cause(), "the counters did not hear of a change");
    }
}

/// Today, remembered until it is over or the settings change.
#[derive(Default)]
pub(crate) struct Days(ArcSwapOption<(Arc<Settings>, Span)>);

impl Days {
    /// The administrator's day that holds a moment.
    pub(crate) fn day(&self, settings: &Arc<Settings>, now: Time) -> Span {
        if let Some(known) = &*self.0.load()
            && Arc::ptr_eq(&known.0, settings)
            && known.1.holds(now)
        {
            return known.1;
        }
        let zone = settings.zone();
        let day = Span { start: zone.day_start(now, 0), end: zone.day_start(now, 1) };
        self.0.store(Some(Arc::new((settings.clone(), day))));
        day
    }
}

/// The key's week that holds a moment.
fn week(settings: &Settings, now: Time, (weekday, hour): (i8, i8)) -> Span {
    let zone = settings.zone();
    let weekday = if weekday == 0 { 1 } else { weekday };
    let start = zone.week_start(now, weekday, hour);
    // A week is an hour longer or shorter where clocks are changed.
    let end = zone.week_start(start.plus(7 * DAY + 2 * HOUR), weekday, hour);
    Span { start, end }
}

/// The administrator's day that holds a moment.
pub fn day_of(app: &App, now: Time) -> Span {
    app.books.days.day(&setting::current(app), now)
}
