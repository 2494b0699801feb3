//! How accounts are doing, as this process has seen it: rests by blame, and vendors that keep failing.
//!
//! What is learned here counts at once; the database and the other processes are told by a queue, off the
//! path of calls. A vendor's first failures only put an account behind others; a row of them makes it rest,
//! after which one call tries it before the others follow.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use schema::model::account::Health;
use schema::service::account::{self, Mark};
use schema::service::directory::AccountView;
use schema::{App, Time};
use tokio::sync::mpsc;

use crate::provider::blame::{Blame, Fault, Reason, Scope, pause};

/// How many failures of a vendor in a row make an account rest.
const ROW: u32 = 5;
/// Longest rest of an account whose vendor keeps failing.
const LONGEST: i64 = 2 * 60_000;
/// How long a key that was refused is passed over, where the account has others.
const KEY: i64 = 30 * 60_000;
/// How many marks may wait for the database.
const QUEUE: usize = 4_096;

/// What stands against an account for a model, beyond its health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing.
    Free,
    /// Its vendor has failed of late: only if there is no other.
    Doubtful,
    /// This model, or its family, rests until then (epoch milliseconds).
    Rests(i64),
}

#[derive(Debug, Default)]
struct Cell {
    /// Parts of the account that rest, until when.
    rests: Vec<(Scope, String, i64)>,
    /// Keys that were refused, until when they are passed over.
    keys: Vec<(usize, i64)>,
    /// Failures of the vendor in a row.
    row: u32,
    /// When the last of them is forgotten.
    doubtful_until: i64,
}

/// What the database is told.
struct Note {
    account: i64,
    health: Health,
    until: Option<i64>,
    why: String,
    status: u16,
}

/// A failure as it was found.
pub struct Found<'a> {
    /// Whose fault.
    pub blame: &'a Blame,
    /// The vendor's status; 0 where it gave none.
    pub status: u16,
    /// Why, in words that hold no secret.
    pub why: &'a str,
    /// The vendor's name of the model.
    pub model: &'a str,
    /// The number of the key that was used, and of how many.
    pub key: (usize, usize),
    /// Now, in epoch milliseconds.
    pub now: i64,
}

/// How all accounts are doing.
pub struct Accounts {
    cells: Mutex<HashMap<i64, Cell>>,
    notes: mpsc::Sender<Note>,
}

impl Accounts {
    /// Starts telling the database of what is noted here.
    pub fn start(app: &App) -> Self {
        let (notes, queue) = mpsc::channel(QUEUE);
        app.spawn(tell(app.clone(), queue));
        Self { cells: Mutex::default(), notes }
    }

    /// What stands against an account for a model.
    pub fn standing(&self, account: i64, model: &str, now: i64) -> Standing {
        let mut cells = self.cells();
        let Some(cell) = cells.get_mut(&account) else { return Standing::Free };
        cell.rests.retain(|(_, _, until)| *until > now);
        let rests = cell.rests.iter().filter(|(scope, of, _)| concerns(*scope, of, model));
        match rests.map(|(_, _, until)| *until).max() {
            Some(until) => Standing::Rests(until),
            None if cell.doubtful_until > now => Standing::Doubtful,
            None => Standing::Free,
        }
    }

    /// Whether a key of an account was refused of late.
    pub fn refuses_key(&self, account: i64, key: usize, now: i64) -> bool {
        self.cells().get(&account).is_some_and(|cell| cell.keys.iter().any(|(at, until)| *at == key && *until > now))
    }

    /// An account has answered.
    pub fn works(&self, view: &AccountView, now: Time) {
        let account = view.account.id;
        {
            let mut cells = self.cells();
            if let Some(cell) = cells.get_mut(&account) {
                cell.row = 0;
                cell.doubtful_until = 0;
                if cell.rests.is_empty() && cell.keys.is_empty() {
                    cells.remove(&account);
                }
            }
        }
        if view.live.state(now).health != Health::Ok {
            view.live.set_health(Health::Ok, None);
            self.note(Note { account, health: Health::Ok, until: None, why: String::new(), status: 200 });
        }
    }

    /// An account has failed.
    pub fn failed(&self, view: &AccountView, found: &Found<'_>) {
        // The operator wants this account in service whatever it does.
        if view.account.options.protection_off {
            return;
        }
        match found.blame {
            Blame::Caller => {}
            Blame::Account(Fault::Cooling { until, scope }) => self.rest(view, *scope, *until, found),
            Blame::Account(Fault::Blocked(reason)) => self.block(view, *reason, found),
            Blame::Account(Fault::RefreshToken) => self.rest(view, Scope::Account, found.now + pause::FAILURE, found),
            Blame::Vendor { until } => self.vendor(view, *until, found),
        }
    }

    /// Somebody has changed the account, or declared it well: what was seen counts no more.
    pub fn forget(&self, account: i64) {
        self.cells().remove(&account);
    }

    /// Everything may have changed.
    pub fn forget_all(&self) {
        self.cells().clear();
    }

    fn rest(&self, view: &AccountView, scope: Scope, until: i64, found: &Found<'_>) {
        if until <= found.now {
            return;
        }
        let account = view.account.id;
        let (key, keys) = found.key;
        if scope == Scope::Account && keys > 1 && self.other_keys(account, key, keys, until, found.now) {
            return;
        }
        if scope == Scope::Account {
            view.live.set_health(Health::Cooling, Some(Time(until)));
            self.note(Note {
                account,
                health: Health::Cooling,
                until: Some(until),
                why: found.why.to_owned(),
                status: found.status,
            });
        } else {
            self.cells().entry(account).or_default().rests.push((scope, found.model.to_owned(), until));
        }
    }

    fn block(&self, view: &AccountView, reason: Reason, found: &Found<'_>) {
        let account = view.account.id;
        let (key, keys) = found.key;
        if keys > 1 && self.other_keys(account, key, keys, found.now + KEY, found.now) {
            return;
        }
        view.live.set_health(Health::Blocked, None);
        let why = format!("{reason} ({})", found.why);
        self.note(Note { account, health: Health::Blocked, until: None, why, status: found.status });
    }

    /// Passes one of several keys over; false when there is none left.
    fn other_keys(&self, account: i64, key: usize, keys: usize, until: i64, now: i64) -> bool {
        let mut cells = self.cells();
        let cell = cells.entry(account).or_default();
        cell.keys.retain(|(at, until)| *at != key && *until > now);
        cell.keys.push((key, until));
        cell.keys.len() < keys
    }

    fn vendor(&self, view: &AccountView, until: i64, found: &Found<'_>) {
        let account = view.account.id;
        let rests_until = {
            let mut cells = self.cells();
            let cell = cells.entry(account).or_default();
            cell.row = cell.row.saturating_add(1);
            cell.doubtful_until = until;
            let Some(beyond) = cell.row.checked_sub(ROW) else { return };
            let pause = (until - found.now).max(pause::FAILURE).saturating_mul(1 << beyond.min(6)).min(LONGEST);
            until.max(found.now + pause)
        };
        view.live.set_health(Health::Cooling, Some(Time(rests_until)));
        let why = found.why.to_owned();
        self.note(Note { account, health: Health::Cooling, until: Some(rests_until), why, status: found.status });
    }

    fn note(&self, note: Note) {
        // When the database is that far behind, the next failure will say it again.
        let _full = self.notes.try_send(note);
    }

    fn cells(&self) -> MutexGuard<'_, HashMap<i64, Cell>> {
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn concerns(scope: Scope, of: &str, model: &str) -> bool {
    match scope {
        Scope::Account => true,
        Scope::Model => of == model,
        Scope::Family(word) => model.contains(word),
    }
}

async fn tell(app: App, mut queue: mpsc::Receiver<Note>) {
    loop {
        let note = tokio::select! {
            () = app.stop.cancelled() => return,
            note = queue.recv() => note,
        };
        let Some(note) = note else { return };
        let mark = Mark { health: note.health, cool_until: note.until.map(Time), note: &note.why, status: note.status };
        if let Err(error) = account::mark(&app, note.account, mark).await {
            tracing::warn!(account = note.account, cause = error.cause(), "an account's health could not be noted");
        }
    }
}
