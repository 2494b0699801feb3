//! Who changed what.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use crate::clock::Time;
use crate::db::Conn;
use crate::model::joined::{Joined, also};
use crate::on;
use crate::page::CursorKey;
use crate::page::Seek;
use crate::table::audit_log;

/// One change, with the values before and after (secrets masked).
#[derive(Clone, Debug, Queryable, Selectable, Identifiable)]
#[diesel(table_name = audit_log)]
pub struct AuditEntry {
    pub id: i64,
    pub at: Time,
    pub actor_id: Option<i64>,
    pub actor_name: String,
    pub face: String,
    pub ip: String,
    pub request_id: String,
    pub action: String,
    pub target_kind: String,
    pub target_id: String,
    pub before: String,
    pub after: String,
}

/// An entry to be written.
#[derive(Debug, Insertable)]
#[diesel(table_name = audit_log)]
pub struct NewAuditEntry<'a> {
    pub at: Time,
    pub actor_id: Option<i64>,
    pub actor_name: &'a str,
    pub face: &'a str,
    pub ip: &'a str,
    pub request_id: &'a str,
    pub action: &'a str,
    pub target_kind: &'a str,
    pub target_id: &'a str,
    pub before: &'a str,
    pub after: &'a str,
}

/// Which entries.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuditFilter {
    pub actor_id: Option<i64>,
    pub action: Option<String>,
    pub target_kind: Option<String>,
    pub target_id: Option<String>,
    pub from: Option<Time>,
    pub until: Option<Time>,
    /// What else must hold.
    #[serde(skip_serializing_if = "Joined::is_empty")]
    pub joined: Joined<AuditFilter>,
}

impl NewAuditEntry<'_> {
    pub async fn insert(&self, conn: &mut Conn) -> QueryResult<()> {
        on!(conn, |c| diesel::insert_into(audit_log::table).values(self).execute(c).await)?;
        Ok(())
    }
}

macro_rules! filtered {
    ($query:expr, $filter:expr) => {{
        let mut query = $query;
        let filter: &AuditFilter = $filter;
        if let Some(id) = filter.actor_id {
            query = query.filter(audit_log::actor_id.eq(id));
        }
        if let Some(action) = &filter.action {
            query = query.filter(audit_log::action.eq(action));
        }
        if let Some(kind) = &filter.target_kind {
            query = query.filter(audit_log::target_kind.eq(kind));
        }
        if let Some(id) = &filter.target_id {
            query = query.filter(audit_log::target_id.eq(id));
        }
        if let Some(from) = filter.from {
            query = query.filter(audit_log::at.ge(from));
        }
        if let Some(until) = filter.until {
            query = query.filter(audit_log::at.lt(until));
        }
        if let Some(more) = also(filter, ()) {
            query = query.filter(more);
        }
        query
    }};
}

crate::composed!(filtered, audit_log, AuditFilter);

impl AuditEntry {
    /// Removes what is older than a moment.
    pub async fn delete_before(conn: &mut Conn, before: Time) -> QueryResult<usize> {
        on!(conn, |c| diesel::delete(audit_log::table.filter(audit_log::at.lt(before))).execute(c).await)
    }
    pub async fn find(conn: &mut Conn, id: i64) -> QueryResult<Option<Self>> {
        on!(conn, |c| audit_log::table.find(id).select(Self::as_select()).first(c).await.optional())
    }
    pub async fn by_ids(conn: &mut Conn, ids: &[i64]) -> QueryResult<Vec<Self>> {
        on!(conn, |c| audit_log::table.filter(audit_log::id.eq_any(ids)).select(Self::as_select()).load(c).await)
    }
    pub async fn count(conn: &mut Conn, filter: &AuditFilter) -> QueryResult<i64> {
        on!(conn, |c| filtered!(audit_log::table.into_boxed(), filter).count().get_result(c).await)
    }
    /// Newest first (or from the oldest, when paging backward), one row more than asked for.
    pub async fn seek(conn: &mut Conn, filter: &AuditFilter, seek: &Seek) -> QueryResult<Vec<Self>> {
        on!(conn, |c| {
            let mut query = filtered!(audit_log::table.select(Self::as_select()).into_boxed(), filter);
            // Entries are written in the order of their ids, so the id alone is the key.
            if let Some(cursor) = &seek.after {
                let CursorKey::Number(_) = cursor.key else {
                    return Ok(Vec::new());
                };
                query = if seek.backward {
                    query.filter(audit_log::id.gt(cursor.id))
                } else {
                    query.filter(audit_log::id.lt(cursor.id))
                };
            }
            query = if seek.backward { query.order(audit_log::id.asc()) } else { query.order(audit_log::id.desc()) };
            query.limit(seek.take + 1).load(c).await
        })
    }
}
