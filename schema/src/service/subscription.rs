//! Subscriptions: what a person is on, how it begins, goes on and ends.
//!
//! Every change of a person's subscription happens under the lock of their wallet's row, so that two
//! payments, a card and a renewal at one moment follow one another.

mod prorata;
mod renew;

use std::collections::HashMap;

use crate::App;
use crate::actor::{Act, Actor};
use crate::bus::Event;
use crate::clock::{DAY, Time};
use crate::db::{Conn, Tx};
use crate::error::{Error, Result};
use crate::model::order::Order;
use crate::model::plan::{FREE, Plan};
use crate::model::subscription::{
    NewSubscription, Subscription, SubscriptionChange, SubscriptionFilter, SubscriptionSource, SubscriptionStatus,
};
use crate::model::user::User;
use crate::page::{Counted, Direction, Page, Seek, Window};
use crate::service::audit::{self, Target};
use crate::service::exchange::Rates;
use crate::service::plan::{NOT_FOUND as NO_PLAN, PlanLimits, stale};
use crate::service::setting;

pub use prorata::{Running, Step, Worth, credit, decide};
pub use renew::{expire_due, renew_due};

/// What a person is on.
#[derive(Clone, Debug)]
pub struct Held {
    pub user_id: i64,
    /// `None` for whoever is on the free plan without having asked for it.
    pub subscription: Option<Subscription>,
    /// The subscription's plan, or the free plan where there is one.
    pub plan: Option<Plan>,
}

impl Held {
    /// True when nothing is paid for.
    pub fn is_free(&self) -> bool {
        self.plan.as_ref().is_none_or(|p| p.price == 0)
    }
    /// What it admits.
    pub fn limits(&self) -> PlanLimits {
        let ends = self.subscription.as_ref().map(|s| s.expires_at);
        self.plan.clone().map(|plan| PlanLimits::of(plan, ends)).unwrap_or_default()
    }
}

/// What the person is on now.
pub async fn current(app: &App, actor: &Actor, user_id: i64) -> Result<Held> {
    actor.owns_or_admin(user_id, "user")?;
    let mut conn = app.db.conn().await?;
    held(&mut conn, user_id, app.clock.now()).await
}

pub(crate) async fn held(conn: &mut Conn, user_id: i64, now: Time) -> Result<Held> {
    let subscription = Subscription::live_of(conn, user_id, now).await?;
    let plan = match &subscription {
        Some(s) => Plan::find(conn, s.plan_id).await?,
        None => Plan::by_slug(conn, FREE).await?,
    };
    Ok(Held { user_id, subscription, plan })
}

/// What each of these people is on now; all are in the answer.
pub async fn current_of(app: &App, actor: &Actor, user_ids: &[i64]) -> Result<HashMap<i64, Held>> {
    user_ids.iter().try_for_each(|id| actor.owns_or_admin(*id, "user"))?;
    let mut conn = app.db.conn().await?;
    let live = Subscription::live_of_many(&mut conn, user_ids, app.clock.now()).await?;
    let plan_ids: Vec<i64> = live.iter().map(|s| s.plan_id).collect();
    let plans = Plan::by_ids(&mut conn, &plan_ids).await?;
    let free = Plan::by_slug(&mut conn, FREE).await?;
    let mut held: HashMap<i64, Held> =
        user_ids.iter().map(|id| (*id, Held { user_id: *id, subscription: None, plan: free.clone() })).collect();
    for subscription in live {
        if let Some(place) = held.get_mut(&subscription.user_id) {
            place.plan = plans.iter().find(|p| p.id == subscription.plan_id).cloned();
            place.subscription = Some(subscription);
        }
    }
    Ok(held)
}

/// Subscriptions by keyset: one's own, or anybody's for administrators.
pub async fn entries(
    app: &App,
    actor: &Actor,
    filter: &SubscriptionFilter,
    direction: Direction,
    seek: &Seek,
) -> Result<Page<Subscription>> {
    visible(actor, filter)?;
    let mut conn = app.db.conn().await?;
    Ok(Page::cut(Subscription::seek(&mut conn, filter, direction, seek).await?, seek))
}

/// Subscriptions by numbered page.
pub async fn history(
    app: &App,
    actor: &Actor,
    filter: &SubscriptionFilter,
    window: Window,
) -> Result<Counted<Subscription>> {
    visible(actor, filter)?;
    let mut conn = app.db.conn().await?;
    let rows = Subscription::window(&mut conn, filter, window).await?;
    Ok(Counted { rows, total: Subscription::count(&mut conn, filter).await? })
}

/// How many there are.
pub async fn count(app: &App, actor: &Actor, filter: &SubscriptionFilter) -> Result<i64> {
    visible(actor, filter)?;
    let mut conn = app.db.conn().await?;
    Ok(Subscription::count(&mut conn, filter).await?)
}

/// One subscription: one's own, or anybody's for administrators.
pub async fn get(app: &App, actor: &Actor, id: i64) -> Result<Subscription> {
    let mut conn = app.db.conn().await?;
    let found = Subscription::find(&mut conn, id).await?.ok_or(NONE)?;
    actor.owns_or_admin(found.user_id, "subscription")?;
    Ok(found)
}

/// Those of several subscriptions that the caller may see.
pub async fn several(app: &App, actor: &Actor, ids: &[i64]) -> Result<Vec<Subscription>> {
    let mut conn = app.db.conn().await?;
    let mut found = Subscription::by_ids(&mut conn, ids).await?;
    found.retain(|one| actor.owns_or_admin(one.user_id, "subscription").is_ok());
    Ok(found)
}

fn visible(actor: &Actor, filter: &SubscriptionFilter) -> Result<()> {
    match filter.user_id {
        Some(id) => actor.owns_or_admin(id, "user"),
        None => actor.may(Act::ViewAll),
    }
}

/// Ends the wish to go on: the plan stays until its time is over and is not renewed. Asking twice changes nothing.
pub async fn cancel(
    app: &App,
    actor: &Actor,
    user_id: i64,
    expected_version: Option<i64>,
) -> Result<(Subscription, Plan)> {
    let now = app.clock.now();
    let change =
        SubscriptionChange { auto_renew: Some(false), cancelled_at: Some(Some(now)), ..SubscriptionChange::default() };
    reconsider(app, actor, user_id, expected_version, "subscription.cancel", |s| {
        (s.cancelled_at.is_none() || s.auto_renew).then_some(change)
    })
    .await
}

/// Switches renewal from the wallet on or off; switching it on takes a cancellation back.
pub async fn set_auto_renew(
    app: &App,
    actor: &Actor,
    user_id: i64,
    on: bool,
    expected_version: Option<i64>,
) -> Result<(Subscription, Plan)> {
    let change =
        SubscriptionChange { auto_renew: Some(on), cancelled_at: on.then_some(None), ..SubscriptionChange::default() };
    reconsider(app, actor, user_id, expected_version, "subscription.auto_renew", |s| {
        (s.auto_renew != on || (on && s.cancelled_at.is_some())).then_some(change)
    })
    .await
}

async fn reconsider(
    app: &App,
    actor: &Actor,
    user_id: i64,
    expected_version: Option<i64>,
    action: &str,
    change: impl FnOnce(&Subscription) -> Option<SubscriptionChange>,
) -> Result<(Subscription, Plan)> {
    actor.owns_or_admin(user_id, "user")?;
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    lock(&mut tx, user_id).await?;
    let Some(before) = Subscription::live_of(&mut tx, user_id, now).await? else {
        tx.rollback().await?;
        return Err(NONE);
    };
    if expected_version.is_some_and(|v| v != before.version) {
        tx.rollback().await?;
        return Err(stale());
    }
    let plan = Plan::find(&mut tx, before.plan_id).await?.ok_or(NO_PLAN)?;
    let Some(change) = change(&before) else {
        tx.rollback().await?;
        return Ok((before, plan));
    };
    let after = Subscription::update(&mut tx, before.id, before.version, &change, now).await?.ok_or_else(stale)?;
    let target = Target { kind: "subscription", id: &before.id.to_string() };
    audit::record(app, &mut tx, actor, action, target, summary(&before), summary(&after)).await?;
    tx.commit().await?;
    app.bus.publish(Event::PlanChanged { user_id: Some(user_id) }).await;
    Ok((after, plan))
}

const NONE: Error = Error::NotFound { what: "subscription" };

/// An administrator gives a person days on a plan.
pub async fn grant(
    app: &App,
    actor: &Actor,
    user_id: i64,
    plan_id: i64,
    days: Option<i64>,
) -> Result<(Subscription, Plan)> {
    actor.may(Act::ManagePeople)?;
    if days.is_some_and(|d| !(1..=36_500).contains(&d)) {
        return Err(Error::invalid("days", "between 1 and 36500 days can be given"));
    }
    let mut tx = app.db.begin().await?;
    let plan = Plan::find(&mut tx, plan_id).await?.filter(Plan::is_available).ok_or(NO_PLAN)?;
    let period_ms = days.map_or(plan.cycle_ms(), |d| d * DAY);
    let grant = Grant { user_id, plan: &plan, period_ms, source: SubscriptionSource::Grant, order: None };
    let (subscription, holds) = activate_in(app, &mut tx, actor, grant).await?;
    tx.commit().await?;
    app.bus.publish(Event::PlanChanged { user_id: Some(user_id) }).await;
    Ok((subscription, holds.unwrap_or(plan)))
}

/// Time on a plan that was paid for, redeemed or given.
#[derive(Clone, Copy, Debug)]
pub struct Grant<'a> {
    pub user_id: i64,
    pub plan: &'a Plan,
    pub period_ms: i64,
    pub source: SubscriptionSource,
    /// The order that paid for it.
    pub order: Option<&'a Order>,
}

/// Puts the time into effect inside the caller's transaction; to be announced after the commit. The plan comes
/// back with it when it is not the one that was granted (a cheaper plan's worth became time on the running one).
pub async fn activate_in(
    app: &App,
    tx: &mut Tx,
    actor: &Actor,
    grant: Grant<'_>,
) -> Result<(Subscription, Option<Plan>)> {
    let now = app.clock.now();
    let rates = Rates::of(&setting::current(app));
    lock(tx, grant.user_id).await?;
    let before = Subscription::live_of(tx, grant.user_id, now).await?;
    let (period_ms, credit_taken) = earned(tx, &grant, before.as_ref(), now).await?;
    let mut other = None;
    let running = match &before {
        None => None,
        Some(s) => {
            let same_plan = s.plan_id == grant.plan.id;
            if !same_plan {
                other = Plan::find(tx, s.plan_id).await?;
            }
            let worth = Worth::of(other.as_ref().unwrap_or(grant.plan), &rates, now)?;
            Some(Running { until: s.expires_at, worth, same_plan })
        }
    };
    let new = Worth::of(grant.plan, &rates, now)?;
    let step = decide(now, running, new, period_ms, credit_taken)?;
    let after = match (step, &before) {
        (Step::Extend(until), Some(s)) => {
            let change = SubscriptionChange { expires_at: Some(until), ..SubscriptionChange::default() };
            Subscription::update(tx, s.id, s.version, &change, now).await?.ok_or_else(stale)?
        }
        (Step::Begin(until) | Step::Extend(until) | Step::Replace(until), _) => {
            if let Some(s) = &before {
                let change = SubscriptionChange {
                    status: Some(SubscriptionStatus::Replaced),
                    expires_at: Some(now),
                    ..SubscriptionChange::default()
                };
                Subscription::update(tx, s.id, s.version, &change, now).await?.ok_or_else(stale)?;
            }
            let new = NewSubscription {
                user_id: grant.user_id,
                plan_id: grant.plan.id,
                status: SubscriptionStatus::Active,
                source: grant.source,
                order_id: grant.order.map(|o| o.id),
                started_at: now,
                expires_at: until,
                auto_renew: before.as_ref().is_some_and(|s| s.auto_renew),
                created_at: now,
                updated_at: now,
            };
            Subscription::insert(tx, &new).await?
        }
    };
    let target = Target { kind: "subscription", id: &after.id.to_string() };
    let was = before.as_ref().map(summary);
    audit::record(app, tx, actor, "subscription.activate", target, was, summary(&after)).await?;
    Ok((after, other.filter(|_| matches!(step, Step::Extend(_)))))
}

/// How much time a grant is good for, and whether the running subscription's rest was taken off its price.
///
/// An upgrade is priced for the subscription that ran when it was ordered. When that one has meanwhile
/// given its rest to another upgrade, the lowered price buys its share of the period only.
async fn earned(tx: &mut Tx, grant: &Grant<'_>, running: Option<&Subscription>, now: Time) -> Result<(i64, bool)> {
    let Some((order, base)) = grant.order.and_then(|o| Some((o, o.replaces_id?))) else {
        return Ok((grant.period_ms, false));
    };
    let base = Subscription::find(tx, base).await?;
    let still_there = base.is_some_and(|b| {
        matches!(b.status, SubscriptionStatus::Active | SubscriptionStatus::Expired)
            && running.is_none_or(|r| r.id == b.id)
    });
    if still_there {
        return Ok((grant.period_ms, true));
    }
    let full = i128::from(grant.plan.price_at(now).max(1));
    let share = i128::from(grant.period_ms) * i128::from(order.amount) / full;
    Ok((i64::try_from(share).unwrap_or(i64::MAX).min(grant.period_ms), false))
}

/// Takes an order's time away again because its payment is given back in whole. False when the person is
/// on another plan by now and there is nothing left to take.
pub(crate) async fn take_back_in(app: &App, tx: &mut Tx, actor: &Actor, order: &Order) -> Result<bool> {
    let now = app.clock.now();
    lock(tx, order.user_id).await?;
    let Some(before) = Subscription::live_of(tx, order.user_id, now).await? else {
        return Ok(true);
    };
    if Some(before.plan_id) != order.plan_id {
        return Ok(false);
    }
    let rest = before.expires_at.plus(-order.period_days.saturating_mul(DAY));
    let change = if rest <= now {
        SubscriptionChange {
            status: Some(SubscriptionStatus::Revoked),
            expires_at: Some(now),
            auto_renew: Some(false),
            ..SubscriptionChange::default()
        }
    } else {
        SubscriptionChange { expires_at: Some(rest), ..SubscriptionChange::default() }
    };
    let after = Subscription::update(tx, before.id, before.version, &change, now).await?.ok_or_else(stale)?;
    let target = Target { kind: "subscription", id: &before.id.to_string() };
    audit::record(app, tx, actor, "subscription.take_back", target, summary(&before), summary(&after)).await?;
    Ok(true)
}

/// Takes the lock under which a person's subscription changes.
pub(crate) async fn lock(tx: &mut Tx, user_id: i64) -> Result<()> {
    User::lock_wallet(tx, user_id).await?.map(|_| ()).ok_or(Error::NotFound { what: "user" })
}

fn summary(s: &Subscription) -> serde_json::Value {
    serde_json::json!({
        "user_id": s.user_id, "plan_id": s.plan_id, "status": s.status, "expires_at": s.expires_at,
        "auto_renew": s.auto_renew, "cancelled_at": s.cancelled_at,
    })
}

#[cfg(test)]
mod tests;
