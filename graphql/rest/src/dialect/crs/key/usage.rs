//! What keys were used for, and how they stand.

use axum::extract::State;
use schema::service::report::{self, Dimension};
use schema::service::{api_key, setting};
use schema::{App, Error, Micros};
use serde_json::{Map, Value, json};

use super::super::cost::model_rows;
use super::super::form::{Told, told};
use super::super::report::Asked;
use super::super::shape::{Span, ids, sums as shown_sums};
use super::super::{Admin, Body, Path, Query, Reply, data, flat, standing, sums};
use super::found;

pub async fn cost_debug(State(app): State<App>, admin: Admin, uid: Path<String>) -> Reply {
    let key = found(&app, &admin, &uid.0).await?;
    let now = app.clock.now();
    let settings = setting::current(&app);
    let zone = settings.zone();
    let spans =
        [Span::today(zone, now), Span::month(zone, now), Span { from: now.hour(), until: now.plus(1) }, Span::ALL];
    let used = sums::Used::of(&app, &admin, Dimension::Key, &[key.id], &spans).await?;
    let [daily, monthly, hourly, total] = [0, 1, 2, 3].map(|n| used.in_span(key.id, n));
    let usd = |micros: i64| Micros(micros).dollars();
    let stats = json!({
        "daily": usd(daily.cost), "monthly": usd(monthly.cost), "hourly": usd(hourly.cost),
        "total": usd(total.cost), "realTotal": usd(total.raw_cost), "realDaily": usd(daily.raw_cost),
        // What the key's own counter says; it equals the total unless a call is still being booked.
        "counted": key.spent.dollars(),
    });
    let answer = json!({
        "keyId": key.uid, "today": zone.date(now), "dailyCost": usd(daily.cost), "costStats": stats,
        "redisKeys": {}, "timezone": f64::from(zone.offset_minutes(now)) / 60.0,
    });
    let mut out = answer.clone();
    out["data"] = answer;
    Ok(flat(out))
}

pub async fn model_stats(State(app): State<App>, admin: Admin, uid: Path<String>, query: Query<Asked>) -> Reply {
    let key = super::any(&app, &admin, &uid.0).await?;
    let asked = Asked { period: query.0.period.clone().filter(|p| p != "custom"), ..query.0 };
    let (span, _) = asked.span(&app, "monthly")?;
    let models = report::models(&app, &admin, &sums::of_keys(span, &[key.id])).await?;
    Ok(data(model_rows(models, false)))
}

pub async fn batch_stats(State(app): State<App>, admin: Admin, form: Body<Told<told::KeyUsage>>) -> Reply {
    let form = form.0;
    let uids = ids(&form, "keyIds", 100)?;
    let word = form.text("timeRange")?.unwrap_or_else(|| "all".into());
    let settings = setting::current(&app);
    let zone = settings.zone();
    let span = if word == "custom" {
        let (start, end) = (form.text("startDate")?, form.text("endDate")?);
        Span::between(zone, start.as_deref().unwrap_or(""), end.as_deref().unwrap_or(""))?
    } else {
        Span::named(zone, app.clock.now(), &word).ok_or_else(|| Error::invalid("timeRange", "Invalid time range"))?
    };
    let mut keys = Vec::with_capacity(uids.len());
    for uid in &uids {
        match api_key::get_by_uid(&app, &admin, uid).await {
            Ok(key) => keys.push(key),
            Err(Error::NotFound { .. }) => {}
            Err(e) => return Err(e.into()),
        }
    }
    let numbers: Vec<i64> = keys.iter().map(|k| k.id).collect();
    let used = sums::Used::of(&app, &admin, Dimension::Key, &numbers, &[span]).await?;
    let mut out = Map::new();
    for key in &keys {
        let mut row = shown_sums(&used.in_span(key.id, 0));
        if let Value::Object(now) = standing::of(&app, key).await? {
            row.extend(now);
        }
        row.insert("allTimeCost".into(), key.spent.dollars().into());
        out.insert(key.uid.clone(), Value::Object(row));
    }
    Ok(data(out))
}

pub async fn sort_status(State(app): State<App>, admin: Admin) -> Reply {
    let keys = api_key::count(&app, &admin, &schema::model::api_key::KeyFilter::default()).await?;
    let now = app.clock.now().rfc3339();
    // Costs are sorted by the database when they are asked for, so every ranking is always ready.
    let ready = json!({ "lastUpdate": now, "keyCount": keys, "status": "ready", "updateDuration": 0 });
    Ok(data(json!({ "today": ready, "7days": ready, "30days": ready, "all": ready })))
}

pub async fn index_status(State(app): State<App>, admin: Admin) -> Reply {
    let keys = api_key::count(&app, &admin, &schema::model::api_key::KeyFilter::default()).await?;
    Ok(data(json!({ "version": 1, "building": false, "ready": true, "keyCount": keys })))
}
