//! Which account holds a piece of a vendor's state: a response, a conversation, a thread, a cached content; and by
//! which of the account's keys, for a vendor may take each of them for somebody else.
//!
//! The client names it in a later call, which then must go to that account. What was pinned is known here at
//! once and written to the database soon after, so no call waits for the database but the one that names
//! something this process has not seen.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use memchr::memmem;
use schema::clock::DAY;
use schema::model::pin::Pin;
use schema::{App, Result};
use tokio::sync::mpsc;

use super::{Call, Content};
use crate::provider::{Dialect, Operation};

/// How long a pin lives, unless it is said otherwise.
pub const LIFE: i64 = 30 * DAY;
/// How many pins a process remembers.
const REMEMBERED: usize = 100_000;
/// How many may wait for the database.
const QUEUE: usize = 16_384;

/// The scope of sessions that stay with an account because the operator wants it so.
pub const SESSION: &str = "session";
/// The scope of a response's items.
const ITEM: &str = "item";
/// Most items of one response that are pinned.
const ITEMS: usize = 64;

/// A piece of state by its kind and the vendor's name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Held {
    /// What kind of thing.
    pub scope: &'static str,
    /// The vendor's name of it.
    pub name: String,
}

/// Who holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keeper {
    /// The account.
    pub account: i64,
    /// The name of its key, as [`super::ready::Ready::key_name`] gives it; empty where that is not known.
    pub key: String,
}

/// What is pinned where.
pub struct Pins {
    /// Each with the end of its life, in epoch milliseconds.
    known: Mutex<HashMap<(i64, Held), (Keeper, i64)>>,
    writes: mpsc::Sender<Pin>,
}

impl Pins {
    /// Starts writing what is pinned.
    pub fn start(app: &App) -> Self {
        let (writes, queue) = mpsc::channel(QUEUE);
        app.spawn(write(app.clone(), queue));
        Self { known: Mutex::default(), writes }
    }

    /// The account that holds something of a key's.
    pub async fn find(&self, app: &App, key_id: i64, held: &Held) -> Result<Option<Keeper>> {
        let now = app.clock.now();
        if let Some((keeper, end)) = self.known().get(&(key_id, held.clone()))
            && *end > now.0
        {
            return Ok(Some(keeper.clone()));
        }
        let mut conn = app.db.conn().await?;
        let pin = Pin::find(&mut conn, held.scope, key_id, &held.name, now).await?;
        let Some(pin) = pin else { return Ok(None) };
        let keeper = Keeper { account: pin.account_id, key: pin.account_key };
        self.remember(key_id, held.clone(), keeper.clone(), pin.expires_at.0);
        Ok(Some(keeper))
    }

    /// Notes which account holds something of a key's, for so many milliseconds.
    pub fn pin(&self, app: &App, key_id: i64, held: Held, keeper: Keeper, life: i64) {
        let now = app.clock.now();
        let pin = Pin {
            scope: held.scope.to_owned(),
            key_id,
            resource: held.name.clone(),
            account_id: keeper.account,
            account_key: keeper.key.clone(),
            created_at: now,
            expires_at: now.plus(life),
        };
        let account_id = keeper.account;
        self.remember(key_id, held, keeper, now.plus(life).0);
        if self.writes.try_send(pin).is_err() {
            tracing::warn!(key_id, account_id, "a pin is known to this process only: the database is too far behind");
        }
    }

    fn remember(&self, key_id: i64, held: Held, keeper: Keeper, end: i64) {
        let mut known = self.known();
        if known.len() >= REMEMBERED {
            // The database has them all.
            known.clear();
        }
        known.insert((key_id, held), (keeper, end));
    }

    fn known(&self) -> MutexGuard<'_, HashMap<(i64, Held), (Keeper, i64)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn write(app: App, mut queue: mpsc::Receiver<Pin>) {
    let mut batch = Vec::new();
    loop {
        let got = tokio::select! {
            got = queue.recv_many(&mut batch, 256) => got,
            // What is queued by then is still written.
            () = app.stop.cancelled() => {
                queue.close();
                queue.recv_many(&mut batch, QUEUE).await
            }
        };
        if got == 0 {
            return;
        }
        if let Err(error) = put(&app, &batch).await {
            tracing::warn!(cause = error.cause(), pins = batch.len(), "pins could not be written");
        }
        batch.clear();
    }
}

async fn put(app: &App, pins: &[Pin]) -> Result<()> {
    let mut tx = app.db.begin().await?;
    for pin in pins {
        pin.put(&mut tx).await?;
    }
    tx.commit().await
}

/// What a call builds on.
pub fn named(call: &Call) -> Option<Held> {
    let held = |scope, name: &str| (!name.is_empty()).then(|| Held { scope, name: name.chars().take(200).collect() });
    if call.operation == Operation::Stored {
        let mut segments = call.tail.trim_start_matches('/').split('/');
        let scope = match segments.next()? {
            "responses" => "response",
            "conversations" => "conversation",
            "cachedContents" => "cached_content",
            _ => return None,
        };
        return held(scope, segments.next()?);
    }
    let Content::Json(body) = &call.content else { return None };
    match call.dialect {
        Dialect::Responses => {
            if let Some(id) = body.str("previous_response_id").ok().flatten() {
                return held("response", &id);
            }
            let by_name = body.str("conversation").ok().flatten().map(std::borrow::Cow::into_owned);
            match by_name.or_else(|| body.str_in("conversation", "id").ok().flatten()) {
                Some(id) => held("conversation", &id),
                None => held(ITEM, &referred(body.raw("input")?)?),
            }
        }
        Dialect::Messages => held("thread", &body.str_in("thread", "previous_message_id").ok().flatten()?),
        Dialect::Gemini => {
            let name =
                body.str("cachedContent").ok().flatten().or_else(|| body.str("cached_content").ok().flatten())?;
            held("cached_content", name.strip_prefix("cachedContents/").unwrap_or(&name))
        }
        _ => None,
    }
}

/// What the vendor holds from now on, by the beginning of its answer.
pub fn made(call: &Call, answer: &[u8]) -> Option<Held> {
    let (scope, field) = match (call.dialect, call.operation) {
        (Dialect::Responses, Operation::Generate) if keeps_response(call) => ("response", "id"),
        (Dialect::Responses, Operation::Stored)
            if call.method == http::Method::POST && call.tail == "/conversations" =>
        {
            ("conversation", "id")
        }
        (Dialect::Messages, Operation::Generate) if has(call, "thread") => ("thread", "id"),
        (Dialect::Gemini, Operation::Stored) if call.method == http::Method::POST => ("cached_content", "name"),
        _ => return None,
    };
    let name = first_text(answer.get(..4096).unwrap_or(answer), field)?;
    let name = name.strip_prefix("cachedContents/").unwrap_or(&name).to_owned();
    (!name.is_empty()).then_some(Held { scope, name })
}

/// The last item that an input names instead of saying it.
fn referred(input: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Item {
        #[serde(rename = "type", default)]
        kind: Option<String>,
        #[serde(default)]
        id: Option<String>,
    }
    memmem::find(input, b"\"item_reference\"")?;
    let items: Vec<Item> = serde_json::from_slice(input).ok()?;
    items.into_iter().rev().find(|item| item.kind.as_deref() == Some("item_reference"))?.id
}

/// Whether the vendor holds the items of a call's answer from now on.
pub fn keeps_items(call: &Call) -> bool {
    call.dialect == Dialect::Responses && call.operation == Operation::Generate && keeps_response(call)
}

/// Items that the vendor holds, by their ids.
pub fn items(ids: &[String]) -> impl Iterator<Item = Held> {
    let ids = ids.iter().filter(|id| !id.is_empty()).take(ITEMS);
    ids.map(|id| Held { scope: ITEM, name: id.chars().take(200).collect() })
}

fn keeps_response(call: &Call) -> bool {
    !matches!(&call.content, Content::Json(body) if body.bool("store").ok().flatten() == Some(false))
}

fn has(call: &Call, field: &str) -> bool {
    matches!(&call.content, Content::Json(body) if body.has(field))
}

/// The value of the first text member of that name.
fn first_text(json: &[u8], field: &str) -> Option<String> {
    let key = format!("\"{field}\"");
    memmem::find_iter(json, key.as_bytes()).find_map(|at| {
        let rest = json
            .get(at + key.len()..)?
            .trim_ascii_start()
            .strip_prefix(b":")?
            .trim_ascii_start()
            .strip_prefix(b"\"")?;
        let end = memchr::memchr(b'"', rest)?;
        std::str::from_utf8(rest.get(..end)?).ok().map(str::to_owned)
    })
}
