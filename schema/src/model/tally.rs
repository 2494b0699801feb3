//! Sums of calls by any of hour, key, account, user and model, read from the rollups.

use std::collections::HashSet;
use std::fmt::Write;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use diesel_async::RunQueryDsl;

use crate::clock::Time;
use crate::db::Conn;
use crate::money::Micros;
use crate::on;

/// By what sums are kept apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Apart {
    pub hour: bool,
    pub key: bool,
    pub account: bool,
    pub user: bool,
    pub model: bool,
}

/// Which calls; an empty list does not narrow. An hour of the books belongs to the span it begins in.
#[derive(Clone, Debug)]
pub struct TallyFilter {
    pub from: Time,
    pub until: Time,
    pub keys: Vec<i64>,
    pub accounts: Vec<i64>,
    pub users: Vec<i64>,
}

/// Sums of some calls. What is not kept apart is 0 or empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, QueryableByName)]
pub struct Tally {
    #[diesel(sql_type = BigInt)]
    pub hour: Time,
    #[diesel(sql_type = BigInt)]
    pub key_id: i64,
    #[diesel(sql_type = BigInt)]
    pub account_id: i64,
    #[diesel(sql_type = BigInt)]
    pub user_id: i64,
    #[diesel(sql_type = Text)]
    pub model: String,
    #[diesel(sql_type = BigInt)]
    pub requests: i64,
    #[diesel(sql_type = BigInt)]
    pub errors: i64,
    #[diesel(sql_type = BigInt)]
    pub input: i64,
    #[diesel(sql_type = BigInt)]
    pub cache_read: i64,
    #[diesel(sql_type = BigInt)]
    pub cache_write: i64,
    #[diesel(sql_type = BigInt)]
    pub output: i64,
    #[diesel(sql_type = BigInt)]
    pub cost: Micros,
    #[diesel(sql_type = BigInt)]
    pub raw_cost: Micros,
    #[diesel(sql_type = BigInt)]
    pub duration_ms: i64,
}

/// Lists beyond this are not written into a statement.
const MOST_IDS: usize = 1_000;

fn statement(filter: &TallyFilter, apart: Apart) -> String {
    let narrowed = [&filter.keys, &filter.accounts, &filter.users].iter().any(|l| !l.is_empty());
    let table = if narrowed || apart.key || apart.account || apart.user { "usage_hourly" } else { "usage_totals" };
    let number = |on: bool, name: &str| {
        if on { name.to_owned() } else { format!("CAST(0 AS BIGINT) AS {name}") }
    };
    let dimensions =
        [(apart.hour, "hour"), (apart.key, "key_id"), (apart.account, "account_id"), (apart.user, "user_id")];
    let mut sql = String::from("SELECT ");
    for (on, name) in dimensions {
        sql.push_str(&number(on, name));
        sql.push_str(", ");
    }
    sql.push_str(if apart.model { "model" } else { "CAST('' AS TEXT) AS model" });
    for (sum, name) in [
        ("requests", "requests"),
        ("errors", "errors"),
        ("input", "input"),
        ("cache_read", "cache_read"),
        ("cache_write_5m + cache_write_1h", "cache_write"),
        ("output", "output"),
        ("cost", "cost"),
        ("raw_cost", "raw_cost"),
        ("duration_ms", "duration_ms"),
    ] {
        let _ = write!(sql, ", CAST(COALESCE(SUM({sum}), 0) AS BIGINT) AS {name}");
    }
    // Only numbers are written into the text.
    let _ = write!(sql, " FROM {table} WHERE hour >= {} AND hour < {}", filter.from.0, filter.until.0);
    for (ids, column) in [(&filter.keys, "key_id"), (&filter.accounts, "account_id"), (&filter.users, "user_id")] {
        if !ids.is_empty() && ids.len() <= MOST_IDS {
            let list: Vec<String> = ids.iter().map(i64::to_string).collect();
            let _ = write!(sql, " AND {column} IN ({})", list.join(", "));
        }
    }
    let mut by: Vec<&str> = dimensions.iter().filter(|(on, _)| *on).map(|(_, name)| *name).collect();
    if apart.model {
        by.push("model");
    }
    if !by.is_empty() {
        let by = by.join(", ");
        let _ = write!(sql, " GROUP BY {by} ORDER BY {by}");
    }
    sql
}

impl Tally {
    /// The sums of the calls a filter finds. An overlong list of keys, accounts or users narrows only when it is
    /// also kept apart by.
    pub async fn load(conn: &mut Conn, filter: &TallyFilter, apart: Apart) -> QueryResult<Vec<Self>> {
        let sql = statement(filter, apart);
        let mut rows: Vec<Self> = on!(conn, |c| diesel::sql_query(sql.as_str()).load(c).await)?;
        for (apart, ids, id) in [
            (apart.key, &filter.keys, (|r: &Self| r.key_id) as fn(&Self) -> i64),
            (apart.account, &filter.accounts, |r: &Self| r.account_id),
            (apart.user, &filter.users, |r: &Self| r.user_id),
        ] {
            if apart && ids.len() > MOST_IDS {
                let wanted: HashSet<i64> = ids.iter().copied().collect();
                rows.retain(|r| wanted.contains(&id(r)));
            }
        }
        Ok(rows)
    }
    /// Adds another's sums to these.
    pub fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.errors += other.errors;
        self.input += other.input;
        self.cache_read += other.cache_read;
        self.cache_write += other.cache_write;
        self.output += other.output;
        self.cost = self.cost.plus(other.cost);
        self.raw_cost = self.raw_cost.plus(other.raw_cost);
        self.duration_ms += other.duration_ms;
    }
    /// Every token that went in or out.
    pub fn tokens(&self) -> i64 {
        self.input + self.cache_read + self.cache_write + self.output
    }
    /// The sums of the calls since a moment of late, from the single calls: how many, and their tokens.
    pub async fn recent(conn: &mut Conn, since: Time) -> QueryResult<(i64, i64)> {
        use crate::table::usage;
        use diesel::dsl::sql;
        let tokens = "CAST(COALESCE(SUM(input + cache_read + cache_write_5m + cache_write_1h + output), 0) AS BIGINT)";
        on!(conn, |c| usage::table
            .filter(usage::at.ge(since))
            .select((sql::<BigInt>("COUNT(*)"), sql::<BigInt>(tokens)))
            .get_result(c)
            .await)
    }
    /// The last client program whose name begins so, and when it called.
    pub async fn latest_client(conn: &mut Conn, start: &str, since: Time) -> QueryResult<Option<(String, Time)>> {
        use crate::table::usage;
        use crate::value::escape_like;
        let pattern = format!("{}%", escape_like(start));
        on!(conn, |c| usage::table
            .filter(usage::at.ge(since))
            .filter(usage::client.like(&pattern).escape('\\'))
            .order(usage::at.desc())
            .select((usage::client, usage::at))
            .first(c)
            .await
            .optional())
    }
    /// Every model that was ever called, by name.
    pub async fn models(conn: &mut Conn) -> QueryResult<Vec<String>> {
        use crate::table::usage_totals;
        on!(conn, |c| usage_totals::table
            .select(usage_totals::model)
            .distinct()
            .order(usage_totals::model)
            .load(c)
            .await)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_together_is_read_from_the_small_table() {
        let all = TallyFilter { from: Time(0), until: Time(9), keys: vec![], accounts: vec![], users: vec![] };
        assert!(statement(&all, Apart { model: true, ..Apart::default() }).contains("FROM usage_totals WHERE"));
        assert!(statement(&all, Apart { key: true, ..Apart::default() }).contains("FROM usage_hourly WHERE"));
        let one = TallyFilter { keys: vec![3, 4], ..all };
        let sql = statement(&one, Apart::default());
        assert!(sql.ends_with("FROM usage_hourly WHERE hour >= 0 AND hour < 9 AND key_id IN (3, 4)"), "{sql}");
    }
}
