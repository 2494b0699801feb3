//! The columns of each list, in order, and how a row is written in either format. What only administrators see
//! in the list is a column only of theirs.

use std::collections::HashMap;

use serde_json::Value;

use crate::clock::Time;
use crate::csv;
use crate::model::api_key::ApiKey;
use crate::model::audit::AuditEntry;
use crate::model::card::Card;
use crate::model::export::ExportFormat;
use crate::model::ledger::LedgerEntry;
use crate::model::order::Order;
use crate::model::request_log::RequestLog;
use crate::model::usage::UsageRow;
use crate::model::user::User;
use crate::money::{Micros, from_minor, minor_digits};

/// What the rows of a page speak of, and the moment they are seen at.
pub struct Known {
    /// People's names.
    pub names: HashMap<i64, String>,
    pub now: Time,
}

impl Known {
    fn name(&self, id: i64) -> Cell {
        self.names.get(&id).map_or(Cell::Nothing, |name| text(name))
    }
}

/// A value of a row.
pub enum Cell {
    Nothing,
    /// Text somebody may have typed.
    Text(String),
    /// A word, amount or moment of ours.
    Word(String),
    Number(i64),
    Bool(bool),
    /// A document.
    Doc(Value),
}

/// A column: its name, whether only administrators see it, and its value in a row.
pub struct Column<R> {
    name: &'static str,
    narrow: bool,
    of: fn(&R, &Known) -> Cell,
}

const fn col<R>(name: &'static str, of: fn(&R, &Known) -> Cell) -> Column<R> {
    Column { name, narrow: false, of }
}

const fn admins<R>(name: &'static str, of: fn(&R, &Known) -> Cell) -> Column<R> {
    Column { name, narrow: true, of }
}

fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}
fn text_if(text: Option<&str>) -> Cell {
    text.map_or(Cell::Nothing, |text| Cell::Text(text.to_owned()))
}
fn word(word: &str) -> Cell {
    Cell::Word(word.to_owned())
}
fn dollars(amount: Micros) -> Cell {
    Cell::Word(amount.decimal())
}
fn minor(amount: i64, currency: &str) -> Cell {
    Cell::Word(format!("{:.*}", minor_digits(currency) as usize, from_minor(amount, currency)))
}
fn at(at: Time) -> Cell {
    Cell::Word(at.rfc3339())
}
fn at_if(moment: Option<Time>) -> Cell {
    moment.map_or(Cell::Nothing, at)
}
fn number_if(number: Option<i64>) -> Cell {
    number.map_or(Cell::Nothing, Cell::Number)
}
fn doc(text: &str) -> Cell {
    Cell::Doc(serde_json::from_str(text).unwrap_or_else(|_| text.into()))
}

pub const USAGE: &[Column<UsageRow>] = &[
    col("callId", |r, _| text(&r.call_id)),
    col("at", |r, _| at(r.at)),
    col("userId", |r, _| Cell::Number(r.user_id)),
    col("username", |r, k| k.name(r.user_id)),
    col("apiKeyId", |r, _| Cell::Number(r.key_id)),
    admins("accountId", |r, _| if r.account_id > 0 { Cell::Number(r.account_id) } else { Cell::Nothing }),
    col("model", |r, _| text(&r.model)),
    admins("upstreamModel", |r, _| text(&r.upstream_model)),
    col("dialect", |r, _| word(&r.dialect)),
    col("operation", |r, _| word(&r.operation)),
    col("stream", |r, _| Cell::Bool(r.stream)),
    col("status", |r, _| Cell::Number(r.status)),
    col("errorCode", |r, _| text(&r.error_code)),
    col("failed", |r, _| Cell::Bool(r.failed())),
    col("inputTokens", |r, _| Cell::Number(r.input)),
    col("outputTokens", |r, _| Cell::Number(r.output)),
    col("reasoningTokens", |r, _| Cell::Number(r.reasoning)),
    col("cacheReadTokens", |r, _| Cell::Number(r.cache_read)),
    col("cacheWrite5mTokens", |r, _| Cell::Number(r.cache_write_5m)),
    col("cacheWrite1hTokens", |r, _| Cell::Number(r.cache_write_1h)),
    col("audioTokens", |r, _| Cell::Number(r.audio)),
    col("images", |r, _| Cell::Number(r.images)),
    col("cost", |r, _| dollars(r.cost)),
    admins("rawCost", |r, _| dollars(r.raw_cost)),
    col("estimated", |r, _| Cell::Bool(r.estimated)),
    col("firstByteMs", |r, _| Cell::Number(r.first_byte_ms)),
    col("durationMs", |r, _| Cell::Number(r.duration_ms)),
    col("ip", |r, _| text(&r.ip)),
    col("client", |r, _| text(&r.client)),
];

pub const LEDGER: &[Column<LedgerEntry>] = &[
    col("id", |r, _| Cell::Number(r.id)),
    col("createdAt", |r, _| at(r.created_at)),
    col("userId", |r, _| Cell::Number(r.user_id)),
    col("username", |r, k| k.name(r.user_id)),
    col("kind", |r, _| word(r.kind.as_str())),
    col("amount", |r, _| dollars(r.amount)),
    col("balanceAfter", |r, _| dollars(r.balance_after)),
    col("reference", |r, _| text(&r.reference)),
    col("note", |r, _| text(&r.note)),
];

pub const ORDERS: &[Column<Order>] = &[
    col("number", |r, _| text(&r.no)),
    col("createdAt", |r, _| at(r.created_at)),
    col("userId", |r, _| Cell::Number(r.user_id)),
    col("username", |r, k| k.name(r.user_id)),
    col("kind", |r, _| word(r.kind.as_str())),
    col("planId", |r, _| number_if(r.plan_id)),
    col("method", |r, _| word(r.method.as_str())),
    col("status", |r, _| word(r.status.as_str())),
    col("currency", |r, _| word(&r.currency)),
    col("amount", |r, _| minor(r.amount, &r.currency)),
    col("credit", |r, _| dollars(r.credit)),
    col("paidCurrency", |r, _| text_if(r.paid_currency.as_deref())),
    col("paidAmount", |r, _| {
        r.paid_amount.map_or(Cell::Nothing, |paid| minor(paid, r.paid_currency.as_deref().unwrap_or(&r.currency)))
    }),
    col("refundedAmount", |r, _| minor(r.refunded_amount, r.paid_currency.as_deref().unwrap_or(&r.currency))),
    col("paidAt", |r, _| at_if(r.paid_at)),
    col("closedAt", |r, _| at_if(r.closed_at)),
    col("transactionId", |r, _| text_if(r.transaction_id.as_deref())),
    admins("note", |r, _| text(&r.note)),
];

pub const USERS: &[Column<User>] = &[
    admins("id", |r, _| Cell::Number(r.id)),
    admins("username", |r, _| text(&r.username)),
    admins("email", |r, _| text_if(r.email.as_deref())),
    admins("emailVerified", |r, _| Cell::Bool(r.email_verified)),
    admins("displayName", |r, _| text(&r.display_name)),
    admins("role", |r, _| word(r.role.as_str())),
    admins("status", |r, _| word(r.status.as_str())),
    admins("group", |r, _| text(&r.group_name)),
    admins("balance", |r, _| dollars(r.balance)),
    admins("spent", |r, _| dollars(r.spent)),
    admins("requestCount", |r, _| Cell::Number(r.request_count)),
    admins("invitedById", |r, _| number_if(r.inviter_id)),
    admins("remark", |r, _| text(&r.remark)),
    admins("createdAt", |r, _| at(r.created_at)),
    admins("lastLoginAt", |r, _| at_if(r.last_login_at)),
];

pub const KEYS: &[Column<ApiKey>] = &[
    col("id", |r, _| Cell::Number(r.id)),
    col("uid", |r, _| text(&r.uid)),
    col("ownerId", |r, _| Cell::Number(r.user_id)),
    col("owner", |r, k| k.name(r.user_id)),
    col("name", |r, _| text(&r.name)),
    col("description", |r, _| text(&r.description)),
    col("maskedKey", |r, _| text(&r.hint)),
    col("state", |r, k| word(r.state(k.now).as_str())),
    col("group", |r, _| text_if(r.group_name.as_deref())),
    col("tags", |r, _| Cell::Text(r.tags.0.join(" "))),
    col("budget", |r, _| r.budget.map_or(Cell::Nothing, dollars)),
    col("spent", |r, _| dollars(r.spent)),
    col("requestCount", |r, _| Cell::Number(r.request_count)),
    col("source", |r, _| word(&r.source)),
    col("expiresAt", |r, _| at_if(r.expires_at)),
    col("lastUsedAt", |r, _| at_if(r.last_used_at)),
    col("createdAt", |r, _| at(r.created_at)),
    col("deletedAt", |r, _| at_if(r.deleted_at)),
];

pub const CARDS: &[Column<Card>] = &[
    admins("id", |r, _| Cell::Number(r.id)),
    admins("maskedCode", |r, _| text(&r.hint)),
    admins("kind", |r, _| word(r.kind.as_str())),
    admins("status", |r, k| word(r.status(k.now).as_str())),
    admins("value", |r, _| dollars(r.value)),
    admins("planId", |r, _| number_if(r.plan_id)),
    admins("planDays", |r, _| Cell::Number(r.plan_days)),
    admins("keyMs", |r, _| Cell::Number(r.key_ms)),
    admins("usesAllowed", |r, _| Cell::Number(r.uses_allowed)),
    admins("usesLeft", |r, _| Cell::Number(r.uses_left)),
    admins("name", |r, _| text(&r.name)),
    admins("note", |r, _| text(&r.note)),
    admins("batch", |r, _| text(&r.batch)),
    admins("expiresAt", |r, _| at_if(r.expires_at)),
    admins("createdAt", |r, _| at(r.created_at)),
    admins("lastRedeemedAt", |r, _| at_if(r.last_redeemed_at)),
    admins("lastRedeemedById", |r, _| number_if(r.last_redeemed_by)),
    admins("lastRedeemedBy", |r, k| r.last_redeemed_by.map_or(Cell::Nothing, |id| k.name(id))),
];

pub const AUDIT: &[Column<AuditEntry>] = &[
    admins("id", |r, _| Cell::Number(r.id)),
    admins("at", |r, _| at(r.at)),
    admins("actorId", |r, _| number_if(r.actor_id)),
    admins("actorName", |r, _| text(&r.actor_name)),
    admins("face", |r, _| word(&r.face)),
    admins("ip", |r, _| text(&r.ip)),
    admins("requestId", |r, _| text(&r.request_id)),
    admins("action", |r, _| word(&r.action)),
    admins("targetKind", |r, _| word(&r.target_kind)),
    admins("targetId", |r, _| text(&r.target_id)),
    admins("before", |r, _| doc(&r.before)),
    admins("after", |r, _| doc(&r.after)),
];

pub const REQUESTS: &[Column<RequestLog>] = &[
    admins("id", |r, _| Cell::Number(r.id)),
    admins("at", |r, _| at(r.at)),
    admins("kind", |r, _| word(r.kind.as_str())),
    admins("face", |r, _| word(&r.face)),
    admins("method", |r, _| text(&r.method)),
    admins("path", |r, _| text(&r.path)),
    admins("status", |r, _| Cell::Number(r.status)),
    admins("userId", |r, _| number_if(r.user_id)),
    admins("username", |r, k| r.user_id.map_or(Cell::Nothing, |id| k.name(id))),
    admins("ip", |r, _| text(&r.ip)),
    admins("userAgent", |r, _| text(&r.agent)),
    admins("durationMs", |r, _| Cell::Number(r.duration_ms)),
    admins("requestBytes", |r, _| Cell::Number(r.request_size)),
    admins("responseBytes", |r, _| Cell::Number(r.response_size)),
    admins("requestId", |r, _| text(&r.request_id)),
];

impl Cell {
    fn csv(self) -> String {
        match self {
            Self::Nothing => String::new(),
            Self::Text(text) => csv::cell(&text),
            Self::Word(word) => csv::plain(&word),
            Self::Number(number) => number.to_string(),
            Self::Bool(yes) => yes.to_string(),
            Self::Doc(Value::Null) => String::new(),
            Self::Doc(doc) => csv::cell(&doc.to_string()),
        }
    }
    fn json(self) -> Value {
        match self {
            Self::Nothing => Value::Null,
            Self::Text(text) | Self::Word(text) => text.into(),
            Self::Number(number) => number.into(),
            Self::Bool(yes) => yes.into(),
            Self::Doc(doc) => doc,
        }
    }
}

/// How a file is written, and for whose eyes.
#[derive(Clone, Copy)]
pub struct Form {
    pub format: ExportFormat,
    /// With an administrator's columns.
    pub wide: bool,
}

impl Form {
    fn shows<R>(self, columns: &[Column<R>]) -> impl Iterator<Item = &Column<R>> {
        columns.iter().filter(move |column| self.wide || !column.narrow)
    }

    /// What a file begins with.
    pub fn head<R>(self, columns: &[Column<R>]) -> Vec<u8> {
        match self.format {
            ExportFormat::Csv => {
                let names: Vec<String> = self.shows(columns).map(|column| column.name.to_owned()).collect();
                format!("{}{}", csv::MARK, csv::line(&names)).into_bytes()
            }
            ExportFormat::Jsonl => Vec::new(),
        }
    }

    /// A page of rows.
    pub fn body<R>(self, columns: &[Column<R>], rows: &[R], known: &Known) -> Vec<u8> {
        let mut out = String::new();
        for row in rows {
            match self.format {
                ExportFormat::Csv => {
                    let cells: Vec<String> = self.shows(columns).map(|c| (c.of)(row, known).csv()).collect();
                    out.push_str(&csv::line(&cells));
                }
                ExportFormat::Jsonl => {
                    // The members stand in the order of the columns.
                    let members = self.shows(columns).map(|c| (c.name.to_owned(), (c.of)(row, known).json()));
                    out.push_str(&Value::Object(members.collect()).to_string());
                    out.push('\n');
                }
            }
        }
        out.into_bytes()
    }
}
