//! Usage: single calls, and their sums along time and by group.

mod record;
mod report;
mod sums;

use async_graphql::Context;
use schema::service::report::Dimension;

use crate::context::Reach;
use crate::fault::Result;
use crate::loader;

pub use record::{UsageRecord, UsageRecordFilter, UsageRecordMutation, UsageRecordQuery, filtered};
pub use report::UsageReportQuery;
pub use sums::{UsagePeriod, UsageSums};

/// What a key, an account or a person used within a span, with all others of the answer.
pub async fn of(ctx: &Context<'_>, by: Dimension, id: i64, period: UsagePeriod) -> Result<UsageSums> {
    let sums = ctx.loaders().load_one(loader::UsageOf { by, id, period }).await?;
    Ok(sums.unwrap_or_default().into())
}
