//! Exports: what was asked for, how far it is written, and the written pieces.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable};
use diesel_async::RunQueryDsl;

use crate::clock::Time;
use crate::db::Conn;
use crate::model::joined::{Joined, also};
use crate::page::{CursorKey, Seek};
use crate::table::{export_chunks, exports};
use crate::{on, text_enum};

text_enum! {
    /// Rows of which list.
    pub enum ExportKind {
        UsageRecords = "usage_records",
        LedgerEntries = "ledger_entries",
        Orders = "orders",
        Users = "users",
        ApiKeys = "api_keys",
        Cards = "cards",
        AuditLog = "audit_log",
        RequestLogs = "request_logs",
    }
}

text_enum! {
    /// How the rows are written.
    pub enum ExportFormat {
        /// Comma-separated, for spreadsheets.
        Csv = "csv",
        /// One JSON object a line, for programs.
        Jsonl = "jsonl",
    }
}

text_enum! {
    /// How far an export is.
    pub enum ExportStatus {
        Pending = "pending",
        Running = "running",
        Ready = "ready",
        Failed = "failed",
        Cancelled = "cancelled",
        Expired = "expired",
    }
}

impl ExportStatus {
    /// Those that are still worked on.
    pub const OPEN: [Self; 2] = [Self::Pending, Self::Running];
}

/// An export.
#[derive(Clone, Debug, Queryable, Selectable, Identifiable)]
pub struct Export {
    pub id: i64,
    pub user_id: i64,
    pub kind: ExportKind,
    pub format: ExportFormat,
    /// Which rows, as the service keeps it.
    pub wanted: String,
    /// Whether it was asked for with an administrator's eyes.
    pub wide: bool,
    pub status: ExportStatus,
    pub fail_reason: String,
    /// The cursor of the last row that is written.
    pub position: Option<String>,
    pub chunk_count: i64,
    pub row_count: i64,
    pub byte_count: i64,
    /// Who writes it, and until when nobody else may.
    pub holder: String,
    pub held_until: Time,
    /// How often it was begun since the last progress.
    pub tries: i64,
    pub created_at: Time,
    pub updated_at: Time,
    pub started_at: Option<Time>,
    pub finished_at: Option<Time>,
    pub expires_at: Option<Time>,
}

/// An export to be made.
#[derive(Debug, Insertable)]
#[diesel(table_name = exports)]
pub struct NewExport<'a> {
    pub user_id: i64,
    pub kind: ExportKind,
    pub format: ExportFormat,
    pub wanted: &'a str,
    pub wide: bool,
    pub status: ExportStatus,
    pub created_at: Time,
    pub updated_at: Time,
}

/// Which exports.
#[derive(Clone, Debug, Default)]
pub struct ExportFilter {
    pub user_id: Option<i64>,
    pub kind: Option<ExportKind>,
    pub status: Option<ExportStatus>,
    /// What else must hold.
    pub joined: Joined<ExportFilter>,
}

/// One more written piece.
#[derive(Clone, Debug)]
pub struct Step {
    /// What was written; nothing when there was no row left.
    pub body: Vec<u8>,
    pub rows: i64,
    /// The cursor of its last row.
    pub position: Option<String>,
    /// Until when its holder goes on.
    pub held_until: Time,
}

/// How an export ends.
#[derive(Clone, Copy, Debug)]
pub struct End<'a> {
    pub status: ExportStatus,
    /// Why it failed, or nothing.
    pub why: &'a str,
    /// Until when its file is kept, where it has one.
    pub expires_at: Option<Time>,
}

impl End<'_> {
    /// An end that leaves no file.
    pub fn without_file(status: ExportStatus) -> Self {
        Self { status, why: "", expires_at: None }
    }
}

diesel::define_sql_function! {
    /// The first that is not null.
    #[sql_name = "coalesce"]
    fn or_else(value: Nullable<BigInt>, instead: BigInt) -> BigInt;
}

macro_rules! filtered {
    ($query:expr, $filter:expr) => {{
        let mut query = $query;
        let filter: &ExportFilter = $filter;
        if let Some(id) = filter.user_id {
            query = query.filter(exports::user_id.eq(id));
        }
        if let Some(kind) = filter.kind {
            query = query.filter(exports::kind.eq(kind));
        }
        if let Some(status) = filter.status {
            query = query.filter(exports::status.eq(status));
        }
        if let Some(more) = also(filter, ()) {
            query = query.filter(more);
        }
        query
    }};
}

crate::composed!(filtered, exports, ExportFilter);

/// An open export that its holder holds.
macro_rules! held {
    ($id:expr, $holder:expr) => {
        exports::table
            .filter(exports::id.eq($id))
            .filter(exports::holder.eq($holder))
            .filter(exports::status.eq(ExportStatus::Running))
    };
}

impl Export {
    pub async fn insert(conn: &mut Conn, new: &NewExport<'_>) -> QueryResult<Self> {
        on!(conn, |c| diesel::insert_into(exports::table)
            .values(new)
            .returning(Self::as_returning())
            .get_result(c)
            .await)
    }
    pub async fn find(conn: &mut Conn, id: i64) -> QueryResult<Option<Self>> {
        on!(conn, |c| exports::table.find(id).select(Self::as_select()).first(c).await.optional())
    }
    pub async fn by_ids(conn: &mut Conn, ids: &[i64]) -> QueryResult<Vec<Self>> {
        on!(conn, |c| exports::table.filter(exports::id.eq_any(ids)).select(Self::as_select()).load(c).await)
    }
    pub async fn count(conn: &mut Conn, filter: &ExportFilter) -> QueryResult<i64> {
        on!(conn, |c| filtered!(exports::table.into_boxed(), filter).count().get_result(c).await)
    }
    /// Newest first (or from the oldest, when paging backward), one row more than asked for.
    pub async fn seek(conn: &mut Conn, filter: &ExportFilter, seek: &Seek) -> QueryResult<Vec<Self>> {
        on!(conn, |c| {
            let mut query = filtered!(exports::table.select(Self::as_select()).into_boxed(), filter);
            if let Some(cursor) = &seek.after {
                let CursorKey::Number(_) = cursor.key else {
                    return Ok(Vec::new());
                };
                query = if seek.backward {
                    query.filter(exports::id.gt(cursor.id))
                } else {
                    query.filter(exports::id.lt(cursor.id))
                };
            }
            query = if seek.backward { query.order(exports::id.asc()) } else { query.order(exports::id.desc()) };
            query.limit(seek.take + 1).load(c).await
        })
    }
    /// How many of a person's are worked on, and how many lie ready.
    pub async fn kept(conn: &mut Conn, user_id: i64) -> QueryResult<(i64, i64)> {
        let open = on!(conn, |c| exports::table
            .filter(exports::user_id.eq(user_id))
            .filter(exports::status.eq_any(ExportStatus::OPEN))
            .count()
            .get_result(c)
            .await)?;
        let ready = on!(conn, |c| exports::table
            .filter(exports::user_id.eq(user_id))
            .filter(exports::status.eq(ExportStatus::Ready))
            .count()
            .get_result(c)
            .await)?;
        Ok((open, ready))
    }
    /// The open one nobody holds that waits longest.
    pub async fn due(conn: &mut Conn, now: Time) -> QueryResult<Option<Self>> {
        on!(conn, |c| exports::table
            .filter(exports::status.eq_any(ExportStatus::OPEN))
            .filter(exports::held_until.le(now))
            .order((exports::updated_at.asc(), exports::id.asc()))
            .select(Self::as_select())
            .first(c)
            .await
            .optional())
    }
    /// Takes an export that is still as it was seen; `None` when somebody else did.
    pub async fn claim(
        conn: &mut Conn,
        seen: &Self,
        holder: &str,
        now: Time,
        until: Time,
    ) -> QueryResult<Option<Self>> {
        on!(conn, |c| diesel::update(
            exports::table
                .filter(exports::id.eq(seen.id))
                .filter(exports::status.eq_any(ExportStatus::OPEN))
                .filter(exports::holder.eq(&seen.holder))
                .filter(exports::held_until.eq(seen.held_until))
                .filter(exports::tries.eq(seen.tries))
        )
        .set((
            exports::status.eq(ExportStatus::Running),
            exports::holder.eq(holder),
            exports::held_until.eq(until),
            exports::tries.eq(exports::tries + 1),
            exports::started_at.eq(seen.started_at.or(Some(now))),
            exports::updated_at.eq(now),
        ))
        .returning(Self::as_returning())
        .get_result(c)
        .await
        .optional())
    }
    /// Notes one more piece, within a transaction; false when it is its holder's no longer.
    pub async fn step(conn: &mut Conn, seen: &Self, step: &Step, now: Time) -> QueryResult<bool> {
        let size = i64::try_from(step.body.len()).unwrap_or(i64::MAX);
        let chunks = i64::from(size > 0);
        let n = on!(conn, |c| diesel::update(
            held!(seen.id, &seen.holder).filter(exports::chunk_count.eq(seen.chunk_count))
        )
        .set((
            exports::position.eq(step.position.as_deref()),
            exports::chunk_count.eq(exports::chunk_count + chunks),
            exports::row_count.eq(exports::row_count + step.rows),
            exports::byte_count.eq(exports::byte_count + size),
            exports::held_until.eq(step.held_until),
            exports::tries.eq(0),
            exports::updated_at.eq(now),
        ))
        .execute(c)
        .await)?;
        if n == 1 && chunks == 1 {
            on!(conn, |c| diesel::insert_into(export_chunks::table)
                .values((
                    export_chunks::export_id.eq(seen.id),
                    export_chunks::seq.eq(seen.chunk_count),
                    export_chunks::body.eq(&step.body),
                ))
                .execute(c)
                .await)?;
        }
        Ok(n == 1)
    }
    /// Lets a held export go, to be taken up at a moment; false when it is its holder's no longer.
    pub async fn let_go(conn: &mut Conn, id: i64, holder: &str, from: Time, now: Time) -> QueryResult<bool> {
        let n = on!(conn, |c| diesel::update(held!(id, holder))
            .set((exports::holder.eq(""), exports::held_until.eq(from), exports::updated_at.eq(now)))
            .execute(c)
            .await)?;
        Ok(n == 1)
    }
    /// Ends an export that stands like one of these, and that its holder holds where one is named; `None` when it
    /// does not. When it was finished is told once: a file that is forgotten later was finished when it was.
    pub async fn end(
        conn: &mut Conn,
        id: i64,
        (from, holder): (&[ExportStatus], Option<&str>),
        end: &End<'_>,
        now: Time,
    ) -> QueryResult<Option<Self>> {
        let whoever = holder.is_none().into_sql::<Bool>();
        on!(conn, |c| diesel::update(
            exports::table
                .filter(exports::id.eq(id))
                .filter(exports::status.eq_any(from))
                .filter(exports::holder.eq(holder.unwrap_or_default()).or(whoever))
        )
        .set((
            exports::status.eq(end.status),
            exports::fail_reason.eq(end.why),
            exports::holder.eq(""),
            exports::finished_at.eq(or_else(exports::finished_at, now).nullable()),
            end.expires_at.map(|at| exports::expires_at.eq(at)),
            exports::updated_at.eq(now),
        ))
        .returning(Self::as_returning())
        .get_result(c)
        .await
        .optional())
    }
    /// Ready ones whose time is over, the longest first.
    pub async fn expired(conn: &mut Conn, now: Time, most: i64) -> QueryResult<Vec<i64>> {
        on!(conn, |c| exports::table
            .filter(exports::status.eq(ExportStatus::Ready))
            .filter(exports::expires_at.le(now))
            .order(exports::expires_at.asc())
            .limit(most)
            .select(exports::id)
            .load(c)
            .await)
    }
    /// Removes what has had no file since before a moment.
    pub async fn delete_before(conn: &mut Conn, before: Time) -> QueryResult<usize> {
        let open = [ExportStatus::Pending, ExportStatus::Running, ExportStatus::Ready];
        on!(conn, |c| diesel::delete(
            exports::table.filter(exports::updated_at.lt(before)).filter(exports::status.ne_all(open))
        )
        .execute(c)
        .await)
    }
    /// Removes the written pieces.
    pub async fn forget_file(conn: &mut Conn, id: i64) -> QueryResult<usize> {
        on!(conn, |c| diesel::delete(export_chunks::table.filter(export_chunks::export_id.eq(id))).execute(c).await)
    }
    /// One written piece; `None` when there is none, or no longer.
    pub async fn chunk(conn: &mut Conn, id: i64, seq: i64) -> QueryResult<Option<Vec<u8>>> {
        on!(conn, |c| export_chunks::table.find((id, seq)).select(export_chunks::body).first(c).await.optional())
    }
}
