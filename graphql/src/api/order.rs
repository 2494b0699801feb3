//! Orders: what was asked for, what was paid, and what became of it.

mod change;
mod list;

use async_graphql::{ComplexObject, Context, Enum, ID, SimpleObject};
use schema::model::{order as model, payment_event as events};
use schema::service::order as service;

use super::plan::{Money, Plan};
use super::user::User;
use crate::context::{Reach, to_admins};
use crate::fault::Result;
use crate::scalar::{BigInt, DateTime, Decimal};
use crate::{loader, node};

pub use change::OrderMutation;
pub use list::{OrderFilter, OrderOrder, OrderQuery, filtered, list};

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
    /// A gateway to others, of Epay's make.
    Epay,
    /// A bank transfer, which an administrator confirms.
    BankTransfer,
    /// The wallet.
    Wallet,
    /// Nothing to pay.
    Free,
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
