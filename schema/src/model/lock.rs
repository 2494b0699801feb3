//! A named lock held to the end of a transaction, on both databases.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use crate::clock::Time;
use crate::db::Conn;
use crate::on;
use crate::table::leases;

/// Takes the lock: whoever else asks waits until this transaction ends. (The row itself is all there is;
/// on SQLite a transaction already has the database to itself.)
pub async fn take(tx: &mut Conn, name: &str) -> QueryResult<()> {
    let name = format!("lock:{name}");
    on!(tx, |c| diesel::insert_into(leases::table)
        .values((leases::name.eq(&name), leases::holder.eq(""), leases::expires_at.eq(Time(0))))
        .on_conflict(leases::name)
        .do_update()
        .set(leases::holder.eq(""))
        .execute(c)
        .await)?;
    Ok(())
}
