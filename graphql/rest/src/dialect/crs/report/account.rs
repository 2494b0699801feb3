//! What single accounts were used for.

use std::collections::BTreeMap;

use axum::extract::State;
use schema::clock::DAY;
use schema::model::account::AccountFilter;
use schema::model::tally::Tally;
use schema::service::{account, setting};
use schema::{App, Error, Time};
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
    let daily = sums::by_account(&app, &admin, Span::today(settings.zone(), now), &ids).await?;
    let monthly = sums::by_account(&app, &admin, Span::month(settings.zone(), now), &ids).await?;
    let total = sums::by_account(&app, &admin, Span::ALL, &ids).await?;
    let rows: Vec<Value> = accounts
        .iter()
        .map(|a| {
            let of = |m: &std::collections::HashMap<i64, Tally>| core_sums(&m.get(&a.id).cloned().unwrap_or_default());
            let all = total.get(&a.id).cloned().unwrap_or_default();
            json!({
                "id": a.uid, "accountId": a.uid, "name": a.name, "email": a.info.0.get("email"), "status": status(a),
                "isActive": a.enabled, "total": of(&total), "daily": of(&daily), "monthly": of(&monthly),
                "averages": averages(&all, a.created_at, now),
            })
        })
        .collect();
    let today = sums::together(daily.values());
    Ok(flat(json!({
        "data": rows,
        "summary": {
            "totalAccounts": accounts.len(),
            "activeToday": daily.values().filter(|t| t.requests > 0).count(),
            "totalDailyTokens": today.input + today.output, "totalDailyRequests": today.requests,
        },
        "timestamp": now.rfc3339(),
    })))
}

pub async fn stats(State(app): State<App>, admin: Admin, uid: Path<String>) -> Reply {
    let now = app.clock.now();
    let settings = setting::current(&app);
    let a = account::get_by_uid(&app, &admin, &uid.0).await.map_err(missing)?;
    let of = |span| {
        let ids = [a.id];
        sums::of_accounts(span, &ids)
    };
    let total = sums::total(&app, &admin, &of(Span::ALL)).await?;
    let daily = sums::total(&app, &admin, &of(Span::today(settings.zone(), now))).await?;
    let monthly = sums::total(&app, &admin, &of(Span::month(settings.zone(), now))).await?;
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
    let rows = sums::rows(&app, &admin, &sums::of_accounts(span, &[a.id]), sums::BY_HOUR).await?;
    let mut by_day: BTreeMap<Time, Tally> = span.day_starts(zone).into_iter().map(|d| (d, Tally::default())).collect();
    for row in &rows {
        if let Some((_, sum)) = by_day.range_mut(..=row.hour).next_back() {
            sum.add(row);
        }
    }
    let day = |start: Time, sum: &Tally| {
        let date = zone.date(start);
        let label = date.get(5..).unwrap_or("").replace('-', "/");
        json!({
            "date": date, "label": label, "cost": sum.cost.dollars(), "formattedCost": dollars(sum.cost),
            "costFormatted": dollars(sum.cost), "requests": sum.requests, "tokens": sum.tokens(),
        })
    };
    let history: Vec<Value> = by_day.iter().map(|(start, sum)| day(*start, sum)).collect();
    let whole = sums::together(by_day.values());
    let lived = ((now.0 - a.created_at.0) / DAY + 1).clamp(1, days);
    let most = |measure: fn(&Tally) -> i64| {
        by_day.iter().filter(|(_, s)| measure(s) > 0).max_by_key(|(_, s)| measure(s)).map(|(d, s)| day(*d, s))
    };
    let today = by_day.iter().next_back().map(|(d, s)| day(*d, s));
    let per_day = schema::Micros(whole.cost.0 / lived);
    let overall = sums::total(&app, &admin, &sums::of_accounts(Span::ALL, &[a.id])).await?;
    Ok(data(json!({
        "history": history,
        "summary": {
            "days": days, "actualDaysUsed": lived, "accountCreatedAt": a.created_at.rfc3339(),
            "totalCost": whole.cost.dollars(), "totalCostFormatted": dollars(whole.cost),
            "totalRequests": whole.requests, "totalTokens": whole.tokens(),
            "avgDailyCost": per_day.dollars(), "avgDailyCostFormatted": dollars(per_day),
            "avgDailyRequests": whole.requests as f64 / lived as f64, "avgDailyTokens": whole.tokens() as f64 / lived as f64,
            "today": today, "highestCostDay": most(|t| t.cost.0), "highestRequestDay": most(|t| t.requests),
        },
        "overview": {
            "accountId": a.uid, "total": core_sums(&overall), "averages": averages(&overall, a.created_at, now),
        },
        "generatedAt": now.rfc3339(),
    })))
}
