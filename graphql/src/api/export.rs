//! Exports: whole lists as files, ordered here, watched here, downloaded over plain HTTP.

mod change;
mod list;

use async_graphql::{ComplexObject, Context, Enum, ID, SimpleObject};
use schema::model::export as model;

use super::user::User;
use crate::context::Reach;
use crate::fault::Result;
use crate::scalar::{BigInt, DateTime};
use crate::{download, loader, node};

pub use change::ExportMutation;
pub use list::ExportQuery;

/// A whole list as a file.
#[derive(SimpleObject, Clone)]
#[graphql(complex)]
pub struct Export {
    /// Opaque id.
    pub id: ID,
    /// Its number.
    pub database_id: BigInt,
    /// Rows of which list.
    pub kind: ExportKind,
    /// How they are written.
    pub format: ExportFormat,
    /// How far it is.
    pub status: ExportStatus,
    /// Why it failed; null when it did not.
    pub fail_reason: Option<String>,
    /// Rows written so far.
    pub row_count: BigInt,
    /// Bytes written so far.
    pub byte_count: BigInt,
    /// When it was ordered.
    pub created_at: DateTime,
    /// When writing began.
    pub started_at: Option<DateTime>,
    /// When it ended, well or not.
    pub finished_at: Option<DateTime>,
    /// Until when its file can be downloaded; null while there is none.
    pub expires_at: Option<DateTime>,
    #[graphql(skip)]
    user_row: i64,
}

impl From<model::Export> for Export {
    fn from(row: model::Export) -> Self {
        Self {
            id: node::id("Export", row.id),
            database_id: BigInt(row.id),
            kind: row.kind.into(),
            format: row.format.into(),
            status: row.status.into(),
            fail_reason: (row.status == model::ExportStatus::Failed).then_some(row.fail_reason),
            row_count: BigInt(row.row_count),
            byte_count: BigInt(row.byte_count),
            created_at: DateTime(row.created_at),
            started_at: row.started_at.map(DateTime),
            finished_at: row.finished_at.map(DateTime),
            expires_at: row.expires_at.map(DateTime),
            user_row: row.user_id,
        }
    }
}

#[ComplexObject]
impl Export {
    /// Who ordered it.
    async fn user(&self, ctx: &Context<'_>) -> Option<Result<User>> {
        loader::one(ctx, loader::UserById(self.user_row)).await
    }
    /// Where its file is, asked for with the same `Authorization` as this graph; null while, or when, there is none.
    async fn download_url(&self, ctx: &Context<'_>) -> Option<String> {
        let ready = self.status == ExportStatus::Ready;
        let open = self.expires_at.is_some_and(|at| at.0 > ctx.app().clock.now());
        (ready && open).then(|| download::address(ctx.app(), &self.id))
    }
}

/// Rows of which list.
#[derive(Enum, Copy, Clone, Eq, PartialEq, Debug)]
#[graphql(remote = "model::ExportKind")]
pub enum ExportKind {
    /// Calls.
    UsageRecords,
    /// Movements of wallets.
    LedgerEntries,
    /// Orders.
    Orders,
    /// People.
    Users,
    /// Keys.
    ApiKeys,
    /// Cards.
    Cards,
    /// Changes and who made them.
    AuditLog,
    /// Requests over HTTP.
    RequestLogs,
}

/// How the rows of an export are written.
#[derive(Enum, Copy, Clone, Eq, PartialEq, Debug, Default)]
#[graphql(remote = "model::ExportFormat")]
pub enum ExportFormat {
    /// Comma-separated values, for spreadsheets: UTF-8 with a mark, no cell is a formula.
    #[default]
    Csv,
    /// One JSON object a line, for programs.
    Jsonl,
}

/// How far an export is.
#[derive(Enum, Copy, Clone, Eq, PartialEq, Debug)]
#[graphql(remote = "model::ExportStatus")]
pub enum ExportStatus {
    /// It waits for its turn.
    Pending,
    /// It is being written.
    Running,
    /// Its file can be downloaded.
    Ready,
    /// It cannot be had; `failReason` says why.
    Failed,
    /// Somebody cancelled it.
    Cancelled,
    /// The time of its file is over.
    Expired,
}
