//! What every call is counted against: a key's limits, its owner's wallet and plan, an account's slots.
//!
//! All checks of one call are one step: under two short locks in memory, in one script on Redis. What
//! is promised to open calls (the *reservation*) and what was spent but is not in the database yet (the
//! *unwritten*) count as gone, so that no number of concurrent calls can overdraw. Where the numbers
//! come from is the caller's business: a counter that was never primed says so ([`Verdict::Unknown`]).

mod memory;
mod redis;

use crate::clock::Time;
use crate::error::Result;
use crate::kv::Kv;
use crate::text_enum;

/// A stretch of time, `start` inside and `end` outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub start: Time,
    pub end: Time,
}

impl Span {
    /// True for a moment inside.
    pub fn holds(self, at: Time) -> bool {
        at >= self.start && at < self.end
    }
}

/// Limits within a window that begins with the first call after the last window ended.
#[derive(Clone, Copy, Debug, Default)]
pub struct WindowLimits {
    pub length_ms: i64,
    pub requests: Option<i64>,
    pub tokens: Option<i64>,
    /// Micro-dollars.
    pub cost: Option<i64>,
}

/// Limits of one person's calls, over all of their keys, within a window that begins as a key's does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PersonLimits {
    pub length_ms: i64,
    pub requests: Option<i64>,
    /// Calls that succeed. An open call may, so it counts until it has failed.
    pub served: Option<i64>,
}

/// What one call wants, and what its key, owner and plan allow. `None` is "no such limit"; money is in
/// micro-dollars.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    pub key_id: i64,
    pub user_id: i64,
    pub now: Time,
    /// What the call may cost at most; held back until it is settled.
    pub estimate: i64,
    /// Tokens the call may use; held back from token limits until it is settled.
    pub estimate_tokens: i64,
    /// How many calls of the key may be open at once.
    pub concurrency: Option<i64>,
    pub window: Option<WindowLimits>,
    pub requests_per_minute: Option<i64>,
    pub tokens_per_minute: Option<i64>,
    pub daily_requests: Option<i64>,
    pub daily_cost: Option<i64>,
    /// Cost of Claude models within the key's week; to be asked for calls of such models only.
    pub weekly_cost: Option<i64>,
    /// Weekday (1 = Monday … 7) and hour at which the key's week begins.
    pub week_begins: (i8, i8),
    /// The key's lifetime allowance.
    pub total_cost: Option<i64>,
    /// Tokens in the key's whole life.
    pub total_tokens: Option<i64>,
    pub plan_daily_requests: Option<i64>,
    pub plan_daily_cost: Option<i64>,
    /// True when the owner's wallet pays.
    pub wallet: bool,
    pub person: Option<PersonLimits>,
}

impl Ask {
    /// True when something of the owner's has to be looked at.
    pub fn concerns_user(&self) -> bool {
        self.wallet || self.plan_daily_requests.is_some() || self.plan_daily_cost.is_some() || self.person.is_some()
    }
}

/// An ask with the day and the week it falls in.
#[derive(Clone, Copy, Debug)]
pub struct Demand<'a> {
    pub ask: &'a Ask,
    pub day: Span,
    /// Present when the key has a weekly limit.
    pub week: Option<Span>,
}

text_enum! {
    /// Which limit refused a call.
    pub enum Limit {
        Concurrency = "concurrency",
        WindowRequests = "window_requests",
        WindowTokens = "window_tokens",
        WindowCost = "window_cost",
        RequestsPerMinute = "requests_per_minute",
        TokensPerMinute = "tokens_per_minute",
        DailyRequests = "daily_requests",
        DailyCost = "daily_cost",
        WeeklyCost = "weekly_cost",
        TotalCost = "total_cost",
        TotalTokens = "total_tokens",
        PlanRequests = "plan_requests",
        PlanCost = "plan_cost",
        Balance = "balance",
        /// All calls of one person, over their keys.
        UserRequests = "user_requests",
        /// Those of them that succeed.
        UserServed = "user_served",
    }
}

/// A call that was not admitted, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub kind: Limit,
    /// The limit; for [`Limit::Balance`] what the call may cost.
    pub limit: i64,
    /// What was counted before this call, reservations included; for [`Limit::Balance`] what is free.
    pub current: i64,
    /// When it is worth trying again, where time alone helps.
    pub resets_at: Option<Time>,
}

/// What an admitted call holds until it ends.
#[derive(Clone, Debug, Default)]
pub struct Held {
    /// Unique among all processes.
    pub id: String,
    pub key_id: i64,
    pub user_id: i64,
    pub estimate: i64,
    pub estimate_tokens: i64,
    /// The windows the call was counted in.
    pub window: Time,
    pub minute: Time,
    pub day: Time,
    /// The person's window; zero where none is kept.
    pub person: Time,
    /// True when something is held of the owner's too.
    pub of_user: bool,
}

/// What a call came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spend {
    pub key_id: i64,
    pub user_id: i64,
    /// When the call began.
    pub at: Time,
    pub cost: i64,
    pub tokens: i64,
    pub from_wallet: bool,
    /// True when the call counts in the key's week.
    pub weekly: bool,
    /// True when the call succeeded.
    pub served: bool,
}

/// The outcome of one ask.
#[derive(Clone, Debug)]
pub enum Verdict {
    Admitted(Held),
    Refused(Refusal),
    /// Nothing is known yet; prime what is named and ask again.
    Unknown {
        key: bool,
        user: bool,
    },
}

/// What the books say about a key.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyBooks {
    pub day: Span,
    pub day_cost: i64,
    pub day_requests: i64,
    pub week: Span,
    pub week_cost: i64,
    pub total: i64,
    pub total_tokens: i64,
    /// When the running window began (zero: none is running) and what was counted in it.
    pub window: Time,
    pub window_requests: i64,
    pub window_tokens: i64,
    pub window_cost: i64,
}

/// What the books say about a user.
#[derive(Clone, Copy, Debug, Default)]
pub struct UserBooks {
    pub balance: i64,
    pub seq: i64,
    pub day: Span,
    pub day_cost: i64,
    pub day_requests: i64,
}

/// What one batch carried into the database.
#[derive(Clone, Debug, Default)]
pub struct Carried {
    pub keys: Vec<CarriedKey>,
    pub users: Vec<CarriedUser>,
}

/// One key's part of a batch.
#[derive(Clone, Copy, Debug, Default)]
pub struct CarriedKey {
    pub key_id: i64,
    pub requests: i64,
    pub cost: i64,
    pub weekly_cost: i64,
    pub tokens: i64,
}

/// One user's part of a batch.
#[derive(Clone, Copy, Debug, Default)]
pub struct CarriedUser {
    pub user_id: i64,
    pub requests: i64,
    pub cost: i64,
    /// What the wallet paid, and its balance and place in the wallet's history afterwards.
    pub paid: i64,
    pub wallet: Option<(i64, i64)>,
}

/// How long a slot or reservation outlives the process that held it (on Redis).
pub const LEASE_MS: i64 = 60_000;
/// How often a living process renews what its open calls hold.
pub const RENEW_MS: u64 = 20_000;

/// The counters, in this process or in Redis.
#[derive(Clone)]
pub enum Counters {
    Memory(memory::Memory),
    Redis(redis::Redis),
}

impl Counters {
    /// Counters of the same kind as the given store.
    pub fn beside(kv: &Kv) -> Self {
        match kv {
            Kv::Memory(_) => Self::Memory(memory::Memory::default()),
            Kv::Redis(r) => Self::Redis(redis::Redis::beside(r)),
        }
    }

    /// Checks everything and, when all of it allows, counts the call and holds its estimate back.
    pub async fn admit(&self, demand: &Demand<'_>) -> Result<Verdict> {
        match self {
            Self::Memory(m) => Ok(m.admit(demand)),
            Self::Redis(r) => Box::pin(r.admit(demand)).await,
        }
    }

    /// Books what a call cost and lets go of what it held. Either part may be missing.
    pub async fn spend(&self, spend: &Spend, held: Option<&Held>) -> Result<()> {
        match self {
            Self::Memory(m) => {
                m.spend(spend, held);
                Ok(())
            }
            Self::Redis(r) => r.spend(Some(spend), held, false).await,
        }
    }

    /// Lets go of what a call held; `uncount` also takes it out of the request counts, for a call that never was served.
    pub async fn release(&self, held: &Held, uncount: bool) -> Result<()> {
        match self {
            Self::Memory(m) => {
                m.release(held, uncount);
                Ok(())
            }
            Self::Redis(r) => r.spend(None, Some(held), uncount).await,
        }
    }

    /// Sets a key's counters from the books, unless they are set already.
    pub async fn prime_key(&self, key_id: i64, books: &KeyBooks, now: Time) -> Result<()> {
        match self {
            Self::Memory(m) => {
                m.prime_key(key_id, books);
                Ok(())
            }
            Self::Redis(r) => r.prime_key(key_id, books, now).await,
        }
    }

    /// Sets a user's counters from the books.
    pub async fn prime_user(&self, user_id: i64, books: &UserBooks, now: Time) -> Result<()> {
        match self {
            Self::Memory(m) => {
                m.prime_user(user_id, books);
                Ok(())
            }
            Self::Redis(r) => r.prime_user(user_id, books, now).await,
        }
    }

    /// Notes that a batch is in the database: what it carried is no longer unwritten.
    pub async fn carried(&self, carried: &Carried) -> Result<()> {
        match self {
            Self::Memory(m) => {
                m.carried(carried);
                Ok(())
            }
            Self::Redis(r) => r.carried(carried).await,
        }
    }

    /// A wallet moved by another hand; an older place in its history changes nothing.
    pub async fn wallet(&self, user_id: i64, balance: i64, seq: i64) -> Result<()> {
        match self {
            Self::Memory(m) => {
                m.wallet(user_id, balance, seq);
                Ok(())
            }
            Self::Redis(r) => r.wallet(user_id, balance, seq).await,
        }
    }

    /// Reads a key's counters from the books again at its next call.
    pub async fn forget_key(&self, key_id: i64) -> Result<()> {
        match self {
            Self::Memory(m) => {
                m.forget_key(key_id);
                Ok(())
            }
            Self::Redis(r) => r.forget_key(key_id).await,
        }
    }

    /// Reads everything from the books again (events may have been missed).
    pub fn forget_all(&self) {
        // In Redis the numbers are shared and did not depend on our events.
        if let Self::Memory(m) = self {
            m.forget_all();
        }
    }

    /// Takes one of an account's `max` slots under `id`; false when all are taken.
    pub async fn take_slot(&self, account_id: i64, max: i64, id: &str, now: Time) -> Result<bool> {
        match self {
            Self::Memory(m) => Ok(m.take_slot(account_id, max)),
            Self::Redis(r) => r.take_slot(account_id, max, id, now).await,
        }
    }

    /// Gives a slot back.
    pub async fn free_slot(&self, account_id: i64, id: &str) -> Result<()> {
        match self {
            Self::Memory(m) => {
                m.free_slot(account_id);
                Ok(())
            }
            Self::Redis(r) => r.free_slot(account_id, id).await,
        }
    }

    /// How many of an account's slots are taken.
    pub async fn slots_taken(&self, account_id: i64, now: Time) -> Result<i64> {
        match self {
            Self::Memory(m) => Ok(m.slots_taken(account_id)),
            Self::Redis(r) => r.slots_taken(account_id, now).await,
        }
    }

    /// How many calls of each key are open.
    pub async fn open_calls(&self, key_ids: &[i64], now: Time) -> Result<Vec<i64>> {
        match self {
            Self::Memory(m) => Ok(key_ids.iter().map(|id| m.open_calls(*id)).collect()),
            Self::Redis(r) => r.open_calls(key_ids, now).await,
        }
    }

    /// What a key's counters stand at; `None` when they were not primed.
    pub async fn key_state(&self, key_id: i64) -> Result<Option<KeyBooks>> {
        match self {
            Self::Memory(m) => Ok(m.key_state(key_id)),
            Self::Redis(r) => r.key_state(key_id).await,
        }
    }

    /// Renews the leases of everything this process holds; a no-op in memory.
    pub async fn renew(&self, now: Time) -> Result<()> {
        match self {
            Self::Memory(_) => Ok(()),
            Self::Redis(r) => r.renew(now).await,
        }
    }

    /// Lets go without waiting, for a call whose task was dropped.
    pub fn release_now(&self, held: Held, uncount: bool) {
        match self {
            Self::Memory(m) => m.release(&held, uncount),
            Self::Redis(r) => {
                let r = r.clone();
                if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                    // Without a runtime, or when Redis is away, the lease runs out by itself.
                    runtime.spawn(async move { r.spend(None, Some(&held), uncount).await });
                }
            }
        }
    }

    /// Gives a slot back without waiting.
    pub fn free_slot_now(&self, account_id: i64, id: String) {
        match self {
            Self::Memory(m) => m.free_slot(account_id),
            Self::Redis(r) => {
                let r = r.clone();
                if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                    runtime.spawn(async move { r.free_slot(account_id, &id).await });
                }
            }
        }
    }
}
