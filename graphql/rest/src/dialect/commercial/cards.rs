//! Card keys: generating, listing, deleting, counting.

use axum::extract::State;
use schema::model::card::{Card, CardFilter, CardKind, CardStatus};
use schema::page::Window;
use schema::service::card::{self, CodeForm, Mint, Worth};
use schema::service::plan;
use schema::service::setting::{self, names};
use schema::{App, Error, Micros, Time};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Admin, Body, Path, Query, Reply, flat, truthy};

fn id(card: &Card) -> String {
    format!("ck_{}", card.id)
}

fn row(text: &str) -> Result<i64, Error> {
    text.strip_prefix("ck_").unwrap_or(text).parse().map_err(|_| Error::NotFound { what: "card key" })
}

fn shown(app: &App, card: &Card, code: String) -> Value {
    let now = app.clock.now();
    let per_usd = setting::current(app).int(names::CREDITS_PER_USD);
    json!({
        "id": id(card),
        "code": code,
        "type": card.kind.as_str(),
        "creditAmount": (card.kind == CardKind::Credit).then(|| card.value.credits(per_usd)),
        "planId": card.plan_id,
        "planDuration": (card.kind == CardKind::Plan).then_some(card.plan_days),
        "status": card.status(now).as_str(),
        "uses": card.uses_allowed,
        "usesLeft": card.uses_left,
        "expiresAt": card.expires_at.map(Time::rfc3339),
        "note": card.note,
        "batch": card.batch,
        "createdAt": card.created_at.rfc3339(),
        "usedAt": card.last_redeemed_at.map(Time::rfc3339),
        "usedBy": card.last_redeemed_by.map(super::user_id),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Generate {
    count: usize,
    #[serde(rename = "type")]
    kind: String,
    credit_amount: Option<i64>,
    plan_id: Option<String>,
    plan_duration: Option<i64>,
    expires_in_days: Option<i64>,
    prefix: Option<String>,
    note: Option<String>,
    uses: Option<i64>,
}

pub async fn generate(State(app): State<App>, caller: Admin, form: Body<Generate>) -> Reply {
    let form = form.0;
    let per_usd = setting::current(&app).int(names::CREDITS_PER_USD);
    let worth = match form.kind.as_str() {
        "credit" => {
            let credits = form.credit_amount.filter(|n| *n > 0);
            let value = credits.and_then(|n| Micros::from_credits(n, per_usd));
            Worth::Credit(
                value.ok_or_else(|| Error::invalid("creditAmount", "creditAmount must be a number above zero"))?,
            )
        }
        "plan" => {
            let slug = form.plan_id.ok_or_else(|| Error::invalid("planId", "planId is needed for plan cards"))?;
            let plan = plan::get(&app, &caller, &slug).await?;
            Worth::Plan { plan_id: plan.id, days: form.plan_duration.unwrap_or(plan.cycle_days) }
        }
        _ => return Err(Error::invalid("type", "type must be credit or plan").into()),
    };
    let days = form.expires_in_days;
    if days.is_some_and(|d| !(1..=36_500).contains(&d)) {
        return Err(Error::invalid("expiresInDays", "expiresInDays must be between 1 and 36500").into());
    }
    let default_prefix = if matches!(worth, Worth::Credit(_)) { "CRD" } else { "PLN" };
    let order = Mint {
        count: form.count,
        worth,
        form: CodeForm::Grouped { prefix: form.prefix.unwrap_or_else(|| default_prefix.into()) },
        uses: form.uses.unwrap_or(1),
        expires_at: days.map(|d| app.clock.now().plus(d * schema::clock::DAY)),
        name: String::new(),
        note: form.note.unwrap_or_default(),
    };
    let minted = card::mint(&app, &caller, order).await?;
    let cards: Vec<Value> = minted.into_iter().map(|m| shown(&app, &m.card, m.code)).collect();
    Ok(flat(json!({ "count": cards.len(), "cardKeys": cards })))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListQuery {
    status: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    limit: Option<i64>,
    offset: Option<i64>,
    #[serde(default = "yes", deserialize_with = "truthy")]
    include_used: bool,
}

fn yes() -> bool {
    true
}

pub async fn list(State(app): State<App>, caller: Admin, query: Query<ListQuery>) -> Reply {
    let query = query.0;
    let known = |field: &str| Error::invalid(field, format!("there is no such {field}"));
    let status = query.status.filter(|s| !s.is_empty());
    let kind = query.kind.filter(|s| !s.is_empty());
    let filter = CardFilter {
        status: status.map(|s| CardStatus::parse(&s).ok_or_else(|| known("status"))).transpose()?,
        kind: kind.map(|s| CardKind::parse(&s).ok_or_else(|| known("type"))).transpose()?,
        without_used: !query.include_used,
        ..CardFilter::default()
    };
    let window = Window::skip(query.offset.unwrap_or(0), query.limit.unwrap_or(50), 1_000)?;
    let page = card::list(&app, &caller, &filter, window).await?;
    let mut cards = Vec::with_capacity(page.rows.len());
    for found in &page.rows {
        cards.push(shown(&app, found, card::reveal(&app, &caller, found)?));
    }
    Ok(flat(json!({ "cardKeys": cards, "total": page.total })))
}

pub async fn delete(State(app): State<App>, caller: Admin, id: Path<String>) -> Reply {
    card::delete(&app, &caller, row(&id.0)?).await?;
    Ok(flat(json!({ "message": "Card key deleted successfully" })))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeleteBatch {
    card_key_ids: Vec<String>,
}

pub async fn delete_batch(State(app): State<App>, caller: Admin, form: Body<DeleteBatch>) -> Reply {
    let sent = form.0.card_key_ids;
    let mut ids = Vec::with_capacity(sent.len());
    let mut failed = Vec::new();
    for text in &sent {
        match row(text) {
            Ok(id) => ids.push(id),
            Err(e) => failed.push(json!({ "id": text, "error": e.to_string() })),
        }
    }
    let mut deleted = 0;
    for (id, outcome) in card::delete_many(&app, &caller, &ids).await? {
        match outcome {
            Ok(()) => deleted += 1,
            Err(e) => failed.push(json!({ "id": format!("ck_{id}"), "error": e.to_string() })),
        }
    }
    Ok(flat(json!({ "deletedCount": deleted, "failedCount": failed.len(), "errors": failed })))
}

pub async fn stats(State(app): State<App>, caller: Admin) -> Reply {
    let stats = card::stats(&app, &caller).await?;
    Ok(flat(json!({ "stats": {
        "total": stats.total,
        "active": stats.active,
        "used": stats.used,
        "expired": stats.expired,
        "disabled": stats.disabled,
        "byType": stats.by_kind,
    } })))
}
