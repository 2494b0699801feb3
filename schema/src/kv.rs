//! Counters, leases and short-lived values shared by all processes: in memory, or in Redis.
//!
//! Operations are named for our needs, not for Redis. Both arms keep the same promises, and one test
//! runs against both.

pub mod admission;
mod memory;
mod redis;

use crate::clock::Time;
use crate::error::Result;

/// The store of what is counted and soon forgotten.
#[derive(Clone)]
pub enum Kv {
    Memory(memory::Memory),
    Redis(redis::Redis),
}

/// The outcome of counting one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    pub allowed: bool,
    /// How much is left after this one.
    pub remaining: i64,
    /// When the window ends.
    pub resets_at: Time,
}

impl Kv {
    /// Inside this process only.
    pub fn memory() -> Self {
        Self::Memory(memory::Memory::default())
    }

    /// In Redis, for every process. `space` is put before every name.
    pub async fn redis(url: &str, space: &str) -> Result<Self> {
        Ok(Self::Redis(redis::Redis::connect(url, space).await?))
    }

    /// Counts `n` more under `name` unless that would pass `limit` within a window that began with the
    /// first count: exact under concurrency, and a refused attempt is not counted.
    pub async fn hit(&self, name: &str, n: i64, limit: i64, window_ms: i64, now: Time) -> Result<Hit> {
        match self {
            Self::Memory(m) => Ok(m.hit(name, n, limit, window_ms, now)),
            Self::Redis(r) => r.hit(name, n, limit, window_ms, now).await,
        }
    }

    /// Forgets a counter.
    pub async fn reset(&self, name: &str) -> Result<()> {
        self.forget(name).await
    }

    /// Keeps a value for a while.
    pub async fn put(&self, name: &str, value: &str, ttl_ms: i64, now: Time) -> Result<()> {
        match self {
            Self::Memory(m) => {
                m.put(name, value, ttl_ms, now);
                Ok(())
            }
            Self::Redis(r) => r.put(name, value, ttl_ms).await,
        }
    }

    /// Keeps a value for a while unless there is one already; true when this one was kept.
    pub async fn put_new(&self, name: &str, value: &str, ttl_ms: i64, now: Time) -> Result<bool> {
        match self {
            Self::Memory(m) => Ok(m.put_new(name, value, ttl_ms, now)),
            Self::Redis(r) => r.put_new(name, value, ttl_ms).await,
        }
    }

    /// A kept value.
    pub async fn get(&self, name: &str, now: Time) -> Result<Option<String>> {
        match self {
            Self::Memory(m) => Ok(m.get(name, now)),
            Self::Redis(r) => r.get(name).await,
        }
    }

    /// Takes a kept value away; only one caller gets it.
    pub async fn take(&self, name: &str, now: Time) -> Result<Option<String>> {
        match self {
            Self::Memory(m) => Ok(m.take(name, now)),
            Self::Redis(r) => r.take(name).await,
        }
    }

    /// Forgets a value or counter.
    pub async fn forget(&self, name: &str) -> Result<()> {
        match self {
            Self::Memory(m) => {
                m.forget(name);
                Ok(())
            }
            Self::Redis(r) => r.forget(name).await,
        }
    }

    /// Becomes, or stays, the one holder of a lease for `ttl_ms`.
    pub async fn lease(&self, name: &str, holder: &str, ttl_ms: i64, now: Time) -> Result<bool> {
        match self {
            Self::Memory(m) => Ok(m.lease(name, holder, ttl_ms, now)),
            Self::Redis(r) => r.lease(name, holder, ttl_ms).await,
        }
    }

    /// Gives a lease back early, if it is this holder's.
    pub async fn release(&self, name: &str, holder: &str) -> Result<()> {
        match self {
            Self::Memory(m) => {
                m.release(name, holder);
                Ok(())
            }
            Self::Redis(r) => r.release(name, holder).await,
        }
    }

    /// A round trip, for readiness.
    pub async fn ping(&self) -> Result<()> {
        match self {
            Self::Memory(_) => Ok(()),
            Self::Redis(r) => r.ping().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn memory_keeps_the_promises() {
        promises(&Kv::memory()).await;
    }

    /// The promises both arms keep; the scale tests run this against Redis through the public names.
    async fn promises(kv: &Kv) {
        let now = Time(1_000_000);
        for left in [1, 0] {
            let hit = kv.hit("a", 1, 2, 60_000, now).await.expect("a count");
            assert_eq!((hit.allowed, hit.remaining), (true, left));
        }
        let refused = kv.hit("a", 1, 2, 60_000, now).await.expect("a count");
        assert!(!refused.allowed);
        assert_eq!(refused.resets_at, now.plus(60_000));
        assert!(kv.hit("a", 1, 2, 60_000, now.plus(60_001)).await.expect("a count").allowed);

        assert!(kv.put_new("v", "1", 1_000, now).await.expect("kept"));
        assert!(!kv.put_new("v", "2", 1_000, now).await.expect("kept"));
        assert_eq!(kv.take("v", now).await.expect("taken"), Some("1".into()));
        assert_eq!(kv.take("v", now).await.expect("taken"), None);

        assert!(kv.lease("l", "me", 1_000, now).await.expect("lease"));
        assert!(kv.lease("l", "me", 1_000, now).await.expect("lease"), "the holder renews");
        assert!(!kv.lease("l", "you", 1_000, now).await.expect("lease"));
        kv.release("l", "you").await.expect("released");
        assert!(!kv.lease("l", "you", 1_000, now).await.expect("lease"), "only the holder releases");
        kv.release("l", "me").await.expect("released");
        assert!(kv.lease("l", "you", 1_000, now).await.expect("lease"));
    }
}
