//! Refunds: asked for in one transaction, carried out at the provider, and ended in another.
//!
//! What is to go back is taken off the order (and a top-up's worth off the wallet) before the provider is
//! asked, so that two refunds together never exceed what was paid. A provider that cannot be reached is
//! asked again under the same number, which never pays twice; one that says no gets everything put back.

use super::provider::{failed, provider};
use super::{NOT_FOUND, alert, summary, tell};
use crate::App;
use crate::actor::{Act, Actor};
use crate::bus::Event;
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::model::ledger::{EntryKind, LedgerEntry};
use crate::model::order::{Method, Order, OrderChange, OrderKind, OrderStatus};
use crate::model::payment_event::{NewPaymentEvent, PaymentEvent, PaymentOutcome};
use crate::money::Micros;
use crate::payment::{PayError, RefundOrder, RefundState, RefundStatus};
use crate::service::audit::{self, Target};
use crate::service::plan::stale;
use crate::service::subscription;
use crate::service::wallet::{self, Moved, Movement};

/// A refund and how far it has come.
#[derive(Clone, Debug)]
pub struct Refunded {
    pub order: Order,
    pub status: RefundStatus,
}

/// Money that is on its way back.
#[derive(Debug)]
pub(super) struct Reserved {
    pub order: Order,
    pub event: PaymentEvent,
    moved: Option<Moved>,
}

/// An administrator gives back what an order brought, all of what is left or a part of it.
///
/// A top-up's worth leaves the wallet again, and no more than the wallet holds. A plan that is given back in
/// whole ends; a part leaves it as it is.
pub async fn refund(
    app: &App,
    actor: &Actor,
    no: &str,
    amount: Option<i64>,
    reason: &str,
    expected_version: Option<i64>,
) -> Result<Refunded> {
    actor.may(Act::ManagePeople)?;
    if reason.chars().count() > 200 {
        return Err(Error::invalid("reason", "a reason has at most 200 characters"));
    }
    let mut tx = app.db.begin().await?;
    let order = Order::lock(&mut tx, no).await?.ok_or(NOT_FOUND)?;
    if expected_version.is_some_and(|v| v != order.version) {
        return Err(stale());
    }
    let amount = amount.unwrap_or_else(|| order.refundable());
    let reserved = reserve_in(app, &mut tx, actor, &order, amount, reason).await?;
    tx.commit().await?;
    if let Some(moved) = &reserved.moved {
        wallet::announce(app, moved).await;
    }
    carry_out(app, &reserved.event, &reserved.order).await
}

/// Takes what is to go back off the order and the wallet, and writes down that it is to go.
pub(super) async fn reserve_in(
    app: &App,
    tx: &mut Tx,
    actor: &Actor,
    order: &Order,
    amount: i64,
    reason: &str,
) -> Result<Reserved> {
    if !matches!(order.status, OrderStatus::Paid | OrderStatus::Activated) || order.refundable() <= 0 {
        return Err(Error::conflict("NOTHING_TO_REFUND", "nothing of this order can be given back"));
    }
    if !(1..=order.refundable()).contains(&amount) {
        return Err(Error::invalid("amount", "more than is left of the payment cannot be given back"));
    }
    let count = PaymentEvent::count_refunds(tx, &order.no).await? + 1;
    let refund_no = format!("{}R{count}", order.no);
    let moved = match order.kind {
        OrderKind::Topup if order.status == OrderStatus::Activated => {
            let key = taking(&refund_no);
            let movement = Movement {
                user_id: order.user_id,
                kind: EntryKind::Payback,
                amount: Micros(-share(order.credit, order, amount)),
                reference: &order.no,
                idem_key: Some(&key),
                note: reason,
                may_overdraw: false,
            };
            Some(wallet::move_in(app, tx, actor, movement).await?)
        }
        _ => None,
    };
    let now = app.clock.now();
    let change = OrderChange { refunded_amount: Some(order.refunded_amount + amount), ..OrderChange::default() };
    let after = Order::update(tx, order.id, order.version, &change, now).await?.ok_or_else(stale)?;
    let event = NewPaymentEvent {
        provider: order.method.as_str(),
        event_id: &refund_no,
        order_no: &order.no,
        outcome: PaymentOutcome::RefundAsked,
        amount: Some(amount),
        currency: order.paid_currency.as_deref(),
        detail: reason,
        received_at: now,
    };
    let event = PaymentEvent::insert(tx, &event).await?;
    let target = Target { kind: "order", id: &order.no };
    audit::record(app, tx, actor, "order.refund", target, summary(order), summary(&after)).await?;
    Ok(Reserved { order: after, event, moved })
}

/// The part of a whole (in micro-dollars) that goes with this part of the payment. Computed from the sums before and
/// after, so that parts add up to the whole.
fn share(whole: Micros, order: &Order, amount: i64) -> i64 {
    let paid = i128::from(order.paid_amount.unwrap_or(0).max(1));
    let upto = |refunded: i64| i128::from(whole.0) * i128::from(refunded) / paid;
    i64::try_from(upto(order.refunded_amount + amount) - upto(order.refunded_amount)).unwrap_or(whole.0)
}

/// The ledger's key of what a refund takes off the wallet.
fn taking(refund_no: &str) -> String {
    format!("refund:{refund_no}")
}

/// Asks the provider for a refund that was written down, and ends it when the provider has decided.
pub(super) async fn carry_out(app: &App, event: &PaymentEvent, order: &Order) -> Result<Refunded> {
    let answer = match order.method {
        Method::Wallet | Method::Free => Ok(RefundState { status: RefundStatus::Succeeded, refund_id: None }),
        Method::BankTransfer => Ok(RefundState { status: RefundStatus::Manual, refund_id: None }),
        method => match provider(app, method) {
            Ok(provider) => provider.refund(&app.http, &asked(event, order), app.clock.now().0).await,
            Err(cause) => {
                // Not set up any more: the refund waits until it is.
                alert(app, "REFUND_WAITS", format!("the refund {} waits: {cause}", event.event_id)).await;
                return Ok(Refunded { order: order.clone(), status: RefundStatus::Processing });
            }
        },
    };
    match answer {
        Ok(RefundState { status: RefundStatus::Processing, .. }) => {
            Ok(Refunded { order: order.clone(), status: RefundStatus::Processing })
        }
        Ok(RefundState { status, refund_id }) => {
            let (outcome, said) = match status {
                RefundStatus::Succeeded => (PaymentOutcome::RefundDone, refund_id.unwrap_or_default()),
                RefundStatus::Manual => (PaymentOutcome::RefundByHand, String::new()),
                _ => (PaymentOutcome::RefundFailed, "the provider could not do it".to_owned()),
            };
            Ok(Refunded { order: end(app, event, outcome, &said).await?, status })
        }
        Err(refusal @ (PayError::Refused { .. } | PayError::Invalid(_))) if !refusal.is_transient() => {
            end(app, event, PaymentOutcome::RefundFailed, &refusal.to_string()).await?;
            Err(failed(order.method, &refusal))
        }
        Err(trouble) => {
            tracing::warn!(refund = event.event_id, reason = %trouble, "a refund is not decided; it is asked for again");
            Ok(Refunded { order: order.clone(), status: RefundStatus::Processing })
        }
    }
}

fn asked(event: &PaymentEvent, order: &Order) -> RefundOrder {
    RefundOrder {
        order_no: order.no.clone(),
        provider_ref: order.provider_ref.clone(),
        refund_no: event.event_id.clone(),
        amount_minor: event.amount.unwrap_or(0),
        total_minor: order.paid_amount.unwrap_or(order.amount),
        currency: order.paid_currency.clone().unwrap_or_else(|| order.currency.clone()),
        reason: event.detail.clone(),
    }
}

/// Ends a refund, once: the order follows, and what failed is put back.
async fn end(app: &App, event: &PaymentEvent, outcome: PaymentOutcome, said: &str) -> Result<Order> {
    let system = Actor::system();
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    let order = Order::lock(&mut tx, &event.order_no).await?.ok_or(NOT_FOUND)?;
    let detail = [event.detail.as_str(), said].iter().filter(|s| !s.is_empty()).copied().collect::<Vec<_>>().join("; ");
    if !PaymentEvent::end_refund(&mut tx, event.id, outcome, &detail).await? {
        tx.rollback().await?;
        return Ok(order);
    }
    let amount = event.amount.unwrap_or(0);
    let failed = outcome == PaymentOutcome::RefundFailed;
    let mut change = OrderChange::default();
    let moved = if failed {
        change.refunded_amount = Some(order.refunded_amount - amount);
        put_back(app, &mut tx, &system, &event.event_id, &order).await?
    } else {
        into_wallet(app, &mut tx, &system, &event.event_id, &order, amount).await?
    };
    let whole = !failed && order.refundable() <= 0 && !PaymentEvent::has_open_refund(&mut tx, &order.no).await?;
    let mut plan_kept = false;
    if whole {
        change.status = Some(OrderStatus::Refunded);
        change.closed_at = Some(Some(now));
        if order.kind != OrderKind::Topup && order.activated_at.is_some() {
            plan_kept = !subscription::take_back_in(app, &mut tx, &system, &order).await?;
        }
    }
    let after = Order::update(&mut tx, order.id, order.version, &change, now).await?.ok_or_else(stale)?;
    let target = Target { kind: "order", id: &order.no };
    audit::record(app, &mut tx, &system, "order.refund_ended", target, summary(&order), summary(&after)).await?;
    tx.commit().await?;
    if let Some(moved) = &moved {
        wallet::announce(app, moved).await;
    }
    tell(app, &after, after.status).await;
    if whole && order.kind != OrderKind::Topup {
        app.bus.publish(Event::PlanChanged { user_id: Some(order.user_id) }).await;
    }
    if failed {
        alert(app, "REFUND_FAILED", format!("the refund {} was refused and undone", event.event_id)).await;
    }
    if plan_kept {
        let message = format!("order {} was refunded, but its plan has become part of another; look at it", order.no);
        alert(app, "PLAN_KEPT", message).await;
    }
    Ok(after)
}

/// What a failed refund took off the wallet comes back.
async fn put_back(app: &App, tx: &mut Tx, actor: &Actor, refund_no: &str, order: &Order) -> Result<Option<Moved>> {
    let Some(taken) = LedgerEntry::by_idem_key(tx, &taking(refund_no)).await? else {
        return Ok(None);
    };
    let key = format!("refund-undone:{refund_no}");
    let movement = Movement {
        user_id: order.user_id,
        kind: EntryKind::Payback,
        amount: Micros(-taken.amount.0),
        reference: &order.no,
        idem_key: Some(&key),
        note: "",
        may_overdraw: false,
    };
    Ok(Some(wallet::move_in(app, tx, actor, movement).await?))
}

/// What the wallet paid goes back into it.
async fn into_wallet(
    app: &App,
    tx: &mut Tx,
    actor: &Actor,
    refund_no: &str,
    order: &Order,
    amount: i64,
) -> Result<Option<Moved>> {
    if order.method != Method::Wallet {
        return Ok(None);
    }
    let Some(key) = &order.transaction_id else { return Ok(None) };
    let Some(paid) = LedgerEntry::by_idem_key(tx, key).await? else { return Ok(None) };
    // The order's sum holds this refund already; the share is reckoned from before it.
    let before = Order { refunded_amount: order.refunded_amount - amount, ..order.clone() };
    let key = taking(refund_no);
    let movement = Movement {
        user_id: order.user_id,
        kind: EntryKind::Refund,
        amount: Micros(share(Micros(-paid.amount.0), &before, amount)),
        reference: &order.no,
        idem_key: Some(&key),
        note: "",
        may_overdraw: false,
    };
    Ok(Some(wallet::move_in(app, tx, actor, movement).await?))
}

/// Asks again for a refund that was written down some time ago.
pub(super) async fn resume(app: &App, event: &PaymentEvent) -> Result<RefundStatus> {
    let mut conn = app.db.conn().await?;
    let order = Order::by_no(&mut conn, &event.order_no).await?.ok_or(NOT_FOUND)?;
    drop(conn);
    Ok(carry_out(app, event, &order).await?.status)
}
