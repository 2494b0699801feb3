//! Statistics: what is popular, and what somebody used.

use std::collections::{BTreeMap, HashMap};

use axum::extract::State;
use schema::clock::DAY;
use schema::model::catalog::{Model, ModelFilter, ModelOrder};
use schema::model::tally::{Apart, Tally, TallyFilter};
use schema::model::user::{UserFilter, UserStatus};
use schema::page::{Direction, Window};
use schema::service::{catalog, setting, statistics, tally, user as people};
use schema::{App, Error, Role, Time};
use serde::Deserialize;
use serde_json::{Value, json};

use super::model::category;
use super::{Caller, Maybe, Path, Query, Reply, data};

#[derive(Deserialize)]
pub struct Period {
    period: Option<String>,
    category: Option<String>,
    limit: Option<i64>,
}

/// Days back that a period names.
fn days(period: Option<&str>, usual: i64) -> Result<i64, Error> {
    match period {
        None | Some("") => Ok(usual),
        Some("day") => Ok(1),
        Some("week") => Ok(7),
        Some("month") => Ok(30),
        Some("year") => Ok(365),
        Some(_) => Err(Error::invalid("period", "period must be day, week, month or year")),
    }
}

fn sums(row: &Tally) -> Value {
    json!({
        "requests": row.requests,
        "errors": row.errors,
        "input_tokens": row.input + row.cache_read + row.cache_write,
        "output_tokens": row.output,
        "total_tokens": row.tokens(),
        "cost_usd": row.cost.dollars(),
        "average_duration_ms": if row.requests == 0 { 0 } else { row.duration_ms / row.requests },
    })
}

fn total(rows: &[Tally]) -> Tally {
    let mut sum = Tally::default();
    rows.iter().for_each(|row| sum.add(row));
    sum
}

/// Sums by day of the administrator's time zone.
fn daily(app: &App, rows: &[Tally]) -> Vec<Value> {
    let settings = setting::current(app);
    let mut by_day: BTreeMap<String, Tally> = BTreeMap::new();
    for row in rows {
        by_day.entry(settings.zone().date(row.hour)).or_default().add(row);
    }
    let line = |(date, row): (&String, &Tally)| {
        let mut line = sums(row);
        line["date"] = json!(date);
        line
    };
    by_day.iter().map(line).collect()
}

pub async fn leaderboard(State(app): State<App>, caller: Maybe, query: Query<Period>) -> Reply {
    let query = query.0;
    let limit = query.limit.unwrap_or(10);
    if !(1..=100).contains(&limit) {
        return Err(Error::invalid("limit", "must be between 1 and 100").into());
    }
    let days = days(query.period.as_deref(), 7)?;
    let filter = ModelFilter { category: category(query.category.as_deref())?, ..ModelFilter::default() };
    let all = Window { limit: 50_000, offset: 0 };
    let models = catalog::pages(&app, &caller, &filter, (ModelOrder::Name, Direction::Asc), all).await?;
    let known: HashMap<&str, &Model> = models.rows.iter().map(|m| (m.name.as_str(), m)).collect();
    let now = app.clock.now();
    let rows = statistics::popular(&app, now.plus(-days * DAY).hour(), now.plus(1)).await?;
    let found = rows.iter().filter_map(|row| known.get(row.model.as_str()).map(|model| (row, *model)));
    let places = found.take(usize::try_from(limit).unwrap_or(0)).enumerate().map(|(at, (row, model))| {
        json!({
            "rank": at + 1,
            "model_id": model.name,
            "name": if model.display_name.is_empty() { &model.name } else { &model.display_name },
            "provider": model.provider,
            "category": model.category,
            "requests": row.requests,
            "total_tokens": row.tokens(),
        })
    });
    let period = query.period.filter(|p| !p.is_empty()).unwrap_or_else(|| "week".into());
    Ok(data(&app, json!({ "period": period, "leaderboard": places.collect::<Vec<Value>>() })))
}

/// A model's use: everybody's for administrators, one's own for everybody else.
pub async fn of_model(State(app): State<App>, caller: Caller, id: Path<String>, query: Query<Period>) -> Reply {
    let me = caller.signed_in()?;
    let model = catalog::get(&app, &caller, &id.0).await?;
    let now = app.clock.now();
    let from = now.plus(-days(query.0.period.as_deref(), 30)? * DAY).hour();
    let apart = Apart { hour: true, model: true, ..Apart::default() };
    let mut rows = if caller.is_admin() {
        let filter = TallyFilter { from, until: now.plus(1), keys: vec![], accounts: vec![], users: vec![] };
        tally::of_all(&app, &caller, &filter, apart).await?
    } else {
        statistics::of_person(&app, &caller, me, (from, now.plus(1)), apart).await?
    };
    rows.retain(|row| row.model == model.name);
    Ok(data(&app, json!({ "model_id": model.name, "usage": sums(&total(&rows)), "daily": daily(&app, &rows) })))
}

pub async fn of_me(State(app): State<App>, caller: Caller, query: Query<Period>) -> Reply {
    let me = caller.signed_in()?;
    let now = app.clock.now();
    let span = (now.plus(-days(query.0.period.as_deref(), 30)? * DAY).hour(), now.plus(1));
    let by_hour = Apart { hour: true, ..Apart::default() };
    let by_hour = statistics::of_person(&app, &caller, me, span, by_hour).await?;
    let by_model = Apart { model: true, ..Apart::default() };
    let by_model = statistics::of_person(&app, &caller, me, span, by_model).await?;
    let models = by_model.iter().map(|row| {
        let mut line = sums(row);
        line["model_id"] = json!(row.model);
        line
    });
    Ok(data(
        &app,
        json!({
            "usage": sums(&total(&by_hour)),
            "models": models.collect::<Vec<Value>>(),
            "daily": daily(&app, &by_hour),
        }),
    ))
}

/// Everything at a glance, for administrators.
pub async fn dashboard(State(app): State<App>, caller: Caller) -> Reply {
    caller.require(Role::Admin)?;
    let now = app.clock.now();
    let today = setting::current(&app).zone().day_start(now, 0);
    let count = |filter: UserFilter| {
        let (app, caller) = (app.clone(), caller.0.clone());
        async move { people::count(&app, &caller, &filter).await }
    };
    let active = UserFilter { status: Some(UserStatus::Active), ..UserFilter::default() };
    let fresh = UserFilter { created_from: Some(today), ..UserFilter::default() };
    let span = |from: Time| TallyFilter { from, until: now.plus(1), keys: vec![], accounts: vec![], users: vec![] };
    let ever = tally::of_all(&app, &caller, &span(Time(0)), Apart::default()).await?;
    let of_today = tally::of_all(&app, &caller, &span(today.hour()), Apart::default()).await?;
    let popular = statistics::popular(&app, today.hour(), now.plus(1)).await?;
    let top = popular.iter().take(10).map(|row| {
        let mut line = sums(row);
        line["model_id"] = json!(row.model);
        line
    });
    let models = catalog::count(&app, &caller, &ModelFilter::default()).await?;
    Ok(data(
        &app,
        json!({
            "users": {
                "total": count(UserFilter::default()).await?,
                "active": count(active).await?,
                "new_today": count(fresh).await?,
            },
            "usage": { "total": sums(&total(&ever)), "today": sums(&total(&of_today)) },
            "models": { "total": models, "top_today": top.collect::<Vec<Value>>() },
            "uptime_seconds": relay::edge::health::uptime_seconds(),
        }),
    ))
}
