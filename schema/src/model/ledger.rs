//! The ledger: every change of a wallet, and the wallet's guarded statements.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use crate::clock::Time;
use crate::db::{Conn, Together};
use crate::model::joined::{Joined, also};
use crate::money::Micros;
use crate::page::{CursorKey, Seek, Window};
use crate::table::{ledger_entries, users};
use crate::{on, text_enum};

text_enum! {
    /// Why a wallet changed.
    pub enum EntryKind {
        /// Money paid in.
        Payment = "payment",
        /// A card's value.
        Card = "card",
        /// Calls that were settled (one entry a batch and user).
        Consumption = "consumption",
        /// Money given back for a call or task.
        Refund = "refund",
        /// Money paid back to the payer.
        Payback = "payback",
        /// An administrator's hand.
        Adjustment = "adjustment",
        /// A plan bought or renewed from the wallet.
        Purchase = "purchase",
        /// What a new or inviting user is given.
        Bonus = "bonus",
    }
}

/// One change of one wallet.
#[derive(Clone, Debug, Queryable, Selectable, Identifiable)]
#[diesel(table_name = ledger_entries)]
pub struct LedgerEntry {
    pub id: i64,
    pub user_id: i64,
    pub seq: i64,
    pub kind: EntryKind,
    pub amount: Micros,
    pub balance_after: Micros,
    pub reference: String,
    pub idem_key: Option<String>,
    pub note: String,
    pub actor: String,
    pub created_at: Time,
}

/// An entry to be written.
#[derive(Debug, Insertable)]
#[diesel(table_name = ledger_entries)]
pub struct NewLedgerEntry<'a> {
    pub user_id: i64,
    pub seq: i64,
    pub kind: EntryKind,
    pub amount: Micros,
    pub balance_after: Micros,
    pub reference: &'a str,
    pub idem_key: Option<&'a str>,
    pub note: &'a str,
    pub actor: &'a str,
    pub created_at: Time,
}

/// Which entries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LedgerFilter {
    pub user_id: Option<i64>,
    pub kinds: Vec<EntryKind>,
    pub from: Option<Time>,
    pub until: Option<Time>,
    /// What else must hold.
    #[serde(skip_serializing_if = "Joined::is_empty")]
    pub joined: Joined<LedgerFilter>,
}

macro_rules! filtered {
    ($query:expr, $filter:expr) => {{
        let mut query = $query;
        let filter: &LedgerFilter = $filter;
        if let Some(id) = filter.user_id {
            query = query.filter(ledger_entries::user_id.eq(id));
        }
        if !filter.kinds.is_empty() {
            query = query.filter(ledger_entries::kind.eq_any(filter.kinds.clone()));
        }
        if let Some(from) = filter.from {
            query = query.filter(ledger_entries::created_at.ge(from));
        }
        if let Some(until) = filter.until {
            query = query.filter(ledger_entries::created_at.lt(until));
        }
        if let Some(more) = also(filter, ()) {
            query = query.filter(more);
        }
        query
    }};
}

crate::composed!(filtered, ledger_entries, LedgerFilter);

impl LedgerEntry {
    pub async fn by_ids(conn: &mut Conn, ids: &[i64]) -> QueryResult<Vec<Self>> {
        on!(conn, |c| ledger_entries::table
            .filter(ledger_entries::id.eq_any(ids))
            .select(Self::as_select())
            .load(c)
            .await)
    }
    /// Moves a balance by `amount` in one guarded statement; `None` when it would fall below `floor`
    /// or there is no such user. Answers the new balance and its place in the wallet's history.
    pub async fn move_balance(
        conn: &mut Conn,
        user_id: i64,
        amount: Micros,
        floor: Micros,
    ) -> QueryResult<Option<(Micros, i64)>> {
        on!(conn, |c| diesel::update(users::table.filter(users::id.eq(user_id)).filter(
            (users::balance + amount).ge(floor).or(diesel::dsl::sql::<diesel::sql_types::Bool>(
                // What comes in is never refused, even to a wallet below its floor.
                if amount.0 >= 0 { "1 = 1" } else { "1 = 0" }
            ))
        ))
        .set((users::balance.eq(users::balance + amount), users::wallet_seq.eq(users::wallet_seq + 1)))
        .returning((users::balance, users::wallet_seq))
        .get_result(c)
        .await
        .optional())
    }
    pub async fn find(conn: &mut Conn, id: i64) -> QueryResult<Option<Self>> {
        on!(conn, |c| ledger_entries::table.find(id).select(Self::as_select()).first(c).await.optional())
    }
    /// What came in by entries of a kind whose reference begins with this.
    pub async fn sum_of(conn: &mut Conn, user_id: i64, kind: EntryKind, reference: &str) -> QueryResult<Micros> {
        let pattern = format!("{}%", crate::value::escape_like(reference));
        on!(conn, |c| ledger_entries::table
            .filter(ledger_entries::user_id.eq(user_id))
            .filter(ledger_entries::kind.eq(kind))
            .filter(ledger_entries::reference.like(pattern).escape('\\'))
            .select(diesel::dsl::sql::<diesel::sql_types::BigInt>("CAST(COALESCE(SUM(amount), 0) AS BIGINT)"))
            .get_result(c)
            .await)
    }
    pub async fn insert(conn: &mut Conn, new: &NewLedgerEntry<'_>) -> QueryResult<Self> {
        on!(conn, |c| diesel::insert_into(ledger_entries::table)
            .values(new)
            .returning(Self::as_returning())
            .get_result(c)
            .await)
    }
    pub async fn by_idem_key(conn: &mut Conn, key: &str) -> QueryResult<Option<Self>> {
        on!(conn, |c| ledger_entries::table
            .filter(ledger_entries::idem_key.eq(key))
            .select(Self::as_select())
            .first(c)
            .await
            .optional())
    }
    crate::counted!(filtered, ledger_entries, LedgerFilter);
    /// Newest first, one numbered page.
    pub async fn window(conn: &mut Conn, filter: &LedgerFilter, window: Window) -> QueryResult<Vec<Self>> {
        on!(conn, |c| filtered!(ledger_entries::table.select(Self::as_select()).into_boxed(), filter)
            .order(ledger_entries::id.desc())
            .limit(window.limit)
            .offset(window.offset)
            .load(c)
            .await)
    }
    /// Newest first, one keyset page and one row more.
    pub async fn seek(conn: &mut Conn, filter: &LedgerFilter, seek: &Seek) -> QueryResult<Vec<Self>> {
        Self::seek_each(conn, std::slice::from_ref(filter), seek).await
    }
    /// The same page of several lists, in one statement.
    pub async fn seek_each(conn: &mut Conn, filters: &[LedgerFilter], seek: &Seek) -> QueryResult<Vec<Self>> {
        on!(conn, |c| {
            let mut lists = Vec::with_capacity(filters.len());
            for filter in filters {
                let mut query = filtered!(ledger_entries::table.select(Self::as_select()).into_boxed(), filter);
                if let Some(cursor) = &seek.after {
                    let CursorKey::Number(_) = cursor.key else {
                        return Ok(Vec::new());
                    };
                    query = if seek.backward {
                        query.filter(ledger_entries::id.gt(cursor.id))
                    } else {
                        query.filter(ledger_entries::id.lt(cursor.id))
                    };
                }
                query = if seek.backward {
                    query.order(ledger_entries::id.asc())
                } else {
                    query.order(ledger_entries::id.desc())
                };
                lists.push(query.limit(seek.take + 1));
            }
            Together(lists).load(c).await
        })
    }
    /// Users whose balance is not the sum of their entries: (user, balance, sum).
    pub async fn mismatches(conn: &mut Conn) -> QueryResult<Vec<Mismatch>> {
        let query = "SELECT u.id AS user_id, u.balance AS balance, \
                     CAST(COALESCE(SUM(e.amount), 0) AS BIGINT) AS total, COUNT(e.id) AS entries \
                     FROM users u LEFT JOIN ledger_entries e ON e.user_id = u.id \
                     GROUP BY u.id, u.balance, u.wallet_seq \
                     HAVING u.balance <> COALESCE(SUM(e.amount), 0) OR u.wallet_seq <> COUNT(e.id) ORDER BY u.id";
        on!(conn, |c| diesel::sql_query(query).load(c).await)
    }
}

/// A wallet that does not add up.
#[derive(Clone, Debug, QueryableByName)]
pub struct Mismatch {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    pub user_id: i64,
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    pub balance: i64,
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    pub total: i64,
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    pub entries: i64,
}
