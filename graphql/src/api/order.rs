//! Orders: what was asked for, what was paid, and what became of it.

use async_graphql::{ComplexObject, Context, Enum, ID, InputObject, Object, SimpleObject};
use schema::model::{order as model, payment_event as events};
use schema::page::{Cursor, CursorKey, Direction, Seek};
use schema::service::order as service;

use super::plan::{Money, MoneyInput, Plan, minor};
use super::user::User;
use crate::context::{Reach, once, to_admins};
use crate::fault::{Result, UserError, split};
use crate::filter::{Choice, DateTimeFilter, search, span, values};
use crate::page::{self, Connection, OrderDirection};
use crate::scalar::{BigInt, DateTime, Decimal};
use crate::{count_by, loader, node};

/// What was asked for, what was paid, and what became of it.
#[derive(SimpleObject, Clone)]
#[graphql(complex)]
pub struct Order {
    /// Opaque id.
    pub id: ID,
    /// Its number in the database.
    pub database_id: BigInt,
    /// The number people and providers know it by.
    pub number: String,
    /// What it buys.
    pub kind: OrderKind,
    /// How it stands.
    pub status: OrderStatus,
    /// How it is paid.
    pub method: PaymentMethod,
    /// What it costs.
    pub amount: Money,
    /// What a top-up adds to the wallet, in US dollars.
    pub credit: Decimal,
    /// Days it buys.
    pub period_days: BigInt,
    /// What was paid.
    pub paid_amount: Option<Money>,
    /// What was given back of it, or is on its way back.
    pub refunded_amount: Money,
    /// The provider's number of the payment.
    pub transaction_id: Option<String>,
    /// Where to pay at the provider.
    pub pay_url: Option<String>,
    /// What the code to be scanned holds.
    pub qr_content: Option<String>,
    /// Note.
    pub note: String,
    /// When it was placed.
    pub created_at: DateTime,
    /// Until when it can be paid.
    pub expires_at: DateTime,
    /// When it was paid.
    pub paid_at: Option<DateTime>,
    /// When what it buys came into effect.
    pub activated_at: Option<DateTime>,
    /// When it was given up, or ended without payment.
    pub closed_at: Option<DateTime>,
    /// Grows with every change; send it back as `expectedVersion`.
    pub version: BigInt,
    #[graphql(skip)]
    user_row: i64,
    #[graphql(skip)]
    plan_row: Option<i64>,
    #[graphql(skip)]
    client_ip: String,
}

impl From<model::Order> for Order {
    fn from(row: model::Order) -> Self {
        let paid = row.paid_currency.as_deref().unwrap_or(&row.currency);
        Self {
            id: node::id("Order", &row.no),
            database_id: BigInt(row.id),
            kind: row.kind.into(),
            status: row.status.into(),
            method: row.method.into(),
            amount: Money::of(row.amount, &row.currency),
            credit: Decimal(row.credit),
            period_days: BigInt(row.period_days),
            paid_amount: row.paid_amount.map(|amount| Money::of(amount, paid)),
            refunded_amount: Money::of(row.refunded_amount, paid),
            number: row.no,
            transaction_id: row.transaction_id,
            pay_url: row.pay_url,
            qr_content: row.qr_content,
            note: row.note,
            created_at: DateTime(row.created_at),
            expires_at: DateTime(row.expires_at),
            paid_at: row.paid_at.map(DateTime),
            activated_at: row.activated_at.map(DateTime),
            closed_at: row.closed_at.map(DateTime),
            version: BigInt(row.version),
            user_row: row.user_id,
            plan_row: row.plan_id,
            client_ip: row.client_ip,
        }
    }
}

#[ComplexObject]
impl Order {
    /// Who placed it.
    async fn user(&self, ctx: &Context<'_>) -> Option<Result<User>> {
        loader::one(ctx, loader::UserById(self.user_row)).await
    }
    /// The plan it buys.
    async fn plan(&self, ctx: &Context<'_>) -> Option<Result<Plan>> {
        loader::one(ctx, loader::PlanById(self.plan_row?)).await
    }
    /// Its payment page with us.
    async fn page_url(&self, ctx: &Context<'_>) -> String {
        service::page_url(ctx.app(), &self.number)
    }
    /// The address it was placed from.
    #[graphql(visible = "to_admins")]
    async fn client_ip(&self, ctx: &Context<'_>) -> Option<Result<&str>> {
        ctx.for_admins(|| self.client_ip.as_str())
    }
}

/// What an order buys.
#[derive(Enum, Copy, Clone, Eq, PartialEq, Debug)]
#[graphql(remote = "model::OrderKind")]
pub enum OrderKind {
    /// A period of a plan.
    Subscription,
    /// A dearer plan in place of the running one.
    Upgrade,
    /// A subscription's next period, paid from the wallet.
    Renewal,
    /// Money into the wallet.
    Topup,
}

/// How an order stands.
#[derive(Enum, Copy, Clone, Eq, PartialEq, Debug)]
#[graphql(remote = "model::OrderStatus")]
pub enum OrderStatus {
    /// It waits to be paid.
    Pending,
    /// The money is there, what it buys is not yet in effect.
    Paid,
    /// What it buys is in effect.
    Activated,
    /// It was given up.
    Cancelled,
    /// Its time to be paid is over.
    Expired,
    /// Given back in whole.
    Refunded,
}

/// How an order is paid.
#[derive(Enum, Copy, Clone, Eq, PartialEq, Debug)]
#[graphql(remote = "model::Method")]
pub enum PaymentMethod {
    /// Alipay.
    Alipay,
    /// WeChat Pay.
    WechatPay,
    /// Cards, by Stripe.
    Stripe,
    /// A bank transfer, which an administrator confirms.
    BankTransfer,
    /// The wallet.
    Wallet,
    /// Nothing to pay.
    Free,
}

/// Which orders.
#[derive(InputObject, Default)]
pub struct OrderFilter {
    /// Standing like this.
    pub status: Option<Choice<OrderStatus>>,
    /// Buying this.
    pub kind: Option<Choice<OrderKind>>,
    /// Paid like this.
    pub method: Option<PaymentMethod>,
    /// For this plan.
    pub plan_id: Option<ID>,
    /// Part of the number.
    pub search: Option<String>,
    /// Placed within this span.
    pub created_at: Option<DateTimeFilter>,
    /// Paid within this span.
    pub paid_at: Option<DateTimeFilter>,
}

/// By what orders can be sorted.
#[derive(Enum, Copy, Clone, Eq, PartialEq, Debug)]
pub enum OrderOrderField {
    /// When they were placed.
    CreatedAt,
    /// What they cost, whatever the currency.
    Amount,
}

/// How orders are sorted.
#[derive(InputObject)]
pub struct OrderOrder {
    /// By what.
    pub field: OrderOrderField,
    /// Which way.
    #[graphql(default)]
    pub direction: OrderDirection,
}

/// Something a payment provider said, believed or not, or a refund.
#[derive(SimpleObject, Clone)]
pub struct PaymentEvent {
    /// Opaque id.
    pub id: ID,
    /// Who said it.
    pub provider: String,
    /// The provider's number of the notification, or ours of the refund.
    pub event_id: String,
    /// The number of the order it is about.
    pub order_number: String,
    /// What became of it.
    pub outcome: PaymentOutcome,
    /// The amount it speaks of.
    pub amount: Option<Money>,
    /// What else it says.
    pub detail: String,
    /// When it came.
    pub received_at: DateTime,
}

impl From<events::PaymentEvent> for PaymentEvent {
    fn from(row: events::PaymentEvent) -> Self {
        Self {
            id: node::id("PaymentEvent", row.id),
            provider: row.provider,
            event_id: row.event_id,
            order_number: row.order_no,
            outcome: row.outcome.into(),
            amount: row.amount.map(|n| Money::of(n, row.currency.as_deref().unwrap_or_default())),
            detail: row.detail,
            received_at: DateTime(row.received_at),
        }
    }
}

/// What became of something a payment provider said.
#[derive(Enum, Copy, Clone, Eq, PartialEq, Debug)]
#[graphql(remote = "events::PaymentOutcome")]
pub enum PaymentOutcome {
    /// The order is paid by it.
    Accepted,
    /// The same payment was reported before.
    Replayed,
    /// Another payment of an order that is paid already.
    Duplicate,
    /// Nothing is known of its order.
    UnknownOrder,
    /// Another amount than the order's.
    WrongAmount,
    /// Another currency than the order's.
    WrongCurrency,
    /// It came from another provider than the order's.
    WrongMethod,
    /// Not signed by the provider, or changed on the way.
    Forged,
    /// Too old, or from the future.
    Stale,
    /// Signed for somebody else.
    Foreign,
    /// It could not be read.
    Malformed,
    /// Genuine, and about nothing an order waits for.
    Unrelated,
    /// Not paid yet.
    Waiting,
    /// Ended there without payment.
    Closed,
    /// Given back at the provider.
    RefundedThere,
    /// A refund of ours that the provider has yet to confirm.
    RefundAsked,
    /// A refund of ours that is done.
    RefundDone,
    /// To be sent back by hand.
    RefundByHand,
    /// A refund of ours that failed.
    RefundFailed,
}

/// How far a refund has come.
#[derive(Enum, Copy, Clone, Eq, PartialEq, Debug)]
#[graphql(remote = "schema::payment::RefundStatus")]
pub enum RefundStatus {
    /// The money went back.
    Succeeded,
    /// Accepted by the provider, and asked about until it ends.
    Processing,
    /// It will not happen by itself: somebody must look at the provider's console.
    Failed,
    /// The provider cannot do it: somebody sends the money back by hand.
    Manual,
}

/// Which of what providers said.
#[derive(InputObject, Default)]
pub struct PaymentEventFilter {
    /// About the order of this number.
    pub order_number: Option<String>,
    /// Said by this provider.
    pub provider: Option<String>,
    /// That came to this.
    pub outcome: Option<PaymentOutcome>,
    /// That came within this span.
    pub received_at: Option<DateTimeFilter>,
}

/// Orders of one person, or of all.
pub async fn list(
    ctx: &Context<'_>,
    user: Option<i64>,
    seek: Result<Seek>,
    filter: Option<OrderFilter>,
    order: Option<OrderOrder>,
) -> Result<Connection<Order>> {
    let filter = filter.unwrap_or_default();
    let (created_from, created_until) = span(filter.created_at);
    let (paid_from, paid_until) = span(filter.paid_at);
    let filter = model::OrderFilter {
        user_id: user,
        statuses: values(filter.status, "filter.status")?,
        kinds: values(filter.kind, "filter.kind")?,
        method: filter.method.map(Into::into),
        plan_id: node::row_if("Plan", filter.plan_id.as_ref(), "filter.planId")?,
        search: search(filter.search, "filter.search")?,
        created_from,
        created_until,
        paid_from,
        paid_until,
    };
    let order = order.map_or((model::OrderOrder::CreatedAt, Direction::Desc), |o| {
        let field = match o.field {
            OrderOrderField::CreatedAt => model::OrderOrder::CreatedAt,
            OrderOrderField::Amount => model::OrderOrder::Amount,
        };
        (field, o.direction.into())
    });
    let rows = service::entries(ctx.app(), ctx.actor(), &filter, order, &seek?).await?;
    let cursor = |o: &model::Order| Cursor { key: o.cursor_key(order.0), id: o.id };
    Ok(page::connection(rows, cursor, Order::from).counted(count_by!(service::count, filter)))
}

#[derive(Default)]
pub struct OrderQuery;

#[Object]
impl OrderQuery {
    /// One order by its id or its number; null when there is none, or none for you.
    async fn order(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] id: Option<ID>,
        #[graphql(desc = "Or which, by its number.")] number: Option<String>,
    ) -> Result<Option<Order>> {
        let number = match (id, number) {
            (Some(id), None) => node::name("Order", &id, "id")?,
            (None, Some(number)) => search(Some(number), "number")?.unwrap_or_default(),
            _ => return Err(schema::Error::invalid("id", "give an id or a number").into()),
        };
        node::found(service::get(ctx.app(), ctx.actor(), &number).await, |placed| placed.order.into())
    }

    /// Orders, newest first unless told otherwise: one's own, or everybody's for administrators.
    async fn orders(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the start: 1 to 100; 20 when nothing is said.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end: 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
        #[graphql(desc = "Whose; everybody's for administrators, one's own for others when absent.")] user_id: Option<
            ID,
        >,
        #[graphql(desc = "Only these.")] filter: Option<OrderFilter>,
        #[graphql(desc = "In this order.")] order_by: Option<OrderOrder>,
    ) -> Result<Connection<Order>> {
        let user = ctx.actor().whose(node::row_if("User", user_id.as_ref(), "userId")?)?;
        list(ctx, user, page::seek(first, after, last, before), filter, order_by).await
    }

    /// The ways to pay that are offered now.
    async fn payment_methods(&self, ctx: &Context<'_>) -> Vec<PaymentMethod> {
        service::methods(ctx.app()).into_iter().map(Into::into).collect()
    }

    /// What payment providers said, newest first; for administrators.
    #[graphql(visible = "to_admins")]
    async fn payment_events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the start: 1 to 100; 20 when nothing is said.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end: 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
        #[graphql(desc = "Only these.")] filter: Option<PaymentEventFilter>,
    ) -> Result<Connection<PaymentEvent>> {
        let seek = page::seek(first, after, last, before)?;
        let filter = filter.unwrap_or_default();
        let (from, until) = span(filter.received_at);
        let filter = events::PaymentEventFilter {
            order_no: search(filter.order_number, "filter.orderNumber")?,
            provider: search(filter.provider, "filter.provider")?,
            outcome: filter.outcome.map(Into::into),
            from,
            until,
        };
        let rows = service::payment_events(ctx.app(), ctx.actor(), &filter, &seek).await?;
        let cursor = |e: &events::PaymentEvent| Cursor { key: CursorKey::Number(e.id), id: e.id };
        Ok(page::connection(rows, cursor, PaymentEvent::from).counted(count_by!(service::payment_count, filter)))
    }
}

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
