//! What the counters of limits are read from: sums of one key, account or user.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel_async::RunQueryDsl;

use crate::clock::{HOUR, Time};
use crate::db::Conn;
use crate::on;
use crate::table::{accounts, api_keys, usage, usage_hourly, users};

/// A sum as a plain number: PostgreSQL sums 64-bit columns into another type, and nothing sums to null.
macro_rules! total {
    ($column:literal) => {
        sql::<BigInt>(concat!("CAST(COALESCE(SUM(", $column, "), 0) AS BIGINT)"))
    };
}

/// What a key's calls have cost since a moment, and how many they were.
pub async fn key_cost(conn: &mut Conn, key_id: i64, since: Time) -> QueryResult<(i64, i64)> {
    on!(conn, |c| usage_hourly::table
        .filter(usage_hourly::key_id.eq(key_id))
        .filter(usage_hourly::hour.ge(since))
        .select((total!("cost"), total!("requests")))
        .get_result(c)
        .await)
}

/// How many tokens a key has used in its whole life.
pub async fn key_tokens(conn: &mut Conn, key_id: i64) -> QueryResult<i64> {
    on!(conn, |c| usage_hourly::table
        .filter(usage_hourly::key_id.eq(key_id))
        .select(total!("input + cache_read + cache_write_5m + cache_write_1h + output"))
        .get_result(c)
        .await)
}

/// What a key's calls of Claude models have cost since a moment.
pub async fn key_claude_cost(conn: &mut Conn, key_id: i64, since: Time) -> QueryResult<i64> {
    on!(conn, |c| usage_hourly::table
        .filter(usage_hourly::key_id.eq(key_id))
        .filter(usage_hourly::hour.ge(since))
        .filter(sql::<diesel::sql_types::Bool>("LOWER(model) LIKE '%claude%'"))
        .select(total!("cost"))
        .get_result(c)
        .await)
}

/// What an account's calls have cost since a moment, to the moment: the rest of its hour is read from
/// single calls.
pub async fn account_cost(conn: &mut Conn, account_id: i64, since: Time) -> QueryResult<i64> {
    let whole = if since == since.hour() { since } else { since.hour().plus(HOUR) };
    let hours: i64 = on!(conn, |c| usage_hourly::table
        .filter(usage_hourly::account_id.eq(account_id))
        .filter(usage_hourly::hour.ge(whole))
        .select(total!("cost"))
        .get_result(c)
        .await)?;
    if whole == since {
        return Ok(hours);
    }
    let rest: i64 = on!(conn, |c| usage::table
        .filter(usage::account_id.eq(account_id))
        .filter(usage::at.ge(since))
        .filter(usage::at.lt(whole))
        .select(total!("cost"))
        .get_result(c)
        .await)?;
    Ok(hours + rest)
}

/// What a user's calls have cost since a moment, and how many they were.
pub async fn user_cost(conn: &mut Conn, user_id: i64, since: Time) -> QueryResult<(i64, i64)> {
    on!(conn, |c| usage_hourly::table
        .filter(usage_hourly::user_id.eq(user_id))
        .filter(usage_hourly::hour.ge(since))
        .select((total!("cost"), total!("requests")))
        .get_result(c)
        .await)
}

/// What a key has cost in its whole life.
pub async fn key_spent(conn: &mut Conn, key_id: i64) -> QueryResult<Option<i64>> {
    on!(conn, |c| api_keys::table.find(key_id).select(api_keys::spent).first(c).await.optional())
}

/// What an account has cost in its whole life.
pub async fn account_spent(conn: &mut Conn, account_id: i64) -> QueryResult<Option<i64>> {
    on!(conn, |c| accounts::table.find(account_id).select(accounts::spent).first(c).await.optional())
}

/// A user's balance and its place in the wallet's history.
pub async fn balance(conn: &mut Conn, user_id: i64) -> QueryResult<Option<(i64, i64)>> {
    on!(conn, |c| users::table.find(user_id).select((users::balance, users::wallet_seq)).first(c).await.optional())
}

/// A key's calls since a moment: when the first began, how many, their tokens and cost.
pub async fn key_window(conn: &mut Conn, key_id: i64, since: Time) -> QueryResult<(Option<Time>, i64, i64, i64)> {
    on!(conn, |c| usage::table
        .filter(usage::key_id.eq(key_id))
        .filter(usage::at.gt(since))
        .select((
            diesel::dsl::min(usage::at),
            sql::<BigInt>("COUNT(*)"),
            total!("input + cache_read + cache_write_5m + cache_write_1h + output"),
            total!("cost"),
        ))
        .get_result(c)
        .await)
}
