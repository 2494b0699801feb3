//! Points of callers counted in the store that all processes share, so that ten processes do not grant ten
//! times as much.

use std::time::Duration;

use futures_util::future::BoxFuture;
use schema::App;

use crate::transport::bucket::{Budget, CostBuckets, Throttle};

/// Buckets of all processes together.
pub struct SharedBuckets(App);

impl SharedBuckets {
    pub fn new(app: &App) -> Self {
        Self(app.clone())
    }
}

impl CostBuckets for SharedBuckets {
    /// The shared store counts within windows rather than by drops: a window is as long as a bucket takes
    /// to refill. A store that cannot be reached grants.
    fn take<'a>(&'a self, key: &'a str, points: u64, budget: Budget) -> BoxFuture<'a, Throttle> {
        Box::pin(async move {
            let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
            let window = number(budget.max.saturating_mul(1_000) / budget.restore_rate.max(1));
            let now = self.0.clock.now();
            let name = format!("graphql:points:{key}");
            let granted =
                Throttle { max: budget.max, available: budget.max, restore_rate: budget.restore_rate, wait: None };
            match self.0.kv.hit(&name, number(points), number(budget.max), window, now).await {
                Ok(hit) => Throttle {
                    available: u64::try_from(hit.remaining).unwrap_or_default(),
                    wait: (!hit.allowed).then(|| {
                        let wait = hit.resets_at.0.saturating_sub(now.0);
                        Duration::from_millis(u64::try_from(wait).unwrap_or_default())
                    }),
                    ..granted
                },
                Err(cause) => {
                    tracing::warn!(%cause, "points could not be counted");
                    granted
                }
            }
        })
    }
}
