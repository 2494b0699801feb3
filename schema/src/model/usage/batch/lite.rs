//! A batch on SQLite: prepared statements one after another, in one visit to the writer's thread.

use diesel::prelude::*;
use diesel::query_builder::AstPass;
use diesel::sql_types::{BigInt, Bool, Text};
use diesel::sqlite::Sqlite;

use super::{Booked, Counts, GROWN, HourKey, Moves, Paid, SUMS, Settlement, SpentSum, Sums, distinct, entry_key, note};
use crate::clock::Time;
use crate::kept;
use crate::model::ledger::EntryKind;
use crate::table::{call_contents, ledger_entries, users};

kept! {
    /// A call's row, if it is not there yet.
    InsertUsage<'a>(&'a Settlement) |call|
    "INSERT INTO usage (call_id, at, user_id, key_id, account_id, model, upstream_model, dialect, operation, stream, \
     status, error_code, input, cache_read, cache_write_5m, cache_write_1h, output, reasoning, audio, images, cost, \
     raw_cost, estimated, first_byte_ms, duration_ms, ip, client, meta) VALUES ("
    <Text> call.call_id,
    ", " <BigInt> call.at,
    ", " <BigInt> call.user_id,
    ", " <BigInt> call.key_id,
    ", " <BigInt> call.account_id,
    ", " <Text> call.model,
    ", " <Text> call.upstream_model,
    ", " <Text> call.dialect,
    ", " <Text> call.operation,
    ", " <Bool> call.stream,
    ", " <BigInt> call.status,
    ", " <Text> call.error_code,
    ", " <BigInt> call.counts.input,
    ", " <BigInt> call.counts.cache_read,
    ", " <BigInt> call.counts.cache_write_5m,
    ", " <BigInt> call.counts.cache_write_1h,
    ", " <BigInt> call.counts.output,
    ", " <BigInt> call.counts.reasoning,
    ", " <BigInt> call.counts.audio,
    ", " <BigInt> call.counts.images,
    ", " <BigInt> call.cost,
    ", " <BigInt> call.raw_cost,
    ", " <Bool> call.estimated,
    ", " <BigInt> call.first_byte_ms,
    ", " <BigInt> call.duration_ms,
    ", " <Text> call.ip,
    ", " <Text> call.client,
    ", " <Text> call.meta,
    ") ON CONFLICT DO NOTHING"
}

type Out<'a, 'b> = AstPass<'a, 'b, Sqlite>;

fn text(sql: &str, out: &mut Out<'_, '_>) -> QueryResult<()> {
    out.push_sql(sql);
    Ok(())
}

/// The values of [`SUMS`].
fn sums<'b>(sums: &'b Sums, out: &mut Out<'_, 'b>) -> QueryResult<()> {
    let Sums { requests, errors, counts, cost, raw_cost, first_byte_ms, duration_ms } = sums;
    let Counts { input, cache_read, cache_write_5m, cache_write_1h, output, reasoning, audio, images } = counts;
    let used = [input, cache_read, cache_write_5m, cache_write_1h, output, reasoning, audio, images];
    let rest = [cost, raw_cost, first_byte_ms, duration_ms];
    for figure in [requests, errors].into_iter().chain(used).chain(rest) {
        out.push_sql(", ");
        out.push_bind_param::<BigInt, _>(figure)?;
    }
    Ok(())
}

kept! {
    /// An hour's sums of one key at one account.
    GrowHour<'a>((&'a HourKey, &'a Sums)) |row|
    "INSERT INTO usage_hourly AS t (hour, key_id, account_id, user_id, model, dialect, " => text: SUMS,
    ") VALUES ("
    <BigInt> row.0.0,
    ", " <BigInt> row.0.1,
    ", " <BigInt> row.0.2,
    ", " <BigInt> row.0.3,
    ", " <Text> row.0.4,
    ", " <Text> row.0.5,
    "" => sums: row.1,
    ") ON CONFLICT (hour, key_id, account_id, user_id, model, dialect) DO UPDATE SET " => text: GROWN,
    ""
}

kept! {
    /// An hour's sums over everybody.
    GrowTotal<'a>((&'a (Time, String, String), &'a Sums)) |row|
    "INSERT INTO usage_totals AS t (hour, model, dialect, " => text: SUMS,
    ") VALUES ("
    <BigInt> row.0.0,
    ", " <Text> row.0.1,
    ", " <Text> row.0.2,
    "" => sums: row.1,
    ") ON CONFLICT (hour, model, dialect) DO UPDATE SET " => text: GROWN,
    ""
}

kept! {
    /// What a key has spent.
    SpendKey<'a>((&'a i64, &'a SpentSum)) |row|
    "UPDATE api_keys SET spent = spent + " <BigInt> row.1.cost,
    ", request_count = request_count + " <BigInt> row.1.requests,
    ", last_used_at = max(coalesce(last_used_at, 0), " <BigInt> row.1.last,
    ") WHERE id = " <BigInt> row.0,
    ""
}

kept! {
    /// What was spent at an account.
    SpendAccount<'a>((&'a i64, &'a SpentSum)) |row|
    "UPDATE accounts SET spent = spent + " <BigInt> row.1.cost,
    ", last_used_at = max(coalesce(last_used_at, 0), " <BigInt> row.1.last,
    ") WHERE id = " <BigInt> row.0,
    ""
}

pub fn book(c: &mut SqliteConnection, calls: &[Settlement], now: Time) -> QueryResult<Booked> {
    let mut fresh = Vec::with_capacity(calls.len());
    for call in distinct(calls) {
        let n = InsertUsage(call).execute(c)?;
        if n == 1 {
            fresh.push(call);
        }
    }
    let moves = Moves::of(fresh.iter().copied());
    roll_up(c, &moves)?;
    let wallets = pay(c, &moves, now)?;
    spend(c, &moves)?;
    for call in &fresh {
        if let Some(said) = &call.content {
            diesel::insert_into(call_contents::table)
                .values((
                    call_contents::call_id.eq(&call.call_id),
                    call_contents::at.eq(call.at),
                    call_contents::system_prompt.eq(&said.system_prompt),
                    call_contents::user_message.eq(&said.user_message),
                    call_contents::assistant_message.eq(&said.assistant_message),
                    call_contents::error_message.eq(&said.error_message),
                ))
                .on_conflict_do_nothing()
                .execute(c)?;
        }
    }
    let fresh = fresh.len();
    Ok(Booked { moves, wallets, fresh })
}

fn spend(c: &mut SqliteConnection, moves: &Moves) -> QueryResult<()> {
    for row in &moves.keys {
        SpendKey(row).execute(c)?;
    }
    for row in &moves.accounts {
        SpendAccount(row).execute(c)?;
    }
    Ok(())
}

fn roll_up(c: &mut SqliteConnection, moves: &Moves) -> QueryResult<()> {
    for row in &moves.hourly {
        GrowHour(row).execute(c)?;
    }
    for row in &moves.totals {
        GrowTotal(row).execute(c)?;
    }
    Ok(())
}

/// Moves the wallets: a call that was served is paid, also below zero. One ledger entry a user.
fn pay(c: &mut SqliteConnection, moves: &Moves, now: Time) -> QueryResult<Vec<Paid>> {
    let mut wallets = Vec::new();
    for (id, sum) in &moves.users {
        if sum.paid == 0 {
            diesel::update(users::table.find(id))
                .set((
                    users::spent.eq(users::spent + sum.cost),
                    users::request_count.eq(users::request_count + sum.requests),
                ))
                .execute(c)?;
            continue;
        }
        let moved: Option<(i64, i64)> = diesel::update(users::table.find(id))
            .set((
                users::balance.eq(users::balance - sum.paid),
                users::wallet_seq.eq(users::wallet_seq + 1),
                users::spent.eq(users::spent + sum.cost),
                users::request_count.eq(users::request_count + sum.requests),
            ))
            .returning((users::balance, users::wallet_seq))
            .get_result(c)
            .optional()?;
        let Some((balance, seq)) = moved else { continue };
        diesel::insert_into(ledger_entries::table)
            .values((
                ledger_entries::user_id.eq(id),
                ledger_entries::seq.eq(seq),
                ledger_entries::kind.eq(EntryKind::Consumption),
                ledger_entries::amount.eq(-sum.paid),
                ledger_entries::balance_after.eq(balance),
                ledger_entries::reference.eq(&sum.first),
                ledger_entries::idem_key.eq(entry_key(&sum.first)),
                ledger_entries::note.eq(note(sum.requests)),
                ledger_entries::actor.eq("system"),
                ledger_entries::created_at.eq(now),
            ))
            .execute(c)?;
        wallets.push(Paid { user_id: *id, amount: sum.paid, balance, seq });
    }
    Ok(wallets)
}
