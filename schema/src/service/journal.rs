//! An append-only local log that makes a record durable before anybody relies on it.
//!
//! Many appends become one write and one `fdatasync` on a thread of the journal's own; a reader takes
//! the durable records in order, from memory while it keeps up and from the files when it does not, and
//! says how far it has carried them. What it has carried is deleted; what it has not is read again
//! after a crash. A record may be read twice, never lost: the reader's work must bear repetition.

mod slot;
#[cfg(test)]
mod tests;
mod thread;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{Notify, oneshot};

use crate::error::{Error, Result};
pub use slot::{Position, Slot, claim};

/// What a record must be able to do.
pub trait Record: Serialize + DeserializeOwned + Send + Sync + 'static {}
impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> Record for T {}

/// How a journal behaves.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Size of all files from which [`Journal::is_open`] is false.
    pub most_bytes: u64,
    /// Size at which a file is closed and the next one begun.
    pub segment_bytes: u64,
    /// Least time between two `fdatasync`s: what comes meanwhile shares the next one.
    pub gap: Duration,
    /// How many durable records are kept in memory for the reader.
    pub in_memory: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { most_bytes: 256 << 20, segment_bytes: 8 << 20, gap: Duration::from_millis(10), in_memory: 20_000 }
    }
}

/// Past the bound, records of work already under way are still taken, up to this much more.
const RESERVE: u64 = 64 << 20;

type Done = oneshot::Sender<Result<()>>;

/// A handle to a running journal. Dropping it ends its thread after what was appended is durable.
pub struct Journal<T> {
    shared: Arc<Shared<T>>,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
}

struct Shared<T> {
    bounds: Bounds,
    dir: PathBuf,
    inbox: Mutex<Inbox<T>>,
    wake: Condvar,
    backlog: Mutex<Backlog<T>>,
    arrived: Notify,
    /// Bytes in all files.
    bytes: AtomicU64,
    failing: AtomicBool,
}

struct Inbox<T> {
    waiting: Vec<Item<T>>,
    closed: bool,
}

struct Item<T> {
    /// `None` only asks to be told when everything before it is durable.
    record: Option<T>,
    done: Option<Done>,
}

struct Backlog<T> {
    /// Records for the reader; one that could not be written to a file has no position.
    ready: VecDeque<(T, Option<Position>)>,
    /// True while the files hold durable records that `ready` does not.
    spilled: bool,
    /// Up to where the reader has taken records.
    taken: Position,
    /// Up to where records are durable.
    durable: Position,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn ended() -> Error {
    Error::unavailable("usage cannot be recorded", "the journal has ended")
}

impl<T: Record> Journal<T> {
    /// Opens the journal in a claimed slot and starts its thread. `told` hears of every group of
    /// records right after they became durable; what an earlier process left is not told again.
    pub fn open(slot: Slot, bounds: Bounds, told: impl FnMut(&[T]) + Send + 'static) -> std::io::Result<Self> {
        let start = slot.noted();
        let file = thread::File::begin(&slot)?;
        let shared = Arc::new(Shared {
            bounds,
            dir: slot.dir().to_owned(),
            inbox: Mutex::new(Inbox { waiting: Vec::new(), closed: false }),
            wake: Condvar::new(),
            backlog: Mutex::new(Backlog {
                ready: VecDeque::new(),
                spilled: slot.first()?.is_some_and(|first| first < file.position()),
                taken: start,
                durable: file.position(),
            }),
            arrived: Notify::new(),
            bytes: AtomicU64::new(slot.bytes()?),
            failing: AtomicBool::new(false),
        });
        let thread = {
            let shared = shared.clone();
            let run = move || thread::run(&shared, slot, file, told);
            std::thread::Builder::new().name("journal".into()).spawn(run)?
        };
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Appends a record and waits until it is durable.
    pub async fn append(&self, record: T) -> Result<()> {
        let (done, told) = oneshot::channel();
        self.put(Some(record), Some(done))?;
        told.await.unwrap_or_else(|_| Err(ended()))
    }

    /// Appends a record without waiting; it is durable a few milliseconds later.
    pub fn submit(&self, record: T) -> Result<()> {
        self.put(Some(record), None)
    }

    /// Waits until everything appended so far is durable; answers up to where that is.
    pub async fn sync(&self) -> Result<Position> {
        let (done, told) = oneshot::channel();
        self.put(None, Some(done))?;
        told.await.unwrap_or_else(|_| Err(ended()))?;
        Ok(lock(&self.shared.backlog).durable)
    }

    fn put(&self, record: Option<T>, done: Option<Done>) -> Result<()> {
        if self.shared.bytes.load(Ordering::Relaxed) > self.shared.bounds.most_bytes.saturating_add(RESERVE) {
            return Err(Error::unavailable("usage cannot be recorded", "the journal is full"));
        }
        let first = {
            let mut inbox = lock(&self.shared.inbox);
            if inbox.closed {
                return Err(ended());
            }
            inbox.waiting.push(Item { record, done });
            inbox.waiting.len() == 1
        };
        if first {
            self.shared.wake.notify_one();
        }
        Ok(())
    }

    /// False when new work should be refused: the files have grown to their bound, or cannot be written.
    pub fn is_open(&self) -> bool {
        !self.is_failing() && self.shared.bytes.load(Ordering::Relaxed) < self.shared.bounds.most_bytes
    }

    /// True when the files cannot be written.
    pub fn is_failing(&self) -> bool {
        self.shared.failing.load(Ordering::Relaxed)
    }

    /// How full the journal is, in per cent of its bound.
    pub fn fill(&self) -> u64 {
        self.shared.bytes.load(Ordering::Relaxed).saturating_mul(100) / self.shared.bounds.most_bytes.max(1)
    }

    /// The size of all files.
    pub fn bytes(&self) -> i64 {
        i64::try_from(self.shared.bytes.load(Ordering::Relaxed)).unwrap_or(i64::MAX)
    }

    /// Waits until there may be records to take.
    pub async fn arrived(&self) {
        self.shared.arrived.notified().await;
    }

    /// How many records can be taken at least; zero when there is nothing.
    pub fn ready(&self) -> usize {
        let backlog = lock(&self.shared.backlog);
        if backlog.spilled { usize::MAX } else { backlog.ready.len() }
    }

    /// The next records in order, at most `most`, and up to where they reach. Only one reader may take.
    pub async fn take(&self, most: usize) -> Result<(Vec<T>, Position)> {
        let (from, until) = {
            let mut backlog = lock(&self.shared.backlog);
            if !backlog.ready.is_empty() {
                let n = backlog.ready.len().min(most);
                let mut reached = backlog.taken;
                let records = backlog.ready.drain(..n);
                let records = records.map(|(record, at)| {
                    reached = at.unwrap_or(reached);
                    record
                });
                let records: Vec<T> = records.collect();
                backlog.taken = reached;
                return Ok((records, reached));
            }
            if !backlog.spilled {
                // Everything durable was taken, also where a new segment has begun since.
                backlog.taken = backlog.durable;
                return Ok((Vec::new(), backlog.taken));
            }
            (backlog.taken, backlog.durable)
        };
        let dir = self.shared.dir.clone();
        let read = tokio::task::spawn_blocking(move || slot::read::<T>(&dir, from, until, most)).await;
        let (records, reached) =
            read.map_err(Error::internal)?.map_err(|cause| Error::unavailable("the journal cannot be read", cause))?;
        let mut backlog = lock(&self.shared.backlog);
        backlog.taken = reached;
        backlog.spilled = reached < backlog.durable;
        Ok((records, reached))
    }

    /// Notes that everything up to a position is safe elsewhere, and deletes the files before it.
    pub async fn carried(&self, to: Position) -> Result<()> {
        let dir = self.shared.dir.clone();
        let freed = tokio::task::spawn_blocking(move || slot::note(&dir, to)).await;
        let freed = freed
            .map_err(Error::internal)?
            .map_err(|cause| Error::unavailable("the journal cannot be shortened", cause))?;
        self.shared.bytes.fetch_sub(freed, Ordering::Relaxed);
        Ok(())
    }

    /// Makes everything durable and ends the thread; later appends are refused.
    pub async fn close(&self) {
        self.end();
        let thread = lock(&self.thread).take();
        if let Some(thread) = thread {
            // A panicked thread has said so on the error stream; there is nothing left to wait for.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

impl<T> Journal<T> {
    fn end(&self) {
        lock(&self.shared.inbox).closed = true;
        self.shared.wake.notify_one();
    }
}

impl<T> Drop for Journal<T> {
    fn drop(&mut self) {
        self.end();
    }
}
