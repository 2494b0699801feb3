//! A batch on SQLite: prepared statements one after another, in one visit to the writer's thread.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable};
use diesel::upsert::excluded;

use super::{Booked, Moves, Paid, Settlement, Sums, distinct, entry_key, note};
use crate::clock::Time;
use crate::model::ledger::EntryKind;
use crate::table::{accounts, api_keys, call_contents, ledger_entries, usage, usage_hourly, usage_totals, users};

#[derive(Insertable)]
#[diesel(table_name = usage)]
struct Row<'a> {
    call_id: &'a str,
    at: Time,
    user_id: i64,
    key_id: i64,
    account_id: i64,
    model: &'a str,
    upstream_model: &'a str,
    dialect: &'a str,
    operation: &'a str,
    stream: bool,
    status: i64,
    error_code: &'a str,
    input: i64,
    cache_read: i64,
    cache_write_5m: i64,
    cache_write_1h: i64,
    output: i64,
    reasoning: i64,
    audio: i64,
    images: i64,
    cost: i64,
    raw_cost: i64,
    estimated: bool,
    first_byte_ms: i64,
    duration_ms: i64,
    ip: &'a str,
    client: &'a str,
    meta: &'a str,
}

impl<'a> Row<'a> {
    fn of(call: &'a Settlement) -> Self {
        Self {
            call_id: &call.call_id,
            at: call.at,
            user_id: call.user_id,
            key_id: call.key_id,
            account_id: call.account_id,
            model: &call.model,
            upstream_model: &call.upstream_model,
            dialect: &call.dialect,
            operation: &call.operation,
            stream: call.stream,
            status: call.status,
            error_code: &call.error_code,
            input: call.counts.input,
            cache_read: call.counts.cache_read,
            cache_write_5m: call.counts.cache_write_5m,
            cache_write_1h: call.counts.cache_write_1h,
            output: call.counts.output,
            reasoning: call.counts.reasoning,
            audio: call.counts.audio,
            images: call.counts.images,
            cost: call.cost,
            raw_cost: call.raw_cost,
            estimated: call.estimated,
            first_byte_ms: call.first_byte_ms,
            duration_ms: call.duration_ms,
            ip: &call.ip,
            client: &call.client,
            meta: &call.meta,
        }
    }
}

pub fn book(c: &mut SqliteConnection, calls: &[Settlement], now: Time) -> QueryResult<Booked> {
    let mut fresh = Vec::with_capacity(calls.len());
    for call in distinct(calls) {
        let n = diesel::insert_into(usage::table).values(Row::of(call)).on_conflict_do_nothing().execute(c)?;
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

/// The later of what a row holds and a moment.
macro_rules! later {
    ($at:expr) => {
        sql::<Nullable<BigInt>>("max(coalesce(last_used_at, 0), ").bind::<BigInt, _>($at).sql(")")
    };
}

fn spend(c: &mut SqliteConnection, moves: &Moves) -> QueryResult<()> {
    for (id, spent) in &moves.keys {
        diesel::update(api_keys::table.find(id))
            .set((
                api_keys::spent.eq(api_keys::spent + spent.cost),
                api_keys::request_count.eq(api_keys::request_count + spent.requests),
                api_keys::last_used_at.eq(later!(spent.last)),
            ))
            .execute(c)?;
    }
    for (id, spent) in &moves.accounts {
        diesel::update(accounts::table.find(id))
            .set((accounts::spent.eq(accounts::spent + spent.cost), accounts::last_used_at.eq(later!(spent.last))))
            .execute(c)?;
    }
    Ok(())
}

macro_rules! sums {
    ($table:ident, $sums:expr) => {{
        let s: &Sums = $sums;
        (
            $table::requests.eq(s.requests),
            $table::errors.eq(s.errors),
            $table::input.eq(s.counts.input),
            $table::cache_read.eq(s.counts.cache_read),
            $table::cache_write_5m.eq(s.counts.cache_write_5m),
            $table::cache_write_1h.eq(s.counts.cache_write_1h),
            $table::output.eq(s.counts.output),
            $table::reasoning.eq(s.counts.reasoning),
            $table::audio.eq(s.counts.audio),
            $table::images.eq(s.counts.images),
            $table::cost.eq(s.cost),
            $table::raw_cost.eq(s.raw_cost),
            $table::first_byte_ms.eq(s.first_byte_ms),
            $table::duration_ms.eq(s.duration_ms),
        )
    }};
}

macro_rules! grown {
    ($table:ident) => {
        (
            $table::requests.eq($table::requests + excluded($table::requests)),
            $table::errors.eq($table::errors + excluded($table::errors)),
            $table::input.eq($table::input + excluded($table::input)),
            $table::cache_read.eq($table::cache_read + excluded($table::cache_read)),
            $table::cache_write_5m.eq($table::cache_write_5m + excluded($table::cache_write_5m)),
            $table::cache_write_1h.eq($table::cache_write_1h + excluded($table::cache_write_1h)),
            $table::output.eq($table::output + excluded($table::output)),
            $table::reasoning.eq($table::reasoning + excluded($table::reasoning)),
            $table::audio.eq($table::audio + excluded($table::audio)),
            $table::images.eq($table::images + excluded($table::images)),
            $table::cost.eq($table::cost + excluded($table::cost)),
            $table::raw_cost.eq($table::raw_cost + excluded($table::raw_cost)),
            $table::first_byte_ms.eq($table::first_byte_ms + excluded($table::first_byte_ms)),
            $table::duration_ms.eq($table::duration_ms + excluded($table::duration_ms)),
        )
    };
}

fn roll_up(c: &mut SqliteConnection, moves: &Moves) -> QueryResult<()> {
    for ((hour, key, account, user, model, dialect), sums) in &moves.hourly {
        diesel::insert_into(usage_hourly::table)
            .values((
                usage_hourly::hour.eq(*hour),
                usage_hourly::key_id.eq(key),
                usage_hourly::account_id.eq(account),
                usage_hourly::user_id.eq(user),
                usage_hourly::model.eq(model),
                usage_hourly::dialect.eq(dialect),
                sums!(usage_hourly, sums),
            ))
            .on_conflict((
                usage_hourly::hour,
                usage_hourly::key_id,
                usage_hourly::account_id,
                usage_hourly::user_id,
                usage_hourly::model,
                usage_hourly::dialect,
            ))
            .do_update()
            .set(grown!(usage_hourly))
            .execute(c)?;
    }
    for ((hour, model, dialect), sums) in &moves.totals {
        diesel::insert_into(usage_totals::table)
            .values((
                usage_totals::hour.eq(*hour),
                usage_totals::model.eq(model),
                usage_totals::dialect.eq(dialect),
                sums!(usage_totals, sums),
            ))
            .on_conflict((usage_totals::hour, usage_totals::model, usage_totals::dialect))
            .do_update()
            .set(grown!(usage_totals))
            .execute(c)?;
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
