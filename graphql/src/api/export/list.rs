//! Finding exports.

use async_graphql::{Context, ID, InputObject, Object};
use schema::model::export as model;
use schema::page::{Cursor, CursorKey};
use schema::service::export as service;

use super::{Export, ExportKind, ExportStatus};
use crate::context::Reach;
use crate::fault::Result;
use crate::filter::joined;
use crate::page::{self, Connection};
use crate::{count_by, joins, node};

/// Which exports.
#[derive(InputObject, Default)]
pub struct ExportFilter {
    /// Of this list.
    pub kind: Option<ExportKind>,
    /// Standing like this.
    pub status: Option<ExportStatus>,
    /// Where all of these hold too.
    pub and: Option<Vec<ExportFilter>>,
    /// Where any of these holds too; not an empty list.
    pub or: Option<Vec<ExportFilter>>,
    /// Where this does not hold.
    pub not: Option<Box<ExportFilter>>,
}

joins!(ExportFilter);

#[derive(Default)]
pub struct ExportQuery;

#[Object]
impl ExportQuery {
    /// One export; null when there is none, or none for you.
    async fn export(&self, ctx: &Context<'_>, #[graphql(desc = "Which.")] id: ID) -> Result<Option<Export>> {
        let row = node::row("Export", &id, "id")?;
        node::found(service::get(ctx.app(), ctx.actor(), row).await, Export::from)
    }

    /// Exports, newest first: one's own, or everybody's for administrators. They are listed for a month.
    async fn exports(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the start: 1 to 100; 20 when nothing is said.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end: 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
        #[graphql(desc = "Whose; everybody's for administrators, one's own for others when absent.")] user_id: Option<
            ID,
        >,
        #[graphql(desc = "Only these.")] filter: Option<ExportFilter>,
    ) -> Result<Connection<Export>> {
        let user_id = ctx.actor().whose(node::row_if("User", user_id.as_ref(), "userId")?)?;
        let seek = page::seek(first, after, last, before)?;
        let filter = joined(filter.unwrap_or_default(), |filter, _| {
            let (kind, status) = (filter.kind.map(Into::into), filter.status.map(Into::into));
            Ok(model::ExportFilter { kind, status, ..model::ExportFilter::default() })
        })?;
        let filter = model::ExportFilter { user_id, ..filter };
        let rows = service::list(ctx.app(), ctx.actor(), &filter, &seek).await?;
        let cursor = |e: &model::Export| Cursor { key: CursorKey::Number(e.id), id: e.id };
        Ok(page::connection(rows, cursor, Export::from).counted(count_by!(service::count, filter)))
    }
}
