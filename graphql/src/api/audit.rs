//! Who changed what.

use async_graphql::{ComplexObject, Context, ID, InputObject, Object, SimpleObject};
use schema::model::audit as model;
use schema::page::{Cursor, CursorKey};
use schema::service::audit as service;

use super::user::User;
use crate::context::{Reach, to_admins};
use crate::fault::Result;
use crate::filter::{DateTimeFilter, joined, search, span};
use crate::page::{self, Connection};
use crate::scalar::{BigInt, DateTime, Json};
use crate::{count_by, joins, loader, node};

/// One change, by whom, and what it changed.
#[derive(SimpleObject, Clone)]
#[graphql(complex)]
pub struct AuditEntry {
    /// Opaque id.
    pub id: ID,
    /// Its number.
    pub database_id: BigInt,
    /// When.
    pub at: DateTime,
    /// The name of who did it.
    pub actor_name: String,
    /// The face through which it was done.
    pub face: String,
    /// The address it was done from.
    pub ip: String,
    /// The request it was done in.
    pub request_id: String,
    /// What was done, such as `user.change`.
    pub action: String,
    /// The kind of thing it was done to.
    pub target_kind: String,
    /// The id of that thing.
    pub target_id: String,
    /// The thing before; secrets masked.
    pub before: Json,
    /// The thing after; secrets masked.
    pub after: Json,
    #[graphql(skip)]
    actor_row: Option<i64>,
}

impl From<model::AuditEntry> for AuditEntry {
    fn from(row: model::AuditEntry) -> Self {
        Self {
            id: node::id("AuditEntry", row.id),
            database_id: BigInt(row.id),
            at: DateTime(row.at),
            actor_name: row.actor_name,
            face: row.face,
            ip: row.ip,
            request_id: row.request_id,
            action: row.action,
            target_kind: row.target_kind,
            target_id: row.target_id,
            before: Json::of_text(&row.before),
            after: Json::of_text(&row.after),
            actor_row: row.actor_id,
        }
    }
}

#[ComplexObject]
impl AuditEntry {
    /// Who did it; null for the system itself and for strangers.
    async fn actor(&self, ctx: &Context<'_>) -> Option<Result<User>> {
        loader::one(ctx, loader::UserById(self.actor_row?)).await
    }
}

/// Which changes.
#[derive(InputObject, Default)]
pub struct AuditFilter {
    /// Done by this person.
    pub actor_id: Option<ID>,
    /// Of this kind, such as `user.change`.
    pub action: Option<String>,
    /// Done to this kind of thing.
    pub target_kind: Option<String>,
    /// Done to the thing of this id.
    pub target_id: Option<String>,
    /// Within this span.
    pub at: Option<DateTimeFilter>,
    /// Where all of these hold too.
    pub and: Option<Vec<AuditFilter>>,
    /// Where any of these holds too; not an empty list.
    pub or: Option<Vec<AuditFilter>>,
    /// Where this does not hold.
    pub not: Option<Box<AuditFilter>>,
}

joins!(AuditFilter);

/// The filter as the service means it.
pub fn filtered(filter: AuditFilter) -> Result<model::AuditFilter> {
    joined(filter, |filter, _| {
        let (from, until) = span(filter.at);
        Ok(model::AuditFilter {
            actor_id: node::row_if("User", filter.actor_id.as_ref(), "filter.actorId")?,
            action: search(filter.action, "filter.action")?,
            target_kind: search(filter.target_kind, "filter.targetKind")?,
            target_id: search(filter.target_id, "filter.targetId")?,
            from,
            until,
            ..model::AuditFilter::default()
        })
    })
}

#[derive(Default)]
pub struct AuditQuery;

#[Object]
impl AuditQuery {
    /// Every change and who made it, newest first; for administrators.
    #[graphql(visible = "to_admins")]
    async fn audit_log(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the start: 1 to 100; 20 when nothing is said.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end: 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
        #[graphql(desc = "Only these.")] filter: Option<AuditFilter>,
    ) -> Result<Connection<AuditEntry>> {
        let seek = page::seek(first, after, last, before)?;
        let filter = filtered(filter.unwrap_or_default())?;
        let rows = service::list(ctx.app(), ctx.actor(), &filter, &seek).await?;
        let cursor = |e: &model::AuditEntry| Cursor { key: CursorKey::Number(e.id), id: e.id };
        Ok(page::connection(rows, cursor, AuditEntry::from).counted(count_by!(service::count, filter)))
    }
}
