//! The in-process arm: two sharded maps, locked key first and owner second, never for longer than the arithmetic.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{
    Carried, CarriedKey, Demand, Held, KeyBooks, Limit, PersonLimits, Refusal, Span, Spend, UserBooks, Verdict,
};
use crate::clock::{MINUTE, Time};

const SHARDS: usize = 64;
/// A shard is swept of idle entries whenever it has doubled since the last sweep, from this size on.
const SWEEP_FROM: usize = 512;
/// An entry nobody used for so long is read from the books again when it is needed.
const IDLE_MS: i64 = 3_600_000;

#[derive(Clone, Default)]
pub struct Memory(Arc<Tables>);

#[derive(Default)]
struct Tables {
    keys: Sharded<Key>,
    users: Sharded<User>,
    slots: Sharded<Slots>,
}

struct Sharded<T>(Vec<Mutex<Shard<T>>>);

struct Shard<T> {
    entries: HashMap<i64, T>,
    sweep_at: usize,
}

/// An entry that can tell whether anything would be lost with it.
trait Entry: Default {
    fn idle(&self, now: Time) -> bool;
}

/// A sum over a span that is moved on when the span ends.
#[derive(Clone, Copy, Default)]
struct Sum {
    span: Span,
    cost: i64,
    requests: i64,
}

#[derive(Default)]
struct Key {
    primed: bool,
    open: i64,
    reserved: i64,
    reserved_tokens: i64,
    /// Spent, but not in the database yet.
    unwritten: CarriedKey,
    window: Window,
    minute: Window,
    day: Sum,
    week: Sum,
    total: i64,
    total_tokens: i64,
    used_at: Time,
}

#[derive(Clone, Copy, Default)]
struct Window {
    start: Time,
    requests: i64,
    tokens: i64,
    cost: i64,
}

#[derive(Default)]
struct User {
    primed: bool,
    balance: i64,
    seq: i64,
    /// Open calls that were counted in the day when they began.
    open: i64,
    reserved: i64,
    /// Unwritten: what the wallet will pay, and what the day's sums lack.
    unpaid: i64,
    unwritten: i64,
    unwritten_requests: i64,
    day: Sum,
    calls: Calls,
    used_at: Time,
}

/// A person's calls within a window.
#[derive(Clone, Copy, Default)]
struct Calls {
    start: Time,
    end: Time,
    requests: i64,
    served: i64,
}

#[derive(Default)]
struct Slots(i64);

impl<T> Default for Sharded<T> {
    fn default() -> Self {
        let shard = || Mutex::new(Shard { entries: HashMap::new(), sweep_at: 0 });
        Self((0..SHARDS).map(|_| shard()).collect())
    }
}

impl<T: Entry> Sharded<T> {
    fn shard(&self, id: i64) -> MutexGuard<'_, Shard<T>> {
        // Ids are consecutive, so their low bits spread by themselves.
        let index = id.unsigned_abs() as usize % SHARDS;
        // A panic while holding the lock leaves counters that are still counters.
        self.0[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn each(&self, mut f: impl FnMut(&mut T)) {
        for shard in &self.0 {
            shard.lock().unwrap_or_else(PoisonError::into_inner).entries.values_mut().for_each(&mut f);
        }
    }
}

impl<T: Entry> Shard<T> {
    fn entry(&mut self, id: i64, now: Time) -> &mut T {
        if self.entries.len() >= self.sweep_at.max(SWEEP_FROM) {
            self.entries.retain(|_, e| !e.idle(now));
            self.sweep_at = self.entries.len() * 2;
        }
        self.entries.entry(id).or_default()
    }
}

impl Entry for Key {
    fn idle(&self, now: Time) -> bool {
        self.open == 0 && self.reserved == 0 && self.unwritten.requests == 0 && now.0 - self.used_at.0 > IDLE_MS
    }
}

impl Entry for User {
    fn idle(&self, now: Time) -> bool {
        let owed = self.open != 0
            || self.reserved != 0
            || self.unpaid != 0
            || self.unwritten != 0
            || self.unwritten_requests != 0;
        !owed && now.0 - self.used_at.0 > IDLE_MS && now >= self.calls.end
    }
}

impl Entry for Slots {
    fn idle(&self, _now: Time) -> bool {
        self.0 == 0
    }
}

impl Sum {
    /// Whether this sum can answer for `wanted`, beginning it anew where the old span is over.
    fn follow(&mut self, wanted: Span) -> bool {
        if self.span.start == wanted.start {
            self.span.end = wanted.end;
            return true;
        }
        if self.span.end.0 == 0 {
            // Never read from the books.
            return false;
        }
        if wanted.start >= self.span.end {
            *self = Self { span: wanted, cost: 0, requests: 0 };
            return true;
        }
        // A caller whose clock is a little behind the turn of the day is counted in the new one.
        wanted.end <= self.span.start
    }
    fn add(&mut self, at: Time, cost: i64) -> bool {
        if self.span.holds(at) {
            self.cost += cost;
        }
        at < self.span.end
    }
}

impl Window {
    fn begin_if_over(&mut self, now: Time, length: i64) {
        // A window in which nothing was admitted has not begun.
        let empty = self.requests == 0 && self.tokens == 0 && self.cost == 0;
        if empty || now >= self.start.plus(length) {
            *self = Self { start: now, ..Self::default() };
        }
    }
}

impl Calls {
    fn refuses(&mut self, limits: PersonLimits, now: Time) -> Option<Refusal> {
        if self.requests == 0 || now >= self.end {
            *self = Self { start: now, ..Self::default() };
        }
        // A changed length holds for the window that runs.
        self.end = self.start.plus(limits.length_ms);
        let end = Some(self.end);
        full(Limit::UserRequests, limits.requests, self.requests, end)
            .or_else(|| full(Limit::UserServed, limits.served, self.served, end))
    }
    fn let_go(&mut self, held: &Held, uncount: bool, served: bool) {
        if held.person.0 != 0 && held.person == self.start {
            self.requests -= i64::from(uncount);
            self.served -= i64::from(!served);
        }
    }
}

fn refuse(kind: Limit, limit: i64, current: i64, resets_at: Option<Time>) -> Option<Refusal> {
    Some(Refusal { kind, limit, current, resets_at })
}

/// Refuses what would go past a cost limit, and anything once the limit is reached.
fn over(kind: Limit, limit: Option<i64>, used: i64, estimate: i64, resets_at: Option<Time>) -> Option<Refusal> {
    let limit = limit?;
    if used >= limit || used.saturating_add(estimate) > limit { refuse(kind, limit, used, resets_at) } else { None }
}

/// Refuses when the count has reached the limit.
fn full(kind: Limit, limit: Option<i64>, used: i64, resets_at: Option<Time>) -> Option<Refusal> {
    let limit = limit?;
    if used >= limit { refuse(kind, limit, used, resets_at) } else { None }
}

impl Key {
    fn knows(&mut self, demand: &Demand<'_>) -> bool {
        self.primed && self.day.follow(demand.day) && demand.week.is_none_or(|week| self.week.follow(week))
    }

    fn refuses(&mut self, demand: &Demand<'_>) -> Option<Refusal> {
        let ask = demand.ask;
        let held = self.reserved;
        full(Limit::Concurrency, ask.concurrency, self.open, None)
            .or_else(|| {
                let limits = ask.window.as_ref()?;
                self.window.begin_if_over(ask.now, limits.length_ms);
                let w = &self.window;
                let end = Some(w.start.plus(limits.length_ms));
                full(Limit::WindowRequests, limits.requests, w.requests, end)
                    .or_else(|| full(Limit::WindowTokens, limits.tokens, w.tokens + self.reserved_tokens, end))
                    .or_else(|| over(Limit::WindowCost, limits.cost, w.cost + held, ask.estimate, end))
            })
            .or_else(|| {
                self.minute.begin_if_over(ask.now, MINUTE);
                let m = &self.minute;
                let end = Some(m.start.plus(MINUTE));
                full(Limit::RequestsPerMinute, ask.requests_per_minute, m.requests, end).or_else(|| {
                    full(Limit::TokensPerMinute, ask.tokens_per_minute, m.tokens + self.reserved_tokens, end)
                })
            })
            .or_else(|| full(Limit::DailyRequests, ask.daily_requests, self.day.requests, Some(demand.day.end)))
            .or_else(|| {
                over(Limit::DailyCost, ask.daily_cost, self.day.cost + held, ask.estimate, Some(demand.day.end))
            })
            .or_else(|| over(Limit::TotalCost, ask.total_cost, self.total + held, ask.estimate, None))
            .or_else(|| full(Limit::TotalTokens, ask.total_tokens, self.total_tokens + self.reserved_tokens, None))
            .or_else(|| {
                let end = demand.week.map(|w| w.end);
                over(Limit::WeeklyCost, ask.weekly_cost, self.week.cost + held, ask.estimate, end)
            })
    }
}

impl User {
    fn refuses(&mut self, demand: &Demand<'_>) -> Option<Refusal> {
        let ask = demand.ask;
        let end = Some(demand.day.end);
        full(Limit::PlanRequests, ask.plan_daily_requests, self.day.requests, end)
            .or_else(|| over(Limit::PlanCost, ask.plan_daily_cost, self.day.cost + self.reserved, ask.estimate, end))
            .or_else(|| {
                let free = self.balance - self.reserved - self.unpaid;
                if ask.wallet && ask.estimate > free { refuse(Limit::Balance, ask.estimate, free, None) } else { None }
            })
            .or_else(|| self.calls.refuses(ask.person?, ask.now))
    }
}

impl Memory {
    pub fn admit(&self, demand: &Demand<'_>) -> Verdict {
        let ask = demand.ask;
        let mut keys = self.0.keys.shard(ask.key_id);
        let key = keys.entry(ask.key_id, ask.now);
        key.used_at = ask.now;
        let known = key.knows(demand);
        let mut person = Time(0);
        if !ask.concerns_user() {
            if !known {
                return Verdict::Unknown { key: true, user: false };
            }
            if let Some(refusal) = key.refuses(demand) {
                return Verdict::Refused(refusal);
            }
        } else {
            let mut users = self.0.users.shard(ask.user_id);
            let user = users.entry(ask.user_id, ask.now);
            user.used_at = ask.now;
            let user_known = user.primed && user.day.follow(demand.day);
            if !known || !user_known {
                return Verdict::Unknown { key: !known, user: !user_known };
            }
            if let Some(refusal) = key.refuses(demand).or_else(|| user.refuses(demand)) {
                return Verdict::Refused(refusal);
            }
            user.open += 1;
            user.reserved += ask.estimate;
            user.day.requests += 1;
            if ask.person.is_some() {
                user.calls.requests += 1;
                user.calls.served += 1;
                person = user.calls.start;
            }
        }
        key.open += 1;
        key.reserved += ask.estimate;
        key.reserved_tokens += ask.estimate_tokens;
        key.window.requests += 1;
        key.minute.requests += 1;
        key.day.requests += 1;
        Verdict::Admitted(Held {
            id: String::new(),
            key_id: ask.key_id,
            user_id: ask.user_id,
            estimate: ask.estimate,
            estimate_tokens: ask.estimate_tokens,
            window: if ask.window.is_some() { key.window.start } else { Time(0) },
            minute: key.minute.start,
            day: demand.day.start,
            person,
            of_user: ask.concerns_user(),
        })
    }

    pub fn spend(&self, spend: &Spend, held: Option<&Held>) {
        {
            let mut keys = self.0.keys.shard(spend.key_id);
            let key = keys.entry(spend.key_id, spend.at);
            let weekly = if spend.weekly { spend.cost } else { 0 };
            key.unwritten.requests += 1;
            key.unwritten.cost += spend.cost;
            key.unwritten.weekly_cost += weekly;
            key.unwritten.tokens += spend.tokens;
            key.total += spend.cost;
            key.total_tokens += spend.tokens;
            if held.is_none() && key.day.span.holds(spend.at) {
                key.day.requests += 1;
            }
            // A span that ended with nobody asking since cannot be moved on from here; the books will tell.
            let day = key.day.add(spend.at, spend.cost);
            let week = key.week.add(spend.at, weekly) || key.week.span.end.0 == 0;
            key.primed &= day && week;
            if let Some(held) = held {
                key.let_go(held, false);
                if key.window.start == held.window && held.window.0 != 0 {
                    key.window.tokens += spend.tokens;
                    key.window.cost += spend.cost;
                }
                if key.minute.start == held.minute {
                    key.minute.tokens += spend.tokens;
                }
            }
        }
        let mut users = self.0.users.shard(spend.user_id);
        let user = users.entry(spend.user_id, spend.at);
        if spend.from_wallet {
            user.unpaid += spend.cost;
        }
        user.unwritten += spend.cost;
        user.unwritten_requests += 1;
        user.primed &= user.day.add(spend.at, spend.cost);
        match held.filter(|h| h.of_user) {
            Some(held) => user.let_go(held, false, spend.served),
            // Calls that asked nothing of the owner were not counted when they began.
            None if user.day.span.holds(spend.at) => user.day.requests += 1,
            None => {}
        }
    }

    pub fn release(&self, held: &Held, uncount: bool) {
        if let Some(key) = self.0.keys.shard(held.key_id).entries.get_mut(&held.key_id) {
            key.let_go(held, uncount);
        }
        if held.of_user
            && let Some(user) = self.0.users.shard(held.user_id).entries.get_mut(&held.user_id)
        {
            user.let_go(held, uncount, false);
        }
    }

    pub fn prime_key(&self, key_id: i64, books: &KeyBooks) {
        let mut keys = self.0.keys.shard(key_id);
        let key = keys.entry(key_id, books.day.start);
        let unwritten = key.unwritten;
        key.primed = true;
        key.day = Sum {
            span: books.day,
            cost: books.day_cost + unwritten.cost,
            requests: books.day_requests + unwritten.requests + key.open,
        };
        key.week = Sum { span: books.week, cost: books.week_cost + unwritten.weekly_cost, requests: 0 };
        key.total = books.total + unwritten.cost;
        key.total_tokens = books.total_tokens + unwritten.tokens;
        if key.window.start.0 == 0 && books.window.0 != 0 {
            key.window = Window {
                start: books.window,
                requests: books.window_requests + unwritten.requests + key.open,
                tokens: books.window_tokens + unwritten.tokens,
                cost: books.window_cost + unwritten.cost,
            };
        }
    }

    pub fn prime_user(&self, user_id: i64, books: &UserBooks) {
        let mut users = self.0.users.shard(user_id);
        let user = users.entry(user_id, books.day.start);
        user.primed = true;
        if books.seq >= user.seq {
            (user.balance, user.seq) = (books.balance, books.seq);
        }
        user.day = Sum {
            span: books.day,
            cost: books.day_cost + user.unwritten,
            requests: books.day_requests + user.unwritten_requests + user.open,
        };
    }

    pub fn carried(&self, carried: &Carried) {
        for part in &carried.keys {
            if let Some(key) = self.0.keys.shard(part.key_id).entries.get_mut(&part.key_id) {
                // Calls of an earlier process were never counted as unwritten here.
                let unwritten = &mut key.unwritten;
                unwritten.requests = (unwritten.requests - part.requests).max(0);
                unwritten.cost = (unwritten.cost - part.cost).max(0);
                unwritten.weekly_cost = (unwritten.weekly_cost - part.weekly_cost).max(0);
                unwritten.tokens = (unwritten.tokens - part.tokens).max(0);
            }
        }
        for part in &carried.users {
            let mut users = self.0.users.shard(part.user_id);
            let Some(user) = users.entries.get_mut(&part.user_id) else { continue };
            user.unpaid = (user.unpaid - part.paid).max(0);
            user.unwritten = (user.unwritten - part.cost).max(0);
            user.unwritten_requests = (user.unwritten_requests - part.requests).max(0);
            // Paid by an earlier attempt whose answer was lost: the books know the balance.
            user.primed &= part.paid == 0 || part.wallet.is_some();
            user.move_to(part.wallet);
        }
    }

    pub fn wallet(&self, user_id: i64, balance: i64, seq: i64) {
        if let Some(user) = self.0.users.shard(user_id).entries.get_mut(&user_id) {
            user.move_to(Some((balance, seq)));
        }
    }

    pub fn forget_key(&self, key_id: i64) {
        if let Some(key) = self.0.keys.shard(key_id).entries.get_mut(&key_id) {
            key.primed = false;
        }
    }

    pub fn forget_all(&self) {
        self.0.keys.each(|key| key.primed = false);
        self.0.users.each(|user| user.primed = false);
    }

    pub fn take_slot(&self, account_id: i64, max: i64) -> bool {
        let mut slots = self.0.slots.shard(account_id);
        let taken = slots.entry(account_id, Time(0));
        if max > 0 && taken.0 >= max {
            return false;
        }
        taken.0 += 1;
        true
    }

    pub fn free_slot(&self, account_id: i64) {
        if let Some(taken) = self.0.slots.shard(account_id).entries.get_mut(&account_id) {
            taken.0 = (taken.0 - 1).max(0);
        }
    }

    pub fn slots_taken(&self, account_id: i64) -> i64 {
        self.0.slots.shard(account_id).entries.get(&account_id).map_or(0, |s| s.0)
    }

    pub fn open_calls(&self, key_id: i64) -> i64 {
        self.0.keys.shard(key_id).entries.get(&key_id).map_or(0, |k| k.open)
    }

    pub fn key_state(&self, key_id: i64) -> Option<KeyBooks> {
        let keys = self.0.keys.shard(key_id);
        let key = keys.entries.get(&key_id).filter(|k| k.primed)?;
        Some(KeyBooks {
            day: key.day.span,
            day_cost: key.day.cost,
            day_requests: key.day.requests,
            week: key.week.span,
            week_cost: key.week.cost,
            total: key.total,
            total_tokens: key.total_tokens,
            window: key.window.start,
            window_requests: key.window.requests,
            window_tokens: key.window.tokens,
            window_cost: key.window.cost,
        })
    }
}

impl Key {
    fn let_go(&mut self, held: &Held, uncount: bool) {
        self.open -= 1;
        self.reserved -= held.estimate;
        self.reserved_tokens -= held.estimate_tokens;
        if uncount {
            if self.window.start == held.window && held.window.0 != 0 {
                self.window.requests -= 1;
            }
            if self.minute.start == held.minute {
                self.minute.requests -= 1;
            }
            if self.day.span.start == held.day {
                self.day.requests -= 1;
            }
        }
    }
}

impl User {
    fn let_go(&mut self, held: &Held, uncount: bool, served: bool) {
        self.open -= 1;
        self.reserved -= held.estimate;
        self.calls.let_go(held, uncount, served);
        if uncount && self.day.span.start == held.day {
            self.day.requests -= 1;
        }
    }
    fn move_to(&mut self, wallet: Option<(i64, i64)>) {
        if let Some((balance, seq)) = wallet
            && seq > self.seq
        {
            (self.balance, self.seq) = (balance, seq);
        }
    }
}
