//! The monthly partitions of single calls on PostgreSQL. SQLite has none, and every function answers "nothing".

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};

use crate::clock::Time;
use crate::db::Conn;

/// Any number, the same in every process: the lock under which partitions are changed.
const LOCK: i64 = 0x7061_7274_6974;

#[derive(QueryableByName)]
struct Named {
    #[diesel(sql_type = Text)]
    name: String,
}

#[derive(QueryableByName)]
struct Edges {
    #[diesel(sql_type = Nullable<BigInt>)]
    oldest: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    newest: Option<i64>,
}

/// The names of the months that have a partition, `2025_10`.
pub async fn months(conn: &mut Conn) -> QueryResult<Vec<String>> {
    let Conn::Pg(c) = conn else { return Ok(Vec::new()) };
    let rows: Vec<Named> = diesel::sql_query(
        "SELECT substr(c.relname, 7) AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid \
         WHERE i.inhparent = 'usage'::regclass AND c.relname ~ '^usage_[0-9]{4}_[0-9]{2}$' ORDER BY 1",
    )
    .load(&mut **c)
    .await?;
    Ok(rows.into_iter().map(|row| row.name).collect())
}

/// When the oldest and the newest of the calls began that are in no month's partition.
pub async fn stray(conn: &mut Conn) -> QueryResult<Option<(Time, Time)>> {
    let Conn::Pg(c) = conn else { return Ok(None) };
    let edges: Edges = diesel::sql_query("SELECT min(at) AS oldest, max(at) AS newest FROM usage_default")
        .get_result(&mut **c)
        .await?;
    Ok(edges.oldest.zip(edges.newest).map(|(oldest, newest)| (Time(oldest), Time(newest))))
}

/// Makes a month's partition inside the caller's transaction, and moves the calls there that came before it was.
pub async fn create(conn: &mut Conn, name: &str, from: Time, until: Time) -> QueryResult<()> {
    let Conn::Pg(c) = conn else { return Ok(()) };
    // The name is made of digits by us. Nobody may write a call of this month between the move and the
    // attachment, so writers wait; readers do not.
    let text = format!(
        "SET LOCAL statement_timeout = 0; SELECT pg_advisory_xact_lock({LOCK}); \
         CREATE TABLE IF NOT EXISTS usage_{name} (LIKE usage INCLUDING DEFAULTS INCLUDING CONSTRAINTS); \
         LOCK TABLE usage_default IN SHARE ROW EXCLUSIVE MODE; \
         WITH moved AS (DELETE FROM usage_default WHERE at >= {from} AND at < {until} RETURNING *) \
         INSERT INTO usage_{name} SELECT * FROM moved; \
         ALTER TABLE usage ATTACH PARTITION usage_{name} FOR VALUES FROM ({from}) TO ({until})",
        from = from.0,
        until = until.0,
    );
    c.batch_execute(&text).await
}

/// Drops a month with all its calls.
pub async fn drop_month(conn: &mut Conn, name: &str) -> QueryResult<()> {
    let Conn::Pg(c) = conn else { return Ok(()) };
    c.batch_execute(&format!(
        "SET LOCAL statement_timeout = 0; SELECT pg_advisory_xact_lock({LOCK}); DROP TABLE IF EXISTS usage_{name}"
    ))
    .await
}
