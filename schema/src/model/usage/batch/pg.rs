//! A batch on PostgreSQL: one statement a table, its values as arrays, so that each statement is
//! prepared once whatever the size of the batch.

use std::collections::HashSet;

use diesel::QueryableByName;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Text};
use diesel_async::RunQueryDsl;

use super::{Booked, GROWN, Moves, Paid, SUMS, Settlement, SpentSum, Sums, distinct, entry_key, note};
use crate::clock::Time;
use crate::db::Pg;

#[derive(QueryableByName)]
struct Fresh {
    #[diesel(sql_type = Text)]
    call_id: String,
    #[diesel(sql_type = BigInt)]
    at: i64,
}

#[derive(QueryableByName)]
struct Wallet {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = BigInt)]
    balance: i64,
    #[diesel(sql_type = BigInt)]
    wallet_seq: i64,
}

const USAGE: &str = "INSERT INTO usage (call_id, at, user_id, key_id, account_id, model, upstream_model, dialect, \
     operation, stream, status, error_code, input, cache_read, cache_write_5m, cache_write_1h, output, reasoning, \
     audio, images, cost, raw_cost, estimated, first_byte_ms, duration_ms, ip, client, meta) \
     SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], \
     $7::text[], $8::text[], $9::text[], $10::boolean[], $11::bigint[], $12::text[], $13::bigint[], $14::bigint[], \
     $15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[], $19::bigint[], $20::bigint[], $21::bigint[], \
     $22::bigint[], $23::boolean[], $24::bigint[], $25::bigint[], $26::text[], $27::text[], $28::text[]) \
     ON CONFLICT DO NOTHING RETURNING call_id, at";

const HOURLY: &str = ") SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], \
     $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], \
     $14::bigint[], $15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[], $19::bigint[], $20::bigint[]) \
     ON CONFLICT (hour, key_id, account_id, user_id, model, dialect) DO UPDATE SET ";

const TOTALS: &str = ") SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], \
     $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], \
     $14::bigint[], $15::bigint[], $16::bigint[], $17::bigint[]) \
     ON CONFLICT (hour, model, dialect) DO UPDATE SET ";

// The rows are locked in the order of their ids first, so that two batches cannot wait crosswise.
const USERS: &str = "WITH d AS (SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) \
     AS d (id, paid, cost, requests)), \
     l AS MATERIALIZED (SELECT id FROM users WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE) \
     UPDATE users u SET balance = u.balance - d.paid, \
     wallet_seq = u.wallet_seq + CASE WHEN d.paid = 0 THEN 0 ELSE 1 END, \
     spent = u.spent + d.cost, request_count = u.request_count + d.requests \
     FROM d JOIN l ON l.id = d.id WHERE u.id = l.id RETURNING u.id, u.balance, u.wallet_seq";

const ENTRIES: &str = "INSERT INTO ledger_entries (user_id, seq, kind, amount, balance_after, reference, idem_key, \
     note, actor, created_at) \
     SELECT e.*, 'system', $8::bigint FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], \
     $5::bigint[], $6::text[], $7::text[], $9::text[]) AS e";

const KEYS: &str = "WITH d AS (SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) \
     AS d (id, cost, requests, last)), \
     l AS MATERIALIZED (SELECT id FROM api_keys WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE) \
     UPDATE api_keys k SET spent = k.spent + d.cost, request_count = k.request_count + d.requests, \
     last_used_at = GREATEST(k.last_used_at, d.last) FROM d JOIN l ON l.id = d.id WHERE k.id = l.id";

const ACCOUNTS: &str = "WITH d AS (SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) \
     AS d (id, cost, last)), \
     l AS MATERIALIZED (SELECT id FROM accounts WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE) \
     UPDATE accounts a SET spent = a.spent + d.cost, last_used_at = GREATEST(a.last_used_at, d.last) \
     FROM d JOIN l ON l.id = d.id WHERE a.id = l.id";

const CONTENTS: &str = "INSERT INTO call_contents (call_id, at, system_prompt, user_message, assistant_message, \
     error_message) SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[]) \
     ON CONFLICT DO NOTHING";

pub async fn book(c: &mut Pg, calls: &[Settlement], now: Time) -> QueryResult<Booked> {
    let calls = distinct(calls);
    let fresh = insert(c, &calls).await?;
    let fresh: Vec<&Settlement> =
        calls.into_iter().filter(|call| fresh.contains(&(call.call_id.clone(), call.at.0))).collect();
    if fresh.is_empty() {
        return Ok(Booked::default());
    }
    let moves = Moves::of(fresh.iter().copied());
    roll_up(c, &moves).await?;
    let wallets = pay(c, &moves, now).await?;
    spend(c, &moves).await?;
    contents(c, &fresh).await?;
    let fresh = fresh.len();
    Ok(Booked { moves, wallets, fresh })
}

async fn insert(c: &mut Pg, calls: &[&Settlement]) -> QueryResult<HashSet<(String, i64)>> {
    let numbers = |f: fn(&Settlement) -> i64| calls.iter().map(|call| f(call)).collect::<Vec<i64>>();
    let switches = |f: fn(&Settlement) -> bool| calls.iter().map(|call| f(call)).collect::<Vec<bool>>();
    macro_rules! texts {
        ($field:ident) => {
            calls.iter().map(|call| call.$field.as_str()).collect::<Vec<&str>>()
        };
    }
    let rows: Vec<Fresh> = diesel::sql_query(USAGE)
        .bind::<Array<Text>, _>(texts!(call_id))
        .bind::<Array<BigInt>, _>(numbers(|s| s.at.0))
        .bind::<Array<BigInt>, _>(numbers(|s| s.user_id))
        .bind::<Array<BigInt>, _>(numbers(|s| s.key_id))
        .bind::<Array<BigInt>, _>(numbers(|s| s.account_id))
        .bind::<Array<Text>, _>(texts!(model))
        .bind::<Array<Text>, _>(texts!(upstream_model))
        .bind::<Array<Text>, _>(texts!(dialect))
        .bind::<Array<Text>, _>(texts!(operation))
        .bind::<Array<Bool>, _>(switches(|s| s.stream))
        .bind::<Array<BigInt>, _>(numbers(|s| s.status))
        .bind::<Array<Text>, _>(texts!(error_code))
        .bind::<Array<BigInt>, _>(numbers(|s| s.counts.input))
        .bind::<Array<BigInt>, _>(numbers(|s| s.counts.cache_read))
        .bind::<Array<BigInt>, _>(numbers(|s| s.counts.cache_write_5m))
        .bind::<Array<BigInt>, _>(numbers(|s| s.counts.cache_write_1h))
        .bind::<Array<BigInt>, _>(numbers(|s| s.counts.output))
        .bind::<Array<BigInt>, _>(numbers(|s| s.counts.reasoning))
        .bind::<Array<BigInt>, _>(numbers(|s| s.counts.audio))
        .bind::<Array<BigInt>, _>(numbers(|s| s.counts.images))
        .bind::<Array<BigInt>, _>(numbers(|s| s.cost))
        .bind::<Array<BigInt>, _>(numbers(|s| s.raw_cost))
        .bind::<Array<Bool>, _>(switches(|s| s.estimated))
        .bind::<Array<BigInt>, _>(numbers(|s| s.first_byte_ms))
        .bind::<Array<BigInt>, _>(numbers(|s| s.duration_ms))
        .bind::<Array<Text>, _>(texts!(ip))
        .bind::<Array<Text>, _>(texts!(client))
        .bind::<Array<Text>, _>(texts!(meta))
        .load(c)
        .await?;
    Ok(rows.into_iter().map(|row| (row.call_id, row.at)).collect())
}

/// Binds the fourteen sums of every row, in the order of the columns.
macro_rules! bind_sums {
    ($query:expr, $rows:expr) => {{
        let rows: Vec<&Sums> = $rows;
        let column = |f: fn(&Sums) -> i64| rows.iter().map(|s| f(s)).collect::<Vec<i64>>();
        $query
            .bind::<Array<BigInt>, _>(column(|s| s.requests))
            .bind::<Array<BigInt>, _>(column(|s| s.errors))
            .bind::<Array<BigInt>, _>(column(|s| s.counts.input))
            .bind::<Array<BigInt>, _>(column(|s| s.counts.cache_read))
            .bind::<Array<BigInt>, _>(column(|s| s.counts.cache_write_5m))
            .bind::<Array<BigInt>, _>(column(|s| s.counts.cache_write_1h))
            .bind::<Array<BigInt>, _>(column(|s| s.counts.output))
            .bind::<Array<BigInt>, _>(column(|s| s.counts.reasoning))
            .bind::<Array<BigInt>, _>(column(|s| s.counts.audio))
            .bind::<Array<BigInt>, _>(column(|s| s.counts.images))
            .bind::<Array<BigInt>, _>(column(|s| s.cost))
            .bind::<Array<BigInt>, _>(column(|s| s.raw_cost))
            .bind::<Array<BigInt>, _>(column(|s| s.first_byte_ms))
            .bind::<Array<BigInt>, _>(column(|s| s.duration_ms))
    }};
}

async fn roll_up(c: &mut Pg, moves: &Moves) -> QueryResult<()> {
    let query = diesel::sql_query(format!(
        "INSERT INTO usage_hourly AS t (hour, key_id, account_id, user_id, model, dialect, {SUMS}{HOURLY}{GROWN}"
    ))
    .bind::<Array<BigInt>, _>(moves.hourly.keys().map(|k| k.0.0).collect::<Vec<i64>>())
    .bind::<Array<BigInt>, _>(moves.hourly.keys().map(|k| k.1).collect::<Vec<i64>>())
    .bind::<Array<BigInt>, _>(moves.hourly.keys().map(|k| k.2).collect::<Vec<i64>>())
    .bind::<Array<BigInt>, _>(moves.hourly.keys().map(|k| k.3).collect::<Vec<i64>>())
    .bind::<Array<Text>, _>(moves.hourly.keys().map(|k| k.4.as_str()).collect::<Vec<&str>>())
    .bind::<Array<Text>, _>(moves.hourly.keys().map(|k| k.5.as_str()).collect::<Vec<&str>>());
    bind_sums!(query, moves.hourly.values().collect()).execute(c).await?;
    let query =
        diesel::sql_query(format!("INSERT INTO usage_totals AS t (hour, model, dialect, {SUMS}{TOTALS}{GROWN}"))
            .bind::<Array<BigInt>, _>(moves.totals.keys().map(|k| k.0.0).collect::<Vec<i64>>())
            .bind::<Array<Text>, _>(moves.totals.keys().map(|k| k.1.as_str()).collect::<Vec<&str>>())
            .bind::<Array<Text>, _>(moves.totals.keys().map(|k| k.2.as_str()).collect::<Vec<&str>>());
    bind_sums!(query, moves.totals.values().collect()).execute(c).await?;
    Ok(())
}

/// Moves the wallets: a call that was served is paid, also below zero. One ledger entry a user.
async fn pay(c: &mut Pg, moves: &Moves, now: Time) -> QueryResult<Vec<Paid>> {
    let rows: Vec<Wallet> = diesel::sql_query(USERS)
        .bind::<Array<BigInt>, _>(moves.users.keys().copied().collect::<Vec<i64>>())
        .bind::<Array<BigInt>, _>(moves.users.values().map(|s| s.paid).collect::<Vec<i64>>())
        .bind::<Array<BigInt>, _>(moves.users.values().map(|s| s.cost).collect::<Vec<i64>>())
        .bind::<Array<BigInt>, _>(moves.users.values().map(|s| s.requests).collect::<Vec<i64>>())
        .load(c)
        .await?;
    let mut wallets = Vec::with_capacity(rows.len());
    let (mut references, mut keys, mut notes) = (Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        if let Some(sum) = moves.users.get(&row.id).filter(|sum| sum.paid != 0) {
            wallets.push(Paid { user_id: row.id, amount: sum.paid, balance: row.balance, seq: row.wallet_seq });
            references.push(sum.first.as_str());
            keys.push(entry_key(&sum.first));
            notes.push(note(sum.requests));
        }
    }
    if !wallets.is_empty() {
        diesel::sql_query(ENTRIES)
            .bind::<Array<BigInt>, _>(wallets.iter().map(|w| w.user_id).collect::<Vec<i64>>())
            .bind::<Array<BigInt>, _>(wallets.iter().map(|w| w.seq).collect::<Vec<i64>>())
            .bind::<Array<Text>, _>(vec!["consumption"; wallets.len()])
            .bind::<Array<BigInt>, _>(wallets.iter().map(|w| -w.amount).collect::<Vec<i64>>())
            .bind::<Array<BigInt>, _>(wallets.iter().map(|w| w.balance).collect::<Vec<i64>>())
            .bind::<Array<Text>, _>(references)
            .bind::<Array<Text>, _>(keys)
            .bind::<BigInt, _>(now.0)
            .bind::<Array<Text>, _>(notes)
            .execute(c)
            .await?;
    }
    Ok(wallets)
}

async fn spend(c: &mut Pg, moves: &Moves) -> QueryResult<()> {
    let column = |f: fn(&SpentSum) -> i64| moves.keys.values().map(f).collect::<Vec<i64>>();
    diesel::sql_query(KEYS)
        .bind::<Array<BigInt>, _>(moves.keys.keys().copied().collect::<Vec<i64>>())
        .bind::<Array<BigInt>, _>(column(|s| s.cost))
        .bind::<Array<BigInt>, _>(column(|s| s.requests))
        .bind::<Array<BigInt>, _>(column(|s| s.last.0))
        .execute(c)
        .await?;
    if !moves.accounts.is_empty() {
        let column = |f: fn(&SpentSum) -> i64| moves.accounts.values().map(f).collect::<Vec<i64>>();
        diesel::sql_query(ACCOUNTS)
            .bind::<Array<BigInt>, _>(moves.accounts.keys().copied().collect::<Vec<i64>>())
            .bind::<Array<BigInt>, _>(column(|s| s.cost))
            .bind::<Array<BigInt>, _>(column(|s| s.last.0))
            .execute(c)
            .await?;
    }
    Ok(())
}

async fn contents(c: &mut Pg, fresh: &[&Settlement]) -> QueryResult<()> {
    let said: Vec<_> = fresh.iter().filter_map(|call| Some((*call, call.content.as_ref()?))).collect();
    if said.is_empty() {
        return Ok(());
    }
    diesel::sql_query(CONTENTS)
        .bind::<Array<Text>, _>(said.iter().map(|(call, _)| call.call_id.as_str()).collect::<Vec<&str>>())
        .bind::<Array<BigInt>, _>(said.iter().map(|(call, _)| call.at.0).collect::<Vec<i64>>())
        .bind::<Array<Text>, _>(said.iter().map(|(_, s)| s.system_prompt.as_str()).collect::<Vec<&str>>())
        .bind::<Array<Text>, _>(said.iter().map(|(_, s)| s.user_message.as_str()).collect::<Vec<&str>>())
        .bind::<Array<Text>, _>(said.iter().map(|(_, s)| s.assistant_message.as_str()).collect::<Vec<&str>>())
        .bind::<Array<Text>, _>(said.iter().map(|(_, s)| s.error_message.as_str()).collect::<Vec<&str>>())
        .execute(c)
        .await?;
    Ok(())
}
