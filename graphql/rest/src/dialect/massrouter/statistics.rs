//! Statistics: what is popular, and what somebody used.

use axum::extract::State;
use schema::model::catalog::ModelFilter;
use schema::model::user::{UserFilter, UserStatus};
use schema::service::report::{self, Dimension, Grain, Measure, Point, Slice, Sums};
use schema::service::{catalog, user as people};
use schema::{App, Error, Micros, Role};
use serde::Deserialize;
use serde_json::{Value, json};

use super::model::{category, found};
use super::{Caller, Maybe, Path, Query, Reply, data};

#[derive(Deserialize)]
pub struct BoardQuery {
    period: Option<String>,
    category: Option<String>,
    limit: Option<i64>,
}

#[derive(Deserialize)]
pub struct PeriodQuery {
    period: Option<String>,
}

/// The stretch that a period names, up to now.
fn period(word: Option<&str>, usual: i64) -> Result<report::Period, Error> {
    let days = match word {
        None | Some("") => usual,
        Some("day") => 1,
        Some("week") => 7,
        Some("month") => 30,
        Some("year") => 365,
        Some(_) => return Err(Error::invalid("period", "period must be day, week, month or year")),
    };
    Ok(report::Period::Days(days))
}

fn sums(sums: &Sums) -> Value {
    json!({
        "requests": sums.requests,
        "errors": sums.errors,
        "input_tokens": sums.tokens() - sums.counts.output,
        "output_tokens": sums.counts.output,
        "total_tokens": sums.tokens(),
        "cost_usd": Micros(sums.cost).dollars(),
        "average_duration_ms": sums.average_ms(),
    })
}

/// Sums by day of the administrator's time zone, days without calls left out.
fn daily(points: &[Point]) -> Vec<Value> {
    let line = |point: &Point| {
        let mut line = sums(&point.sums);
        line["date"] = json!(point.label);
        line
    };
    points.iter().filter(|p| p.sums.requests > 0).map(line).collect()
}

/// The most called models of a slice.
async fn by_model(app: &App, caller: &Caller, slice: &Slice, most: i64) -> Result<Vec<Value>, Error> {
    let groups = report::groups(app, caller, slice, Dimension::Model, Measure::Requests, most).await?;
    let line = |group: &report::Group| {
        let mut line = sums(&group.sums);
        line["model_id"] = json!(group.key.word());
        line
    };
    Ok(groups.iter().map(line).collect())
}

pub async fn leaderboard(State(app): State<App>, caller: Maybe, query: Query<BoardQuery>) -> Reply {
    let query = query.0;
    let most = query.limit.unwrap_or(10);
    let most = usize::try_from(most).map_err(|_| Error::invalid("limit", "must be between 1 and 100"))?;
    let stretch = period(query.period.as_deref(), 7)?;
    let category = category(query.category.as_deref())?;
    let board = report::leaderboard(&app, &caller, stretch, category, most).await?;
    let places = board.iter().map(|place| {
        let known = place.known.as_ref();
        let name = known.map(|m| &m.display_name).filter(|n| !n.is_empty()).unwrap_or(&place.model);
        json!({
            "rank": place.place,
            "model_id": place.model,
            "name": name,
            "provider": known.map(|m| &m.provider),
            "category": known.map(|m| m.category),
            "requests": place.sums.requests,
            "requests_before": place.before,
            "share_percent": (place.share * 100.0).round() / 100.0,
            "total_tokens": place.sums.tokens(),
        })
    });
    let named = query.period.filter(|p| !p.is_empty()).unwrap_or_else(|| "week".into());
    Ok(data(&app, json!({ "period": named, "leaderboard": places.collect::<Vec<Value>>() })))
}

/// A model's use: everybody's for administrators, one's own for everybody else.
pub async fn of_model(State(app): State<App>, caller: Caller, id: Path<String>, query: Query<PeriodQuery>) -> Reply {
    let model = found(&app, &caller, &id.0).await?;
    let slice = Slice { models: Some(vec![model.name.clone()]), ..Slice::default() };
    let slice = report::range(&app, period(query.0.period.as_deref(), 30)?).of(&slice);
    let usage = report::totals(&app, &caller, &slice).await?;
    let days = report::series(&app, &caller, &slice, Grain::Day).await?;
    Ok(data(&app, json!({ "model_id": model.name, "usage": sums(&usage), "daily": daily(&days) })))
}

pub async fn of_me(State(app): State<App>, caller: Caller, query: Query<PeriodQuery>) -> Reply {
    let slice = Slice { users: Some(vec![caller.signed_in()?]), ..Slice::default() };
    let slice = report::range(&app, period(query.0.period.as_deref(), 30)?).of(&slice);
    let usage = report::totals(&app, &caller, &slice).await?;
    let days = report::series(&app, &caller, &slice, Grain::Day).await?;
    let models = by_model(&app, &caller, &slice, 1_000).await?;
    Ok(data(&app, json!({ "usage": sums(&usage), "models": models, "daily": daily(&days) })))
}

/// Everything at a glance, for administrators.
pub async fn dashboard(State(app): State<App>, caller: Caller) -> Reply {
    caller.require(Role::Admin)?;
    let today = report::range(&app, report::Period::Today);
    let count = |filter: UserFilter| {
        let (app, caller) = (app.clone(), caller.0.clone());
        async move { people::count(&app, &caller, &filter).await }
    };
    let active = UserFilter { status: Some(UserStatus::Active), ..UserFilter::default() };
    let fresh = UserFilter { created_from: today.from, ..UserFilter::default() };
    let of_today = today.of(&Slice::default());
    let ever = report::totals(&app, &caller, &Slice::default()).await?;
    let lately = report::totals(&app, &caller, &of_today).await?;
    let models = catalog::count(&app, &caller, &ModelFilter::default()).await?;
    Ok(data(
        &app,
        json!({
            "users": {
                "total": count(UserFilter::default()).await?,
                "active": count(active).await?,
                "new_today": count(fresh).await?,
            },
            "usage": { "total": sums(&ever), "today": sums(&lately) },
            "models": { "total": models, "top_today": by_model(&app, &caller, &of_today, 10).await? },
            "uptime_seconds": relay::edge::health::uptime_seconds(),
        }),
    ))
}
