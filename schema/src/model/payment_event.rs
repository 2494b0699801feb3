//! What happened at the payment providers: every notification, believed or not, and every refund.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use crate::clock::Time;
use crate::db::Conn;
use crate::model::joined::{Joined, also};
use crate::page::{CursorKey, Seek};
use crate::table::payment_events;
use crate::{on, text_enum};

text_enum! {
    /// What became of it.
    pub enum PaymentOutcome {
        /// The order is paid by it.
        Accepted = "accepted",
        /// The same payment was reported before.
        Replayed = "replayed",
        /// Another payment of an order that is paid already.
        Duplicate = "duplicate",
        /// Nothing is known of its order.
        UnknownOrder = "unknown_order",
        WrongAmount = "wrong_amount",
        WrongCurrency = "wrong_currency",
        /// It came from another provider than the order's.
        WrongMethod = "wrong_method",
        /// Not signed by the provider, or changed on the way.
        Forged = "forged",
        /// Too old, or from the future.
        Stale = "stale",
        /// Signed for somebody else.
        Foreign = "foreign",
        Malformed = "malformed",
        /// Genuine, and about nothing an order waits for.
        Unrelated = "unrelated",
        /// Not paid yet.
        Waiting = "waiting",
        /// Ended there without payment.
        Closed = "closed",
        /// Given back at the provider.
        RefundedThere = "refunded_there",
        /// A refund of ours that the provider has yet to confirm.
        RefundAsked = "refund_asked",
        RefundDone = "refund_done",
        /// To be sent back by hand.
        RefundByHand = "refund_by_hand",
        RefundFailed = "refund_failed",
    }
}

/// One of them.
#[derive(Clone, Debug, Queryable, Selectable, Identifiable)]
#[diesel(table_name = payment_events)]
pub struct PaymentEvent {
    pub id: i64,
    pub provider: String,
    /// The provider's number of the notification, or ours of the refund.
    pub event_id: String,
    pub order_no: String,
    pub outcome: PaymentOutcome,
    pub amount: Option<i64>,
    pub currency: Option<String>,
    pub detail: String,
    pub received_at: Time,
}

/// One to be written.
#[derive(Clone, Debug, Insertable)]
#[diesel(table_name = payment_events)]
pub struct NewPaymentEvent<'a> {
    pub provider: &'a str,
    pub event_id: &'a str,
    pub order_no: &'a str,
    pub outcome: PaymentOutcome,
    pub amount: Option<i64>,
    pub currency: Option<&'a str>,
    pub detail: &'a str,
    pub received_at: Time,
}

/// Which of them.
#[derive(Clone, Debug, Default)]
pub struct PaymentEventFilter {
    pub provider: Option<String>,
    pub order_no: Option<String>,
    pub outcome: Option<PaymentOutcome>,
    pub from: Option<Time>,
    pub until: Option<Time>,
    /// What else must hold.
    pub joined: Joined<PaymentEventFilter>,
}

macro_rules! filtered {
    ($query:expr, $filter:expr) => {{
        let mut query = $query;
        let filter: &PaymentEventFilter = $filter;
        if let Some(provider) = &filter.provider {
            query = query.filter(payment_events::provider.eq(provider));
        }
        if let Some(no) = &filter.order_no {
            query = query.filter(payment_events::order_no.eq(no));
        }
        if let Some(outcome) = filter.outcome {
            query = query.filter(payment_events::outcome.eq(outcome));
        }
        if let Some(from) = filter.from {
            query = query.filter(payment_events::received_at.ge(from));
        }
        if let Some(until) = filter.until {
            query = query.filter(payment_events::received_at.lt(until));
        }
        if let Some(more) = also(filter, ()) {
            query = query.filter(more);
        }
        query
    }};
}

crate::composed!(filtered, payment_events, PaymentEventFilter);

impl PaymentEvent {
    pub async fn find(conn: &mut Conn, id: i64) -> QueryResult<Option<Self>> {
        on!(conn, |c| payment_events::table.find(id).select(Self::as_select()).first(c).await.optional())
    }
    pub async fn by_ids(conn: &mut Conn, ids: &[i64]) -> QueryResult<Vec<Self>> {
        on!(conn, |c| payment_events::table
            .filter(payment_events::id.eq_any(ids))
            .select(Self::as_select())
            .load(c)
            .await)
    }
    pub async fn insert(conn: &mut Conn, new: &NewPaymentEvent<'_>) -> QueryResult<Self> {
        on!(conn, |c| diesel::insert_into(payment_events::table)
            .values(new)
            .returning(Self::as_returning())
            .get_result(c)
            .await)
    }
    /// Notes how a refund that was asked for has ended; false when somebody noted it before.
    pub async fn end_refund(conn: &mut Conn, id: i64, outcome: PaymentOutcome, detail: &str) -> QueryResult<bool> {
        let n = on!(conn, |c| diesel::update(
            payment_events::table
                .filter(payment_events::id.eq(id))
                .filter(payment_events::outcome.eq(PaymentOutcome::RefundAsked))
        )
        .set((payment_events::outcome.eq(outcome), payment_events::detail.eq(detail)))
        .execute(c)
        .await)?;
        Ok(n == 1)
    }
    /// Refunds that have not ended, oldest first.
    pub async fn open_refunds(conn: &mut Conn, most: i64) -> QueryResult<Vec<Self>> {
        on!(conn, |c| payment_events::table
            .filter(payment_events::outcome.eq(PaymentOutcome::RefundAsked))
            .order(payment_events::id.asc())
            .limit(most)
            .select(Self::as_select())
            .load(c)
            .await)
    }
    /// True while a refund of this order has not ended.
    pub async fn has_open_refund(conn: &mut Conn, order_no: &str) -> QueryResult<bool> {
        on!(conn, |c| diesel::select(diesel::dsl::exists(
            payment_events::table
                .filter(payment_events::order_no.eq(order_no))
                .filter(payment_events::outcome.eq(PaymentOutcome::RefundAsked))
        ))
        .get_result(c)
        .await)
    }
    /// How many refunds of an order there were, of whatever end.
    pub async fn count_refunds(conn: &mut Conn, order_no: &str) -> QueryResult<i64> {
        let kinds = [
            PaymentOutcome::RefundAsked,
            PaymentOutcome::RefundDone,
            PaymentOutcome::RefundByHand,
            PaymentOutcome::RefundFailed,
        ];
        on!(conn, |c| payment_events::table
            .filter(payment_events::order_no.eq(order_no))
            .filter(payment_events::outcome.eq_any(kinds))
            .count()
            .get_result(c)
            .await)
    }
    pub async fn count(conn: &mut Conn, filter: &PaymentEventFilter) -> QueryResult<i64> {
        on!(conn, |c| filtered!(payment_events::table.into_boxed(), filter).count().get_result(c).await)
    }
    /// Newest first, one keyset page and one row more.
    pub async fn seek(conn: &mut Conn, filter: &PaymentEventFilter, seek: &Seek) -> QueryResult<Vec<Self>> {
        on!(conn, |c| {
            let mut query = filtered!(payment_events::table.select(Self::as_select()).into_boxed(), filter);
            // They are written in the order of their ids, so the id alone is the key.
            if let Some(cursor) = &seek.after {
                let CursorKey::Number(_) = cursor.key else {
                    return Ok(Vec::new());
                };
                query = if seek.backward {
                    query.filter(payment_events::id.gt(cursor.id))
                } else {
                    query.filter(payment_events::id.lt(cursor.id))
                };
            }
            query = if seek.backward {
                query.order(payment_events::id.asc())
            } else {
                query.order(payment_events::id.desc())
            };
            query.limit(seek.take + 1).load(c).await
        })
    }
}
