//! Reading counters from the books, the first time somebody asks.

use crate::App;
use crate::clock::Time;
use crate::error::{Error, Result};
use crate::kv::admission::{Demand, KeyBooks, Span, UserBooks};
use crate::model::rollup;

/// Primes what is unknown.
pub async fn prime(app: &App, demand: &Demand<'_>, key: bool, user: bool) -> Result<()> {
    let ask = demand.ask;
    // No batch is half carried while we read.
    let _gate = app.books.gate.read().await;
    if key {
        let books = key_books(app, demand).await?;
        app.counters.prime_key(ask.key_id, &books, ask.now).await?;
    }
    if user {
        let books = user_books(app, ask.user_id, demand.day).await?;
        app.counters.prime_user(ask.user_id, &books, ask.now).await?;
    }
    Ok(())
}

/// A key's counters, primed when they were not.
pub async fn standing(app: &App, demand: &Demand<'_>) -> Result<KeyBooks> {
    if let Some(state) = app.counters.key_state(demand.ask.key_id).await?
        && state.day == demand.day
        && demand.week.is_none_or(|week| week == state.week)
    {
        return Ok(state);
    }
    let _gate = app.books.gate.read().await;
    key_books(app, demand).await
}

async fn key_books(app: &App, demand: &Demand<'_>) -> Result<KeyBooks> {
    let ask = demand.ask;
    let mut conn = app.db.conn().await?;
    let (day_cost, day_requests) = rollup::key_cost(&mut conn, ask.key_id, demand.day.start).await?;
    let mut books = KeyBooks {
        day: demand.day,
        day_cost,
        day_requests,
        total: rollup::key_spent(&mut conn, ask.key_id).await?.unwrap_or_default(),
        total_tokens: rollup::key_tokens(&mut conn, ask.key_id).await?,
        ..KeyBooks::default()
    };
    if let Some(week) = demand.week {
        books.week = week;
        books.week_cost = rollup::key_claude_cost(&mut conn, ask.key_id, week.start).await?;
    }
    if let Some(window) = &ask.window {
        let since = ask.now.plus(-window.length_ms);
        let (first, requests, tokens, cost) = rollup::key_window(&mut conn, ask.key_id, since).await?;
        books.window = first.unwrap_or(Time(0));
        (books.window_requests, books.window_tokens, books.window_cost) = (requests, tokens, cost);
    }
    Ok(books)
}

async fn user_books(app: &App, user_id: i64, day: Span) -> Result<UserBooks> {
    let mut conn = app.db.conn().await?;
    let (balance, seq) = rollup::balance(&mut conn, user_id).await?.ok_or(Error::NotFound { what: "user" })?;
    let (day_cost, day_requests) = rollup::user_cost(&mut conn, user_id, day.start).await?;
    Ok(UserBooks { balance, seq, day, day_cost, day_requests })
}
