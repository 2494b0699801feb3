//! Exports as they go on.

use async_graphql::{ComplexObject, Context, ID, SimpleObject, Subscription};
use futures_util::Stream;
use schema::bus::Event;
use schema::model::export::ExportStatus as Status;
use schema::service::export as service;

use super::picked;
use crate::api::export::{Export, ExportStatus};
use crate::context::Reach;
use crate::fault::Result;
use crate::node;
use crate::scalar::BigInt;

/// An export that has just gone on.
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct ExportEvent {
    /// The export.
    pub export_id: ID,
    /// How far it is.
    pub status: ExportStatus,
    /// Rows written so far.
    pub row_count: BigInt,
    /// True when moves before this one may not have been told.
    pub missed: bool,
    #[graphql(skip)]
    row: i64,
}

#[ComplexObject]
impl ExportEvent {
    /// The export as it is now.
    async fn export(&self, ctx: &Context<'_>) -> Option<Result<Export>> {
        match node::found(service::get(ctx.app(), ctx.actor(), self.row).await, Export::from) {
            Ok(export) => export.map(Ok),
            Err(e) => Some(Err(e)),
        }
    }
}

#[derive(Default)]
pub struct ExportSubscription;

#[Subscription]
impl ExportSubscription {
    /// Exports as they begin, go on and end: one's own, or everybody's for administrators.
    async fn export_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only this export.")] export_id: Option<ID>,
        #[graphql(desc = "Whose; everybody's for administrators, one's own for others when absent.")] user_id: Option<
            ID,
        >,
    ) -> Result<impl Stream<Item = ExportEvent> + use<>> {
        let user = ctx.actor().whose(node::row_if("User", user_id.as_ref(), "userId")?)?;
        let only = node::row_if("Export", export_id.as_ref(), "exportId")?;
        Ok(picked(ctx.app().bus.listen(), move |event, missed| match event {
            Event::ExportChanged { id, user_id, status, rows }
                if user.is_none_or(|u| u == *user_id) && only.is_none_or(|o| o == *id) =>
            {
                Some(ExportEvent {
                    export_id: node::id("Export", *id),
                    status: Status::parse(status)?.into(),
                    row_count: BigInt(*rows),
                    missed,
                    row: *id,
                })
            }
            _ => None,
        }))
    }
}
