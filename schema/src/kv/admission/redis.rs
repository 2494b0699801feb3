//! The Redis arm: one script a step, so that any number of processes count as one.
//!
//! A key's and a user's numbers are hashes; what open calls hold is a sorted set of members
//! `id|estimate|tokens` by the end of their lease, so that a process that died lets go by itself.
//! Hashes that nobody used for a while expire and are primed from the books again.

mod script;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redis::aio::ConnectionManager;

use super::{Carried, Demand, Held, KeyBooks, LEASE_MS, Limit, Refusal, Span, Spend, UserBooks, Verdict};
use crate::clock::Time;
use crate::error::{Error, Result};
use crate::kv::redis::{Redis as Store, away};

/// How long the numbers of an idle key or user are kept.
const KEEP_MS: i64 = 900_000;
/// Limits in the order in which the script names them, from 1.
const LIMITS: [Limit; 16] = [
    Limit::Concurrency,
    Limit::WindowRequests,
    Limit::WindowTokens,
    Limit::WindowCost,
    Limit::RequestsPerMinute,
    Limit::TokensPerMinute,
    Limit::DailyRequests,
    Limit::DailyCost,
    Limit::TotalCost,
    Limit::TotalTokens,
    Limit::WeeklyCost,
    Limit::PlanRequests,
    Limit::PlanCost,
    Limit::Balance,
    Limit::UserRequests,
    Limit::UserServed,
];

#[derive(Clone)]
pub struct Redis {
    store: Store,
    mine: Arc<Mine>,
}

/// What this process holds: sorted set and member.
struct Mine {
    instance: String,
    next: AtomicU64,
    held: Mutex<HashMap<String, Vec<(String, String)>>>,
}

impl Redis {
    pub fn beside(store: &Store) -> Self {
        let instance = crate::id::hex(&crate::id::random::<6>());
        Self {
            store: store.clone(),
            mine: Arc::new(Mine { instance, next: AtomicU64::new(0), held: Mutex::default() }),
        }
    }

    fn conn(&self) -> ConnectionManager {
        self.store.conn()
    }
    fn key(&self, id: i64) -> String {
        self.store.key(&format!("adm:k:{id}"))
    }
    fn user(&self, id: i64) -> String {
        self.store.key(&format!("adm:u:{id}"))
    }
    /// A person's calls within a window; apart from the other numbers, since it lives as long as its window.
    fn person(&self, id: i64) -> String {
        self.store.key(&format!("adm:p:{id}"))
    }
    fn slots(&self, id: i64) -> String {
        self.store.key(&format!("adm:a:{id}"))
    }
    fn held(&self) -> MutexGuard<'_, HashMap<String, Vec<(String, String)>>> {
        self.mine.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub async fn admit(&self, demand: &Demand<'_>) -> Result<Verdict> {
        let ask = demand.ask;
        let id = format!("{}-{}", self.mine.instance, self.mine.next.fetch_add(1, Ordering::Relaxed));
        let member = member(&id, ask.estimate, ask.estimate_tokens);
        let (key, user) = (self.key(ask.key_id), self.user(ask.user_id));
        let (key_held, user_held) = (format!("{key}:t"), format!("{user}:t"));
        let none = |limit: Option<i64>| limit.unwrap_or(-1);
        let window = ask.window.unwrap_or_default();
        let week = demand.week.unwrap_or_default();
        let person = ask.person.unwrap_or_default();
        let numbers = [
            ask.now.0,
            ask.estimate,
            ask.estimate_tokens,
            ask.now.0 + LEASE_MS,
            KEEP_MS,
            none(ask.concurrency),
            if ask.window.is_some() { window.length_ms } else { -1 },
            none(window.requests),
            none(window.tokens),
            none(window.cost),
            none(ask.requests_per_minute),
            none(ask.tokens_per_minute),
            demand.day.start.0,
            demand.day.end.0,
            none(ask.daily_cost),
            week.start.0,
            week.end.0,
            none(ask.weekly_cost.filter(|_| demand.week.is_some())),
            none(ask.total_cost),
            i64::from(ask.concerns_user()),
            none(ask.plan_daily_requests),
            none(ask.plan_daily_cost),
            i64::from(ask.wallet),
            none(ask.daily_requests),
            none(ask.total_tokens),
            if ask.person.is_some() { person.length_ms } else { -1 },
            none(person.requests),
            none(person.served),
        ];
        let mut call = script::ADMIT.prepare_invoke();
        call.key(&key).key(&key_held).key(&user).key(&user_held).key(self.person(ask.user_id)).arg(&member);
        for n in numbers {
            call.arg(n);
        }
        let (code, a, b, c, d): (i64, i64, i64, i64, i64) = call.invoke_async(&mut self.conn()).await.map_err(away)?;
        match code {
            0 => {
                let mut places = vec![(key_held, member.clone())];
                if ask.concerns_user() {
                    places.push((user_held, member));
                }
                self.held().insert(id.clone(), places);
                Ok(Verdict::Admitted(Held {
                    id,
                    key_id: ask.key_id,
                    user_id: ask.user_id,
                    estimate: ask.estimate,
                    estimate_tokens: ask.estimate_tokens,
                    window: Time(a),
                    minute: Time(b),
                    day: demand.day.start,
                    person: Time(c),
                    of_user: ask.concerns_user(),
                }))
            }
            1 => {
                let kind = usize::try_from(a - 1).ok().and_then(|i| LIMITS.get(i)).copied();
                let kind = kind.ok_or_else(|| Error::internal("the admission script named no limit"))?;
                let resets_at = (d > 0).then_some(Time(d));
                Ok(Verdict::Refused(Refusal { kind, limit: b, current: c, resets_at }))
            }
            _ => Ok(Verdict::Unknown { key: a == 1, user: b == 1 }),
        }
    }

    pub async fn spend(&self, spend: Option<&Spend>, held: Option<&Held>, uncount: bool) -> Result<()> {
        if let Some(held) = held {
            self.held().remove(&held.id);
        }
        let key_id = spend.map(|s| s.key_id).or(held.map(|h| h.key_id)).unwrap_or_default();
        let user_id = spend.map(|s| s.user_id).or(held.map(|h| h.user_id)).unwrap_or_default();
        let (key, user) = (self.key(key_id), self.user(user_id));
        let member = held.map_or_else(String::new, |h| member(&h.id, h.estimate, h.estimate_tokens));
        let told = held.cloned().unwrap_or_default();
        let paid = spend.copied().unwrap_or_default();
        let numbers = [
            told.estimate,
            told.estimate_tokens,
            told.window.0,
            told.minute.0,
            told.day.0,
            i64::from(told.of_user),
            i64::from(uncount),
            i64::from(spend.is_some()),
            paid.at.0,
            paid.cost,
            paid.tokens,
            i64::from(paid.from_wallet),
            i64::from(paid.weekly),
            told.person.0,
            i64::from(paid.served),
        ];
        let mut call = script::SPEND.prepare_invoke();
        call.key(&key).key(format!("{key}:t")).key(&user).key(format!("{user}:t"));
        call.key(self.person(user_id)).arg(&member);
        for n in numbers {
            call.arg(n);
        }
        call.invoke_async::<i64>(&mut self.conn()).await.map_err(away)?;
        Ok(())
    }

    pub async fn prime_key(&self, key_id: i64, books: &KeyBooks, now: Time) -> Result<()> {
        let key = self.key(key_id);
        let numbers = [
            now.0,
            KEEP_MS,
            books.day.start.0,
            books.day.end.0,
            books.day_cost,
            books.week.start.0,
            books.week.end.0,
            books.week_cost,
            books.total,
            books.window.0,
            books.window_requests,
            books.window_tokens,
            books.window_cost,
            books.day_requests,
            books.total_tokens,
        ];
        let mut call = script::PRIME_KEY.prepare_invoke();
        call.key(&key).key(format!("{key}:t"));
        for n in numbers {
            call.arg(n);
        }
        call.invoke_async::<i64>(&mut self.conn()).await.map_err(away)?;
        Ok(())
    }

    pub async fn prime_user(&self, user_id: i64, books: &UserBooks, now: Time) -> Result<()> {
        let user = self.user(user_id);
        let numbers = [
            now.0,
            KEEP_MS,
            books.balance,
            books.seq,
            books.day.start.0,
            books.day.end.0,
            books.day_cost,
            books.day_requests,
        ];
        let mut call = script::PRIME_USER.prepare_invoke();
        call.key(&user).key(format!("{user}:t"));
        for n in numbers {
            call.arg(n);
        }
        call.invoke_async::<i64>(&mut self.conn()).await.map_err(away)?;
        Ok(())
    }

    pub async fn carried(&self, carried: &Carried) -> Result<()> {
        if carried.keys.is_empty() && carried.users.is_empty() {
            return Ok(());
        }
        let mut call = script::CARRIED.prepare_invoke();
        call.arg(carried.keys.len());
        for part in &carried.keys {
            call.key(self.key(part.key_id));
            for n in [part.cost, part.requests, part.weekly_cost, part.tokens] {
                call.arg(n);
            }
        }
        for part in &carried.users {
            let (balance, seq) = part.wallet.unwrap_or((0, -1));
            call.key(self.user(part.user_id));
            for n in [part.paid, part.cost, part.requests, balance, seq] {
                call.arg(n);
            }
        }
        call.invoke_async::<i64>(&mut self.conn()).await.map_err(away)?;
        Ok(())
    }

    pub async fn wallet(&self, user_id: i64, balance: i64, seq: i64) -> Result<()> {
        let part = super::CarriedUser { user_id, wallet: Some((balance, seq)), ..Default::default() };
        self.carried(&Carried { keys: Vec::new(), users: vec![part] }).await
    }

    pub async fn forget_key(&self, key_id: i64) -> Result<()> {
        let mut conn = self.conn();
        redis::cmd("HDEL").arg(self.key(key_id)).arg("p").query_async::<()>(&mut conn).await.map_err(away)
    }

    pub async fn take_slot(&self, account_id: i64, max: i64, id: &str, now: Time) -> Result<bool> {
        let slots = self.slots(account_id);
        let taken: i64 = script::TAKE
            .key(&slots)
            .arg(id)
            .arg(now.0)
            .arg(now.0 + LEASE_MS)
            .arg(max)
            .arg(KEEP_MS)
            .invoke_async(&mut self.conn())
            .await
            .map_err(away)?;
        if taken == 1 {
            self.held().insert(format!("{account_id}/{id}"), vec![(slots, id.to_owned())]);
        }
        Ok(taken == 1)
    }

    pub async fn free_slot(&self, account_id: i64, id: &str) -> Result<()> {
        self.held().remove(&format!("{account_id}/{id}"));
        let mut conn = self.conn();
        redis::cmd("ZREM").arg(self.slots(account_id)).arg(id).query_async::<()>(&mut conn).await.map_err(away)
    }

    pub async fn slots_taken(&self, account_id: i64, now: Time) -> Result<i64> {
        let mut conn = self.conn();
        let from = format!("({}", now.0);
        redis::cmd("ZCOUNT")
            .arg(self.slots(account_id))
            .arg(from)
            .arg("+inf")
            .query_async(&mut conn)
            .await
            .map_err(away)
    }

    pub async fn open_calls(&self, key_ids: &[i64], now: Time) -> Result<Vec<i64>> {
        let from = format!("({}", now.0);
        let mut open = Vec::with_capacity(key_ids.len());
        // One trip for many keys, and not so many that others wait.
        for some in key_ids.chunks(1_000) {
            let mut pipe = redis::pipe();
            for id in some {
                pipe.cmd("ZCOUNT").arg(format!("{}:t", self.key(*id))).arg(&from).arg("+inf");
            }
            let counts: Vec<i64> = pipe.query_async(&mut self.conn()).await.map_err(away)?;
            open.extend(counts);
        }
        Ok(open)
    }

    pub async fn key_state(&self, key_id: i64) -> Result<Option<KeyBooks>> {
        let mut call = redis::cmd("HMGET");
        call.arg(self.key(key_id));
        for field in ["p", "ds", "de", "dc", "ks", "ke", "kc", "tc", "ws", "wr", "wt", "wc", "dr", "tt"] {
            call.arg(field);
        }
        let fields: Vec<Option<i64>> = call.query_async(&mut self.conn()).await.map_err(away)?;
        if fields.first().copied().flatten().is_none() {
            return Ok(None);
        }
        let n = |i: usize| fields.get(i).copied().flatten().unwrap_or_default();
        Ok(Some(KeyBooks {
            day: Span { start: Time(n(1)), end: Time(n(2)) },
            day_cost: n(3),
            day_requests: n(12),
            week: Span { start: Time(n(4)), end: Time(n(5)) },
            week_cost: n(6),
            total: n(7),
            total_tokens: n(13),
            window: Time(n(8)),
            window_requests: n(9),
            window_tokens: n(10),
            window_cost: n(11),
        }))
    }

    pub async fn renew(&self, now: Time) -> Result<()> {
        let places: Vec<(String, String)> = self.held().values().flatten().cloned().collect();
        for part in places.chunks(500) {
            let mut pipe = redis::pipe();
            for (set, member) in part {
                // Only what is still there: a call that ended meanwhile is not to come back.
                pipe.cmd("ZADD").arg(set).arg("XX").arg(now.0 + LEASE_MS).arg(member).ignore();
                pipe.cmd("PEXPIRE").arg(set).arg(KEEP_MS).ignore();
                if let Some(hash) = set.strip_suffix(":t") {
                    pipe.cmd("PEXPIRE").arg(hash).arg(KEEP_MS).ignore();
                }
            }
            pipe.query_async::<()>(&mut self.conn()).await.map_err(away)?;
        }
        Ok(())
    }
}

fn member(id: &str, estimate: i64, tokens: i64) -> String {
    format!("{id}|{estimate}|{tokens}")
}
