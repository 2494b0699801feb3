//! The writer: takes calls out of the journal and books them, batch by batch.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Settlement;
use crate::App;
use crate::bus::{Event, WalletChange};
use crate::error::{Error, Result};
use crate::kv::admission::{Carried, CarriedKey, CarriedUser};
use crate::metrics::catalogue;
use crate::model::ledger::EntryKind;
use crate::model::usage::batch::{self, Booked};
use crate::service::journal::{Journal, Position, Slot};

/// Most calls of one transaction.
const BATCH: usize = 500;
/// How long a batch that is not full waits for more.
const LINGER: Duration = Duration::from_millis(200);
/// How often the journal is told how far it was carried.
const NOTE: Duration = Duration::from_secs(1);
/// How often a call that the database refuses, though it answers, is tried before it is set aside.
const TRIES: u32 = 5;
/// How full a journal is when the administrator is told.
const ALARM_AT: u64 = 50;

/// Books a batch in one transaction, lets the counters know, and tells of the wallets.
pub(super) async fn book(app: &App, calls: &Arc<Vec<Settlement>>) -> Result<()> {
    let now = app.clock.now();
    let booked = {
        let _gate = app.books.gate.write().await;
        let mut tx = app.db.begin().await?;
        let booked = match batch::book(&mut tx, calls.clone(), now).await {
            Ok(booked) => booked,
            Err(cause) => {
                // The refusal is what matters; a connection that cannot even roll back is thrown away.
                let _ = tx.rollback().await;
                return Err(cause.into());
            }
        };
        tx.commit().await?;
        if let Err(error) = app.counters.carried(&carried(calls, &booked)).await {
            tracing::warn!(cause = error.cause(), "the limits were not told of booked calls");
        }
        booked
    };
    catalogue::USAGE_WRITTEN.add(booked.fresh as u64);
    for paid in booked.wallets {
        let change = WalletChange {
            user_id: paid.user_id,
            balance: paid.balance,
            seq: paid.seq,
            entry_kind: EntryKind::Consumption.as_str().to_owned(),
            amount: -paid.amount,
            at: now.0,
        };
        app.bus.publish(Event::WalletChanged(change)).await;
    }
    Ok(())
}

/// What is no longer unwritten: everything in the batch, also what an earlier attempt had booked.
fn carried(calls: &[Settlement], booked: &Booked) -> Carried {
    let mut keys = std::collections::BTreeMap::<i64, CarriedKey>::new();
    let mut users = std::collections::BTreeMap::<i64, CarriedUser>::new();
    for call in calls {
        let key = keys.entry(call.key_id).or_default();
        key.key_id = call.key_id;
        key.requests += 1;
        key.cost += call.cost;
        key.weekly_cost += if super::weekly(call) { call.cost } else { 0 };
        key.tokens += call.counts.tokens();
        let user = users.entry(call.user_id).or_default();
        user.user_id = call.user_id;
        user.requests += 1;
        user.cost += call.cost;
        if call.from_wallet {
            user.paid += call.cost;
        }
    }
    for paid in &booked.wallets {
        if let Some(user) = users.get_mut(&paid.user_id) {
            user.wallet = Some((paid.balance, paid.seq));
        }
    }
    Carried { keys: keys.into_values().collect(), users: users.into_values().collect() }
}

/// Carries everything a dead process left in a slot.
pub async fn leftover(app: &App, slot: &Slot) -> Result<()> {
    let unreadable = |cause| Error::unavailable("the journal cannot be read", cause);
    let Some(first) = slot.first().map_err(unreadable)? else { return Ok(()) };
    let mut at = slot.noted().max(first);
    let end = slot.end().map_err(unreadable)?;
    let mut found = 0;
    while at < end {
        let (calls, reached) = slot.read::<Settlement>(at, BATCH).map_err(unreadable)?;
        found += calls.len();
        carry(app, calls, &app.stop).await?;
        at = reached;
    }
    app.db.settle_to_disk().await?;
    slot.note(at).map_err(unreadable)?;
    tracing::info!(calls = found, slot = %slot.dir().display(), "carried the calls an earlier process had left");
    Ok(())
}

/// Books calls, patiently while the database is away, in smaller parts while it refuses, and sets a
/// call aside that it refuses for good. An error means that it was told to stop.
async fn carry(app: &App, calls: Vec<Settlement>, stop: &CancellationToken) -> Result<()> {
    let mut parts = vec![calls];
    while let Some(part) = parts.pop() {
        if part.is_empty() {
            continue;
        }
        let part = Arc::new(part);
        let mut tries = 0;
        let mut wait = Duration::from_millis(50);
        loop {
            let Err(error) = book(app, &part).await else { break };
            tries += 1;
            tracing::error!(cause = error.cause(), calls = part.len(), tries, "calls could not be booked");
            if stop.is_cancelled() {
                return Err(error);
            }
            let refused = !matches!(error, Error::Unavailable { .. });
            if refused && part.len() > 1 && tries >= 2 {
                // Newest first on the stack, so that the older half is booked first.
                let (older, newer) = part.split_at(part.len() / 2);
                parts.push(newer.to_vec());
                parts.push(older.to_vec());
                break;
            }
            if refused && tries >= TRIES && writable(app).await {
                set_aside(app, &part, &error)?;
                break;
            }
            if tries == TRIES {
                alert(
                    app,
                    "DATABASE_AWAY",
                    "settled calls cannot be written to the database; they wait in the journal",
                );
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = stop.cancelled() => {}
            }
            wait = (wait * 2).min(Duration::from_secs(5));
        }
    }
    Ok(())
}

/// True when the database takes writes, so that a refusal is about the call itself.
async fn writable(app: &App) -> bool {
    let attempt = async {
        let mut tx = app.db.begin().await?;
        crate::model::lease::touch(&mut tx, "books.probe", app.clock.now()).await?;
        tx.commit().await
    };
    attempt.await.is_ok()
}

/// Keeps a call that cannot be booked where a person can look at it.
fn set_aside(app: &App, calls: &[Settlement], error: &Error) -> Result<()> {
    let path = app.config.data_dir.join("journal").join("refused.jsonl");
    let write = || -> std::io::Result<()> {
        use std::os::unix::fs::OpenOptionsExt;
        let mut file = std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(&path)?;
        for call in calls {
            writeln!(file, "{}", serde_json::to_string(call)?)?;
        }
        file.sync_data()
    };
    write().map_err(|cause| Error::unavailable("a call could not be set aside", cause))?;
    tracing::error!(cause = error.cause(), file = %path.display(), "a call was set aside");
    alert(app, "CALL_NOT_BOOKED", &format!("a settled call could not be booked and was written to {}", path.display()));
    Ok(())
}

fn alert(app: &App, code: &str, message: &str) {
    let event = Event::Alert {
        level: "error".to_owned(),
        code: code.to_owned(),
        message: message.to_owned(),
        at: app.clock.now().0,
    };
    app.bus.publish_now(event);
}

/// The task that empties the journal.
pub struct Writer {
    app: App,
    journal: Arc<Journal<Settlement>>,
    urge: Arc<Notify>,
    stop: CancellationToken,
    carried: watch::Sender<Position>,
    /// Carried, but not yet noted in the journal.
    unnoted: Option<Position>,
    noted_at: Instant,
    alarmed: bool,
}

impl Writer {
    pub fn new(
        app: App,
        journal: Arc<Journal<Settlement>>,
        urge: Arc<Notify>,
        stop: CancellationToken,
        carried: watch::Sender<Position>,
    ) -> Self {
        Self { app, journal, urge, stop, carried, unnoted: None, noted_at: Instant::now(), alarmed: false }
    }

    /// Runs until told to stop and nothing is left, or the database is away then.
    pub async fn run(mut self) {
        loop {
            self.alarm();
            self.gather().await;
            let (calls, reached) = match self.journal.take(BATCH).await {
                Ok(taken) => taken,
                Err(error) => {
                    tracing::error!(cause = error.cause(), "the journal cannot be read");
                    tokio::time::sleep(LINGER).await;
                    continue;
                }
            };
            let idle = calls.is_empty();
            if !idle {
                self.unnoted = Some(reached);
                if carry(&self.app, calls, &self.stop).await.is_err() {
                    return;
                }
            }
            self.carried.send_if_modified(|at| std::mem::replace(at, reached) != reached);
            if self.noted_at.elapsed() >= NOTE || (idle && self.stop.is_cancelled()) {
                self.note().await;
            }
            if idle && self.stop.is_cancelled() {
                return;
            }
        }
    }

    /// Waits for calls, then a little longer for more of them.
    async fn gather(&self) {
        let mut deadline = (self.journal.ready() > 0).then(|| Instant::now() + LINGER);
        while self.journal.ready() < BATCH && !self.stop.is_cancelled() {
            let until = deadline.or(self.unnoted.map(|_| self.noted_at + NOTE));
            let pause = async {
                match until {
                    Some(until) => tokio::time::sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = pause => return,
                () = self.urge.notified() => return,
                () = self.stop.cancelled() => return,
                () = self.journal.arrived() => {
                    if deadline.is_none() && self.journal.ready() > 0 {
                        deadline = Some(Instant::now() + LINGER);
                    }
                }
            }
        }
    }

    async fn note(&mut self) {
        let Some(to) = self.unnoted else { return };
        let noted = async {
            self.app.db.settle_to_disk().await?;
            self.journal.carried(to).await
        };
        match noted.await {
            Ok(()) => self.unnoted = None,
            Err(error) => tracing::warn!(cause = error.cause(), "the journal could not be shortened"),
        }
        self.noted_at = Instant::now();
    }

    fn alarm(&mut self) {
        catalogue::JOURNAL_BYTES.set(self.journal.bytes());
        let alarming = self.journal.is_failing() || self.journal.fill() >= ALARM_AT;
        if alarming && !self.alarmed {
            let fill = self.journal.fill();
            alert(&self.app, "JOURNAL_FILLING", &format!("the usage journal is {fill} % full or cannot be written"));
        }
        self.alarmed = alarming;
    }
}
