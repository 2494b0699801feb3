//! Counts the statements that were sent to each database, so that tests can show that a page of a
//! hundred rows takes no more of them than a page of one.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use diesel::connection::{Instrumentation, InstrumentationEvent};

/// One count a database, by what its pool was opened with. A process opens one, a test run many.
static COUNTS: LazyLock<Mutex<HashMap<String, Arc<AtomicU64>>>> = LazyLock::new(Mutex::default);

fn of(database: &str) -> Arc<AtomicU64> {
    let mut counts = COUNTS.lock().unwrap_or_else(PoisonError::into_inner);
    counts.entry(database.to_owned()).or_default().clone()
}

/// Statements sent so far to the database of this URL, by this process.
pub fn sent(url: &str) -> u64 {
    let database = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:")).unwrap_or(url);
    of(database).load(Ordering::Relaxed)
}

/// What a connection reports its statements to.
pub(super) fn counter(database: &str) -> impl Instrumentation {
    let count = of(database);
    move |event: InstrumentationEvent<'_>| {
        if matches!(event, InstrumentationEvent::StartQuery { .. }) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}
