//! Leases kept in the database: who owns it, and whether it takes writes.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use crate::clock::Time;
use crate::db::Conn;
use crate::on;
use crate::table::leases;

/// Writes a row that means nothing, to see that rows can be written.
pub async fn touch(conn: &mut Conn, name: &str, now: Time) -> QueryResult<()> {
    on!(conn, |c| diesel::insert_into(leases::table)
        .values((leases::name.eq(name), leases::holder.eq(""), leases::expires_at.eq(now)))
        .on_conflict(leases::name)
        .do_update()
        .set(leases::expires_at.eq(now))
        .execute(c)
        .await)?;
    Ok(())
}
