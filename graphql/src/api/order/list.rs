//! Finding orders and what payment providers said.

use async_graphql::{Context, Enum, ID, InputObject, Object};
use schema::model::nested::Nested;
use schema::model::{order as model, payment_event as events};
use schema::page::{Cursor, CursorKey, Direction, Seek};
use schema::service::{nested as lists, order as service};

use super::{Order, OrderKind, OrderStatus, PaymentEvent, PaymentMethod, PaymentOutcome};
use crate::context::{Reach, to_admins};
use crate::fault::Result;
use crate::filter::{Choice, DateTimeFilter, joined, search, span, values};
use crate::page::{self, Connection, OrderDirection};
use crate::{count_by, joins, loader, nested, node};

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
    /// Where all of these hold too.
    pub and: Option<Vec<OrderFilter>>,
    /// Where any of these holds too; not an empty list.
    pub or: Option<Vec<OrderFilter>>,
    /// Where this does not hold.
    pub not: Option<Box<OrderFilter>>,
}

joins!(OrderFilter);

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
    /// Where all of these hold too.
    pub and: Option<Vec<PaymentEventFilter>>,
    /// Where any of these holds too; not an empty list.
    pub or: Option<Vec<PaymentEventFilter>>,
    /// Where this does not hold.
    pub not: Option<Box<PaymentEventFilter>>,
}

joins!(PaymentEventFilter);

/// The filter as the service means it, for one person's orders or all.
pub fn filtered(user: Option<i64>, filter: OrderFilter) -> Result<model::OrderFilter> {
    let filter = joined(filter, |filter, _| {
        let (created_from, created_until) = span(filter.created_at);
        let (paid_from, paid_until) = span(filter.paid_at);
        Ok(model::OrderFilter {
            statuses: values(filter.status, "filter.status")?,
            kinds: values(filter.kind, "filter.kind")?,
            method: filter.method.map(Into::into),
            plan_id: node::row_if("Plan", filter.plan_id.as_ref(), "filter.planId")?,
            search: search(filter.search, "filter.search")?,
            created_from,
            created_until,
            paid_from,
            paid_until,
            ..model::OrderFilter::default()
        })
    })?;
    Ok(model::OrderFilter { user_id: user, ..filter })
}

/// Orders of one person, or of all.
pub async fn list(
    ctx: &Context<'_>,
    user: Option<i64>,
    seek: Result<Seek>,
    filter: Option<OrderFilter>,
    order: Option<OrderOrder>,
) -> Result<Connection<Order>> {
    if let (Some(owner), true) = (user, filter.is_none() && order.is_none() && nested::is_first(&seek)) {
        return nested::newest(ctx, Nested::OrdersOfUser, owner, seek?.take, loader::OrderById, |o: &model::Order| {
            Cursor { key: o.cursor_key(model::OrderOrder::CreatedAt), id: o.id }
        })
        .await;
    }
    let filter = filtered(user, filter.unwrap_or_default())?;
    let order = order.map_or((model::OrderOrder::CreatedAt, Direction::Desc), |o| {
        let field = match o.field {
            OrderOrderField::CreatedAt => model::OrderOrder::CreatedAt,
            OrderOrderField::Amount => model::OrderOrder::Amount,
        };
        (field, o.direction.into())
    });
    let cursor = |o: &model::Order| Cursor { key: o.cursor_key(order.0), id: o.id };
    if let Some(owner) = user {
        let filter = model::OrderFilter { user_id: None, ..filter };
        return nested::page(ctx, lists::Orders { filter, order }, owner, seek?, cursor).await;
    }
    let rows = service::entries(ctx.app(), ctx.actor(), &filter, order, &seek?).await?;
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
        let filter = joined(filter.unwrap_or_default(), |filter, _| {
            let (from, until) = span(filter.received_at);
            Ok(events::PaymentEventFilter {
                order_no: search(filter.order_number, "filter.orderNumber")?,
                provider: search(filter.provider, "filter.provider")?,
                outcome: filter.outcome.map(Into::into),
                from,
                until,
                ..events::PaymentEventFilter::default()
            })
        })?;
        let rows = service::payment_events(ctx.app(), ctx.actor(), &filter, &seek).await?;
        let cursor = |e: &events::PaymentEvent| Cursor { key: CursorKey::Number(e.id), id: e.id };
        Ok(page::connection(rows, cursor, PaymentEvent::from).counted(count_by!(service::payment_count, filter)))
    }
}
