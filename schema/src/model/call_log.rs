//! Single calls as lists show them, and what was said in them when that was recorded.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel_async::RunQueryDsl;

use crate::clock::Time;
use crate::db::Conn;
use crate::money::Micros;
use crate::on;
use crate::page::{Direction, Window};
use crate::table::{call_contents, usage};
use crate::value::escape_like;

/// One call.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = usage)]
pub struct LoggedCall {
    pub call_id: String,
    pub at: Time,
    pub user_id: i64,
    pub model: String,
    pub status: i64,
    pub error_code: String,
    pub input: i64,
    pub cache_read: i64,
    pub cache_write_5m: i64,
    pub cache_write_1h: i64,
    pub output: i64,
    pub cost: Micros,
    pub duration_ms: i64,
    pub meta: String,
}

/// What was said in a call.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = call_contents)]
pub struct Said {
    pub call_id: String,
    pub system_prompt: String,
    pub user_message: String,
    pub assistant_message: String,
    pub error_message: String,
}

/// Which calls.
#[derive(Clone, Debug, Default)]
pub struct CallFilter {
    pub user_id: Option<i64>,
    /// One of these models.
    pub models: Option<Vec<String>>,
    pub failed: Option<bool>,
    /// A value attached to the call: field and text.
    pub meta: Option<(String, String)>,
    pub from: Option<Time>,
    pub until: Option<Time>,
}

/// By what calls are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CallOrder {
    #[default]
    At,
    Duration,
    Tokens,
}

/// Sums over the calls a filter finds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallTotals {
    pub calls: i64,
    pub errors: i64,
    pub tokens: i64,
    pub cost: Micros,
    pub duration_ms: i64,
}

macro_rules! filtered {
    ($query:expr, $filter:expr) => {{
        let mut query = $query;
        let filter: &CallFilter = $filter;
        if let Some(id) = filter.user_id {
            query = query.filter(usage::user_id.eq(id));
        }
        if let Some(models) = &filter.models {
            query = query.filter(usage::model.eq_any(models.clone()));
        }
        match filter.failed {
            Some(true) => {
                query = query.filter(usage::status.lt(200).or(usage::status.ge(400)).or(usage::error_code.ne("")));
            }
            Some(false) => {
                query = query.filter(usage::status.ge(200).and(usage::status.lt(400)).and(usage::error_code.eq("")));
            }
            None => {}
        }
        if let Some((field, value)) = &filter.meta {
            // Documents are written by this program, without blanks.
            let pair = format!("{}:{}", serde_json::json!(field), serde_json::json!(value));
            query = query.filter(usage::meta.like(format!("%{}%", escape_like(&pair))).escape('\\'));
        }
        if let Some(from) = filter.from {
            query = query.filter(usage::at.ge(from));
        }
        if let Some(until) = filter.until {
            query = query.filter(usage::at.lt(until));
        }
        query
    }};
}

impl LoggedCall {
    /// True for a call that failed.
    pub fn failed(&self) -> bool {
        !(200..400).contains(&self.status) || !self.error_code.is_empty()
    }
    /// Every token that went in.
    pub fn prompt_tokens(&self) -> i64 {
        self.input + self.cache_read + self.cache_write_5m + self.cache_write_1h
    }
    /// What the caller attached.
    pub fn attached(&self) -> serde_json::Map<String, serde_json::Value> {
        serde_json::from_str(&self.meta).unwrap_or_default()
    }
    pub async fn find(conn: &mut Conn, call_id: &str) -> QueryResult<Option<Self>> {
        on!(conn, |c| usage::table
            .filter(usage::call_id.eq(call_id))
            .select(Self::as_select())
            .first(c)
            .await
            .optional())
    }
    /// One numbered page.
    pub async fn window(
        conn: &mut Conn,
        filter: &CallFilter,
        order: (CallOrder, Direction),
        window: Window,
    ) -> QueryResult<Vec<Self>> {
        const TOKENS: &str = "input + cache_read + cache_write_5m + cache_write_1h + output";
        on!(conn, |c| {
            let query = filtered!(usage::table.select(Self::as_select()).into_boxed(), filter);
            let query = match order {
                (CallOrder::At, Direction::Asc) => query.order((usage::at.asc(), usage::call_id.asc())),
                (CallOrder::At, Direction::Desc) => query.order((usage::at.desc(), usage::call_id.desc())),
                (CallOrder::Duration, Direction::Asc) => query.order((usage::duration_ms.asc(), usage::call_id.asc())),
                (CallOrder::Duration, Direction::Desc) => {
                    query.order((usage::duration_ms.desc(), usage::call_id.desc()))
                }
                (CallOrder::Tokens, Direction::Asc) => query.order((sql::<BigInt>(TOKENS).asc(), usage::call_id.asc())),
                (CallOrder::Tokens, Direction::Desc) => {
                    query.order((sql::<BigInt>(TOKENS).desc(), usage::call_id.desc()))
                }
            };
            query.limit(window.limit).offset(window.offset).load(c).await
        })
    }
    /// Sums over the calls a filter finds.
    pub async fn totals(conn: &mut Conn, filter: &CallFilter) -> QueryResult<CallTotals> {
        let (calls, errors, tokens, cost, duration_ms): (i64, i64, i64, i64, i64) = on!(conn, |c| {
            filtered!(
            usage::table
                .select((
                    sql::<BigInt>("COUNT(*)"),
                    sql::<BigInt>(
                        "CAST(COALESCE(SUM(CASE WHEN status < 200 OR status >= 400 OR error_code <> '' \
                         THEN 1 ELSE 0 END), 0) AS BIGINT)"
                    ),
                    sql::<BigInt>(
                        "CAST(COALESCE(SUM(input + cache_read + cache_write_5m + cache_write_1h + output), 0) AS BIGINT)"
                    ),
                    sql::<BigInt>("CAST(COALESCE(SUM(cost), 0) AS BIGINT)"),
                    sql::<BigInt>("CAST(COALESCE(SUM(duration_ms), 0) AS BIGINT)"),
                ))
                .into_boxed(),
            filter
        )
        .get_result(c)
        .await
        })?;
        Ok(CallTotals { calls, errors, tokens, cost: Micros(cost), duration_ms })
    }
}

impl Said {
    /// What was said in some calls, as far as it was recorded.
    pub async fn of(conn: &mut Conn, call_ids: &[String]) -> QueryResult<Vec<Self>> {
        on!(conn, |c| call_contents::table
            .filter(call_contents::call_id.eq_any(call_ids.to_vec()))
            .select(Self::as_select())
            .load(c)
            .await)
    }
}
