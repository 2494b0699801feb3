//! Accounts as calls see them: opened, with what moves (health, calls in flight, the day's spending) beside.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU8, AtomicUsize, Ordering};

use crate::App;
use crate::clock::{DAY, Time};
use crate::db::Conn;
use crate::error::Result;
use crate::model::account::{Account, Health, KeyMode};
use crate::model::api_key::matches_name;
use crate::money::Micros;
use crate::service::account::{self, Opened};
use crate::service::setting;

/// An account, opened.
#[derive(Debug)]
pub struct AccountView {
    pub account: Account,
    /// `None` when its secrets do not open.
    pub opened: Option<Opened>,
    /// Account groups it is a member of.
    pub group_ids: Vec<i64>,
    pub live: Arc<Live>,
    /// In their order.
    names: Vec<String>,
    patterns: Vec<String>,
    /// Numbers of the keys in use, where it has several.
    keys: Vec<usize>,
}

/// What moves about an account, the same for every picture of it.
#[derive(Debug, Default)]
pub struct Live {
    in_flight: AtomicI64,
    last_used: AtomicI64,
    health: AtomicU8,
    cool_until: AtomicI64,
    spent: AtomicI64,
    quota_from: AtomicI64,
    turn: AtomicUsize,
}

/// What moves, at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    pub health: Health,
    pub cool_until: Option<Time>,
    pub in_flight: i64,
    pub last_used: Time,
    /// Upstream cost within the day of its quota.
    pub spent_today: Micros,
}

/// A call's place at an account; given back when dropped.
#[derive(Debug)]
pub struct Seat(Arc<Live>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Live {
    /// What moves, now.
    pub fn state(&self, now: Time) -> State {
        let at = |a: &AtomicI64| a.load(Ordering::Relaxed);
        let until = at(&self.cool_until);
        // Past its day the count is of yesterday.
        let today = now.0 < at(&self.quota_from).saturating_add(DAY);
        State {
            health: Health::ALL.get(usize::from(self.health.load(Ordering::Relaxed))).copied().unwrap_or(Health::Ok),
            cool_until: (until != 0).then_some(Time(until)),
            in_flight: at(&self.in_flight),
            last_used: Time(at(&self.last_used)),
            spent_today: Micros(if today { at(&self.spent) } else { 0 }),
        }
    }
    /// Takes a place among at most `most` calls (0 = any number); `None` when all are taken.
    pub fn enter(self: &Arc<Self>, most: i64, now: Time) -> Option<Seat> {
        let taken = self
            .in_flight
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| (most <= 0 || n < most).then_some(n + 1));
        taken.ok()?;
        self.last_used.fetch_max(now.0, Ordering::Relaxed);
        Some(Seat(self.clone()))
    }
    /// Notes how it does.
    pub fn set_health(&self, health: Health, cool_until: Option<Time>) {
        // The order of `Health::ALL`; a text_enum counts its members from 0.
        self.health.store(health as u8, Ordering::Relaxed);
        self.cool_until.store(cool_until.map_or(0, |t| t.0), Ordering::Relaxed);
    }
    /// Adds to the day's spending what was spent within the day.
    pub fn spend(&self, cost: i64, at: Time) {
        if at.0 >= self.quota_from.load(Ordering::Relaxed) {
            self.spent.fetch_add(cost.max(0), Ordering::Relaxed);
        }
    }
    fn count(&self, from: Time, spent: Micros) {
        let same_day = self.quota_from.swap(from.0, Ordering::Relaxed) == from.0;
        if same_day {
            // The books lag behind the calls; a count never falls within a day.
            self.spent.fetch_max(spent.0, Ordering::Relaxed);
        } else {
            self.spent.store(spent.0, Ordering::Relaxed);
        }
    }
}

/// Makes the view of a row.
pub(super) async fn view(
    app: &App,
    conn: &mut Conn,
    row: Account,
    group_ids: Vec<i64>,
    live: Option<Arc<Live>>,
) -> Result<AccountView> {
    let opened = match account::open(app, &row) {
        Ok(opened) => Some(opened),
        Err(e) => {
            tracing::error!(account = row.id, cause = e.cause().unwrap_or_default(), "an account does not open");
            None
        }
    };
    let live = live.unwrap_or_else(|| {
        let live = Live::default();
        live.last_used.store(row.last_used_at.map_or(0, |t| t.0), Ordering::Relaxed);
        Arc::new(live)
    });
    live.set_health(row.health, row.cool_until);
    let view = AccountView::of(row, opened, group_ids, live);
    if view.account.daily_quota.is_some() {
        count_quota(app, conn, &view).await?;
    }
    Ok(view)
}

/// Reads what an account has spent in the day of its quota.
pub(super) async fn count_quota(app: &App, conn: &mut Conn, view: &AccountView) -> Result<()> {
    let from = account::quota_start(&view.account.options, setting::current(app).zone(), app.clock.now());
    let spent = Account::spent_since(conn, view.account.id, from).await?;
    view.live.count(from, spent);
    Ok(())
}

impl AccountView {
    /// Puts a view together.
    pub fn of(account: Account, opened: Option<Opened>, group_ids: Vec<i64>, live: Arc<Live>) -> Self {
        let (patterns, mut names): (Vec<_>, Vec<_>) = account.models.0.iter().cloned().partition(|m| m.ends_with('*'));
        names.sort_unstable();
        let all = opened.as_ref().map_or(0, |o| o.credentials.keys().len());
        let off = |i: &usize| u32::try_from(*i).is_ok_and(|i| account.options.disabled_keys.contains(&i));
        let keys = (0..all).filter(|i| !off(i)).collect();
        Self { names, patterns, keys, account, opened, group_ids, live }
    }
    /// True when it names its models and this is one of them; `None` when it names none.
    pub fn lists(&self, model: &str) -> Option<bool> {
        if self.account.models.is_empty() {
            return None;
        }
        let named = self.names.binary_search_by(|name| name.as_str().cmp(model)).is_ok();
        Some(named || self.patterns.iter().any(|p| matches_name(p, model)))
    }
    /// The key a call takes, and its number, where the account is opened by keys.
    pub fn key(&self, random: u64) -> Option<(usize, &str)> {
        let all = self.opened.as_ref()?.credentials.keys();
        let count = self.keys.len();
        if count == 0 {
            return None;
        }
        let place = match self.account.options.key_mode {
            Some(KeyMode::Polling) => self.live.turn.fetch_add(1, Ordering::Relaxed) % count,
            _ => usize::try_from(random % count as u64).unwrap_or(0),
        };
        let number = *self.keys.get(place)?;
        Some((number, all.get(number)?.as_str()))
    }
}

/// Every account that was not deleted.
#[derive(Debug, Default)]
pub struct Accounts {
    list: Vec<Arc<AccountView>>,
    places: HashMap<i64, usize>,
}

impl Accounts {
    /// From views.
    pub fn of(list: Vec<Arc<AccountView>>) -> Self {
        let places = list.iter().enumerate().map(|(i, v)| (v.account.id, i)).collect();
        Self { list, places }
    }
    /// One account.
    pub fn get(&self, id: i64) -> Option<&Arc<AccountView>> {
        self.places.get(&id).and_then(|i| self.list.get(*i))
    }
    /// All of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Arc<AccountView>> {
        self.list.iter()
    }
    /// The same with one account anew, or without it.
    pub(super) fn with(&self, id: i64, view: Option<AccountView>) -> Self {
        let mut list: Vec<_> = self.list.iter().filter(|v| v.account.id != id).cloned().collect();
        if let Some(view) = view {
            let place = list.partition_point(|v| v.account.id < id);
            list.insert(place, Arc::new(view));
        }
        Self::of(list)
    }
}

impl<'a> IntoIterator for &'a Accounts {
    type Item = &'a Arc<AccountView>;
    type IntoIter = std::slice::Iter<'a, Arc<AccountView>>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
