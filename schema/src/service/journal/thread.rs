//! The journal's thread: takes what waits, writes it in one piece, makes it durable, tells whoever asked.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::slot::{Position, Slot, encode, path};
use super::{Done, Item, Record, Shared, lock};
use crate::error::{Error, Result};

/// How often a journal that cannot write tries again.
const RETRY: Duration = Duration::from_secs(1);

/// The segment that is being written.
pub struct File {
    dir: PathBuf,
    file: std::fs::File,
    at: Position,
}

impl File {
    /// Begins a new segment after everything a slot holds.
    pub fn begin(slot: &Slot) -> io::Result<Self> {
        let last = slot.end()?.segment.max(slot.noted().segment);
        Self::create(slot.dir().to_owned(), last + 1)
    }
    fn create(dir: PathBuf, segment: u64) -> io::Result<Self> {
        let file = OpenOptions::new().create_new(true).append(true).mode(0o600).open(path(&dir, segment))?;
        // The folder's entry has to be durable too, or the file is gone with the power.
        std::fs::File::open(&dir)?.sync_all()?;
        Ok(Self { dir, file, at: Position { segment, offset: 0 } })
    }
    pub fn position(&self) -> Position {
        self.at
    }
    fn next(&mut self) -> io::Result<()> {
        *self = Self::create(self.dir.clone(), self.at.segment + 1)?;
        Ok(())
    }
    fn write(&mut self, buffer: &[u8]) -> io::Result<()> {
        self.file.write_all(buffer)?;
        self.file.sync_data()?;
        self.at.offset += buffer.len() as u64;
        Ok(())
    }
}

/// Runs until the journal is closed and everything that was appended is durable. Holds the slot's lock.
pub fn run<T: Record>(shared: &Shared<T>, _slot: Slot, mut file: File, mut told: impl FnMut(&[T])) {
    let mut group: Vec<Item<T>> = Vec::new();
    let mut buffer = Vec::new();
    loop {
        if !wait(shared, &mut group) {
            return;
        }
        let began = Instant::now();
        if group.is_empty() {
            recover(shared, &mut file);
            continue;
        }
        write(shared, &mut file, &mut group, &mut buffer, &mut told);
        if let Some(rest) = shared.bounds.gap.checked_sub(began.elapsed()) {
            std::thread::sleep(rest);
        }
    }
}

/// Waits for items; false when there will be none. Returns without any while the journal is failing.
fn wait<T>(shared: &Shared<T>, group: &mut Vec<Item<T>>) -> bool {
    let mut inbox = lock(&shared.inbox);
    while inbox.waiting.is_empty() {
        if inbox.closed {
            return false;
        }
        if shared.failing.load(Ordering::Relaxed) {
            inbox = shared.wake.wait_timeout(inbox, RETRY).unwrap_or_else(PoisonError::into_inner).0;
            if inbox.waiting.is_empty() && !inbox.closed {
                return true;
            }
        } else {
            inbox = shared.wake.wait(inbox).unwrap_or_else(PoisonError::into_inner);
        }
    }
    std::mem::swap(&mut inbox.waiting, group);
    true
}

fn write<T: Record>(
    shared: &Shared<T>,
    file: &mut File,
    group: &mut Vec<Item<T>>,
    buffer: &mut Vec<u8>,
    told: &mut impl FnMut(&[T]),
) {
    buffer.clear();
    let mut records = Vec::with_capacity(group.len());
    let mut ends = Vec::with_capacity(group.len());
    let mut waiting: Vec<Done> = Vec::new();
    for item in group.drain(..) {
        let Some(record) = item.record else {
            waiting.extend(item.done);
            continue;
        };
        match encode(&record, buffer) {
            Ok(()) => {
                ends.push(buffer.len() as u64);
                records.push(record);
                waiting.extend(item.done);
            }
            Err(cause) => tell(item.done, Err(Error::internal(cause))),
        }
    }
    let start = file.position();
    let written = if buffer.is_empty() { Ok(()) } else { put(shared, file, buffer) };
    let outcome = match &written {
        Ok(()) => Ok(()),
        Err(cause) => {
            tracing::error!(%cause, "the journal cannot be written");
            shared.failing.store(true, Ordering::Relaxed);
            Err(Error::unavailable("usage cannot be recorded", cause))
        }
    };
    if !records.is_empty() {
        told(&records);
        // A failed write may have begun a new segment; then the ends do not count anyway.
        let place =
            |end: u64| written.is_ok().then_some(Position { segment: start.segment, offset: start.offset + end });
        let mut backlog = lock(&shared.backlog);
        backlog.durable = file.position();
        if written.is_ok() && (backlog.spilled || backlog.ready.len() + records.len() > shared.bounds.in_memory) {
            backlog.spilled = true;
        } else {
            let placed = records.into_iter().zip(ends).map(|(record, end)| (record, place(end)));
            backlog.ready.extend(placed);
        }
        drop(backlog);
        shared.arrived.notify_one();
    }
    for done in waiting {
        tell(Some(done), outcome.clone());
    }
    if written.is_ok() && file.position().offset >= shared.bounds.segment_bytes {
        // Without a new file the old one just goes on growing.
        if let Err(cause) = file.next() {
            tracing::warn!(%cause, "no new journal segment could be begun");
        }
        lock(&shared.backlog).durable = file.position();
    }
}

fn put<T>(shared: &Shared<T>, file: &mut File, buffer: &[u8]) -> io::Result<()> {
    if shared.failing.load(Ordering::Relaxed) {
        // The end of the old segment is in doubt.
        file.next()?;
    }
    file.write(buffer)?;
    shared.bytes.fetch_add(buffer.len() as u64, Ordering::Relaxed);
    shared.failing.store(false, Ordering::Relaxed);
    Ok(())
}

/// Tries to begin a new segment, so that a journal whose disk has room again takes calls again.
fn recover<T>(shared: &Shared<T>, file: &mut File) {
    if file.next().is_ok() {
        lock(&shared.backlog).durable = file.position();
        shared.failing.store(false, Ordering::Relaxed);
    }
}

fn tell(done: Option<Done>, outcome: Result<()>) {
    if let Some(done) = done {
        // Whoever asked may have gone; the record stays.
        let _ = done.send(outcome);
    }
}
