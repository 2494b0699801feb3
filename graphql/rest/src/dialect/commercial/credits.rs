//! Credits: the wallet in this system's unit.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use schema::model::ledger::{EntryKind, LedgerEntry, LedgerFilter};
use schema::page::Window;
use schema::service::setting::{self, names};
use schema::service::{card, plan, report, user, wallet};
use schema::{App, Error};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Body, Caller, Query, Reply, flat, user_id};

pub async fn balance(State(app): State<App>, caller: Caller) -> Reply {
    let id = caller.signed_in()?;
    let person = user::get(&app, &caller, id).await?;
    let limits = plan::limits(&app, id).await?;
    let settings = setting::current(&app);
    let now = app.clock.now();
    let today = report::user_today(&app, &caller, id).await?;
    Ok(flat(json!({
        "userId": user_id(id),
        "credits": person.balance.credits(settings.int(names::CREDITS_PER_USD)),
        "dailyLimit": limits.daily_requests,
        "usedToday": today.requests,
        "resetTime": settings.zone().day_start(now, 1).rfc3339(),
    })))
}

#[derive(Deserialize)]
pub struct Paging {
    limit: Option<i64>,
    offset: Option<i64>,
}

/// This system's word for why credits moved.
fn kind(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Card => "cardkey_redeem",
        EntryKind::Consumption => "consume",
        EntryKind::Payment => "recharge",
        EntryKind::Refund => "refund",
        EntryKind::Payback => "payback",
        EntryKind::Adjustment => "admin_adjust",
        EntryKind::Purchase => "purchase",
        EntryKind::Bonus => "bonus",
    }
}

fn shown(entry: &LedgerEntry, per_usd: i64) -> Value {
    let description = match entry.kind {
        EntryKind::Card => format!("兑换卡密: {}", entry.reference),
        _ if entry.note.is_empty() => kind(entry.kind).to_owned(),
        _ => entry.note.clone(),
    };
    json!({
        "id": format!("credit_{}", entry.id),
        "userId": user_id(entry.user_id),
        "type": kind(entry.kind),
        "amount": entry.amount.credits(per_usd),
        "balance": entry.balance_after.credits(per_usd),
        "description": description,
        "createdAt": entry.created_at.rfc3339(),
    })
}

pub async fn history(State(app): State<App>, caller: Caller, query: Query<Paging>) -> Reply {
    let filter = LedgerFilter { user_id: Some(caller.signed_in()?), ..LedgerFilter::default() };
    let window = Window::skip(query.0.offset.unwrap_or(0), query.0.limit.unwrap_or(50), 500)?;
    let page = wallet::history(&app, &caller, &filter, window).await?;
    let per_usd = setting::current(&app).int(names::CREDITS_PER_USD);
    let records: Vec<Value> = page.rows.iter().map(|e| shown(e, per_usd)).collect();
    Ok(flat(json!({ "records": records, "total": page.total })))
}

#[derive(Deserialize)]
pub struct Redeem {
    #[serde(default)]
    code: String,
}

pub async fn redeem(State(app): State<App>, caller: Caller, form: Body<Redeem>) -> Reply {
    let per_usd = setting::current(&app).int(names::CREDITS_PER_USD);
    match card::redeem(&app, &caller, &form.0.code).await {
        Ok(done) => {
            let new_balance = done.balance.credits(per_usd);
            Ok(match &done.subscription {
                Some((subscription, plan)) => flat(json!({
                    "message": format!("成功兑换套餐 {}", plan.display_name),
                    "type": "plan",
                    "amount": done.card.plan_days,
                    "planId": plan.slug,
                    "planName": plan.name,
                    "expiryDate": subscription.expires_at.rfc3339(),
                    "newBalance": new_balance,
                })),
                None => {
                    let amount = done.amount.credits(per_usd);
                    flat(json!({
                        "message": format!("成功兑换 {amount} 积分"),
                        "type": "credit",
                        "amount": amount,
                        "newBalance": new_balance,
                    }))
                }
            })
        }
        // The one refusal this system words without an `error` key.
        Err(Error::Conflict { code, .. }) => {
            let text = match code {
                "CARD_USED" => "卡密已被使用",
                "CARD_EXPIRED" => "卡密已过期",
                "CARD_DISABLED" => "卡密已被禁用",
                _ => "卡密不存在",
            };
            Ok((StatusCode::BAD_REQUEST, Json(json!({ "success": false, "message": text }))).into_response())
        }
        Err(e) => Err(e.into()),
    }
}
