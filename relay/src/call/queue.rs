//! Waiting for one's turn: calls beyond a key's limit of calls at the same time, where the operator lets them wait.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use schema::App;
use schema::service::admission::{self, Ask, Denied, Limit, Ticket};
use schema::service::setting::{self, names};
use tokio::time::Instant;

use super::engine::Engine;

/// How often a waiting call asks whether it is its turn.
const ASKS: Duration = Duration::from_millis(50);

/// Who waits in this process, and how waiting ended.
#[derive(Debug, Default)]
pub struct Queue {
    waiting: Mutex<HashMap<i64, usize>>,
    entered: AtomicU64,
    served: AtomicU64,
    in_vain: AtomicU64,
    turned_away: AtomicU64,
}

/// How waiting went since this process began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Calls that wait now, by key.
    pub waiting: HashMap<i64, usize>,
    pub entered: u64,
    pub served: u64,
    /// Waited until their patience ended.
    pub in_vain: u64,
    /// Found the queue full.
    pub turned_away: u64,
}

/// A place in the queue, given back when it is dropped.
struct Place<'a> {
    queue: &'a Queue,
    key_id: i64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut waiting = self.queue.lock();
        if let Some(n) = waiting.get_mut(&self.key_id) {
            *n -= 1;
            if *n == 0 {
                waiting.remove(&self.key_id);
            }
        }
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, HashMap<i64, usize>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn enter(&self, key_id: i64, most: usize) -> Option<Place<'_>> {
        let mut waiting = self.lock();
        let n = waiting.entry(key_id).or_default();
        if *n >= most {
            self.turned_away.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        *n += 1;
        self.entered.fetch_add(1, Ordering::Relaxed);
        Some(Place { queue: self, key_id })
    }
    /// How waiting goes.
    pub fn stats(&self) -> Stats {
        let count = |n: &AtomicU64| n.load(Ordering::Relaxed);
        Stats {
            waiting: self.lock().clone(),
            entered: count(&self.entered),
            served: count(&self.served),
            in_vain: count(&self.in_vain),
            turned_away: count(&self.turned_away),
        }
    }
}

fn is_full(outcome: &Result<Ticket, Denied>) -> Option<i64> {
    match outcome {
        Err(Denied::Refused(refusal)) if refusal.kind == Limit::Concurrency => Some(refusal.limit),
        _ => None,
    }
}

/// Admits a call, which may wait while its key has too many open.
pub async fn admit(app: &App, ask: Ask) -> Result<Ticket, Denied> {
    let outcome = admission::admit(app, &ask).await;
    match is_full(&outcome) {
        Some(limit) if setting::current(app).bool(names::KEY_QUEUE) => Box::pin(wait(app, ask, limit, outcome)).await,
        _ => outcome,
    }
}

/// Waits for a free place, if there is room to wait.
async fn wait(app: &App, ask: Ask, limit: i64, mut outcome: Result<Ticket, Denied>) -> Result<Ticket, Denied> {
    let settings = setting::current(app);
    let by_limit = (limit.max(0) as f64 * settings.number(names::KEY_QUEUE_FACTOR)) as usize;
    let most = usize::try_from(settings.int(names::KEY_QUEUE_SIZE)).unwrap_or(0).max(by_limit);
    let engine = Engine::of(app);
    let queue = &engine.queue;
    let Some(_place) = queue.enter(ask.key_id, most) else { return outcome };
    let until = Instant::now() + Duration::from_millis(settings.int(names::KEY_QUEUE_MS).unsigned_abs());
    while is_full(&outcome).is_some() && Instant::now() < until && !app.stop.is_cancelled() {
        tokio::time::sleep(ASKS).await;
        outcome = admission::admit(app, &Ask { now: app.clock.now(), ..ask.clone() }).await;
    }
    let counter = if is_full(&outcome).is_some() { &queue.in_vain } else { &queue.served };
    counter.fetch_add(1, Ordering::Relaxed);
    outcome
}
