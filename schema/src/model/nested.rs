//! Lists that hang on an owner, read for many owners in one statement: what a list inside a list shows.

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Text};
use diesel_async::RunQueryDsl;

use crate::db::Conn;
use crate::on;

/// A list that hangs on an owner, newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Nested {
    /// A person's living keys.
    KeysOfUser,
    OrdersOfUser,
    SubscriptionsOfUser,
    LedgerOfUser,
    RedemptionsOfUser,
    EventsOfAccount,
}

impl Nested {
    /// The table, the owner's column, what else must hold, and the order of the list itself.
    fn parts(self) -> (&'static str, &'static str, &'static str, &'static str) {
        const BY_TIME: &str = "created_at DESC, id DESC";
        match self {
            Self::KeysOfUser => ("api_keys", "user_id", " AND deleted_at IS NULL", BY_TIME),
            Self::OrdersOfUser => ("orders", "user_id", "", BY_TIME),
            Self::SubscriptionsOfUser => ("subscriptions", "user_id", "", BY_TIME),
            Self::LedgerOfUser => ("ledger_entries", "user_id", "", "id DESC"),
            Self::RedemptionsOfUser => ("card_redemptions", "user_id", "", BY_TIME),
            Self::EventsOfAccount => ("account_events", "account_id", "", "id DESC"),
        }
    }
}

/// A figure of an owner: the id of a row, or a count.
#[derive(Clone, Copy, Debug, QueryableByName)]
pub struct Owned {
    #[diesel(sql_type = BigInt)]
    pub owner: i64,
    #[diesel(sql_type = BigInt)]
    pub figure: i64,
}

/// The ids of the newest rows of each owner, newest first, at most `most` each.
pub async fn newest(conn: &mut Conn, list: Nested, owners: &[i64], most: i64) -> QueryResult<Vec<Owned>> {
    let (table, owner, condition, order) = list.parts();
    let (mark, these) = places(conn);
    let text = format!(
        "SELECT owner, figure FROM (SELECT {owner} AS owner, id AS figure, \
         ROW_NUMBER() OVER (PARTITION BY {owner} ORDER BY {order}) AS place \
         FROM {table} WHERE {owner} {these}{condition}) AS t WHERE place <= {mark}2 ORDER BY owner, place"
    );
    load(conn, text, owners, Some(most)).await
}

/// How many rows each owner has; owners without any are absent.
pub async fn counts(conn: &mut Conn, list: Nested, owners: &[i64]) -> QueryResult<Vec<Owned>> {
    let (table, owner, condition, _) = list.parts();
    let (_, these) = places(conn);
    let text = format!(
        "SELECT {owner} AS owner, COUNT(*) AS figure FROM {table} WHERE {owner} {these}{condition} GROUP BY {owner}"
    );
    load(conn, text, owners, None).await
}

fn places(conn: &Conn) -> (char, &'static str) {
    match conn {
        Conn::Pg(_) => ('$', "= ANY ($1)"),
        Conn::Lite(_) => ('?', "IN (SELECT value FROM json_each(?1))"),
    }
}

async fn load(conn: &mut Conn, text: String, owners: &[i64], most: Option<i64>) -> QueryResult<Vec<Owned>> {
    on!(
        conn,
        pg | c | {
            let query = diesel::sql_query(text).into_boxed::<diesel::pg::Pg>().bind::<Array<BigInt>, _>(owners);
            match most {
                Some(most) => query.bind::<BigInt, _>(most).load(c).await,
                None => query.load(c).await,
            }
        },
        lite | c | {
            let owners = serde_json::json!(owners).to_string();
            let query = diesel::sql_query(text).into_boxed::<diesel::sqlite::Sqlite>().bind::<Text, _>(owners);
            match most {
                Some(most) => query.bind::<BigInt, _>(most).load(c).await,
                None => query.load(c).await,
            }
        }
    )
}
