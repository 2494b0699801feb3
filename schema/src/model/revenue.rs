//! Sums over orders, people and usage, for the reports; nothing is written here.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel_async::RunQueryDsl;

use crate::clock::Time;
use crate::db::Conn;
use crate::money::Micros;
use crate::on;

/// The grain of all sums. Every time zone's midnight falls on a quarter of an hour, so that days and months of any zone
/// are made of whole grains; and because every report adds up the same grains, they agree to the last unit.
pub const GRAIN: i64 = 15 * crate::clock::MINUTE;

/// What was paid for one plan in one currency within one grain, after refunds.
#[derive(Clone, Debug, QueryableByName)]
pub struct PaidSum {
    #[diesel(sql_type = BigInt)]
    pub at: Time,
    /// `None` for top-ups.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub plan_id: Option<i64>,
    #[diesel(sql_type = Text)]
    pub currency: String,
    #[diesel(sql_type = BigInt)]
    pub amount: i64,
    #[diesel(sql_type = BigInt)]
    pub orders: i64,
}

/// How many within one grain.
#[derive(Clone, Copy, Debug, QueryableByName)]
pub struct CountSum {
    #[diesel(sql_type = BigInt)]
    pub at: Time,
    #[diesel(sql_type = BigInt)]
    pub count: i64,
}

/// What one model was used for.
#[derive(Clone, Debug, QueryableByName)]
pub struct ModelSum {
    #[diesel(sql_type = Text)]
    pub model: String,
    #[diesel(sql_type = BigInt)]
    pub requests: i64,
    #[diesel(sql_type = BigInt)]
    pub errors: i64,
    #[diesel(sql_type = BigInt)]
    pub input: i64,
    #[diesel(sql_type = BigInt)]
    pub output: i64,
    #[diesel(sql_type = BigInt)]
    pub cost: Micros,
    #[diesel(sql_type = BigInt)]
    pub raw_cost: Micros,
}

#[derive(QueryableByName)]
struct One {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

impl PaidSum {
    /// The sums of a time. What the wallet paid is left out: it was paid in before. What was given back in whole is no order.
    pub async fn within(conn: &mut Conn, from: Time, until: Time) -> QueryResult<Vec<Self>> {
        let (from, until) = (from.0, until.0);
        let query = format!(
            "SELECT paid_at - paid_at % {GRAIN} AS at, plan_id, paid_currency AS currency, \
             CAST(SUM(paid_amount - refunded_amount) AS BIGINT) AS amount, COUNT(*) AS orders \
             FROM orders WHERE paid_at >= {from} AND paid_at < {until} AND method <> 'wallet' \
             AND paid_currency IS NOT NULL AND paid_amount > refunded_amount \
             GROUP BY paid_at - paid_at % {GRAIN}, plan_id, paid_currency ORDER BY 1"
        );
        on!(conn, |c| diesel::sql_query(query).load(c).await)
    }
}

impl CountSum {
    /// People who came within a time and are still here.
    pub async fn new_users(conn: &mut Conn, from: Time, until: Time) -> QueryResult<Vec<Self>> {
        let (from, until) = (from.0, until.0);
        let query = format!(
            "SELECT created_at - created_at % {GRAIN} AS at, COUNT(*) AS count FROM users \
             WHERE created_at >= {from} AND created_at < {until} AND deleted_at IS NULL \
             GROUP BY created_at - created_at % {GRAIN} ORDER BY 1"
        );
        on!(conn, |c| diesel::sql_query(query).load(c).await)
    }
}

impl ModelSum {
    /// What the models were used for within a time, the dearest first.
    pub async fn within(conn: &mut Conn, from: Time, until: Time) -> QueryResult<Vec<Self>> {
        let (from, until) = (from.0, until.0);
        let sum = |column: &str| format!("CAST(SUM({column}) AS BIGINT) AS {column}");
        let columns = ["requests", "errors", "input", "output", "cost", "raw_cost"].map(sum).join(", ");
        let query = format!(
            "SELECT model, {columns} FROM usage_totals WHERE hour >= {from} AND hour < {until} \
             GROUP BY model ORDER BY SUM(cost) DESC, model"
        );
        on!(conn, |c| diesel::sql_query(query).load(c).await)
    }
}

/// How many people there are.
pub async fn users(conn: &mut Conn) -> QueryResult<i64> {
    one(conn, "SELECT COUNT(*) AS count FROM users WHERE deleted_at IS NULL").await
}

/// How many of them are on a plan that costs something.
pub async fn subscribers(conn: &mut Conn, now: Time) -> QueryResult<i64> {
    let now = now.0;
    let query = format!(
        "SELECT COUNT(DISTINCT s.user_id) AS count FROM subscriptions s \
         JOIN plans p ON p.id = s.plan_id JOIN users u ON u.id = s.user_id \
         WHERE s.status = 'active' AND s.expires_at > {now} AND p.price > 0 AND u.deleted_at IS NULL"
    );
    one(conn, &query).await
}

async fn one(conn: &mut Conn, query: &str) -> QueryResult<i64> {
    let found: One = on!(conn, |c| diesel::sql_query(query).get_result(c).await)?;
    Ok(found.count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::usage_totals;
    use crate::testing::{START, TestApp};

    #[tokio::test(flavor = "multi_thread")]
    async fn models_are_summed_over_hours_and_dialects() {
        let t = TestApp::new().await;
        let mut conn = t.db.conn().await.expect("a connection");
        for (hour, model, dialect, cost) in
            [(0, "a", "openai", 5), (1, "a", "anthropic", 7), (1, "b", "openai", 20), (2, "b", "openai", 100)]
        {
            let row = (
                usage_totals::hour.eq(START.plus(hour * crate::clock::HOUR)),
                usage_totals::model.eq(model),
                usage_totals::dialect.eq(dialect),
                usage_totals::requests.eq(2_i64),
                usage_totals::cost.eq(Micros(cost)),
            );
            on!(&mut conn, |c| diesel::insert_into(usage_totals::table).values(row).execute(c).await).expect("a row");
        }
        let until = START.plus(2 * crate::clock::HOUR);
        let sums = ModelSum::within(&mut conn, START, until).await.expect("sums");
        let seen: Vec<(&str, i64, i64)> = sums.iter().map(|m| (m.model.as_str(), m.requests, m.cost.0)).collect();
        assert_eq!(seen, [("b", 2, 20), ("a", 4, 12)]);
    }
}
