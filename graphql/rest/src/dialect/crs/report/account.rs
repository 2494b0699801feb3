//! What single accounts were used for.

use axum::extract::State;
use schema::clock::DAY;
use schema::model::account::AccountFilter;
use schema::service::report::{self, Dimension, Grain, Point, Sums};
use schema::service::{account, setting};
use schema::{App, Error, Micros};
use serde_json::{Value, json};

use super::super::family::row::{family_of, status};
use super::super::family::{CLAUDE, FAMILIES, all};
use super::super::key::averages;
use super::super::shape::{Span, core_sums, dollars};
use super::super::{Admin, Path, Query, Reply, data, flat, sums};
use super::Asked;

pub async fn all_stats(State(app): State<App>, admin: Admin) -> Reply {
    let now = app.clock.now();
    let settings = setting::current(&app);
    let filter = AccountFilter { kinds: vec![FAMILIES[CLAUDE].kind], ..AccountFilter::default() };
    let accounts = all(&app, &admin, filter).await?;
    let ids: Vec<i64> = accounts.iter().map(|a| a.id).collect();
    let spans = [Span::ALL, Span::today(settings.zone(), now), Span::month(settings.zone(), now)];
    let used = sums::Used::of(&app, &admin, Dimension::Account, &ids, &spans).await?;
    let rows: Vec<Value> = accounts
        .iter()
        .map(|a| {
            let [total, daily, monthly] = [0, 1, 2].map(|n| used.in_span(a.id, n));
            json!({
                "id": a.uid, "accountId": a.uid, "name": a.name, "email": a.info.0.get("email"), "status": status(a),
                "isActive": a.enabled, "total": core_sums(&total), "daily": core_sums(&daily),
                "monthly": core_sums(&monthly), "averages": averages(&total, a.created_at, now),
            })
        })
        .collect();
    let today = used.together(1);
    Ok(flat(json!({
        "data": rows,
        "summary": {
            "totalAccounts": accounts.len(),
            "activeToday": used.active(1), "totalDailyTokens": today.core_tokens(), "totalDailyRequests": today.requests,
        },
        "timestamp": now.rfc3339(),
    })))
}

pub async fn stats(State(app): State<App>, admin: Admin, uid: Path<String>) -> Reply {
    let now = app.clock.now();
    let settings = setting::current(&app);
    let a = account::get_by_uid(&app, &admin, &uid.0).await.map_err(missing)?;
    let spans = [Span::ALL, Span::today(settings.zone(), now), Span::month(settings.zone(), now)];
    let used = sums::Used::of(&app, &admin, Dimension::Account, &[a.id], &spans).await?;
    let [total, daily, monthly] = [0, 1, 2].map(|n| used.in_span(a.id, n));
    Ok(data(json!({
        "accountId": a.uid, "total": core_sums(&total), "daily": core_sums(&daily), "monthly": core_sums(&monthly),
        "averages": averages(&total, a.created_at, now),
        "accountInfo": {
            "id": a.uid, "name": a.name, "email": a.info.0.get("email"), "status": status(&a), "isActive": a.enabled,
            "createdAt": a.created_at.rfc3339(),
        },
    })))
}

fn missing(error: Error) -> Error {
    match error {
        Error::NotFound { .. } => Error::NotFound { what: "Account" },
        other => other,
    }
}

pub async fn history(State(app): State<App>, admin: Admin, uid: Path<String>, query: Query<Asked>) -> Reply {
    if let Some(platform) = query.0.platform.as_deref().filter(|p| !p.is_empty())
        && platform != "droid"
        && family_of(platform).is_none()
    {
        return Err(Error::invalid("platform", "Unsupported account platform").into());
    }
    let days = query.0.days.unwrap_or(30).clamp(1, 60);
    let now = app.clock.now();
    let settings = setting::current(&app);
    let zone = settings.zone();
    let a = account::get_by_uid(&app, &admin, &uid.0).await.map_err(missing)?;
    let span = Span::days(zone, now, days);
    let points = report::series(&app, &admin, &sums::of_accounts(span, &[a.id]), Grain::Day).await?;
    let day = |point: &Point| {
        let (sum, cost) = (&point.sums, Micros(point.sums.cost));
        let label = point.label.get(5..).unwrap_or("").replace('-', "/");
        json!({
            "date": point.label, "label": label, "cost": cost.dollars(), "formattedCost": dollars(cost),
            "costFormatted": dollars(cost), "requests": sum.requests, "tokens": sum.tokens(),
        })
    };
    let history: Vec<Value> = points.iter().map(day).collect();
    let whole = sums::together(points.iter().map(|p| &p.sums));
    let lived = ((now.0 - a.created_at.0) / DAY + 1).clamp(1, days);
    let most = |measure: fn(&Sums) -> i64| {
        points.iter().filter(|p| measure(&p.sums) > 0).max_by_key(|p| measure(&p.sums)).map(day)
    };
    let today = points.last().map(day);
    let (cost, per_day) = (Micros(whole.cost), Micros(whole.cost / lived));
    let overall = report::totals(&app, &admin, &sums::of_accounts(Span::ALL, &[a.id])).await?;
    Ok(data(json!({
        "history": history,
        "summary": {
            "days": days, "actualDaysUsed": lived, "accountCreatedAt": a.created_at.rfc3339(),
            "totalCost": cost.dollars(), "totalCostFormatted": dollars(cost),
            "totalRequests": whole.requests, "totalTokens": whole.tokens(),
            "avgDailyCost": per_day.dollars(), "avgDailyCostFormatted": dollars(per_day),
            "avgDailyRequests": whole.requests as f64 / lived as f64, "avgDailyTokens": whole.tokens() as f64 / lived as f64,
            "today": today, "highestCostDay": most(|t| t.cost), "highestRequestDay": most(|t| t.requests),
        },
        "overview": {
            "accountId": a.uid, "total": core_sums(&overall), "averages": averages(&overall, a.created_at, now),
        },
        "generatedAt": now.rfc3339(),
    })))
}
