//! One row of a log, and how the price in it came about.

use std::collections::HashMap;

use schema::model::api_key::ApiKey;
use schema::model::catalog::Price;
use schema::model::ledger::{EntryKind, LedgerEntry};
use schema::model::usage::UsageRow;
use schema::model::user::User;
use schema::service::{api_key, directory, user as people};
use schema::{Actor, App, Error, Time};
use serde_json::{Map, Value, json};

use super::super::words;

/// What a log row is about, by this system's numbers.
pub mod kind {
    pub const TOP_UP: i64 = 1;
    pub const CALL: i64 = 2;
    pub const MANAGE: i64 = 3;
    pub const SYSTEM: i64 = 4;
    pub const ERROR: i64 = 5;
    pub const REFUND: i64 = 6;
}

/// This system's number for why a balance moved; calls are rows of their own, so what they took has none.
pub fn entry_number(kind: EntryKind) -> i64 {
    match kind {
        EntryKind::Payment | EntryKind::Card => kind::TOP_UP,
        EntryKind::Consumption => -1,
        EntryKind::Adjustment => kind::MANAGE,
        EntryKind::Bonus | EntryKind::Purchase => kind::SYSTEM,
        EntryKind::Refund | EntryKind::Payback => kind::REFUND,
    }
}

/// One row of the list.
pub enum Row {
    Call(Box<UsageRow>),
    Entry(LedgerEntry),
}

impl Row {
    pub fn at(&self) -> Time {
        match self {
            Self::Call(call) => call.at,
            Self::Entry(entry) => entry.created_at,
        }
    }
    pub fn user_id(&self) -> i64 {
        match self {
            Self::Call(call) => call.user_id,
            Self::Entry(entry) => entry.user_id,
        }
    }
}

/// Who and what the rows speak of.
pub struct Names {
    users: HashMap<i64, User>,
    keys: HashMap<i64, ApiKey>,
}

/// Looks them up.
pub async fn names(app: &App, caller: &Actor, rows: &[Row]) -> Result<Names, Error> {
    let distinct = |mut ids: Vec<i64>| {
        ids.sort_unstable();
        ids.dedup();
        ids
    };
    let users = if caller.is_admin() {
        people::by_ids(app, caller, &distinct(rows.iter().map(Row::user_id).collect())).await?
    } else {
        vec![people::get(app, caller, caller.signed_in()?).await?]
    };
    let ids = rows.iter().filter_map(|row| if let Row::Call(call) = row { Some(call.key_id) } else { None });
    let ids = distinct(ids.filter(|id| *id > 0).collect());
    // Keys that were removed keep their names here.
    let keys = if ids.is_empty() { Vec::new() } else { api_key::remembered(app, caller, &ids).await? };
    Ok(Names {
        users: users.into_iter().map(|user| (user.id, user)).collect(),
        keys: keys.into_iter().map(|key| (key.id, key)).collect(),
    })
}

/// A number of its own for a call, whose name is text; front ends tell rows apart by it.
fn row_number(call_id: &str) -> i64 {
    let digest = schema::id::digest(call_id);
    // As many bits as a JavaScript number holds exactly.
    i64::from_str_radix(digest.get(..13).unwrap_or("0"), 16).unwrap_or(0)
}

fn ratio(part: i64, whole: i64, none: f64) -> f64 {
    if whole == 0 { none } else { (part as f64 * 1e6 / whole as f64).round() / 1e6 }
}

/// Dollars for a whole call before its group's ratio, where the model's price is not one of tokens, or none were
/// counted: what pictures, characters or a length came to has no ratio to tell.
fn per_call(price: Option<&Price>, call: &UsageRow) -> Option<f64> {
    // Micro-dollars a million calls that are a dollar a call.
    const CALL: f64 = 1e12;
    let by_tokens = price.is_some_and(|p| p.rates.input != 0 || p.rates.output != 0);
    if call.raw_cost.0 > 0 {
        // What was billed, which a later price does not change.
        return (!by_tokens || call.tokens() == 0).then(|| call.raw_cost.dollars());
    }
    let each = price.filter(|_| !by_tokens).map(|p| p.calls)?;
    (each > 0).then(|| each as f64 / CALL)
}

/// Tokens that were written to a cache.
fn written(call: &UsageRow) -> i64 {
    call.cache_write_5m + call.cache_write_1h
}

/// Whether this system's pages explain a call as one of Claude's, whose prompt does not count what a cache read or
/// wrote.
fn claude(call: &UsageRow) -> bool {
    call.dialect == "anthropic" && written(call) > 0
}

/// How a call's price came about, as this system's pages explain it; a JSON document in a string.
fn explained(app: &App, call: &UsageRow, for_admin: bool) -> String {
    // Two dollars a million tokens are this system's ratio of 1.
    const UNIT: i64 = 2_000_000;
    let models = directory::models(app);
    let terms = directory::terms(app);
    // Whoever takes models without a price paid what those cost.
    let unpriced = || (call.raw_cost.0 > 0).then_some(&terms.unpriced_price);
    let price = models.price(&call.model).or_else(unpriced);
    let rates = price.map(|price| price.rates).unwrap_or_default();
    let mut other = json!({
        "model_ratio": ratio(rates.input, UNIT, 0.0),
        "group_ratio": ratio(call.cost.0, call.raw_cost.0, 1.0),
        "user_group_ratio": -1,
        "completion_ratio": ratio(rates.output, rates.input, 1.0),
        "model_price": per_call(price, call).map_or_else(|| json!(-1), Value::from),
        "cache_tokens": call.cache_read,
        "cache_ratio": ratio(rates.cache_read.unwrap_or(rates.input / 10), rates.input, 0.1),
        "cache_creation_tokens": written(call),
        "cache_creation_ratio": ratio(rates.cache_write_5m.unwrap_or(rates.input + rates.input / 4), rates.input, 1.25),
        "frt": call.first_byte_ms,
        "request_path": call.operation,
    });
    let more: &mut Map<String, Value> = match other.as_object_mut() {
        Some(map) => map,
        None => return String::new(),
    };
    if claude(call) {
        more.insert("claude".into(), true.into());
    }
    if !call.upstream_model.is_empty() && call.upstream_model != call.model {
        more.insert("is_model_mapped".into(), true.into());
        more.insert("upstream_model_name".into(), call.upstream_model.clone().into());
    }
    if call.failed() {
        more.insert("error_code".into(), call.error_code.clone().into());
        more.insert("status_code".into(), call.status.into());
    }
    // No channel had a call that nobody could serve.
    if for_admin && call.account_id > 0 {
        more.insert("admin_info".into(), json!({ "use_channel": [call.account_id.to_string()] }));
    }
    other.to_string()
}

/// A row as this system has it.
pub fn shown(app: &App, row: &Row, names: &Names, for_admin: bool) -> Value {
    let user = names.users.get(&row.user_id());
    let username = user.map_or("", |u| u.username.as_str());
    match row {
        Row::Call(call) => {
            let key = names.keys.get(&call.key_id);
            let group = key.and_then(|k| k.group_name.as_deref()).or_else(|| user.map(|u| u.group_name.as_str()));
            let channel = directory::account(app, call.account_id).filter(|_| for_admin);
            json!({
                "id": row_number(&call.call_id),
                "request_id": call.call_id,
                "user_id": call.user_id,
                "created_at": call.at.seconds(),
                "type": if call.failed() { kind::ERROR } else { kind::CALL },
                "content": if call.failed() { words::failure(&call.error_code, call.status) } else { "用户消费".into() },
                "username": username,
                "token_name": key.map_or("", |k| k.name.as_str()),
                "model_name": call.model,
                "quota": call.cost.quota(),
                "prompt_tokens": if claude(call) { call.input } else { call.tokens() - call.output },
                "completion_tokens": call.output,
                "use_time": (call.duration_ms + 999) / 1_000,
                "is_stream": call.stream,
                "channel": call.account_id,
                "channel_id": call.account_id,
                "channel_name": channel.map_or_else(String::new, |c| c.account.name.clone()),
                "token_id": call.key_id,
                "group": group.unwrap_or(""),
                "ip": call.ip,
                "other": explained(app, call, for_admin),
            })
        }
        Row::Entry(entry) => json!({
            "id": entry.id,
            "request_id": "",
            "user_id": entry.user_id,
            "created_at": entry.created_at.seconds(),
            "type": entry_number(entry.kind),
            "content": told(entry),
            "username": username,
            "token_name": "",
            "model_name": "",
            "quota": entry.amount.quota(),
            "prompt_tokens": 0,
            "completion_tokens": 0,
            "use_time": 0,
            "is_stream": false,
            "channel": 0,
            "channel_id": 0,
            "channel_name": "",
            "token_id": 0,
            "group": user.map_or("", |u| u.group_name.as_str()),
            "ip": "",
            "other": "",
        }),
    }
}

/// A movement in words.
fn told(entry: &LedgerEntry) -> String {
    let what = match entry.kind {
        EntryKind::Payment => "在线充值",
        EntryKind::Card => "通过兑换码充值",
        EntryKind::Consumption => "用户消费",
        EntryKind::Refund => "退还额度",
        EntryKind::Payback => "退款",
        EntryKind::Adjustment => "管理员调整额度",
        EntryKind::Purchase => "购买套餐",
        EntryKind::Bonus => "赠送额度",
    };
    let dollars = entry.amount.dollars();
    // A card's is its own name.
    let note = if entry.kind == EntryKind::Card { entry.note.as_str() } else { words::note(&entry.note) };
    let note = if note.is_empty() { String::new() } else { format!("：{note}") };
    format!("{what} ＄{dollars:.6}{note}")
}
