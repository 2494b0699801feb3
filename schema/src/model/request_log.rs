//! Who asked what over HTTP.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use crate::clock::Time;
use crate::db::Conn;
use crate::model::joined::{Joined, also};
use crate::page::{CursorKey, Seek, Window};
use crate::table::request_logs;
use crate::value::escape_like;
use crate::{on, text_enum};

text_enum! {
    /// Which of the two logs a row is in.
    pub enum LogKind {
        /// Pages and static files.
        Access = "access",
        /// Calls of an API.
        Api = "api",
    }
}

/// One request.
#[derive(Clone, Debug, Queryable, Selectable, Identifiable)]
pub struct RequestLog {
    pub id: i64,
    pub at: Time,
    pub kind: LogKind,
    pub face: String,
    pub method: String,
    pub path: String,
    pub status: i64,
    pub user_id: Option<i64>,
    pub ip: String,
    pub agent: String,
    pub duration_ms: i64,
    pub request_size: i64,
    pub response_size: i64,
    pub request_id: String,
}

/// A request to be noted.
#[derive(Clone, Debug, Insertable)]
#[diesel(table_name = request_logs)]
pub struct NewRequestLog {
    pub at: Time,
    pub kind: LogKind,
    pub face: String,
    pub method: String,
    pub path: String,
    pub status: i64,
    pub user_id: Option<i64>,
    pub ip: String,
    pub agent: String,
    pub duration_ms: i64,
    pub request_size: i64,
    pub response_size: i64,
    pub request_id: String,
}

/// Which requests.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogFilter {
    pub kind: Option<LogKind>,
    pub face: Option<String>,
    pub user_id: Option<i64>,
    /// Part of the path.
    pub path: Option<String>,
    pub status: Option<i64>,
    pub from: Option<Time>,
    pub until: Option<Time>,
    /// What else must hold.
    #[serde(skip_serializing_if = "Joined::is_empty")]
    pub joined: Joined<LogFilter>,
}

macro_rules! filtered {
    ($query:expr, $filter:expr) => {{
        let mut query = $query;
        let filter: &LogFilter = $filter;
        if let Some(kind) = filter.kind {
            query = query.filter(request_logs::kind.eq(kind));
        }
        if let Some(face) = &filter.face {
            query = query.filter(request_logs::face.eq(face));
        }
        if let Some(id) = filter.user_id {
            query = query.filter(request_logs::user_id.eq(id));
        }
        if let Some(path) = &filter.path {
            query = query.filter(request_logs::path.like(format!("%{}%", escape_like(path))).escape('\\'));
        }
        if let Some(status) = filter.status {
            query = query.filter(request_logs::status.eq(status));
        }
        if let Some(from) = filter.from {
            query = query.filter(request_logs::at.ge(from));
        }
        if let Some(until) = filter.until {
            query = query.filter(request_logs::at.lt(until));
        }
        if let Some(more) = also(filter, ()) {
            query = query.filter(more);
        }
        query
    }};
}

crate::composed!(filtered, request_logs, LogFilter);

impl RequestLog {
    pub async fn by_ids(conn: &mut Conn, ids: &[i64]) -> QueryResult<Vec<Self>> {
        on!(conn, |c| request_logs::table.filter(request_logs::id.eq_any(ids)).select(Self::as_select()).load(c).await)
    }
    /// Writes a batch in the caller's transaction.
    pub async fn insert_all(conn: &mut Conn, rows: &[NewRequestLog]) -> QueryResult<()> {
        on!(
            conn,
            pg | c | {
                diesel::insert_into(request_logs::table).values(rows).execute(c).await?;
            },
            lite | c | {
                for row in rows {
                    diesel::insert_into(request_logs::table).values(row).execute(c).await?;
                }
            }
        );
        Ok(())
    }
    pub async fn count(conn: &mut Conn, filter: &LogFilter) -> QueryResult<i64> {
        on!(conn, |c| filtered!(request_logs::table.into_boxed(), filter).count().get_result(c).await)
    }
    /// Newest first, one numbered page.
    pub async fn window(conn: &mut Conn, filter: &LogFilter, window: Window) -> QueryResult<Vec<Self>> {
        on!(conn, |c| filtered!(request_logs::table.select(Self::as_select()).into_boxed(), filter)
            .order((request_logs::at.desc(), request_logs::id.desc()))
            .limit(window.limit)
            .offset(window.offset)
            .load(c)
            .await)
    }
    /// Newest first, one keyset page and one row more.
    pub async fn seek(conn: &mut Conn, filter: &LogFilter, seek: &Seek) -> QueryResult<Vec<Self>> {
        on!(conn, |c| {
            let mut query = filtered!(request_logs::table.select(Self::as_select()).into_boxed(), filter);
            if let Some(cursor) = &seek.after {
                let CursorKey::Number(_) = cursor.key else { return Ok(Vec::new()) };
                query = if seek.backward {
                    query.filter(request_logs::id.gt(cursor.id))
                } else {
                    query.filter(request_logs::id.lt(cursor.id))
                };
            }
            query =
                if seek.backward { query.order(request_logs::id.asc()) } else { query.order(request_logs::id.desc()) };
            query.limit(seek.take + 1).load(c).await
        })
    }
    /// How many requests of a kind there were from a moment on.
    pub async fn count_since(conn: &mut Conn, kind: LogKind, from: Time) -> QueryResult<i64> {
        on!(conn, |c| request_logs::table
            .filter(request_logs::kind.eq(kind))
            .filter(request_logs::at.ge(from))
            .count()
            .get_result(c)
            .await)
    }
    /// Removes what is older than a moment, so many rows at most.
    pub async fn delete_before(conn: &mut Conn, before: Time, most: i64) -> QueryResult<usize> {
        on!(conn, |c| {
            let old: Vec<i64> = request_logs::table
                .filter(request_logs::at.lt(before))
                .select(request_logs::id)
                .limit(most)
                .load(c)
                .await?;
            diesel::delete(request_logs::table.filter(request_logs::id.eq_any(old))).execute(c).await
        })
    }
}
