//! How a key stands against its limits right now, from the counters that calls are admitted by.

use schema::kv::admission::{Ask, WindowLimits};
use schema::model::api_key::ApiKey;
use schema::service::admission;
use schema::{App, Error, Time};
use serde_json::{Value, json};

use super::shape::when;

/// What was counted today, this week and in the running window.
pub async fn of(app: &App, key: &ApiKey) -> Result<Value, Error> {
    let now = app.clock.now();
    let limits = &key.limits.0;
    let small = |n: i64| i8::try_from(n).unwrap_or_default();
    let some = |n: i64| (n > 0).then_some(n);
    let window = (limits.window_ms > 0).then(|| WindowLimits {
        length_ms: limits.window_ms,
        requests: some(limits.window_requests),
        tokens: some(limits.window_tokens),
        cost: some(limits.window_cost.0),
    });
    let ask = Ask {
        key_id: key.id,
        user_id: key.user_id,
        now,
        window,
        week_begins: (small(limits.week_start_day), small(limits.week_start_hour)),
        ..Ask::default()
    };
    let books = admission::standing(app, &ask).await?;
    let began = (books.window.0 > 0 && limits.window_ms > 0).then_some(books.window);
    let ends = began.map(|t| t.plus(limits.window_ms)).filter(|t| *t > now);
    let began = began.filter(|_| ends.is_some());
    let in_window = |n: i64| if ends.is_some() { n } else { 0 };
    let ms = |t: Option<Time>| t.map_or(Value::Null, |t| t.0.into());
    Ok(json!({
        "currentConcurrency": admission::open_calls(app, key.id).await?,
        "currentDailyCost": books.day_cost as f64 / 1e6, "dailyCost": books.day_cost as f64 / 1e6,
        "weeklyOpusCost": books.week_cost as f64 / 1e6,
        "currentWindowRequests": in_window(books.window_requests), "currentWindowTokens": in_window(books.window_tokens),
        "currentWindowCost": in_window(books.window_cost) as f64 / 1e6,
        "windowStartTime": ms(began), "windowEndTime": ms(ends),
        "windowRemainingSeconds": ends.map_or(Value::Null, |t| ((t.0 - now.0).max(0) / 1_000).into()),
        "windowEndsAt": when(ends),
    }))
}
