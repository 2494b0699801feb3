//! The Redis arm: every operation one round trip, what must be atomic in a script.

use std::sync::LazyLock;

use redis::aio::ConnectionManager;
use redis::{AsyncCommands, Script};

use super::Hit;
use crate::clock::Time;
use crate::error::{Error, Result};

#[derive(Clone)]
pub struct Redis {
    conn: ConnectionManager,
    space: String,
}

/// KEYS[1] counter; ARGV n, limit, window ms. Answers {allowed, used, ms left}.
static HIT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"local used = tonumber(redis.call('GET', KEYS[1]) or '0')
          local n, limit = tonumber(ARGV[1]), tonumber(ARGV[2])
          local left = redis.call('PTTL', KEYS[1])
          if left < 0 then left = tonumber(ARGV[3]) used = 0 end
          if used + n > limit then return {0, used, left} end
          redis.call('SET', KEYS[1], used + n, 'PX', left)
          return {1, used + n, left}",
    )
});

/// Sets or renews when free or ours.
static LEASE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"local holder = redis.call('GET', KEYS[1])
          if holder and holder ~= ARGV[1] then return 0 end
          redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
          return 1",
    )
});

/// Deletes only what is ours.
static RELEASE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(r"if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0")
});

pub(super) fn away(cause: redis::RedisError) -> Error {
    Error::unavailable("the Redis server is not reachable", cause)
}

impl Redis {
    pub async fn connect(url: &str, space: &str) -> Result<Self> {
        let client =
            redis::Client::open(url).map_err(|_| Error::invalid("REDIS_URL", "REDIS_URL is no Redis address"))?;
        let told = |e| Error::unavailable("REDIS_URL: the Redis server is not reachable", e);
        let conn = client.get_connection_manager().await.map_err(told)?;
        Ok(Self { conn, space: space.to_owned() })
    }

    pub(super) fn conn(&self) -> ConnectionManager {
        self.conn.clone()
    }

    pub(super) fn key(&self, name: &str) -> String {
        format!("{}{name}", self.space)
    }

    pub async fn hit(&self, name: &str, n: i64, limit: i64, window_ms: i64, now: Time) -> Result<Hit> {
        let (allowed, used, left): (i64, i64, i64) = HIT
            .key(self.key(name))
            .arg(n)
            .arg(limit)
            .arg(window_ms.max(1))
            .invoke_async(&mut self.conn.clone())
            .await
            .map_err(away)?;
        Ok(Hit { allowed: allowed == 1, remaining: (limit - used).max(0), resets_at: now.plus(left) })
    }

    pub async fn put(&self, name: &str, value: &str, ttl_ms: i64) -> Result<()> {
        self.conn.clone().pset_ex::<_, _, ()>(self.key(name), value, ttl_ms.max(1) as u64).await.map_err(away)
    }

    pub async fn put_new(&self, name: &str, value: &str, ttl_ms: i64) -> Result<bool> {
        let options = redis::SetOptions::default()
            .conditional_set(redis::ExistenceCheck::NX)
            .with_expiration(redis::SetExpiry::PX(ttl_ms.max(1) as u64));
        let set: Option<String> = self.conn.clone().set_options(self.key(name), value, options).await.map_err(away)?;
        Ok(set.is_some())
    }

    pub async fn get(&self, name: &str) -> Result<Option<String>> {
        self.conn.clone().get(self.key(name)).await.map_err(away)
    }

    pub async fn take(&self, name: &str) -> Result<Option<String>> {
        self.conn.clone().get_del(self.key(name)).await.map_err(away)
    }

    pub async fn forget(&self, name: &str) -> Result<()> {
        self.conn.clone().del::<_, ()>(self.key(name)).await.map_err(away)
    }

    pub async fn lease(&self, name: &str, holder: &str, ttl_ms: i64) -> Result<bool> {
        let held: i64 = LEASE
            .key(self.key(name))
            .arg(holder)
            .arg(ttl_ms.max(1))
            .invoke_async(&mut self.conn.clone())
            .await
            .map_err(away)?;
        Ok(held == 1)
    }

    pub async fn release(&self, name: &str, holder: &str) -> Result<()> {
        RELEASE.key(self.key(name)).arg(holder).invoke_async::<i64>(&mut self.conn.clone()).await.map_err(away)?;
        Ok(())
    }

    pub async fn ping(&self) -> Result<()> {
        redis::cmd("PING").query_async::<String>(&mut self.conn.clone()).await.map_err(away)?;
        Ok(())
    }
}
