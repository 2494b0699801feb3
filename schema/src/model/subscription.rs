//! Subscriptions: who is on which plan, and until when.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use crate::clock::Time;
use crate::db::Conn;
use crate::model::joined::{Joined, also};
use crate::table::subscriptions;
use crate::{on, text_enum};

text_enum! {
    /// How a subscription stands.
    pub enum SubscriptionStatus {
        Active = "active",
        /// Its time is over.
        Expired = "expired",
        /// Another plan took its place.
        Replaced = "replaced",
        /// Its payment was given back.
        Revoked = "revoked",
    }
}

text_enum! {
    /// Where a subscription came from.
    pub enum SubscriptionSource {
        Order = "order",
        Card = "card",
        Grant = "grant",
    }
}

/// A person on a plan for a time.
#[derive(Clone, Debug, Queryable, Selectable, Identifiable)]
pub struct Subscription {
    pub id: i64,
    pub user_id: i64,
    pub plan_id: i64,
    pub status: SubscriptionStatus,
    pub source: SubscriptionSource,
    /// The order that began it.
    pub order_id: Option<i64>,
    pub started_at: Time,
    pub expires_at: Time,
    pub auto_renew: bool,
    /// Set when it will not be renewed by the person's wish; it stays active until it expires.
    pub cancelled_at: Option<Time>,
    pub created_at: Time,
    pub updated_at: Time,
    pub version: i64,
}

/// A subscription to be made.
#[derive(Debug, Insertable)]
#[diesel(table_name = subscriptions)]
pub struct NewSubscription {
    pub user_id: i64,
    pub plan_id: i64,
    pub status: SubscriptionStatus,
    pub source: SubscriptionSource,
    pub order_id: Option<i64>,
    pub started_at: Time,
    pub expires_at: Time,
    pub auto_renew: bool,
    pub created_at: Time,
    pub updated_at: Time,
}

/// What of a subscription changes; `None` leaves a field as it is.
#[derive(Clone, Debug, Default, AsChangeset)]
#[diesel(table_name = subscriptions)]
pub struct SubscriptionChange {
    pub status: Option<SubscriptionStatus>,
    pub expires_at: Option<Time>,
    pub auto_renew: Option<bool>,
    pub cancelled_at: Option<Option<Time>>,
}

/// Which subscriptions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SubscriptionFilter {
    pub user_id: Option<i64>,
    pub plan_id: Option<i64>,
    pub status: Option<SubscriptionStatus>,
    /// Only those that end after this moment.
    pub ends_after: Option<Time>,
    /// What else must hold.
    pub joined: Joined<SubscriptionFilter>,
}

macro_rules! filtered {
    ($query:expr, $filter:expr) => {{
        let mut query = $query;
        let filter: &SubscriptionFilter = $filter;
        if let Some(id) = filter.user_id {
            query = query.filter(subscriptions::user_id.eq(id));
        }
        if let Some(id) = filter.plan_id {
            query = query.filter(subscriptions::plan_id.eq(id));
        }
        if let Some(status) = filter.status {
            query = query.filter(subscriptions::status.eq(status));
        }
        if let Some(after) = filter.ends_after {
            query = query.filter(subscriptions::expires_at.gt(after));
        }
        if let Some(more) = also(filter, ()) {
            query = query.filter(more);
        }
        query
    }};
}

crate::composed!(filtered, subscriptions, SubscriptionFilter);

impl Subscription {
    pub async fn find(conn: &mut Conn, id: i64) -> QueryResult<Option<Self>> {
        on!(conn, |c| subscriptions::table.find(id).select(Self::as_select()).first(c).await.optional())
    }
    pub async fn by_ids(conn: &mut Conn, ids: &[i64]) -> QueryResult<Vec<Self>> {
        on!(conn, |c| subscriptions::table
            .filter(subscriptions::id.eq_any(ids))
            .select(Self::as_select())
            .load(c)
            .await)
    }
    /// Those that hold for these people now; of several of one person the newest comes last.
    pub async fn live_of_many(conn: &mut Conn, user_ids: &[i64], now: Time) -> QueryResult<Vec<Self>> {
        on!(conn, |c| subscriptions::table
            .filter(subscriptions::user_id.eq_any(user_ids))
            .filter(subscriptions::status.eq(SubscriptionStatus::Active))
            .filter(subscriptions::expires_at.gt(now))
            .order(subscriptions::id.asc())
            .select(Self::as_select())
            .load(c)
            .await)
    }
    /// The one that holds for a person now.
    pub async fn live_of(conn: &mut Conn, user_id: i64, now: Time) -> QueryResult<Option<Self>> {
        on!(conn, |c| subscriptions::table
            .filter(subscriptions::user_id.eq(user_id))
            .filter(subscriptions::status.eq(SubscriptionStatus::Active))
            .filter(subscriptions::expires_at.gt(now))
            .order(subscriptions::id.desc())
            .select(Self::as_select())
            .first(c)
            .await
            .optional())
    }
    /// Those to be renewed: active, wished so, and at their end before `before`.
    pub async fn due_for_renewal(conn: &mut Conn, before: Time, most: i64) -> QueryResult<Vec<Self>> {
        on!(conn, |c| subscriptions::table
            .filter(subscriptions::status.eq(SubscriptionStatus::Active))
            .filter(subscriptions::expires_at.le(before))
            .filter(subscriptions::auto_renew.eq(true))
            .order((subscriptions::expires_at.asc(), subscriptions::id.asc()))
            .limit(most)
            .select(Self::as_select())
            .load(c)
            .await)
    }
    /// Ends those whose time is over. One that is to be renewed is spared until `grace`, so that renewing comes first.
    pub async fn expire(conn: &mut Conn, now: Time, grace: Time) -> QueryResult<Vec<Self>> {
        on!(conn, |c| diesel::update(
            subscriptions::table
                .filter(subscriptions::status.eq(SubscriptionStatus::Active))
                .filter(subscriptions::expires_at.le(now))
                .filter(subscriptions::auto_renew.eq(false).or(subscriptions::expires_at.le(grace)))
        )
        .set((
            subscriptions::status.eq(SubscriptionStatus::Expired),
            subscriptions::updated_at.eq(now),
            subscriptions::version.eq(subscriptions::version + 1),
        ))
        .returning(Self::as_returning())
        .get_results(c)
        .await)
    }
    crate::counted!(filtered, subscriptions, SubscriptionFilter);
    crate::paged_by_time!(filtered, subscriptions, SubscriptionFilter);
    pub async fn insert(conn: &mut Conn, new: &NewSubscription) -> QueryResult<Self> {
        on!(conn, |c| diesel::insert_into(subscriptions::table)
            .values(new)
            .returning(Self::as_returning())
            .get_result(c)
            .await)
    }
    /// Changes one whose version is still `version`; `None` when somebody was faster.
    pub async fn update(
        conn: &mut Conn,
        id: i64,
        version: i64,
        change: &SubscriptionChange,
        now: Time,
    ) -> QueryResult<Option<Self>> {
        on!(conn, |c| diesel::update(
            subscriptions::table.filter(subscriptions::id.eq(id)).filter(subscriptions::version.eq(version))
        )
        .set((change, subscriptions::updated_at.eq(now), subscriptions::version.eq(subscriptions::version + 1)))
        .returning(Self::as_returning())
        .get_result(c)
        .await
        .optional())
    }
}
