//! Settling a call: booked exactly once, whatever ends it, without waiting for the database.
//!
//! A call that ended is counted against its limits and put into the [`journal`](super::journal); one
//! writer per process carries the journal into the database in batches, one transaction each. What a
//! journal of this machine still holds from a process that died is carried before new calls are taken.

mod carry;
#[cfg(test)]
pub(crate) mod tests;

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::admission::{AccountDays, Days, Ticket};
use super::journal::{self, Journal, Position};
use super::setting::{self, names};
use crate::App;
use crate::bus::{Event, UsedCall};
use crate::error::{Error, Result};
use crate::kv::admission::{Counters, RENEW_MS, Spend};
pub use crate::model::usage::batch::{Counts, Recorded, Settlement};

/// The accounting of one process.
#[derive(Default)]
pub struct Books {
    running: OnceLock<Running>,
    starting: tokio::sync::Mutex<()>,
    /// Held for writing while a batch is carried, for reading while counters are primed from the
    /// database: neither sees the other half done.
    pub(crate) gate: tokio::sync::RwLock<()>,
    /// One caller at a time reads a key's books.
    priming: [tokio::sync::Mutex<()>; 32],
    pub(crate) days: Days,
    pub(crate) accounts: AccountDays,
    /// How busy the last hour was.
    pub(crate) ring: super::report::Ring,
}

impl Books {
    /// Waits for one's turn to read a key's books.
    pub(crate) async fn turn(&self, key_id: i64) -> tokio::sync::MutexGuard<'_, ()> {
        self.priming[key_id.unsigned_abs() as usize % self.priming.len()].lock().await
    }
}

struct Running {
    journal: Arc<Journal<Settlement>>,
    /// Asks the writer not to wait for more.
    urge: Arc<Notify>,
    carried: watch::Receiver<Position>,
    stop: CancellationToken,
    writer: Mutex<Option<tokio::task::JoinHandle<()>>>,
}

/// Carries what dead processes left behind, then starts taking calls. Safe to call twice.
pub async fn start(app: &App) -> Result<()> {
    start_with(app, journal::Bounds::default()).await
}

/// As [`start`], with bounds of the caller's.
pub async fn start_with(app: &App, bounds: journal::Bounds) -> Result<()> {
    let _one = app.books.starting.lock().await;
    if app.books.running.get().is_some() {
        return Ok(());
    }
    super::guard::claim(app).await?;
    // Before the first call is booked, so that it finds its month.
    super::sweep::partition::tend(app).await?;
    let dir = app.config.data_dir.join("journal");
    let unusable = |cause| Error::unavailable(format!("the journal in {} cannot be used", dir.display()), cause);
    let (own, left) = journal::claim(&dir).map_err(unusable)?;
    for slot in &left {
        carry::leftover(app, slot).await?;
    }
    carry::leftover(app, &own).await?;
    for slot in left {
        slot.clear().map_err(unusable)?;
    }
    let bus = app.bus.clone();
    let told = move |calls: &[Settlement]| {
        for call in calls {
            bus.publish_now(Event::Used(Box::new(used(call))));
        }
    };
    let journal = Arc::new(Journal::open(own, bounds, told).map_err(unusable)?);
    let urge = Arc::new(Notify::new());
    let stop = CancellationToken::new();
    let (noted, carried) = watch::channel(Position::default());
    let writer = carry::Writer::new(app.clone(), journal.clone(), urge.clone(), stop.clone(), noted);
    let writer = Mutex::new(Some(tokio::spawn(crate::db::patient(writer.run()))));
    renew_leases(app);
    let _ = app.books.running.set(Running { journal, urge, carried, stop, writer });
    Ok(())
}

/// Books a call and lets its ticket go; returns when the record is durable. Settling the same call
/// again books nothing.
pub async fn record(app: &App, settlement: Settlement, ticket: Option<Ticket>) -> Result<()> {
    let (settlement, spend) = clean(app, settlement);
    let held = ticket.and_then(Ticket::into_held);
    let running = running(app)?;
    // The counters first: a limit must never see the call in neither place.
    let counted = app.counters.spend(&spend, held.as_ref()).await;
    running.journal.append(settlement).await?;
    counted
}

/// As [`record`], without waiting: the record is durable a few milliseconds later. For a call whose
/// client should not wait for the disk.
pub fn submit(app: &App, settlement: Settlement, ticket: Option<Ticket>) -> Result<()> {
    let (settlement, spend) = clean(app, settlement);
    let held = ticket.and_then(Ticket::into_held);
    let running = running(app)?;
    match &app.counters {
        Counters::Memory(counters) => counters.spend(&spend, held.as_ref()),
        Counters::Redis(_) => {
            let counters = app.counters.clone();
            app.spawn(async move {
                if let Err(error) = counters.spend(&spend, held.as_ref()).await {
                    tracing::warn!(cause = error.cause(), "a call could not be counted against its limits");
                }
            });
        }
    }
    running.journal.submit(settlement)
}

/// Refuses new calls while they could not be recorded.
pub fn accepts(app: &App) -> Result<()> {
    match app.books.running.get() {
        Some(running) if !running.journal.is_open() => Err(Error::unavailable(
            "calls cannot be recorded right now; try again later",
            "the journal is full or failing",
        )),
        _ => Ok(()),
    }
}

/// How full the journal is, in per cent of its bound; zero where none runs.
pub fn journal_fill(app: &App) -> u64 {
    app.books.running.get().map_or(0, |running| running.journal.fill())
}

/// Waits until every call settled so far is in the database.
pub async fn flush(app: &App) -> Result<()> {
    let Some(running) = app.books.running.get() else { return Ok(()) };
    let until = running.journal.sync().await?;
    let mut carried = running.carried.clone();
    loop {
        running.urge.notify_one();
        if *carried.borrow_and_update() >= until {
            return Ok(());
        }
        // The writer may have looked before the urge came; ask again rather than hang.
        if let Ok(Err(_)) = tokio::time::timeout(Duration::from_millis(250), carried.changed()).await {
            return Err(Error::unavailable("usage is not being carried", "the writer has ended"));
        }
    }
}

/// Carries what is left, as long as the database answers, and closes the journal.
pub async fn stop(app: &App) {
    let Some(running) = app.books.running.get() else { return };
    // What was submitted a moment ago is not yet where the writer sees it.
    if let Err(error) = running.journal.sync().await {
        tracing::warn!(cause = error.cause(), "the last calls could not be made durable");
    }
    running.stop.cancel();
    running.urge.notify_one();
    let writer = running.writer.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
    if let Some(writer) = writer {
        let limit = Duration::from_secs(app.config.stop_seconds.max(1));
        if tokio::time::timeout(limit, writer).await.is_err() {
            tracing::warn!("stopped with usage left in the journal; the next start carries it");
        }
    }
    running.journal.close().await;
}

fn running(app: &App) -> Result<&Running> {
    app.books
        .running
        .get()
        .ok_or_else(|| Error::unavailable("usage cannot be recorded", "the accounting of this process was not started"))
}

/// Keeps what open calls hold from running out, where that is kept outside this process.
fn renew_leases(app: &App) {
    if matches!(app.counters, Counters::Memory(_)) {
        return;
    }
    let (renewed, stop) = (app.clone(), app.stop.clone());
    app.spawn(async move {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(Duration::from_millis(RENEW_MS)) => {}
            }
            if let Err(error) = renewed.counters.renew(renewed.clock.now()).await {
                tracing::warn!(cause = error.cause(), "what open calls hold could not be renewed");
            }
        }
    });
}

/// What subscribers see.
fn used(call: &Settlement) -> UsedCall {
    UsedCall {
        call_id: call.call_id.clone(),
        at: call.at.0,
        user_id: call.user_id,
        key_id: call.key_id,
        account_id: call.account_id,
        model: call.model.clone(),
        dialect: call.dialect.clone(),
        stream: call.stream,
        status: call.status,
        input: call.counts.input,
        output: call.counts.output,
        cache_read: call.counts.cache_read,
        cache_write: call.counts.cache_write_5m + call.counts.cache_write_1h,
        cost: call.cost,
        raw_cost: call.raw_cost,
        first_byte_ms: call.first_byte_ms,
        duration_ms: call.duration_ms,
        estimated: call.estimated,
    }
}

/// Makes a settlement fit the tables whatever the wire held, and says what it spends.
fn clean(app: &App, mut call: Settlement) -> (Settlement, Spend) {
    for (text, most) in [
        (&mut call.call_id, 64),
        (&mut call.model, 200),
        (&mut call.upstream_model, 200),
        (&mut call.dialect, 32),
        (&mut call.operation, 64),
        (&mut call.error_code, 100),
        (&mut call.ip, 64),
        (&mut call.client, 300),
    ] {
        cut(text, most);
    }
    call.meta = document(&call.meta);
    let counts = &mut call.counts;
    for count in [
        &mut counts.input,
        &mut counts.cache_read,
        &mut counts.cache_write_5m,
        &mut counts.cache_write_1h,
        &mut counts.output,
        &mut counts.reasoning,
        &mut counts.audio,
        &mut counts.images,
        &mut call.cost,
        &mut call.raw_cost,
        &mut call.first_byte_ms,
        &mut call.duration_ms,
    ] {
        // A vendor's nonsense must not make sums overflow.
        *count = (*count).clamp(0, MOST);
    }
    if call.content.is_some() {
        let settings = setting::current(app);
        if settings.bool(names::RECORD_CONTENT) {
            let most = usize::try_from(settings.int(names::RECORD_CONTENT_CHARS)).unwrap_or_default();
            if let Some(said) = &mut call.content {
                for text in [
                    &mut said.system_prompt,
                    &mut said.user_message,
                    &mut said.assistant_message,
                    &mut said.error_message,
                ] {
                    cut(text, most);
                }
            }
        } else {
            call.content = None;
        }
    }
    let spend = Spend {
        key_id: call.key_id,
        user_id: call.user_id,
        at: call.at,
        cost: call.cost,
        tokens: call.counts.tokens(),
        from_wallet: call.from_wallet,
        weekly: weekly(&call),
        served: call.status < 400,
    };
    (call, spend)
}

/// True for a call that counts in its key's week, which is of Claude models only.
fn weekly(call: &Settlement) -> bool {
    call.model.to_ascii_lowercase().contains("claude")
}

/// No single count or cost is larger (a million dollars; a trillion tokens).
const MOST: i64 = 1_000_000_000_000;

/// A document as the tables keep it: a JSON object without blanks, empty when it was none or too large.
fn document(text: &str) -> String {
    if text.len() > 2
        && text.len() <= 8000
        && let Ok(object) = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text)
    {
        return serde_json::Value::Object(object).to_string();
    }
    "{}".to_owned()
}

/// Cuts a text to so many characters and takes out NULs, which PostgreSQL does not store.
fn cut(text: &mut String, most: usize) {
    if text.len() > most
        && let Some((end, _)) = text.char_indices().nth(most)
    {
        text.truncate(end);
    }
    if text.contains('\0') {
        text.retain(|c| c != '\0');
    }
}
