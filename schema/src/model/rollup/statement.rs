//! The one statement that every report is read by, as text and bound values.

use std::fmt::Write;

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Text};
use diesel_async::RunQueryDsl;

use super::{Bucket, Dimension, Row, SUMMED, Shift, Slice};
use crate::db::Conn;
use crate::on;

/// A value of a statement.
#[derive(Clone, Debug)]
pub(super) enum Param {
    Int(i64),
    Ints(Vec<i64>),
    Texts(Vec<String>),
}

/// A statement being written. Its text depends on what is asked, never on the values, so that the
/// number of prepared statements stays small.
pub(super) struct Statement {
    pub(super) text: String,
    params: Vec<Param>,
    postgres: bool,
}

impl Statement {
    pub(super) fn new(conn: &Conn) -> Self {
        Self { text: String::new(), params: Vec::new(), postgres: matches!(conn, Conn::Pg(_)) }
    }
    pub(super) fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }
    /// Writes the mark of a bound value.
    pub(super) fn value(&mut self, param: Param) {
        self.params.push(param);
        let mark = if self.postgres { '$' } else { '?' };
        // Writing to a string cannot fail.
        let _ = write!(self.text, "{mark}{}", self.params.len());
    }
    fn one_of(&mut self, column: &str, values: Param) {
        self.push(column);
        let texts = matches!(values, Param::Texts(_));
        if self.postgres {
            self.push(" = ANY (");
            self.value(values);
            self.push(if texts { "::text[])" } else { "::bigint[])" });
        } else {
            self.push(" IN (SELECT value FROM json_each(");
            self.value(values);
            self.push("))");
        }
    }

    pub(super) fn select(&mut self, slice: &Slice, bucket: &Bucket, mark: Option<i64>, by: &[Dimension]) {
        let over_everybody = slice.keys.is_none()
            && slice.accounts.is_none()
            && slice.users.is_none()
            && by.iter().all(|d| matches!(d, Dimension::Model | Dimension::Dialect));
        self.push("SELECT CAST(");
        match (mark, bucket) {
            (Some(mark), _) => self.value(Param::Int(mark)),
            (None, Bucket::Whole) => self.push("0"),
            (None, Bucket::Hours) => self.push("hour"),
            (None, Bucket::Days(shifts)) => self.day(shifts),
        }
        self.push(" AS BIGINT) AS bucket");
        for (dimension, column, none) in [
            (Dimension::Key, "key_id", "CAST(0 AS BIGINT)"),
            (Dimension::Account, "account_id", "CAST(0 AS BIGINT)"),
            (Dimension::User, "user_id", "CAST(0 AS BIGINT)"),
            (Dimension::Model, "model", "CAST('' AS TEXT)"),
            (Dimension::Dialect, "dialect", "CAST('' AS TEXT)"),
        ] {
            let asked = by.contains(&dimension);
            let _ = if asked { write!(self.text, ", {column}") } else { write!(self.text, ", {none} AS {column}") };
        }
        for column in SUMMED {
            let _ = write!(self.text, ", CAST(COALESCE(SUM({column}), 0) AS BIGINT) AS {column}");
        }
        self.push(if over_everybody { " FROM usage_totals" } else { " FROM usage_hourly" });
        self.push(" WHERE 1 = 1");
        if let Some(from) = slice.from {
            self.push(" AND hour >= ");
            self.value(Param::Int(from.0));
        }
        if let Some(until) = slice.until {
            self.push(" AND hour < ");
            self.value(Param::Int(until.0));
        }
        for (column, ids) in [("key_id", &slice.keys), ("account_id", &slice.accounts), ("user_id", &slice.users)] {
            if let Some(ids) = ids {
                self.push(" AND ");
                self.one_of(column, Param::Ints(ids.clone()));
            }
        }
        for (column, words) in [("model", &slice.models), ("dialect", &slice.dialects)] {
            if let Some(words) = words {
                self.push(" AND ");
                self.one_of(column, Param::Texts(words.clone()));
            }
        }
        let mut groups = Vec::new();
        if mark.is_none() && *bucket != Bucket::Whole {
            groups.push("1");
        }
        for (dimension, place) in [
            (Dimension::Key, "2"),
            (Dimension::Account, "3"),
            (Dimension::User, "4"),
            (Dimension::Model, "5"),
            (Dimension::Dialect, "6"),
        ] {
            if by.contains(&dimension) {
                groups.push(place);
            }
        }
        if !groups.is_empty() {
            self.push(" GROUP BY ");
            self.push(&groups.join(", "));
        }
    }

    /// The number of the day in which an hour begins.
    fn day(&mut self, shifts: &[Shift]) {
        match shifts {
            [] => self.push("hour / 86400000"),
            [only] => {
                self.push("(hour + ");
                self.value(Param::Int(only.ahead_ms));
                self.push(") / 86400000");
            }
            [first @ .., last] => {
                self.push("(hour + CASE");
                for shift in first {
                    self.push(" WHEN hour < ");
                    self.value(Param::Int(shift.until.0));
                    self.push(" THEN ");
                    self.value(Param::Int(shift.ahead_ms));
                }
                self.push(" ELSE ");
                self.value(Param::Int(last.ahead_ms));
                self.push(" END) / 86400000");
            }
        }
    }

    pub(super) async fn load(self, conn: &mut Conn) -> QueryResult<Vec<Row>> {
        let (text, params) = (self.text, self.params);
        on!(
            conn,
            pg | c | {
                let mut query = diesel::sql_query(text).into_boxed::<diesel::pg::Pg>();
                for param in params {
                    query = match param {
                        Param::Int(n) => query.bind::<BigInt, _>(n),
                        Param::Ints(list) => query.bind::<Array<BigInt>, _>(list),
                        Param::Texts(list) => query.bind::<Array<Text>, _>(list),
                    };
                }
                query.load(c).await
            },
            lite | c | {
                let mut query = diesel::sql_query(text).into_boxed::<diesel::sqlite::Sqlite>();
                for param in params {
                    query = match param {
                        Param::Int(n) => query.bind::<BigInt, _>(n),
                        Param::Ints(list) => query.bind::<Text, _>(serde_json::json!(list).to_string()),
                        Param::Texts(list) => query.bind::<Text, _>(serde_json::json!(list).to_string()),
                    };
                }
                query.load(c).await
            }
        )
    }
}
