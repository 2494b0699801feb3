//! Leases kept in the database: who owns it, and whether it takes writes.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use crate::clock::Time;
use crate::db::Conn;
use crate::on;
use crate::table::leases;

/// A lease.
#[derive(Clone, Debug, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = leases)]
pub struct Lease {
    pub name: String,
    pub holder: String,
    pub expires_at: Time,
}

impl Lease {
    pub async fn find(conn: &mut Conn, name: &str) -> QueryResult<Option<Self>> {
        on!(conn, |c| leases::table.find(name).select(Self::as_select()).first(c).await.optional())
    }
    /// Takes or renews the lease, whoever had it.
    pub async fn put(&self, conn: &mut Conn) -> QueryResult<()> {
        on!(conn, |c| diesel::insert_into(leases::table)
            .values(self)
            .on_conflict(leases::name)
            .do_update()
            .set(self)
            .execute(c)
            .await)?;
        Ok(())
    }
    /// Renews a lease that is still the holder's; false when somebody else has it.
    pub async fn renew(&self, conn: &mut Conn) -> QueryResult<bool> {
        let n = on!(conn, |c| diesel::update(
            leases::table.filter(leases::name.eq(&self.name)).filter(leases::holder.eq(&self.holder))
        )
        .set(leases::expires_at.eq(self.expires_at))
        .execute(c)
        .await)?;
        Ok(n == 1)
    }
    /// Gives a lease back, if it is the holder's.
    pub async fn delete(conn: &mut Conn, name: &str, holder: &str) -> QueryResult<()> {
        on!(conn, |c| diesel::delete(leases::table.filter(leases::name.eq(name)).filter(leases::holder.eq(holder)))
            .execute(c)
            .await)?;
        Ok(())
    }
}

/// Writes a row that means nothing, to see that rows can be written.
pub async fn touch(conn: &mut Conn, name: &str, now: Time) -> QueryResult<()> {
    Lease { name: name.to_owned(), holder: String::new(), expires_at: now }.put(conn).await
}
