//! The hourly sums that every dashboard and limit reads instead of single calls.
//!
//! One query serves all reports: sums over a [`Slice`], by any of five dimensions, cut into hours or
//! into the days of a time zone. An hour belongs to the day in which it begins.

mod books;
mod statement;

use std::fmt::Write;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

pub use books::{
    account_cost, account_spent, balance, key_claude_cost, key_cost, key_spent, key_tokens, key_window, user_cost,
};

use crate::clock::Time;
use crate::db::Conn;
use crate::model::usage::Counts;

use statement::{Param, Statement};

/// Which calls are summed; `None` is all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slice {
    pub from: Option<Time>,
    pub until: Option<Time>,
    pub keys: Option<Vec<i64>>,
    pub accounts: Option<Vec<i64>>,
    pub users: Option<Vec<i64>>,
    pub models: Option<Vec<String>>,
    pub dialects: Option<Vec<String>>,
}

/// By what sums are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dimension {
    Key,
    Account,
    User,
    Model,
    Dialect,
}

/// How sums are cut in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bucket {
    /// Not at all.
    Whole,
    /// By hours; the bucket is the hour's start.
    Hours,
    /// By days; the bucket is the number of the day. Each shift holds up to its moment, the last one for ever.
    Days(Vec<Shift>),
}

/// How far a zone's clocks are ahead of UTC, up to a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shift {
    pub until: Time,
    pub ahead_ms: i64,
}

/// Sums of calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    pub requests: i64,
    pub errors: i64,
    pub counts: Counts,
    /// What callers paid, and the same before group and user ratios; micro-dollars.
    pub cost: i64,
    pub raw_cost: i64,
    pub first_byte_ms: i64,
    pub duration_ms: i64,
}

impl Sums {
    /// Every token that went in or out.
    pub fn tokens(&self) -> i64 {
        self.counts.tokens()
    }
    /// Calls that did not fail.
    pub fn served(&self) -> i64 {
        self.requests - self.errors
    }
    /// Tokens in and out without the cache's.
    pub fn core_tokens(&self) -> i64 {
        self.counts.input + self.counts.output
    }
    /// Tokens written to a cache.
    pub fn cache_writes(&self) -> i64 {
        self.counts.cache_write_5m + self.counts.cache_write_1h
    }
    /// The average duration of a call.
    pub fn average_ms(&self) -> i64 {
        if self.requests == 0 { 0 } else { self.duration_ms / self.requests }
    }
    /// Calls that succeeded, in per cent of all; 100 where there were none.
    pub fn success_rate(&self) -> f64 {
        if self.requests == 0 {
            return 100.0;
        }
        (self.requests - self.errors) as f64 * 100.0 / self.requests as f64
    }
    /// Adds other sums to these.
    pub fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.errors += other.errors;
        self.counts.add(&other.counts);
        self.cost += other.cost;
        self.raw_cost += other.raw_cost;
        self.first_byte_ms += other.first_byte_ms;
        self.duration_ms += other.duration_ms;
    }
}

/// The sums of one bucket and group. What was not asked for is zero or empty.
#[derive(Clone, Debug, QueryableByName)]
pub struct Row {
    #[diesel(sql_type = BigInt)]
    pub bucket: i64,
    #[diesel(sql_type = BigInt)]
    pub key_id: i64,
    #[diesel(sql_type = BigInt)]
    pub account_id: i64,
    #[diesel(sql_type = BigInt)]
    pub user_id: i64,
    #[diesel(sql_type = Text)]
    pub model: String,
    #[diesel(sql_type = Text)]
    pub dialect: String,
    #[diesel(embed)]
    sums: RawSums,
}

#[derive(Clone, Copy, Debug, QueryableByName)]
struct RawSums {
    #[diesel(sql_type = BigInt)]
    requests: i64,
    #[diesel(sql_type = BigInt)]
    errors: i64,
    #[diesel(sql_type = BigInt)]
    input: i64,
    #[diesel(sql_type = BigInt)]
    cache_read: i64,
    #[diesel(sql_type = BigInt)]
    cache_write_5m: i64,
    #[diesel(sql_type = BigInt)]
    cache_write_1h: i64,
    #[diesel(sql_type = BigInt)]
    output: i64,
    #[diesel(sql_type = BigInt)]
    reasoning: i64,
    #[diesel(sql_type = BigInt)]
    audio: i64,
    #[diesel(sql_type = BigInt)]
    images: i64,
    #[diesel(sql_type = BigInt)]
    cost: i64,
    #[diesel(sql_type = BigInt)]
    raw_cost: i64,
    #[diesel(sql_type = BigInt)]
    first_byte_ms: i64,
    #[diesel(sql_type = BigInt)]
    duration_ms: i64,
}

impl Row {
    /// The sums.
    pub fn sums(&self) -> Sums {
        let s = &self.sums;
        Sums {
            requests: s.requests,
            errors: s.errors,
            counts: Counts {
                input: s.input,
                cache_read: s.cache_read,
                cache_write_5m: s.cache_write_5m,
                cache_write_1h: s.cache_write_1h,
                output: s.output,
                reasoning: s.reasoning,
                audio: s.audio,
                images: s.images,
            },
            cost: s.cost,
            raw_cost: s.raw_cost,
            first_byte_ms: s.first_byte_ms,
            duration_ms: s.duration_ms,
        }
    }
}

const SUMMED: [&str; 14] = [
    "requests",
    "errors",
    "input",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "output",
    "reasoning",
    "audio",
    "images",
    "cost",
    "raw_cost",
    "first_byte_ms",
    "duration_ms",
];

/// Sums over a slice, cut in time and told apart. Groups without calls are absent.
pub async fn rows(conn: &mut Conn, slice: &Slice, bucket: &Bucket, by: &[Dimension]) -> QueryResult<Vec<Row>> {
    let mut statement = Statement::new(conn);
    statement.select(slice, bucket, None, by);
    statement.load(conn).await
}

/// The groups of one dimension with the largest sums, largest first.
pub async fn top(
    conn: &mut Conn,
    slice: &Slice,
    by: Dimension,
    order: &'static str,
    most: i64,
) -> QueryResult<Vec<Row>> {
    let mut statement = Statement::new(conn);
    statement.push("SELECT * FROM (");
    statement.select(slice, &Bucket::Whole, None, &[by]);
    statement.push(") AS t ORDER BY ");
    statement.push(order);
    statement.push(" DESC, key_id, account_id, user_id, model, dialect LIMIT ");
    statement.value(Param::Int(most));
    statement.load(conn).await
}

/// How many groups of a dimension have calls.
pub async fn groups(conn: &mut Conn, slice: &Slice, by: Dimension) -> QueryResult<i64> {
    let mut statement = Statement::new(conn);
    // The count travels where the sums do, so that one row type serves.
    statement.push("SELECT COUNT(*) AS bucket, CAST(0 AS BIGINT) AS key_id, CAST(0 AS BIGINT) AS account_id, ");
    statement.push("CAST(0 AS BIGINT) AS user_id, CAST('' AS TEXT) AS model, CAST('' AS TEXT) AS dialect");
    for column in SUMMED {
        let _ = write!(statement.text, ", CAST(0 AS BIGINT) AS {column}");
    }
    statement.push(" FROM (");
    statement.select(slice, &Bucket::Whole, None, &[by]);
    statement.push(") AS t");
    let rows = statement.load(conn).await?;
    Ok(rows.into_iter().next().map_or(0, |row| row.bucket))
}

/// Sums of one dimension over several slices in one statement; a row's bucket is its slice's number.
pub async fn each(conn: &mut Conn, slices: &[Slice], by: &[Dimension]) -> QueryResult<Vec<Row>> {
    if slices.is_empty() {
        return Ok(Vec::new());
    }
    let mut statement = Statement::new(conn);
    for (number, slice) in slices.iter().enumerate() {
        if number > 0 {
            statement.push(" UNION ALL ");
        }
        statement.select(slice, &Bucket::Whole, Some(number as i64), by);
    }
    statement.load(conn).await
}

/// How many accounts served calls.
pub async fn served_by(conn: &mut Conn, slice: &Slice) -> QueryResult<i64> {
    let rows = rows(conn, slice, &Bucket::Whole, &[Dimension::Account]).await?;
    Ok(rows.iter().filter(|row| row.account_id != 0).count() as i64)
}
