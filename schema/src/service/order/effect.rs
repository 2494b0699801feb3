//! What a paid order brings about: money in the wallet, or time on a plan.

use super::summary;
use crate::App;
use crate::actor::Actor;
use crate::bus::Event;
use crate::clock::DAY;
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::model::ledger::EntryKind;
use crate::model::order::{Order, OrderChange, OrderKind, OrderStatus};
use crate::model::plan::Plan;
use crate::model::subscription::SubscriptionSource;
use crate::service::audit::{self, Target};
use crate::service::plan::{NOT_FOUND as NO_PLAN, stale};
use crate::service::subscription::{self, Grant};
use crate::service::wallet::{self, Moved, Movement};

/// An order in effect, to be announced after the commit.
#[derive(Debug)]
#[must_use = "tell it after the commit"]
pub(super) struct Effect {
    pub order: Order,
    moved: Option<Moved>,
    plan_changed: bool,
}

/// Puts a paid (or free) order into effect inside the caller's transaction, which holds the order's lock.
pub(super) async fn put_in(app: &App, tx: &mut Tx, actor: &Actor, order: Order) -> Result<Effect> {
    let (moved, plan_changed) = match order.kind {
        OrderKind::Topup => {
            let key = format!("order:{}", order.no);
            let movement = Movement {
                user_id: order.user_id,
                kind: EntryKind::Payment,
                amount: order.credit,
                reference: &order.no,
                idem_key: Some(&key),
                note: order.method.as_str(),
                may_overdraw: false,
            };
            (Some(wallet::move_in(app, tx, actor, movement).await?), false)
        }
        OrderKind::Subscription | OrderKind::Upgrade => {
            let plan_id = order.plan_id.ok_or_else(|| Error::internal("a plan order without a plan"))?;
            let plan = Plan::find(tx, plan_id).await?.ok_or(NO_PLAN)?;
            let grant = Grant {
                user_id: order.user_id,
                plan: &plan,
                period_ms: order.period_days.saturating_mul(DAY),
                source: SubscriptionSource::Order,
                order: Some(&order),
            };
            // The subscription itself is in its own audit row.
            let _ = subscription::activate_in(app, tx, actor, grant).await?;
            (None, true)
        }
        OrderKind::Renewal => return Err(Error::internal("a renewal is in effect when it is made")),
    };
    let now = app.clock.now();
    let change =
        OrderChange { status: Some(OrderStatus::Activated), activated_at: Some(Some(now)), ..OrderChange::default() };
    let after = Order::update(tx, order.id, order.version, &change, now).await?.ok_or_else(stale)?;
    let target = Target { kind: "order", id: &order.no };
    audit::record(app, tx, actor, "order.activate", target, summary(&order), summary(&after)).await?;
    Ok(Effect { order: after, moved, plan_changed })
}

/// Tells everybody.
pub(super) async fn tell(app: &App, effect: &Effect) {
    if let Some(moved) = &effect.moved {
        wallet::announce(app, moved).await;
    }
    super::tell(app, &effect.order, OrderStatus::Activated).await;
    if effect.plan_changed {
        app.bus.publish(Event::PlanChanged { user_id: Some(effect.order.user_id) }).await;
    }
}
