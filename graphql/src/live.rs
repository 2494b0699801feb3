//! Usage as it happens, counted once for everybody who watches: one listener a process, however many
//! subscriptions there are. A subscription reads the difference of two counts; nothing is asked of the database.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use schema::App;
use schema::bus::{Event, UsedCall};

/// A handle on this process's counts.
#[derive(Clone)]
pub struct Live(Arc<Inner>);

struct Inner {
    app: App,
    started: AtomicBool,
    everybody: Arc<Count>,
    /// Only of people who are watched; the rest is not counted.
    people: Mutex<HashMap<i64, Weak<Count>>>,
}

/// What was counted since the process started; it only grows.
#[derive(Debug, Default)]
pub struct Count {
    requests: AtomicI64,
    errors: AtomicI64,
    input: AtomicI64,
    output: AtomicI64,
    cache_read: AtomicI64,
    cache_write: AtomicI64,
    cost: AtomicI64,
    missed: AtomicI64,
}

/// A reading of a count, or the difference of two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    pub requests: i64,
    pub errors: i64,
    pub input: i64,
    pub output: i64,
    pub cache_read: i64,
    pub cache_write: i64,
    pub cost: i64,
    /// How often events may have been lost.
    pub missed: i64,
}

impl Count {
    fn add(&self, call: &UsedCall) {
        let put = |place: &AtomicI64, n: i64| place.fetch_add(n, Ordering::Relaxed);
        put(&self.requests, 1);
        put(&self.errors, i64::from(call.status >= 400));
        put(&self.input, call.input);
        put(&self.output, call.output);
        put(&self.cache_read, call.cache_read);
        put(&self.cache_write, call.cache_write);
        put(&self.cost, call.cost);
    }

    /// What it shows now.
    pub fn read(&self) -> Reading {
        let get = |place: &AtomicI64| place.load(Ordering::Relaxed);
        Reading {
            requests: get(&self.requests),
            errors: get(&self.errors),
            input: get(&self.input),
            output: get(&self.output),
            cache_read: get(&self.cache_read),
            cache_write: get(&self.cache_write),
            cost: get(&self.cost),
            missed: get(&self.missed),
        }
    }
}

impl Reading {
    /// What was counted since an earlier reading.
    pub fn since(self, earlier: Self) -> Self {
        Self {
            requests: self.requests - earlier.requests,
            errors: self.errors - earlier.errors,
            input: self.input - earlier.input,
            output: self.output - earlier.output,
            cache_read: self.cache_read - earlier.cache_read,
            cache_write: self.cache_write - earlier.cache_write,
            cost: self.cost - earlier.cost,
            missed: self.missed - earlier.missed,
        }
    }
}

impl Live {
    /// Counts nothing until somebody watches.
    pub fn new(app: &App) -> Self {
        Self(Arc::new(Inner {
            app: app.clone(),
            started: AtomicBool::new(false),
            everybody: Arc::default(),
            people: Mutex::default(),
        }))
    }

    /// The count of one person's calls, or of everybody's. It is kept while the answer is held.
    pub fn watch(&self, user: Option<i64>) -> Arc<Count> {
        let count = match user {
            None => self.0.everybody.clone(),
            Some(user) => {
                let mut people = self.0.people.lock().unwrap_or_else(PoisonError::into_inner);
                people.retain(|_, count| count.strong_count() > 0);
                match people.get(&user).and_then(Weak::upgrade) {
                    Some(count) => count,
                    None => {
                        let count = Arc::default();
                        people.insert(user, Arc::downgrade(&count));
                        count
                    }
                }
            }
        };
        if !self.0.started.swap(true, Ordering::SeqCst) {
            self.start();
        }
        count
    }

    fn start(&self) {
        let live = self.clone();
        let mut listener = self.0.app.bus.listen();
        let stop = self.0.app.stop.clone();
        self.0.app.spawn(async move {
            loop {
                let event = tokio::select! {
                    () = stop.cancelled() => return,
                    event = listener.next() => event,
                };
                match event.as_deref() {
                    None => return,
                    Some(Event::Used(call)) => live.count(call),
                    Some(Event::Resync) => live.note_loss(),
                    Some(_) => {}
                }
            }
        });
    }

    fn count(&self, call: &UsedCall) {
        self.0.everybody.add(call);
        let people = self.0.people.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = people.get(&call.user_id).and_then(Weak::upgrade) {
            count.add(call);
        }
    }

    fn note_loss(&self) {
        self.0.everybody.missed.fetch_add(1, Ordering::Relaxed);
        let people = self.0.people.lock().unwrap_or_else(PoisonError::into_inner);
        for count in people.values().filter_map(Weak::upgrade) {
            count.missed.fetch_add(1, Ordering::Relaxed);
        }
    }
}
