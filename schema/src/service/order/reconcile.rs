//! Periodic work on orders: ending what is unpaid, and asking the providers about everything that hangs.

use std::time::Duration;

use futures_util::StreamExt;

use super::provider::provider;
use super::settle::{self, Receipt, Settled};
use super::{alert, refund, summary, tell};
use crate::App;
use crate::actor::Actor;
use crate::clock::{DAY, HOUR, MINUTE, Time};
use crate::error::{Error, Result};
use crate::model::order::{Method, Order, OrderChange, OrderStatus};
use crate::model::payment_event::PaymentEvent;
use crate::payment::{PayError, PayState, RefundStatus};
use crate::service::audit::{self, Target};
use crate::service::plan::stale;

/// How many orders one round looks at, and how many of them at once.
const ROUND: i64 = 200;
const AT_ONCE: usize = 8;
/// Longest a person who cancels waits for the provider to hear of it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Ends orders whose time to pay is over, here and at their providers; answers how many.
pub async fn expire_due(app: &App) -> Result<usize> {
    let now = app.clock.now();
    let mut conn = app.db.conn().await?;
    let overdue = Order::overdue(&mut conn, now, ROUND).await?;
    drop(conn);
    let ended = futures_util::stream::iter(overdue)
        .map(|order| async move {
            let ended = end_unpaid(app, &order.no, OrderStatus::Expired, |o| o.expires_at <= now).await;
            match ended {
                Ok(Some(order)) => {
                    // The payment may be on its way at this very moment; a provider that refuses to close says so.
                    close_there(app, &order).await;
                    1
                }
                Ok(None) => 0,
                Err(cause) => {
                    tracing::error!(order = order.no, %cause, detail = cause.cause(), "an order could not be ended");
                    0
                }
            }
        })
        .buffer_unordered(AT_ONCE)
        .fold(0, |sum, n| async move { sum + n })
        .await;
    Ok(ended)
}

/// Ends an order that is still unpaid and fits; `None` when it is not.
async fn end_unpaid(
    app: &App,
    no: &str,
    status: OrderStatus,
    fits: impl FnOnce(&Order) -> bool,
) -> Result<Option<Order>> {
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    let order = Order::lock(&mut tx, no).await?;
    let Some(order) = order.filter(|o| o.status == OrderStatus::Pending && fits(o)) else {
        tx.rollback().await?;
        return Ok(None);
    };
    let change = OrderChange { status: Some(status), closed_at: Some(Some(now)), ..OrderChange::default() };
    let after = Order::update(&mut tx, order.id, order.version, &change, now).await?.ok_or_else(stale)?;
    let target = Target { kind: "order", id: &order.no };
    let action = if status == OrderStatus::Expired { "order.expire" } else { "order.close" };
    audit::record(app, &mut tx, &Actor::system(), action, target, summary(&order), summary(&after)).await?;
    tx.commit().await?;
    tell(app, &after, after.status).await;
    Ok(Some(after))
}

/// The provider says that nothing can be paid any more.
pub(super) async fn closed_there(app: &App, no: &str, method: Method) -> Result<()> {
    let now = app.clock.now();
    let mut conn = app.db.conn().await?;
    let Some(order) = Order::by_no(&mut conn, no).await? else { return Ok(()) };
    drop(conn);
    let status = if order.expires_at <= now { OrderStatus::Expired } else { OrderStatus::Cancelled };
    end_unpaid(app, no, status, |o| o.method == method).await?;
    Ok(())
}

/// Makes an ended order unpayable at its provider. Trouble is left to [`reconcile_due`].
pub(super) async fn close_there(app: &App, order: &Order) {
    if !order.method.is_online() {
        return;
    }
    let closing = async {
        let provider = provider(app, order.method)?;
        match provider.close(&app.http, &order.no, order.provider_ref.as_deref(), app.clock.now().0).await {
            // It has been paid meanwhile, perhaps.
            Err(PayError::Refused { .. }) => ask(app, order).await,
            Err(trouble) => {
                tracing::info!(order = order.no, reason = %trouble, "an order could not be closed at its provider");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    };
    match tokio::time::timeout(PATIENCE, closing).await {
        Ok(Ok(())) => {}
        Ok(Err(cause)) => tracing::warn!(order = order.no, %cause, "closing an order at its provider failed"),
        Err(_) => tracing::warn!(order = order.no, "the provider did not answer when an order was to be closed"),
    }
}

/// Asks the provider how an order stands, and follows.
async fn ask(app: &App, order: &Order) -> Result<()> {
    let now = app.clock.now();
    let mut conn = app.db.conn().await?;
    Order::touch_checked(&mut conn, order.id, now).await?;
    drop(conn);
    let provider = provider(app, order.method)?;
    let state = provider
        .query(&app.http, &order.no, order.provider_ref.as_deref(), now.0)
        .await
        .map_err(|e| super::provider::failed(order.method, &e))?;
    match state {
        PayState::Pending => {}
        PayState::Closed => closed_there(app, &order.no, order.method).await?,
        PayState::Refunded if order.status == OrderStatus::Pending => {
            closed_there(app, &order.no, order.method).await?;
            let message = format!("{} says that order {} was paid and refunded there", order.method, order.no);
            alert(app, "REFUNDED_ELSEWHERE", message).await;
        }
        PayState::Refunded => {}
        PayState::Paid { transaction_id, amount_minor, currency, paid_at_ms } => {
            let receipt = Receipt {
                method: order.method,
                event_id: "query",
                transaction_id: Some(&transaction_id),
                amount: amount_minor,
                currency: &currency,
                paid_at: Time(paid_at_ms.min(now.0)),
                detail: "asked",
            };
            if let Settled::Refused(outcome) = settle::settle(app, &Actor::system(), &order.no, receipt).await? {
                tracing::info!(order = order.no, %outcome, "the provider's answer changed nothing");
            }
        }
    }
    Ok(())
}

/// What one round of asking did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// Orders the providers were asked about.
    pub asked: usize,
    /// Paid orders that came into effect.
    pub activated: usize,
    /// Refunds that ended.
    pub refunded: usize,
    /// What failed and is tried again next round.
    pub failed: usize,
}

/// Asks the providers about every order that hangs, puts paid orders into effect and carries refunds on.
///
/// Unpaid orders are asked about once a minute, ended ones twice an hour for a day.
pub async fn reconcile_due(app: &App) -> Result<Reconciled> {
    let now = app.clock.now();
    let mut done = Reconciled::default();
    let ended = [OrderStatus::Expired, OrderStatus::Cancelled];
    let mut conn = app.db.conn().await?;
    let online = Method::ONLINE;
    let mut hanging =
        Order::hanging(&mut conn, &[OrderStatus::Pending], online, now.plus(-MINUTE), Time(0), ROUND).await?;
    hanging.extend(Order::hanging(&mut conn, &ended, online, now.plus(-HOUR / 2), now.plus(-DAY), ROUND).await?);
    let stuck =
        Order::hanging(&mut conn, &[OrderStatus::Paid], Method::ALL, now.plus(-5 * MINUTE), Time(0), ROUND).await?;
    let refunds = PaymentEvent::open_refunds(&mut conn, ROUND).await?;
    drop(conn);

    // Each question owns its order, or the whole could not be proved to be movable between threads.
    let answers: Vec<Result<()>> = futures_util::stream::iter(hanging)
        .map(|order| {
            let app = app.clone();
            async move { failing("asking about", &order.no, ask(&app, &order).await) }
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    done.asked = answers.len();
    done.failed = answers.iter().filter(|a| a.is_err()).count();
    for order in &stuck {
        let mut conn = app.db.conn().await?;
        Order::touch_checked(&mut conn, order.id, now).await?;
        drop(conn);
        match failing("activating", &order.no, settle::retry_effect(app, &order.no).await) {
            Ok(activated) => done.activated += usize::from(activated),
            Err(_) => done.failed += 1,
        }
    }
    for event in refunds.iter().filter(|e| e.received_at <= now.plus(-MINUTE)) {
        match failing("refunding", &event.order_no, refund::resume(app, event).await) {
            Ok(status) => done.refunded += usize::from(status != RefundStatus::Processing),
            Err(_) => done.failed += 1,
        }
    }
    Ok(done)
}

fn failing<T>(doing: &str, no: &str, outcome: Result<T, Error>) -> Result<T, Error> {
    if let Err(cause) = &outcome {
        tracing::warn!(order = no, %cause, detail = cause.cause(), "{doing} an order failed");
    }
    outcome
}
