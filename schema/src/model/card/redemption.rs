//! Redemptions: who got what by which card.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::CardKind;
use crate::clock::Time;
use crate::db::Conn;
use crate::model::joined::{Joined, also};
use crate::money::Micros;
use crate::on;
use crate::table::card_redemptions;

/// One person redeeming one card.
#[derive(Clone, Debug, Queryable, Selectable, Identifiable)]
#[diesel(table_name = card_redemptions)]
pub struct Redemption {
    pub id: i64,
    pub card_id: i64,
    pub user_id: i64,
    pub value: Micros,
    pub plan_id: Option<i64>,
    pub created_at: Time,
    /// The key it was redeemed for, and by how much its life became longer.
    pub key_id: Option<i64>,
    pub key_ms: i64,
    /// When what it brought was taken back.
    pub taken_back_at: Option<Time>,
}

/// A redemption to be written.
#[derive(Debug, Insertable)]
#[diesel(table_name = card_redemptions)]
pub struct NewRedemption {
    pub card_id: i64,
    pub user_id: i64,
    pub value: Micros,
    pub plan_id: Option<i64>,
    pub created_at: Time,
    pub key_id: Option<i64>,
    pub key_ms: i64,
}

/// Which redemptions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RedemptionFilter {
    pub user_id: Option<i64>,
    pub card_id: Option<i64>,
    pub key_id: Option<i64>,
    pub from: Option<Time>,
    pub until: Option<Time>,
    /// What else must hold.
    pub joined: Joined<RedemptionFilter>,
}

macro_rules! filtered {
    ($query:expr, $filter:expr) => {{
        let mut query = $query;
        let filter: &RedemptionFilter = $filter;
        if let Some(id) = filter.user_id {
            query = query.filter(card_redemptions::user_id.eq(id));
        }
        if let Some(id) = filter.card_id {
            query = query.filter(card_redemptions::card_id.eq(id));
        }
        if let Some(id) = filter.key_id {
            query = query.filter(card_redemptions::key_id.eq(id));
        }
        if let Some(from) = filter.from {
            query = query.filter(card_redemptions::created_at.ge(from));
        }
        if let Some(until) = filter.until {
            query = query.filter(card_redemptions::created_at.lt(until));
        }
        if let Some(more) = also(filter, ()) {
            query = query.filter(more);
        }
        query
    }};
}

crate::composed!(filtered, card_redemptions, RedemptionFilter);

impl Redemption {
    /// What kind of card it was.
    pub fn kind(&self) -> CardKind {
        match (self.plan_id, self.key_ms) {
            (Some(_), _) => CardKind::Plan,
            (None, 0) => CardKind::Credit,
            (None, _) => CardKind::Time,
        }
    }
    /// Notes that what it brought was taken back; false when that was so already.
    pub async fn take_back(conn: &mut Conn, id: i64, now: Time) -> QueryResult<bool> {
        let n = on!(conn, |c| diesel::update(
            card_redemptions::table
                .filter(card_redemptions::id.eq(id))
                .filter(card_redemptions::taken_back_at.is_null())
        )
        .set(card_redemptions::taken_back_at.eq(now))
        .execute(c)
        .await)?;
        Ok(n == 1)
    }
    pub async fn find(conn: &mut Conn, id: i64) -> QueryResult<Option<Self>> {
        on!(conn, |c| card_redemptions::table.find(id).select(Self::as_select()).first(c).await.optional())
    }
    pub async fn by_ids(conn: &mut Conn, ids: &[i64]) -> QueryResult<Vec<Self>> {
        on!(conn, |c| card_redemptions::table
            .filter(card_redemptions::id.eq_any(ids))
            .select(Self::as_select())
            .load(c)
            .await)
    }
    /// Writes it; false when this person redeemed this card before.
    pub async fn insert(conn: &mut Conn, new: &NewRedemption) -> QueryResult<bool> {
        let n = on!(conn, |c| diesel::insert_into(card_redemptions::table)
            .values(new)
            .on_conflict((card_redemptions::card_id, card_redemptions::user_id))
            .do_nothing()
            .execute(c)
            .await)?;
        Ok(n == 1)
    }
    pub async fn exists(conn: &mut Conn, card_id: i64, user_id: i64) -> QueryResult<bool> {
        on!(conn, |c| diesel::select(diesel::dsl::exists(
            card_redemptions::table
                .filter(card_redemptions::card_id.eq(card_id))
                .filter(card_redemptions::user_id.eq(user_id))
        ))
        .get_result(c)
        .await)
    }
    crate::counted!(filtered, card_redemptions, RedemptionFilter);
    crate::paged_by_time!(filtered, card_redemptions, RedemptionFilter);
}
