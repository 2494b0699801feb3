//! Periodic work on subscriptions: renewing from the wallet, and ending what is over.

use super::{lock, summary};
use crate::App;
use crate::actor::Actor;
use crate::bus::Event;
use crate::clock::{DAY, Time};
use crate::error::{Error, Result};
use crate::model::ledger::EntryKind;
use crate::model::order::{Method, NewOrder, Order, OrderKind, OrderStatus};
use crate::model::plan::Plan;
use crate::model::subscription::{Subscription, SubscriptionChange, SubscriptionStatus};
use crate::money::Micros;
use crate::service::audit::{self, Target};
use crate::service::exchange::Rates;
use crate::service::order::number;
use crate::service::plan::stale;
use crate::service::setting;
use crate::service::wallet::{self, Moved, Movement};

/// How long before its end a subscription is renewed at the earliest; never more than a quarter of its cycle,
/// or a daily plan would be renewed at once again.
const LEAD: i64 = DAY;
/// How many subscriptions one round looks at.
const ROUND: i64 = 500;

/// What one round of renewing did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Renewals {
    pub renewed: usize,
    /// The wallet did not hold enough; tried again next round, until the subscription ends.
    pub unpaid: usize,
    /// Ended unpaid, or because the plan is no longer offered.
    pub ended: usize,
}

enum Outcome {
    Renewed(Box<(Order, Option<Moved>)>),
    Unpaid,
    Ended,
    NotDue,
}

/// Renews from the wallet whatever is due and wished so; each period is paid once, however many ask.
pub async fn renew_due(app: &App) -> Result<Renewals> {
    let now = app.clock.now();
    let mut conn = app.db.conn().await?;
    let due = Subscription::due_for_renewal(&mut conn, now.plus(LEAD), ROUND).await?;
    drop(conn);
    let mut done = Renewals::default();
    for subscription in due {
        let outcome = match renew(app, &subscription, now).await {
            Ok(outcome) => outcome,
            Err(cause) => {
                // One person's trouble must not keep the others from being renewed.
                tracing::error!(subscription = subscription.id, %cause, detail = cause.cause(), "renewing failed");
                continue;
            }
        };
        let user_id = subscription.user_id;
        match outcome {
            Outcome::NotDue => {}
            Outcome::Renewed(made) => {
                let (order, moved) = *made;
                done.renewed += 1;
                if let Some(moved) = &moved {
                    wallet::announce(app, moved).await;
                }
                let status = order.status.as_str().to_owned();
                app.bus.publish(Event::OrderChanged { no: order.no, user_id, status }).await;
                app.bus.publish(Event::PlanChanged { user_id: Some(user_id) }).await;
            }
            Outcome::Unpaid => {
                done.unpaid += 1;
                warn_once(app, &subscription, now).await?;
            }
            Outcome::Ended => {
                done.ended += 1;
                app.bus.publish(Event::PlanChanged { user_id: Some(user_id) }).await;
            }
        }
    }
    Ok(done)
}

async fn renew(app: &App, due: &Subscription, now: Time) -> Result<Outcome> {
    let system = Actor::system();
    let mut tx = app.db.begin().await?;
    lock(&mut tx, due.user_id).await?;
    // Read again under the lock: another process may have renewed it, or the person changed their mind.
    let Some(s) = Subscription::find(&mut tx, due.id)
        .await?
        .filter(|s| s.status == SubscriptionStatus::Active && s.auto_renew && s.expires_at == due.expires_at)
    else {
        tx.rollback().await?;
        return Ok(Outcome::NotDue);
    };
    let live = Subscription::live_of(&mut tx, s.user_id, now).await?;
    let plan = Plan::find(&mut tx, s.plan_id).await?.filter(Plan::is_available);
    let superseded = live.is_some_and(|l| l.id != s.id);
    let Some(plan) = plan.filter(|_| !superseded) else {
        let over = s.expires_at <= now;
        let change = SubscriptionChange {
            status: over.then_some(SubscriptionStatus::Expired),
            auto_renew: Some(false),
            ..SubscriptionChange::default()
        };
        let after = Subscription::update(&mut tx, s.id, s.version, &change, now).await?.ok_or_else(stale)?;
        let target = Target { kind: "subscription", id: &s.id.to_string() };
        audit::record(app, &mut tx, &system, "subscription.end_renewal", target, summary(&s), summary(&after)).await?;
        tx.commit().await?;
        return Ok(Outcome::Ended);
    };
    if s.expires_at.0 - now.0 > LEAD.min(plan.cycle_ms() / 4) {
        tx.rollback().await?;
        return Ok(Outcome::NotDue);
    }
    let amount = plan.price_at(now);
    let cost = Rates::of(&setting::current(app)).price(amount, &plan.currency)?;
    let no = number(OrderKind::Renewal, now);
    let moved = match pay(app, &mut tx, &system, &s, cost, &no, &plan).await {
        Ok(moved) => moved,
        Err(Error::QuotaExceeded { .. }) if s.expires_at > now => {
            tx.rollback().await?;
            return Ok(Outcome::Unpaid);
        }
        Err(Error::QuotaExceeded { .. }) => {
            let change =
                SubscriptionChange { status: Some(SubscriptionStatus::Expired), ..SubscriptionChange::default() };
            let after = Subscription::update(&mut tx, s.id, s.version, &change, now).await?.ok_or_else(stale)?;
            let target = Target { kind: "subscription", id: &s.id.to_string() };
            audit::record(app, &mut tx, &system, "subscription.expire", target, summary(&s), summary(&after)).await?;
            tx.commit().await?;
            return Ok(Outcome::Ended);
        }
        Err(other) => return Err(other),
    };
    let until = s.expires_at.max(now).plus(plan.cycle_ms());
    let change = SubscriptionChange { expires_at: Some(until), ..SubscriptionChange::default() };
    let after = Subscription::update(&mut tx, s.id, s.version, &change, now).await?.ok_or_else(stale)?;
    let order = Order::insert(&mut tx, &bought(&s, &plan, &no, amount, moved.as_ref(), now)).await?;
    let target = Target { kind: "subscription", id: &s.id.to_string() };
    audit::record(app, &mut tx, &system, "subscription.renew", target, summary(&s), summary(&after)).await?;
    tx.commit().await?;
    Ok(Outcome::Renewed(Box::new((order, moved))))
}

async fn pay(
    app: &App,
    tx: &mut crate::db::Tx,
    system: &Actor,
    s: &Subscription,
    cost: Micros,
    no: &str,
    plan: &Plan,
) -> Result<Option<Moved>> {
    if cost == Micros::ZERO {
        return Ok(None);
    }
    let key = format!("renew:{}:{}", s.id, s.expires_at.0);
    let movement = Movement {
        user_id: s.user_id,
        kind: EntryKind::Purchase,
        amount: Micros(-cost.0),
        reference: no,
        idem_key: Some(&key),
        note: &plan.display_name,
        may_overdraw: false,
    };
    Ok(Some(wallet::move_in(app, tx, system, movement).await?))
}

/// The order that shows the renewal in the person's history; it was paid the moment it was made.
fn bought(s: &Subscription, plan: &Plan, no: &str, amount: i64, moved: Option<&Moved>, now: Time) -> NewOrder {
    NewOrder {
        no: no.to_owned(),
        user_id: s.user_id,
        kind: OrderKind::Renewal,
        plan_id: Some(plan.id),
        replaces_id: None,
        amount,
        currency: plan.currency.clone(),
        credit: Micros::ZERO,
        period_days: plan.cycle_days,
        method: Method::Wallet,
        status: OrderStatus::Activated,
        transaction_id: moved.and_then(|m| m.entry.idem_key.clone()),
        paid_amount: moved.map(|_| amount),
        paid_currency: moved.map(|_| plan.currency.clone()),
        note: String::new(),
        client_ip: String::new(),
        created_at: now,
        expires_at: now,
        paid_at: moved.map(|_| now),
        activated_at: Some(now),
        updated_at: now,
    }
}

async fn warn_once(app: &App, s: &Subscription, now: Time) -> Result<()> {
    let name = format!("renewal-unpaid:{}:{}", s.id, s.expires_at.0);
    if app.kv.put_new(&name, "1", 2 * LEAD, now).await? {
        app.bus
            .publish(Event::Alert {
                level: "warning".into(),
                code: "RENEWAL_UNPAID".into(),
                message: format!(
                    "the wallet of user {} does not cover the renewal of subscription {}",
                    s.user_id, s.id
                ),
                at: now.0,
            })
            .await;
    }
    Ok(())
}

/// Ends what is over; answers how many ended. What is to be renewed is left to [`renew_due`] for a day.
pub async fn expire_due(app: &App) -> Result<usize> {
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    let ended = Subscription::expire(&mut tx, now, now.plus(-DAY)).await?;
    tx.commit().await?;
    for subscription in &ended {
        app.bus.publish(Event::PlanChanged { user_id: Some(subscription.user_id) }).await;
    }
    Ok(ended.len())
}
