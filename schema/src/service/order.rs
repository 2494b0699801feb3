//! Orders: how they are looked at, placed, paid, put into effect, closed and given back.
//!
//! An order becomes paid by a provider's verified word (its notification, or its answer when asked) or,
//! for bank transfer, by an administrator; by nothing else. Every step locks the order's row first and
//! then the wallet's, so that a notification, its replay and a question at one moment follow one another.

mod effect;
mod place;
mod provider;
mod reconcile;
mod refund;
mod settle;

use crate::App;
use crate::actor::{Act, Actor};
use crate::bus::Event;
use crate::clock::Time;
use crate::error::{Error, Result};
use crate::id;
use crate::model::order::{Method, Order, OrderChange, OrderFilter, OrderKind, OrderOrder, OrderStatus};
use crate::model::payment_event::{PaymentEvent, PaymentEventFilter};
use crate::model::plan::Plan;
use crate::page::{Counted, Direction, Page, Seek, Window};
use crate::service::audit::{self, Target};
use crate::service::plan::stale;

pub use place::{Placed, Wanted, place, place_by};
pub use provider::{Providers, methods};
pub use reconcile::{Reconciled, expire_due, reconcile_due};
pub use refund::{Refunded, refund};
pub use settle::{Confirmation, confirm_bank_transfer, notify};

const NOT_FOUND: Error = Error::NotFound { what: "order" };

/// A fresh order number: what it is for, the moment, and six letters or digits.
pub(crate) fn number(kind: OrderKind, now: Time) -> String {
    let prefix = if kind == OrderKind::Topup { "PAY" } else { "SUB" };
    format!("{prefix}{:013}{}", now.0.clamp(0, 9_999_999_999_999), id::code(id::CODE_ALPHABET, 6))
}

/// The address of an order's payment page.
pub fn page_url(app: &App, no: &str) -> String {
    format!("{}/pay/{no}", app.config.public_url())
}

/// The address of an order's QR code.
pub fn qr_url(app: &App, no: &str) -> String {
    format!("{}/pay/{no}/qr.svg", app.config.public_url())
}

/// One order with its plan: its owner's, or anybody's for administrators.
pub async fn get(app: &App, actor: &Actor, no: &str) -> Result<Placed> {
    let mut conn = app.db.conn().await?;
    let Some(order) = Order::by_no(&mut conn, no).await? else {
        actor.signed_in()?;
        return Err(NOT_FOUND);
    };
    actor.owns_or_admin(order.user_id, "order")?;
    let plan = match order.plan_id {
        Some(id) => Plan::find(&mut conn, id).await?,
        None => None,
    };
    Ok(Placed { order, plan })
}

/// Those of several orders, by their numbers, that the caller may see.
pub async fn several(app: &App, actor: &Actor, numbers: &[String]) -> Result<Vec<Order>> {
    let mut conn = app.db.conn().await?;
    let mut found = Order::by_numbers(&mut conn, numbers).await?;
    found.retain(|order| actor.owns_or_admin(order.user_id, "order").is_ok());
    Ok(found)
}

/// What anybody with the order's number may see: enough to pay, nothing about who pays.
#[derive(Clone, Debug)]
pub struct PayPage {
    pub no: String,
    pub subject: String,
    pub amount: i64,
    pub currency: String,
    pub method: Method,
    pub status: OrderStatus,
    pub expires_at: Time,
    /// The rest is there only while this holds.
    pub payable: bool,
    pub pay_url: Option<String>,
    pub qr_content: Option<String>,
    pub instructions: Option<String>,
}

/// The payment page of an order.
pub async fn page(app: &App, no: &str) -> Result<PayPage> {
    let mut conn = app.db.conn().await?;
    let order = Order::by_no(&mut conn, no).await?.ok_or(NOT_FOUND)?;
    let plan = match order.plan_id {
        Some(id) => Plan::find(&mut conn, id).await?,
        None => None,
    };
    drop(conn);
    let payable = order.is_payable(app.clock.now());
    let subject = place::subject(app, plan.as_ref());
    let instructions = match order.method {
        Method::BankTransfer if payable => place::intent(app, &order, &subject, None).await?.instructions,
        _ => None,
    };
    Ok(PayPage {
        no: order.no,
        subject,
        amount: order.amount,
        currency: order.currency,
        method: order.method,
        status: order.status,
        expires_at: order.expires_at,
        payable,
        pay_url: order.pay_url.filter(|_| payable),
        qr_content: order.qr_content.filter(|_| payable),
        instructions,
    })
}

/// Orders by keyset: one's own, or anybody's for administrators.
pub async fn entries(
    app: &App,
    actor: &Actor,
    filter: &OrderFilter,
    order: (OrderOrder, Direction),
    seek: &Seek,
) -> Result<Page<Order>> {
    visible(actor, filter)?;
    let mut conn = app.db.conn().await?;
    Ok(Page::cut(Order::seek(&mut conn, filter, order, seek).await?, seek))
}

/// Orders by numbered page.
pub async fn list(
    app: &App,
    actor: &Actor,
    filter: &OrderFilter,
    order: (OrderOrder, Direction),
    window: Window,
) -> Result<Counted<Order>> {
    visible(actor, filter)?;
    let mut conn = app.db.conn().await?;
    let rows = Order::window(&mut conn, filter, order, window).await?;
    Ok(Counted { rows, total: Order::count(&mut conn, filter).await? })
}

/// How many there are.
pub async fn count(app: &App, actor: &Actor, filter: &OrderFilter) -> Result<i64> {
    visible(actor, filter)?;
    let mut conn = app.db.conn().await?;
    Ok(Order::count(&mut conn, filter).await?)
}

fn visible(actor: &Actor, filter: &OrderFilter) -> Result<()> {
    match filter.user_id {
        Some(id) => actor.owns_or_admin(id, "user"),
        None => actor.may(Act::ViewAll),
    }
}

/// What the providers said, by keyset, for administrators.
pub async fn payment_events(
    app: &App,
    actor: &Actor,
    filter: &PaymentEventFilter,
    seek: &Seek,
) -> Result<Page<PaymentEvent>> {
    actor.may(Act::ViewAll)?;
    let mut conn = app.db.conn().await?;
    Ok(Page::cut(PaymentEvent::seek(&mut conn, filter, seek).await?, seek))
}

/// Those of several of a provider's words that there are.
pub async fn several_payment_events(app: &App, actor: &Actor, ids: &[i64]) -> Result<Vec<PaymentEvent>> {
    actor.may(Act::ViewAll)?;
    let mut conn = app.db.conn().await?;
    Ok(PaymentEvent::by_ids(&mut conn, ids).await?)
}

/// How much the providers said, for administrators.
pub async fn payment_count(app: &App, actor: &Actor, filter: &PaymentEventFilter) -> Result<i64> {
    actor.may(Act::ViewAll)?;
    let mut conn = app.db.conn().await?;
    Ok(PaymentEvent::count(&mut conn, filter).await?)
}

/// Gives an unpaid order up, here and at its provider.
pub async fn cancel(app: &App, actor: &Actor, no: &str, expected_version: Option<i64>) -> Result<Order> {
    let order = get(app, actor, no).await?.order;
    let mut tx = app.db.begin().await?;
    let order = Order::lock(&mut tx, &order.no).await?.ok_or(NOT_FOUND)?;
    let refusal = if expected_version.is_some_and(|v| v != order.version) {
        Some(stale())
    } else if order.status != OrderStatus::Pending {
        Some(Error::conflict("ORDER_CLOSED", format!("the order is {} and cannot be cancelled", order.status)))
    } else {
        None
    };
    if let Some(refusal) = refusal {
        tx.rollback().await?;
        return Err(refusal);
    }
    let now = app.clock.now();
    let change =
        OrderChange { status: Some(OrderStatus::Cancelled), closed_at: Some(Some(now)), ..OrderChange::default() };
    let after = Order::update(&mut tx, order.id, order.version, &change, now).await?.ok_or_else(stale)?;
    let target = Target { kind: "order", id: &order.no };
    audit::record(app, &mut tx, actor, "order.cancel", target, summary(&order), summary(&after)).await?;
    tx.commit().await?;
    tell(app, &after, after.status).await;
    reconcile::close_there(app, &after).await;
    Ok(after)
}

/// Tells everybody how an order stands.
async fn tell(app: &App, order: &Order, status: OrderStatus) {
    app.bus
        .publish(Event::OrderChanged {
            no: order.no.clone(),
            user_id: order.user_id,
            status: status.as_str().to_owned(),
        })
        .await;
}

/// Tells the administrator what a person should look at.
async fn alert(app: &App, code: &str, message: String) {
    tracing::warn!(code, message, "payment");
    app.bus.publish(Event::Alert { level: "warning".into(), code: code.into(), message, at: app.clock.now().0 }).await;
}

fn summary(order: &Order) -> serde_json::Value {
    serde_json::json!({
        "no": order.no, "user_id": order.user_id, "kind": order.kind, "plan_id": order.plan_id,
        "amount": order.amount, "currency": order.currency, "method": order.method, "status": order.status,
        "paid_amount": order.paid_amount, "paid_currency": order.paid_currency,
        "refunded_amount": order.refunded_amount, "transaction": order.transaction_id,
    })
}

#[cfg(test)]
mod tests;
