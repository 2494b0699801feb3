//! The hourly sums that every dashboard and limit reads instead of single calls.
//!
//! One query serves all reports: sums over a [`Slice`], by any of five dimensions, cut into hours or
//! into the days of a time zone. An hour belongs to the day in which it begins.

mod books;

use std::fmt::Write;

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Text};
use diesel_async::RunQueryDsl;

pub use books::{
    account_cost, account_spent, balance, key_claude_cost, key_cost, key_spent, key_tokens, key_window, user_cost,
};

use crate::clock::Time;
use crate::db::Conn;
use crate::model::usage::Counts;
use crate::on;

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

/// A value of a statement.
#[derive(Clone, Debug)]
enum Param {
    Int(i64),
    Ints(Vec<i64>),
    Texts(Vec<String>),
}

/// A statement being written. Its text depends on what is asked, never on the values, so that the
/// number of prepared statements stays small.
struct Statement {
    text: String,
    params: Vec<Param>,
    postgres: bool,
}

impl Statement {
    fn new(conn: &Conn) -> Self {
        Self { text: String::new(), params: Vec::new(), postgres: matches!(conn, Conn::Pg(_)) }
    }
    fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }
    /// Writes a placeholder.
    fn value(&mut self, param: Param) {
        self.params.push(param);
        let mark = if self.postgres { '$' } else { '?' };
        // Writing to a string cannot fail.
        let _ = write!(self.text, "{mark}{}", self.params.len());
    }
    fn one_of(&mut self, column: &str, values: Param) {
        self.push(column);
        let texts = matches!(values, Param::Texts(_));
        if self.postgres {
            self.push(" = ANY (");
            self.value(values);
            self.push(if texts { "::text[])" } else { "::bigint[])" });
        } else {
            self.push(" IN (SELECT value FROM json_each(");
            self.value(values);
            self.push("))");
        }
    }

    fn select(&mut self, slice: &Slice, bucket: &Bucket, mark: Option<i64>, by: &[Dimension]) {
        let over_everybody = slice.keys.is_none()
            && slice.accounts.is_none()
            && slice.users.is_none()
            && by.iter().all(|d| matches!(d, Dimension::Model | Dimension::Dialect));
        self.push("SELECT CAST(");
        match (mark, bucket) {
            (Some(mark), _) => self.value(Param::Int(mark)),
            (None, Bucket::Whole) => self.push("0"),
            (None, Bucket::Hours) => self.push("hour"),
            (None, Bucket::Days(shifts)) => self.day(shifts),
        }
        self.push(" AS BIGINT) AS bucket");
        for (dimension, column, none) in [
            (Dimension::Key, "key_id", "CAST(0 AS BIGINT)"),
            (Dimension::Account, "account_id", "CAST(0 AS BIGINT)"),
            (Dimension::User, "user_id", "CAST(0 AS BIGINT)"),
            (Dimension::Model, "model", "CAST('' AS TEXT)"),
            (Dimension::Dialect, "dialect", "CAST('' AS TEXT)"),
        ] {
            let asked = by.contains(&dimension);
            let _ = if asked { write!(self.text, ", {column}") } else { write!(self.text, ", {none} AS {column}") };
        }
        for column in SUMMED {
            let _ = write!(self.text, ", CAST(COALESCE(SUM({column}), 0) AS BIGINT) AS {column}");
        }
        self.push(if over_everybody { " FROM usage_totals" } else { " FROM usage_hourly" });
        self.push(" WHERE 1 = 1");
        if let Some(from) = slice.from {
            self.push(" AND hour >= ");
            self.value(Param::Int(from.0));
        }
        if let Some(until) = slice.until {
            self.push(" AND hour < ");
            self.value(Param::Int(until.0));
        }
        for (column, ids) in [("key_id", &slice.keys), ("account_id", &slice.accounts), ("user_id", &slice.users)] {
            if let Some(ids) = ids {
                self.push(" AND ");
                self.one_of(column, Param::Ints(ids.clone()));
            }
        }
        for (column, words) in [("model", &slice.models), ("dialect", &slice.dialects)] {
            if let Some(words) = words {
                self.push(" AND ");
                self.one_of(column, Param::Texts(words.clone()));
            }
        }
        let mut groups = Vec::new();
        if mark.is_none() && *bucket != Bucket::Whole {
            groups.push("1");
        }
        for (dimension, place) in [
            (Dimension::Key, "2"),
            (Dimension::Account, "3"),
            (Dimension::User, "4"),
            (Dimension::Model, "5"),
            (Dimension::Dialect, "6"),
        ] {
            if by.contains(&dimension) {
                groups.push(place);
            }
        }
        if !groups.is_empty() {
            self.push(" GROUP BY ");
            self.push(&groups.join(", "));
        }
    }

    /// The number of the day in which an hour begins.
    fn day(&mut self, shifts: &[Shift]) {
        match shifts {
            [] => self.push("hour / 86400000"),
            [only] => {
                self.push("(hour + ");
                self.value(Param::Int(only.ahead_ms));
                self.push(") / 86400000");
            }
            [first @ .., last] => {
                self.push("(hour + CASE");
                for shift in first {
                    self.push(" WHEN hour < ");
                    self.value(Param::Int(shift.until.0));
                    self.push(" THEN ");
                    self.value(Param::Int(shift.ahead_ms));
                }
                self.push(" ELSE ");
                self.value(Param::Int(last.ahead_ms));
                self.push(" END) / 86400000");
            }
        }
    }

    async fn load(self, conn: &mut Conn) -> QueryResult<Vec<Row>> {
        let (text, params) = (self.text, self.params);
        on!(
            conn,
            pg | c | {
                let mut query = diesel::sql_query(text).into_boxed::<diesel::pg::Pg>();
                for param in params {
                    query = match param {
                        Param::Int(n) => query.bind::<BigInt, _>(n),
                        Param::Ints(list) => query.bind::<Array<BigInt>, _>(list),
                        Param::Texts(list) => query.bind::<Array<Text>, _>(list),
                    };
                }
                query.load(c).await
            },
            lite | c | {
                let mut query = diesel::sql_query(text).into_boxed::<diesel::sqlite::Sqlite>();
                for param in params {
                    query = match param {
                        Param::Int(n) => query.bind::<BigInt, _>(n),
                        Param::Ints(list) => query.bind::<Text, _>(serde_json::json!(list).to_string()),
                        Param::Texts(list) => query.bind::<Text, _>(serde_json::json!(list).to_string()),
                    };
                }
                query.load(c).await
            }
        )
    }
}

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
