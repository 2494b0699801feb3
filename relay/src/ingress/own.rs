//! What the holder of a key may ask about it, in the words of each legacy system, and whether a door is open.

use axum::body::Body;
use http::{Response, StatusCode};
use schema::clock::DAY;
use schema::model::account::Health;
use schema::model::usage::{UsageFilter, UsageRow};
use schema::page::Seek;
use schema::service::directory::{self, KeyView};
use schema::service::report::{self, Grain, Period, Slice, Sums};
use schema::service::{plan, usage, user};
use schema::{Actor, App, Micros, Result, Time};
use serde_json::{Value, json};

use super::refuse::{Ear, plain};
use super::route::{Mount, Own};
use crate::convert::Fault;
use crate::convert::fault::Kind;
use crate::wire::percent;

/// What "without limit" is in dollars, for clients that want a number.
const UNLIMITED: f64 = 100_000_000.0;
/// The longest stretch of daily costs.
const DAYS: i64 = 100;
/// How many calls are listed.
const RECENT: i64 = 50;

/// Answers a question about a key.
pub async fn answer(app: &App, view: &KeyView, ear: Ear, own: Own, query: &str) -> Response<Body> {
    let said = match own {
        Own::Me => Ok(me(view)),
        Own::KeyInfo => key_info(app, view).await,
        Own::KeyUsage => key_usage(app, view).await,
        Own::ServiceKeyInfo => service_key_info(app, view).await,
        Own::ServiceUsage => service_usage(app, view).await,
        Own::OrganizationUsage => credit(app, view).await,
        Own::Subscription => subscription(app, view).await,
        Own::Usage => billing_usage(app, view, query).await,
        Own::Telemetry => Ok(json!({})),
    };
    match said {
        Ok(body) => plain(StatusCode::OK, body.to_string().into_bytes()),
        Err(error) => {
            tracing::error!(key = view.key.id, cause = error.cause(), "a key's own figures could not be read");
            ear.refuse(&Fault::new(Kind::Unavailable, "These figures cannot be read right now."), Some(5))
        }
    }
}

/// Whether a door is open: with the accounts behind it, without a key.
pub async fn health(app: &App, mount: Mount) -> Response<Body> {
    let accounts = directory::accounts(app);
    let service = mount.service();
    let now = app.clock.now();
    let behind =
        accounts.iter().filter(|account| service.is_none_or(|service| account.account.kind.service() == service));
    let (mut total, mut active) = (0, 0);
    for account in behind {
        total += 1;
        let well = account.live.state(now).health == Health::Ok;
        active += i32::from(well && account.account.enabled && account.account.schedulable);
    }
    let healthy = app.db.ping().await.is_ok();
    let body = json!({
        "status": if healthy { "healthy" } else { "unhealthy" },
        "service": "tollgate",
        "version": env!("CARGO_PKG_VERSION"),
        "healthy": healthy,
        "activeAccounts": active,
        "totalAccounts": total,
        "timestamp": now.rfc3339(),
    });
    let status = if healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    plain(status, body.to_string().into_bytes())
}

fn me(view: &KeyView) -> Value {
    json!({
        "id": format!("user_{}", view.key.uid),
        "type": "user",
        "display_name": view.key.name,
        "created_at": view.key.created_at.rfc3339(),
    })
}

fn slice(view: &KeyView, from: Option<Time>) -> Slice {
    Slice { from, keys: Some(vec![view.key.id]), ..Slice::default() }
}

/// The key's sums of all time, of today and of this month.
async fn stretches(app: &App, view: &KeyView) -> Result<[Sums; 3]> {
    let actor = Actor::system();
    let from = |period| report::range(app, period).from;
    Ok([
        report::totals(app, &actor, &slice(view, None)).await?,
        report::totals(app, &actor, &slice(view, from(Period::Today))).await?,
        report::totals(app, &actor, &slice(view, from(Period::Month))).await?,
    ])
}

fn stretch(sums: &Sums) -> Value {
    let counts = &sums.counts;
    json!({
        "tokens": counts.tokens(),
        "inputTokens": counts.input,
        "outputTokens": counts.output,
        "cacheCreateTokens": counts.cache_write_5m + counts.cache_write_1h,
        "cacheReadTokens": counts.cache_read,
        "allTokens": counts.tokens(),
        "requests": sums.requests,
        "cost": Micros(sums.cost).dollars(),
    })
}

async fn used(app: &App, view: &KeyView) -> Result<Value> {
    let [total, today, month] = stretches(app, view).await?;
    // A key of today has lived for one day, not for none.
    let days = ((app.clock.now().0 - view.key.created_at.0) / DAY + 1).max(1);
    let a_day = |n: i64| n as f64 / days as f64;
    let minutes = (days * 24 * 60) as f64;
    Ok(json!({
        "total": stretch(&total),
        "daily": stretch(&today),
        "monthly": stretch(&month),
        "averages": {
            "rpm": total.requests as f64 / minutes,
            "tpm": total.counts.tokens() as f64 / minutes,
            "dailyRequests": a_day(total.requests),
            "dailyTokens": a_day(total.counts.tokens()),
        },
    }))
}

async fn key_info(app: &App, view: &KeyView) -> Result<Value> {
    let key = &view.key;
    let info = json!({"id": key.uid, "name": key.name, "tokenLimit": key.limits.window_tokens, "usage": used(app, view).await?});
    Ok(json!({"keyInfo": info, "timestamp": app.clock.now().rfc3339()}))
}

async fn key_usage(app: &App, view: &KeyView) -> Result<Value> {
    let mut figures = used(app, view).await?;
    let filter = UsageFilter { key_id: Some(view.key.id), ..UsageFilter::default() };
    let seek = Seek { take: RECENT, ..Seek::default() };
    let calls = usage::list(app, &Actor::system(), &filter, &seek).await?;
    figures["recentRecords"] = calls.rows.iter().map(record).collect();
    let limits = json!({"tokens": view.key.limits.window_tokens, "requests": view.key.limits.window_requests});
    Ok(json!({"usage": figures, "limits": limits, "timestamp": app.clock.now().rfc3339()}))
}

/// One call. Which account served it is not the key holder's to see.
fn record(row: &UsageRow) -> Value {
    json!({
        "timestamp": row.at.rfc3339(),
        "model": row.model,
        "requestId": row.call_id,
        "endpoint": row.operation,
        "statusCode": row.status,
        "stream": row.stream,
        "durationMs": row.duration_ms,
        "inputTokens": row.input,
        "outputTokens": row.output,
        "cacheCreateTokens": row.cache_write_5m + row.cache_write_1h,
        "cacheReadTokens": row.cache_read,
        "ephemeral5mTokens": row.cache_write_5m,
        "ephemeral1hTokens": row.cache_write_1h,
        "totalTokens": row.input + row.output + row.cache_read + row.cache_write_5m + row.cache_write_1h,
        "cost": row.cost.dollars(),
    })
}

async fn service_key_info(app: &App, view: &KeyView) -> Result<Value> {
    let [total, ..] = stretches(app, view).await?;
    let (key, limits, rules) = (&view.key, &view.key.limits, &view.key.rules);
    let used = total.counts.tokens();
    Ok(json!({
        "id": key.uid,
        "name": key.name,
        "permissions": key.permissions.words(),
        "token_limit": limits.window_tokens,
        "tokens_used": used,
        "tokens_remaining": (limits.window_tokens > 0).then(|| (limits.window_tokens - used).max(0)),
        "rate_limit": {"window": limits.window_ms / 60_000, "requests": limits.window_requests},
        "concurrency_limit": limits.concurrency,
        "model_restrictions": {"enabled": rules.restrict_models, "models": rules.restricted_models},
    }))
}

async fn service_usage(app: &App, view: &KeyView) -> Result<Value> {
    let [total, today, month] = stretches(app, view).await?;
    Ok(json!({
        "object": "usage",
        "total_tokens": total.counts.tokens(),
        "total_requests": total.requests,
        "daily_tokens": today.counts.tokens(),
        "daily_requests": today.requests,
        "monthly_tokens": month.counts.tokens(),
        "monthly_requests": month.requests,
    }))
}

/// What the key may still spend: what is left of its budget, and of its owner's wallet where that pays.
async fn left(app: &App, view: &KeyView) -> Result<Option<Micros>> {
    let budget = view.key.budget.map(|budget| budget.minus(view.key.spent));
    if !view.pays_by_wallet() {
        return Ok(budget);
    }
    let owner = user::get(app, &Actor::system(), view.owner.id).await?;
    Ok(Some(budget.map_or(owner.balance, |budget| budget.min(owner.balance))))
}

async fn credit(app: &App, view: &KeyView) -> Result<Value> {
    let balance = left(app, view).await?.map_or(UNLIMITED, Micros::dollars);
    Ok(json!({"object": "usage", "data": [{"type": "credit_balance", "credit_balance": balance}]}))
}

async fn subscription(app: &App, view: &KeyView) -> Result<Value> {
    let month = report::range(app, Period::Month).from.unwrap_or_default();
    let until = view.plan.expires_at.or(view.key.expires_at);
    let limit = match left(app, view).await? {
        Some(left) => left.plus(view.key.spent).dollars(),
        None => UNLIMITED,
    };
    let plan = match view.plan.plan_id {
        Some(id) => plan::by_ids(app, &[id]).await?.into_iter().next(),
        None => None,
    };
    let plan = match plan {
        Some(plan) => {
            let price = schema::money::from_minor(plan.price, &plan.currency);
            json!({"id": plan.slug, "name": plan.display_name, "title": plan.display_name, "price": price, "currency": plan.currency})
        }
        None => json!({"id": "payg", "name": "Pay as you go", "title": "Pay as you go", "price": 0}),
    };
    Ok(json!({
        "object": "billing.subscription",
        "has_payment_method": true,
        "canceled": false,
        "canceled_at": null,
        "current_period_start": month.seconds(),
        "current_period_end": until.map_or_else(|| month.plus(31 * DAY).seconds(), Time::seconds),
        "status": "active",
        "plan": plan,
        "soft_limit_usd": limit,
        "hard_limit_usd": limit,
        "system_hard_limit_usd": limit,
        "access_until": until.map_or(0, Time::seconds),
    }))
}

async fn billing_usage(app: &App, view: &KeyView, query: &str) -> Result<Value> {
    let now = app.clock.now();
    let zone = schema::service::setting::current(app);
    let day = |name: &str| percent::query_value(query, name).and_then(|text| zone.zone().parse_date(&text));
    let until = day("end_date").unwrap_or(now).min(now.plus(DAY));
    let from = day("start_date").unwrap_or_else(|| until.plus(-30 * DAY)).max(until.plus(-DAYS * DAY));
    let within = Slice { until: Some(until), ..slice(view, Some(from)) };
    let actor = Actor::system();
    let total = report::totals(app, &actor, &within).await?;
    let days = report::series(app, &actor, &within, Grain::Day).await?;
    let models = report::models(app, &actor, &within).await?;
    let daily: Vec<Value> =
        days.iter().map(|point| json!({"date": point.label, "cost": Micros(point.sums.cost).dollars()})).collect();
    let by_model: Vec<Value> = models
        .iter()
        .map(|used| {
            json!({"model": used.model, "usage": used.sums.counts.tokens(), "cost": Micros(used.sums.cost).dollars()})
        })
        .collect();
    // OpenAI's clients read hundredths of a dollar here.
    let hundredths = Micros(total.cost).dollars() * 100.0;
    Ok(json!({"object": "billing.usage", "total_usage": hundredths, "daily_costs": daily, "models_usage": by_model}))
}
