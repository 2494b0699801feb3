//! What a person is on: the running subscription, its end, its renewal.

use axum::extract::State;
use schema::App;
use schema::model::plan::Plan;
use schema::model::subscription::Subscription;
use schema::service::subscription::{self, Held};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Body, Caller, Reply, flat, user_id};

fn shown(held: &Held) -> Value {
    let plan = held.plan.as_ref();
    let running = held.subscription.as_ref();
    json!({
        "userId": user_id(held.user_id),
        "planId": plan.map_or("free", |p| p.slug.as_str()),
        "planName": plan.map_or("免费版", |p| p.name.as_str()),
        "displayName": plan.map_or("免费版", |p| p.display_name.as_str()),
        "status": running.map_or("active", |s| if s.cancelled_at.is_some() { "cancelled" } else { s.status.as_str() }),
        "dailyRequests": plan.and_then(|p| p.features.daily_requests),
        "maxApiKeys": plan.and_then(|p| p.features.max_api_keys),
        "startDate": running.map(|s| s.started_at.rfc3339()),
        "expiryDate": running.map(|s| s.expires_at.rfc3339()),
        "autoRenew": running.is_some_and(|s| s.auto_renew),
        "isFree": held.is_free(),
    })
}

pub async fn current(State(app): State<App>, caller: Caller) -> Reply {
    let held = subscription::current(&app, &caller, caller.signed_in()?).await?;
    Ok(flat(shown(&held)))
}

pub async fn cancel(State(app): State<App>, caller: Caller) -> Reply {
    let (ended, _) = subscription::cancel(&app, &caller, caller.signed_in()?, None).await?;
    Ok(flat(json!({
        "message": "Subscription cancelled. Your plan will remain active until expiry date.",
        "expiryDate": ended.expires_at.rfc3339(),
    })))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AutoRenew {
    auto_renew: bool,
}

pub async fn auto_renew(State(app): State<App>, caller: Caller, form: Body<AutoRenew>) -> Reply {
    let on = form.0.auto_renew;
    let (subscription, plan) = subscription::set_auto_renew(&app, &caller, caller.signed_in()?, on, None).await?;
    let message = if on { "已开启自动续费" } else { "已关闭自动续费" };
    Ok(flat(json!({ "message": message, "subscription": running(&subscription, &plan) })))
}

fn running(subscription: &Subscription, plan: &Plan) -> Value {
    json!({
        "planId": plan.slug,
        "planName": plan.name,
        "displayName": plan.display_name,
        "status": subscription.status.as_str(),
        "autoRenew": subscription.auto_renew,
        "startDate": subscription.started_at.rfc3339(),
        "expiryDate": subscription.expires_at.rfc3339(),
    })
}
