//! The dashboard: people, calls and visits, now and by day.

use std::collections::BTreeMap;

use axum::extract::State;
use schema::model::tally::{Apart, TallyFilter};
use schema::model::user::UserFilter;
use schema::service::{request_log, setting, tally, user as people};
use schema::{App, Error, Role, Time};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::page::days;
use super::{Caller, Query, Reply, data};

/// How long something has gone on, in its largest unit.
fn lasting(seconds: u64) -> String {
    let (n, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3_600 => (seconds / 60, "minute"),
        3_600..86_400 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{n} {unit}{}", if n == 1 { "" } else { "s" })
}

/// Everybody's calls between two moments.
pub fn span(from: Time, until: Time) -> TallyFilter {
    TallyFilter { from, until, keys: Vec::new(), accounts: Vec::new(), users: Vec::new() }
}

pub async fn overview(State(app): State<App>, caller: Caller) -> Reply {
    caller.require(Role::Admin)?;
    let settings = setting::current(&app);
    let now = app.clock.now();
    let today = settings.zone().day_start(now, 0);
    let total = people::count(&app, &caller, &UserFilter::default()).await?;
    let fresh = UserFilter { created_from: Some(today), ..UserFilter::default() };
    let fresh = people::count(&app, &caller, &fresh).await?;
    let calls = |rows: &[schema::model::tally::Tally]| rows.iter().map(|r| r.requests).sum::<i64>();
    let all = tally::of_all(&app, &caller, &span(Time(0), now.plus(1)), Apart::default()).await?;
    let of_today = tally::of_all(&app, &caller, &span(today, now.plus(1)), Apart::default()).await?;
    let month = span(settings.zone().day_start(now, -29), now.plus(1));
    let active = tally::of_all(&app, &caller, &month, Apart { user: true, ..Apart::default() }).await?;
    let (visits, api_calls) = request_log::today(&app, &caller).await?;
    Ok(data(json!({
        "userStats": { "totalUsers": total, "todayRegistrations": fresh, "activeUsers": active.len() },
        "transactionStats": { "totalTransactions": calls(&all), "todayTransactions": calls(&of_today) },
        "systemStats": {
            "frontendVisits": visits,
            "apiCalls": api_calls,
            "uptime": lasting(relay::edge::health::uptime_seconds()),
        },
    })))
}

#[derive(Deserialize)]
pub struct ChartQuery {
    period: Option<String>,
    metrics: Option<String>,
}

pub async fn charts(State(app): State<App>, caller: Caller, query: Query<ChartQuery>) -> Reply {
    caller.require(Role::Admin)?;
    let days = days(query.0.period.as_deref())?;
    let metrics = query.0.metrics.filter(|m| !m.is_empty()).unwrap_or_else(|| "users,transactions,visits".into());
    let settings = setting::current(&app);
    let zone = settings.zone();
    let now = app.clock.now();
    let starts: Vec<Time> = (1 - days..=1).map(|d| zone.day_start(now, d)).collect();
    let mut charts = Map::new();
    for metric in metrics.split(',').map(str::trim) {
        let values = match metric {
            "users" => registrations(&app, &caller, &starts).await?,
            "transactions" => {
                let apart = Apart { hour: true, ..Apart::default() };
                let from = starts.first().copied().unwrap_or(now);
                let mut by_day: BTreeMap<String, i64> = BTreeMap::new();
                for row in tally::of_all(&app, &caller, &span(from, now.plus(1)), apart).await? {
                    *by_day.entry(zone.date(row.hour)).or_default() += row.requests;
                }
                starts.windows(2).map(|w| by_day.get(&zone.date(w[0])).copied().unwrap_or(0)).collect()
            }
            "visits" => visits(&app, &caller, &starts).await?,
            _ => return Err(Error::invalid("metrics", "metrics are users, transactions and visits").into()),
        };
        let points = starts.iter().zip(values).map(|(day, n)| json!({ "date": zone.date(*day), "value": n }));
        charts.insert(metric.to_owned(), points.collect::<Vec<Value>>().into());
    }
    Ok(data(charts))
}

async fn registrations(app: &App, caller: &Caller, starts: &[Time]) -> Result<Vec<i64>, Error> {
    let mut values = Vec::with_capacity(starts.len());
    for day in starts.windows(2) {
        let filter = UserFilter { created_from: Some(day[0]), created_until: Some(day[1]), ..UserFilter::default() };
        values.push(people::count(app, caller, &filter).await?);
    }
    Ok(values)
}

async fn visits(app: &App, caller: &Caller, starts: &[Time]) -> Result<Vec<i64>, Error> {
    use schema::model::request_log::{LogFilter, LogKind};
    let mut values = Vec::with_capacity(starts.len());
    for day in starts.windows(2) {
        let filter =
            LogFilter { kind: Some(LogKind::Access), from: Some(day[0]), until: Some(day[1]), ..LogFilter::default() };
        values.push(request_log::count(app, caller, &filter).await?);
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    #[test]
    fn uptime_is_told_in_its_largest_unit() {
        assert_eq!(super::lasting(1), "1 second");
        assert_eq!(super::lasting(7_300), "2 hours");
        assert_eq!(super::lasting(5 * 86_400 + 7), "5 days");
    }
}
