//! Pins: which account holds a piece of a vendor's state (a response, a file, a cached content).

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use crate::clock::Time;
use crate::db::Conn;
use crate::on;
use crate::table::pins;

/// A pin.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
pub struct Pin {
    pub scope: String,
    pub key_id: i64,
    pub resource: String,
    pub account_id: i64,
    /// A short digest of the account's key by which the vendor knows it; empty where that is not known.
    pub account_key: String,
    pub created_at: Time,
    pub expires_at: Time,
}

impl Pin {
    /// The pin of a key's resource that has not run out.
    pub async fn find(
        conn: &mut Conn,
        scope: &str,
        key_id: i64,
        resource: &str,
        now: Time,
    ) -> QueryResult<Option<Self>> {
        on!(conn, |c| pins::table
            .find((scope, key_id, resource))
            .filter(pins::expires_at.gt(now))
            .select(Self::as_select())
            .first(c)
            .await
            .optional())
    }
    /// Sets pins; one that exists moves to the new account.
    pub async fn put(&self, conn: &mut Conn) -> QueryResult<()> {
        on!(conn, |c| diesel::insert_into(pins::table)
            .values(self)
            .on_conflict((pins::scope, pins::key_id, pins::resource))
            .do_update()
            .set((
                pins::account_id.eq(self.account_id),
                pins::account_key.eq(&self.account_key),
                pins::expires_at.eq(self.expires_at),
            ))
            .execute(c)
            .await)?;
        Ok(())
    }
    /// Removes one.
    pub async fn delete(conn: &mut Conn, scope: &str, key_id: i64, resource: &str) -> QueryResult<bool> {
        Ok(on!(conn, |c| diesel::delete(pins::table.find((scope, key_id, resource))).execute(c).await)? > 0)
    }
    /// Removes those of an account that is gone.
    pub async fn delete_of_account(conn: &mut Conn, account_id: i64) -> QueryResult<usize> {
        on!(conn, |c| diesel::delete(pins::table.filter(pins::account_id.eq(account_id))).execute(c).await)
    }
    /// Removes those that have run out.
    pub async fn delete_expired(conn: &mut Conn, now: Time) -> QueryResult<usize> {
        on!(conn, |c| diesel::delete(pins::table.filter(pins::expires_at.le(now))).execute(c).await)
    }
}
