//! What a client's idempotency key was answered with.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use crate::clock::Time;
use crate::db::Conn;
use crate::on;
use crate::table::idempotency;

/// A remembered answer.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = idempotency)]
pub struct Remembered {
    pub actor: String,
    pub operation: String,
    pub idem_key: String,
    pub input_digest: String,
    pub answer: String,
    pub created_at: Time,
    pub expires_at: Time,
}

impl Remembered {
    pub async fn find(conn: &mut Conn, actor: &str, operation: &str, key: &str) -> QueryResult<Option<Self>> {
        on!(conn, |c| idempotency::table
            .find((actor, operation, key))
            .select(Self::as_select())
            .first(c)
            .await
            .optional())
    }
    /// Claims the key; false when somebody has it already.
    pub async fn insert(&self, conn: &mut Conn) -> QueryResult<bool> {
        let n = on!(conn, |c| diesel::insert_into(idempotency::table)
            .values(self)
            .on_conflict_do_nothing()
            .execute(c)
            .await)?;
        Ok(n == 1)
    }
    pub async fn delete_expired(conn: &mut Conn, now: Time) -> QueryResult<usize> {
        on!(conn, |c| diesel::delete(idempotency::table.filter(idempotency::expires_at.lt(now))).execute(c).await)
    }
}
