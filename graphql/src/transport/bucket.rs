//! Points per caller: a bucket that refills by the second. `CostBuckets` is the seam behind which the
//! count may be kept in this process or in a store that several processes share.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;

/// What a caller's bucket holds and how fast it refills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Points of a full bucket.
    pub max: u64,
    /// Points that come back per second.
    pub restore_rate: u64,
}

/// The state of a bucket after a take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttle {
    /// Points of a full bucket.
    pub max: u64,
    /// Points left.
    pub available: u64,
    /// Points that come back per second.
    pub restore_rate: u64,
    /// `None` when the points were granted; otherwise how long to wait for them.
    pub wait: Option<Duration>,
}

/// Buckets by key. A store that cannot be reached should grant, not refuse.
pub trait CostBuckets: Send + Sync + 'static {
    /// Takes `points` from the bucket `key`, all or none.
    fn take<'a>(&'a self, key: &'a str, points: u64, budget: Budget) -> BoxFuture<'a, Throttle>;
}

/// What a bucket holds now, given what it held `elapsed` ago, and whether `points` can be taken.
/// Returns the points left; pure, so that every store counts alike.
pub fn settle(held: f64, elapsed: Duration, points: u64, budget: Budget) -> (f64, Throttle) {
    let max = budget.max as f64;
    let rate = budget.restore_rate as f64;
    let now = (held + elapsed.as_secs_f64() * rate).min(max);
    let wanted = points as f64;
    let (left, wait) = if wanted <= now {
        (now - wanted, None)
    } else if rate > 0.0 {
        // What can never be there at once is told the time to a full bucket.
        let short = (wanted.min(max) - now).max(0.0);
        (now, Some(Duration::from_secs_f64(short / rate)))
    } else {
        (now, Some(Duration::from_secs(3600)))
    };
    let throttle = Throttle { max: budget.max, available: left as u64, restore_rate: budget.restore_rate, wait };
    (left, throttle)
}

const SHARDS: usize = 16;
/// Buckets a shard may hold before full ones are forgotten.
const SHARD_SIZE: usize = 4096;

struct Bucket {
    held: f64,
    at: Instant,
    budget: Budget,
}

/// Buckets of this process.
pub struct LocalBuckets {
    hasher: RandomState,
    shards: [Mutex<HashMap<String, Bucket>>; SHARDS],
}

impl Default for LocalBuckets {
    fn default() -> Self {
        Self { hasher: RandomState::new(), shards: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl LocalBuckets {
    fn take_at(&self, now: Instant, key: &str, points: u64, budget: Budget) -> Throttle {
        let shard = self.hasher.hash_one(key) as usize % SHARDS;
        let mut shard = self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner);
        if shard.len() >= SHARD_SIZE && !shard.contains_key(key) {
            shard.retain(|_, bucket| {
                let (left, _) = settle(bucket.held, now.saturating_duration_since(bucket.at), 0, bucket.budget);
                left < bucket.budget.max as f64
            });
        }
        let bucket = shard.entry(key.to_owned()).or_insert(Bucket { held: budget.max as f64, at: now, budget });
        let (left, throttle) = settle(bucket.held, now.saturating_duration_since(bucket.at), points, budget);
        *bucket = Bucket { held: left, at: now, budget };
        throttle
    }
}

impl CostBuckets for LocalBuckets {
    fn take<'a>(&'a self, key: &'a str, points: u64, budget: Budget) -> BoxFuture<'a, Throttle> {
        let throttle = self.take_at(Instant::now(), key, points, budget);
        Box::pin(std::future::ready(throttle))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: Budget = Budget { max: 100, restore_rate: 10 };

    #[test]
    fn refills_by_the_second_and_takes_all_or_nothing() {
        let buckets = LocalBuckets::default();
        let start = Instant::now();
        let take =
            |after: u64, key: &str, points| buckets.take_at(start + Duration::from_secs(after), key, points, BUDGET);
        assert_eq!(take(0, "a", 80).available, 20);
        let refused = take(0, "a", 50);
        assert_eq!((refused.available, refused.wait), (20, Some(Duration::from_secs(3))));
        assert_eq!(take(0, "b", 80).wait, None);
        let granted = take(3, "a", 50);
        assert_eq!((granted.available, granted.wait), (0, None));
        assert_eq!(take(3600, "a", 0).available, 100);
        // A clock that went back takes nothing away.
        assert_eq!(take(1, "a", 0).available, 100);
    }

    #[test]
    fn a_wish_beyond_the_bucket_is_told_a_finite_wait() {
        let buckets = LocalBuckets::default();
        let now = Instant::now();
        buckets.take_at(now, "a", 100, BUDGET);
        let refused = buckets.take_at(now, "a", 500, BUDGET);
        assert_eq!(refused.wait, Some(Duration::from_secs(10)));
    }

    #[test]
    fn full_buckets_are_forgotten_before_the_table_grows() {
        let buckets = LocalBuckets::default();
        let start = Instant::now();
        for index in 0..SHARDS * SHARD_SIZE * 2 {
            let now = start + Duration::from_secs(index as u64 / 1000);
            buckets.take_at(now, &index.to_string(), 10, BUDGET);
        }
        for shard in &buckets.shards {
            assert!(shard.lock().expect("not poisoned").len() <= SHARD_SIZE + 1);
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn concurrent_takers_never_get_more_than_there_is() {
        let buckets = std::sync::Arc::new(LocalBuckets::default());
        let budget = Budget { max: 100, restore_rate: 0 };
        let takers: Vec<_> = (0..50)
            .map(|_| {
                let buckets = buckets.clone();
                tokio::spawn(async move { buckets.take("a", 7, budget).await.wait.is_none() })
            })
            .collect();
        let mut granted = 0;
        for taker in takers {
            granted += usize::from(taker.await.expect("the taker ends"));
        }
        assert_eq!(granted, 14);
    }
}
