//! Placing an order: its terms, its row, and its payment opened at the provider.

use super::effect::{self, Effect};
use super::provider::{failed, is_offered, mode, provider};
use super::{NOT_FOUND, number, page_url, summary, tell};
use crate::App;
use crate::actor::Actor;
use crate::clock::{MINUTE, Time};
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::model::ledger::EntryKind;
use crate::model::order::{Method, NewOrder, Order, OrderChange, OrderFilter, OrderKind, OrderStatus};
use crate::model::plan::Plan;
use crate::money::Micros;
use crate::payment::{PayIntent, PayOrder};
use crate::service::audit::{self, Target};
use crate::service::exchange::Rates;
use crate::service::plan::{NOT_FOUND as NO_PLAN, stale};
use crate::service::setting::{self, names};
use crate::service::subscription::{self, Worth};
use crate::service::wallet::{self, Moved, Movement};

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A period of a plan, by its slug.
    Plan { slug: String },
    /// A dearer plan than the running one, whose rest is taken off the price.
    Upgrade { slug: String },
    /// Money into the wallet, in minor units of a currency.
    Topup { amount: i64, currency: String },
}

/// An order and its plan.
#[derive(Clone, Debug)]
pub struct Placed {
    pub order: Order,
    pub plan: Option<Plan>,
}

/// What an order will say.
struct Terms {
    kind: OrderKind,
    plan: Option<Plan>,
    replaces_id: Option<i64>,
    amount: i64,
    currency: String,
    credit: Micros,
    period_days: i64,
}

/// Most orders one person may have waiting.
const MOST_PENDING: i64 = 50;

/// Places an order for the signed-in person. What costs nothing, and what the wallet pays, is in effect at
/// once; everything else waits for its payment.
pub async fn place(app: &App, actor: &Actor, wanted: Wanted, method: Method) -> Result<Placed> {
    place_by(app, actor, wanted, method, None).await
}

/// As [`place`], by one of the ways to pay that stand behind the method (Epay's).
pub async fn place_by(
    app: &App,
    actor: &Actor,
    wanted: Wanted,
    method: Method,
    channel: Option<&str>,
) -> Result<Placed> {
    let user_id = actor.signed_in()?;
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    // Under the lock, so that the rest of a subscription is not taken off two prices at one moment.
    subscription::lock(&mut tx, user_id).await?;
    let (order, plan, effect) = match prepare(app, &mut tx, actor, user_id, wanted, method, now).await {
        Ok(prepared) => prepared,
        Err(refusal) => {
            tx.rollback().await?;
            return Err(refusal);
        }
    };
    tx.commit().await?;
    tell(app, &order, OrderStatus::Pending).await;
    if let Some((paid, effect)) = effect {
        if let Some(paid) = &paid {
            wallet::announce(app, paid).await;
        }
        effect::tell(app, &effect).await;
        return Ok(Placed { order: effect.order, plan });
    }
    let subject = subject(app, plan.as_ref());
    match intent(app, &order, &subject, channel).await {
        Ok(intent) => Ok(Placed { order: opened(app, &order, intent).await?, plan }),
        Err(refusal) => {
            given_up(app, actor, &order, &refusal).await?;
            Err(refusal)
        }
    }
}

type Prepared = (Order, Option<Plan>, Option<(Option<Moved>, Effect)>);

async fn prepare(
    app: &App,
    tx: &mut Tx,
    actor: &Actor,
    user_id: i64,
    wanted: Wanted,
    method: Method,
    now: Time,
) -> Result<Prepared> {
    let terms = terms(app, tx, user_id, wanted, now).await?;
    let settings = setting::current(app);
    let method = if terms.amount == 0 { Method::Free } else { method };
    if method != Method::Free {
        if !is_offered(&settings, method) || (method == Method::Wallet && terms.kind == OrderKind::Topup) {
            return Err(Error::invalid("paymentMethod", format!("payment by {method} is not offered")));
        }
        if method != Method::Wallet && !provider(app, method)?.accepts(&terms.currency) {
            return Err(Error::invalid("paymentMethod", format!("{method} does not take {}", terms.currency)));
        }
        let waiting =
            OrderFilter { user_id: Some(user_id), statuses: vec![OrderStatus::Pending], ..OrderFilter::default() };
        if Order::count(tx, &waiting).await? >= MOST_PENDING {
            return Err(Error::conflict(
                "TOO_MANY_ORDERS",
                "too many orders are waiting to be paid; cancel some first",
            ));
        }
    }
    let minutes = match method {
        Method::BankTransfer => settings.int(names::BANK_TRANSFER_MINUTES),
        _ => settings.int(names::ORDER_MINUTES),
    };
    let new = NewOrder {
        no: number(terms.kind, now),
        user_id,
        kind: terms.kind,
        plan_id: terms.plan.as_ref().map(|p| p.id),
        replaces_id: terms.replaces_id,
        amount: terms.amount,
        currency: terms.currency,
        credit: terms.credit,
        period_days: terms.period_days,
        method,
        status: OrderStatus::Pending,
        transaction_id: None,
        paid_amount: None,
        paid_currency: None,
        note: String::new(),
        client_ip: actor.ip.clone(),
        created_at: now,
        expires_at: now.plus(minutes * MINUTE),
        paid_at: None,
        activated_at: None,
        updated_at: now,
    };
    let order = Order::insert(tx, &new).await?;
    let target = Target { kind: "order", id: &order.no };
    audit::record(app, tx, actor, "order.place", target, (), summary(&order)).await?;
    let effect = match method {
        Method::Free => Some((None, effect::put_in(app, tx, actor, order.clone()).await?)),
        Method::Wallet => {
            let (moved, paid) = from_wallet(app, tx, actor, &order, now).await?;
            Some((Some(moved), effect::put_in(app, tx, actor, paid).await?))
        }
        _ => None,
    };
    Ok((order, terms.plan, effect))
}

async fn terms(app: &App, tx: &mut Tx, user_id: i64, wanted: Wanted, now: Time) -> Result<Terms> {
    let settings = setting::current(app);
    let rates = Rates::of(&settings);
    let (slug, upgrade) = match wanted {
        Wanted::Topup { amount, currency } => return topup_terms(&settings, &rates, amount, &currency),
        Wanted::Plan { slug } => (slug, false),
        Wanted::Upgrade { slug } => (slug, true),
    };
    let plan = Plan::by_slug(tx, &slug).await?.filter(|p| p.is_available() && p.is_visible).ok_or(NO_PLAN)?;
    let price = plan.price_at(now);
    let mut terms = Terms {
        kind: if upgrade { OrderKind::Upgrade } else { OrderKind::Subscription },
        replaces_id: None,
        amount: price,
        currency: plan.currency.clone(),
        credit: Micros::ZERO,
        period_days: plan.cycle_days,
        plan: None,
    };
    let held = subscription::held(tx, user_id, now).await?;
    if let (Some(running), Some(old)) = (held.subscription, held.plan) {
        let (new_worth, old_worth) = (Worth::of(&plan, &rates, now)?, Worth::of(&old, &rates, now)?);
        let old_is_paid = old_worth.charged > Micros::ZERO;
        if upgrade && old_is_paid {
            if running.plan_id == plan.id || !new_worth.is_dearer_than(old_worth) {
                return Err(Error::conflict("PLAN_NOT_HIGHER", "only a dearer plan than yours is an upgrade"));
            }
            let rest = subscription::credit(old.price, old.cycle_ms(), running.expires_at.0 - now.0);
            let rest = rates.convert(rest, &old.currency, &plan.currency).unwrap_or(0);
            if rest >= price {
                // The rest alone pays for it: all of it becomes time on the new plan.
                (terms.amount, terms.period_days) = (0, 0);
            } else if rest > 0 {
                terms.amount = price - rest;
                terms.replaces_id = Some(running.id);
            }
        } else if running.plan_id != plan.id && old_is_paid && old_worth.is_dearer_than(new_worth) {
            return Err(Error::conflict(
                "PLAN_IS_LOWER",
                "your current plan is the larger one; let it run out and choose the smaller one then",
            ));
        }
    }
    terms.plan = Some(plan);
    Ok(terms)
}

fn topup_terms(settings: &setting::Settings, rates: &Rates, amount: i64, currency: &str) -> Result<Terms> {
    let currency = currency.trim().to_ascii_uppercase();
    if amount <= 0 {
        return Err(Error::invalid("amount", "the amount must be positive"));
    }
    let credit = rates.credit(amount, &currency)?;
    let (least, most) = (settings.int(names::TOPUP_LEAST), settings.int(names::TOPUP_MOST));
    if !(least..=most).contains(&credit.0) {
        let (least, most) = (Micros(least).decimal(), Micros(most).decimal());
        return Err(Error::invalid("amount", format!("a top-up is worth between {least} and {most} US dollars")));
    }
    Ok(Terms { kind: OrderKind::Topup, plan: None, replaces_id: None, amount, currency, credit, period_days: 0 })
}

/// Pays an order from the wallet, in its own transaction.
async fn from_wallet(app: &App, tx: &mut Tx, actor: &Actor, order: &Order, now: Time) -> Result<(Moved, Order)> {
    let cost = Rates::of(&setting::current(app)).price(order.amount, &order.currency)?;
    let key = format!("order:{}", order.no);
    let movement = Movement {
        user_id: order.user_id,
        kind: EntryKind::Purchase,
        amount: Micros(-cost.0),
        reference: &order.no,
        idem_key: Some(&key),
        note: "",
        may_overdraw: false,
    };
    let moved = wallet::move_in(app, tx, actor, movement).await?;
    let change = OrderChange {
        status: Some(OrderStatus::Paid),
        transaction_id: Some(Some(key)),
        paid_amount: Some(Some(order.amount)),
        paid_currency: Some(Some(order.currency.clone())),
        paid_at: Some(Some(now)),
        ..OrderChange::default()
    };
    let paid = Order::update(tx, order.id, order.version, &change, now).await?.ok_or_else(stale)?;
    Ok((moved, paid))
}

/// What the payer reads.
pub(super) fn subject(app: &App, plan: Option<&Plan>) -> String {
    let settings = setting::current(app);
    let site = settings.text(names::SITE_NAME);
    match plan {
        Some(plan) => format!("{site} {}", plan.display_name),
        None => format!("{site} top-up"),
    }
}

/// Opens the order's payment at its provider; asking again opens no second one.
pub(super) async fn intent(app: &App, order: &Order, subject: &str, channel: Option<&str>) -> Result<PayIntent> {
    let provider = provider(app, order.method)?;
    let ask = PayOrder {
        order_no: order.no.clone(),
        subject: subject.to_owned(),
        amount_minor: order.amount,
        currency: order.currency.clone(),
        notify_url: format!("{}/pay/notify/{}", app.config.public_url(), order.method),
        return_url: page_url(app, &order.no),
        expires_at_ms: order.expires_at.0,
        client_ip: Some(order.client_ip.clone()).filter(|ip| !ip.is_empty()),
        mode: mode(&setting::current(app), order.method),
        channel: channel.map(str::to_owned),
    };
    provider.create(&app.http, &ask, app.clock.now().0).await.map_err(|e| failed(order.method, &e))
}

/// Keeps what the payer needs beside the order, whatever has become of the order meanwhile.
async fn opened(app: &App, order: &Order, intent: PayIntent) -> Result<Order> {
    let change = OrderChange {
        provider_ref: Some(intent.provider_ref),
        pay_url: Some(intent.pay_url),
        qr_content: Some(intent.qr_content),
        ..OrderChange::default()
    };
    let mut tx = app.db.begin().await?;
    let order = Order::lock(&mut tx, &order.no).await?.ok_or(NOT_FOUND)?;
    let order = Order::update(&mut tx, order.id, order.version, &change, app.clock.now()).await?.ok_or_else(stale)?;
    tx.commit().await?;
    Ok(order)
}

/// Closes an order that the provider did not open.
async fn given_up(app: &App, actor: &Actor, order: &Order, why: &Error) -> Result<()> {
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    let order = Order::lock(&mut tx, &order.no).await?.ok_or(NOT_FOUND)?;
    if order.status != OrderStatus::Pending {
        return tx.rollback().await;
    }
    let change = OrderChange {
        status: Some(OrderStatus::Cancelled),
        note: Some(why.to_string()),
        closed_at: Some(Some(now)),
        ..OrderChange::default()
    };
    let after = Order::update(&mut tx, order.id, order.version, &change, now).await?.ok_or_else(stale)?;
    let target = Target { kind: "order", id: &order.no };
    audit::record(app, &mut tx, actor, "order.give_up", target, summary(&order), summary(&after)).await?;
    tx.commit().await?;
    tell(app, &after, after.status).await;
    Ok(())
}
