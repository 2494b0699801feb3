//! Single calls as they were booked, and what was said in them when recording was on.

pub mod batch;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};
use diesel_async::RunQueryDsl;

pub use batch::{Counts, Recorded, Settlement};

use crate::clock::Time;
use crate::db::Conn;
use crate::model::joined::{Joined, also};
use crate::money::Micros;
use crate::on;
use crate::page::{Cursor, CursorKey, Direction, Seek, Window};
use crate::table::{call_contents, usage};
use crate::value::{Doc, escape_like, like_pattern};

/// One relayed call.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = usage)]
pub struct UsageRow {
    pub call_id: String,
    pub at: Time,
    pub user_id: i64,
    pub key_id: i64,
    pub account_id: i64,
    pub model: String,
    pub upstream_model: String,
    pub dialect: String,
    pub operation: String,
    pub stream: bool,
    pub status: i64,
    pub error_code: String,
    pub input: i64,
    pub cache_read: i64,
    pub cache_write_5m: i64,
    pub cache_write_1h: i64,
    pub output: i64,
    pub reasoning: i64,
    pub audio: i64,
    pub images: i64,
    pub cost: Micros,
    pub raw_cost: Micros,
    pub estimated: bool,
    pub first_byte_ms: i64,
    pub duration_ms: i64,
    pub ip: String,
    pub client: String,
    pub meta: Doc<serde_json::Map<String, serde_json::Value>>,
}

/// Which calls.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UsageFilter {
    pub user_id: Option<i64>,
    pub key_id: Option<i64>,
    pub account_id: Option<i64>,
    /// One of these keys, accounts or models.
    pub keys: Option<Vec<i64>>,
    pub accounts: Option<Vec<i64>>,
    pub models: Option<Vec<String>>,
    /// A model's name in which `%` stands for anything.
    pub model_like: Option<String>,
    /// Calls by keys of exactly this name.
    pub key_name: Option<String>,
    /// Calls by keys of this user group, their own or their owner's.
    pub group: Option<String>,
    pub dialect: Option<String>,
    pub operation: Option<String>,
    pub status: Option<i64>,
    /// Only calls that failed, or only those that did not.
    pub failed: Option<bool>,
    pub from: Option<Time>,
    pub until: Option<Time>,
    /// Part of the model, the client, the error code, or the whole call id.
    pub search: Option<String>,
    /// A value attached to the call: field and text.
    pub meta: Option<(String, String)>,
    /// What else must hold.
    #[serde(skip_serializing_if = "Joined::is_empty")]
    pub joined: Joined<UsageFilter>,
}

impl UsageFilter {
    /// True when the hourly sums can answer for it.
    pub fn is_coarse(&self) -> bool {
        let whole_hours = |at: Option<Time>| at.is_none_or(|at| at == at.hour());
        self.joined.is_empty()
            && self.operation.is_none()
            && self.key_name.is_none()
            && self.model_like.is_none()
            && self.group.is_none()
            && self.status.is_none()
            && self.failed.is_none()
            && self.search.is_none()
            && self.meta.is_none()
            && whole_hours(self.from)
            && whole_hours(self.until)
    }
}

/// By what numbered lists of calls are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UsageOrder {
    #[default]
    At,
    Duration,
    Tokens,
    Cost,
}

diesel::define_sql_function! {
    /// A text with one piece of it exchanged wherever it stands.
    fn replace(text: Text, piece: Text, other: Text) -> Text;
}

macro_rules! filtered {
    ($query:expr, $filter:expr) => {{
        let mut query = $query;
        let filter: &UsageFilter = $filter;
        if let Some(id) = filter.user_id {
            query = query.filter(usage::user_id.eq(id));
        }
        if let Some(id) = filter.key_id {
            query = query.filter(usage::key_id.eq(id));
        }
        if let Some(id) = filter.account_id {
            query = query.filter(usage::account_id.eq(id));
        }
        if let Some(ids) = &filter.keys {
            query = query.filter(usage::key_id.eq_any(ids.clone()));
        }
        if let Some(ids) = &filter.accounts {
            query = query.filter(usage::account_id.eq_any(ids.clone()));
        }
        if let Some(models) = &filter.models {
            query = query.filter(usage::model.eq_any(models.clone()));
        }
        if let Some(text) = &filter.model_like {
            query = query.filter(usage::model.like(like_pattern(text)).escape('\\'));
        }
        if let Some(name) = &filter.key_name {
            let named = sql::<Bool>("usage.key_id IN (SELECT k.id FROM api_keys k WHERE k.name = ");
            query = query.filter(named.bind::<Text, _>(name.clone()).sql(")"));
        }
        if let Some(group) = &filter.group {
            let grouped = sql::<Bool>(
                "usage.key_id IN (SELECT k.id FROM api_keys k JOIN users u ON u.id = k.user_id \
                 WHERE COALESCE(k.group_name, u.group_name) = ",
            );
            query = query.filter(grouped.bind::<Text, _>(group.clone()).sql(")"));
        }
        if let Some(dialect) = &filter.dialect {
            query = query.filter(usage::dialect.eq(dialect));
        }
        if let Some(operation) = &filter.operation {
            query = query.filter(usage::operation.eq(operation));
        }
        if let Some(status) = filter.status {
            query = query.filter(usage::status.eq(status));
        }
        if let Some(failed) = filter.failed {
            // As `Settlement::failed` says.
            query = if failed {
                query.filter(usage::status.lt(200).or(usage::status.ge(400)).or(usage::error_code.ne("")))
            } else {
                query.filter(usage::status.ge(200).and(usage::status.lt(400)).and(usage::error_code.eq("")))
            };
        }
        if let Some(from) = filter.from {
            query = query.filter(usage::at.ge(from));
        }
        if let Some(until) = filter.until {
            query = query.filter(usage::at.lt(until));
        }
        if let Some(text) = &filter.search {
            let pattern = format!("%{}%", escape_like(text.trim()));
            query = query.filter(
                usage::model
                    .like(pattern.clone())
                    .escape('\\')
                    .or(usage::client.like(pattern.clone()).escape('\\'))
                    .or(usage::error_code.like(pattern).escape('\\'))
                    .or(usage::call_id.eq(text.trim().to_owned())),
            );
        }
        if let Some((field, value)) = &filter.meta {
            // Documents are written by this program, without blanks.
            let pair = format!("{}:{}", serde_json::json!(field), serde_json::json!(value));
            // For LIKE, SQLite takes capitals and small letters for the same; these are others' ids.
            query = query
                .filter(usage::meta.like(format!("%{}%", escape_like(&pair))).escape('\\'))
                .filter(replace(usage::meta, pair, String::new()).ne(usage::meta));
        }
        if let Some(more) = also(filter, ()) {
            query = query.filter(more);
        }
        query
    }};
}

crate::composed!(filtered, usage, UsageFilter);

const TOKENS: &str = "input + cache_read + cache_write_5m + cache_write_1h + output";

/// Sums over single calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallSums {
    pub requests: i64,
    pub errors: i64,
    pub tokens: i64,
    /// What went in beside the cache, out, and from and into the cache.
    pub input: i64,
    pub output: i64,
    pub cache_read: i64,
    pub cache_write: i64,
    pub cost: i64,
    pub duration_ms: i64,
}

impl UsageRow {
    /// Every token that went in or out.
    pub fn tokens(&self) -> i64 {
        self.input + self.cache_read + self.cache_write_5m + self.cache_write_1h + self.output
    }
    /// True for a call that failed.
    pub fn failed(&self) -> bool {
        !(200..400).contains(&self.status) || !self.error_code.is_empty()
    }
    /// The place of this row in a keyset list.
    pub fn cursor(&self) -> Cursor {
        Cursor { key: CursorKey::Text(self.call_id.clone()), id: self.at.0 }
    }
    pub async fn find(conn: &mut Conn, call_id: &str) -> QueryResult<Option<Self>> {
        on!(conn, |c| usage::table
            .filter(usage::call_id.eq(call_id))
            .select(Self::as_select())
            .first(c)
            .await
            .optional())
    }
    pub async fn by_call_ids(conn: &mut Conn, ids: &[String]) -> QueryResult<Vec<Self>> {
        on!(conn, |c| usage::table.filter(usage::call_id.eq_any(ids)).select(Self::as_select()).load(c).await)
    }
    pub async fn count(conn: &mut Conn, filter: &UsageFilter) -> QueryResult<i64> {
        on!(conn, |c| filtered!(usage::table.into_boxed(), filter).count().get_result(c).await)
    }
    /// Sums of single calls, for what the hourly sums cannot answer.
    pub async fn sums(conn: &mut Conn, filter: &UsageFilter) -> QueryResult<CallSums> {
        let ((requests, errors, tokens), (input, output, cache_read, cache_write), (cost, duration_ms)) =
            on!(conn, |c| filtered!(
                usage::table
                    .select((
                        (
                            sql::<BigInt>("COUNT(*)"),
                            sql::<BigInt>(
                                "CAST(COALESCE(SUM(CASE WHEN status < 200 OR status >= 400 OR error_code <> '' \
                             THEN 1 ELSE 0 END), 0) AS BIGINT)"
                            ),
                            sql::<BigInt>("CAST(COALESCE(SUM(").sql(TOKENS).sql("), 0) AS BIGINT)"),
                        ),
                        (
                            sql::<BigInt>("CAST(COALESCE(SUM(input), 0) AS BIGINT)"),
                            sql::<BigInt>("CAST(COALESCE(SUM(output), 0) AS BIGINT)"),
                            sql::<BigInt>("CAST(COALESCE(SUM(cache_read), 0) AS BIGINT)"),
                            sql::<BigInt>("CAST(COALESCE(SUM(cache_write_5m + cache_write_1h), 0) AS BIGINT)"),
                        ),
                        (
                            sql::<BigInt>("CAST(COALESCE(SUM(cost), 0) AS BIGINT)"),
                            sql::<BigInt>("CAST(COALESCE(SUM(duration_ms), 0) AS BIGINT)"),
                        ),
                    ))
                    .into_boxed(),
                filter
            )
            .get_result(c)
            .await)?;
        Ok(CallSums { requests, errors, tokens, input, output, cache_read, cache_write, cost, duration_ms })
    }
    /// Newest first, one keyset page and one row more.
    pub async fn seek(conn: &mut Conn, filter: &UsageFilter, seek: &Seek) -> QueryResult<Vec<Self>> {
        on!(conn, |c| {
            let mut query = filtered!(usage::table.select(Self::as_select()).into_boxed(), filter);
            if let Some(cursor) = &seek.after {
                let CursorKey::Text(call_id) = &cursor.key else { return Ok(Vec::new()) };
                let at = Time(cursor.id);
                query = if seek.backward {
                    query.filter(usage::at.gt(at).or(usage::at.eq(at).and(usage::call_id.gt(call_id.clone()))))
                } else {
                    query.filter(usage::at.lt(at).or(usage::at.eq(at).and(usage::call_id.lt(call_id.clone()))))
                };
            }
            query = if seek.backward {
                query.order((usage::at.asc(), usage::call_id.asc()))
            } else {
                query.order((usage::at.desc(), usage::call_id.desc()))
            };
            query.limit(seek.take + 1).load(c).await
        })
    }
    /// One numbered page.
    pub async fn window(
        conn: &mut Conn,
        filter: &UsageFilter,
        order: (UsageOrder, Direction),
        window: Window,
    ) -> QueryResult<Vec<Self>> {
        on!(conn, |c| {
            let query = filtered!(usage::table.select(Self::as_select()).into_boxed(), filter);
            let tokens = sql::<BigInt>(TOKENS);
            let query = match order {
                (UsageOrder::At, Direction::Asc) => query.order((usage::at.asc(), usage::call_id.asc())),
                (UsageOrder::At, Direction::Desc) => query.order((usage::at.desc(), usage::call_id.desc())),
                (UsageOrder::Duration, Direction::Asc) => query.order((usage::duration_ms.asc(), usage::call_id)),
                (UsageOrder::Duration, Direction::Desc) => query.order((usage::duration_ms.desc(), usage::call_id)),
                (UsageOrder::Tokens, Direction::Asc) => query.order((tokens.asc(), usage::call_id)),
                (UsageOrder::Tokens, Direction::Desc) => query.order((tokens.desc(), usage::call_id)),
                (UsageOrder::Cost, Direction::Asc) => query.order((usage::cost.asc(), usage::call_id)),
                (UsageOrder::Cost, Direction::Desc) => query.order((usage::cost.desc(), usage::call_id)),
            };
            query.limit(window.limit).offset(window.offset).load(c).await
        })
    }
    /// Takes a call's cost out of the books again: its row, the sums it went into, what its key, user and
    /// account have spent. False when the call is not in the books, or cost nothing.
    pub async fn take_back(conn: &mut Conn, call_id: &str) -> QueryResult<bool> {
        use crate::table::{accounts, api_keys, usage_hourly as hourly, usage_totals as totals, users};
        let Some(row) = Self::find(conn, call_id).await?.filter(|row| row.cost > Micros::ZERO) else {
            return Ok(false);
        };
        let (cost, raw) = (row.cost.0, row.raw_cost.0);
        let taken = on!(conn, |c| diesel::update(
            usage::table.filter(usage::call_id.eq(call_id)).filter(usage::at.eq(row.at)).filter(usage::cost.eq(cost))
        )
        .set((usage::cost.eq(0), usage::raw_cost.eq(0)))
        .execute(c)
        .await)?;
        if taken != 1 {
            return Ok(false);
        }
        let place = (row.at.hour(), row.key_id, row.account_id, row.user_id, &row.model, &row.dialect);
        on!(conn, |c| diesel::update(hourly::table.find(place))
            .set((hourly::cost.eq(hourly::cost - cost), hourly::raw_cost.eq(hourly::raw_cost - raw)))
            .execute(c)
            .await)?;
        on!(conn, |c| diesel::update(totals::table.find((row.at.hour(), &row.model, &row.dialect)))
            .set((totals::cost.eq(totals::cost - cost), totals::raw_cost.eq(totals::raw_cost - raw)))
            .execute(c)
            .await)?;
        on!(conn, |c| diesel::update(users::table.find(row.user_id))
            .set(users::spent.eq(users::spent - cost))
            .execute(c)
            .await)?;
        on!(conn, |c| diesel::update(api_keys::table.find(row.key_id))
            .set(api_keys::spent.eq(api_keys::spent - cost))
            .execute(c)
            .await)?;
        on!(conn, |c| diesel::update(accounts::table.find(row.account_id))
            .set(accounts::spent.eq(accounts::spent - cost))
            .execute(c)
            .await)?;
        Ok(true)
    }
    /// The last client program whose name begins so, and when it called.
    pub async fn latest_client(
        conn: &mut Conn,
        start: &str,
        since: Time,
        account_id: Option<i64>,
    ) -> QueryResult<Option<(String, Time)>> {
        let pattern = format!("{}%", escape_like(start));
        on!(conn, |c| {
            let mut query = usage::table
                .filter(usage::at.ge(since))
                .filter(usage::client.like(&pattern).escape('\\'))
                .order(usage::at.desc())
                .select((usage::client, usage::at))
                .into_boxed();
            if let Some(id) = account_id {
                query = query.filter(usage::account_id.eq(id));
            }
            query.first(c).await.optional()
        })
    }
    /// When the oldest call began that is still kept.
    pub async fn oldest(conn: &mut Conn) -> QueryResult<Option<Time>> {
        on!(conn, |c| usage::table.select(diesel::dsl::min(usage::at)).get_result(c).await)
    }
    /// Removes calls older than a moment, so many rows at most.
    pub async fn delete_before(conn: &mut Conn, before: Time, most: i64) -> QueryResult<usize> {
        on!(conn, |c| {
            let old: Vec<(String, Time)> = usage::table
                .filter(usage::at.lt(before))
                .select((usage::call_id, usage::at))
                .order((usage::at.asc(), usage::call_id.asc()))
                .limit(most)
                .load(c)
                .await?;
            let Some(last) = old.last().map(|(_, at)| *at) else { return Ok(0) };
            let ids: Vec<&str> = old.iter().map(|(id, _)| id.as_str()).collect();
            diesel::delete(usage::table.filter(usage::at.le(last)).filter(usage::call_id.eq_any(ids))).execute(c).await
        })
    }
}

/// What was said in a call.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = call_contents)]
pub struct CallContent {
    pub call_id: String,
    pub at: Time,
    pub system_prompt: String,
    pub user_message: String,
    pub assistant_message: String,
    pub error_message: String,
}

impl CallContent {
    pub async fn by_calls(conn: &mut Conn, ids: &[String]) -> QueryResult<Vec<Self>> {
        on!(conn, |c| call_contents::table
            .filter(call_contents::call_id.eq_any(ids))
            .select(Self::as_select())
            .load(c)
            .await)
    }
    /// Removes what was said before a moment, so many rows at most.
    pub async fn delete_before(conn: &mut Conn, before: Time, most: i64) -> QueryResult<usize> {
        on!(conn, |c| {
            let old: Vec<String> = call_contents::table
                .filter(call_contents::at.lt(before))
                .select(call_contents::call_id)
                .limit(most)
                .load(c)
                .await?;
            diesel::delete(call_contents::table.filter(call_contents::call_id.eq_any(old))).execute(c).await
        })
    }
}
