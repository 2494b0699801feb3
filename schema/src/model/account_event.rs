//! What happened to accounts' health.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use crate::clock::Time;
use crate::db::{Conn, Together};
use crate::model::account::Health;
use crate::on;
use crate::page::{CursorKey, Seek};
use crate::table::account_events;

/// One change of health, or one error noted without a change.
#[derive(Clone, Debug, Queryable, Selectable, Identifiable)]
pub struct AccountEvent {
    pub id: i64,
    pub account_id: i64,
    pub at: Time,
    pub health: Health,
    /// The HTTP status that led to it; 0 when there was none.
    pub status: i64,
    pub note: String,
}

/// A change to be noted.
#[derive(Debug, Insertable)]
#[diesel(table_name = account_events)]
pub struct NewAccountEvent<'a> {
    pub account_id: i64,
    pub at: Time,
    pub health: Health,
    pub status: i64,
    pub note: &'a str,
}

impl NewAccountEvent<'_> {
    pub async fn insert(&self, conn: &mut Conn) -> QueryResult<()> {
        on!(conn, |c| diesel::insert_into(account_events::table).values(self).execute(c).await)?;
        Ok(())
    }
}

impl AccountEvent {
    pub async fn by_ids(conn: &mut Conn, ids: &[i64]) -> QueryResult<Vec<Self>> {
        on!(conn, |c| account_events::table
            .filter(account_events::id.eq_any(ids))
            .select(Self::as_select())
            .load(c)
            .await)
    }
    /// Newest first, one keyset page and one row more; all accounts when none is named.
    pub async fn seek(conn: &mut Conn, account_id: Option<i64>, seek: &Seek) -> QueryResult<Vec<Self>> {
        Self::seek_each(conn, &[account_id], seek).await
    }
    /// The same page of several lists, in one statement.
    pub async fn seek_each(conn: &mut Conn, account_ids: &[Option<i64>], seek: &Seek) -> QueryResult<Vec<Self>> {
        on!(conn, |c| {
            let mut lists = Vec::with_capacity(account_ids.len());
            for account_id in account_ids {
                let mut query = account_events::table.select(Self::as_select()).into_boxed();
                if let Some(id) = *account_id {
                    query = query.filter(account_events::account_id.eq(id));
                }
                if let Some(cursor) = &seek.after {
                    let CursorKey::Number(_) = cursor.key else { return Ok(Vec::new()) };
                    query = if seek.backward {
                        query.filter(account_events::id.gt(cursor.id))
                    } else {
                        query.filter(account_events::id.lt(cursor.id))
                    };
                }
                query = if seek.backward {
                    query.order(account_events::id.asc())
                } else {
                    query.order(account_events::id.desc())
                };
                lists.push(query.limit(seek.take + 1));
            }
            Together(lists).load(c).await
        })
    }
    /// The last event of each of some accounts with a health, of those with a status where one is named.
    pub async fn latest(
        conn: &mut Conn,
        account_ids: &[i64],
        health: Health,
        status: Option<i64>,
    ) -> QueryResult<Vec<Self>> {
        on!(conn, |c| {
            let mut query = account_events::table
                .filter(account_events::account_id.eq_any(account_ids))
                .filter(account_events::health.eq(health))
                .group_by(account_events::account_id)
                .select(diesel::dsl::max(account_events::id))
                .into_boxed();
            if let Some(status) = status {
                query = query.filter(account_events::status.eq(status));
            }
            let ids: Vec<Option<i64>> = query.load(c).await?;
            let ids: Vec<i64> = ids.into_iter().flatten().collect();
            account_events::table.filter(account_events::id.eq_any(ids)).select(Self::as_select()).load(c).await
        })
    }
    /// Forgets what is older than a moment; how many.
    pub async fn delete_before(conn: &mut Conn, before: Time) -> QueryResult<usize> {
        on!(conn, |c| diesel::delete(account_events::table.filter(account_events::at.lt(before))).execute(c).await)
    }
}
