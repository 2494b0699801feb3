//! Balance, what moved it, and paying in.

use axum::extract::State;
use schema::model::ledger::{EntryKind, LedgerEntry, LedgerFilter};
use schema::model::order::{Method, Order, OrderStatus};
use schema::money::{from_minor, to_minor};
use schema::service::order::{self, Wanted};
use schema::service::setting::{self, names};
use schema::service::{user as people, wallet};
use schema::{App, Error, Micros, Time};
use serde::Deserialize;
use serde_json::{Value, json};

use super::page::{Paging, paged};
use super::{Body, Caller, Path, Query, Reply, data};
use crate::dialect::moment;

/// Dollars as yuan, to the micro-yuan.
fn yuan(amount: Micros, per_usd: f64) -> f64 {
    (amount.dollars() * per_usd * 1e6).round() / 1e6
}

pub async fn balance(State(app): State<App>, caller: Caller) -> Reply {
    let user = people::get(&app, &caller, caller.signed_in()?).await?;
    let per_usd = setting::current(&app).number(names::CNY_PER_USD);
    Ok(data(
        &app,
        json!({
            "balance": yuan(user.balance, per_usd),
            "currency": "CNY",
            "balance_usd": user.balance.dollars(),
            "total_spent": yuan(user.spent, per_usd),
            "updated_at": user.updated_at.rfc3339(),
        }),
    ))
}

/// This system's word for why a balance moved.
pub fn kind(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Payment | EntryKind::Card | EntryKind::Bonus | EntryKind::Adjustment => "payment",
        EntryKind::Consumption | EntryKind::Purchase => "consumption",
        EntryKind::Refund | EntryKind::Payback => "refund",
    }
}

fn kinds(word: &str) -> Result<Vec<EntryKind>, Error> {
    let found: Vec<EntryKind> = EntryKind::ALL.iter().copied().filter(|k| kind(*k) == word).collect();
    if found.is_empty() {
        return Err(Error::invalid("type", "type must be payment, consumption or refund"));
    }
    Ok(found)
}

#[derive(Deserialize)]
pub struct HistoryQuery {
    start_date: Option<String>,
    end_date: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
}

fn entry(entry: &LedgerEntry, per_usd: f64) -> Value {
    json!({
        "id": entry.id.to_string(),
        "type": kind(entry.kind),
        "amount": yuan(entry.amount, per_usd),
        "balance_after": yuan(entry.balance_after, per_usd),
        "currency": "CNY",
        "description": entry.note,
        "reference": entry.reference,
        "created_at": entry.created_at.rfc3339(),
    })
}

pub async fn transactions(
    State(app): State<App>,
    caller: Caller,
    paging: Query<Paging>,
    query: Query<HistoryQuery>,
) -> Reply {
    let query = query.0;
    let filter = LedgerFilter {
        user_id: Some(caller.signed_in()?),
        kinds: query.kind.as_deref().filter(|k| !k.is_empty()).map(kinds).transpose()?.unwrap_or_default(),
        from: moment(&app, "start_date", query.start_date.as_deref(), 0)?,
        until: moment(&app, "end_date", query.end_date.as_deref(), 1)?,
        ..LedgerFilter::default()
    };
    let window = paging.0.window(20, 100)?;
    let page = wallet::history(&app, &caller, &filter, window).await?;
    let per_usd = setting::current(&app).number(names::CNY_PER_USD);
    let rows: Vec<Value> = page.rows.iter().map(|e| entry(e, per_usd)).collect();
    Ok(data(&app, paged("transactions", rows, window, page.total)))
}

#[derive(Deserialize)]
pub struct Payment {
    amount: f64,
    currency: Option<String>,
    payment_method: String,
}

/// This system's word for how far a payment is.
pub fn status(status: OrderStatus) -> &'static str {
    match status {
        OrderStatus::Pending => "pending",
        OrderStatus::Paid | OrderStatus::Activated => "completed",
        OrderStatus::Cancelled => "cancelled",
        OrderStatus::Expired => "expired",
        OrderStatus::Refunded => "refunded",
    }
}

fn shown(app: &App, order: &Order) -> Value {
    json!({
        "id": order.no,
        "payment_id": order.no,
        "amount": from_minor(order.amount, &order.currency),
        "currency": order.currency,
        "payment_method": order.method,
        "status": status(order.status),
        "payment_url": order.pay_url.clone().unwrap_or_else(|| order::page_url(app, &order.no)),
        "qr_code": order.qr_content.as_ref().map(|_| order::qr_url(app, &order.no)),
        "transaction_id": order.transaction_id,
        "created_at": order.created_at.rfc3339(),
        "expires_at": order.expires_at.rfc3339(),
        "paid_at": order.paid_at.map(Time::rfc3339),
    })
}

pub async fn pay(State(app): State<App>, caller: Caller, form: Body<Payment>) -> Reply {
    let form = form.0;
    let method =
        Method::parse(&form.payment_method).filter(|m| m.is_online() || *m == Method::BankTransfer).ok_or_else(
            || Error::invalid("payment_method", "payment_method must be alipay, wechat_pay, stripe or bank_transfer"),
        )?;
    let currency = form.currency.map_or_else(|| "CNY".to_owned(), |c| c.trim().to_ascii_uppercase());
    let amount = to_minor(form.amount, &currency)
        .filter(|minor| *minor > 0)
        .ok_or_else(|| Error::invalid("amount", "amount must be more than nothing"))?;
    let placed = order::place(&app, &caller, Wanted::Topup { amount, currency }, method).await?;
    Ok(data(&app, json!({ "payment": shown(&app, &placed.order) })))
}

pub async fn payment(State(app): State<App>, caller: Caller, id: Path<String>) -> Reply {
    let found = order::get(&app, &caller, &id.0).await?.order;
    Ok(data(&app, json!({ "payment": shown(&app, &found) })))
}
