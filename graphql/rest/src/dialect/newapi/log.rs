//! Logs: calls, and whatever else moved somebody's quota, in one list by time.

mod row;

use axum::extract::State;
use schema::model::ledger::{EntryKind, LedgerFilter};
use schema::model::usage::{UsageFilter, UsageOrder};
use schema::page::{Direction, Window};
use schema::service::{api_key, usage, wallet};
use schema::{Actor, App, Error, Micros, Role};
use serde::Deserialize;
use serde_json::{Value, json};

use self::row::{Row, entry_number, kind, names, shown};
use super::page::{Paging, channel, moment, number};
use super::shape::Shape;
use super::{Caller, Query, Reply, data, user};

/// A query about logs. Everything is text, because this system's pages send empty fields along.
#[derive(Clone, Default, Deserialize)]
pub struct LogQuery {
    #[serde(rename = "type")]
    kind: Option<String>,
    username: Option<String>,
    token_name: Option<String>,
    model_name: Option<String>,
    start_timestamp: Option<String>,
    end_timestamp: Option<String>,
    channel: Option<String>,
    group: Option<String>,
    request_id: Option<String>,
    keyword: Option<String>,
}

impl LogQuery {
    fn kind(&self) -> Result<i64, Error> {
        let kind = number("type", &self.kind)?.unwrap_or(0);
        if (0..=6).contains(&kind) { Ok(kind) } else { Err(Error::invalid("type", "type 必须为 0 到 6")) }
    }
}

fn word(text: &Option<String>) -> Option<String> {
    text.as_deref().map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned)
}

/// What is looked for: calls, other movements, or both.
struct Wanted {
    calls: Option<UsageFilter>,
    entries: Option<LedgerFilter>,
}

/// The movements that a number stands for; calls are no movements.
fn entry_kinds(number: i64) -> Vec<EntryKind> {
    let of = |kind: &EntryKind| number == 0 && *kind != EntryKind::Consumption || entry_number(*kind) == number;
    EntryKind::ALL.iter().copied().filter(of).collect()
}

async fn wanted(app: &App, caller: &Caller, shape: Shape, query: &LogQuery, own: bool) -> Result<Wanted, Error> {
    let me = caller.signed_in()?;
    let user_id = match word(&query.username).filter(|_| !own) {
        _ if own => Some(me),
        Some(name) => Some(user::numbered(app, caller, &name).await?),
        None => None,
    };
    let (from, until) =
        (moment("start_timestamp", &query.start_timestamp)?, moment("end_timestamp", &query.end_timestamp)?);
    // The last second is meant too.
    let until = until.map(|t| t.plus(1_000));
    let kind = query.kind()?;
    // As its pages say, `%` in a model's name stands for anything.
    let (model, model_like) = match word(&query.model_name) {
        Some(text) if text.contains('%') => (None, Some(text)),
        whole => (whole, None),
    };
    let calls = UsageFilter {
        user_id,
        key_name: word(&query.token_name),
        models: model.map(|model| vec![model]),
        model_like,
        account_id: channel("channel", &query.channel, shape)?,
        group: word(&query.group),
        search: word(&query.request_id).or_else(|| word(&query.keyword)),
        failed: match kind {
            kind::CALL => Some(false),
            kind::ERROR => Some(true),
            _ => None,
        },
        from,
        until,
        ..UsageFilter::default()
    };
    // Movements have neither model nor token, so whoever asks for one means calls.
    let only_calls = calls.key_name.is_some()
        || calls.models.is_some()
        || calls.model_like.is_some()
        || calls.account_id.is_some()
        || calls.group.is_some()
        || calls.search.is_some();
    let kinds = entry_kinds(kind);
    let entries = LedgerFilter { user_id, kinds, from, until, ..LedgerFilter::default() };
    Ok(Wanted {
        calls: matches!(kind, 0 | kind::CALL | kind::ERROR).then_some(calls),
        entries: (!entries.kinds.is_empty() && !only_calls).then_some(entries),
    })
}

/// One page of calls and movements together, newest first, and how many there are.
async fn page(app: &App, caller: &Caller, wanted: &Wanted, window: Window) -> Result<(Vec<Row>, i64), Error> {
    let end = window.offset + window.limit;
    let mut total = 0;
    let mut entries = Vec::new();
    if let Some(filter) = &wanted.entries {
        // All that could stand before the page's end; there are few of them beside calls.
        let found = wallet::history(app, caller, filter, Window { limit: end, offset: 0 }).await?;
        total += found.total;
        entries = found.rows;
    }
    // So many calls stand before the page whatever comes between.
    let skipped = (window.offset - entries.len() as i64).max(0);
    let mut rows: Vec<Row> = entries.into_iter().map(Row::Entry).collect();
    if let Some(filter) = &wanted.calls {
        let part = Window { limit: end - skipped, offset: skipped };
        let found = usage::pages(app, caller, filter, (UsageOrder::At, Direction::Desc), part).await?;
        total += found.total;
        rows.extend(found.rows.into_iter().map(|call| Row::Call(Box::new(call))));
        rows.sort_by_key(|row| std::cmp::Reverse(row.at()));
        let rows = rows.into_iter().skip((window.offset - skipped) as usize).take(window.limit as usize);
        return Ok((rows.collect(), total));
    }
    Ok((rows.into_iter().skip(window.offset as usize).take(window.limit as usize).collect(), total))
}

async fn listed(app: App, caller: Caller, shape: Shape, paging: Paging, query: LogQuery, own: bool) -> Reply {
    let wanted = wanted(&app, &caller, shape, &query, own).await?;
    let window = paging.window()?;
    let (rows, total) = page(&app, &caller, &wanted, window).await?;
    let names = names(&app, &caller, &rows).await?;
    let rows: Vec<Value> = rows.iter().map(|row| shown(&app, row, &names, !own)).collect();
    Ok(match shape {
        Shape::Documented => data(rows),
        Shape::Deployed => data(paging.envelope(window, total, rows)),
    })
}

/// Everybody's, for administrators.
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    shape: Shape,
    paging: Query<Paging>,
    query: Query<LogQuery>,
) -> Reply {
    caller.require(Role::Admin)?;
    listed(app, caller, shape, paging.0, query.0, false).await
}

/// One's own.
pub async fn of_self(
    State(app): State<App>,
    caller: Caller,
    shape: Shape,
    paging: Query<Paging>,
    query: Query<LogQuery>,
) -> Reply {
    listed(app, caller, shape, paging.0, query.0, true).await
}

/// Sums are of what calls took, whatever kind of row is looked at; what failed was no request.
async fn summed(app: App, caller: Caller, shape: Shape, query: LogQuery, own: bool) -> Reply {
    query.kind()?;
    let wanted = wanted(&app, &caller, shape, &LogQuery { kind: None, ..query }, own).await?;
    let Some(filter) = wanted.calls else { return Ok(data(json!({ "quota": 0, "rpm": 0, "tpm": 0 }))) };
    let stat = usage::stat(&app, &caller, &filter).await?;
    Ok(data(json!({ "quota": Micros(stat.sums.cost).quota(), "rpm": stat.served_rpm, "tpm": stat.tpm })))
}

/// What calls cost, and how busy the last minute was; everybody's.
pub async fn stat(State(app): State<App>, caller: Caller, shape: Shape, query: Query<LogQuery>) -> Reply {
    caller.require(Role::Admin)?;
    summed(app, caller, shape, query.0, false).await
}

/// The same of one's own.
pub async fn stat_of_self(State(app): State<App>, caller: Caller, shape: Shape, query: Query<LogQuery>) -> Reply {
    summed(app, caller, shape, query.0, true).await
}

#[derive(Deserialize)]
pub struct Before {
    target_timestamp: Option<String>,
}

/// Removes single calls before a moment; how many.
pub async fn delete(State(app): State<App>, caller: Caller, query: Query<Before>) -> Reply {
    caller.require(Role::SuperAdmin)?;
    let before = moment("target_timestamp", &query.0.target_timestamp)?
        .ok_or_else(|| Error::invalid("target_timestamp", "target timestamp is required"))?;
    Ok(data(usage::delete_before(&app, &caller, before).await?))
}

#[derive(Deserialize)]
pub struct OfKey {
    #[serde(default)]
    key: String,
}

/// The latest calls of a token, for whoever holds it.
pub async fn of_token(State(app): State<App>, caller: super::Maybe, query: Query<OfKey>) -> Reply {
    let secret = format!("sk-{}", query.0.key.trim_start_matches("sk-"));
    let key = api_key::find_by_secret(&app, &secret).await?.ok_or_else(|| Error::unauthenticated("Token无效"))?;
    let owner = Actor { user_id: Some(key.user_id), role: Some(Role::User), ..caller.0.clone() };
    let filter = UsageFilter { key_id: Some(key.id), ..UsageFilter::default() };
    let latest = Window { limit: 1_000, offset: 0 };
    let found = usage::pages(&app, &owner, &filter, (UsageOrder::At, Direction::Desc), latest).await?;
    let rows: Vec<Row> = found.rows.into_iter().map(|call| Row::Call(Box::new(call))).collect();
    let names = names(&app, &owner, &rows).await?;
    Ok(data(rows.iter().map(|row| shown(&app, row, &names, false)).collect::<Vec<Value>>()))
}
