//! Statistics of model calls.

use std::collections::HashMap;

use axum::extract::State;
use schema::model::catalog::ModelFilter;
use schema::page::{Direction, Window};
use schema::service::catalog;
use schema::service::report::{self, Dimension, Grain, Measure, Period, Slice};
use schema::{App, Error, Micros, Role};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::log::names;
use super::super::page::days;
use super::super::{Caller, Query, Reply, data};

#[derive(Deserialize)]
pub struct StatsQuery {
    period: Option<String>,
    #[serde(rename = "groupBy")]
    group_by: Option<String>,
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
    let slice = report::range(&app, Period::Days(days(query.period.as_deref())?)).of(&Slice::default());
    let all = report::totals(&app, &caller, &slice).await?;
    let grain = if by_hour { Grain::Hour } else { Grain::Day };
    let steps = report::series(&app, &caller, &slice, grain).await?;
    // Hours without calls are left out, which are most of ninety days'; days are all there.
    let timeline = steps.iter().filter(|step| !by_hour || step.sums.requests > 0).map(|step| {
        let (date, sums) = (if by_hour { step.at.rfc3339() } else { step.label.clone() }, &step.sums);
        json!({
            "date": date, "calls": sums.requests, "tokens": sums.tokens(), "cost": Micros(sums.cost).dollars(),
            "avgDuration": sums.average_ms(),
        })
    });
    let users = report::groups(&app, &caller, &slice, Dimension::User, Measure::Requests, 10).await?;
    let people = names(&app, &caller, users.iter().filter_map(|group| group.key.id())).await?;
    let top = users.iter().map(|group| {
        let user = group.key.id().and_then(|id| people.get(&id));
        json!({
            "userId": user.map(|u| &u.uid), "userName": user.map(|u| &u.display_name),
            "calls": group.sums.requests, "tokens": group.sums.tokens(), "cost": Micros(group.sums.cost).dollars(),
        })
    });
    let models = report::groups(&app, &caller, &slice, Dimension::Model, Measure::Requests, 1_000).await?;
    let names = models.iter().filter_map(|group| group.key.word().map(str::to_owned)).collect();
    let vendors = vendors(&app, &caller, names).await?;
    let providers = models.iter().map(|group| {
        let (name, sums) = (group.key.word().unwrap_or(""), &group.sums);
        json!({
            "provider": vendors.get(name).map_or("", String::as_str), "model": name,
            "calls": sums.requests, "tokens": sums.tokens(), "cost": Micros(sums.cost).dollars(),
            "avgDuration": sums.average_ms(),
        })
    });
    Ok(data(json!({
        "overview": {
            "totalCalls": all.requests,
            "successCalls": all.requests - all.errors,
            "failedCalls": all.errors,
            "successRate": rate(all.requests, all.errors),
            "totalTokens": all.tokens(),
            "totalCost": Micros(all.cost).dollars(),
            "avgDuration": all.average_ms(),
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
