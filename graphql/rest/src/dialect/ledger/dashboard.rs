//! The dashboard: people, calls and visits, now and by day.

use axum::extract::State;
use schema::model::user::UserFilter;
use schema::service::report::{self, Dimension, Grain, Period, Slice};
use schema::service::{request_log, setting, user as people};
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

pub async fn overview(State(app): State<App>, caller: Caller) -> Reply {
    caller.require(Role::Admin)?;
    let settings = setting::current(&app);
    let now = app.clock.now();
    let today = settings.zone().day_start(now, 0);
    let total = people::count(&app, &caller, &UserFilter::default()).await?;
    let fresh = UserFilter { created_from: Some(today), ..UserFilter::default() };
    let fresh = people::count(&app, &caller, &fresh).await?;
    let everything = Slice::default();
    let all = report::totals(&app, &caller, &everything).await?;
    let of_today = report::range(&app, Period::Today).of(&everything);
    let of_today = report::totals(&app, &caller, &of_today).await?;
    let month = report::range(&app, Period::Days(30)).of(&everything);
    let active = report::group_count(&app, &caller, &month, Dimension::User).await?;
    let (visits, api_calls) = request_log::today(&app, &caller).await?;
    Ok(data(json!({
        "userStats": { "totalUsers": total, "todayRegistrations": fresh, "activeUsers": active },
        "transactionStats": { "totalTransactions": all.requests, "todayTransactions": of_today.requests },
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
                let slice = report::range(&app, Period::Days(days)).of(&Slice::default());
                let points = report::series(&app, &caller, &slice, Grain::Day).await?;
                points.iter().map(|point| point.sums.requests).collect()
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
