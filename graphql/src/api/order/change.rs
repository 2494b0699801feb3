//! Placing, confirming, cancelling and refunding orders.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use schema::model::order as model;
use schema::service::order as service;

use super::{Order, PaymentMethod, RefundStatus};
use crate::api::plan::{MoneyInput, minor};
use crate::context::{Reach, once, to_admins};
use crate::fault::{Result, UserError, split};
use crate::node;
use crate::scalar::{BigInt, Decimal};

/// An order to be placed: for a plan, or for money into the wallet.
#[derive(InputObject)]
pub struct OrderCreateInput {
    /// The plan to subscribe to.
    pub plan_id: Option<ID>,
    /// True for a dearer plan in place of the running one, whose rest is taken off the price.
    #[graphql(default)]
    pub upgrade: bool,
    /// Or what is to go into the wallet.
    pub topup: Option<MoneyInput>,
    /// How it is to be paid.
    pub method: PaymentMethod,
    /// Repeating the request with this key places nothing twice; remembered for a day.
    pub client_mutation_key: Option<String>,
}

/// An order.
#[derive(InputObject)]
pub struct OrderCancelInput {
    /// Which.
    pub id: ID,
    /// Refuses when the order was changed since this version was read.
    pub expected_version: Option<BigInt>,
}

/// A bank transfer that has arrived.
#[derive(InputObject)]
pub struct OrderConfirmInput {
    /// The order it pays.
    pub id: ID,
    /// The bank's reference.
    pub transaction_id: Option<String>,
    /// What arrived, in the order's currency; what was asked for when absent.
    pub amount: Option<Decimal>,
    /// Note.
    pub note: Option<String>,
    /// Repeating the request with this key confirms nothing twice; remembered for a day.
    pub client_mutation_key: Option<String>,
}

/// A payment to be given back.
#[derive(InputObject)]
pub struct OrderRefundInput {
    /// The order that was paid.
    pub id: ID,
    /// How much, in the currency it was paid in; all that is left when absent.
    pub amount: Option<Decimal>,
    /// Why.
    pub reason: Option<String>,
    /// Refuses when the order was changed since this version was read.
    pub expected_version: Option<BigInt>,
    /// Repeating the request with this key gives nothing back twice; remembered for a day.
    pub client_mutation_key: Option<String>,
}

/// The answer to a change of an order.
#[derive(SimpleObject)]
pub struct OrderPayload {
    /// The order after the change; null when refused.
    pub order: Option<Order>,
    /// Why it was refused.
    pub user_errors: Vec<UserError>,
}

/// The answer to a refund.
#[derive(SimpleObject)]
pub struct OrderRefundPayload {
    /// The order after the change; null when refused.
    pub order: Option<Order>,
    /// How far the refund has come; null when refused, and when the request is a repeat.
    pub refund_status: Option<RefundStatus>,
    /// Why it was refused.
    pub user_errors: Vec<UserError>,
}

fn changed(answer: schema::Result<model::Order>) -> Result<OrderPayload> {
    let (order, user_errors) = split(answer)?;
    Ok(OrderPayload { order: order.map(Into::into), user_errors })
}

#[derive(Default)]
pub struct OrderMutation;

#[Object]
impl OrderMutation {
    /// Places an order for oneself. What costs nothing, and what the wallet pays, is in effect at once;
    /// everything else waits to be paid.
    async fn order_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What, and how it is paid.")] input: OrderCreateInput,
    ) -> Result<OrderPayload> {
        let wanted = match (&input.plan_id, &input.topup) {
            (Some(id), None) => {
                let row = node::row("Plan", id, "planId")?;
                let plan = match schema::service::plan::get_by_id(ctx.app(), ctx.actor(), row).await {
                    Ok(plan) => plan,
                    Err(refusal) => return changed(Err(refusal)),
                };
                match input.upgrade {
                    true => service::Wanted::Upgrade { slug: plan.slug },
                    false => service::Wanted::Plan { slug: plan.slug },
                }
            }
            (None, Some(money)) if !input.upgrade => service::Wanted::Topup {
                amount: minor(money.amount, &money.currency, "topup.amount")?,
                currency: money.currency.clone(),
            },
            _ => return Err(schema::Error::invalid("planId", "give a plan or a top-up").into()),
        };
        let method = input.method.into();
        let whole = format!("{wanted:?} {method}");
        let placed = once(
            ctx,
            "orderCreate",
            input.client_mutation_key.as_deref(),
            &whole,
            async |actor| service::place(ctx.app(), actor, wanted, method).await.map(|p| p.order),
            async |thing| service::get(ctx.app(), ctx.actor(), &thing.id).await.map(|p| p.order),
        );
        changed(placed.await)
    }

    /// Gives an unpaid order up, here and at its provider.
    async fn order_cancel(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] input: OrderCancelInput,
    ) -> Result<OrderPayload> {
        let number = node::name("Order", &input.id, "id")?;
        changed(service::cancel(ctx.app(), ctx.actor(), &number, input.expected_version.map(Into::into)).await)
    }

    /// Vouches for a bank transfer that has arrived; what it buys comes into effect.
    #[graphql(visible = "to_admins")]
    async fn order_confirm(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which, and what arrived.")] input: OrderConfirmInput,
    ) -> Result<OrderPayload> {
        let number = node::name("Order", &input.id, "id")?;
        let amount = match input.amount {
            None => None,
            Some(amount) => match service::get(ctx.app(), ctx.actor(), &number).await {
                Ok(placed) => Some(minor(amount, &placed.order.currency, "amount")?),
                Err(refusal) => return changed(Err(refusal)),
            },
        };
        let seen = service::Confirmation {
            transaction_id: input.transaction_id.unwrap_or_default(),
            amount,
            note: input.note.unwrap_or_default(),
        };
        let whole = format!("{number} {seen:?}");
        let confirmed = once(
            ctx,
            "orderConfirm",
            input.client_mutation_key.as_deref(),
            &whole,
            async |actor| service::confirm_bank_transfer(ctx.app(), actor, &number, seen).await,
            async |thing| service::get(ctx.app(), ctx.actor(), &thing.id).await.map(|p| p.order),
        );
        changed(confirmed.await)
    }

    /// Gives a payment back, all of what is left or a part. A top-up's worth leaves the wallet again; a plan
    /// that is given back in whole ends.
    #[graphql(visible = "to_admins")]
    async fn order_refund(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which, and how much.")] input: OrderRefundInput,
    ) -> Result<OrderRefundPayload> {
        let number = node::name("Order", &input.id, "id")?;
        let refused = |refusal| {
            let (_, user_errors) = split(Err::<(), _>(refusal))?;
            Ok(OrderRefundPayload { order: None, refund_status: None, user_errors })
        };
        let amount = match input.amount {
            None => None,
            Some(amount) => match service::get(ctx.app(), ctx.actor(), &number).await {
                Ok(p) => Some(minor(amount, p.order.paid_currency.as_deref().unwrap_or(&p.order.currency), "amount")?),
                Err(refusal) => return refused(refusal),
            },
        };
        let reason = input.reason.unwrap_or_default();
        let version: Option<i64> = input.expected_version.map(Into::into);
        let whole = format!("{number} {amount:?} {reason} {version:?}");
        let done = once(
            ctx,
            "orderRefund",
            input.client_mutation_key.as_deref(),
            &whole,
            async |actor| {
                let done = service::refund(ctx.app(), actor, &number, amount, &reason, version).await?;
                Ok((done.order, Some(done.status)))
            },
            async |thing| service::get(ctx.app(), ctx.actor(), &thing.id).await.map(|p| (p.order, None)),
        );
        match done.await {
            Err(refusal) => refused(refusal),
            Ok((order, status)) => Ok(OrderRefundPayload {
                order: Some(order.into()),
                refund_status: status.map(Into::into),
                user_errors: Vec::new(),
            }),
        }
    }
}
