//! Carrying settled calls into the books: usage rows, rollups, wallets and counters of one batch in one transaction.
//!
//! Whether a call's row was new decides whether anything else moves for it, so a call that comes a
//! second time (a replayed journal, a repeated settlement) changes nothing.

mod lite;
mod pg;

use std::collections::{BTreeMap, HashSet};

use diesel::QueryResult;

use crate::clock::Time;
use crate::db::Conn;
pub use crate::model::rollup::Sums;
use crate::on;

/// What a call used, in the units prices are in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Input tokens that were neither read from nor written to a cache.
    pub input: i64,
    pub cache_read: i64,
    pub cache_write_5m: i64,
    pub cache_write_1h: i64,
    /// Output tokens, reasoning included.
    pub output: i64,
    /// The part of the output that was reasoning.
    pub reasoning: i64,
    pub audio: i64,
    pub images: i64,
}

impl Counts {
    /// Every token that went in or out.
    pub fn tokens(&self) -> i64 {
        self.input + self.cache_read + self.cache_write_5m + self.cache_write_1h + self.output
    }
}

/// What was said, when recording is on.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Recorded {
    pub system_prompt: String,
    pub user_message: String,
    pub assistant_message: String,
    pub error_message: String,
}

/// A call that has ended, with everything the books need.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Settlement {
    /// Unique; with `at` the identity under which the call is booked once.
    pub call_id: String,
    /// When the call began; the same however often it is settled.
    pub at: Time,
    pub user_id: i64,
    pub key_id: i64,
    /// Zero when no account served it.
    pub account_id: i64,
    /// The model as it was asked for, by which it is billed.
    pub model: String,
    pub upstream_model: String,
    /// The client's dialect (`anthropic`, `openai`, `gemini` …).
    pub dialect: String,
    /// What was asked (`messages`, `chat`, `embeddings` …).
    pub operation: String,
    pub stream: bool,
    /// The HTTP status the client saw.
    pub status: i64,
    pub error_code: String,
    pub counts: Counts,
    /// What the caller pays, and the same before group and user ratios; micro-dollars.
    pub cost: i64,
    pub raw_cost: i64,
    /// True when the vendor gave no usage and it was counted here.
    pub estimated: bool,
    /// True when the owner's wallet pays; false under a plan or for an unbilled key.
    pub from_wallet: bool,
    pub first_byte_ms: i64,
    pub duration_ms: i64,
    pub ip: String,
    pub client: String,
    /// A JSON object of whatever the caller attached (`accountBookId` …); empty for none.
    pub meta: String,
    pub content: Option<Recorded>,
}

impl Settlement {
    /// True for a call that failed.
    pub fn failed(&self) -> bool {
        !(200..400).contains(&self.status) || !self.error_code.is_empty()
    }
}

impl Sums {
    fn count(&mut self, call: &Settlement) {
        self.requests += 1;
        self.errors += i64::from(call.failed());
        self.counts.add(&call.counts);
        self.cost += call.cost;
        self.raw_cost += call.raw_cost;
        self.first_byte_ms += call.first_byte_ms;
        self.duration_ms += call.duration_ms;
    }
}

impl Counts {
    /// Adds another's counts to these.
    pub fn add(&mut self, other: &Self) {
        self.input += other.input;
        self.cache_read += other.cache_read;
        self.cache_write_5m += other.cache_write_5m;
        self.cache_write_1h += other.cache_write_1h;
        self.output += other.output;
        self.reasoning += other.reasoning;
        self.audio += other.audio;
        self.images += other.images;
    }
}

/// What a batch moves of one user.
#[derive(Clone, Debug, Default)]
pub struct UserSum {
    pub requests: i64,
    pub cost: i64,
    /// What the wallet pays.
    pub paid: i64,
    /// The first call of this user in the batch; names the ledger entry.
    pub first: String,
}

/// What a batch moves of one key or account.
#[derive(Clone, Copy, Debug, Default)]
pub struct SpentSum {
    pub requests: i64,
    pub cost: i64,
    pub last: Time,
}

/// The columns of [`Sums`], as both kinds of rollups have them.
const SUMS: &str = "requests, errors, input, cache_read, cache_write_5m, cache_write_1h, output, reasoning, audio, \
     images, cost, raw_cost, first_byte_ms, duration_ms";

/// How a row of them grows by another.
const GROWN: &str = "requests = t.requests + excluded.requests, errors = t.errors + excluded.errors, \
     input = t.input + excluded.input, cache_read = t.cache_read + excluded.cache_read, \
     cache_write_5m = t.cache_write_5m + excluded.cache_write_5m, \
     cache_write_1h = t.cache_write_1h + excluded.cache_write_1h, output = t.output + excluded.output, \
     reasoning = t.reasoning + excluded.reasoning, audio = t.audio + excluded.audio, \
     images = t.images + excluded.images, cost = t.cost + excluded.cost, raw_cost = t.raw_cost + excluded.raw_cost, \
     first_byte_ms = t.first_byte_ms + excluded.first_byte_ms, duration_ms = t.duration_ms + excluded.duration_ms";

/// A row of `usage_hourly`: hour, key, account, user, model, dialect.
pub type HourKey = (Time, i64, i64, i64, String, String);

/// The sums of the calls that were new, in an order that is the same in every process, so that two
/// batches never wait for each other crosswise.
#[derive(Clone, Debug, Default)]
pub struct Moves {
    pub hourly: BTreeMap<HourKey, Sums>,
    pub totals: BTreeMap<(Time, String, String), Sums>,
    pub users: BTreeMap<i64, UserSum>,
    pub keys: BTreeMap<i64, SpentSum>,
    pub accounts: BTreeMap<i64, SpentSum>,
}

impl Moves {
    fn of<'a>(calls: impl Iterator<Item = &'a Settlement>) -> Self {
        let mut moves = Self::default();
        for call in calls {
            let hour = call.at.hour();
            let place = (hour, call.key_id, call.account_id, call.user_id, call.model.clone(), call.dialect.clone());
            moves.hourly.entry(place).or_default().count(call);
            moves.totals.entry((hour, call.model.clone(), call.dialect.clone())).or_default().count(call);
            let user = moves.users.entry(call.user_id).or_default();
            user.requests += 1;
            user.cost += call.cost;
            if call.from_wallet {
                user.paid += call.cost;
            }
            if user.first.is_empty() {
                user.first.clone_from(&call.call_id);
            }
            for (id, spent) in [(call.key_id, &mut moves.keys), (call.account_id, &mut moves.accounts)] {
                if id != 0 {
                    let spent = spent.entry(id).or_default();
                    spent.requests += 1;
                    spent.cost += call.cost;
                    spent.last = spent.last.max(call.at);
                }
            }
        }
        moves
    }
}

/// A wallet after its part of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paid {
    pub user_id: i64,
    pub amount: i64,
    pub balance: i64,
    pub seq: i64,
}

/// What a batch did.
#[derive(Clone, Debug, Default)]
pub struct Booked {
    pub moves: Moves,
    pub wallets: Vec<Paid>,
    /// How many calls were new.
    pub fresh: usize,
}

/// Writes a batch inside the caller's transaction.
pub async fn book(conn: &mut Conn, calls: std::sync::Arc<Vec<Settlement>>, now: Time) -> QueryResult<Booked> {
    on!(
        conn,
        pg | c | pg::book(c, &calls, now).await,
        lite | c | c.spawn_blocking(move |c| lite::book(c, &calls, now)).await
    )
}

/// The calls of a batch without its own repetitions.
fn distinct(calls: &[Settlement]) -> Vec<&Settlement> {
    let mut seen = HashSet::with_capacity(calls.len());
    calls.iter().filter(|call| seen.insert((call.call_id.as_str(), call.at))).collect()
}

/// The idempotency key of a user's ledger entry for a batch that begins with this call.
fn entry_key(first: &str) -> String {
    format!("usage:{first}")
}

/// What the ledger entry of a batch says.
fn note(requests: i64) -> String {
    if requests == 1 { "1 call".to_owned() } else { format!("{requests} calls") }
}
