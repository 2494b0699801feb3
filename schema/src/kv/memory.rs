//! The in-process arm: shards behind short locks, swept as they grow.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard};

use super::Hit;
use crate::clock::Time;

const SHARDS: usize = 32;
/// A shard is swept of the expired whenever it has doubled since the last sweep, from this size on.
const SWEEP_FROM: usize = 1024;

#[derive(Clone)]
pub struct Memory(Arc<Shards>);

struct Shards {
    hasher: RandomState,
    shards: Vec<Mutex<Shard>>,
}

#[derive(Default)]
struct Shard {
    entries: HashMap<String, Entry>,
    sweep_at: usize,
}

struct Entry {
    value: Value,
    expires_at: i64,
}

enum Value {
    Count(i64),
    Text(String),
}

impl Default for Memory {
    fn default() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self(Arc::new(Shards { hasher: RandomState::new(), shards }))
    }
}

impl Memory {
    fn shard(&self, name: &str) -> MutexGuard<'_, Shard> {
        let index = self.0.hasher.hash_one(name) as usize % SHARDS;
        // A panic while holding the lock leaves counters that are still counters.
        self.0.shards[index].lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub fn hit(&self, name: &str, n: i64, limit: i64, window_ms: i64, now: Time) -> Hit {
        let mut shard = self.shard(name);
        shard.sweep(now);
        let (used, resets_at) = match shard.live(name, now) {
            Some(Entry { value: Value::Count(used), expires_at }) => (*used, *expires_at),
            _ => (0, now.0.saturating_add(window_ms)),
        };
        let total = used.saturating_add(n);
        if total > limit {
            return Hit { allowed: false, remaining: (limit - used).max(0), resets_at: Time(resets_at) };
        }
        shard.entries.insert(name.to_owned(), Entry { value: Value::Count(total), expires_at: resets_at });
        Hit { allowed: true, remaining: limit - total, resets_at: Time(resets_at) }
    }

    pub fn put(&self, name: &str, value: &str, ttl_ms: i64, now: Time) {
        let mut shard = self.shard(name);
        shard.sweep(now);
        shard.entries.insert(name.to_owned(), Entry::text(value, ttl_ms, now));
    }

    pub fn put_new(&self, name: &str, value: &str, ttl_ms: i64, now: Time) -> bool {
        let mut shard = self.shard(name);
        shard.sweep(now);
        if shard.live(name, now).is_some() {
            return false;
        }
        shard.entries.insert(name.to_owned(), Entry::text(value, ttl_ms, now));
        true
    }

    pub fn get(&self, name: &str, now: Time) -> Option<String> {
        self.shard(name).live(name, now).map(Entry::to_text)
    }

    pub fn take(&self, name: &str, now: Time) -> Option<String> {
        self.shard(name).entries.remove(name).filter(|e| e.expires_at > now.0).map(|e| e.to_text())
    }

    pub fn forget(&self, name: &str) {
        self.shard(name).entries.remove(name);
    }

    pub fn lease(&self, name: &str, holder: &str, ttl_ms: i64, now: Time) -> bool {
        let mut shard = self.shard(name);
        if shard.live(name, now).is_some_and(|e| e.to_text() != holder) {
            return false;
        }
        shard.entries.insert(name.to_owned(), Entry::text(holder, ttl_ms, now));
        true
    }

    pub fn release(&self, name: &str, holder: &str) {
        let mut shard = self.shard(name);
        if shard.entries.get(name).is_some_and(|e| e.to_text() == holder) {
            shard.entries.remove(name);
        }
    }
}

impl Shard {
    fn live(&self, name: &str, now: Time) -> Option<&Entry> {
        self.entries.get(name).filter(|e| e.expires_at > now.0)
    }

    fn sweep(&mut self, now: Time) {
        if self.entries.len() >= self.sweep_at.max(SWEEP_FROM) {
            self.entries.retain(|_, e| e.expires_at > now.0);
            self.sweep_at = self.entries.len() * 2;
        }
    }
}

impl Entry {
    fn text(value: &str, ttl_ms: i64, now: Time) -> Self {
        Self { value: Value::Text(value.to_owned()), expires_at: now.0.saturating_add(ttl_ms) }
    }
    fn to_text(&self) -> String {
        match &self.value {
            Value::Count(n) => n.to_string(),
            Value::Text(t) => t.clone(),
        }
    }
}
