//! Statistics of model calls.

use std::collections::{BTreeMap, HashMap};

use axum::extract::State;
use schema::model::catalog::ModelFilter;
use schema::model::tally::{Apart, Tally};
use schema::page::{Direction, Window};
use schema::service::{catalog, setting, tally};
use schema::{App, Error, Role};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::dashboard::span;
use super::super::log::names;
use super::super::page::days;
use super::super::{Caller, Query, Reply, data};

#[derive(Deserialize)]
pub struct StatsQuery {
    period: Option<String>,
    #[serde(rename = "groupBy")]
    group_by: Option<String>,
}

fn average(row: &Tally) -> i64 {
    if row.requests == 0 { 0 } else { row.duration_ms / row.requests }
}

/// Percent that went well, to one decimal.
pub fn rate(all: i64, failed: i64) -> f64 {
    if all == 0 { 0.0 } else { ((all - failed) as f64 * 1000.0 / all as f64).round() / 10.0 }
}

pub async fn stats(State(app): State<App>, caller: Caller, query: Query<StatsQuery>) -> Reply {
    caller.require(Role::Admin)?;
    let query = query.0;
    let by_hour = match query.group_by.as_deref() {
        None | Some("" | "day" | "user" | "provider") => false,
        Some("hour") => true,
        Some(_) => return Err(Error::invalid("groupBy", "groupBy must be day, hour, user or provider").into()),
    };
    let settings = setting::current(&app);
    let zone = settings.zone();
    let now = app.clock.now();
    let filter = span(zone.day_start(now, 1 - days(query.period.as_deref())?).hour(), now.plus(1));
    let hours = tally::of_all(&app, &caller, &filter, Apart { hour: true, ..Apart::default() }).await?;
    let mut all = Tally::default();
    let mut times: BTreeMap<String, Tally> = BTreeMap::new();
    for row in &hours {
        all.add(row);
        let label = if by_hour { row.hour.rfc3339() } else { zone.date(row.hour) };
        times.entry(label).or_default().add(row);
    }
    let timeline = times.iter().map(|(date, row)| {
        json!({
            "date": date, "calls": row.requests, "tokens": row.tokens(), "cost": row.cost.dollars(),
            "avgDuration": average(row),
        })
    });
    let mut users = tally::of_all(&app, &caller, &filter, Apart { user: true, ..Apart::default() }).await?;
    users.sort_by_key(|row| std::cmp::Reverse(row.requests));
    users.truncate(10);
    let people = names(&app, &caller, users.iter().map(|row| row.user_id)).await?;
    let top = users.iter().map(|row| {
        let user = people.get(&row.user_id);
        json!({
            "userId": user.map(|u| &u.uid), "userName": user.map(|u| &u.display_name),
            "calls": row.requests, "tokens": row.tokens(), "cost": row.cost.dollars(),
        })
    });
    let mut models = tally::of_all(&app, &caller, &filter, Apart { model: true, ..Apart::default() }).await?;
    models.sort_by_key(|row| std::cmp::Reverse(row.requests));
    let vendors = vendors(&app, &caller, models.iter().map(|row| row.model.clone()).collect()).await?;
    let providers = models.iter().map(|row| {
        json!({
            "provider": vendors.get(&row.model).map_or("", String::as_str), "model": row.model,
            "calls": row.requests, "tokens": row.tokens(), "cost": row.cost.dollars(), "avgDuration": average(row),
        })
    });
    Ok(data(json!({
        "overview": {
            "totalCalls": all.requests,
            "successCalls": all.requests - all.errors,
            "failedCalls": all.errors,
            "successRate": rate(all.requests, all.errors),
            "totalTokens": all.tokens(),
            "totalCost": all.cost.dollars(),
            "avgDuration": average(&all),
        },
        "timeline": timeline.collect::<Vec<Value>>(),
        "topUsers": top.collect::<Vec<Value>>(),
        "providerStats": providers.collect::<Vec<Value>>(),
    })))
}

/// The vendors of models, by the models' names.
pub async fn vendors(app: &App, caller: &Caller, models: Vec<String>) -> Result<HashMap<String, String>, Error> {
    if models.is_empty() {
        return Ok(HashMap::new());
    }
    let filter = ModelFilter { names: models, ..ModelFilter::default() };
    let order = (schema::model::catalog::ModelOrder::Name, Direction::Asc);
    let page = catalog::pages(app, caller, &filter, order, Window { limit: 10_000, offset: 0 }).await?;
    Ok(page.rows.into_iter().map(|m| (m.name, m.provider)).collect())
}
