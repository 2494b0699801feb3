//! Payments: what a provider or an administrator vouches for, believed once and only when it fits the order.

use reqwest::header::HeaderMap;

use super::effect::{self, Effect};
use super::provider::{is_offered, provider};
use super::{NOT_FOUND, alert, reconcile, refund, summary, tell};
use crate::App;
use crate::actor::{Act, Actor};
use crate::clock::{HOUR, Time};
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::model::order::{Method, Order, OrderChange, OrderStatus};
use crate::model::payment_event::{NewPaymentEvent, PaymentEvent, PaymentOutcome};
use crate::payment::{Notice, NoticeError, NoticeReply, NoticeStatus};
use crate::service::audit::{self, Target};
use crate::service::plan::stale;
use crate::service::setting::{self, names};

/// A payment somebody vouches for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Receipt<'a> {
    pub method: Method,
    pub event_id: &'a str,
    pub transaction_id: Option<&'a str>,
    pub amount: i64,
    pub currency: &'a str,
    pub paid_at: Time,
    pub detail: &'a str,
}

/// What became of a receipt.
#[derive(Debug)]
pub(super) enum Settled {
    /// The order is paid; in effect unless something forbade it.
    Paid(Box<Order>),
    /// Nothing changed, and why.
    Refused(PaymentOutcome),
}

/// Believes a receipt when it fits its order: marks the order paid and puts it into effect, exactly once.
pub(super) async fn settle(app: &App, actor: &Actor, no: &str, receipt: Receipt<'_>) -> Result<Settled> {
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    let order = Order::lock(&mut tx, no).await?;
    let outcome = judge(order.as_ref(), &receipt);
    record(app, &mut tx, no, &receipt, outcome).await?;
    let order = match (order, outcome) {
        (Some(order), PaymentOutcome::Accepted) => order,
        _ => {
            tx.commit().await?;
            if outcome != PaymentOutcome::Replayed {
                let message = format!(
                    "{} reported a payment of {} {} for order {no} that was not accepted: {outcome}",
                    receipt.method, receipt.amount, receipt.currency
                );
                alert(app, "PAYMENT_NOT_ACCEPTED", message).await;
            }
            return Ok(Settled::Refused(outcome));
        }
    };
    let late = receipt.paid_at > order.expires_at
        || (order.status == OrderStatus::Cancelled && order.closed_at.is_some_and(|at| receipt.paid_at > at));
    let change = OrderChange {
        status: Some(OrderStatus::Paid),
        transaction_id: Some(receipt.transaction_id.map(str::to_owned)),
        paid_amount: Some(Some(receipt.amount)),
        paid_currency: Some(Some(receipt.currency.to_owned())),
        paid_at: Some(Some(receipt.paid_at)),
        closed_at: Some(None),
        ..OrderChange::default()
    };
    let paid = Order::update(&mut tx, order.id, order.version, &change, now).await?.ok_or_else(stale)?;
    let target = Target { kind: "order", id: &order.no };
    audit::record(app, &mut tx, actor, "order.paid", target, summary(&order), summary(&paid)).await?;
    if late && setting::current(app).text(names::LATE_PAYMENT) == "refund" {
        return give_back_late(app, tx, actor, paid).await;
    }
    let effect = try_effect(app, &mut tx, actor, &paid).await?;
    tx.commit().await?;
    tell(app, &paid, OrderStatus::Paid).await;
    Ok(Settled::Paid(Box::new(told(app, paid, effect).await)))
}

/// Whether a receipt fits its order.
fn judge(order: Option<&Order>, receipt: &Receipt<'_>) -> PaymentOutcome {
    let Some(order) = order else { return PaymentOutcome::UnknownOrder };
    if order.method != receipt.method {
        return PaymentOutcome::WrongMethod;
    }
    if order.currency != receipt.currency {
        return PaymentOutcome::WrongCurrency;
    }
    if order.amount != receipt.amount {
        return PaymentOutcome::WrongAmount;
    }
    match order.status {
        OrderStatus::Pending | OrderStatus::Expired | OrderStatus::Cancelled => PaymentOutcome::Accepted,
        OrderStatus::Paid | OrderStatus::Activated | OrderStatus::Refunded => {
            let same = receipt.transaction_id.is_none_or(|id| order.transaction_id.as_deref() == Some(id));
            if same { PaymentOutcome::Replayed } else { PaymentOutcome::Duplicate }
        }
    }
}

async fn record(
    app: &App,
    tx: &mut Tx,
    no: &str,
    receipt: &Receipt<'_>,
    outcome: PaymentOutcome,
) -> Result<PaymentEvent> {
    let event = NewPaymentEvent {
        provider: receipt.method.as_str(),
        event_id: receipt.event_id,
        order_no: no,
        outcome,
        amount: Some(receipt.amount),
        currency: Some(receipt.currency),
        detail: receipt.detail,
        received_at: app.clock.now(),
    };
    Ok(PaymentEvent::insert(tx, &event).await?)
}

/// Puts a paid order into effect. Where the business forbids it the order stays paid, and a person has to look;
/// where we failed, everything is undone so that the provider tells us again.
async fn try_effect(app: &App, tx: &mut Tx, actor: &Actor, paid: &Order) -> Result<Result<Effect>> {
    // What the database itself refused has spoilt the transaction; nothing may be committed after it.
    let spoilt = |e: &Error| matches!(e.detail_code(), Some("ALREADY_EXISTS" | "IN_USE" | "STALE_VERSION"));
    match effect::put_in(app, tx, actor, paid.clone()).await {
        Err(fault) if fault.is_ours() || spoilt(&fault) => Err(fault),
        other => Ok(other),
    }
}

async fn told(app: &App, paid: Order, effect: Result<Effect>) -> Order {
    match effect {
        Ok(effect) => {
            effect::tell(app, &effect).await;
            effect.order
        }
        Err(refusal) => {
            let message = format!("order {} is paid and could not be put into effect: {refusal}", paid.no);
            alert(app, "ORDER_NOT_ACTIVATED", message).await;
            paid
        }
    }
}

/// Tries again to put a paid order into effect.
pub(super) async fn retry_effect(app: &App, no: &str) -> Result<bool> {
    let mut tx = app.db.begin().await?;
    let order = Order::lock(&mut tx, no).await?;
    let Some(paid) = order.filter(|o| o.status == OrderStatus::Paid && o.refunded_amount == 0) else {
        tx.rollback().await?;
        return Ok(false);
    };
    match try_effect(app, &mut tx, &Actor::system(), &paid).await? {
        Ok(effect) => {
            tx.commit().await?;
            effect::tell(app, &effect).await;
            Ok(true)
        }
        Err(_) => {
            tx.rollback().await?;
            Ok(false)
        }
    }
}

/// The rule for late payments says refund: the refund is asked for in the very transaction that records the payment.
async fn give_back_late(app: &App, mut tx: Tx, actor: &Actor, paid: Order) -> Result<Settled> {
    let reserved = refund::reserve_in(app, &mut tx, actor, &paid, paid.refundable(), "paid too late").await?;
    tx.commit().await?;
    tell(app, &paid, OrderStatus::Paid).await;
    match refund::carry_out(app, &reserved.event, &reserved.order).await {
        Ok(refunded) => Ok(Settled::Paid(Box::new(refunded.order))),
        Err(refusal) => {
            let message = format!("the late payment of order {} could not be given back: {refusal}", paid.no);
            alert(app, "REFUND_FAILED", message).await;
            Ok(Settled::Paid(Box::new(reserved.order)))
        }
    }
}

/// How many notifications that nobody vouches for are written down per address and hour; the log has them all.
const UNPROVEN: i64 = 100;

/// Takes a provider's notification: the bytes as they came, and what to answer. Whatever is not proven and fitting
/// changes nothing.
pub async fn notify(app: &App, method: Method, headers: &HeaderMap, body: &[u8], ip: &str) -> NoticeReply {
    if !method.is_online() {
        return (404, "text/plain", "");
    }
    let provider = match provider(app, method) {
        Ok(provider) => provider,
        Err(cause) => {
            tracing::warn!(%method, %cause, "a notification came for a provider that is not set up");
            // Where nobody means to be paid that way there is nothing at this address; a half-made setup is ours to mend.
            let status = if is_offered(&setting::current(app), method) { 503 } else { 404 };
            return (status, "text/plain", "");
        }
    };
    let ok = match provider.read_notification(&app.http, headers, body, app.clock.now().0).await {
        Ok(notice) => match noticed(app, method, &notice).await {
            Ok(()) => true,
            Err(cause) => {
                let detail = cause.cause().unwrap_or_default();
                tracing::error!(%method, order = notice.order_no, %cause, detail, "a notification was not worked in");
                false
            }
        },
        Err(doubt) => {
            if let Err(cause) = doubted(app, method, &doubt, ip).await {
                tracing::error!(%method, %cause, "a doubtful notification could not be written down");
            }
            doubt.is_acknowledged()
        }
    };
    provider.notification_reply(ok)
}

/// Works in a notification that is proven.
async fn noticed(app: &App, method: Method, notice: &Notice) -> Result<()> {
    let now = app.clock.now();
    let system = Actor::system();
    let receipt = Receipt {
        method,
        event_id: &notice.event_id,
        transaction_id: notice.transaction_id.as_deref(),
        amount: notice.amount_minor,
        currency: &notice.currency,
        paid_at: notice.paid_at_ms.map_or(now, |ms| Time(ms.min(now.0))),
        detail: &notice.raw_kind,
    };
    match notice.status {
        NoticeStatus::Paid => {
            settle(app, &system, &notice.order_no, receipt).await?;
        }
        NoticeStatus::Pending => written_down(app, &notice.order_no, &receipt, PaymentOutcome::Waiting).await?,
        NoticeStatus::Closed => {
            written_down(app, &notice.order_no, &receipt, PaymentOutcome::Closed).await?;
            reconcile::closed_there(app, &notice.order_no, method).await?;
        }
        NoticeStatus::Refunded => {
            written_down(app, &notice.order_no, &receipt, PaymentOutcome::RefundedThere).await?;
            let mut conn = app.db.conn().await?;
            let order = Order::by_no(&mut conn, &notice.order_no).await?;
            if order.is_some_and(|o| o.refundable() > 0) {
                let message =
                    format!("{method} says that order {} was refunded, which was not asked here", notice.order_no);
                alert(app, "REFUNDED_ELSEWHERE", message).await;
            }
        }
    }
    Ok(())
}

async fn written_down(app: &App, no: &str, receipt: &Receipt<'_>, outcome: PaymentOutcome) -> Result<()> {
    let mut tx = app.db.begin().await?;
    record(app, &mut tx, no, receipt, outcome).await?;
    tx.commit().await
}

/// Writes down a notification that is not proven. What it says of an order is not repeated: anybody can say it.
async fn doubted(app: &App, method: Method, doubt: &NoticeError, ip: &str) -> Result<()> {
    let outcome = match doubt {
        NoticeError::BadSignature | NoticeError::UnknownKey => PaymentOutcome::Forged,
        NoticeError::Stale => PaymentOutcome::Stale,
        NoticeError::Malformed(_) => PaymentOutcome::Malformed,
        NoticeError::ForeignMerchant => PaymentOutcome::Foreign,
        NoticeError::Unrelated(kind) => {
            tracing::debug!(%method, kind, "a notification concerns no order");
            return Ok(());
        }
        NoticeError::NotOffered => return Ok(()),
    };
    tracing::warn!(%method, ip, %outcome, reason = %doubt, "a notification was not believed");
    let now = app.clock.now();
    if !app.kv.hit(&format!("payment-doubt:{ip}"), 1, UNPROVEN, HOUR, now).await?.allowed {
        return Ok(());
    }
    let detail = format!("{doubt} (from {ip})");
    let event = NewPaymentEvent {
        provider: method.as_str(),
        event_id: "",
        order_no: "",
        outcome,
        amount: None,
        currency: None,
        detail: &detail,
        received_at: now,
    };
    let mut tx = app.db.begin().await?;
    PaymentEvent::insert(&mut tx, &event).await?;
    tx.commit().await
}

/// A bank transfer an administrator has seen on the account.
#[derive(Clone, Debug, Default)]
pub struct Confirmation {
    /// The bank's reference.
    pub transaction_id: String,
    /// What arrived, in minor units; `None`: what was asked for.
    pub amount: Option<i64>,
    pub note: String,
}

/// An administrator vouches for a bank transfer; an order that has expired meanwhile is honoured.
pub async fn confirm_bank_transfer(app: &App, actor: &Actor, no: &str, seen: Confirmation) -> Result<Order> {
    actor.may(Act::Manage)?;
    if seen.transaction_id.chars().count() > 100 || seen.note.chars().count() > 500 {
        return Err(Error::invalid("note", "a reference has at most 100 characters, a note at most 500"));
    }
    let mut conn = app.db.conn().await?;
    let order = Order::by_no(&mut conn, no).await?.ok_or(NOT_FOUND)?;
    drop(conn);
    if order.method != Method::BankTransfer {
        return Err(Error::conflict("NOT_BANK_TRANSFER", "only the provider can say that this order is paid"));
    }
    if order.status == OrderStatus::Cancelled {
        return Err(Error::conflict("ORDER_CLOSED", "the order was cancelled"));
    }
    let reference = seen.transaction_id.trim();
    let receipt = Receipt {
        method: Method::BankTransfer,
        event_id: reference,
        transaction_id: Some(reference).filter(|r| !r.is_empty()),
        amount: seen.amount.unwrap_or(order.amount),
        currency: &order.currency,
        paid_at: app.clock.now().min(order.expires_at),
        detail: &seen.note,
    };
    match settle(app, actor, no, receipt).await? {
        Settled::Paid(order) => Ok(*order),
        Settled::Refused(PaymentOutcome::WrongAmount) => {
            Err(Error::invalid("amount", "this is not what the order asks for; refund it, or ask for the rest"))
        }
        Settled::Refused(PaymentOutcome::UnknownOrder) => Err(NOT_FOUND),
        Settled::Refused(_) => Err(Error::conflict("ORDER_CLOSED", "the order is paid already")),
    }
}
